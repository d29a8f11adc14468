"""Half types: tolerances are those of the dtype that was given, and bfloat16 is seen everywhere."""

import numpy as np
import pytest

from fastdiv import (
    Categorical,
    Gaussian,
    GaussianMixture,
    _inputs,
    kl,
    kl_flow,
    silhouette_samples,
    wcss,
)

RNG = np.random.default_rng(3)
LOGITS = 3 * RNG.normal(size=(200, 10))
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def rounded(a, dtype):
    """Round as a framework does, to an array that remembers its dtype."""
    if dtype == "float16":
        return a.astype(np.float16)
    bits = a.astype(np.float32).view(np.uint32)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return _inputs.Widened(nearest.view(np.float32), "bfloat16")


each_half = pytest.mark.parametrize("dtype", ["float16", "bfloat16"])


@each_half
def test_probabilities(dtype):
    # A sum in float16 is wrong by its rounding. One of bfloat16 numbers is, however it comes about.
    given = rounded(PROBS * (1 + 2.0**-10 if dtype == "float16" else 1), dtype)
    assert np.abs(np.asarray(given, np.float32).sum(axis=1) - 1).max() > 2.0**-11
    p = Categorical(probs=given)
    assert p.dtype == np.float32
    assert (np.abs(kl(p, Categorical(probs=PROBS))) < 1e-3).all()


@each_half
def test_weights_of_a_mixture(dtype):
    weights = rounded(np.array([0.1, 0.2, 0.7]), dtype)
    p = GaussianMixture(weights, Gaussian(np.zeros((3, 1)), std=1.0))
    assert p.weights.sum() == pytest.approx(1, abs=1e-15)


@each_half
@pytest.mark.parametrize("name", ["cov", "precision"])
def test_matrices_are_symmetric_up_to_rounding(dtype, name):
    x = RNG.normal(size=(32, 4))
    matrix = x.T @ x / 32
    skewed = matrix + np.triu(matrix, 1) * 2.0**-8
    p = Gaussian(np.zeros(4), **{name: rounded(skewed, dtype)})
    expected = Gaussian(np.zeros(4), **{name: np.asarray(rounded(matrix, dtype), np.float64)})
    assert kl(p, expected) == 0
    with pytest.raises(ValueError, match=f"{name} must be symmetric"):
        Gaussian(np.zeros(4), **{name: rounded(matrix + np.triu(matrix, 1), dtype)})


@pytest.mark.parametrize(
    ("dtype", "off", "tolerance"),
    [("bfloat16", 0.1, "0.062"), ("float16", 0.05, "0.031"), ("float32", 6e-4, "0.00049")],
)
def test_sums_that_are_wrong(dtype, off, tolerance):
    probs = np.array([0.5, 0.5 + off])
    given = probs.astype(np.float32) if dtype == "float32" else rounded(probs, dtype)
    with pytest.raises(ValueError, match=rf"sum to 1 within {tolerance} \({dtype}\)"):
        Categorical(probs=given)


def test_masks_and_labels_of_bfloat16():
    torch = pytest.importorskip("torch")
    flags = torch.tensor([True, False]).bfloat16()
    pair = Gaussian([[0.0], [1.0]], std=1.0), Gaussian.standard(1)
    with pytest.raises(TypeError, match=r"^where must be a boolean mask; got dtype torch.bfloat16"):
        kl(*pair, where=flags)
    with pytest.raises(TypeError, match=r"^index must hold integers; got dtype torch.bfloat16"):
        Categorical(probs=[0.5, 0.5]).log_prob(flags)
    zeros = np.zeros((1, 1, 2))
    loss = kl_flow(zeros, mean_p=zeros, logstd_p=zeros, logstd_q=zeros, mask=flags.reshape(1, 1, 2))
    assert loss == -0.5
    x, labels = np.arange(12.0).reshape(6, 2), torch.tensor([0, 0, 1, 1, 1, 0])
    assert wcss(x, labels.bfloat16()) == wcss(x, labels)
    noise = labels[0]
    assert wcss(x, labels, noise_label=noise.bfloat16()) == wcss(x, labels, noise_label=noise)
    np.testing.assert_array_equal(
        silhouette_samples(x, labels.bfloat16()), silhouette_samples(x, labels)
    )
    with pytest.raises(ValueError, match=r"^labels must"):
        wcss(x, labels.bfloat16() / 2)

"""Padding that holds NaN: no function of a Gaussian looks at it."""

import numpy as np
import pytest
from gaussians import NAMES, gaussian

from fastdiv import (
    Categorical,
    Gaussian,
    GaussianMixture,
    bhattacharyya,
    cross_entropy,
    hellinger,
    hellinger2,
    jeffreys,
    kl,
    kl_mixture,
    kl_monte_carlo,
    renyi,
    wasserstein2,
)

DIVERGENCES = {
    "kl": kl,
    "jeffreys": jeffreys,
    "cross_entropy": cross_entropy,
    "renyi_half": lambda p, q: renyi(p, q, 0.5),
    "renyi_1": lambda p, q: renyi(p, q, 1),
    "renyi_2": lambda p, q: renyi(p, q, 2.0),
    "bhattacharyya": bhattacharyya,
    "hellinger": hellinger,
    "hellinger2": hellinger2,
    "wasserstein2": wasserstein2,
}
WHERE = np.array([True, False, True])


def padded(p, where=WHERE, filler=np.nan):
    mean, parameter = p.mean.copy(), p.parameter.copy()
    mean[~where], parameter[~where] = filler, filler
    return Gaussian(mean, **{p.parametrisation: parameter}, where=where)


@pytest.mark.parametrize("filler", [np.nan, 0.0, -1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_methods(rng, name, dtype, filler):
    p = gaussian(name, rng, (3,), 2, dtype)
    q = padded(p, filler=filler)
    x = rng.normal(size=(4, 1, 2))
    np.testing.assert_array_equal(q.entropy(), np.where(WHERE, p.entropy(), 0))
    np.testing.assert_array_equal(q.log_prob(x), np.where(WHERE, p.log_prob(x), 0))
    eye = np.eye(2)
    select = WHERE[:, None, None]
    np.testing.assert_array_equal(q.cov(), np.where(select, p.cov(), eye))
    np.testing.assert_array_equal(q.scale_tril(), np.where(select, p.scale_tril(), eye))
    normal = np.random.default_rng(5).standard_normal((4, 3, 2)).astype(dtype)
    expected = np.where(WHERE[:, None], p.sample(4, rng=5), normal)
    np.testing.assert_array_equal(q.sample(4, rng=5), expected)
    assert q.cov().dtype == q.scale_tril().dtype == q.sample(1, rng=0).dtype == dtype


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", ["logstd", "cov"])
def test_divergences(rng, name, other, kind):
    function = DIVERGENCES[kind]
    p, q = gaussian(name, rng, (3,), 2), gaussian(other, rng, (2, 1), 2)
    where = np.array([[True], [False]])
    plain = function(p, q)
    np.testing.assert_array_equal(function(padded(p), q), np.where(WHERE, plain, 0))
    np.testing.assert_array_equal(
        function(padded(p), padded(q, where)), np.where(WHERE & where, plain, 0)
    )
    q = gaussian(other, rng, (3,), 2)
    np.testing.assert_array_equal(function(q, padded(p)), np.where(WHERE, function(q, p), 0))


@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_categorical(kind):
    values = np.array([[0.5, 0.5], [np.nan, np.nan], [0.25, 0.75]])
    p = Categorical(**{kind: values}, where=WHERE)
    q = Categorical(probs=[[0.1, 0.9]] * 3, where=[True, True, False])
    entropy = Categorical(**{kind: values[WHERE]}).entropy()
    np.testing.assert_array_equal(p.entropy(), [entropy[0], 0, entropy[1]])
    expected = cross_entropy(Categorical(**{kind: values[0]}), Categorical(probs=[0.1, 0.9]))
    np.testing.assert_allclose(cross_entropy(p, q), [expected, 0, 0])


@pytest.mark.parametrize("filler", [np.nan, 0.0, np.inf, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_methods_of_categorical(kind, dtype, filler):
    values = np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5], [0.25, 0.0, 0.75]], dtype)
    filled = values.copy()
    filled[1] = filler
    p = Categorical(**{kind: filled}, where=WHERE)
    values[1] = 1 / 3 if kind == "probs" else 0.0
    plain = Categorical(**{kind: values})
    for method in ("probs", "logits"):
        np.testing.assert_array_equal(getattr(p, method)()[WHERE], getattr(plain, method)()[WHERE])
        np.testing.assert_allclose(getattr(p, method)(), getattr(plain, method)(), rtol=1e-7)
        assert getattr(p, method)().dtype == dtype
    np.testing.assert_array_equal(p.sample(500, rng=0), plain.sample(500, rng=0))
    index = [[0], [2]]
    np.testing.assert_array_equal(p.log_prob(index), np.where(WHERE, plain.log_prob(index), 0))


def test_mixtures_refuse_padding(rng):
    p = padded(gaussian("cov", rng, (3,), 2))
    q = GaussianMixture([0.5, 0.5], gaussian("std", rng, (2,), 2))
    with pytest.raises(ValueError, match="p must have no padding"):
        kl_mixture(p, q)
    with pytest.raises(ValueError, match="q must have no padding"):
        kl_mixture(q, p)
    everything = Gaussian(np.zeros(2), std=1.0, where=True)
    assert np.isfinite(kl_mixture(everything, q))


def test_estimates_refuse_padding():
    p = Gaussian(np.zeros((2, 1)), std=[[1.0], [np.nan]], where=[True, False])
    for arguments in ((p, Gaussian.standard(1)), (Gaussian.standard(1), p)):
        with pytest.raises(ValueError, match="must have no padding"):
            kl_monte_carlo(*arguments, 100, rng=0)

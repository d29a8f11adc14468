"""Categorical: accepted and refused arguments, accessors, densities and draws."""

import numpy as np
import pytest
from cases import each_dtype
from categoricals import INF, RTOL
from scipy.special import softmax

from fastdiv import Categorical, kl
from fastdiv._engine import backend


@each_dtype
def test_entropy_of_a_nearly_certain_category(dtype):
    for log_odds in (10.0, 40.0, 70.0):
        ratio = 2 * np.exp(-log_odds)
        expected = np.log1p(ratio) + ratio * log_odds / (1 + ratio)
        p = Categorical(logits=np.array([-log_odds, 0, -log_odds], dtype))
        assert p.entropy() == pytest.approx(expected, rel=RTOL[dtype])
        assert p.log_prob(1) == pytest.approx(-np.log1p(ratio), rel=RTOL[dtype])


def test_accessors(rng):
    logits = rng.normal(size=(3, 4)).astype(np.float32)
    p = Categorical(logits=logits)
    np.testing.assert_allclose(p.probs(), softmax(logits, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(np.exp(p.logits()), softmax(logits, axis=-1), rtol=1e-6)
    assert p.probs().dtype == p.logits().dtype == np.float32
    assert (p.batch_shape, p.n_categories, p.dtype) == ((3,), 4, np.float32)
    q = Categorical(probs=softmax(logits, axis=-1))
    np.testing.assert_allclose(q.logits(), p.logits(), rtol=1e-5)
    assert np.shares_memory(p.parameter, logits)


def test_log_prob_broadcasts(rng):
    logits = rng.normal(size=(2, 1, 5))
    p = Categorical(logits=logits)
    index = rng.integers(0, 5, size=(7, 1, 3))
    values = p.log_prob(index)
    assert values.shape == (7, 2, 3)
    expected = np.log(softmax(logits, axis=-1))[np.arange(2)[None, :, None], 0, index]
    np.testing.assert_allclose(values, expected)
    assert p.log_prob(3).shape == (2, 1)
    assert isinstance(Categorical(logits=logits[0, 0]).log_prob(3), np.float64)


def test_samples_follow_the_distribution(rng):
    probs = np.array([[0.1, 0.0, 0.6, 0.3, 0.0], [0.0, 0.25, 0.25, 0.5, 0.0]])
    for p in (Categorical(probs=probs), Categorical(logits=np.log(np.maximum(probs, 1e-300)))):
        n = 20_000
        drawn = p.sample(n, rng=5)
        assert drawn.shape == (n, 2)
        counts = np.stack([(drawn == j).mean(axis=0) for j in range(5)], axis=-1)
        assert (np.abs(counts - probs) <= 4 * np.sqrt(probs / n)).all()
        np.testing.assert_array_equal(drawn, p.sample(n, rng=np.random.default_rng(5)))
    many = Categorical(logits=rng.normal(size=(5000, 3))).sample(2, rng=0)
    assert many.shape == (2, 5000)
    assert set(np.unique(many)) == {0, 1, 2}
    assert Categorical(probs=[0.0, 1.0]).sample(4, rng=0).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "exactly one of probs, logits must be given; got none"),
        ({"probs": [1.0], "logits": [0.0]}, TypeError, "got probs and logits"),
        ({"logits": 1.0}, ValueError, r"logits must have shape \(..., k\) with k >= 1; got shape"),
        ({"probs": [[]]}, ValueError, "probs must have shape"),
        ({"probs": ["a"]}, TypeError, "probs must hold real numbers"),
        ({"probs": [True, False]}, TypeError, "probs must hold real numbers"),
        ({"probs": [[0.5, 0.5], [0.5, 0.6]]}, ValueError, r"sum to 1 .* 1.1 at batch index \(1,\)"),
        ({"probs": [1.5, -0.5]}, ValueError, "probs must be finite and >= 0; got -0.5"),
        ({"probs": [1.0, np.nan]}, ValueError, "probs must be finite and >= 0; got nan"),
        ({"probs": [INF, 0.0]}, ValueError, "probs must be finite and >= 0; got inf"),
        ({"logits": [[[0.0], [np.nan]]]}, ValueError, r"or -inf; got nan at batch index \(0, 1\)"),
        ({"logits": [0.0, INF]}, ValueError, "logits must be real numbers or -inf; got inf"),
        ({"logits": [INF, INF, 0.0]}, ValueError, "got inf"),
        ({"logits": [np.nan, -INF]}, ValueError, "got nan"),
        ({"logits": [-INF, -INF]}, ValueError, "not all be -inf"),
        ({"logits": [0.0], "where": 1}, TypeError, "where must be a boolean mask"),
        ({"logits": [[0.0]], "where": [True, False]}, ValueError, "where must broadcast"),
    ],
)
@pytest.mark.parametrize("engine", ["core", "reference"])
def test_wrong_parameters(core, engine, arguments, error, message):
    with backend.use(engine), pytest.raises(error, match=message):
        Categorical(**arguments)


@pytest.mark.parametrize("position", [0, 5, 511, 512, 515])
@pytest.mark.parametrize("bad", [np.nan, INF])
@each_dtype
def test_a_bad_value_is_found_anywhere(dtype, bad, position):
    a = np.zeros((3, 516), dtype)
    a[1, position] = bad
    with pytest.raises(ValueError, match=rf"got {bad} at batch index \(1,\)"):
        Categorical(logits=a)
    a = np.full((3, 516), 1 / 516, dtype)
    a[1, position] = bad
    with pytest.raises(ValueError, match=rf"got {bad} at batch index \(1,\)"):
        Categorical(probs=a)


def test_the_tolerance_of_sums(rng):
    probs = np.full(1000, 1 / 1000, np.float32)
    Categorical(probs=probs * np.float32(1 + 4e-4))
    with pytest.raises(ValueError, match="sum to 1 within"):
        Categorical(probs=probs * np.float32(1 + 6e-4))
    scaled = Categorical(probs=probs * np.float32(1 - 4e-4))
    assert kl(scaled, Categorical(probs=probs)) < 1e-13
    assert scaled.probs().sum() == pytest.approx(1, abs=1e-6)


def test_wrong_arguments_of_methods():
    p = Categorical(probs=[0.5, 0.5])
    with pytest.raises(TypeError, match="index must hold integers; got dtype float64"):
        p.log_prob(1.0)
    with pytest.raises(ValueError, match="index must hold categories from 0 to 1; got 2"):
        p.log_prob([0, 2])
    with pytest.raises(ValueError, match="got -1"):
        p.log_prob(-1)
    with pytest.raises(ValueError, match="must broadcast"):
        Categorical(logits=np.zeros((2, 3))).log_prob([0, 1, 2])
    with pytest.raises(ValueError, match="n must be an integer from 1 to"):
        p.sample(0)
    with pytest.raises(ValueError, match="reduce must be one of"):
        kl(p, p, reduce="avg")

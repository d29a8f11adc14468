"""Gradients through discrete choices: each estimator against exact enumeration."""

import re

import numpy as np
import pytest
from scipy.special import softmax

from fastdiv import (
    Categorical,
    enumeration_grad,
    gumbel_softmax,
    score_function_grad,
)

LOGITS = np.array([0.5, -1.0, 0.0, 1.2])
REWARD = np.array([1.0, -2.0, 0.5, 3.0])
INF = float("inf")


def slopes(function, x, step):
    """Return central differences of a scalar function, entry by entry."""
    result = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result


# --- enumeration -----------------------------------------------------------------------------


def test_enumeration_against_finite_differences(rng):
    logits, f = rng.normal(size=(2, 3, 5))
    expected = slopes(lambda x: (softmax(x, axis=-1) * f).sum(), logits, 1e-6)
    np.testing.assert_allclose(enumeration_grad(logits, f), expected, atol=1e-9)


def test_enumeration_broadcasts_and_sums_to_zero(rng):
    logits, f = rng.normal(size=(4, 1, 5)), rng.normal(size=(3, 5))
    gradient = enumeration_grad(logits, f)
    assert gradient.shape == (4, 3, 5)
    np.testing.assert_allclose(gradient.sum(axis=-1), 0, atol=1e-15)
    np.testing.assert_array_equal(gradient[2, 1], enumeration_grad(logits[2, 0], f[1]))


def test_an_impossible_category_has_gradient_zero():
    np.testing.assert_array_equal(
        enumeration_grad([0.0, -INF, 0.0], [1.0, 9.0, 3.0]), [-0.5, 0, 0.5]
    )
    estimate = score_function_grad([0.0, -INF, 0.0], lambda z: 1.0 * z, 50, rng=0)
    assert estimate.gradient[1] == estimate.stderr[1] == 0
    drawn = gumbel_softmax([0.0, -INF, 0.0], 0.3, rng=0)
    assert drawn.sample[1] == drawn.vjp([1.0, 2.0, 4.0])[1] == 0


# --- score function --------------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [2, 3, 20])
def test_score_function_is_unbiased(n_samples):
    """Many small runs at once, as a batch: their mean is within its own standard error."""
    runs = 20_000
    logits = np.broadcast_to(LOGITS, (runs, 4))
    estimates = score_function_grad(logits, lambda z: REWARD[z], n_samples, rng=1).gradient
    exact = enumeration_grad(LOGITS, REWARD)
    z = (estimates.mean(axis=0) - exact) / (estimates.std(axis=0, ddof=1) / np.sqrt(runs))
    assert (np.abs(z) < 4).all(), z


def test_score_function_knows_its_standard_error():
    runs, n_samples = 5000, 100
    logits = np.broadcast_to(LOGITS, (runs, 4))
    estimate = score_function_grad(logits, lambda z: REWARD[z], n_samples, rng=2)
    actual = estimate.gradient.std(axis=0)
    np.testing.assert_allclose(np.sqrt((estimate.stderr**2).mean(axis=0)), actual, rtol=0.05)
    exact = enumeration_grad(LOGITS, REWARD)
    inside = np.abs(estimate.gradient - exact) < 1.96 * estimate.stderr
    assert (np.abs(inside.mean(axis=0) - 0.95) < 0.03).all(), inside.mean(axis=0)
    assert estimate.n_samples == n_samples


def test_score_function_by_its_definition():
    n = 7
    z = Categorical(logits=LOGITS).sample(n, rng=3)
    f, p = REWARD[z], softmax(LOGITS)
    baseline = (f.sum() - f) / (n - 1)
    terms = (f - baseline)[:, None] * (np.eye(4)[z] - p)
    estimate = score_function_grad(LOGITS, lambda z: REWARD[z], n, rng=3)
    np.testing.assert_allclose(estimate.gradient, terms.mean(axis=0), atol=1e-15)
    expected = terms.std(axis=0, ddof=1) / np.sqrt(n)
    np.testing.assert_allclose(estimate.stderr, expected, atol=1e-15)


def test_a_constant_reward_has_no_gradient_and_no_noise():
    estimate = score_function_grad(LOGITS, lambda z: np.full(z.shape, 1e3), 10, rng=0)
    np.testing.assert_array_equal(estimate.gradient, 0)
    np.testing.assert_array_equal(estimate.stderr, 0)


def test_batches_of_score_functions(rng):
    logits, f = rng.normal(size=(2, 2, 3, 5))
    i, j = np.indices((2, 3))
    estimate = score_function_grad(logits, lambda z: f[i, j, z], 40_000, rng=4)
    assert estimate.gradient.shape == estimate.stderr.shape == (2, 3, 5)
    exact = enumeration_grad(logits, f)
    assert (np.abs(estimate.gradient - exact) < 5 * estimate.stderr).all()


# --- Gumbel-softmax --------------------------------------------------------------------------


def gumbel_gradient(temperature, runs, *, hard=False, rng=0):
    """Estimate the gradient of E (reward . z)^2 through relaxed draws."""
    drawn = gumbel_softmax(np.broadcast_to(LOGITS, (runs, 4)), temperature, hard=hard, rng=rng)
    value = drawn.sample @ REWARD
    return drawn.vjp(2 * value[:, None] * REWARD)


def test_the_bias_of_gumbel_softmax_shrinks_with_the_temperature():
    exact = enumeration_grad(LOGITS, REWARD**2)
    errors, spreads = [], []
    for temperature in (2.0, 0.7, 0.25):
        estimates = gumbel_gradient(temperature, 400_000)
        errors.append(np.abs(estimates.mean(axis=0) - exact).max())
        spreads.append(estimates.std(axis=0).max())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert spreads[0] < spreads[1] < spreads[2]


def test_the_relaxed_gradient_is_that_of_the_relaxed_objective():
    estimates = gumbel_gradient(0.7, 200_000, rng=5)
    runs = len(estimates)

    def objective(logits):
        drawn = gumbel_softmax(np.broadcast_to(logits, (runs, 4)), 0.7, rng=5)
        return ((drawn.sample @ REWARD) ** 2).mean()

    np.testing.assert_allclose(estimates.mean(axis=0), slopes(objective, LOGITS, 1e-5), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0])
def test_vjp_against_finite_differences(rng, temperature):
    logits, cotangent = rng.normal(size=(2, 3, 6))
    drawn = gumbel_softmax(logits, temperature, rng=6)

    def objective(x):
        return (gumbel_softmax(x, temperature, rng=6).sample * cotangent).sum()

    expected = slopes(objective, logits, 1e-6)
    np.testing.assert_allclose(drawn.vjp(cotangent), expected, rtol=1e-5, atol=1e-7)
    assert not drawn.biased


def test_straight_through():
    drawn = gumbel_softmax(np.broadcast_to(LOGITS, (1000, 4)), 0.5, hard=True, rng=7)
    soft = gumbel_softmax(np.broadcast_to(LOGITS, (1000, 4)), 0.5, rng=7)
    assert drawn.biased
    assert drawn.hard
    np.testing.assert_array_equal(drawn.sample, np.eye(4)[soft.sample.argmax(axis=-1)])
    cotangent = np.broadcast_to(REWARD, (1000, 4))
    np.testing.assert_array_equal(drawn.vjp(cotangent), soft.vjp(cotangent))


def test_hard_draws_follow_the_distribution():
    n = 100_000
    p = softmax(LOGITS)
    mean = gumbel_softmax(np.broadcast_to(LOGITS, (n, 4)), 2.0, hard=True, rng=8).sample.mean(
        axis=0
    )
    assert (np.abs(mean - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_shapes_dtypes_and_seeds():
    logits = np.zeros((2, 3, 4), np.float32)
    drawn = gumbel_softmax(logits, 1.0, rng=0)
    assert drawn.sample.shape == (2, 3, 4)
    assert drawn.sample.dtype == drawn.vjp(logits).dtype == np.float32
    np.testing.assert_allclose(drawn.sample.sum(axis=-1), 1, rtol=1e-6)
    again = gumbel_softmax(logits, 1.0, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.sample, again.sample)
    tiny = gumbel_softmax(logits, 1e-6, rng=0)
    assert np.isfinite(tiny.sample).all()
    assert np.isfinite(tiny.vjp(logits)).all()


# --- wrong input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: enumeration_grad([np.nan], [0.0]), ValueError, "logits must be real numbers"),
        (
            lambda: enumeration_grad([0.0, 0.0], [0.0]),
            ValueError,
            r"f_values must have shape \(...",
        ),
        (lambda: enumeration_grad([0.0], [np.nan]), ValueError, "f_values must be finite"),
        (lambda: gumbel_softmax([0.0], 0.0), ValueError, "temperature must be > 0; got 0.0"),
        (lambda: gumbel_softmax([0.0], "hot"), TypeError, "temperature must be a real number"),
        (lambda: gumbel_softmax([0.0], 1.0, hard="yes"), TypeError, "hard must be True or False"),
        (lambda: gumbel_softmax([0.0], 1.0, rng="x"), TypeError, "rng must be what"),
        (lambda: gumbel_softmax([0.0, 0.0], 1.0).vjp([0.0]), ValueError, "cotangent must have the"),
        (lambda: gumbel_softmax([0.0], 1.0).vjp([INF]), ValueError, "cotangent must be finite"),
        (
            lambda: score_function_grad([0.0], None, 5),
            TypeError,
            "f must be callable; got NoneType",
        ),
        (
            lambda: score_function_grad([0.0], abs, 1),
            ValueError,
            "n_samples must be an integer from 2 to",
        ),
        (lambda: score_function_grad([0.0], lambda z: 1.0, 5), ValueError, "one value per draw"),
        (
            lambda: score_function_grad([0.0], lambda z: np.full(z.shape, np.nan), 5),
            ValueError,
            "f must return finite values",
        ),
        (lambda: score_function_grad([0.0], lambda z: "no", 5), TypeError, r"f\(z\) must"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- the example -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_draws_its_picture(draw_example):
    printed = draw_example("discrete_vi.py", "--output", timeout=120)
    names = ("score function", "Gumbel-softmax, temperature 1", "enumeration")
    gaps = [float(re.search(rf"{name}: .* (\S+) nats", printed)[1]) for name in names]
    assert gaps[2] < 1e-4 < gaps[0] < gaps[1] < 0.02


@pytest.mark.parametrize("hard", [False, True])
def test_products_of_float32_come_from_float64(rng, hard):
    logits = rng.normal(size=(200, 50)).astype(np.float32)
    c = rng.normal(size=(200, 50))
    narrow, wide = (
        gumbel_softmax(a, 0.3, hard=hard, rng=7).vjp(c) for a in (logits, logits.astype(float))
    )
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


def test_values_of_categories_of_other_names_are_refused():
    pd = pytest.importorskip("pandas")
    logits, f = pd.Series([0.0, 1.0], ["u", "v"]), pd.Series([3.0, 1.0], ["u", "v"])
    expected = enumeration_grad(logits.to_numpy(), f.to_numpy())
    np.testing.assert_array_equal(enumeration_grad(logits, f), expected)
    with pytest.raises(ValueError, match=r"^logits and f_values must .* 'u', 'v' and 'v', 'u'"):
        enumeration_grad(logits, f.iloc[::-1])

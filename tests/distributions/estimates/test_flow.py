"""The divergence behind a flow: its definition, its mean over draws, its gradient."""

import math

import numpy as np
import pytest

from fastdiv import Gaussian, kl, kl_flow, kl_flow_and_grad

B, H, T = 3, 4, 7
REDUCTIONS = ["per_frame", "per_element", "per_item", "none"]
ESTIMATORS = ["hybrid", "k1"]
each_reduce = pytest.mark.parametrize("reduce", REDUCTIONS)
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def mask():
    return np.arange(T) < np.array([7, 3, 1])[:, None, None]


def arguments(rng, estimator="hybrid", dtype=np.float64, shape=(B, H, T)):
    names = ["z_p", "mean_p", "logstd_p", "logstd_q"] + ["noise_q"] * (estimator == "k1")
    return {name: rng.normal(size=shape).astype(dtype) for name in names}


def call(function, given, **options):
    given = dict(given)
    return function(given.pop("z_p"), **given, **options)


def vits(given, mask):
    """Compute the loss as the code of VITS does, in the order of its statements."""
    z_p, m_p, logs_p, logs_q = (given[n] for n in ("z_p", "mean_p", "logstd_p", "logstd_q"))
    value = logs_p - logs_q - 0.5
    value = value + 0.5 * ((z_p - m_p) ** 2) * np.exp(-2.0 * logs_p)
    return (value * mask).sum() / mask.sum()


def elements(given):
    """Compute log q(z) − log p(z) from normal log densities, with the entropy of q if hybrid."""
    log_2pi = math.log(2 * math.pi)
    square = ((given["z_p"] - given["mean_p"]) / np.exp(given["logstd_p"])) ** 2
    log_p = -0.5 * (log_2pi + square) - given["logstd_p"]
    log_q = -0.5 * (log_2pi + given.get("noise_q", 1.0) ** 2) - given["logstd_q"]
    return log_q - log_p


def expected(given, mask, log_det, reduce):
    kl_elements = np.where(mask, elements(given), 0.0)
    valid_items = mask.any(axis=(1, 2))
    if np.ndim(log_det) == 3:
        per_item_det = np.where(mask, log_det, 0.0).sum(axis=(1, 2))
    else:
        per_item_det = np.where(valid_items, log_det, 0.0)
    items = kl_elements.sum(axis=(1, 2)) - per_item_det
    return {
        "per_frame": items.sum() / mask.sum(),
        "per_element": items.sum() / (mask.sum() * H),
        "per_item": items,
        "none": kl_elements,
    }[reduce]


@each_dtype
def test_the_loss_of_vits(rng, mask, dtype):
    given = arguments(rng, dtype=dtype)
    wide = {name: a.astype(np.float64) for name, a in given.items()}
    for m in (mask, mask.astype(np.float32), mask.astype(np.int64)):
        assert call(kl_flow, given, mask=m) == pytest.approx(vits(wide, mask), rel=1e-13)


SHAPES_OF_LOG_DET = [(), (B,), (B, 1, T)]
each_reduce_and_shape = pytest.mark.parametrize(
    ("reduce", "shape"),
    [("none", ()), *((r, s) for r in REDUCTIONS[:-1] for s in SHAPES_OF_LOG_DET)],
)


@each_estimator
@each_reduce_and_shape
def test_definition(rng, mask, shape, reduce, estimator):
    log_det = 0 if reduce == "none" else rng.normal(size=shape)
    given = arguments(rng, estimator)
    for m in (mask, np.ones((B, 1, T), dtype=bool), mask & (np.arange(B) != 1)[:, None, None]):
        got = call(kl_flow, given, log_det=log_det, mask=m, reduce=reduce, estimator=estimator)
        want = expected(given, m, log_det, reduce)
        assert got.shape == np.shape(want)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    without = call(kl_flow, given, log_det=log_det, reduce=reduce, estimator=estimator)
    np.testing.assert_allclose(
        without, expected(given, np.ones((B, 1, T), dtype=bool), log_det, reduce), atol=1e-12
    )


@each_estimator
def test_mean_over_draws_is_the_divergence(estimator):
    """Through an affine flow, whose log-determinant matters, against the closed form."""
    rng = np.random.default_rng(2)
    h, t, draws = 3, 2, 40_000
    mean_q, logstd_q, mean_p, logstd_p = 0.3 * rng.normal(size=(4, 1, h, t))
    scale, shift = np.exp(0.5 * rng.normal(size=(h, 1))), rng.normal(size=(h, 1))
    noise = rng.normal(size=(draws, h, t))
    z_p = scale * (mean_q + np.exp(logstd_q) * noise) + shift
    repeat = {
        "mean_p": np.broadcast_to(mean_p, z_p.shape),
        "logstd_p": np.broadcast_to(logstd_p, z_p.shape),
        "logstd_q": np.broadcast_to(logstd_q, z_p.shape),
    }
    if estimator == "k1":
        repeat["noise_q"] = noise
    values = kl_flow(
        z_p,
        **repeat,
        log_det=t * np.log(scale).sum(),
        reduce="per_item",
        estimator=estimator,
    )
    behind = Gaussian((scale * mean_q + shift).ravel(), std=(scale * np.exp(logstd_q)).ravel())
    truth = kl(behind, Gaussian(mean_p.ravel(), logstd=logstd_p.ravel()))
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(draws))
    assert values.min() < 0  # and yet
    assert np.abs(values).mean() > truth + 0.01  # what abs would make of it


def test_k1_is_exactly_zero_where_posterior_and_prior_agree(rng):
    mean, logstd, noise = rng.normal(size=(3, B, H, T))
    z = mean + np.exp(logstd) * noise
    options = {"mean_p": mean, "logstd_p": logstd, "logstd_q": logstd, "reduce": "none"}
    drawn = kl_flow(z, **options, noise_q=noise, estimator="k1")
    np.testing.assert_allclose(drawn, 0.0, atol=1e-13)
    assert kl_flow(z, **options).std() > 0.3


@each_reduce
@each_estimator
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_padding_may_hold_anything(rng, mask, bad, estimator, reduce):
    given = arguments(rng, estimator)
    spoilt = {name: np.where(mask, a, bad) for name, a in given.items()}
    options = {"mask": mask, "reduce": reduce, "estimator": estimator}
    if reduce != "none":
        options["log_det"] = np.where(mask, rng.normal(size=mask.shape), bad)
    value, gradients = call(kl_flow_and_grad, spoilt, **options)
    if reduce != "none":
        options["log_det"] = np.where(mask, options["log_det"], 0.0)
    clean_value, clean_gradients = call(kl_flow_and_grad, given, **options)
    np.testing.assert_array_equal(value, clean_value)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, clean_gradients[name])
        if gradient.ndim == 3:
            assert not gradient[~np.broadcast_to(mask, gradient.shape)].any()


def test_an_item_that_is_all_padding(rng, mask):
    given = arguments(rng)
    mask = mask & (np.arange(B) != 1)[:, None, None]
    for a in given.values():
        a[1] = np.nan
    items = call(kl_flow, given, mask=mask, reduce="per_item", log_det=np.array([1.0, np.nan, 2.0]))
    assert items[1] == 0
    assert np.isfinite(items).all()


@pytest.mark.slow
@each_estimator
@each_reduce_and_shape
def test_gradient(rng, mask, shape, estimator, reduce):
    given = arguments(rng, estimator)
    given["log_det"] = np.zeros(shape) if reduce == "none" else rng.normal(size=shape)
    options = {"mask": mask, "reduce": reduce, "estimator": estimator}
    value, gradients = call(kl_flow_and_grad, given, **options)
    np.testing.assert_array_equal(value, call(kl_flow, given, **options))
    assert set(gradients) == set(given)
    step = 1e-5
    for name, gradient in gradients.items():
        if name == "log_det" and reduce == "none":
            continue
        assert gradient.shape == given[name].shape
        for index in np.ndindex(gradient.shape):
            moved = []
            for sign in (1, -1):
                a = given[name].copy()
                a[index] += sign * step
                moved.append(call(kl_flow, {**given, name: a}, **options).sum())
            slope = (moved[0] - moved[1]) / (2 * step)
            assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-7), (name, index)


@each_dtype
def test_gradients_have_the_dtype_of_their_arguments(rng, dtype):
    given = arguments(rng, dtype=dtype)
    given["mean_p"] = np.zeros((B, H, T), dtype=np.float64)
    _, gradients = call(kl_flow_and_grad, given)
    assert gradients["z_p"].dtype == dtype
    assert gradients["mean_p"].dtype == np.float64


def test_layouts(rng, mask):
    given = arguments(rng)
    value = call(kl_flow, given, mask=mask)
    transposed = {
        name: np.ascontiguousarray(a.transpose(2, 0, 1)).transpose(1, 2, 0)
        for name, a in given.items()
    }
    assert call(kl_flow, transposed, mask=mask) == pytest.approx(value, rel=1e-14)
    repeated = {name: np.broadcast_to(a[:1, :, :1], a.shape) for name, a in given.items()}
    plain = {name: a.copy() for name, a in repeated.items()}
    one, two = (call(kl_flow_and_grad, g, mask=mask) for g in (repeated, plain))
    assert one[0] == two[0]
    for name in plain:
        np.testing.assert_array_equal(one[1][name], two[1][name])


GOOD = arguments(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"z_p": np.zeros((H, T))}, ValueError, r"z_p must have shape \(b, h, t\)"),
        ({"z_p": np.zeros((B, 0, T))}, ValueError, "z_p must have shape"),
        ({"mean_p": np.zeros((B, H, 1))}, ValueError, r"mean_p must have the shape \(3, 4, 7\)"),
        ({"logstd_p": 0.0}, ValueError, "logstd_p must have the shape"),
        ({"logstd_q": np.zeros((1, H, T))}, ValueError, "logstd_q must have the shape"),
        ({"logstd_q": np.zeros((B, H, T), dtype=complex)}, TypeError, "logstd_q must hold real"),
        ({"mask": np.ones((B, T))}, ValueError, r"mask must have shape \(b, 1, t\) = \(3, 1, 7\)"),
        ({"mask": np.ones((B, H, T))}, ValueError, "mask must have shape"),
        ({"mask": np.ones((1, 1, T))}, ValueError, "mask must have shape"),
        ({"mask": np.full((B, 1, T), 0.5)}, ValueError, r"0 and 1 only; got 0.5 at index \(0, 0, "),
        ({"mask": np.full((B, 1, T), -1)}, ValueError, "0 and 1 only; got -1"),
        ({"mask": np.full((B, 1, T), np.nan)}, ValueError, "0 and 1 only; got nan"),
        ({"mask": np.full((B, 1, T), "x")}, TypeError, "mask must be boolean"),
        ({"mask": np.zeros((B, 1, T))}, ValueError, "at least one frame; got an empty mask"),
        (
            {"log_det": np.zeros(B + 1)},
            ValueError,
            r"log_det must be a number or have shape \(b,\)",
        ),
        ({"log_det": np.zeros((B, T))}, ValueError, "log_det must be a number"),
        ({"log_det": np.zeros((B, H, T))}, ValueError, "log_det must be a number"),
        ({"log_det": 1.0, "reduce": "none"}, ValueError, "needs log_det=0"),
        ({"log_det": np.zeros(B), "reduce": "none"}, ValueError, "needs log_det=0"),
        (
            {"log_det": np.nan},
            ValueError,
            "log_det must be finite where it is not padding; got nan",
        ),
        ({"log_det": np.array([0, np.inf, 0])}, ValueError, r"log_det .* got inf at index \(1,\)"),
        ({"estimator": "k3"}, ValueError, "estimator must be one of 'hybrid', 'k1'"),
        ({"estimator": "k1"}, TypeError, "estimator='k1' needs noise_q"),
        ({"noise_q": np.zeros((B, H, T))}, TypeError, "noise_q is for estimator='k1'"),
        ({"reduce": "mean"}, ValueError, "reduce must be one of 'per_frame'"),
        ({"log_det": 1e308}, OverflowError, "the sum over the items overflows"),
        ({"logstd_p": np.full((B, H, T), -500.0)}, OverflowError, "is logstd_p a logarithm"),
    ],
)
@pytest.mark.parametrize("function", [kl_flow, kl_flow_and_grad])
def test_errors(function, changes, error, message):
    with pytest.raises(error, match=message):
        call(function, {**GOOD, **changes})


@pytest.mark.parametrize("name", ["z_p", "mean_p", "logstd_p", "logstd_q"])
def test_a_valid_element_that_is_not_finite(name, mask):
    spoilt = GOOD[name].copy()
    spoilt[1, 2, 1] = np.nan
    message = rf"{name} must be finite where it is not padding; got nan at index \(1, 2, 1\)"
    with pytest.raises(ValueError, match=message):
        call(kl_flow, {**GOOD, name: spoilt}, mask=mask)


def test_gradients_too_large_are_refused():
    """Their values are not."""
    zero = np.zeros((1, 1, 1))
    arguments = {"mean_p": zero, "logstd_p": zero - 691.0, "logstd_q": zero}
    assert kl_flow(zero + 1e-290, **arguments) > 1e19
    with pytest.raises(OverflowError, match="the gradient overflows at item 0"):
        kl_flow_and_grad(zero + 1e-290, **arguments)

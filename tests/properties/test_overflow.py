"""Test numbers near the limits of floating point: exact results or errors."""

import numpy as np
import pytest

from fastdiv import (
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    enumeration_grad,
    gumbel_softmax,
    kl_and_grad,
    kl_mixture,
    renyi,
    score_function_grad,
    wasserstein2,
)

ONE = Gaussian([0.0], std=1.0)
FULL = Gaussian([0.0, 0.0], cov=np.eye(2))
WIDE = Gaussian(np.zeros(1, np.float32), logstd=np.full(1, 100, np.float32))
MIXTURE = GaussianMixture([0.5, 0.5], Gaussian([[0.0], [1.0]], std=1.0))
WIDE_MIXTURE = GaussianMixture([1.0], WIDE[None])
REFUSED = {
    "wasserstein2, means": (lambda: wasserstein2(Gaussian([1e200], std=1.0), ONE), "squared dist"),
    "wasserstein2, scales": (
        lambda: wasserstein2(Gaussian([0.0, 0.0], scale_tril=1e200 * np.eye(2)), FULL),
        "squared dist",
    ),
    "wasserstein2, products": (
        lambda: wasserstein2(*2 * [Gaussian([0.0, 0.0], scale_tril=1e200 * np.eye(2))]),
        "squared dist",
    ),
    "log_prob": (lambda: ONE.log_prob([1e200]), "the log density"),
    "log_prob, full": (lambda: FULL.log_prob([1e200, -1e200]), "the log density"),
    "log_prob, mixture": (lambda: MIXTURE.log_prob([[0.0], [1e200]]), r"density.*index \(1,\)"),
    "sample": (lambda: WIDE.sample(5, rng=0), "a draw is too large for float32"),
    "sample, mixture": (lambda: WIDE_MIXTURE.sample(5, rng=0), "a draw is too large for float32"),
    "cov": (WIDE.cov, "a covariance is too large for float32"),
    "scale_tril": (WIDE.scale_tril, "a factor is too large for float32"),
    "kl_and_grad": (
        lambda: kl_and_grad(*(Gaussian([mean], logstd=-600.0) for mean in (0.0, 1e-200))),
        "a gradient",
    ),
    "vjp": (
        lambda: gumbel_softmax([0.0, 0.0], 1e-5, rng=0).vjp([1.7e308, -1.7e308]),
        "the product",
    ),
    "enumeration_grad": (
        lambda: enumeration_grad([0.0, 0.0, 0.0], [1.7e308, -1.7e308, -1.7e308]),
        "the gradient",
    ),
    "cov, mixture": (
        GaussianMixture([0.5, 0.5], Gaussian([[1e200], [-1e200]], std=1.0)).cov,
        "a covariance",
    ),
    "kl_mixture, components": (
        lambda: kl_mixture(Gaussian([[0.0], [1e200]], std=1.0), MIXTURE),
        "between two components overflows; use",
    ),
    "kl_mixture": (
        lambda: kl_mixture(Gaussian([1e200], std=1.0), MIXTURE, method="product"),
        "the result",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    compute, message = REFUSED[case]
    with pytest.raises(OverflowError, match=message):
        compute()


@pytest.mark.parametrize("name", ["logstd", "logvar"])
@pytest.mark.parametrize("log_std", [-720.0, -1000.0, -1e4, -1e300])
def test_units_too_small_for_floating_point(name, log_std):
    """Use scales whose inverse overflows, but not the density at the mean."""
    value = log_std * (1 if name == "logstd" else 2)
    p = Gaussian([1.0, 2.0], **{name: [value, 0.0]})
    expected = -0.5 * (2 * np.log(2 * np.pi) + 1) - log_std
    np.testing.assert_allclose(p.log_prob([1.0, 3.0]), expected, rtol=1e-15)
    coupled = CoupledNormal([1.0, 2.0], **{name: [value, 0.0]}, kappa=0)
    np.testing.assert_allclose(coupled.log_prob([1.0, 3.0]), expected, rtol=1e-15)
    assert renyi(p, p, 0.5) == 0


@pytest.mark.parametrize("sign", [-1, 1])
def test_points_within_a_few_tiny_units(sign):
    unit = 2.0**-1060  # 1/unit overflows
    p = Gaussian([0.0], std=[[unit], [1.0]])
    expected = -0.5 * (np.log(2 * np.pi) + 9) + 1060 * np.log(2), -0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(p.log_prob([sign * 3 * unit]), expected, rtol=1e-12)


def test_gradients_overflow_only_where_they_are_too_large():
    p, q = (Gaussian([mean], logstd=-500.0) for mean in (0.0, 1e-250))
    for gradient in kl_and_grad(p, p)[1:]:
        assert not gradient["mean"].any()
        assert gradient["logstd"] == 0
    _, gradient, _ = kl_and_grad(p, q)
    np.testing.assert_allclose(
        gradient["mean"], [-1e-250 * np.exp(500.0) * np.exp(500.0)], rtol=1e-12
    )


def test_a_component_too_far_to_count_is_no_overflow():
    p = GaussianMixture([0.5, 0.5], Gaussian([[0.0], [0.0]], std=[[1.0], [1e-200]]))
    expected = ONE.log_prob([1.0]) + np.log(0.5)
    np.testing.assert_allclose(p.log_prob([1.0]), expected, rtol=1e-15)


def test_a_component_of_weight_0_does_not_count():
    p = GaussianMixture([1.0, 0.0], Gaussian([[0.0], [1e200]], std=1.0))
    assert kl_mixture(p, ONE, method="product") == 0


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_of_a_tiny_temperature(hard):
    drawn = gumbel_softmax([0.0, 1e10], 1e-305, hard=hard, rng=0)
    assert drawn.sample.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_score_function_grad_scales(scale):
    def estimate(unit):
        return score_function_grad([[0.0, 1.0, 2.0]] * 2, lambda z: unit * z, 100, rng=0)

    plain, scaled = estimate(1.0), estimate(scale)
    np.testing.assert_allclose(scaled.gradient / scale, plain.gradient, rtol=1e-12)
    np.testing.assert_allclose(scaled.stderr / scale, plain.stderr, rtol=1e-12)
    assert (plain.stderr > 0).all()

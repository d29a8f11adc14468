"""Distributions of torch in estimates from draws: their supports, and draws on the edge of them."""

import math

import numpy as np
import pytest
from tensors import torch

from fastdiv import (
    Gaussian,
    coupled_cross_entropy_monte_carlo,
    coupled_kl_monte_carlo,
    kl_monte_carlo,
)

d = torch.distributions
ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)
NORMAL, POSITIVE = d.Normal(0 * ONE, ONE), d.Exponential(ONE)

# p and a q without some of p's support, by the `validate_args` of q.
LACKING = {
    "exponential": (NORMAL, lambda v: d.Exponential(ONE, validate_args=v)),
    "batch": (NORMAL, lambda v: d.Exponential(torch.tensor([1.0, 2.0]), validate_args=v)),
    "uniform": (NORMAL, lambda v: d.Uniform(-ONE, ONE, validate_args=v)),
    "log-normal": (NORMAL, lambda v: d.LogNormal(0 * ONE, ONE, validate_args=v)),
    "beta": (NORMAL, lambda v: d.Beta(TWO, TWO, validate_args=v)),
    "binomial": (d.Poisson(3 * ONE), lambda v: d.Binomial(5, ONE / 2, validate_args=v)),
    "fewer categories": (
        d.Categorical(torch.ones(4)),
        lambda v: d.Categorical(torch.ones(3), validate_args=v),
    ),
    "independent": (
        Gaussian([0.0, 0.0], std=1.0),
        lambda v: d.Independent(d.Gamma(torch.ones(2), torch.ones(2), validate_args=v), 1),
    ),
    "transformed": (  # whose own support is that of the last transform: the real numbers
        POSITIVE,
        lambda v: d.TransformedDistribution(
            d.Exponential(ONE, validate_args=v), d.AffineTransform(1.0, 2.0), validate_args=v
        ),
    ),
    "mixture": (
        POSITIVE,
        lambda v: d.MixtureSameFamily(
            d.Categorical(torch.ones(2)),
            d.Pareto(torch.tensor([1.0, 0.5]), torch.ones(2), validate_args=v),
            validate_args=v,
        ),
    ),
}
TWO_OF_THREE, ZERO_OR_NOT = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 0.5])
HALF = d.Bernoulli(ONE / 2)
LACKING |= {  # by a probability of 0, which torch raises to the least above 0
    "category": (
        d.Categorical(torch.ones(3)),
        lambda v: d.Categorical(TWO_OF_THREE, validate_args=v),
    ),
    "category by logits": (
        d.Categorical(torch.ones(3)),
        lambda v: d.Categorical(logits=TWO_OF_THREE.log(), validate_args=v),
    ),
    "expanded": (
        d.Categorical(torch.ones(3)),
        lambda v: d.Categorical(TWO_OF_THREE, validate_args=v).expand((2,)),
    ),
    "one-hot": (
        d.OneHotCategorical(torch.ones(3)),
        lambda v: d.OneHotCategorical(TWO_OF_THREE, validate_args=v),
    ),
    "multinomial": (
        d.Multinomial(3, torch.ones(3)),
        lambda v: d.Multinomial(3, TWO_OF_THREE, validate_args=v),
    ),
    "never": (HALF, lambda v: d.Bernoulli(0 * ONE, validate_args=v)),
    "always": (HALF, lambda v: d.Bernoulli(ONE, validate_args=v)),
    "never by logits": (HALF, lambda v: d.Bernoulli(logits=-math.inf * ONE, validate_args=v)),
    "always by logits": (HALF, lambda v: d.Bernoulli(logits=math.inf * ONE, validate_args=v)),
    "all of 4": (d.Binomial(4, ONE / 2), lambda v: d.Binomial(4, ONE, validate_args=v)),
    "none of 4 by logits": (
        d.Binomial(4, ONE / 2),
        lambda v: d.Binomial(4, logits=-math.inf * ONE, validate_args=v),
    ),
    "negative binomial": (
        d.NegativeBinomial(3, ONE / 2),
        lambda v: d.NegativeBinomial(3, 0 * ONE, validate_args=v),
    ),
    "geometric": (d.Geometric(ONE / 2), lambda v: d.Geometric(ONE, validate_args=v)),
    "poisson": (d.Poisson(ONE), lambda v: d.Poisson(0 * ONE, validate_args=v)),
    "independent trials": (
        d.Independent(d.Bernoulli(torch.ones(2) / 2), 1),
        lambda v: d.Independent(d.Bernoulli(ZERO_OR_NOT, validate_args=v), 1),
    ),
    "unused component": (
        d.Uniform(TWO, ONE * 3),
        lambda v: d.MixtureSameFamily(
            d.Categorical(torch.tensor([1.0, 0.0])),
            d.Uniform(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]), validate_args=v),
            validate_args=v,
        ),
    ),
    "components of trials": (
        HALF,
        lambda v: d.MixtureSameFamily(
            d.Categorical(torch.ones(2)), d.Bernoulli(torch.zeros(2), validate_args=v)
        ),
    ),
    "circle": (d.Normal(0 * ONE, 3 * ONE), lambda v: d.VonMises(0 * ONE, ONE, validate_args=v)),
}
each_validation = pytest.mark.parametrize("validate", [None, False])


@each_validation
@pytest.mark.parametrize("case", LACKING)
def test_a_q_without_some_of_the_support_is_at_infinity(case, validate):
    p, make_q = LACKING[case]
    state = torch.get_rng_state()
    estimate = kl_monte_carlo(p, make_q(validate), 1000, rng=0)
    assert (estimate.value == math.inf).all()
    assert (estimate.stderr == math.inf).all()
    assert torch.equal(torch.get_rng_state(), state)


@each_validation
@pytest.mark.parametrize(
    "estimate",
    [coupled_kl_monte_carlo, coupled_cross_entropy_monte_carlo],
    ids=lambda f: f.__name__,
)
def test_coupled_siblings(estimate, validate):
    q = d.Exponential(ONE, validate_args=validate)
    for kappa in (0.0, 0.5):
        assert estimate(NORMAL, q, kappa, 1000, rng=0).value == math.inf
    assert math.isfinite(estimate(NORMAL, q, -0.2, 1000, rng=0).value)


@each_validation
def test_a_support_that_covers_p(validate):
    """Components of a mixture may each lack what another has. A shifted q may cover p."""
    halves = d.MixtureSameFamily(
        d.Categorical(torch.ones(2)),
        d.Uniform(torch.tensor([0.0, 0.5]), torch.tensor([0.5, 1.0]), validate_args=validate),
        validate_args=validate,
    )
    assert kl_monte_carlo(d.Uniform(0 * ONE, ONE), halves, 1000, rng=0).value == 0
    shifted = d.TransformedDistribution(
        d.Exponential(ONE, validate_args=validate),
        d.AffineTransform(-1.0, 2.0),
        validate_args=validate,
    )  # KL = E[(x + 1)/2 − x] + log 2
    estimate = kl_monte_carlo(POSITIVE, shifted, 100_000, rng=0)
    assert abs(estimate.value - math.log(2)) < 4 * estimate.stderr


@pytest.mark.parametrize("scale", [1.0, -1.0])
@pytest.mark.parametrize(("family", "n"), [(d.Bernoulli, ()), (d.Binomial, (4,))])
def test_certain_outcomes(family, n, scale):
    """The logarithm of 1 is 0, though torch has ∞ − ∞ for it."""
    logits = scale * torch.tensor([math.inf, 0.0])
    p, q = (d.Independent(family(*n, logits=logits), 1) for _ in range(2))
    assert kl_monte_carlo(p, q, 100, rng=0).value == 0
    assert kl_monte_carlo(d.Bernoulli(0 * ONE), d.Bernoulli(0 * ONE), 100, rng=0).value == 0


def test_probabilities_that_are_small_but_not_0():
    """Logits of any size keep their value, though float32 rounds the probabilities to 0 or 1."""
    p, q = d.Categorical(torch.ones(2)), d.Categorical(logits=torch.tensor([0.0, -200.0]))
    estimate = kl_monte_carlo(p, q, 1000, rng=0)
    assert abs(estimate.value - 100) < 4 * estimate.stderr + 1
    for logit in (30.0, -200.0):
        assert math.isfinite(kl_monte_carlo(HALF, d.Bernoulli(logits=logit * ONE), 99, rng=0).value)


def test_a_circle_that_covers_p():
    """Von Mises distributions of any location lie on [−π, π]."""
    p, q = d.VonMises(3 * ONE, ONE), d.VonMises(0 * ONE, ONE)
    a = math.cos(3.0) * -0.4463899658965345 + 0.4463899658965345  # I₁(1)/I₀(1)
    estimate = kl_monte_carlo(p, q, 20_000, rng=0)
    assert abs(estimate.value - a) < 4 * estimate.stderr
    assert math.isfinite(kl_monte_carlo(d.Uniform(-math.pi * ONE, math.pi * ONE), q, 99).value)


def test_draws_that_miss_the_support_of_both_by_rounding():
    class Rounded(d.Dirichlet):
        def sample(self, sample_shape=()):  # torch takes sums within 1e-6
            return super().sample(sample_shape) * (1 + 1e-5)

    p, q = (Rounded(c * torch.ones(3), validate_args=False) for c in (1.0, 2.0))
    assert not p.support.check(p.sample((10,))).any()
    assert np.isfinite(kl_monte_carlo(p, q, 10, rng=0).value)


def test_a_support_that_torch_cannot_check():
    class Unknown(d.Normal):
        support = d.constraints.dependent

    q = Unknown(0 * ONE, ONE, validate_args=False)
    assert kl_monte_carlo(NORMAL, q, 100, rng=0).value == 0


def test_a_draw_on_the_edge():
    class Edge(d.Uniform):
        def sample(self, sample_shape=()):
            return self.high.expand(sample_shape)

    with pytest.raises(ValueError, match=r"at draw 0 of p; rounding .* edge .* float64$"):
        kl_monte_carlo(Edge(0 * ONE, ONE), NORMAL, 100, rng=0)

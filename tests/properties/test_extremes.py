"""Test extreme but valid parameters: numbers, or an error that says why not, without a warning."""

import numpy as np
import pytest

from fastdiv import (
    Categorical,
    CoupledNormal,
    Estimate,
    Gaussian,
    GaussianMixture,
    bhattacharyya,
    coupled_cross_entropy,
    coupled_entropy,
    coupled_kl,
    coupled_kl_monte_carlo,
    cross_entropy,
    f_divergence_bound,
    hellinger,
    jensen_shannon,
    kl,
    kl_and_grad,
    kl_matrix,
    kl_mixture,
    kl_monte_carlo,
    renyi,
    wasserstein2,
)
from fastdiv._engine import backend
from fastdiv.distributions.arrays import checked
from fastdiv.distributions.gaussian import DIAGONAL, FULL
from fastdiv.distributions.mixture import _METHODS

NAMES = (*DIAGONAL, *FULL)
DRAWS = {"n_samples": 10, "rng": 0}

GAUSSIANS = {
    "kl": kl,
    "kl_matrix": kl_matrix,
    "kl_and_grad": lambda p, q: kl_and_grad(p, q)[0],
    "cross_entropy": cross_entropy,
    "renyi 0.5": lambda p, q: renyi(p, q, 0.5),
    "renyi 2": lambda p, q: renyi(p, q, 2.0),
    "bhattacharyya": bhattacharyya,
    "hellinger": hellinger,
    "wasserstein2": wasserstein2,
    "entropy": lambda p, q: p.entropy(),
    "log_prob": lambda p, q: p.log_prob(q.mean),
    "sample": lambda p, q: p.sample(3, rng=0),
    "cov": lambda p, q: p.cov(),
    "scale_tril": lambda p, q: p.scale_tril(),
    "kl_monte_carlo": lambda p, q: kl_monte_carlo(p, q, **DRAWS),
    "coupled_kl": lambda p, q: coupled_kl(p, q, 0.3),
    "coupled_kl, compact": lambda p, q: coupled_kl(p, q, -0.1),
    "coupled_cross_entropy": lambda p, q: coupled_cross_entropy(p, q, 0.3),
    "coupled_entropy": lambda p, q: coupled_entropy(p, 0.3),
    "coupled_kl_monte_carlo": lambda p, q: coupled_kl_monte_carlo(p, q, 0.3, **DRAWS),
}
MIXTURES = {
    **{m: lambda p, q, m=m: kl_mixture(p, q, method=m) for m in _METHODS},
    "log_prob": lambda p, q: p.log_prob(q.components.mean),
    "sample": lambda p, q: p.sample(3, rng=0),
    "cov": lambda p, q: p.cov(),
}
COUPLED = {
    "kl": lambda p, q: coupled_kl(p, q, p.kappa),
    "entropy": lambda p, q: coupled_entropy(p, p.kappa),
    "log_prob": lambda p, q: p.log_prob(q.base.mean),
    "sample": lambda p, q: p.sample(3, rng=0),
    "monte_carlo": lambda p, q: coupled_kl_monte_carlo(p, q, p.kappa, **DRAWS),
}
CATEGORICALS = {
    "kl": kl,
    "jensen_shannon": jensen_shannon,
    "cross_entropy": cross_entropy,
    "kl_and_grad": lambda p, q: kl_and_grad(p, q)[0],
    "entropy": lambda p, q: p.entropy(),
    "probs": lambda p, q: p.probs(),
    "logits": lambda p, q: np.exp(p.logits()),
    "sample": lambda p, q: p.sample(3, rng=0),
    "kl_monte_carlo": lambda p, q: kl_monte_carlo(p, q, **DRAWS),
}


def assert_numbers(functions, p, q):
    for name, function in functions.items():
        try:
            result = function(p, q)
        except (OverflowError, ValueError):
            continue
        if isinstance(result, Estimate):
            result = result.value
        assert not np.isnan(result).any(), (name, p, q)


def extreme(rng, name, dtype):
    """Return Gaussians of three batch items whose scales are anywhere in the range of a dtype."""
    limit = rng.choice([1.0, 0.5]) * (350 if dtype == np.float64 else 43)
    if name.startswith("log"):
        limit = rng.choice([limit, 1e5, 1e300 if dtype == np.float64 else 1e37])
    log = rng.choice([rng.uniform(-limit, limit, (3, 2)), rng.choice([-limit, limit], (3, 2))])
    largest = 700 if dtype == np.float64 else 87
    mean = rng.choice([-1, 0, 1], (3, 2)) * np.exp(rng.uniform(-largest, largest, (3, 2)))
    powers = {"var": 2, "logvar": 2, "cov": 2, "precision": -2}
    value = powers.get(name, 1) * log
    if not name.startswith("log"):
        value = np.exp(np.clip(value, -largest, largest))
    value = value.astype(dtype)
    if name in FULL:
        value = value[..., None] * np.eye(2, dtype=dtype)
    return mean.astype(dtype), {name: value}


@pytest.mark.parametrize("engine", ["core", "reference"])
@pytest.mark.parametrize("seed", range(40))
def test_gaussians_and_their_relatives(core, engine, seed):
    rng = np.random.default_rng(seed)
    dtype = rng.choice([np.float32, np.float64])
    sides = [extreme(rng, rng.choice(NAMES), dtype) for _ in range(2)]
    kappa = float(rng.choice([0.5, -0.2, 1e-300, 1e50]))
    with backend.use(engine):
        p, q = (Gaussian(mean, **parameter) for mean, parameter in sides)
        assert_numbers(GAUSSIANS, p, q)
        weights = [0.2, 0.3, 0.5], [0.0, 0.5, 0.5]
        assert_numbers(MIXTURES, *map(GaussianMixture, weights, (p, q)))
        members = (CoupledNormal(mean, **parameter, kappa=kappa) for mean, parameter in sides)
        assert_numbers(COUPLED, *members)


@pytest.mark.parametrize("engine", ["core", "reference"])
@pytest.mark.parametrize("seed", range(40))
def test_categoricals(core, engine, seed):
    rng = np.random.default_rng(seed)
    dtype = rng.choice([np.float32, np.float64])
    sides = []
    for name in rng.choice(["logits", "probs"], 2):
        scale = rng.choice([1, 1e3, 1e30, 1e300 if dtype == np.float64 else 1e38])
        value = scale * rng.uniform(-1, 1, (3, 5))
        value[:, 0] = rng.choice([-np.inf, 0])
        if name == "probs":
            value = np.exp(value - value.max(axis=1, keepdims=True))
            value /= value.sum(axis=1, keepdims=True)
        sides.append({name: value.astype(dtype)})
    with backend.use(engine):
        assert_numbers(CATEGORICALS, *(Categorical(**side) for side in sides))


@pytest.mark.parametrize("t", [-1e300, -745.0, -1e-320])
@pytest.mark.parametrize(
    "divergence", ["kl", "reverse_kl", "jensen_shannon", "pearson", "squared_hellinger", "gan"]
)
def test_critics(divergence, t):
    try:
        value = f_divergence_bound([t, t], [t, t], divergence).value
    except OverflowError:
        return
    assert np.isfinite(value)


def test_nan_is_never_allowed():
    """Allow infinities where they are the result, and refuse NaN there as everywhere."""
    assert checked(np.array([np.inf, 1.0]), np.array([True, False]), "it")[0] == np.inf
    for values, allowed in (([np.nan], True), ([np.nan], False), ([np.inf], False)):
        with pytest.raises(OverflowError, match="it is too large for float64 at batch index"):
            checked(np.array(values), allowed, "it")

"""Mixtures of Gaussians, and bounds of the divergence between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

import fastdiv as fd
from fuzz.cases.gaussians import EPS
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import normals as truth


class Mixture(NamedTuple):
    """A mixture as given, and its components in 60 digits."""

    given: fd.GaussianMixture
    weights: list[Any]
    parts: list[truth.Normal]
    condition: float


def mixture(rng: Rng, dtype: type, d: int, name: str) -> Mixture:
    """Draw a mixture whose weights may be 0."""
    k = int(rng.integers(1, 4))
    weights = rng.dirichlet(np.ones(k)) if rng.random() < 0.7 else np.eye(k)[0]
    items: list[normals.Drawn] = []
    while len(items) < k:
        item = normals.normal(rng, dtype, d, (name,))
        if 1e-4 < float(np.abs(item.given.cov()).max()) < 1e4 and item.condition < 1e6:
            items.append(item)
    means = np.stack([rng.normal(size=d) * 3 for _ in items]).astype(dtype)
    parameter = np.stack([np.asarray(item.parameter, dtype) for item in items])
    parts = [
        truth.Normal.of(mean, name, value) for mean, value in zip(means, parameter, strict=True)
    ]
    given = fd.GaussianMixture(weights, fd.Gaussian(means, **{name: parameter}))
    total = mp.fsum(mp.mpf(float(w)) for w in weights)
    condition = max(item.condition for item in items)
    return Mixture(given, [mp.mpf(float(w)) / total for w in weights], parts, condition)


def log_mix(weights: list[Any], exponents: list[Any]) -> Any:
    """Return log Σ w exp(e)."""
    total = mp.fsum(w * mp.exp(e) for w, e in zip(weights, exponents, strict=True))
    return mp.log(total) if total > 0 else -mp.inf


def log_overlap(f: truth.Normal, g: truth.Normal) -> Any:
    return truth.Normal(g.mean, f.cov + g.cov).log_prob_at(f.mean)


def mean_log(f: Mixture, g: Mixture, exponent: Any) -> Any:
    """Return Σₐ πₐ log Σ_b ω_b exp(e(a, b))."""
    return mp.fsum(
        w * log_mix(g.weights, [exponent(a, b) for b in g.parts])
        for w, a in zip(f.weights, f.parts, strict=True)
        if w > 0
    )


@case(
    *("GaussianMixture", "GaussianMixture.log_prob", "GaussianMixture.mean"),
    *("GaussianMixture.cov", "GaussianMixture.sample"),
)
def mixtures(rng: Rng, dtype: type) -> Outcomes:
    d = int(rng.integers(1, 4))
    name = str(rng.choice(normals.DIAGONAL + normals.FULL))
    p = mixture(rng, dtype, d, name)
    allowed = CONTRACT[dtype]
    lost = 1 + 4 * d * p.condition * EPS / allowed
    x = p.given.sample(4, rng=int(rng.integers(2**31))).astype(np.float64)
    x *= 10 ** rng.uniform(0, 3)
    expected, bounds = [], []
    for row in x:
        logs = [part.log_prob(row) for part in p.parts]
        value = log_mix(p.weights, logs)
        expected.append(truth.extended(value))
        used = [abs(e) for w, e in zip(p.weights, logs, strict=True) if w > 0 and e > value - 50]
        bounds.append(truth.extended(d + max(used)) * lost)
    got = p.given.log_prob(x)
    yield compare("GaussianMixture.log_prob", d, got, expected, bounds, allowed, name)
    mean = sum((w * part.mean for w, part in zip(p.weights, p.parts, strict=True)), mp.zeros(d, 1))
    size = max(abs(v) for part in p.parts for v in part.mean)
    expected = truth.array(mean).ravel()
    got = p.given.mean()
    yield compare("GaussianMixture.mean", d, got, expected, truth.extended(size), 1e-14, name)
    cov = mp.zeros(d, d)
    for w, part in zip(p.weights, p.parts, strict=True):
        moved = part.mean - mean
        cov += w * (part.cov + moved * moved.T)
    bound = truth.array(cov)
    scale = np.sqrt(np.diag(bound))
    bound = scale[:, None] * scale * lost
    yield compare("GaussianMixture.cov", d, p.given.cov(), truth.array(cov), bound, allowed, name)
    draws = p.given.sample(100, rng=3)
    again = p.given.sample(100, rng=3)
    yield holds("GaussianMixture.sample: seed", d, np.array_equal(draws, again), name)


@case("kl_mixture")
def kl_mixture(rng: Rng, dtype: type) -> Outcomes:
    d = int(rng.integers(1, 4))
    name = str(rng.choice(normals.DIAGONAL + normals.FULL))
    p, q = mixture(rng, dtype, d, name), mixture(rng, dtype, d, name)

    def less_kl(a: truth.Normal, b: truth.Normal) -> Any:
        return -truth.kl(a, b)

    entropy = mp.fsum(w * part.entropy for w, part in zip(p.weights, p.parts, strict=True))
    own, between = mean_log(p, p, less_kl), mean_log(p, q, less_kl)
    if not abs(between) < 1e280:
        return
    own_t, between_t = mean_log(p, p, log_overlap), mean_log(p, q, log_overlap)
    convex = mp.fsum(
        w * v * truth.kl(a, b)
        for w, a in zip(p.weights, p.parts, strict=True)
        for v, b in zip(q.weights, q.parts, strict=True)
    )
    whole = [
        truth.trace_of_ratio(a, b) + b.square(a.mean) for a in p.parts for b in q.parts + p.parts
    ]
    allowed = CONTRACT[dtype]
    # Overlaps go by covariances, whose condition is the square of that of a factor.
    condition = (p.condition + q.condition) ** (2 if name == "scale_tril" else 1)
    lost = 8 * d * condition * EPS / allowed * float(max(whole))
    sizes = [abs(v) for v in (own, between, own_t, between_t, entropy, convex)]
    bound = 10 * (d + truth.extended(sum(sizes[:5]))) + lost
    methods = {
        "variational": own - between,
        "product": own_t - between_t,
        "product_lower": own - between_t - entropy,
        "product_upper": own_t - between + entropy,
    }
    values = {method: fd.kl_mixture(p.given, q.given, method=method) for method in methods}
    for method, expected in methods.items():
        got = values[method]
        yield compare(
            f"kl_mixture: {method}", d, got, truth.extended(expected), bound, allowed, name
        )
    got = fd.kl_mixture(p.given, q.given, method="convex_upper")
    limit = truth.extended(convex) * (1 + lost) + lost
    yield compare("kl_mixture: convex_upper", d, got, truth.extended(convex), limit, allowed, name)
    upper = fd.kl_mixture(p.given, q.given, method="variational_upper")
    slack = 1e-9 if dtype == np.float64 else 1e-4
    slack *= 1 + float(convex)
    yield holds("kl_mixture: upper bounds", d, upper <= got + slack, name)
    yield holds("kl_mixture: bounds", d, values["product_lower"] <= upper + slack, name)
    if d == 1:
        value = integral(p, q)
        slack = 1e-4 * (1 + abs(value))
        yield holds("kl_mixture: lower bound", d, values["product_lower"] <= value + slack, name)
        least = min(upper, values["product_upper"])
        yield holds("kl_mixture: upper bound", d, least >= value - slack, name)


def integral(p: Mixture, q: Mixture) -> float:
    """Return KL(p ‖ q) in one dimension, from the trapezoidal rule about each component of p."""
    total = 0.0
    for w, part in zip(p.weights, p.parts, strict=True):
        std = float(part.factor[0, 0])
        z = np.linspace(-12, 12, 6001)
        x = (float(part.mean[0]) + std * z)[:, None]
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        ratio = p.given.log_prob(x) - q.given.log_prob(x)
        total += float(w) * float((density * ratio).sum() * (z[1] - z[0]))
    return total

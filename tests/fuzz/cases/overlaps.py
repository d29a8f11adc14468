"""Rényi divergences and other relatives between Gaussians, and gradients."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

import fastdiv as fd
from fuzz.cases.gaussians import EPS, change, dimension
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare
from fuzz.truth import normals as truth
from fuzz.truth.pairs import long


@case("renyi", "bhattacharyya", "hellinger", "hellinger2")
def overlaps(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    p, q = normals.two(rng, dtype, d)
    a, b = p.truth, q.truth
    alpha = float(rng.choice([0.5, 2.0, rng.uniform(0.01, 1), rng.uniform(1, 3), 1 + 1e-9]))
    what = f"{p.name} {p.condition:.0e}, {q.name} {q.condition:.0e}, alpha {alpha!r}"
    allowed = CONTRACT[dtype]
    ratio, square = truth.trace_of_ratio(a, b), b.square(a.mean)

    def bound(value: Any) -> Any:
        if mp.isinf(value):
            return 1.0
        # Like kl: the terms are those of a divergence of matrices of these conditions.
        whole = max(ratio + square + truth.trace_of_ratio(b, a) + a.square(b.mean), d)
        return change(p, q, value, min(whole, 1 / mp.mpf(EPS) + value), allowed, more)

    m = np.linalg.cond(truth.array(b.whitened(a.factor)).astype(float))
    more = float(m)
    s = alpha * b.cov + (1 - alpha) * a.cov
    value = truth.renyi(a, b, alpha)
    # Next to the edge of where the integral converges, S is nearly singular.
    least = min(mp.eigsy(b.whitened(b.whitened(s).T).T, eigvals_only=True)) if alpha > 1 else 1
    if abs(least) > 1e-3 and value < 1e290:
        got = fd.renyi(p.given, q.given, alpha)
        off = 1 + 1 / abs(float(least))
        expected = truth.extended(value)
        yield compare("renyi", d, got, expected, bound(value) * off, allowed, what)
    half = truth.renyi(a, b, 0.5) / 2
    got = fd.bhattacharyya(p.given, q.given)
    half_bound = bound(half)
    yield compare("bhattacharyya", d, got, truth.extended(half), half_bound, allowed, what)
    overlap = truth.extended(-mp.expm1(-half))
    limit = half_bound * float(mp.exp(-half)) + overlap
    got = fd.hellinger2(p.given, q.given)
    yield compare("hellinger2", d, got, overlap, limit, allowed, what)
    root = np.sqrt(overlap)
    got = fd.hellinger(p.given, q.given) ** 2
    yield compare("hellinger", d, got, root**2, limit, 2 * allowed, what)


@case("wasserstein2")
def wasserstein2(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    p, q = normals.two(rng, dtype, d)
    a, b = p.truth, q.truth
    value = truth.extended(truth.wasserstein2(a, b))
    # A sum of squares ‖L_p − L_q U‖² whose terms are off by c ε of the factors.
    scale = long(sum(truth.extended(t.cov[i, i]) for t in (a, b) for i in range(d)))
    off = 8 * d * EPS * max(p.condition, q.condition)
    allowed = CONTRACT[dtype]
    bound = value + (np.sqrt(value * scale) * off + scale * off**2) / allowed
    got = fd.wasserstein2(p.given, q.given)
    what = f"{p.name} {p.condition:.0e}, {q.name} {q.condition:.0e}"
    yield compare("wasserstein2", d, got, value, bound, allowed, what)
    back = fd.wasserstein2(q.given, p.given)
    yield compare("wasserstein2: symmetry", d, back, got, bound, 2 * allowed, what)


def wrt_parameter(name: str, t: truth.Normal, parameter: Any, g: Any) -> Any:
    """Turn a gradient with respect to Σ into one with respect to a parameter."""
    d = t.d
    if name in normals.DIAGONAL:
        cov = [t.cov[i, i] for i in range(d)]
        factor = {
            "std": [2 * mp.sqrt(v) for v in cov],
            "var": [mp.mpf(1)] * d,
            "logstd": [2 * v for v in cov],
            "logvar": cov,
        }[name]
        return truth.array([g[i, i] * factor[i] for i in range(d)])
    if name == "cov":
        return truth.array(g)
    if name == "precision":
        return truth.array(-t.cov * g * t.cov)
    return np.tril(truth.array(2 * g * truth.matrix(parameter)))


@case("kl_and_grad")
def kl_gradients(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    p, q = normals.two(rng, dtype, d)
    a, b = p.truth, q.truth
    what = f"{p.name} {p.condition:.0e}, {q.name} {q.condition:.0e}"
    value, grad_p, grad_q = fd.kl_and_grad(p.given, q.given)
    kl = fd.kl(p.given, q.given)
    yield compare("kl_and_grad: value", d, value, kl, kl, CONTRACT[dtype], what)
    inverse_p, inverse_q = mp.inverse(a.cov), mp.inverse(b.cov)
    moved = a.mean - b.mean
    pull = inverse_q * moved
    g_p = (inverse_q - inverse_p) / 2
    g_q = (inverse_q - inverse_q * a.cov * inverse_q - pull * pull.T) / 2
    allowed = 10 * CONTRACT[dtype]
    lost = 1 + 8 * d * EPS * (p.condition + q.condition) ** 2 / allowed
    terms_p = (inverse_q + inverse_p) / 2
    terms_q = (inverse_q + inverse_q * a.cov * inverse_q + pull * pull.T) / 2
    spread = np.abs(truth.array(inverse_q)) @ np.abs(truth.array(moved))
    mean = truth.array(pull)
    for label, grad, side, t, g, terms, sign in (
        ("p", grad_p, p, a, g_p, terms_p, 1),
        ("q", grad_q, q, b, g_q, terms_q, -1),
    ):
        bound = spread.ravel() + spread.max() * (lost - 1)
        name = f"kl_and_grad: mean of {label}"
        yield compare(name, d, grad["mean"], sign * mean.ravel(), bound * lost, allowed, what)
        expected = wrt_parameter(side.name, t, side.parameter, g)
        size = np.abs(wrt_parameter(side.name, t, side.parameter, terms))
        if side.name in normals.FULL:
            size = np.full_like(size, size.max())
        elif lost > 2:
            size = size + size.max() * (lost - 1)
        # Both terms are 0 in the upper triangle of a factor.
        name = f"kl_and_grad: parameter of {label}"
        yield compare(name, d, grad[side.name], expected, size * lost, allowed, what)

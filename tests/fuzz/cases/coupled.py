"""Coupled distributions, logarithms and divergences."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.gaussians import EPS, change, dimension
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import coupled as truth
from fuzz.truth.normals import Normal, extended, renyi, trace_of_ratio
from fuzz.truth.pairs import long


def coupling(rng: Rng, least: float) -> float:
    """Draw κ: 0, very small, usual, large, or negative and above `least`."""
    return float(
        (
            0.0,
            draw.power(rng, -14, -1),
            rng.uniform(0.1, 3),
            draw.power(rng, 0, 2),
            draw.power(rng, 2, 90),
            least * rng.uniform(0.05, 0.9),
            -draw.power(rng, -14, -2) * min(1.0, -least),
        )[rng.integers(7)]
    )


def exponent(rng: Rng) -> float:
    """Draw α, mostly the usual one."""
    return float((2.0, 2.0, rng.uniform(0.3, 6), draw.power(rng, -4, 4))[rng.integers(4)])


@case("coupled_log", "coupled_exp")
def coupled_functions(rng: Rng, dtype: type) -> Outcomes:
    d = int(rng.integers(0, 6))
    kappa = coupling(rng, -1.0 / max(d, 1))
    x = np.array([draw.power(rng, -3, 3), draw.power(rng, -300, 300), 1 + draw.power(rng, -15, -1)])
    k = mp.mpf(kappa)
    what = f"kappa {kappa!r}, dim {d}"
    values, bounds = [], []
    for value in x:
        if kappa == 0:
            values.append(extended(mp.log(value)))
            bounds.append(abs(values[-1]))
            continue
        power = k / (1 + d * k)
        log = mp.log(mp.mpf(value))
        values.append(extended((mp.exp(power * log) - 1) / k))
        slope = abs(mp.exp(power * log) * power * log / k)
        bounds.append(abs(values[-1]) + (extended(slope) if slope < 1e300 else np.inf))
    fine = np.maximum(np.abs(long(values)), long(bounds)) < 1e300
    if fine.any():
        got = fd.coupled_log(x[fine], kappa, dim=d)
        bound, value = long(bounds)[fine], long(values)[fine]
        yield compare("coupled_log", d, got, value, bound, 1e-12, what)
    x = np.array([rng.normal(), draw.power(rng, -16, 2), -draw.power(rng, -16, 2)])
    values, bounds = [], []
    for value in x:
        v = mp.mpf(value)
        base = 1 + k * v
        if base <= 0:
            values.append(long(0 if kappa > 0 else np.inf))
            bounds.append(long(1.0))
            continue
        log = v if kappa == 0 else mp.log(base) * (1 + d * k) / k
        values.append(extended(mp.exp(log)) if abs(log) < 600 else long(np.nan))
        slope = abs(log) + abs((1 + d * k) * v / base)
        bounds.append(values[-1] * (1 + extended(slope)))
    fine = ~np.isnan(long(values))
    if fine.any():
        got = fd.coupled_exp(x[fine], kappa, dim=d)
        bound, value = long(bounds)[fine], long(values)[fine]
        yield compare("coupled_exp", d, got, value, bound, 1e-12, what)


def logs_of(t: Normal) -> Any:
    return t.d + sum(abs(np.log(extended(t.factor[i, i]))) for i in range(t.d))


@case("CoupledNormal", "CoupledNormal.log_prob", "CoupledNormal.sample")
def coupled_densities(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    drawn = normals.normal(rng, dtype, d)
    t = drawn.truth
    kappa = coupling(rng, -1.0 / d)
    alpha = exponent(rng)
    p = fd.CoupledNormal(drawn.mean, **{drawn.name: drawn.parameter}, kappa=kappa, alpha=alpha)
    what = f"{drawn.name} {drawn.condition:.0e}, kappa {kappa!r}, alpha {alpha!r}"
    x = p.sample(3, rng=int(rng.integers(2**31))).astype(np.float64)
    if rng.random() < 0.3:
        with np.errstate(over="ignore"):
            x = x + (x - np.asarray(drawn.mean, float)) * draw.power(rng, -2, 3)
    if not np.isfinite(x).all():
        return
    allowed = CONTRACT[dtype]
    lost = 4 * d * (1 + drawn.condition) * EPS / allowed
    expected, bounds = [], []
    for row in x:
        m = mp.sqrt(t.square(mp.matrix([mp.mpf(float(v)) for v in row])))
        value = truth.log_prob(t, kappa, alpha, m)
        k, a = mp.mpf(kappa), mp.mpf(alpha)
        inside = 1 + k * m**a
        if mp.isinf(value) or abs(inside) < 1e-6 or abs(value) > 1e280:
            return  # on the edge of the support
        slope = (1 + d * k) * m**a / inside * (1 + abs(mp.log(m + 1e-300)))
        expected.append(extended(value))
        size = abs(value) + abs(truth.log_normaliser(t, kappa, alpha)) + logs_of(t) * (1 + lost)
        bounds.append(extended(size + slope * (1 + lost)))
    got = p.log_prob(x)
    yield compare("CoupledNormal.log_prob", d, got, expected, bounds, allowed, what)


@case("coupled_kl", "coupled_entropy", "coupled_cross_entropy")
def coupled_divergences(rng: Rng, dtype: type) -> Outcomes:
    """Try Gaussians, and members of the family of α = 2."""
    d = dimension(rng)
    p, q = normals.two(rng, dtype, d)
    a, b = p.truth, q.truth
    family = rng.random() < 0.4
    alpha = 2.0 if family else exponent(rng)
    kappa = coupling(rng, -1.0 / (d + alpha))
    if family and kappa <= 0:
        return
    what = f"{p.name} {p.condition:.0e}, {q.name} {q.condition:.0e}, {kappa=}, {alpha=}, {family=}"
    r = truth.order(kappa, alpha, d)
    if family:
        kl, entropy = truth.student_kl(a, b, kappa), truth.student_entropy(a, kappa, alpha)
        left, right = (
            fd.CoupledNormal(side.mean, **{side.name: side.parameter}, kappa=kappa)
            for side in (p, q)
        )
        log_z = truth.log_normaliser(a, kappa, alpha)
        self_term = log_z + mp.log(1 + d * mp.mpf(kappa)) / r
        scale = mp.exp(r * self_term)
        # D = exp(r g) expm1(r R) / (ακ)
        excess = mp.log1p(kl * alpha * mp.mpf(kappa) / scale) / r
    else:
        kl, entropy = truth.gaussian_kl(a, b, kappa, alpha), truth.gaussian_entropy(a, kappa, alpha)
        left, right = p.given, q.given
        self_term = truth.log_escort(a, kappa, alpha) / r if kappa else a.entropy
        excess = renyi(a, b, 1 + r) if kappa else kl
    sizes = [abs(v) for v in (kl, entropy, excess)]
    if not max(sizes) < 1e280 or abs(r * (self_term + excess)) > 500:
        return
    if kappa > 0 and not family:  # next to where the integral diverges, S is nearly singular
        s = (1 + r) * b.cov - r * a.cov
        least = min(mp.eigsy(b.whitened(b.whitened(s).T).T, eigvals_only=True))
        if abs(least) < 1e-3:
            return
        edge = 1 + float(1 / abs(least))
    else:
        edge = 1.0
    allowed = CONTRACT[dtype]
    whole = trace_of_ratio(a, b) + b.square(a.mean) + trace_of_ratio(b, a) + a.square(b.mean)
    more = float(np.linalg.cond(np.array(b.whitened(a.factor).tolist(), float)))
    off = change(p, q, excess, whole, allowed, more) * edge  # of R
    lost = 4 * d * (p.condition + q.condition) * EPS / allowed
    terms = (logs_of(a) + logs_of(b) + abs(extended(self_term))) * (1 + lost)  # of g
    growth = extended(mp.exp(r * (self_term + excess)) / (1 + d * mp.mpf(kappa)))
    relative = abs(extended(r)) * terms + 1
    got = fd.coupled_kl(left, right, kappa, alpha=alpha)
    bound = extended(kl) * (relative + abs(extended(r * excess))) + growth * off
    yield compare("coupled_kl", d, got, extended(kl), bound, allowed, what)
    got = fd.coupled_entropy(left, kappa, alpha=alpha)
    start = extended(mp.exp(r * self_term) / (1 + d * mp.mpf(kappa)))
    bound = abs(extended(entropy)) + start * terms
    yield compare("coupled_entropy", d, got, extended(entropy), bound, allowed, what)
    got = fd.coupled_cross_entropy(left, right, kappa, alpha=alpha)
    expected = extended(entropy + kl)
    bound = abs(expected) + growth * (terms + off)
    yield compare("coupled_cross_entropy", d, got, expected, bound, allowed, what)
    same = fd.coupled_kl(left, left, kappa, alpha=alpha)
    yield holds("coupled_kl: equal", d, abs(same) <= 1e-28 * max(1.0, float(start)), what)

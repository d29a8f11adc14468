"""Coupled distributions and divergences, in 60 digits."""

from __future__ import annotations

from typing import Any

import mpmath as mp

from fuzz.truth.normals import Normal, kl, renyi, trace_of_ratio


def log_normaliser(t: Normal, kappa: float, alpha: float) -> Any:
    """Return log Z."""
    k, a, d = mp.mpf(kappa), mp.mpf(alpha), t.d
    sphere = mp.log(2) + d * mp.log(mp.pi) / 2 - mp.loggamma(mp.mpf(d) / 2)
    h = d / a
    if kappa == 0:
        radial = (h - 1) * mp.log(a) + mp.loggamma(h)
    else:
        x = 1 / (a * k)
        y = x if kappa > 0 else 1 - x - h
        log_beta = mp.loggamma(h) + mp.loggamma(y) - mp.loggamma(h + y)
        radial = -h * mp.log(abs(k)) + log_beta - mp.log(a)
    return t.log_det / 2 + sphere + radial


def log_prob(t: Normal, kappa: float, alpha: float, m: Any) -> Any:
    """Return the log density at a distance m from the centre."""
    k, a = mp.mpf(kappa), mp.mpf(alpha)
    if kappa == 0:
        return -log_normaliser(t, kappa, alpha) - m**a / a
    inside = 1 + k * m**a
    if inside <= 0:
        return -mp.inf
    return -log_normaliser(t, kappa, alpha) - (1 + t.d * k) / (a * k) * mp.log(inside)


def order(kappa: float, alpha: float, d: int) -> Any:
    """Return r = ακ/(1 + dκ)."""
    k = mp.mpf(kappa)
    return mp.mpf(alpha) * k / (1 + d * k)


def log_escort(p: Normal, kappa: float, alpha: float) -> Any:
    """Return −log ∫ p^{1+r} of a Gaussian."""
    r = order(kappa, alpha, p.d)
    log_z = (p.d * mp.log(2 * mp.pi) + p.log_det) / 2
    return r * log_z + mp.mpf(p.d) / 2 * mp.log(1 + r)


def gaussian_kl(p: Normal, q: Normal, kappa: float, alpha: float) -> Any:
    if kappa == 0:
        return kl(p, q)
    r = order(kappa, alpha, p.d)
    excess = renyi(p, q, 1 + r)
    if mp.isinf(excess):
        return mp.inf
    scale = mp.exp(log_escort(p, kappa, alpha))
    return mp.expm1(r * excess) * scale / (mp.mpf(alpha) * mp.mpf(kappa))


def gaussian_entropy(p: Normal, kappa: float, alpha: float) -> Any:
    if kappa == 0:
        return p.entropy
    return mp.expm1(log_escort(p, kappa, alpha)) / (mp.mpf(alpha) * mp.mpf(kappa))


def student_kl(p: Normal, q: Normal, kappa: float) -> Any:
    """Return the divergence of two members of the family for α = 2."""
    k, d, r = mp.mpf(kappa), p.d, order(kappa, 2, p.d)
    z_p, z_q = (mp.exp(r * log_normaliser(t, kappa, 2)) for t in (p, q))
    square = trace_of_ratio(p, q) + q.square(p.mean)
    return (z_q * (1 + k * square) - z_p * (1 + d * k)) / (2 * k)


def student_entropy(p: Normal, kappa: float, alpha: float) -> Any:
    k, r = mp.mpf(kappa), order(kappa, alpha, p.d)
    exponent = r * log_normaliser(p, kappa, alpha) + mp.log(1 + p.d * k)
    return mp.expm1(exponent) / (mp.mpf(alpha) * k)

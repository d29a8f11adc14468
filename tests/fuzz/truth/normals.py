"""Gaussians, in 60 digits from the stored parameters."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

from fuzz.truth.pairs import Long, expm1_less, long

mp.mp.dps = 60

Matrix = Any  # of mpmath, which has no types


def matrix(a: object) -> Matrix:
    """Return the same numbers in mpmath."""
    return mp.matrix(np.asarray(a, dtype=np.float64).tolist())


def column(a: object) -> Matrix:
    return mp.matrix([mp.mpf(float(value)) for value in np.asarray(a).ravel()])


def covariance(name: str, parameter: Any, d: int) -> Matrix:
    """Return Σ from any parametrisation."""
    if name in ("std", "var", "logstd", "logvar"):
        values = column(np.broadcast_to(parameter, (d,)))
        turn = {
            "std": lambda v: v * v,
            "var": lambda v: v,
            "logstd": lambda v: mp.exp(2 * v),
            "logvar": mp.exp,
        }[name]
        return mp.diag([turn(v) for v in values])
    given = matrix(parameter)
    if name == "scale_tril":
        return given * given.T
    if name == "cov":
        return given
    mp.cholesky(given)  # an error if it is not positive definite
    return mp.inverse(given)


class Normal:
    """One Gaussian, with what others need of it."""

    def __init__(self, mean: Matrix, cov: Matrix) -> None:
        self.mean, self.cov, self.d = mean, cov, cov.rows
        self.factor = mp.cholesky(cov)
        self.log_det = 2 * mp.fsum(mp.log(self.factor[i, i]) for i in range(self.d))

    @classmethod
    def of(cls, mean: object, name: str, parameter: object) -> Normal:
        return cls(column(mean), covariance(name, parameter, np.size(mean)))

    def whitened(self, a: Matrix) -> Matrix:
        """Return L⁻¹ a, by forward substitution."""
        lower, out = self.factor, a.copy()
        for j in range(a.cols):
            for i in range(self.d):
                known = mp.fdot((lower[i, k], out[k, j]) for k in range(i))
                out[i, j] = (out[i, j] - known) / lower[i, i]
        return out

    def square(self, x: Matrix) -> Any:
        """Return (x − mean)ᵀ Σ⁻¹ (x − mean)."""
        z = self.whitened(x - self.mean)
        return (z.T * z)[0]

    @property
    def entropy(self) -> Any:
        return (self.d * (1 + mp.log(2 * mp.pi)) + self.log_det) / 2

    def log_prob(self, x: object) -> Any:
        return self.log_prob_at(column(x))

    def log_prob_at(self, x: Matrix) -> Any:
        return -(self.d * mp.log(2 * mp.pi) + self.log_det + self.square(x)) / 2


def trace_of_ratio(p: Normal, q: Normal) -> Any:
    """Return tr Σ_q⁻¹ Σ_p."""
    m = q.whitened(p.factor)
    return mp.fsum(value * value for value in m)


def kl(p: Normal, q: Normal) -> Any:
    logs = q.log_det - p.log_det
    return nonnegative((trace_of_ratio(p, q) - p.d + q.square(p.mean) + logs) / 2)


def nonnegative(value: Any) -> Any:
    """Replace what is left of 60 digits by 0."""
    return value if value > mp.mpf("1e-50") else mp.mpf(0)


def renyi(p: Normal, q: Normal, alpha: float) -> Any:
    """Return the Rényi divergence, +∞ where S is not positive definite."""
    a = mp.mpf(alpha)
    s = a * q.cov + (1 - a) * p.cov
    try:
        mixed = Normal(q.mean, (s + s.T) / 2)
    except ValueError:
        return mp.inf
    logs = mixed.log_det - (1 - a) * p.log_det - a * q.log_det
    return nonnegative(a / 2 * mixed.square(p.mean) - logs / (2 * (a - 1)))


def wasserstein2(p: Normal, q: Normal) -> Any:
    m = p.factor.T * q.factor
    values = mp.eigsy(m.T * m, eigvals_only=True)
    roots = [mp.sqrt(max(value, 0)) for value in values]
    moved = p.mean - q.mean
    traces = mp.fsum(p.cov[i, i] + q.cov[i, i] for i in range(p.d))
    value = (moved.T * moved)[0] + traces - 2 * mp.fsum(roots)
    return value if value > mp.mpf("1e-50") * traces else mp.mpf(0)


def array(a: Any) -> Long:
    """Return numbers of mpmath in long double."""
    if isinstance(a, mp.matrix):
        return long([[extended(a[i, j]) for j in range(a.cols)] for i in range(a.rows)])
    return long([extended(value) for value in a])


def extended(value: Any) -> np.longdouble:
    """Return one number in long double, which holds more digits than float64."""
    if mp.isinf(value) or mp.isnan(value):
        return np.longdouble(float(value))
    if abs(value) > mp.mpf("1e4900"):
        return np.longdouble("inf" if value > 0 else "-inf")
    if abs(value) < mp.mpf("1e-4900"):
        return np.longdouble(0)
    return np.longdouble(mp.nstr(value, 25))


def diagonal_kl(mean_p: object, log_p: Long, mean_q: object, log_q: Long) -> Long:
    """Return the divergences of diagonal Gaussians, from logarithms of their variances."""
    ratio = log_p - log_q
    shift = (long(mean_p) - long(mean_q)) ** 2 / np.exp(log_q)
    return np.asarray((expm1_less(ratio) + shift).sum(axis=-1) / 2)

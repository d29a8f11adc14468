"""Define moments of log ratios of densities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastdiv._engine.types import Matrix, Values


def log_ratio_moments(log_p: Matrix, log_q: Matrix, estimator: str, n_threads: int) -> Values:
    """
    Return the mean of each column's estimates of KL(p ‖ q), and their squared deviations, (2, m).

    The estimates are "k1", "k2" and "k3" of `LOG_RATIOS`. The squared deviations are summed, and
    infinite beside an infinite mean. A column is NaN where a log p is not finite, or a log q is NaN
    or +∞.
    """
    p, q = log_p.astype(np.float64), log_q.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        values = LOG_RATIOS[estimator](q - p)
        values[~np.isfinite(p) | np.isnan(q) | (q == np.inf)] = np.nan
        mean = values.mean(axis=0)
        m2 = ((values - mean) ** 2).sum(axis=0)
    return np.stack([mean, np.where(np.isinf(mean), np.inf, m2)])


def exp_less_1(a: Values) -> Values:
    """Return exp(a) − 1 − a. Use the Taylor series near 0, where it would cancel."""
    series = np.zeros_like(a)
    for n in range(20, 1, -1):
        series = (series * np.where(np.abs(a) < 1, a, 0.0) + 1.0) / n
    return np.where(np.abs(a) < 1, series * a * a, np.expm1(a) - a)


LOG_RATIOS: dict[str, Callable[[Values], Values]] = {
    "k1": np.negative,
    "k2": lambda a: 0.5 * a * a,
    "k3": exp_less_1,
}

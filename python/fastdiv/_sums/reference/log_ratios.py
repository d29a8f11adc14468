"""Moments of log ratios of densities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastdiv._engine.types import Matrix, Values


def log_ratio_moments(log_p: Matrix, log_q: Matrix, estimator: str, n_threads: int) -> Values:
    """
    Compute mean and spread of the estimates that draws of p give of KL(p ‖ q).

    Parameters
    ----------
    log_p, log_q : ndarray, shape (n, m)
        Log densities at the draws in each column, of one dtype.
    estimator : {"k1", "k2", "k3"}
        With l = log q − log p: −l, l²/2 or exp(l) − 1 − l.
    n_threads : int
        0 is the default. One thread serves here.

    Returns
    -------
    ndarray of float64, shape (2, m)
        Mean, and sum of squared deviations from it (infinite beside an infinite mean). NaN in a
        column where a log p is not finite or a log q is NaN or +∞.
    """
    p, q = log_p.astype(np.float64), log_q.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        values = LOG_RATIOS[estimator](q - p)
        values[~np.isfinite(p) | np.isnan(q) | (q == np.inf)] = np.nan
        mean = values.mean(axis=0)
        m2 = ((values - mean) ** 2).sum(axis=0)
    return np.stack([mean, np.where(np.isinf(mean), np.inf, m2)])


def _exp_less_1(a: Values) -> Values:
    """Return exp(a) − 1 − a; near 0, where it would cancel, by the Taylor series."""
    series = np.zeros_like(a)
    for n in range(20, 1, -1):
        series = (series * np.where(np.abs(a) < 1, a, 0.0) + 1.0) / n
    return np.where(np.abs(a) < 1, series * a * a, np.expm1(a) - a)


LOG_RATIOS: dict[str, Callable[[Values], Values]] = {
    "k1": np.negative,
    "k2": lambda a: 0.5 * a * a,
    "k3": _exp_less_1,
}

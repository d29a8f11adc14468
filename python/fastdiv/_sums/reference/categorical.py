"""Define divergences between categorical distributions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv._sums.reference.log_ratios import exp_less_1
from fastdiv._sums.reference.rows import report


class _Side(NamedTuple):
    """One of the two distributions, as `categorical_kl` takes it."""

    values: Matrix
    name: str
    normalisers: Values


def categorical_normalisers(
    values: Matrix, name: str, n_threads: int, progress: Progress | None
) -> Values:
    """
    Return the numbers that turn parameters into probabilities, (..., 2).

    For logits, they are the largest and r in Σ exp(logits) = exp(largest) (1 + r). For
    probabilities, they are the smallest, or 0 if that is less, and the sum. The second is NaN if a
    value is NaN. One of the two is not finite where a value is infinite.
    """
    a = np.sort(values.astype(np.float64), axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        if name == "logits":
            extreme = a[..., -1]
            # NaN is sorted to the end.
            remaining = np.exp(a[..., :-1] - extreme[..., None]).sum(axis=-1) + (extreme - extreme)
        else:
            extreme, remaining = np.minimum(a[..., 0], 0.0), a.sum(axis=-1)
    report(progress)
    return np.stack([extreme, remaining], axis=-1)


def categorical_entropy(
    values: Matrix, name: str, normalisers: Values, n_threads: int, progress: Progress | None
) -> Values:
    """Return −Σ p log p, (...)."""
    with np.errstate(all="ignore"):
        log_p = _log_probs(_Side(values, name, normalisers))
        p = np.exp(log_p)
        terms = np.where(p > 0, -p * log_p, 0.0)
    report(progress)
    return np.asarray(terms.sum(axis=-1))


def categorical_kl(
    p_values: Matrix,
    p_name: str,
    p_normalisers: Values,
    q_values: Matrix,
    q_name: str,
    q_normalisers: Values,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Return Σ p (exp(l) − 1 − l) with l = log q − log p, (...)."""
    p, q = _Side(p_values, p_name, p_normalisers), _Side(q_values, q_name, q_normalisers)
    with np.errstate(all="ignore"):
        log_p, log_q, log_ratio = _logs(p, q)
        values = _kl_from_logs(log_p, log_q, log_ratio)
    report(progress)
    return values


def categorical_jensen_shannon(
    p_values: Matrix,
    p_name: str,
    p_normalisers: Values,
    q_values: Matrix,
    q_name: str,
    q_normalisers: Values,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Return ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q), (...)."""
    p, q = _Side(p_values, p_name, p_normalisers), _Side(q_values, q_name, q_normalisers)
    with np.errstate(all="ignore"):
        log_p, log_q, log_ratio = _logs(p, q)
        log_m = np.logaddexp(log_p, log_q) - np.log(2.0)
        kl_p = _kl_from_logs(log_p, log_m, _log_mean_with_1(log_ratio))
        kl_q = _kl_from_logs(log_q, log_m, _log_mean_with_1(-log_ratio))
        values = (kl_p + kl_q) / 2
    report(progress)
    return values


def _log_probs(side: _Side) -> Values:
    """Return the logarithms of the probabilities."""
    extreme, remaining = side.normalisers[..., :1], side.normalisers[..., 1:]
    a = side.values.astype(np.float64)
    return (a - extreme) - np.log1p(remaining) if side.name == "logits" else np.log(a / remaining)


def _logs(p: _Side, q: _Side) -> tuple[Values, Values, Values]:
    """Return log p, log q, and log q − log p."""
    log_p, log_q = _log_probs(p), _log_probs(q)
    plain = log_q - log_p
    return log_p, log_q, plain if p.name != q.name else _log_ratio(p, q, plain)


def _log_ratio(p: _Side, q: _Side, plain: Values) -> Values:
    """Return l = log q − log p, from exact differences of parameters, else as it is plain."""
    a, b = p.values.astype(np.float64), q.values.astype(np.float64)
    (extreme_p, rest_p), (extreme_q, rest_q) = (
        (side.normalisers[..., :1], side.normalisers[..., 1:]) for side in (p, q)
    )
    if p.name == "logits":
        (d, d_error), (shift, shift_error) = _difference(b, a), _difference(extreme_q, extreme_p)
        log_rest = np.log1p(rest_q) - np.log1p(rest_p)
        exact = (d - shift) + ((d_error - shift_error) - log_rest)
        return np.where(np.isfinite(exact), exact, plain)
    excess = ((b - a) + b * ((rest_p - rest_q) / rest_q)) / a
    return np.where(np.abs(excess) < 0.5, np.log1p(excess), plain)


def _difference(a: Values, b: Values) -> tuple[Values, Values]:
    """Return the rounded a − b, and its error."""
    value = a - b
    back = value - a
    return value, (a - (value - back)) - (b + back)


def _log_mean_with_1(log_ratio: Values) -> Values:
    """Return log(½ (1 + exp(l)))."""
    near = np.log1p(np.expm1(log_ratio) / 2)
    return np.where(log_ratio < 1, near, np.logaddexp(0.0, log_ratio) - np.log(2.0))


def _kl_from_logs(log_p: Values, log_q: Values, log_ratio: Values) -> Values:
    """Return Σ p (exp(l) − 1 − l). Take l = log q − log p apart, as it may be more exact."""
    p, q = np.exp(log_p), np.exp(log_q)
    near = log_ratio < 1  # elsewhere exp(l) may overflow, but not p exp(l) = q
    terms = np.where(near, p * exp_less_1(np.where(near, log_ratio, 0.0)), q - p - p * log_ratio)
    terms = np.where(p > 0, terms, q)
    terms[(log_q == -np.inf) & (log_p > -np.inf)] = np.inf
    return np.asarray(terms.sum(axis=-1))

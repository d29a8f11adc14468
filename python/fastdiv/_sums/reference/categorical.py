"""Divergences between categorical distributions."""

from __future__ import annotations

import numpy as np

from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv._sums.reference.rows import report


def categorical_normalisers(
    values: Matrix, name: str, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute what turns the parameters of categorical distributions into probabilities.

    Parameters
    ----------
    values : ndarray, shape (..., k)
        Probabilities or logits, float32 or float64.
    name : {"probs", "logits"}
        What they are.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (..., 2)
        Of logits the largest, and `rest` with Σ exp(logits) = exp(largest) (1 + rest); of
        probabilities the smallest or 0, whatever is less, and their sum. The second is NaN if a
        value is NaN, and where a value is infinite, one of them is not finite.
    """
    a = np.sort(values.astype(np.float64), axis=-1)
    with np.errstate(invalid="ignore"):
        if name == "logits":
            extreme = a[..., -1]
            # NaN is sorted to the end.
            rest = np.exp(a[..., :-1] - extreme[..., None]).sum(axis=-1) + (extreme - extreme)
        else:
            extreme, rest = np.minimum(a[..., 0], 0.0), a.sum(axis=-1)
    report(progress)
    return np.stack([extreme, rest], axis=-1)


def categorical_entropy(
    values: Matrix, name: str, normalisers: Values, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute entropies of categorical distributions.

    Parameters
    ----------
    values : ndarray, shape (..., k)
        Probabilities or logits, float32 or float64.
    name : {"probs", "logits"}
        What they are.
    normalisers : ndarray, shape (..., 2)
        See `categorical_normalisers`.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        −Σ p log p.
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(values, name, normalisers)
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
    """
    Compute Kullback-Leibler divergences between categorical distributions.

    Parameters
    ----------
    p_values, q_values : ndarray, shape (..., k)
        Parameters of one dtype and one shape.
    p_name, q_name : {"probs", "logits"}
        What they are.
    p_normalisers, q_normalisers : ndarray, shape (..., 2)
        See `categorical_normalisers`.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        With l = log q − log p: Σ p (exp(l) − 1 − l).
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(p_values, p_name, p_normalisers)
        log_q = _log_probs(q_values, q_name, q_normalisers)
        values = _kl_from_logs(log_p, log_q, log_q - log_p)
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
    """
    Compute Jensen-Shannon divergences between categorical distributions.

    Parameters
    ----------
    p_values, p_name, p_normalisers, q_values, q_name, q_normalisers, n_threads, progress
        As in `categorical_kl`.

    Returns
    -------
    ndarray of float64, shape (...)
        ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q).
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(p_values, p_name, p_normalisers)
        log_q = _log_probs(q_values, q_name, q_normalisers)
        log_m = np.logaddexp(log_p, log_q) - np.log(2.0)
        of_p = _kl_from_logs(log_p, log_m, np.log1p(np.expm1(log_q - log_p) / 2))
        of_q = _kl_from_logs(log_q, log_m, np.log1p(np.expm1(log_p - log_q) / 2))
        values = (of_p + of_q) / 2
    report(progress)
    return values


def _log_probs(values: Matrix, name: str, normalisers: Values) -> Values:
    extreme, rest = normalisers[..., :1], normalisers[..., 1:]
    a = values.astype(np.float64)
    return (a - extreme) - np.log1p(rest) if name == "logits" else np.log(a / rest)


def _kl_from_logs(log_p: Values, log_q: Values, log_ratio: Values) -> Values:
    p = np.exp(log_p)
    terms = np.where(p > 0, p * (np.expm1(log_ratio) - log_ratio), np.exp(log_q))
    terms[(log_q == -np.inf) & (log_p > -np.inf)] = np.inf
    return np.asarray(terms.sum(axis=-1))

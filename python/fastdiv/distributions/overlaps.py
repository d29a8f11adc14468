"""Compute Rényi and Bhattacharyya divergences and Hellinger distances between Gaussians."""

from __future__ import annotations

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import blockwise
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import checked, item
from fastdiv.distributions.divergences import kl
from fastdiv.distributions.linear_algebra import less_log, whitened
from fastdiv.distributions.pair import Pair

_SMALL_ORDER = 1e-3
"""Order α below which p and q change roles. Rounding errors ε of S add some ε² to α times a sum."""

_HUGE = 600.0
"""Logarithm of an eigenvalue above which only its logarithm is used. exp(709) is the largest."""


@documented
def renyi(p: object, q: object, alpha: float, *, n_threads: int | None = None) -> Values:
    """
    Compute the Rényi divergence of order α, log(∫ p^α q^(1−α)) / (α − 1).

    Between Gaussians, with S = α Σ_q + (1 − α) Σ_p and Δ = mean_p − mean_q,

        D_α = (α/2) Δᵀ S⁻¹ Δ − log(|S| / (|Σ_p|^(1−α) |Σ_q|^α)) / (2 (α − 1)),

    and +∞ where S is not positive definite: the integral diverges, which takes α > 1. With the
    eigenvalues λ = 1 + e of Σ_q⁻¹ Σ_p, s = 1 + (1−α) e and ψ(t) = t − log(1 + t), the second term
    is computed as

        ½ Σ (ψ(e) + ψ(s − 1)/(α−1))             for α > 1,
        ½ Σ (ψ(λ/s − 1) + ψ(1/s − 1) α/(1−α))   for α < 1.

    These terms are never negative. Nothing cancels as α → 1, where D_α becomes `kl`, as p → q, or
    if λ is very small or large. With a triangular factor F F^T of the matrix whose eigenvalues are
    1 + t, Σ ψ(t) is Σᵢ (Fᵢᵢ² − 1 − 2 log Fᵢᵢ) + Σ_{i>j} Fᵢⱼ², and takes no eigenvalues.

    Parameters
    ----------
    p, q : Gaussian
        As in `kl`.
    alpha : float
        Order α > 0. 1 is the Kullback-Leibler divergence.
    {n_threads}

    Returns
    -------
    {value_per_pair}
        Divergences in nats, never negative, 0 for padding of p or q.

    {raises_overflow}

    {References: gil_2013}
    Table 2.

    Examples
    --------
    >>> from fastdiv import Gaussian, renyi
    >>> p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=2.0)
    >>> round(float(renyi(p, q, 0.5)), 6)
    0.323144
    >>> float(renyi(q, p, 2.0))
    inf
    """
    order = _inputs.positive(alpha, "alpha")
    return renyi_from_one(p, q, order, order - 1, n_threads)


def renyi_from_one(
    p: object, q: object, order: float, above_one: float, n_threads: int | None = None
) -> Values:
    """Return the divergence of an order near 1, which its distance from 1 tells exactly."""
    if above_one == 0:
        return kl(p, q, n_threads=n_threads)
    values = _values(p, q, order, above_one, _inputs.threads(n_threads))
    return item(checked(values, np.isinf(values), "the divergence"))


@documented
def bhattacharyya(p: object, q: object) -> Values:
    """
    Compute the Bhattacharyya distance −log ∫ √(p q), half the Rényi divergence of order ½.

    {between_gaussians}
        Distances in nats, never negative, symmetric in p and q, 0 for padding of p or q.

    {raises_overflow}

    References
    ----------
    A. Bhattacharyya, "On a measure of divergence between two statistical populations defined by
    their probability distributions", Bull. Calcutta Math. Soc. 35 (1943) 99–109.

    Examples
    --------
    >>> from fastdiv import Gaussian, bhattacharyya
    >>> float(bhattacharyya(Gaussian([0.0], std=1.0), Gaussian([2.0], std=1.0)))
    0.5
    """
    return item(checked(_half_renyi(p, q), False, "the divergence"))


@documented
def hellinger(p: object, q: object) -> Values:
    """
    Compute the Hellinger distance H = √(1 − ∫ √(p q)), the square root of `hellinger2`.

    It is a metric.

    {hellinger}

    Examples
    --------
    >>> from fastdiv import Gaussian, hellinger
    >>> round(float(hellinger(Gaussian([0.0], std=1.0), Gaussian([2.0], std=1.0))), 6)
    0.627271
    """
    return item(np.sqrt(hellinger2(p, q)))


@documented
def hellinger2(p: object, q: object) -> Values:
    """
    Compute the squared Hellinger distance H² = 1 − ∫ √(p q).

    {hellinger}

    Examples
    --------
    >>> from fastdiv import Gaussian, hellinger2
    >>> round(float(hellinger2(Gaussian([0.0], std=1.0), Gaussian([2.0], std=1.0))), 6)
    0.393469
    """
    values = _half_renyi(p, q)
    return item(blockwise(lambda part: -np.expm1(-np.where(np.isnan(part), np.inf, part)), values))


def _half_renyi(p: object, q: object) -> Values:
    return _values(p, q, 0.5, -0.5) / 2


def _values(p: object, q: object, alpha: float, above_one: float, n_threads: int = 0) -> Values:
    """Return divergences of order alpha = 1 + above_one, with NaN for what overflows."""
    pair = Pair.of(p, q)
    pair.require_definite()
    times = 1.0
    if alpha < _SMALL_ORDER:  # D_α(p ‖ q) = α/(1−α) D_{1−α}(q ‖ p)
        pair, times = Pair(pair.q, pair.p, pair.batch_shape), alpha / -above_one
        # Above the subnormal numbers, for their reciprocals are infinite.
        alpha, above_one = -above_one, -max(alpha, float(np.finfo(np.float64).tiny))

    def compute(block: Pair) -> Values:
        return backend.current().gaussian_renyi(*block.lowered(), alpha, above_one, n_threads)

    values = pair.factored(compute, lambda block: _renyi(block, alpha, above_one))
    return times * values


def _renyi(pair: Pair, alpha: float, above_one: float) -> Values:
    """Return divergences of order alpha = 1 + above_one, with NaN for what overflows."""
    with np.errstate(all="ignore"):
        e, log, z, log_z = whitened(pair)
        huge = log > _HUGE
        mixed = -above_one * e  # s = 1 + mixed are the eigenvalues of S relative to Σ_q
        if above_one > 0:  # 1 is the mean of λ and s with the weights (α − 1)/α and 1/α
            mixed = np.where(huge, -np.exp(log + np.log(above_one)), mixed)
            s, log_s = 1 + mixed, np.log1p(mixed)
            shape = less_log(e, log) + less_log(mixed, log_s) / above_one
        else:  # s is the mean of 1 and λ with the weights α and 1 − α
            s = np.where(mixed > -0.5, 1 + mixed, alpha - above_one * np.exp(log))
            log_s = np.where(mixed > -0.5, np.log1p(mixed), np.log(s))
            share, rest = alpha * e / s, -mixed / s
            if huge.any():  # s = λ of_λ, of which only the logarithm is in range
                inverse = np.exp(-log)
                of_lambda = alpha * inverse - above_one
                log_s = np.where(huge, log + np.log(of_lambda), log_s)
                share = np.where(huge, alpha * (1 - inverse) / of_lambda, share)
                rest = np.where(huge, above_one * (1 - inverse) / of_lambda, rest)
            shape = less_log(share, log - log_s)
            shape += alpha / -above_one * less_log(rest, -log_s)
        shift = alpha * z * z / s
        beyond = huge | ~np.isfinite(shift)
        shift = np.where(beyond & (s > 0), alpha * np.exp(2 * log_z - log_s), shift)
        values = 0.5 * (shape + shift).sum(axis=-1)
        infinite = (s <= 0).any(axis=-1)
        return np.where(infinite, np.inf, np.where(np.isfinite(values), values, np.nan))

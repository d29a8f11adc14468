"""Rényi and Bhattacharyya divergences and Hellinger distances between Gaussians."""

from __future__ import annotations

import numpy as np

from fastdiv import _inputs
from fastdiv._backend import Values
from fastdiv._pair import Pair
from fastdiv.divergences import kl
from fastdiv.gaussian import factor, item, log_std, whitener


def renyi(p: object, q: object, alpha: float, *, n_threads: int | None = None) -> Values:
    """
    Compute the Rényi divergence of order α, log(∫ p^α q^(1−α)) / (α − 1).

    Between Gaussians, with S = α Σ_q + (1 − α) Σ_p and Δ = mean_p − mean_q,

        D_α = (α/2) Δᵀ S⁻¹ Δ − log(|S| / (|Σ_p|^(1−α) |Σ_q|^α)) / (2 (α − 1)),

    and +∞ where S is not positive definite (the integral diverges; only for α > 1). It is computed
    from the eigenvalues 1 + e of Σ_q⁻¹ Σ_p as ½ Σ (ψ(e) − ψ((1−α) e)/(1−α)), ψ(t) = t − log(1 + t),
    which does not cancel as α → 1, where D_α becomes `kl`, nor as p → q.

    Parameters
    ----------
    p, q : Gaussian
        As in `kl`.
    alpha : float
        Order α > 0; 1 is the Kullback-Leibler divergence.
    n_threads : int, optional
        Number of threads for α = 1; see `set_num_threads`.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Divergences in nats, never negative.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    M. Gil, F. Alajaji, T. Linder, "Rényi divergence measures for commonly used univariate
    continuous distributions", Inf. Sci. 249 (2013) 124–131, table 2.

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
    if order == 1:
        return kl(p, q, n_threads=n_threads)
    return item(Pair.of(p, q).map(lambda pair: _renyi(pair, order)))


def bhattacharyya(p: object, q: object) -> Values:
    """
    Compute the Bhattacharyya distance −log ∫ √(p q), half the Rényi divergence of order ½.

    Parameters
    ----------
    p, q : Gaussian
        As in `kl`.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Distances in nats, never negative; symmetric in p and q.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

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
    return item(Pair.of(p, q).map(lambda pair: _renyi(pair, 0.5)) / 2)


def hellinger(p: object, q: object) -> Values:
    """
    Compute the Hellinger distance H = √(1 − ∫ √(p q)); see `hellinger2` for its square.

    Parameters
    ----------
    p, q : Gaussian
        As in `kl`.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Distances between 0 and 1; a metric.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    L. Pardo, "Statistical Inference Based on Divergence Measures" (2006), chapter 1.

    Examples
    --------
    >>> from fastdiv import Gaussian, hellinger
    >>> round(float(hellinger(Gaussian([0.0], std=1.0), Gaussian([2.0], std=1.0))), 6)
    0.627271
    """
    return item(np.sqrt(hellinger2(p, q)))


def hellinger2(p: object, q: object) -> Values:
    """
    Compute the squared Hellinger distance H² = 1 − ∫ √(p q).

    Parameters
    ----------
    p, q : Gaussian
        As in `kl`.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Squared distances between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    L. Pardo, "Statistical Inference Based on Divergence Measures" (2006), chapter 1.

    Examples
    --------
    >>> from fastdiv import Gaussian, hellinger2
    >>> round(float(hellinger2(Gaussian([0.0], std=1.0), Gaussian([2.0], std=1.0))), 6)
    0.393469
    """
    return item(-np.expm1(-bhattacharyya(p, q)))


def _renyi(pair: Pair, alpha: float) -> Values:
    if alpha < 0.5:
        # Skew symmetry; the formula would lose digits as alpha -> 0.
        other = Pair(pair.q, pair.p, pair.batch_shape)
        return alpha / (1 - alpha) * _renyi(other, 1 - alpha)
    e, z = whitened(pair)
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = (1 - alpha) * e  # 1 + mixed are the eigenvalues of S relative to Σ_q
        shape = (less_log1p(e) - less_log1p(mixed) / (1 - alpha)).sum(axis=-1)
        shift = (z * z / (1 + mixed)).sum(axis=-1)
        values = 0.5 * (shape + alpha * shift)
    infinite = (mixed <= -1).any(axis=-1)
    return np.where(infinite, np.inf, values)


def whitened(pair: Pair) -> tuple[Values, Values]:
    """
    Bring pairs of Gaussians to q = N(0, I) and p of diagonal covariance.

    Parameters
    ----------
    pair : Pair
        Distributions.

    Returns
    -------
    e, z : ndarray of float64, shape (*batch_shape, d)
        The eigenvalues of Σ_q⁻¹ Σ_p, less 1, and the mean of p there.
    """
    p, q = pair.p, pair.q
    difference = np.broadcast_to(p.mean.astype(np.float64) - q.mean, (*pair.batch_shape, p.dim))
    if p.is_diagonal and q.is_diagonal:
        e = np.expm1(2 * (log_std(p) - log_std(q)))
        return np.broadcast_to(e, difference.shape), difference * np.exp(-log_std(q))
    # With M = L_q⁻¹ L_p and N = M − I, M Mᵀ − I = N + Nᵀ + N Nᵀ: no small eigenvalue is lost.
    w = whitener(q)
    n = w @ factor(p) - np.eye(p.dim)
    e, vectors = np.linalg.eigh(n + n.swapaxes(-1, -2) + n @ n.swapaxes(-1, -2))
    z = (vectors.swapaxes(-1, -2) @ (w @ difference[..., None]))[..., 0]
    return np.broadcast_to(np.maximum(e, np.nextafter(-1, 0)), z.shape), z


def less_log1p(t: Values) -> Values:
    """
    Return t − log(1 + t), without cancellation near 0.

    Parameters
    ----------
    t : ndarray
        Numbers > −1.

    Returns
    -------
    ndarray
        Never negative; about t²/2 near 0.
    """
    small = np.abs(t) < 0.1
    u = np.where(small, t, 0.0)
    s = u / (2 + u)
    series = np.zeros_like(s)
    for k in range(17, 1, -2):  # log(1 + u) = 2 (s + s³/3 + s⁵/5 + …), and u − 2s = u s
        series = (series + 1 / k) * s * s
    return np.where(small, u * s - 2 * s * series, t - np.log1p(np.where(small, 0.0, t)))

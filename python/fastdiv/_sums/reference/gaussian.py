"""Divergences between Gaussians, and the checks of their matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv._sums.reference.rows import report


def gaussian_kl(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute Kullback-Leibler divergences between Gaussians.

    Parameters
    ----------
    p_mean, q_mean : ndarray, shape (..., d)
        Means of one dtype and one shape.
    p_name, q_name : str
        What the parameters are: an argument of `fastdiv.Gaussian`.
    p_parameter, q_parameter : ndarray, shape (..., d) or (..., d, d)
        Parameters of the same dtype and batch shape.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        With M = L_q⁻¹ L_p and z = L_q⁻¹ (mean_p − mean_q):
        ½ (Σᵢ (Mᵢᵢ² − 1 − 2 log Mᵢᵢ) + Σ_{i>j} Mᵢⱼ² + |z|²); NaN where a matrix is not positive
        definite.
    """
    l_p, l_q = _factors(p_name, p_parameter), _factors(q_name, q_parameter)
    m = np.tril(np.linalg.inv(l_q) @ l_p)
    z = np.linalg.inv(l_q) @ (p_mean.astype(np.float64) - q_mean)[..., None]
    log_det = np.log(np.diagonal(m, axis1=-2, axis2=-1)).sum(axis=-1)
    twice = (m**2).sum(axis=(-2, -1)) - m.shape[-1] - 2 * log_det + (z**2).sum(axis=(-2, -1))
    report(progress)
    return np.asarray(twice / 2)


def diagonal_gradients(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    of_q: bool,
    n_threads: int,
) -> tuple[Values, Values, Values]:
    """
    Differentiate the divergences between diagonal Gaussians.

    Parameters
    ----------
    p_mean, p_name, p_parameter, q_mean, q_name, q_parameter, n_threads
        As in `gaussian_kl`, all of shape (..., d).
    of_q : bool
        Whether the last result is wanted; else it is empty.

    Returns
    -------
    ndarrays of float64, shape (..., d)
        By the means of p, by the parameters of p, and by those of q. With
        z = (mean_p − mean_q)/σ_q they are z/σ_q, (σ_p²/σ_q² − 1) d log σ_p/dp and
        −(σ_p²/σ_q² − 1 + z²) d log σ_q/dq.
    """
    log_p, log_q = _log_std(p_name, p_parameter), _log_std(q_name, q_parameter)
    inverse = np.exp(-log_q)
    z = (p_mean.astype(np.float64) - q_mean) * inverse
    ratio_less_1 = np.expm1(2 * (log_p - log_q))
    by_p = ratio_less_1 * _chain(p_name, log_p)
    by_q = -(ratio_less_1 + z * z) * _chain(q_name, log_q)
    return z * inverse, by_p, by_q if of_q else np.empty(0)


def kl_from_products(
    a: Matrix,
    b: Matrix,
    a_offset: Values,
    b_offset: Values,
    tolerance: float,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Halve the products of all pairs of rows, plus their offsets.

    Parameters
    ----------
    a, b : ndarray of float64, shapes (n, k) and (m, k)
        Features.
    a_offset, b_offset : ndarray of float64, shapes (n,) and (m,)
        Added to the product of row i of a and row j of b.
    tolerance : float
        Relative error to keep.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (n, m)
        (aᵢ·bⱼ + offsets)/2; NaN where rounding may exceed the tolerance.
    """
    twice = a @ b.T + a_offset[:, None] + b_offset
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    terms = norms + np.abs(a_offset)[:, None] + np.abs(b_offset)
    report(progress)
    error = np.finfo(np.float64).eps / tolerance * (4 + np.sqrt(a.shape[1]))
    return np.where(twice > error * terms, twice / 2, np.nan)


def matrix_status(matrices: Matrix, name: str, n_threads: int) -> NDArray[np.uint8]:
    """
    Say what is wrong with the parameter matrices of Gaussians.

    Parameters
    ----------
    matrices : ndarray, shape (..., d, d)
        Parameters.
    name : {"cov", "scale_tril", "precision"}
        What they are.
    n_threads : int
        0 is the default. One thread serves here.

    Returns
    -------
    ndarray of uint8, shape (...)
        0 for nothing, 1 not finite, 2 not symmetric, 3 not positive definite, 4 not lower
        triangular, 5 a zero on the diagonal.
    """
    status = np.zeros(matrices.shape[:-2], dtype=np.uint8)
    tolerance = 2.0**-11 if matrices.dtype == np.float32 else 2.0**-26
    for index in np.ndindex(status.shape):
        a = matrices[index].astype(np.float64)
        diagonal = np.abs(np.diagonal(a))
        if not np.isfinite(a).all():
            status[index] = 1
        elif name == "scale_tril":
            status[index] = 4 if np.triu(a, 1).any() else 5 * (not diagonal.all())
        elif (np.abs(a - a.T) > tolerance * diagonal.max()).any():
            status[index] = 2
        else:
            status[index] = 3 * bool(np.isnan(_cholesky(a)).any())
    return status


def _factors(name: str, parameter: Matrix) -> Values:
    """Return lower triangular L with Σ = L Lᵀ and a positive diagonal; NaN where there is none."""
    a = parameter.astype(np.float64)
    if name in ("cov", "precision"):
        sigma = a if name == "cov" else np.linalg.inv(a)
        return np.array([_cholesky(each) for each in sigma.reshape(-1, *a.shape[-2:])]).reshape(
            a.shape
        )
    if name == "scale_tril":
        return np.asarray(a * np.sign(np.diagonal(a, axis1=-2, axis2=-1))[..., None, :])
    std = {"std": a, "var": np.sqrt(a)}.get(name)
    if std is None:
        std = np.exp(a if name == "logstd" else a / 2)
    return np.asarray(std[..., None] * np.eye(a.shape[-1]))


def _cholesky(a: Values) -> Values:
    """Return the factor, or NaN if a pivot is not positive beyond rounding."""
    try:
        factor = np.asarray(np.linalg.cholesky(a), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan)
    noise = len(a) * 2.0**-52 * np.diagonal(a)
    return factor if (np.diagonal(factor) ** 2 > noise).all() else np.full(a.shape, np.nan)


def _log_std(name: str, parameter: Matrix) -> Values:
    values = parameter.astype(np.float64)
    if name.startswith("log"):
        return values if name == "logstd" else values / 2
    return np.log(values) if name == "std" else np.log(values) / 2


def _chain(name: str, log_std: Values) -> Values:
    """Return d log σ / d parameter."""
    half = 0.5 if name.endswith("var") else 1.0
    return np.full_like(log_std, half) if name.startswith("log") else half * np.exp(-log_std / half)

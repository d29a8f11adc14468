"""Define divergences between Gaussians, and the checks of their matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import GaussianArrays, Matrix, Progress, Values
from fastdiv._sums.reference.log_ratios import exp_less_1
from fastdiv._sums.reference.rows import report

DIAGONAL = ("std", "var", "logstd", "logvar")


def gaussian_kl(
    p: GaussianArrays,
    q: GaussianArrays,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Return the Kullback-Leibler divergences between Gaussians, (...).

    A name says what a parameter is: an argument of `fastdiv.Gaussian`. With M = L_q⁻¹ L_p and
    z = L_q⁻¹ (mean_p − mean_q), the divergence is
    ½ (Σᵢ (Mᵢᵢ² − 1 − 2 log Mᵢᵢ) + Σ_{i>j} Mᵢⱼ² + |z|²). It is NaN where a matrix is not positive
    definite. Nothing cancels: the terms of Mᵢᵢ come from its logarithm, the others from M − I.
    """
    (p_mean, p_name, p_parameter), (q_mean, q_name, q_parameter) = p, q
    difference = p_mean.astype(np.float64) - q_mean
    with np.errstate(all="ignore"):  # padding may hold anything
        if p_name in DIAGONAL and q_name in DIAGONAL:
            log_m = _log_std_ratio(p_name, p_parameter, q_name, q_parameter)
            squares = (difference * np.exp(-_log_std(q_name, q_parameter))) ** 2
        else:
            l_p, l_q = _factors(p_name, p_parameter), _factors(q_name, q_parameter)
            log_m = _log_ratio(_diagonal(l_p), _diagonal(l_q))
            inverse = np.linalg.inv(l_q)
            m_less_1, z = inverse @ (l_p - l_q), inverse @ difference[..., None]
            squares = (np.tril(m_less_1, -1) ** 2).sum(axis=-1) + z[..., 0] ** 2
        twice = (exp_less_1(2 * log_m) + squares).sum(axis=-1)
    report(progress)
    return np.asarray(twice / 2)


def gaussian_renyi(
    p: GaussianArrays,
    q: GaussianArrays,
    alpha: float,
    above_one: float,
    n_threads: int,
) -> Values:
    """
    Return the Rényi divergences of order alpha = 1 + above_one, (...).

    One side is full. With the eigenvalues λ of Σ_q⁻¹ Σ_p, s = α − above_one λ,
    ψ(log t) = t − 1 − log t and the means z of p in units of q along the eigenvectors, twice the
    divergence is Σ α z²/s and Σ ψ(log λ) + ψ(log s)/above_one for α > 1, or
    Σ ψ(log λ/s) + ψ(log 1/s) α/(1 − α) for α < 1. It is infinite for s ≤ 0, and NaN where a matrix
    is not positive definite or a product overflows.
    """
    e, log, z = _whitened(p, q)
    with np.errstate(all="ignore"):
        mixed = -above_one * e
        near = mixed > -0.5
        s = np.where(near, 1 + mixed, alpha - above_one * np.exp(log))
        log_s = np.where(near, np.log1p(mixed), np.log(s))
        if above_one > 0:
            twice = exp_less_1(log) + exp_less_1(log_s) / above_one
        else:
            twice = exp_less_1(log - log_s) + exp_less_1(-log_s) * (alpha / -above_one)
        value = (twice + alpha * z * z / s).sum(axis=-1) / 2
        infinite = np.isfinite(e).all(axis=-1) & (s <= 0).any(axis=-1)
        return np.where(infinite, np.inf, np.where(np.isfinite(value), value, np.nan))


def gaussian_coupling(
    p: GaussianArrays,
    q: GaussianArrays,
    share: float,
    rest: float,
    n_threads: int,
) -> Values:
    """
    Return log(1 + c (Σ (λ − 1) + |z|²)) − c Σ log λ with the share c = (1 − rest)/d, (...).

    λ, z and NaN are as in `gaussian_renyi`. With the mean m = 1 + c Σ (λ − 1) it is a sum of terms
    that are never negative.
    """
    e, log, z = _whitened(p, q)
    with np.errstate(all="ignore"):
        excess = share * e.sum(axis=-1)
        mean = np.where(excess > -0.5, 1 + excess, share * np.exp(log).sum(axis=-1) + rest)
        log_mean = np.where(excess > -0.5, np.log1p(excess), np.log(mean))
        spread = share * exp_less_1(log - log_mean[..., None]).sum(axis=-1)
        spread += rest * exp_less_1(-log_mean) + np.log1p(share * (z * z).sum(axis=-1) / mean)
        return np.where(np.isfinite(spread), spread, np.nan)


def _whitened(p: GaussianArrays, q: GaussianArrays) -> tuple[Values, Values, Values]:
    """Return λ − 1, log λ and z, three times (..., d), or NaN where something is not finite."""
    (p_mean, p_name, p_parameter), (q_mean, q_name, q_parameter) = p, q
    difference = p_mean.astype(np.float64) - q_mean
    with np.errstate(all="ignore"):
        l_p, l_q = _factors(p_name, p_parameter), _factors(q_name, q_parameter)
        known = np.asarray(np.isfinite(l_q).all(axis=(-2, -1), keepdims=True))
        inverse = np.linalg.inv(np.where(known, l_q, np.eye(l_q.shape[-1])))
        n = inverse @ (l_p - l_q)
        excess = n + n.swapaxes(-1, -2) + n @ n.swapaxes(-1, -2)
        known &= np.isfinite(excess).all(axis=(-2, -1), keepdims=True)
        e, vectors = np.linalg.eigh(np.where(known, excess, 0.0))
        left, singular, _ = np.linalg.svd(np.where(known, inverse @ l_p, 0.0))
        far = np.abs(e).max(axis=-1, keepdims=True) > 0.5
        log = np.where(far, 2 * np.log(singular), np.log1p(np.maximum(e, -0.5)))
        e = np.where(far, (singular - 1) * (singular + 1), e)
        vectors = np.where(far[..., None], left, vectors)
        z = (vectors.swapaxes(-1, -2) @ (inverse @ difference[..., None]))[..., 0]
        e, log, z = (np.where(known[..., 0], a, np.nan) for a in (e, log, z))
    return e, log, z


def gaussian_wasserstein2(
    p: GaussianArrays,
    q: GaussianArrays,
    n_threads: int,
) -> Values:
    """
    Return the squared Wasserstein distances |mean_p − mean_q|² + min |A − B U|², (...).

    One side is full. A and B are roots of the covariances, and U is a rotation. It comes from the
    singular vectors of BᵀA. The distance is NaN where a matrix is not positive definite or BᵀA
    overflows.
    """
    (p_mean, p_name, p_parameter), (q_mean, q_name, q_parameter) = p, q
    difference = p_mean.astype(np.float64) - q_mean
    with np.errstate(all="ignore"):
        a, b = _factors(p_name, p_parameter), _factors(q_name, q_parameter)
        product = b.swapaxes(-1, -2) @ a
        known = np.asarray(np.isfinite(product).all(axis=(-2, -1), keepdims=True))
        left, _, right = np.linalg.svd(np.where(known, product, 0.0))
        shape = ((a - b @ (left @ right)) ** 2).sum(axis=(-2, -1))
        # U is the best rotation within rounding. Without it equal factors are at exactly 0.
        shape = np.minimum(shape, ((a - b) ** 2).sum(axis=(-2, -1)))
        values = (difference**2).sum(axis=-1) + np.where(known[..., 0, 0], shape, np.nan)
    return np.asarray(values)


def covariance_roots(matrices: Matrix, n_threads: int) -> Values:
    """
    Return roots V √w of symmetric semidefinite matrices from eigenvalues w, (..., d, d).

    Those within rounding of 0 count as 0, for their roots would be far from it. A root has NaN if
    others are negative.
    """
    w, v = np.linalg.eigh(matrices.astype(np.float64))
    noise = matrices.shape[-1] * np.finfo(np.float64).eps * w[..., -1:]
    negative = w < -_root_of_epsilon(matrices) * w[..., -1:]
    with np.errstate(invalid="ignore"):
        return np.asarray(v * np.sqrt(np.where((w > noise) | negative, w, 0.0))[..., None, :])


def mixture_covariances(
    weights: Values,
    means: Values,
    component_means: Matrix,
    name: str,
    parameters: Matrix,
    n_threads: int,
) -> Values:
    """
    Return the covariances of mixtures about their means, (..., d, d).

    weights (mixtures, k), means (..., d), component_means (..., k, d), parameters (..., k, d) or
    (..., k, d, d) with the lower triangles of covariances
    """
    if name in DIAGONAL:
        within = np.exp(2 * _log_std(name, parameters))[..., None] * np.eye(means.shape[-1])
    else:
        lower = np.tril(parameters.astype(np.float64))
        within = lower + np.tril(lower, -1).swapaxes(-1, -2)
    between = component_means - means[..., None, :]
    outer = between[..., :, None] * between[..., None, :]
    each = weights.reshape(*component_means.shape[:-1], 1, 1)
    return np.asarray((each * (within + outer)).sum(axis=-3))


def diagonal_kl_and_gradients(
    p: GaussianArrays,
    q: GaussianArrays,
    q_gradient: bool,
    as_given: bool,
    n_threads: int,
) -> tuple[Matrix, Matrix, Matrix, Matrix, bool]:
    """
    Differentiate `gaussian_kl` of diagonal Gaussians: values, and three gradients (..., d).

    Let z = (mean_p − mean_q)/σ_q. The gradients are z/σ_q with respect to the means of p, and
    (σ_p²/σ_q² − 1) d log σ_p/dp with respect to the parameters of p. With respect to those of q
    the gradient is −(σ_p²/σ_q² − 1 + z²) d log σ_q/dq, or empty unless `q_gradient`. Results have
    the dtype of the parameters if `as_given`, else float64. The last one tells whether all
    parameters are finite, all std and var > 0, and all other results finite.
    """
    (p_mean, p_name, p_parameter), (q_mean, q_name, q_parameter) = p, q
    with np.errstate(all="ignore"):  # padding may hold anything
        log_p, log_q = _log_std(p_name, p_parameter), _log_std(q_name, q_parameter)
        inverse = np.exp(-log_q)
        z = (p_mean.astype(np.float64) - q_mean) * inverse
        ratio_less_1 = np.expm1(2 * (log_p - log_q))
        p_grad = ratio_less_1 * _chain(p_name, log_p)
        q_grad = -(ratio_less_1 + z * z) * _chain(q_name, log_q)
        exact = gaussian_kl(p, q, 1, None), z * inverse, p_grad
        results = [*exact, q_grad if q_gradient else np.empty(0)]
        if as_given:
            results = [a.astype(p_mean.dtype) for a in results]
    positive = all([(a > 0).all() for _, name, a in (p, q) if not name.startswith("log")])
    finite = all([np.isfinite(a).all() for a in (p_parameter, q_parameter, *results)])
    values, means, by_p, by_q = results
    return values, means, by_p, by_q, bool(positive and finite)


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
    Return (aᵢ·bⱼ + a_offsetᵢ + b_offsetⱼ)/2, (n, m).

    It is NaN where rounding may exceed the relative tolerance, and NaN or infinite where a term
    overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        twice = a @ b.T + a_offset[:, None] + b_offset
        norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        terms = norms + np.abs(a_offset)[:, None] + np.abs(b_offset)
        error = np.finfo(np.float64).eps / tolerance * (4 + np.sqrt(a.shape[1]))
        values = np.where(twice > error * terms, twice / 2, np.nan)
    report(progress)
    return values


def matrix_status(matrices: Matrix, name: str, n_threads: int) -> NDArray[np.uint8]:
    """
    Return the first fault of each matrix of parameters, (...).

    0 is no fault, 1 not finite, 2 not symmetric, 3 not positive definite, 4 not lower triangular,
    and 5 a zero on the diagonal.
    """
    status = np.zeros(matrices.shape[:-2], dtype=np.uint8)
    tolerance = _root_of_epsilon(matrices)
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


def _root_of_epsilon(a: Matrix) -> float:
    return 2.0**-11 if a.dtype == np.float32 else 2.0**-26


def _factors(name: str, parameter: Matrix) -> Values:
    """Return lower triangular L with Σ = L Lᵀ and a positive diagonal, or NaN if there is none."""
    a = parameter.astype(np.float64)
    if name == "cov":
        return np.array([_cholesky(matrix) for matrix in a.reshape(-1, *a.shape[-2:])]).reshape(
            a.shape
        )
    if name == "precision":  # U Uᵀ with upper triangular U, which is L⁻ᵀ
        reversed_ = a[..., ::-1, ::-1]
        upper = _factors("cov", reversed_)[..., ::-1, ::-1]
        return np.asarray(np.linalg.inv(upper.swapaxes(-1, -2)))
    if name == "root":  # any root, not a triangular one
        return a
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
    """Return log σ."""
    values = parameter.astype(np.float64)
    if name.startswith("log"):
        return values if name == "logstd" else values / 2
    return np.log(values) if name == "std" else np.log(values) / 2


def _log_std_ratio(p_name: str, p: Matrix, q_name: str, q: Matrix) -> Values:
    """Return log σ_p − log σ_q, exact for close parameters of one name."""
    if p_name == q_name and p_name in ("std", "var"):
        ratio = _log_ratio(p.astype(np.float64), q.astype(np.float64))
        return ratio if p_name == "std" else ratio / 2
    return _log_std(p_name, p) - _log_std(q_name, q)


def _diagonal(matrices: Values) -> Values:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _log_ratio(a: Values, b: Values) -> Values:
    """Return log(a/b), without cancellation for a near b."""
    near = np.abs(a - b) < b / 2
    excess = np.where(near, (a - b) / b, 0.0)
    return np.where(near, np.log1p(excess), np.log(a) - np.log(b))


def _chain(name: str, log_std: Values) -> Values:
    """Return d log σ / d parameter."""
    half = 0.5 if name.endswith("var") else 1.0
    return np.full_like(log_std, half) if name.startswith("log") else half * np.exp(-log_std / half)

"""Compute Cholesky factors, their inverses and whitening in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from fastdiv._engine.blocks import BATCHED, blockwise, boxes
from fastdiv._engine.patience import patiently
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import blocks

if TYPE_CHECKING:
    from fastdiv.distributions.gaussian import Gaussian
    from fastdiv.distributions.pair import Pair


def log_std(p: Gaussian) -> Values:
    """Return the log standard deviations of diagonal Gaussians, shape (..., d)."""

    def log(value: Matrix) -> Values:
        wide = value.astype(np.float64)
        if p.parametrisation in ("std", "var"):
            wide = np.log(wide)
        return 0.5 * wide if p.parametrisation in ("var", "logvar") else wide

    return blockwise(log, p.parameter)


def std(p: Gaussian) -> Values:
    """Return the standard deviations of diagonal Gaussians, shape (..., d), exact if given."""
    if p.parametrisation == "std":
        return in_float64(p.parameter)
    if p.parametrisation == "var":
        return blockwise(lambda var: np.sqrt(var.astype(np.float64)), p.parameter)
    return blockwise(np.exp, log_std(p))


def log_std_ratio(p: Gaussian, q: Gaussian) -> Values:
    """Return log(std_p / std_q) of diagonal Gaussians. Ratios near 1 keep their digits."""
    name = p.parametrisation
    if name != q.parametrisation or name not in ("std", "var"):
        return log_std(p) - log_std(q)
    a, b = p.parameter.astype(np.float64), q.parameter.astype(np.float64)
    with np.errstate(all="ignore"):
        excess = (a - b) / b
        near = np.abs(excess) < 0.5
        ratio = np.where(near, np.log1p(np.where(near, excess, 0.0)), np.log(a) - np.log(b))
    return 0.5 * ratio if name == "var" else ratio


def std_difference(p: Gaussian, q: Gaussian) -> Values:
    """Return std_p − std_q of diagonal Gaussians. Near ones keep their digits."""
    a, b, log = std(p), std(q), log_std_ratio(p, q)
    near = np.abs(log) < 0.5
    return np.where(near, b * np.expm1(np.where(near, log, 0.0)), a - b)


def factor(p: Gaussian) -> Values:
    """Return the Cholesky factors L: lower triangular with a positive diagonal, Σ = L Lᵀ."""
    if p.is_diagonal:
        return dense(std(p))
    a = in_float64(p.parameter)
    if p.parametrisation == "scale_tril":
        diagonal = np.diagonal(a, axis1=-2, axis2=-1)
        return a * np.sign(diagonal)[..., None, :]
    if p.parametrisation == "cov":
        p._require_definite()
        return _cholesky(a)
    return _inverse(_precision_factor(a))


def covariance(p: Gaussian) -> Values:
    """Return the covariance matrices Σ."""
    if p.is_diagonal:
        is_var = p.parametrisation == "var"
        return dense(p.parameter.astype(np.float64) if is_var else std(p) ** 2)
    if p.parametrisation == "cov":
        lower = np.tril(p.parameter.astype(np.float64))
        return lower + np.tril(lower, -1).swapaxes(-1, -2)
    lower = factor(p)
    return lower @ lower.swapaxes(-1, -2)


def whitener(p: Gaussian) -> Values:
    """Return the inverse Cholesky factors L⁻¹."""
    if p.is_diagonal:
        return dense(np.exp(-log_std(p)))
    if p.parametrisation == "precision":
        return _precision_factor(p.parameter.astype(np.float64))
    return _inverse(factor(p))


def factor_and_whitener(p: Gaussian) -> tuple[Values, Values]:
    """Return the Cholesky factors and their inverses, from one decomposition."""
    if p.parametrisation == "precision":
        inverse = whitener(p)
        return _inverse(inverse), inverse
    lower = factor(p)
    return lower, whitener(p) if p.is_diagonal else _inverse(lower)


def whiten(p: Gaussian, x: Matrix) -> Values:
    """Return L⁻¹ (x − mean), which is standard normal if x is a draw of p."""
    difference = x.astype(np.float64) - p.mean
    if p.is_diagonal:
        return in_units(difference, log_std(p))
    return matvec(whitener(p), difference)


def unwhitener(p: Gaussian) -> Callable[[Values], Values]:
    """Return a function of z, mean + L z. It may overwrite z."""
    with np.errstate(over="ignore"):
        scale = std(p) if p.is_diagonal else factor(p)

    def unwhiten(z: Values) -> Values:
        if p.is_diagonal:
            for box in boxes(z.shape, BATCHED):
                z[box] *= np.broadcast_to(scale, z.shape)[box]
        else:
            z = matvec(scale, z)
        for box in boxes(z.shape, BATCHED):
            z[box] += np.broadcast_to(p.mean, z.shape)[box]
        return z

    return unwhiten


def in_units(difference: Values, log_unit: Values) -> Values:
    """Return difference · exp(−log_unit), which is infinite only where that is too large."""
    with np.errstate(all="ignore"):
        scale = np.exp(-log_unit)
        values = difference * scale
        if np.isfinite(scale).all():
            return values
        in_logs = np.copysign(np.exp(np.log(np.abs(difference)) - log_unit), difference)
        return np.where(np.isinf(scale), in_logs, values)


def half_log_det(p: Gaussian) -> Values:
    """Return ½ log|Σ|, the sum of log Lᵢᵢ."""
    p._require_definite()
    flat = np.empty(math.prod(p.batch_shape))
    for rows, index in blocks(p.batch_shape, p.dim if p.is_diagonal else p.dim**2):
        flat[rows] = _half_log_det(p[index])
    return flat.reshape(p.batch_shape)


def _half_log_det(p: Gaussian) -> Values:
    if p.is_diagonal:
        return cast(Values, log_std(p).sum(axis=-1))
    lower = whitener(p) if p.parametrisation == "precision" else factor(p)
    log_diagonal = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    return cast(Values, -log_diagonal if p.parametrisation == "precision" else log_diagonal)


def matvec(matrices: Values, x: Values) -> Values:
    """Multiply vectors by the matrices of their batch index. Leading axes broadcast."""
    batch = matrices.ndim - 2
    extra = x.shape[: max(0, x.ndim - 1 - batch)]
    if not extra:
        return patiently(lambda: (matrices @ x[..., None])[..., 0], matrices.size)
    rows = np.moveaxis(x.reshape(math.prod(extra), *x.shape[len(extra) :]), 0, -2)
    product = patiently(lambda: rows @ matrices.swapaxes(-1, -2), rows.size * matrices.shape[-1])
    product = np.moveaxis(product, -2, 0)
    return product.reshape(*extra, *product.shape[1:])


def _cholesky(a: Values) -> Values:
    return patiently(lambda: cast(Values, np.linalg.cholesky(a)), a.size * a.shape[-1])


def _inverse(lower: Values) -> Values:
    step = partial(np.linalg.inv, lower)
    return np.tril(patiently(step, lower.size * lower.shape[-1]))


def _precision_factor(precision: Values) -> Values:
    # With U upper triangular and precision = U Uᵀ, Σ = (Uᵀ)⁻¹ (Uᵀ)⁻ᵀ, so Uᵀ is L⁻¹.
    # U is the Cholesky factor with the order of the features reversed.
    reverse = (..., slice(None, None, -1), slice(None, None, -1))
    return _cholesky(precision[reverse])[reverse].swapaxes(-1, -2)


def dense(diagonal: Values) -> Values:
    """Return the matrices with these diagonals."""
    d = diagonal.shape[-1]
    matrices = np.zeros((*diagonal.shape, d))
    matrices[..., np.arange(d), np.arange(d)] = diagonal
    return matrices


def whitened(pair: Pair) -> tuple[Values, Values, Values, Values]:
    """
    Bring pairs of Gaussians to q = N(0, I) and p of diagonal covariance.

    Return the eigenvalues λ of Σ_q⁻¹ Σ_p as λ − 1 and as log λ, and the mean z of p there, also as
    log |z|. λ − 1 and z may overflow where their logarithms do not.
    """
    p, q = pair.p, pair.q
    difference = np.broadcast_to(p.mean.astype(np.float64) - q.mean, (*pair.batch_shape, p.dim))
    if pair.is_diagonal:
        log = np.broadcast_to(2 * log_std_ratio(p, q), difference.shape)
        log_unit = log_std(q)
        z, log_z = in_units(difference, log_unit), np.log(np.abs(difference)) - log_unit
        return np.expm1(log), log, z, log_z
    # With M = L_q⁻¹ L_p and N = M − I, M Mᵀ − I = N + Nᵀ + N Nᵀ: λ near 1 keep their digits.
    # Small and large ones are squares of singular values of M, whose condition is the root of
    # that of M Mᵀ.
    l_q, w = factor_and_whitener(q)
    l_p = factor(p)
    n = w @ (l_p - l_q)
    excess = n + n.swapaxes(-1, -2) + n @ n.swapaxes(-1, -2)
    overflows = np.asarray(~np.isfinite(excess).all(axis=(-2, -1), keepdims=True))
    e, vectors = np.linalg.eigh(np.where(overflows, 0.0, excess))
    log = np.log1p(np.maximum(e, -0.5))
    far = np.abs(e).max(axis=-1) > 0.5
    if far.any():
        left, singular, _ = np.linalg.svd((w @ l_p)[far])
        vectors[far], log[far] = left, 2 * np.log(singular)
        e[far] = (singular - 1) * (singular + 1)
    z = (vectors.swapaxes(-1, -2) @ (w @ difference[..., None]))[..., 0]
    log_z = np.log(np.abs(z))
    beyond = overflows[..., 0, 0] | ~(np.isfinite(log) & np.isfinite(z)).all(axis=-1)
    if beyond.any():
        e, log = (np.broadcast_to(a, z.shape).copy() for a in (e, log))
        w, l_p = (np.broadcast_to(a, (*z.shape, z.shape[-1]))[beyond] for a in (w, l_p))
        log[beyond], log_z[beyond] = _whitened_in_logs(w, l_p, difference[beyond])
        e[beyond], z[beyond] = np.expm1(log[beyond]), np.exp(log_z[beyond])
    return np.broadcast_to(e, z.shape), np.broadcast_to(log, z.shape), z, log_z


def _whitened_in_logs(w: Values, l_p: Values, difference: Values) -> tuple[Values, Values]:
    """Return log λ and log |z| where products of matrices overflow, NaN where matrices do."""
    (w, log_w), (l_p, log_l), (shift, log_shift) = map(_scaled, (w, l_p, difference[..., None]))
    left, singular, _ = np.linalg.svd(w @ l_p)
    z = (left.swapaxes(-1, -2) @ (w @ shift))[..., 0]
    return 2 * (np.log(singular) + (log_w + log_l)), np.log(np.abs(z)) + (log_w + log_shift)


def _scaled(matrices: Values) -> tuple[Values, Values]:
    """Return matrices with entries up to 1, and the logarithms of their scales, NaN for none."""
    largest = np.abs(matrices).max(axis=(-2, -1), keepdims=True)
    known = np.isfinite(largest)
    exponent = np.where(known, np.frexp(largest)[1], 0)
    scaled = np.ldexp(np.where(known, matrices, 0.0), -exponent)
    return scaled, np.where(known, exponent * math.log(2), np.nan)[..., 0]


def less_log(t: Values | np.float64, log: Values | np.float64) -> Values:
    """Return t − log(1 + t) from t and log(1 + t), without cancellation near 0."""
    small = np.abs(t) < 0.1
    u = np.where(small, t, 0.0)
    s = u / (2 + u)
    series = np.zeros_like(s)
    for k in range(17, 1, -2):  # log(1 + u) = 2 (s + s³/3 + s⁵/5 + …), and u − 2s = u s
        series = (series + 1 / k) * s * s
    return np.where(small, u * s - 2 * s * series, t - log)

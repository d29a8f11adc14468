"""Compute divergences of all pairs of two sets of distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.progress import reporter
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import distinct
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.linear_algebra import (
    covariance,
    factor,
    factor_and_whitener,
    half_log_det,
    log_std,
    whitener,
)
from fastdiv.distributions.pair import Pair

Features: TypeAlias = tuple[Values, Values, Values, Values]
"""(a, a_offset, b, b_offset), so that 2 KL(p_i || q_j) = a_i·b_j + a_offset_i + b_offset_j."""

_FLOAT32_ERROR = 1e-5
_FLOAT64_ERROR = 1e-12
"""Relative error that `kl` promises. A pair that may be less accurate is computed again."""


@documented
def kl_matrix(
    ps: object, qs: object, *, n_threads: int | None = None, progress: object = None
) -> Values:
    """
    Compute the Kullback-Leibler divergences of all pairs, KL(pᵢ ‖ qⱼ).

    The trace, the quadratic form and the log-determinants of a pair are one inner product of
    features of pᵢ and qⱼ. Diagonal Gaussians have 2d features, full ones d(d+3)/2.
    All pairs are one matrix product, and nothing of size n·m·d is built. A pair whose sum of large
    terms would overflow, or cancel beyond the accuracy of `kl`, is computed again as `kl` does.

    Parameters
    ----------
    ps, qs : Gaussian, batch shapes (n,) and (m,)
        Distributions of one dimension.
    {n_threads}
    {progress}

    Returns
    -------
    ndarray of float64, shape (n, m)
        Divergences in nats.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `kl`, and ValueError if a batch shape is not one axis.

    Examples
    --------
    >>> from fastdiv import Gaussian, kl_matrix
    >>> ps = Gaussian([[0.0], [1.0], [2.0]], std=1.0)
    >>> kl_matrix(ps, Gaussian([[0.0], [1.0]], std=2.0)).round(6)
    array([[0.318147, 0.443147],
           [0.443147, 0.318147],
           [0.818147, 0.443147]])
    """
    pair = Pair.of(ps, qs, together=False, names=("ps", "qs"))
    for name, side in (("ps", pair.p), ("qs", pair.q)):
        if len(side.batch_shape) != 1:
            raise ValueError(f"{name} must have batch shape (n,); got {side.batch_shape}")
        if side.where is not None:
            raise ValueError(f"{name} must be without padding (where=None)")
        side._require_definite()
    threads, report = _inputs.threads(n_threads), reporter(progress)
    if not pair.p.batch_shape[0] or not pair.q.batch_shape[0]:
        return np.zeros((*pair.p.batch_shape, *pair.q.batch_shape))
    in_float32 = pair.p.dtype == pair.q.dtype == np.float32
    tolerance = _FLOAT32_ERROR if in_float32 else _FLOAT64_ERROR
    with np.errstate(all="ignore"):
        features = _diagonal if pair.is_diagonal else _full
        size = max(side.parameter.size for side in (pair.p, pair.q))
        products = PASSES * size if pair.is_diagonal else size * pair.p.dim
        a, a_offset, b, b_offset = patiently(partial(features, pair.p, pair.q), products)
        finite = all(np.isfinite(values).all() for values in (a, a_offset, b, b_offset))
    if finite:
        values = backend.current().kl_from_products(
            a, b, a_offset, b_offset, tolerance, threads, report
        )
    else:  # features beyond the range of float64: pair by pair
        values = np.full((*pair.p.batch_shape, *pair.q.batch_shape), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # the usual case, without a mask of n·m
            return values
    size = distinct(pair.p.parameter)[0].size
    for part in row_blocks(len(values), values.shape[1], COMPUTED):
        rows, columns = np.nonzero(~np.isfinite(values[part]))
        for block in row_blocks(len(rows), size, COMPUTED):
            i, j = part.start + rows[block], columns[block]
            names = np.stack([i, j], axis=-1)
            values[i, j] = Pair.of(pair.p._at((i,)), pair.q._at((j,))).kl(
                threads, None, None, names
            )
    return values


def _diagonal(p: Gaussian, q: Gaussian) -> Features:
    # Centring and scaling each feature changes no divergence. It makes the terms as small as the
    # divergences if the distributions are alike.
    log_p, log_q = 2 * log_std(p), 2 * log_std(q)
    log_scale = log_q.mean(axis=0)
    x, y = _standardised(p, q, np.exp(-0.5 * log_scale))
    log_p, log_q = log_p - log_scale, log_q - log_scale
    precision = np.exp(-log_q)
    a = np.concatenate([np.exp(log_p) + x * x, x], axis=1)
    b = np.concatenate([precision, -2 * y * precision], axis=1)
    return a, -log_p.sum(axis=1) - p.dim, b, (y * y * precision + log_q).sum(axis=1)


def _full(p: Gaussian, q: Gaussian) -> Features:
    of_p, of_q = _Factors.of(p), _Factors.of(q)
    w = whitener(q) if of_q is None else of_q.inverse
    # Bring features to units of 1/scale first: squares of what is given may underflow.
    largest = np.abs(w).max(axis=1)
    norms = largest * np.linalg.norm(w / largest[:, None], axis=1)
    scale = np.exp(np.log(norms).mean(axis=0))
    x, y = _standardised(p, q, scale)
    w = w / scale
    precision = w.swapaxes(1, 2) @ w
    if p.parametrisation == "cov":
        cov = covariance(p) * scale[:, None] * scale
    else:
        lower = (factor(p) if of_p is None else of_p.lower) * scale[:, None]
        cov = lower @ lower.swapaxes(1, 2)
    i, j = np.tril_indices(p.dim)
    twice = np.where(i == j, 1.0, 2.0)  # an entry below the diagonal stands for two
    projected = (precision @ y[:, :, None])[:, :, 0]
    a = np.concatenate([(cov + x[:, :, None] * x[:, None])[:, i, j], x], axis=1)
    b = np.concatenate([precision[:, i, j] * twice, -2 * projected], axis=1)
    log_scale = 2 * np.log(scale).sum()
    log_p, log_q = (
        2 * (half_log_det(side) if of_side is None else of_side.half_log_det())
        for side, of_side in ((p, of_p), (q, of_q))
    )
    b_offset = (y * projected).sum(axis=1) + log_q + log_scale
    a, b = _with_growth(
        (a, np.ones(len(a)) if of_p is None else of_p.growth(scale), p.parametrisation != "cov"),
        (b, np.ones(len(b)) if of_q is None else of_q.growth(scale), q.parametrisation == "cov"),
    )
    return a, -log_p - log_scale - p.dim, b, b_offset


@dataclass(frozen=True)
class _Factors:
    """Cholesky factors of cov or of precision, and their inverses."""

    lower: Values
    inverse: Values

    @classmethod
    def of(cls, p: Gaussian) -> _Factors | None:
        """Return None for other parametrisations, which need no decomposition."""
        return cls(*factor_and_whitener(p)) if p.parametrisation in ("cov", "precision") else None

    def half_log_det(self) -> Values:
        total: Values = np.log(np.diagonal(self.lower, axis1=1, axis2=2)).sum(axis=1)
        return total

    def growth(self, scale: Values) -> Values:
        """
        Return by how much the decomposition enlarges rounding errors, at least 1.

        A Cholesky factor is exact for a matrix within rounding of the one given. That changes the
        inverse, and the determinant, by the condition number of features in units of 1/scale. The
        divisor comes from measured errors of 4 to 16 features, whose growth was 5 times smaller.
        """
        of_lower = np.linalg.norm(self.lower * scale[:, None], axis=(1, 2))
        of_inverse = np.linalg.norm(self.inverse / scale, axis=(1, 2))
        growth: Values = (of_lower * of_inverse / len(scale)) ** 2 / 4
        return np.maximum(growth, 1.0)


def _with_growth(*sides: tuple[Values, Values, bool]) -> list[Values]:
    """
    Let the backend see larger terms where rounding errors grow.

    Each side's features get one that is 0 in the rows of the other. It has the size of what an
    inexact inverse makes of them, or of a determinant's error alone.
    """
    if all((growth == 1).all() for _, growth, _ in sides):
        return [features for features, _, _ in sides]
    results = []
    for place, (features, growth, inexact) in enumerate(sides):
        more = np.zeros((len(features), 2))
        more[:, place] = growth * ((1 + np.linalg.norm(features, axis=1)) if inexact else 1.0)
        results.append(np.concatenate([features, more], axis=1))
    return results


def _standardised(p: Gaussian, q: Gaussian, scale: Values) -> tuple[Values, Values]:
    mean_p, mean_q = p.mean.astype(np.float64), q.mean.astype(np.float64)
    centre = mean_q.mean(axis=0)
    return (mean_p - centre) * scale, (mean_q - centre) * scale

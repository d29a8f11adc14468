"""Fit Gaussians to samples."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import GATHERED, boxes, row_blocks
from fastdiv._engine.patience import patiently
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Matrix, Sample, Values
from fastdiv.distributions.arrays import check_range
from fastdiv.distributions.gaussian import Gaussian

_MOST_PRODUCTS = 1 << 28
"""Products of a block of rows with itself: some 10 ms, after which Ctrl-C is heard."""


def fit_gaussian(x: object, *, ddof: int = 0) -> Gaussian:
    """
    Fit Gaussians to samples by their mean and covariance: maximum likelihood for ddof = 0.

    Parameters
    ----------
    x : array_like, shape (..., n, d), or QuantizedRows, shape (n, d)
        Samples of n rows. Leading axes become the batch shape. Quantised rows become float64 a few
        at a time. The features of a frame keep the names and the order of its columns.
    ddof : int, default 0
        The sums of squares are divided by n − ddof.

    Returns
    -------
    Gaussian
        With float64 parameters. With n ≤ d rows the covariance is singular: `wasserstein2`,
        `mean` and `cov` are defined, densities and divergences are an error. Its `columns` are
        those of a frame. Divergences between Gaussians with other columns, or in another order,
        are an error, and so are densities at the rows of such a frame.

    Raises
    ------
    TypeError, ValueError
        If x is invalid or not finite, or n ≤ ddof.

    Examples
    --------
    >>> from fastdiv import fit_gaussian
    >>> fit_gaussian([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]).cov().round(3)
    array([[0.667, 0.   ],
           [0.   , 2.   ]])
    """
    x = _inputs.from_arrow(x, "x")  # once, as a reader of Arrow has its rows only once
    columns = _inputs.feature_names(x, "x")
    a = x if isinstance(x, QuantizedRows) else _inputs.array(x, "x")
    if len(a.shape) < 2:
        raise ValueError(f"x must have shape (..., n, d); got shape {a.shape}; use x[:, None]")
    n, d = a.shape[-2:]
    minus = _inputs.integer(ddof, "ddof", 0)
    if n <= minus or d == 0:
        raise ValueError(
            f"x must have more than ddof = {_inputs.shown(minus)} rows and d >= 1; got {a.shape}"
        )
    if not isinstance(a, QuantizedRows):
        check_range("x", a, None)
    batch = a.shape[:-2]
    mean, cov = np.zeros((*batch, d)), np.zeros((*batch, d, d))
    with np.errstate(over="ignore", invalid="ignore"):
        for box in boxes(batch, max(1, GATHERED // (n * d))):
            _add_moments(a if isinstance(a, QuantizedRows) else a[box], mean[box], cov[box])
    if not np.isfinite(cov).all():
        raise OverflowError("the covariance of x overflows; scale the data")
    # The rank is n − 1 at most.
    singular = (
        np.ones(batch, dtype=np.bool_)
        if n <= d
        else patiently(partial(_collinear, cov), cov.size * d)
    )
    names = None if columns is None else tuple(columns)
    return Gaussian._fitted(mean, cov / (n - minus), singular, names)


def _add_moments(a: Sample, mean: Values, cov: Values) -> None:
    """Put means and sums of products of the rows, (..., n, d), into arrays of zeros."""
    # About the first row, so that a constant feature has exactly its value as the mean.
    first = next(_row_blocks(a))[..., :1, :].astype(np.float64)
    for block in _row_blocks(a):
        mean += (block - first).sum(axis=-2)
    mean /= a.shape[-2]
    mean += first[..., 0, :]
    for block in _row_blocks(a):
        centred = block - mean[..., None, :]
        patiently(partial(_add_products, centred, cov), centred.size * centred.shape[-1])


def _add_products(centred: Values, cov: Values) -> None:
    cov += centred.swapaxes(-1, -2) @ centred


def _row_blocks(a: Sample) -> Iterator[Matrix]:
    """Yield (..., n, d) some rows at a time."""
    n, d = a.shape[-2:]
    for rows in row_blocks(n, d, min(GATHERED, _MOST_PRODUCTS // d)):
        yield in_float64(a[rows]) if isinstance(a, QuantizedRows) else a[..., rows, :]


def _collinear(cov: Values) -> NDArray[np.bool_]:
    """Tell where features are constant or follow from others, but for rounding."""
    scale = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    constant = (scale == 0).any(axis=-1)
    scale = np.where(scale == 0, 1.0, scale)
    correlation = cov / (scale[..., :, None] * scale[..., None, :])
    # Rounding leaves the eigenvalue 0 of collinear features within some d ε of it.
    noise = 100 * cov.shape[-1] * np.finfo(np.float64).eps
    return np.asarray(constant | (np.linalg.eigvalsh(correlation)[..., 0] <= noise))

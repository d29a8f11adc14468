"""Quantise rows to int8."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import CACHED, blockwise, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Values

_FLOAT32 = np.finfo(np.float32)

_MOST_SCALE = 0.999 * _FLOAT32.max
"""Largest scale, in units of the data. The margin leaves room to round it up."""


def quantize_rows(x: object, *, symmetric: bool = True) -> QuantizedRows:
    """
    Quantise every row of a sample to int8.

    - Symmetric: q = x/s, rounded half away from zero and clamped to ±127, with s = max|x|/127 of
      the row.
    - Asymmetric: q = x/s + z, rounded and clamped to −128 … 127. The range of the row, extended to
      hold 0, is divided into 255 steps s, and z stands for 0. This is finer if a row's values lie
      mostly on one side of 0.

    A row of zeros has s = 1. No value moves by more than s/2. The scale is at least 1.2e-38, so
    that rows below some 1e-36 beside larger ones lose digits or become 0. Beyond the result a few
    hundred KiB are used.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Sample. Trailing axes are flattened to d features. Those of a frame keep the names of its
        columns, and its rows the keys of an index of pandas.
    symmetric : bool, default True
        Whether to do without zero points.

    Returns
    -------
    QuantizedRows
        Values (n, d), float32 scales (n,) in the units of x and, unless symmetric, zero points
        (n,).

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or x holds NaN, infinite values, values too large for a float32
        scale, or only rows too small for one.

    References
    ----------
    B. Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR (2018), equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import quantize_rows
    >>> rows = quantize_rows([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
    >>> rows.values.tolist()
    [[64, -127, 32], [0, 0, 0]]
    >>> rows.scale.tolist() == [float(np.float32(2 / 127)), 1.0]
    True
    >>> skewed = quantize_rows([[0.0, 10.0, 25.5]], symmetric=False)
    >>> skewed.values.tolist(), skewed.zero_point.tolist()
    ([[-128, -28, 127]], [-128])
    """
    read = _inputs.from_arrow(x, "x")  # once, as a reader of Arrow has its rows only once
    a = _inputs.finite(_inputs.matrix(read, "x"), "x", advice="clean the data first")
    rows = quantized(a, symmetric=_inputs.flag(symmetric, "symmetric"))
    least = rows.scale == _FLOAT32.tiny
    if least.any() and (least.all() or _are_zero(rows[~least])):
        raise ValueError(
            "x must not have values below some 1e-36 in all rows, where float32 scales underflow; "
            "scale the data"
        )
    names = _inputs.feature_names(read, "x")
    return rows._named(None if names is None else tuple(names), _inputs.row_index(read))


def quantized(a: Matrix, *, symmetric: bool) -> QuantizedRows:
    """Quantise finite rows, which become 0 if all are tiny."""
    return _symmetric(a) if symmetric else _asymmetric(a)


def _are_zero(rows: QuantizedRows) -> bool:
    """Tell whether all rows are 0."""
    return bool((rows.values == _inputs.zero_points(rows)[:, None]).all())


def _symmetric(a: Matrix) -> QuantizedRows:
    """Quantise rows without zero points."""
    values, scale = np.empty(a.shape, np.int8), np.empty(len(a), np.float32)
    for rows, block in _blocks(a):
        scale[rows] = _scales(np.maximum(block.max(axis=1), -block.min(axis=1)), 127)
        values[rows] = blockwise(
            lambda part, unit: np.clip(_half_away(part / unit), -127, 127).astype(np.int8),
            block,
            scale[rows, None],
        )
    return QuantizedRows(values, scale)


def _asymmetric(a: Matrix) -> QuantizedRows:
    """Quantise rows with zero points."""
    values, scale = np.empty(a.shape, np.int8), np.empty(len(a), np.float32)
    zero = np.empty(len(a), np.int8)
    for rows, block in _blocks(a):
        low, high = np.minimum(block.min(axis=1), 0.0), np.maximum(block.max(axis=1), 0.0)
        with np.errstate(over="ignore"):
            reach = high - low
        scale[rows] = _scales(reach, 255)
        # 255 steps must hold the range, or its end would move by more than half a step.
        # The product is taken in float64: a float32 one rounds the shortfall away.
        too_small = scale[rows].astype(np.float64) * 255.0 < reach
        scale[rows] = np.where(
            too_small, np.nextafter(scale[rows], np.float32(np.inf)), scale[rows]
        )
        zero_point = _half_away(-low / scale[rows]) - 128
        zero[rows] = zero_point
        values[rows] = blockwise(
            lambda part, unit, at: np.clip(_half_away(part / unit) + at, -128, 127).astype(np.int8),
            block,
            scale[rows, None],
            zero_point[:, None],
        )
    return QuantizedRows(values, scale, zero)


def _blocks(a: Matrix) -> Iterator[tuple[slice, Values]]:
    """Yield rows as float64 copies, a few at a time."""
    for rows in row_blocks(len(a), a.shape[1], CACHED):
        yield rows, _inputs.converted(a[rows], np.dtype(np.float64))


def _scales(reach: Values, steps: int) -> NDArray[np.float32]:
    """Divide the ranges of rows into steps, with scale 1 for rows of zeros."""
    scale = np.where(reach > 0, np.maximum(reach / steps, _FLOAT32.tiny), 1.0)
    if (scale > _MOST_SCALE).any():
        raise ValueError("x holds values too large for a float32 scale; scale the data")
    return scale.astype(np.float32)


def _half_away(a: Values) -> Values:
    """Round to integers, halves away from zero."""
    size = np.abs(a)
    whole = np.floor(size)
    return np.asarray(np.copysign(whole + (size - whole >= 0.5), a))

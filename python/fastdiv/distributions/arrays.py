"""Arrays of batched distributions: repeated entries, blocks, overflow, batch indices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Matrix, Values

BLOCK = 1 << 19
"""Numbers at a time where NumPy computes: 4 MB for each temporary."""


def item(values: Values) -> Values:
    """
    Return an array of shape () as the NumPy scalar that it is, other arrays unchanged.

    Parameters
    ----------
    values : ndarray
        Results, one per batch index.

    Returns
    -------
    ndarray or numpy.float64
        Both have the shape of `values`.
    """
    return values[()]


def blocks(
    batch_shape: tuple[int, ...], size: int
) -> Iterator[tuple[slice, tuple[NDArray[np.intp], ...]]]:
    """
    Cut a batch into blocks, so that temporaries stay small.

    Parameters
    ----------
    batch_shape : tuple of int
        Shape of the batch.
    size : int
        Numbers per item.

    Yields
    ------
    slice, tuple of ndarray of int
        A block's place in the flattened batch, and its index.
    """
    n, step = math.prod(batch_shape), max(1, BLOCK // size)
    for start in range(0, n, step):
        rows = slice(start, min(n, start + step))
        yield rows, np.unravel_index(np.arange(rows.start, rows.stop), (1, *batch_shape))[1:]


def distinct(a: Matrix, event_ndim: int = 0) -> Matrix:
    """
    Take the first of what a stride of 0 repeats.

    Parameters
    ----------
    a : ndarray
        Maybe a broadcast view.
    event_ndim : int, default 0
        Last axes to leave as they are.

    Returns
    -------
    ndarray
        A view of as many axes that broadcasts to `a`.
    """
    strides = a.strides[: a.ndim - event_ndim]
    return a[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in strides)]


def checked(values: Values, allowed: NDArray[np.bool_] | bool, name: str) -> Values:
    """
    Refuse what overflowed.

    Parameters
    ----------
    values : ndarray
        Results, one per batch index.
    allowed : ndarray of bool or bool
        Where they may be infinite or NaN.
    name : str
        What they are.

    Returns
    -------
    ndarray
        The values.

    Raises
    ------
    OverflowError
        If another value is infinite or NaN.
    """
    bad = ~(np.isfinite(values) | allowed)
    if bad.any():
        index = tuple(map(int, np.argwhere(bad)[0]))
        raise OverflowError(f"{name} is too large for {values.dtype}{at(index)}; rescale")
    return values


def rounded(values: Values, dtype: np.dtype[Any], name: str) -> Matrix:
    """
    Convert to the type of the parameters, and refuse what overflows.

    Parameters
    ----------
    values : ndarray
        Results.
    dtype : dtype
        float32 or float64.
    name : str
        What they are.

    Returns
    -------
    ndarray of `dtype`
        The values.

    Raises
    ------
    OverflowError
        If a value is too large for `dtype`.
    """
    with np.errstate(over="ignore"):
        typed: Matrix = values.astype(dtype, copy=False)
    if not np.isfinite(typed).all():
        raise OverflowError(f"{name} is too large for {dtype}; rescale")
    return typed


def at(index: tuple[int, ...]) -> str:
    """
    Say where in a batch something is.

    Parameters
    ----------
    index : tuple of int
        Batch index, () for a single distribution.

    Returns
    -------
    str
        To be appended to an error message.
    """
    return f" at batch index {index}" if index else ""


def check_range(
    name: str, a: Matrix, where: NDArray[np.bool_] | None, *, positive: bool = False
) -> None:
    """Refuse values that are not finite, or not positive if they have to be, except for padding."""
    values = distinct(a)
    if values.size == 0:
        return
    low, high = values.min(), values.max()
    if np.isfinite(low) and np.isfinite(high) and (low > 0 or not positive):
        return
    for index in _bad_values(a, where, positive):
        wanted = "finite and > 0" if positive else "finite"
        raise ValueError(
            f"{name} must be {wanted}; got {a[index]}{at(index[:-1])}, feature {index[-1]}"
        )


def _bad_values(
    a: Matrix, where: NDArray[np.bool_] | None, positive: bool
) -> Iterator[tuple[int, ...]]:
    bad = ~np.isfinite(a)
    if positive:
        bad |= ~(a > 0)
    if where is not None:
        bad &= where[..., None]
    return (tuple(map(int, index)) for index in np.argwhere(bad))

"""Order statistics of many values that are never held together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._backend import Matrix, Values

_AT_ONCE = 1 << 20
"""Values held at a time, or one row of distances if that is longer."""

_DIGIT = 16
"""Bits of a value looked at per pass."""

_CANCELLING = 1e-3
"""Squared distances below this part of the largest lose digits when they come from products."""


def kth_largest(blocks: Callable[[], Iterable[Values]], k: int, count: int) -> float:
    """
    Find the k-th largest of `count` values ≥ 0 that come in blocks, exactly.

    Non-negative floating-point numbers are ordered as their bits are. While too many candidates
    are left to hold, a pass counts how they begin and keeps those that begin like the one sought.

    Parameters
    ----------
    blocks : callable
        Yields the values, the same ones at each call: float64, ≥ 0, without -0.0.
    k : int
        From 1 to `count`.
    count : int
        Number of values.

    Returns
    -------
    float
        The k-th largest.
    """
    shift, prefix = 64, np.uint64(0)
    while count > _AT_ONCE and shift > 0:
        shift -= _DIGIT
        counts = np.zeros(1 << _DIGIT, dtype=np.int64)
        for bits in _beginning_with(blocks(), prefix, shift + _DIGIT):
            digits = (bits >> np.uint64(shift)) & np.uint64((1 << _DIGIT) - 1)
            counts += np.bincount(digits.astype(np.intp), minlength=len(counts))
        from_top = counts[::-1].cumsum()
        place = int(np.searchsorted(from_top, k))
        digit = len(counts) - 1 - place
        count = int(counts[digit])
        k -= int(from_top[place]) - count
        prefix = (prefix << np.uint64(_DIGIT)) | np.uint64(digit)
    if shift == 0:
        return float(prefix.view(np.float64))
    left = np.concatenate(list(_beginning_with(blocks(), prefix, shift)))
    return float(np.partition(left, len(left) - k)[len(left) - k].view(np.float64))


def kth_largest_square(x: Matrix, y: Matrix, k: int) -> float:
    """
    Find the k-th largest squared Euclidean distance between a row of x and a row of y.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        Samples.
    k : int
        From 1 to nm.

    Returns
    -------
    float
        The k-th largest of the nm squared distances, to 12 digits, and exactly 0 where it is.

    Raises
    ------
    OverflowError
        If squared distances are too large for float64.
    """
    a, b = x.astype(np.float64), y.astype(np.float64)
    origin = b.mean(axis=0)
    a -= origin
    b -= origin
    with np.errstate(over="ignore"):
        a_norms, b_norms = (np.einsum("ij,ij->i", z, z) for z in (a, b))
        largest = float(a_norms.max() + b_norms.max())
    if not 2.0 * largest < np.inf:
        raise OverflowError("squared distances overflow; scale the data")
    products = partial(_by_products, a, b, a_norms, b_norms)
    value = kth_largest(products, k, len(a) * len(b))
    if value > _CANCELLING * largest:
        return value
    return kth_largest(partial(_by_differences, a, b), k, len(a) * len(b))


def _by_products(a: Matrix, b: Matrix, a_norms: Values, b_norms: Values) -> Iterator[Values]:
    for rows in _slices(a, b):
        block = a[rows] @ b.T
        block *= -2.0
        block += a_norms[rows, None]
        block += b_norms
        yield np.maximum(block, 0.0, out=block)


def _by_differences(a: Matrix, b: Matrix) -> Iterator[Values]:
    for rows in _slices(a, b):
        block = np.zeros((len(a[rows]), len(b)))
        for column in range(a.shape[1]):
            block += np.subtract.outer(a[rows, column], b[:, column]) ** 2
        yield block


def _slices(a: Matrix, b: Matrix) -> Iterator[slice]:
    step = max(1, _AT_ONCE // len(b))
    return (slice(start, start + step) for start in range(0, len(a), step))


def _beginning_with(
    blocks: Iterable[Values], prefix: np.uint64, shift: int
) -> Iterator[NDArray[Any]]:
    """Yield the bits of the values whose bits above `shift` are `prefix`."""
    for block in blocks:
        bits = block.ravel().view(np.uint64)
        yield bits if shift == 64 else bits[bits >> np.uint64(shift) == prefix]

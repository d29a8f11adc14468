"""Order statistics of many values that are never held together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._backend import Matrix, Sample, Values
from fastdiv._rows import in_float64

_AT_ONCE = 1 << 20
"""Values held at a time, or one row of a sample if that is longer."""

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


def kth_largest_square(x: Sample, y: Sample, k: int) -> float:
    """
    Find the k-th largest squared Euclidean distance between a row of x and a row of y.

    Parameters
    ----------
    x, y : ndarray or QuantizedRows, shapes (n, d) and (m, d)
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
    with np.errstate(over="ignore", invalid="ignore"):
        origin = _mean(y)
        a_norms, b_norms = _norms(x, origin), _norms(y, origin)
        largest = float(a_norms.max() + b_norms.max())
    if not 2.0 * largest < np.inf:
        raise OverflowError("squared distances overflow; scale the data")
    products = partial(_by_products, x, y, origin, a_norms, b_norms)
    value = kth_largest(products, k, len(x) * len(y))
    if value > _CANCELLING * largest:
        return value
    return kth_largest(partial(_by_differences, x, y, origin), k, len(x) * len(y))


def _by_products(
    x: Sample, y: Sample, origin: Values, a_norms: Values, b_norms: Values
) -> Iterator[Values]:
    for rows, a in _moved(x, origin):
        for columns, b in _moved(y, origin):
            block = a @ b.T
            block *= -2.0
            block += a_norms[rows, None]
            block += b_norms[columns]
            yield np.maximum(block, 0.0, out=block)


def _by_differences(x: Sample, y: Sample, origin: Values) -> Iterator[Values]:
    for _, a in _moved(x, origin):
        for _, b in _moved(y, origin):
            block = np.zeros((len(a), len(b)))
            for column in range(a.shape[1]):
                block += np.subtract.outer(a[:, column], b[:, column]) ** 2
            yield block


def _norms(x: Sample, origin: Values) -> Values:
    return np.concatenate([np.einsum("ij,ij->i", a, a) for _, a in _moved(x, origin)])


def _mean(x: Sample) -> Values:
    mean = np.zeros(x.shape[1])
    for _, a in _moved(x, mean):
        mean = mean + a.sum(axis=0) / len(x)
    return mean


def _moved(x: Sample, origin: Values) -> Iterator[tuple[slice, Matrix]]:
    """Yield a few rows at a time in float64, seen from an origin."""
    step = max(1, min(math.isqrt(_AT_ONCE), _AT_ONCE // x.shape[1]))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        yield rows, in_float64(x[rows]) - origin


def _beginning_with(
    blocks: Iterable[Values], prefix: np.uint64, shift: int
) -> Iterator[NDArray[Any]]:
    """Yield the bits of the values whose bits above `shift` are `prefix`."""
    for block in blocks:
        bits = block.ravel().view(np.uint64)
        yield bits if shift == 64 else bits[bits >> np.uint64(shift) == prefix]

"""
Treat rows that are far from all others, whose distances hide differences of means.

A kernel that decays makes such rows vanish. `Energy` and `Linear` grow with the distance: the means
that a statistic subtracts are all about the far row, and what is left is rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Sample, Values
from fastdiv.kernels import Energy, Kernel, Linear
from fastdiv.mmd.centre import centre

_FAR_IN_FLOAT32 = 100.0
"""Distance over the median one. Beyond it float32 leaves fewer than five digits of a difference."""

_FAR = 1e10
"""Like `_FAR_IN_FLOAT32`, but for float64."""


def widened(
    kernels: Sequence[Kernel], x: Sample, y: Sample, middle: Values | None = None
) -> tuple[Sample, Sample]:
    """Return both samples, in float64 if a kernel needs it to see past far rows."""
    return (in_float64(x), in_float64(y)) if hide_others(kernels, x, y, middle) else (x, y)


def hide_others(
    kernels: Sequence[Kernel], x: Sample, y: Sample, middle: Values | None = None
) -> bool:
    """Tell whether a kernel needs float64 to see past rows far from the middle, found if None."""
    if _has_all_digits(x) or not _has(kernels, (Energy, Linear)):
        return False
    if middle is None:
        middle = centre([x, y])
    distances = np.concatenate([_distances(x, middle), _distances(y, middle)])
    return bool(distances.max() / _FAR_IN_FLOAT32 > np.median(distances))


def check_points(kernels: Sequence[Kernel], points: Sample, x: Sample, y: Sample) -> bool:
    """Tell whether points need float64 for `Energy`. Refuse them where even that is not enough."""
    if not _has(kernels, (Energy,)):
        return False
    middle = centre([x, y])
    scale = max(np.median(_distances(x, middle)), np.median(_distances(y, middle)))
    distances = _distances(points, middle)
    if scale > 0 and distances.max(initial=0.0) / _FAR > scale:
        row = int(distances.argmax())
        raise ValueError(
            "at must not be so far from x and y that all distances are equal for Energy: "
            f"row {row} is {distances[row]:.3g} away, and x and y spread over {scale:.3g}"
        )
    return distances.max(initial=0.0) / _FAR_IN_FLOAT32 > scale and not _has_all_digits(points)


def _has(kernels: Sequence[Kernel], kinds: tuple[type[Kernel], ...]) -> bool:
    return any([isinstance(part, kinds) for kernel in kernels for _, part in kernel._parts()])


def _has_all_digits(rows: Sample) -> bool:
    """Tell whether rows are in float64, or quantised, which have a bound of their own."""
    return isinstance(rows, QuantizedRows) or rows.dtype == np.float64


def _distances(rows: Sample, middle: Values) -> Values:
    """Return the largest absolute difference of every row from the middle."""
    distances = np.empty(len(rows))
    for block in row_blocks(len(rows), len(middle), COMPUTED):
        distances[block] = np.abs(in_float64(rows[block]) - middle).max(axis=1)
    return distances

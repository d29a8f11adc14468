"""Measure how far each feature moved between two samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastdiv._engine.blocks import row_blocks
from fastdiv.tables.table import Matrix, data_blocks

Vector = npt.NDArray[np.float64]

_COLUMNS_PER_BLOCK = 32
"""Columns that are copied and sorted at a time."""


@dataclass(frozen=True)
class FeatureShift:
    """
    The move of one feature from the reference to the current sample.

    Attributes
    ----------
    name : str
        The feature.
    reference_mean, current_mean : float
        Means, in the units of the data.
    shift : float
        Standardised mean difference, (current mean - reference mean) / sqrt((s_r² + s_c²) / 2),
        with s the standard deviations (ddof = 1) of the two samples; infinite if both are constant
        and differ.
    ks : float
        Two-sample Kolmogorov-Smirnov distance, the largest gap between the two empirical
        distribution functions: 0 for equal, 1 for disjoint samples. Unlike `shift` it also sees
        changes of spread and shape.
    """

    name: str
    reference_mean: float
    current_mean: float
    shift: float
    ks: float


@np.errstate(divide="ignore", invalid="ignore")
def feature_shifts(
    reference: Matrix, current: Matrix, names: Sequence[str]
) -> tuple[FeatureShift, ...]:
    """
    Measure each feature by itself: difference of means and Kolmogorov-Smirnov distance.

    Return the largest distance first, then the largest absolute shift. The samples are finite.
    These numbers describe; they are not tests, and need no correction for their number. Time is
    O((n + m) log(n + m)) per feature. The standardised difference is the one of balance
    diagnostics (P. C. Austin, Statistics in Medicine 28 (2009) 3083-3107).

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    >>> y = x + [0.0, 2.0]
    >>> for feature in feature_shifts(x, y, ["a", "b"]):
    ...     print(f"{feature.name}: {feature.shift:+.2f} SD, KS {feature.ks:.2f}")
    b: +2.00 SD, KS 0.67
    a: +0.00 SD, KS 0.00
    """
    unit = _units(reference, current)
    mean_x, sd_x = _moments(reference, unit)
    mean_y, sd_y = _moments(current, unit)
    gap = mean_y - mean_x
    spread = np.sqrt((np.square(sd_x) + np.square(sd_y)) / 2)
    shift = np.where(gap == 0, 0.0, gap / spread)
    ks = np.concatenate(
        [
            _ks_distances(reference[:, columns], current[:, columns])
            for columns in row_blocks(len(names), 1, _COLUMNS_PER_BLOCK)
        ]
    )
    mean_x, mean_y = mean_x * unit, mean_y * unit
    order = np.lexsort((-np.abs(shift), -ks))
    return tuple(
        FeatureShift(names[j], float(mean_x[j]), float(mean_y[j]), float(shift[j]), float(ks[j]))
        for j in order
    )


def mean_and_sd(x: Matrix) -> tuple[Vector, Vector]:
    """
    Return mean and standard deviation (ddof = 1) of each column, in two passes and float64.

    `x` is finite and may be memory-mapped. A column whose values are all equal has deviation 0;
    so has every column of one row. A deviation too large for float64 is infinite.

    Examples
    --------
    >>> mean_and_sd(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1.41421356, 0.        ]))
    """
    unit = _units(x)
    mean, sd = _moments(x, unit)
    with np.errstate(over="ignore"):
        return mean * unit, sd * unit


def _units(*samples: Matrix) -> Vector:
    """Return for each column a power of two such that no value divided by it exceeds 2."""
    peak = np.zeros(samples[0].shape[1])
    for block in (block for x in samples for block in data_blocks(x)):
        np.maximum(peak, np.abs(block.astype(np.float64)).max(axis=0), out=peak)
    unit: Vector = np.ldexp(np.ones_like(peak), np.frexp(peak)[1] - 1)
    return unit


def _moments(x: Matrix, unit: Vector) -> tuple[Vector, Vector]:
    """Return mean and standard deviation of the columns in these units."""
    first = x[:1] / unit
    offset = sum((block / unit - first).sum(axis=0) for block in data_blocks(x)) / len(x)
    squares = sum(np.square(block / unit - first - offset).sum(axis=0) for block in data_blocks(x))
    return first[0] + offset, np.sqrt(squares / max(len(x) - 1, 1))


def _ks_distances(x: Matrix, y: Matrix) -> Vector:
    """Return the Kolmogorov-Smirnov distance of each column."""
    out = np.empty(x.shape[1])
    for j, (a, b) in enumerate(zip(np.sort(x.T), np.sort(y.T), strict=True)):
        at = np.concatenate([a, b])
        below_a = np.searchsorted(a, at, side="right") / len(a)
        below_b = np.searchsorted(b, at, side="right") / len(b)
        out[j] = np.abs(below_a - below_b).max()
    return out

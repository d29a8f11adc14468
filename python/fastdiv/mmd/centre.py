"""Find the middle of samples, which far rows do not move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Sample, Values
from fastdiv.kernels import Kernel

_FEW_ROWS = 101
"""Rows of a sample whose median is its middle."""


def centre(samples: Sequence[Sample], weights: Sequence[Values | None] = (None, None)) -> Values:
    """Return the median of a few rows of each sample, (d,), of those that carry the weight."""
    few = [_few(rows, w) for rows, w in zip(samples, weights, strict=True)]
    middle = np.empty(few[0].shape[1])
    for columns in row_blocks(len(middle), 2 * _FEW_ROWS, COMPUTED):
        pooled = np.concatenate([in_float64(rows)[:, columns] for rows in few])
        middle[columns] = np.median(pooled, axis=0)
    return middle


def origin(
    kernels: Sequence[Kernel],
    samples: Sequence[Sample],
    weights: Sequence[Values | None] = (None, None),
) -> Values | None:
    """Return where kernels of any origin see the rows from, or None where they see them from 0."""
    if isinstance(samples[0], QuantizedRows) or not has_any_origin(kernels):
        return None
    return centre(samples, weights)


def has_any_origin(kernels: Sequence[Kernel]) -> bool:
    """Tell whether some kernel has the same MMD² for every origin."""
    return any([part.any_origin for kernel in kernels for _, part in kernel._parts()])


def _few(rows: Sample, weights: Values | None) -> Sample:
    """Return a few rows spread over a sample, of at least half the mean weight."""
    if weights is not None:
        rows = rows[np.flatnonzero(weights >= weights.mean() / 2)]
    return rows[:: -(-len(rows) // _FEW_ROWS)]

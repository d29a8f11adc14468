"""Compute norms of quantised rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastdiv._engine.blocks import CACHED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Values


def absolute_sums(x: QuantizedRows) -> Values:
    """Sum |q − z| over each row, exactly."""
    return np.concatenate([np.abs(block).sum(axis=1) for block in _steps(x)])


def norms(x: QuantizedRows) -> Values:
    """Compute the Euclidean norm of each row, in the units of the data."""
    squares = np.concatenate([np.square(block).sum(axis=1) for block in _steps(x)])
    return np.asarray(x.scale * np.sqrt(squares))


def _steps(x: QuantizedRows) -> Iterator[Values]:
    """Yield q − z of a few rows at a time."""
    for rows in row_blocks(len(x), x.shape[1], CACHED):
        block = x.values[rows].astype(np.float64)
        if x.zero_point is not None:
            block -= x.zero_point[rows, None]
        yield block

"""Rows in float64, the first value that is not finite, and the report of progress."""

from __future__ import annotations

import numpy as np

from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Progress, Sample


def first_nonfinite(x: Matrix) -> int:
    """
    Find the first NaN or infinity.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Any values.

    Returns
    -------
    int
        Index into the flattened array (row by row), or -1.
    """
    bad = ~np.isfinite(x)
    return int(bad.argmax()) if bad.any() else -1


def exact(x: Sample) -> Matrix:
    return x.dequantize(np.float64) if isinstance(x, QuantizedRows) else x


def report(progress: Progress | None) -> None:
    if progress is not None:
        progress(1, 1)

"""Choose a precision of rows that holds their weights."""

from __future__ import annotations

from typing import overload

from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Matrix, Sample, Values

_LEAST_IN_FLOAT32 = 2.0**-100
"""Least ratio of weights that float32 holds with all its digits, with room for products."""


@overload
def wide_enough(rows: Matrix, *weights: Values) -> Matrix: ...
@overload
def wide_enough(rows: Sample, *weights: Values) -> Sample: ...
def wide_enough(rows: Sample, *weights: Values) -> Sample:
    """Return the rows, in float64 if some normalised weights are too small for float32."""
    if any((w[w > 0] < _LEAST_IN_FLOAT32).any() for w in weights):
        return in_float64(rows)
    return rows

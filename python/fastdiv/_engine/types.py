"""Name the types of the engine's arguments and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows

Matrix: TypeAlias = NDArray[Any]
"""A 2-D float32 or float64 array."""

Sample: TypeAlias = "Matrix | QuantizedRows"
"""Rows of numbers. All samples of a call have one type and dtype."""

Values: TypeAlias = NDArray[np.float64]
"""Results, weights and parameters, of any shape."""

Codes: TypeAlias = "NDArray[np.int32] | NDArray[np.int64]"
"""Number of each row's cluster."""

GaussianArrays: TypeAlias = tuple[Matrix, str, Matrix]
"""Means, the name of a parametrisation and parameters, of one dtype and batch shape."""

GroupTerm: TypeAlias = tuple[str, tuple[float, ...], float, int]
"""One kernel of a sum: (name, params, weight, output), where output is the place of its result."""

KernelGroup: TypeAlias = tuple[str, "Values | None", "Values | None", list[GroupTerm]]
"""
(base, scale, origin, terms): functions of the same base values, so one pass is enough.

The scale (d,) multiplies features. Dot products are those of x − origin and y − origin, an array
(d,), or one for each item of a stack, flattened. None stands for 1 and for 0. Only "linear" kernels
have an origin. `weighted_sums` also adds what their MMD² lacks there.
"""

Kernels: TypeAlias = Sequence[KernelGroup]
"""The kernels of one pass over the pairs."""

Pairs: TypeAlias = Literal["distinct", "all", "off_diagonal"]
"""
Pairs (i, j) of rows that count.

"distinct" are those of different rows within a sample, and all between two. "all" has the pairs
(i, i) within, too. "off_diagonal" has i ≠ j within and between samples of matched rows.
"""

Progress: TypeAlias = Callable[[int, int], object]
"""A function of (done, total)."""


class WeightedSumsRequest(NamedTuple):
    """Ask for results of `weighted_sums`. The default is the sums of one pair of samples alone."""

    counts: Values = np.ones((1, 3))  # (b, 3), of weighted pairs: what divides xx, yy and xy
    scales: Values | None = None  # (b,), factors of the rows of each item; None: 1
    row_sums: bool = False
    x_gradient: bool = False
    y_gradient: bool = False
    pairs: Pairs = "distinct"

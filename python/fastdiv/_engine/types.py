"""Types that cross the border between Python and the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows

Matrix: TypeAlias = NDArray[Any]
"""A 2-D float32 or float64 array."""

Sample: TypeAlias = "Matrix | QuantizedRows"
"""Rows as the reductions take them; all those of a call are of one type and dtype."""

Values: TypeAlias = NDArray[np.float64]

Codes: TypeAlias = "NDArray[np.int32] | NDArray[np.int64]"
"""Number of each row's cluster."""

Term: TypeAlias = tuple[str, tuple[float, ...], float, int]
"""(name, params, weight, output)"""

KernelGroup: TypeAlias = tuple[str, "Values | None", list[Term]]
"""(base, scale, terms): all terms read the same base values, so one pass serves them."""

Progress: TypeAlias = Callable[[int, int], object]

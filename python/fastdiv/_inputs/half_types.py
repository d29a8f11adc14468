"""Know the half types, float16 and bfloat16, of arrays that become float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT_EPSILON: Mapping[str, float] = {
    "bfloat16": 2.0**-4,
    "float16": 2.0**-5,
    "float32": 2.0**-11,
    "float64": 2.0**-26,
}
"""√ε of a dtype by its name."""


@dataclass(frozen=True)
class Widened:
    """An array of float32 whose numbers were of a half type before."""

    array: NDArray[Any]
    dtype: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.array


def half_type(value: object) -> str:
    """Return "float16" or "bfloat16" for an array of such numbers, otherwise an empty text."""
    dtype = getattr(value, "dtype", "")
    if getattr(dtype, "itemsize", 2) != 2:  # NumPy takes microseconds to name a dtype
        return ""
    name = str(dtype).removeprefix("torch.")
    return name if name in ("float16", "bfloat16") else ""


def readable(value: Any) -> Any:
    """Return bfloat16 of torch as float32, for NumPy has no such type."""
    return value.float() if str(getattr(value, "dtype", None)) == "torch.bfloat16" else value


def viewed(value: Any) -> NDArray[Any]:
    """Like `np.asarray`, but for bfloat16 too, which becomes float32."""
    a: NDArray[Any] = np.asarray(readable(value))
    return a.astype(np.float32) if a.dtype.name == "bfloat16" else a

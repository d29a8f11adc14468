"""Lay out arrays in memory in every way that NumPy can view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def read_only(a: Array) -> Array:
    b = a.copy()
    b.flags.writeable = False
    return b


def unaligned(a: Array) -> Array:
    """Put the numbers at an odd address."""
    buffer = bytearray(1 + a.nbytes)
    b: Array = np.ndarray(a.shape, a.dtype, buffer, offset=1)
    b[...] = a
    return b


def half(a: Array) -> Array:
    """Round to float16 where that stays finite, and integers to small integers."""
    if np.abs(a).max(initial=0) > 6e4:
        return a
    if a.dtype == np.float64 and np.array_equal(a, np.rint(a)):
        return a.astype(np.int8 if np.abs(a).max(initial=0) < 128 else np.int32)
    return a.astype(np.float16) if a.dtype == np.float32 else a


STRIDED: tuple[Callable[[Array], Array], ...] = (
    np.asfortranarray,
    lambda a: np.repeat(a, 3, axis=-1)[..., ::3],
    lambda a: np.repeat(a, 2, axis=0)[::2],
    lambda a: np.ascontiguousarray(a[::-1])[::-1],
    lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    read_only,
)
LAYOUTS: tuple[Callable[[Array], Array], ...] = (
    *STRIDED,
    unaligned,
    lambda a: a.astype(a.dtype.newbyteorder(">")),
    half,
)


def strided(rng: np.random.Generator, a: Array) -> Array:
    """Return an array that the engine takes as it is."""
    return STRIDED[rng.integers(len(STRIDED))](a)


def layout(rng: np.random.Generator, a: Array, *, exact: bool = False) -> Array:
    """Return an array of the same numbers, mostly as it is. Half types round, unless `exact`."""
    if rng.random() < 0.6:
        return a
    return LAYOUTS[rng.integers(len(LAYOUTS) - exact)](a)

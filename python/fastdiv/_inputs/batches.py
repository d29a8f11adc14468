"""Check that masks and points fit the batch shape of distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Matrix
from fastdiv._inputs.arrays import array, plain_array


def mask(value: object, name: str, batch_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a boolean mask broadcast to a batch shape."""
    a = plain_array(value, name)
    if a.dtype != np.bool_:
        raise TypeError(
            f"{name} must be a boolean mask; got dtype {getattr(value, 'dtype', a.dtype)}"
        )
    if a.shape == batch_shape:
        return a
    try:
        return np.broadcast_to(a, batch_shape)
    except ValueError:
        raise ValueError(
            f"{name} must broadcast to the batch shape {batch_shape}; got shape {a.shape}"
        ) from None


def points(value: object, name: str, batch_shape: tuple[int, ...], dim: int) -> Matrix:
    """Return finite points of `dim` features, whose leading axes broadcast with a batch shape."""
    a = array(value, name)
    if a.ndim == 0 or a.shape[-1] != dim:
        raise ValueError(f"{name} must have shape (..., {dim}); got shape {a.shape}")
    broadcast_batches({name: a.shape[:-1], "the distribution": batch_shape})
    if not np.isfinite(a).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    return a


def broadcast_batches(shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the broadcast of named batch shapes."""
    first, *others = shapes.values()
    if all([shape == first for shape in others]):  # a generator takes twice as long
        return first
    try:
        return np.broadcast_shapes(first, *others)
    except ValueError:
        raise ValueError(
            f"the batch shapes of {' and '.join(shapes)} must broadcast; "
            f"got {' and '.join(map(str, shapes.values()))}"
        ) from None

"""Check the arguments of both frameworks: names, shapes and masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastdiv.distributions.gaussian import DIAGONAL, FULL

GRAD_CONVENTIONS = ("torch", "jax")
SCALES = (*DIAGONAL, *FULL)
_Q_SCALES = tuple(f"q_{name}" for name in SCALES)
NUMBERS = (int, float, np.integer, np.floating)


def gaussian_arguments(
    mean: object, scales: Sequence[object], q_mean: object, q_scales: Sequence[object]
) -> dict[str, object]:
    """Return the arguments of `kl` that were given, by name. Scales are in the order of SCALES."""
    given = {"mean": mean, **_given(SCALES, scales)}
    if len(given) != 2:
        raise TypeError(_exactly_one(SCALES, given))
    q_given = _given(("q_mean", *_Q_SCALES), (q_mean, *q_scales))
    if q_given and (q_mean is None or len(q_given) != 2):
        raise TypeError("with q_mean, " + _exactly_one(_Q_SCALES, q_given))
    return given | q_given


def categorical_arguments(
    parameters: Mapping[str, object], q_parameters: Mapping[str, object]
) -> dict[str, object]:
    """Return the arguments of `categorical_kl` that were given, by name."""
    sides = [_given(side, side.values()) for side in (parameters, q_parameters)]
    for names, given in zip((parameters, q_parameters), sides, strict=True):
        if len(given) != 1:
            raise TypeError(_exactly_one(names, given))
    return sides[0] | sides[1]


def _given(names: Iterable[str], values: Iterable[object]) -> dict[str, object]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _exactly_one(names: Iterable[str], given: Mapping[str, object]) -> str:
    return (
        f"exactly one of {', '.join(names)} must be given; "
        f"got {' and '.join([name for name in given if name != 'mean']) or 'none'}"
    )


def expanded(
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """Return the batch shape of all arguments, and the shape of each argument expanded to it."""
    events: dict[str, tuple[int, ...]] = {}
    batches: dict[str, tuple[int, ...]] = {}
    leading: tuple[str, tuple[int, ...]] = ("", ())  # the argument that says how many dimensions
    sizes = []
    for name, given in shapes.items():
        shape, parametrisation = tuple(given), name.removeprefix("q_")
        if parametrisation in SCALES:
            event = leading[1][-1:] * (2 if parametrisation in FULL else 1)
            if parametrisation in DIAGONAL and not shape:
                shape = event
            if shape[-len(event) :] != event:
                raise ValueError(
                    f"{name} must have shape (..., {', '.join([str(d) for d in event])}) for a "
                    f"{leading[0]} of shape {leading[1]}; got shape {shape}"
                )
        else:
            leading, event = (name, shape), shape[-1:]
            if not shape or shape[-1] == 0:
                d = "d" if parametrisation == "mean" else "k"
                raise ValueError(
                    f"{name} must have shape (..., {d}) with {d} >= 1; got shape {shape}"
                )
            sizes.append(shape[-1])
        events[name], batches[name] = event, shape[: len(shape) - len(event)]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        what = "dimension" if "mean" in shapes else "number of categories"
        raise ValueError(f"p and q must have the same {what}; got {sizes[0]} and {sizes[1]}")
    batch = _broadcast(batches)
    return batch, {name: batch + event for name, event in events.items()}


def require_rows(shape: tuple[int, ...], name: str) -> None:
    """Refuse a complex scalar, whose real and imaginary parts would pass for rows."""
    if not shape:
        raise ValueError(f"{name} must be an array of rows, shape (n,) or (n, ...); got a scalar")


def require_batch(shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """Refuse a mask that does not broadcast to the batch."""
    fits = len(shape) <= len(batch) and all(
        [a in (1, b) for a, b in zip(shape, batch[len(batch) - len(shape) :], strict=True)]
    )
    if not fits:
        raise ValueError(f"where must broadcast to the batch shape {batch}; got {tuple(shape)}")


def reduced(values: Any, mask: Any, reduce: str) -> Any:
    """Reduce the values of a batch, arrays of either framework, over the items of a mask."""
    if reduce == "none":
        return values
    if 0 in values.shape:
        raise ValueError(f"reduce={reduce!r} needs at least one item; the batch is empty")
    if reduce == "sum":
        return values.sum()
    return values.mean() if mask is None else values.sum() / mask.sum()


def items_per_value(values: Any, mask: Any, reduce: str) -> Any:
    """Return the number of items that `reduced` takes the mean of, or None if it takes none."""
    if reduce != "mean":
        return None
    return math.prod(values.shape) if mask is None else mask.sum()


def _broadcast(batches: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Like `np.broadcast_shapes`, but for sizes that are symbols of torch.compile too."""
    ndim = max([len(batch) for batch in batches.values()])
    sizes = [1] * ndim
    for batch in batches.values():
        for axis, size in enumerate(batch, ndim - len(batch)):
            if size != 1 and sizes[axis] not in (1, size):
                raise ValueError(
                    f"the batch shapes of {' and '.join(batches)} must broadcast; "
                    f"got {' and '.join([str(batch) for batch in batches.values()])}"
                )
            if size != 1:
                sizes[axis] = size
    return tuple(sizes)

"""
Cut rows into blocks, so that temporaries stay small and Ctrl-C is heard.

A budget is the most values that a block holds, of 8 bytes each in float64. If sums run over
blocks, their last bit depends on the budget. Changing such a budget changes results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

READ = 1 << 22
"""Values read or copied at a time: 32 MiB. Ctrl-C is heard in between, some 20 ms later."""

GATHERED = 1 << 21
"""Values gathered or centred at a time: 16 MiB. Sums of `fit_gaussian` run over such blocks."""

COMPUTED = 1 << 20
"""Values at a time in formulas of few temporaries: 8 MiB for each."""

BATCHED = 1 << 19
"""Values of a batch at a time in formulas of several temporaries: 4 MiB for each."""

DRAWN = 1 << 18
"""Values drawn or summed at a time: 2 MiB. Monte Carlo and Weiszfeld sums run over such blocks."""

FLOWED = 1 << 17
"""Elements of a flow at a time: 1 MiB for each temporary, of which there are some ten."""

CACHED = 1 << 16
"""Values passed over several times at a time: 512 KiB, which the L2 cache holds. Some 1 ms."""


def row_blocks(
    n_rows: int, values_per_row: int, budget: int, *, least: int = 1, most: int | None = None
) -> Iterator[slice]:
    """Cut rows into blocks of up to `budget` values, but of `least` to `most` rows."""
    step = max(least, budget // max(1, values_per_row))
    if most is not None:
        step = min(step, most)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def even_blocks(n_rows: int, values_per_row: int, budget: int) -> Iterator[slice]:
    """Like `row_blocks`, but cut into blocks of about equal size."""
    count = -(-n_rows // max(1, budget // max(1, values_per_row)))
    return (slice(n_rows * i // count, n_rows * (i + 1) // count) for i in range(count))


def boxes(shape: tuple[int, ...], budget: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array of any shape into parts of up to `budget` values, in the order of memory."""
    per_row = math.prod(shape[1:])
    if len(shape) > 1 and per_row > budget:
        for row in range(shape[0]):
            yield from ((slice(row, row + 1), *part) for part in boxes(shape[1:], budget))
    elif shape:
        yield from ((rows,) for rows in row_blocks(shape[0], per_row, budget))
    else:
        yield ()


def blockwise(
    function: Callable[..., NDArray[Any]], *arrays: NDArray[Any], event_ndim: int = 0
) -> NDArray[Any]:
    """
    Apply a function to arrays that broadcast, some items of the batch at a time.

    The function must treat items alike, whatever comes with them. The last axes of every array,
    as many as `event_ndim`, are one item's.
    """
    if len(arrays) == 1 and arrays[0].size <= BATCHED:
        return np.asarray(function(*arrays))
    shapes = [a.shape[: a.ndim - event_ndim] for a in arrays]
    events = [a.shape[a.ndim - event_ndim :] for a in arrays]
    batch = np.broadcast_shapes(*shapes)
    size = max(1, *map(math.prod, events))
    if math.prod(batch) * size <= BATCHED:
        return np.asarray(function(*arrays))
    whole = [np.broadcast_to(a, (*batch, *event)) for a, event in zip(arrays, events, strict=True)]
    out: NDArray[Any] | None = None
    for box in boxes(batch, max(1, BATCHED // size)):
        part = np.asarray(function(*(a[box] for a in whole)))
        if out is None:
            out = np.empty((*batch, *part.shape[len(batch) :]), part.dtype)
        out[box] = part
    assert out is not None
    return out


def copy_blockwise(values: NDArray[Any], out: NDArray[Any]) -> None:
    """Copy an array into another of the same shape, which may have another dtype."""
    for box in boxes(out.shape, READ):
        out[box] = values[box]


def drawn_in_pieces(draw: Callable[..., Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw numbers by a method of a generator: the same as in one call."""
    drawn = np.empty(math.prod(shape))
    for some in row_blocks(drawn.size, 1, COMPUTED):
        drawn[some] = draw(size=some.stop - some.start)
    return drawn.reshape(shape)

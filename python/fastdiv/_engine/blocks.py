"""
Cut the rows of large data into blocks, so that temporaries stay small and Ctrl-C is heard.

A budget is the number of values of a block; in float64 a value takes 8 bytes. Some sums over
blocks are rounded differently when the blocks change, so a budget is part of a result's last bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

READ = 1 << 22
"""Values read or copied at a time: 32 MiB, which takes some 20 ms."""

GATHERED = 1 << 21
"""Values copied out of a larger array at a time, to be computed with: 16 MiB."""

COMPUTED = 1 << 20
"""Values at a time where NumPy computes with few temporaries: 8 MiB for each."""

BATCHED = 1 << 19
"""Values at a time where NumPy computes with several temporaries: 4 MiB for each."""

DRAWN = 1 << 18
"""Values drawn or summed at a time: 2 MiB. Sums over blocks of rows depend on it."""

FLOWED = 1 << 17
"""Elements of a flow at a time: 1 MiB for each of some ten temporaries."""

CACHED = 1 << 16
"""Values at a time in several short passes: 512 KiB, which stay in the L2 cache; some 1 ms."""


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
    ends = [0, *(n_rows * index // count for index in range(1, count + 1))]
    return itertools.starmap(slice, itertools.pairwise(ends))

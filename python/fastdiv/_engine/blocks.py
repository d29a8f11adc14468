"""
Cut rows into blocks, so that temporaries stay small and Ctrl-C is heard.

A budget is the most values that a block holds, of 8 bytes each in float64. If sums run over
blocks, their last bit depends on the budget. Changing such a budget changes results.
"""

from __future__ import annotations

from collections.abc import Iterator

READ = 1 << 22
"""Values read or copied at a time: 32 MiB. Ctrl-C is heard in between, some 20 ms later."""

GATHERED = 1 << 21
"""Values centred or stacked at a time: 16 MiB. Sums of `fit_gaussian` run over such blocks."""

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

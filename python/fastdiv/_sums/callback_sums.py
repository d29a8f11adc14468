"""
Sum a Python function over pairs of rows, tile by tile.

Each function adds `factor` times its sums to an array. Memory stays O(n), as `f` gets one tile of
pairs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.blocks import row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Pairs, Progress, Sample, Values

TILE = 512
"""Rows on each side of a tile: 2 MiB of float64 values."""

_PAIRED_TILE = 32
"""Matching rows at a time. `f` evaluates all their pairs, of which one in 32 counts."""

_LIMB = 30
"""Bits per limb: TILE² values below 2^30 have an exact float64 sum."""

_HEADROOM = 8
"""Bits by which later values may exceed the largest seen before the sums start anew."""

Function: TypeAlias = Callable[[Matrix, Matrix], Any]
Tile: TypeAlias = tuple[slice, slice]

_overflowing = partial(np.errstate, over="ignore", invalid="ignore")
"""Around sums, but not around `f`: the caller raises OverflowError for a sum that is not finite."""


def add_pair_sums(
    sums: Values,
    factor: float,
    f: Function,
    x: Sample,
    y: Sample,
    pairs: Pairs,
    progress: Progress | None,
    x_weights: Values | None = None,
    y_weights: Values | None = None,
) -> None:
    """Add the (weighted) sums within x, within y and between them, (3,)."""
    u = np.ones(len(x)) if x_weights is None else x_weights
    v = np.ones(len(y)) if y_weights is None else y_weights
    triple = (
        _within(f, x, u, pairs, progress),
        _within(f, y, v, pairs, progress),
        _between(f, x, y, u, v, pairs, progress),
    )
    with _overflowing():
        sums += factor * np.array(triple)


def add_quad_forms(
    sums: Values,
    factor: float,
    f: Function,
    z: Sample,
    labels: NDArray[np.uint8],
    pairs: Pairs,
    progress: Progress | None,
) -> None:
    """Add the sums of `add_pair_sums` for each labelling of z, (B, 3)."""
    triples = _quad_forms(f, z, labels, pairs, progress)
    with _overflowing():
        sums += factor * triples


def add_row_sums(
    sums: Values,
    factor: float,
    f: Function,
    at: Sample,
    x: Sample,
    weights: Values | None,
    progress: Progress | None,
) -> None:
    """Add the (weighted) sums over the rows of x for each row of `at`, (n_at,)."""
    w = np.ones(len(x)) if weights is None else weights
    for i, j in _reported(list(_tiles(len(at), len(x))), progress):
        tile = _evaluate(f, at[i], x[j])
        with _overflowing():
            sums[i] += factor * (tile * w[j]).sum(axis=1)


def add_paired_values(values: Values, factor: float, f: Function, x: Sample, y: Sample) -> None:
    """Add the values at matching rows, (n,)."""
    for i in row_blocks(len(x), 1, _PAIRED_TILE):
        tile = _evaluate(f, x[i], y[i])
        with _overflowing():
            values[i] += factor * np.diagonal(tile)


def _within(
    f: Function, x: Sample, weights: Values, pairs: Pairs, progress: Progress | None
) -> float:
    """Sum over the ordered pairs of x."""
    total = 0.0
    for i, j in _reported(_upper_tiles(len(x)), progress):
        tile = _within_tile(f, x, i, j, pairs)
        with _overflowing():
            total += _weighted_sum(tile, weights[i], weights[j]) * (1 if i == j else 2)
    return total


def _between(
    f: Function,
    x: Sample,
    y: Sample,
    u: Values,
    v: Values,
    pairs: Pairs,
    progress: Progress | None,
) -> float:
    """Sum over the pairs of x and y."""
    total = 0.0
    for i, j in _reported(list(_tiles(len(x), len(y))), progress):
        tile = _evaluate(f, x[i], y[j])
        if pairs == "off_diagonal" and i == j:
            np.fill_diagonal(tile, 0.0)
        with _overflowing():
            total += _weighted_sum(tile, u[i], v[j])
    return total


def _weighted_sum(tile: Values, row_weights: Values, column_weights: Values) -> float:
    return float((tile * row_weights[:, None] * column_weights).sum())


def _quad_forms(
    f: Function,
    z: Sample,
    labels: NDArray[np.uint8],
    pairs: Pairs,
    progress: Progress | None,
    exponent: int = -1074,
    n_reported: int = 0,
) -> Values:
    """
    Sum in fixed point: a value below 2^exponent becomes two integers of _LIMB bits.

    Tiles are summed exactly in float64 and added up as Python integers, so that the result
    depends on the values alone. A value beyond the range starts the pass anew.
    """
    q, s, t = (np.zeros(n, dtype=object) for n in (len(labels), len(labels), 1))
    for done, (i, j) in enumerate(_reported(_upper_tiles(len(z)), progress, n_reported)):
        tile = _within_tile(f, z, i, j, pairs)
        peak = np.abs(tile).max()
        peak_exponent = int(np.frexp(peak)[1])
        if peak > 0 and peak_exponent > exponent:
            wider = peak_exponent + _HEADROOM
            return _quad_forms(f, z, labels, pairs, progress, wider, max(done, n_reported))
        times = 1 if i == j else 2
        rows, columns = labels[:, i].astype(np.float64), labels[:, j].astype(np.float64)
        scaled = np.ldexp(tile, _LIMB - exponent)
        high = np.rint(scaled)
        low = np.rint(np.ldexp(scaled - high, _LIMB))
        for limb, unit in ((high, 1 << _LIMB), (low, 1)):
            q += times * unit * _integers(((rows @ limb) * columns).sum(axis=1))
            s += unit * _integers(rows @ limb.sum(axis=1))
            if i != j:
                s += unit * _integers(columns @ limb.sum(axis=0))
            t += times * unit * _integers(limb.sum(keepdims=True)[0])
    triples = np.stack([q, t - 2 * s + q, s - q], axis=1)
    with _overflowing():
        return np.ldexp(triples.astype(np.float64), exponent - 2 * _LIMB)


def _integers(exact: Values) -> NDArray[np.object_]:
    return exact.astype(np.int64).astype(object)


def _evaluate(f: Function, x: Sample, y: Sample) -> Values:
    """Return f(x, y) as a checked float64 copy. Keep f from writing to the data."""
    returned = f(_read_only(x), _read_only(y))
    try:
        block = np.asarray(returned)
    except ValueError as error:
        raise ValueError(
            f"f of Callback must return a rectangular array of numbers; "
            f"got {type(returned).__name__}: {error}"
        ) from error
    if block.dtype.kind not in "biuf":
        raise TypeError(f"f of Callback must return real numbers; got dtype {block.dtype}")
    if block.shape != (len(x), len(y)):
        raise ValueError(
            f"f of Callback must return shape {(len(x), len(y))} for blocks of shapes "
            f"{x.shape} and {y.shape}; got {block.shape}"
        )
    with _overflowing():
        values = block.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            "f of Callback must return numbers that are finite in float64; got NaN or infinity"
        )
    return values


def _read_only(rows: Sample) -> Matrix:
    view: Matrix = rows.dequantize() if isinstance(rows, QuantizedRows) else rows.view()
    view.flags.writeable = False
    return view


def _within_tile(f: Function, x: Sample, i: slice, j: slice, pairs: Pairs) -> Values:
    """Evaluate a tile of pairs within x, with 0 for those that do not count."""
    tile = _evaluate(f, x[i], x[j])
    if pairs != "all" and i == j:
        np.fill_diagonal(tile, 0.0)
    return tile


def _tiles(n: int, m: int) -> Iterator[Tile]:
    return ((i, j) for i in row_blocks(n, 1, TILE) for j in row_blocks(m, 1, TILE))


def _upper_tiles(n: int) -> list[Tile]:
    return [(i, j) for i, j in _tiles(n, n) if i.start <= j.start]


def _reported(tiles: list[Tile], progress: Progress | None, n_reported: int = 0) -> Iterator[Tile]:
    """Yield the tiles, and report each when it is done, but for those reported before."""
    for done, tile in enumerate(tiles, start=1):
        yield tile
        if progress is not None and done > n_reported:
            progress(done, len(tiles))

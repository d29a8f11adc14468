"""The sums over pairs of a Python function, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.blocks import row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Progress, Sample, Values

TILE = 512

_LIMB = 30
"""Bits per limb: TILE² values below 2^30 have an exact float64 sum."""

_HEADROOM = 8
"""Bits by which later values may exceed the largest seen before the sums start anew."""

Function: TypeAlias = Callable[[Matrix, Matrix], Any]

overflowing = partial(np.errstate, over="ignore", invalid="ignore")
"""Around sums, but never around f: what is not finite in the end is the caller's OverflowError."""


def evaluate(f: Function, x: Sample, y: Sample) -> Values:
    """Return f(x, y) as a checked float64 copy; f cannot write to the data."""
    returned = f(_block(x), _block(y))
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
    with overflowing():
        values = block.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            "f of Callback must return numbers that are finite in float64; got NaN or infinity"
        )
    return values


def _block(rows: Sample) -> Matrix:
    view: Matrix = rows.dequantize() if isinstance(rows, QuantizedRows) else rows.view()
    view.flags.writeable = False
    return view


def within(
    f: Function, x: Sample, progress: Progress | None, weights: Values | None = None
) -> float:
    w = np.ones(len(x)) if weights is None else weights
    total = 0.0
    for i, j in reported(_upper_tiles(len(x)), progress):
        tile = _tile_off_diagonal(f, x, i, j)
        with overflowing():
            total += _weighted(tile, w[i], w[j]) * (1 if i == j else 2)
    return total


def between(
    f: Function,
    x: Sample,
    y: Sample,
    progress: Progress | None,
    x_weights: Values | None = None,
    y_weights: Values | None = None,
) -> float:
    wx = np.ones(len(x)) if x_weights is None else x_weights
    wy = np.ones(len(y)) if y_weights is None else y_weights
    total = 0.0
    for i, j in reported(list(tiles(len(x), len(y))), progress):
        tile = evaluate(f, x[i], y[j])
        with overflowing():
            total += _weighted(tile, wx[i], wy[j])
    return total


def _weighted(tile: Values, rows: Values, columns: Values) -> float:
    return float((tile * rows[:, None] * columns).sum())


def quad_forms(
    f: Function,
    z: Sample,
    labels: NDArray[np.uint8],
    progress: Progress | None,
    exponent: int = -1074,
    seen: int = 0,
) -> Values:
    """
    Sum in fixed point: each value below 2^exponent becomes two integers of _LIMB bits.

    Tiles are summed exactly in float64 and added up as Python integers, so the result
    depends on the values alone. A value beyond the range starts the pass anew.
    """
    q, s, t = (np.zeros(n, dtype=object) for n in (len(labels), len(labels), 1))
    for done, (i, j) in enumerate(reported(_upper_tiles(len(z)), progress, seen)):
        tile = _tile_off_diagonal(f, z, i, j)
        peak = np.abs(tile).max()
        peak_exponent = int(np.frexp(peak)[1])
        if peak > 0 and peak_exponent > exponent:
            wider = peak_exponent + _HEADROOM
            return quad_forms(f, z, labels, progress, wider, max(done, seen))
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
    with overflowing():
        return np.ldexp(triples.astype(np.float64), exponent - 2 * _LIMB)


def _integers(exact: Values) -> NDArray[np.object_]:
    return exact.astype(np.int64).astype(object)


def _tile_off_diagonal(f: Function, x: Sample, i: slice, j: slice) -> Values:
    tile = evaluate(f, x[i], x[j])
    if i == j:
        np.fill_diagonal(tile, 0.0)
    return tile


def tiles(n: int, m: int) -> Iterator[tuple[slice, slice]]:
    return ((i, j) for i in row_blocks(n, 1, TILE) for j in row_blocks(m, 1, TILE))


def _upper_tiles(n: int) -> list[tuple[slice, slice]]:
    return [(i, j) for i, j in tiles(n, n) if i.start <= j.start]


def reported(
    tiles: list[tuple[slice, slice]], progress: Progress | None, reported: int = 0
) -> Iterator[tuple[slice, slice]]:
    for done, tile in enumerate(tiles, start=1):
        yield tile
        if progress is not None and done > reported:
            progress(done, len(tiles))

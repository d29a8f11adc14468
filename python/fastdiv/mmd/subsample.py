"""Draw pooled rows by a rule that depends on their values alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import CACHED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Sample, Values

_SHARED_BITS = 4
"""Bits of the number of rows that leading bits leave out, so that some 16 rows share them."""

_MOST_LEADING_BITS = 20
"""Most leading bits. A table over all of them has 2^20 entries, 1 MB of flags or 8 MB of counts."""


def subsample(parts: Sequence[Sample], n_rows: int) -> Sample:
    """
    Draw n_rows pooled rows by a rule that sees only the set of rows.

    A fixed seed draws places, and the rows sorted by a hash of their values stand at them. Equal
    rows have equal hashes, so any copy will do. If different rows share a hash, the least row
    stands for all. Only hashes that begin like a drawn one are sorted, which takes little time.
    """
    hashes = _hashes(parts)
    places = np.random.default_rng(0).choice(len(hashes), n_rows, replace=False)
    leading_bits = len(hashes).bit_length() - _SHARED_BITS
    shift = 64 - min(_MOST_LEADING_BITS, max(1, leading_bits))
    drawn, copies = np.unique(_at_places(places, hashes, shift), return_counts=True)
    is_near = _marked(drawn >> shift, shift)
    chosen = np.full(len(drawn), -1)
    for rows in row_blocks(len(hashes), parts[0].shape[1], CACHED):
        index = rows.start + np.flatnonzero(is_near[hashes[rows] >> shift])
        at = np.searchsorted(drawn, hashes[index])
        hit = drawn.take(at, mode="clip") == hashes[index]
        at, index = at[hit], index[hit]
        new = chosen[at] < 0
        chosen[at[new]] = index[new]
        differ = _numbers(_rows_at(parts, chosen[at])) != _numbers(_rows_at(parts, index))
        for j in np.flatnonzero(differ.any(axis=1)).tolist():
            pair = np.array([chosen[at[j]], index[j]])
            chosen_row, new_row = _numbers(_rows_at(parts, pair)).tolist()
            chosen[at[j]] = pair[int(new_row < chosen_row)]
    return _rows_at(parts, np.repeat(chosen, copies))


def _hashes(parts: Sequence[Sample]) -> NDArray[np.uint64]:
    """Hash each pooled row to 64 bits."""
    # The hash is the sum over the columns of value and column, mixed as by SplitMix64. That mixture
    # is one to one, so different scalars never collide (G. L. Steele, D. Lea, C. H. Flood, "Fast
    # splittable pseudorandom number generators", OOPSLA (2014)).
    hashes = np.empty(sum(map(len, parts)), dtype=np.uint64)
    column = np.random.PCG64(0).random_raw(_numbers(parts[0][:1]).shape[1])
    start = 0
    for block in _row_blocks(parts):
        block += 0.0  # -0.0 becomes 0.0
        bits = block.view(np.uint64)
        bits ^= column
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
            bits ^= bits >> shift
            bits *= factor
        hashes[start : start + len(bits)] = bits.sum(axis=1)
        start += len(bits)
    return hashes


def _at_places(
    places: NDArray[np.int64], hashes: NDArray[np.uint64], shift: int
) -> NDArray[np.uint64]:
    """Return ``np.sort(hashes)[places]``, but sort only hashes with required leading bits."""
    counts = np.zeros(1 << (64 - shift), dtype=np.int64)
    blocks = [hashes[rows] for rows in row_blocks(len(hashes), 1, CACHED, least=len(counts))]
    for block in blocks:
        counts += np.bincount((block >> shift).astype(np.intp), minlength=len(counts))
    bins = np.searchsorted(np.cumsum(counts), places, side="right")
    is_required = _marked(bins, shift)
    distinct = [np.unique(b[is_required[b >> shift]], return_counts=True) for b in blocks]
    values, times = (np.concatenate(parts) for parts in zip(*distinct, strict=True))
    order = np.argsort(values)
    passed_over = np.cumsum(np.where(is_required, 0, counts))[bins]
    at = np.searchsorted(np.cumsum(times[order]), places - passed_over, side="right")
    result: NDArray[np.uint64] = values[order[at]]
    return result


def _marked(bins: NDArray[Any], shift: int) -> NDArray[np.bool_]:
    """Return a table over all leading bits that is True for these."""
    table = np.zeros(1 << (64 - shift), dtype=np.bool_)
    table[bins] = True
    return table


def _row_blocks(parts: Sequence[Sample]) -> Iterator[Values]:
    """Yield the `_numbers` of a few rows at a time."""
    for part in parts:
        for rows in row_blocks(len(part), part.shape[1], CACHED):
            yield _numbers(part[rows])


def _numbers(rows: Sample) -> Values:
    """Return the numbers that tell rows apart, as a C-ordered float64 copy."""
    if isinstance(rows, QuantizedRows):
        scales, zeros = rows.scale[:, None], _inputs.zero_points(rows)[:, None]
        return np.concatenate((rows.values, scales, zeros), axis=1, dtype=np.float64)
    return np.array(rows, dtype=np.float64, order="C")


def _rows_at(parts: Sequence[Sample], rows: NDArray[np.intp]) -> Sample:
    """Gather rows by their index in the pool."""
    return _inputs.joined(parts, lambda arrays: _gather(arrays, rows))


def _gather(arrays: list[NDArray[Any]], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Gather entries by their index in the concatenated arrays."""
    out = np.empty((len(rows), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
    start = 0
    for part in arrays:
        in_part = (rows >= start) & (rows < start + len(part))
        out[in_part] = part[rows[in_part] - start]
        start += len(part)
    return out

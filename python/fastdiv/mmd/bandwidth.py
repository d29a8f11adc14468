"""Find the median distance, the usual bandwidth of a kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import CACHED, row_blocks
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import metrics
from fastdiv.kernels import Kernel

EXACT_ROWS = 10_000
"""Pooled rows up to which the median is that of all pairs: 5e7 of them."""


@documented
def median_distance(
    x: object,
    y: object = None,
    *,
    metric: str = "euclidean",
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> float:
    """
    Compute the median distance between the rows of one sample, or of two pooled samples.

    Every pair of different rows counts once. The zero distance of a row to itself does not count.
    For an even number of pairs the result is the mean of the middle two. Memory is O(n).

    Up to 10 000 pooled rows the median is exact. Beyond, it is the median of 10 000 pooled rows
    that are drawn without replacement by a fixed seed. Which rows these are depends on the values
    of the pooled rows alone. The result does not know which sample a row came from, so a
    permutation test with this bandwidth stays valid.

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (n, ...)
        Sample. Trailing axes are flattened to d features.
    y : array_like or QuantizedRows, shape (m, ...), optional
        Second sample, pooled with the first. Together they need at least two rows.
    metric : {"euclidean", "cityblock", "manhattan"}, default "euclidean"
        L2 distance, or under two names L1, as for `Laplacian`.
    {nan_policy}
    {n_threads}
    {progress}

    Returns
    -------
    float
        Median distance in the units of the data. Zero if most rows are equal.

    Raises
    ------
    {invalid}
    OverflowError
        If the distances are too large for their floating-point type.

    References
    ----------
    D. Garreau, W. Jitkrittum, M. Kanagawa, "Large sample analysis of the median
    heuristic", arXiv:1707.07269 (2017).

    Examples
    --------
    >>> from fastdiv import median_distance
    >>> median_distance([0.0, 1.0, 3.0])
    2.0
    >>> median_distance([[0.0, 0.0]], [[3.0, 4.0]])
    5.0
    """
    metric = metrics.metric_name(metric)
    if y is None:
        omit = _inputs.choice(nan_policy, _inputs.NAN_POLICIES, "nan_policy") == "omit"
        parts = [_inputs.finite(_inputs.sample(x, "x"), "x", omit=omit)]
    else:
        parts = list(_inputs.samples(x, y, nan_policy))
    rows = sum(map(len, parts))
    if rows < 2:
        names = "x" if y is None else "x and y together"
        raise ValueError(f"{names} must have at least 2 rows; got {rows}")
    threads, report = _inputs.threads(n_threads), reporter(progress)
    return float(pooled_medians([parts], metric, threads, report)[0])


def resolve(
    kernels: Sequence[Kernel],
    samples: Sequence[Sample],
    n_threads: int,
    progress: Progress | None,
) -> list[Kernel]:
    """Return kernels in numbers: median bandwidths are those of the pooled samples."""

    @cache
    def median(metric: str) -> float:
        return float(median_bandwidths([samples], metric, n_threads, progress)[0])

    d = samples[0].shape[1]
    return [kernel._resolve(d, median) for kernel in kernels]


def median_bandwidths(
    items: Sequence[Sequence[Sample]], metric: str, n_threads: int, progress: Progress | None
) -> Values:
    """Return the median bandwidth of each item, which is a list of samples to pool."""
    medians = pooled_medians(items, metric, n_threads, progress)
    if not medians.all():
        raise ValueError(
            "bandwidth='median' is zero: at least half of the pairs of pooled rows are equal; "
            "pass a positive bandwidth, for example RBF(bandwidth=1.0)"
        )
    return medians


def pooled_medians(
    items: Sequence[Sequence[Sample]], metric: str, n_threads: int, progress: Progress | None
) -> Values:
    """Like `median_bandwidths`, but accept a median of 0."""
    pools = [
        _inputs.pool(parts) if sum(map(len, parts)) <= EXACT_ROWS else _subsample(parts)
        for parts in items
    ]
    sizes = np.array([len(rows) for rows in pools])
    rows = pools[0] if len(pools) == 1 else _inputs.pool(pools)
    with np.errstate(over="ignore", invalid="ignore"):
        medians = backend.current().median_distances(rows, sizes, metric, n_threads, progress)
    if not np.isfinite(medians).all():
        kind = "float64" if isinstance(rows, QuantizedRows) else rows.dtype
        raise OverflowError(
            f"the median distance overflows in {kind}; scale the data or pass a bandwidth"
        )
    return medians


def _subsample(parts: Sequence[Sample]) -> Sample:
    """
    Draw EXACT_ROWS pooled rows by a rule that sees only the set of rows.

    A fixed seed draws places, and the rows sorted by a hash of their values stand at them. Equal
    rows have equal hashes, so any copy will do. If different rows share a hash, the least row
    stands for all. Only hashes that begin like a drawn one are sorted, which takes little time.
    """
    hashes = _hashes(parts)
    places = np.random.default_rng(0).choice(len(hashes), EXACT_ROWS, replace=False)
    shift = 64 - min(20, max(1, len(hashes).bit_length() - 4))  # leading bits: some 16 rows share
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
            held, other = _numbers(_rows_at(parts, pair)).tolist()
            chosen[at[j]] = pair[int(other < held)]
    return _rows_at(parts, np.repeat(chosen, copies))


def _hashes(parts: Sequence[Sample]) -> NDArray[np.uint64]:
    """
    Hash each pooled row to 64 bits.

    The hash is the sum over the columns of value and column, mixed as by SplitMix64. That mixture
    is one to one, so different scalars never collide (G. L. Steele, D. Lea, C. H. Flood, "Fast
    splittable pseudorandom number generators", OOPSLA (2014)).
    """
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

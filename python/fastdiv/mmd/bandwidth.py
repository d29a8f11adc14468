"""Find the median distance, the usual bandwidth of a kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import metrics
from fastdiv.kernels import Kernel
from fastdiv.mmd.subsample import subsample

EXACT_ROWS = 10_000
"""Pooled rows up to which the median is that of all pairs: 5e7 of them."""


@documented
def median_distance(
    x: object, y: object = None, *, metric: str = "euclidean", nan_policy: str = "raise",
    n_threads: int | None = None, progress: object = None,
) -> float:  # fmt: skip
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

    {Raises: invalid}
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
        omit = _inputs.omits(nan_policy)
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
    medians: dict[str, float] = {}  # `functools.cache` would take 7 us of the 77 of a small call

    def median(metric: str) -> float:
        if metric not in medians:
            medians[metric] = float(median_bandwidths([samples], metric, n_threads, progress)[0])
        return medians[metric]

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
        _inputs.pool(parts) if sum(map(len, parts)) <= EXACT_ROWS else subsample(parts, EXACT_ROWS)
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

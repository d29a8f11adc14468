"""The median distance, the usual bandwidth of a kernel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastdiv import _backend, _inputs, _progress
from fastdiv._backend import Matrix, Progress, Values
from fastdiv.kernels import Median

EXACT_ROWS = 10_000
"""Pooled rows up to which the median is taken over all pairs."""

_METRICS = ("euclidean", "cityblock")
_BLOCK = 1 << 20
"""Values projected at a time."""


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

    All pairs of rows with distinct index count once; the zero distance of a row to itself
    does not. For an even number of pairs it is the mean of the middle two. Memory is O(n).

    Up to `fastdiv.distances.EXACT_ROWS` = 10 000 pooled rows the median is exact. Beyond,
    it is that of 10 000 pooled rows drawn without replacement by a fixed seed, after the
    rows have been put in an order that depends on their values alone. It is therefore a
    function of the pooled rows as a set, blind to which sample a row came from, and a
    permutation test that takes its bandwidth from it stays valid.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Sample; trailing axes are flattened to d features.
    y : array_like, shape (m, ...), optional
        Second sample, pooled with the first. At least two rows are needed in all.
    metric : {"euclidean", "cityblock"}, default "euclidean"
        L2 distance, or L1 as for `Laplacian`.
    nan_policy : {"raise", "omit"}, default "raise"
        Refuse NaN and infinite values, or drop the rows that hold them.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.
    progress : bool or callable, optional
        True for a bar on standard error, or a function of (done, total).

    Returns
    -------
    float
        Median distance in the units of the data. Zero if most rows are equal.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
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
    metric = _inputs.choice(metric, _METRICS, "metric")
    if y is None:
        omit = _inputs.choice(nan_policy, _inputs.NAN_POLICIES, "nan_policy") == "omit"
        parts = [_inputs.finite(_inputs.matrix(x, "x"), "x", omit=omit)]
    else:
        parts = list(_inputs.samples(x, y, nan_policy))
    rows = sum(map(len, parts))
    if rows < 2:
        names = "x" if y is None else "x and y together"
        raise ValueError(f"{names} must have at least 2 rows; got {rows}")
    return _pooled_median(parts, metric, _inputs.threads(n_threads), _progress.reporter(progress))


def median_bandwidth(parts: list[Matrix], n_threads: int, progress: Progress | None) -> Median:
    """
    Return a function that computes the median bandwidth for a metric, once.

    Parameters
    ----------
    parts : list of ndarray, shapes (n_i, d)
        Samples to pool.
    n_threads : int
        0 is the default.
    progress : callable or None
        Function of (done, total).

    Returns
    -------
    callable
        Metric -> median distance; raises ValueError if that is zero, OverflowError if it is
        not finite.
    """
    known: dict[str, float] = {}

    def median(metric: str) -> float:
        if metric not in known:
            known[metric] = _pooled_median(parts, metric, n_threads, progress)
        if known[metric] == 0:
            raise ValueError(
                "bandwidth='median' is zero: at least half of the pairs of pooled rows are equal; "
                "pass a positive bandwidth, for example RBF(bandwidth=1.0)"
            )
        return known[metric]

    return median


def _pooled_median(
    parts: list[Matrix], metric: str, n_threads: int, progress: Progress | None
) -> float:
    exact = sum(map(len, parts)) <= EXACT_ROWS
    pooled = _inputs.pool(parts) if exact else _subsample(parts)
    with np.errstate(over="ignore", invalid="ignore"):
        median = _backend.current().median_distance(pooled, metric, n_threads, progress)
    if not np.isfinite(median):
        raise OverflowError(
            f"the median distance overflows in {pooled.dtype}; scale the data or pass a bandwidth"
        )
    return median


def _subsample(parts: list[Matrix]) -> Matrix:
    """Draw EXACT_ROWS pooled rows by a rule that sees only the set of rows."""
    rng = np.random.default_rng(0)
    order = _canonical_order(parts, rng.standard_normal(parts[0].shape[1:]))
    return _take(parts, order[np.sort(rng.choice(len(order), EXACT_ROWS, replace=False))])


def _canonical_order(parts: list[Matrix], direction: Values) -> NDArray[np.intp]:
    """
    Order the pooled rows by their values alone.

    They are projected on a direction, each column in units of its largest absolute value;
    different rows of equal projection are compared column by column.
    """
    peaks = np.max([np.maximum(part.max(axis=0), -part.min(axis=0)) for part in parts], axis=0)
    scale = np.where(peaks == 0, 1.0, peaks.astype(np.float64))
    keys = np.concatenate([(b / scale * direction).sum(axis=1) for b in _row_blocks(parts)])
    order = np.argsort(keys, kind="stable")
    equal = np.diff(keys[order]) == 0
    tied = np.append(equal, False) | np.append(False, equal)
    if tied.any():
        among = order[tied]
        order[tied] = among[np.lexsort((*_take(parts, among).T, keys[among]))]
    return order


def _row_blocks(parts: list[Matrix]) -> Iterator[Values]:
    """Yield C-ordered float64 copies, so that the sum of a row never depends on its place."""
    for part in parts:
        step = max(1, _BLOCK // part.shape[1])
        for start in range(0, len(part), step):
            yield np.array(part[start : start + step], dtype=np.float64, order="C")


def _take(parts: list[Matrix], rows: NDArray[np.intp]) -> Matrix:
    """Gather rows by their index in the pool."""
    out = np.empty((len(rows), parts[0].shape[1]), dtype=parts[0].dtype)
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        out[here] = part[rows[here] - start]
        start += len(part)
    return out

"""Define ranked, median and k-th distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums.reference.rows import report
from fastdiv.kernels.evaluation import base_values


def ranked_distances(
    x: Sample,
    y: Sample | None,
    items: int,
    metric: str,
    rank: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Return the distance of a rank, from 0 in ascending order, for every item, (items,).

    Both samples are stacks of items. Without y, the pairs are the rows i < j of x.
    """
    if items < 1 or any(len(a) % items for a in (x, y) if a is not None):
        raise ValueError("a stack needs equally many rows in each item")
    x_items = np.split(in_float64(x), items)
    y_items = [None] * items if y is None else np.split(in_float64(y), items)
    report(progress)
    ranked = []
    for a, b in zip(x_items, y_items, strict=True):
        distances = _distances(a, b, metric)
        if rank >= distances.size:
            raise ValueError("a ranked distance needs a metric and a pair of that rank")
        ranked.append(np.partition(distances, rank)[rank])
    return np.array(ranked)


def median_distances(
    x: Sample, sizes: NDArray[np.int64], metric: str, n_threads: int, progress: Progress | None
) -> Values:
    """Return the median distance between distinct rows of each item, (b,), of `sizes` rows."""
    if sizes.sum() != len(x):
        raise ValueError("the sizes of a stack must add up to its rows")
    report(progress)
    items = np.split(in_float64(x), np.cumsum(sizes)[:-1])
    return np.array([np.median(_distances(item, None, metric)) for item in items])


def kth_distances(
    at: Sample, x: Sample, k: int, exclude_self: bool, n_threads: int, progress: Progress | None
) -> Values:
    """
    Return the Euclidean distance of each row of `at` to its k-th nearest row of x, (n_at,).

    With `exclude_self`, `at` is x, and no row is a neighbour of itself.
    """
    distances = distance_matrix(in_float64(at), in_float64(x), "euclidean")
    if exclude_self:
        np.fill_diagonal(distances, np.inf)
    report(progress)
    return np.asarray(np.partition(distances, k - 1, axis=1)[:, k - 1])


def distance_matrix(x: Values, y: Values, metric: str) -> Values:
    """Return the distances between the rows of x and of y, (n, m)."""
    values = base_values("sqdist" if metric == "euclidean" else "l1", x[:, None], y[None])
    return np.sqrt(values) if metric == "euclidean" else values


def _distances(x: Values, y: Values | None, metric: str) -> Values:
    """Return the distances between rows i < j of x, or between the rows of x and of y."""
    if y is not None:
        return distance_matrix(x, y, metric).ravel()
    return distance_matrix(x, x, metric)[np.triu_indices(len(x), 1)]

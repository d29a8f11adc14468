"""Ranked, median and k-th distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums.reference.rows import exact, report
from fastdiv.kernels.evaluation import (
    base_values,
)


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
    Find the distance of a rank among those between two samples, or within one, for every item.

    Parameters
    ----------
    x, y : ndarray, shapes (items n, d) and (items m, d); y may be None
        Samples, item after item. Without y, the pairs are the rows i < j of x.
    items : int
        1 for quantised rows.
    metric : {"euclidean", "cityblock"}
        L2 or L1.
    rank : int
        From 0, in ascending order.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (items,)
        The distances.
    """
    if items < 1 or any(len(a) % items for a in (x, y) if a is not None):
        raise ValueError("a stack needs equally many rows in each item")
    x = exact(x)
    of_x = x.reshape(items, -1, x.shape[1])
    of_y = [None] * items if y is None else exact(y).reshape(items, -1, x.shape[1])
    report(progress)
    found = []
    for a, b in zip(of_x, of_y, strict=True):
        values = _distances(a, b, metric)
        if rank >= values.size:
            raise ValueError("a ranked distance needs a metric and a pair of that rank")
        found.append(np.partition(values, rank)[rank])
    return np.array(found)


def median_distances(
    x: Sample,
    sizes: NDArray[np.int64],
    metric: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute the median distance between rows of distinct index, for every item.

    Parameters
    ----------
    x : ndarray, shape (N, d)
        The rows of all items, one item after the other.
    sizes : ndarray of int64, shape (b,)
        How many rows each item has: at least two. One item for quantised rows.
    metric : {"euclidean", "cityblock"}
        L2 or L1.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (b,)
        Medians of n(n-1)/2 values; the mean of the middle two if their number is even.
    """
    if sizes.sum() != len(x):
        raise ValueError("the sizes of a stack must add up to its rows")
    report(progress)
    items = np.split(exact(x), np.cumsum(sizes)[:-1])
    return np.array([np.median(_distances(item, None, metric)) for item in items])


def kth_distances(
    at: Sample, x: Sample, k: int, exclude_self: bool, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute the distances to the k-th nearest neighbours.

    Parameters
    ----------
    at, x : ndarray, shapes (n_at, d) and (n, d)
        Points of view, and sample.
    k : int
        From 1 to 64, and no more than there are neighbours.
    exclude_self : bool
        `at` is x, and row i is no neighbour of itself.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_at,)
        Euclidean distance from row i of `at` to the k-th nearest row of x.
    """
    squares = base_values("sqdist", exact(at)[:, None], exact(x)[None])
    if exclude_self:
        np.fill_diagonal(squares, np.inf)
    report(progress)
    return np.asarray(np.sqrt(np.partition(squares, k - 1, axis=1)[:, k - 1]))


def _distances(x: Sample, y: Sample | None, metric: str) -> Values:
    """Return the distances between rows i < j of x, or between the rows of x and of y."""
    a, b = exact(x), exact(x if y is None else y)
    values = base_values("sqdist" if metric == "euclidean" else "l1", a[:, None], b[None])
    of_pairs = values[np.triu_indices(len(a), 1)] if y is None else values.ravel()
    return np.sqrt(of_pairs) if metric == "euclidean" else of_pairs

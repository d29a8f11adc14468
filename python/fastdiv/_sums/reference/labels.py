"""Sums and extremes over pairs of rows, by label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import KernelGroup, Progress, Sample, Values
from fastdiv._sums.reference.pairs import kernel_matrix, without_diagonal
from fastdiv._sums.reference.rows import exact, report
from fastdiv.kernels.evaluation import (
    base_values,
)


def label_sums(
    x: Sample,
    weights: Values | None,
    sizes: NDArray[np.int64],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum every kernel over the other rows of each label, seen from each row.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Sample, its rows in the order of their labels.
    weights : ndarray of float64, shape (n,), or None
        Of the rows: from 0 to about 1; None stands for 1.
    sizes : ndarray of int64, shape (k,)
        Rows with label 0, 1, ...; their sum is n.
    kernels : list of (base, scale, terms)
        Kernels of a distance, as in `pair_sums`.
    n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, k, n)
        Sum over the rows j != i with each label of w_j k(x_i, x_j).
    """
    if any(base == "dot" for base, _, _ in kernels):
        raise ValueError("sums by label take kernels of a distance")
    w = np.ones(len(x)) if weights is None else weights
    of_label = _sorted_labels(x, sizes) == np.arange(len(sizes))[:, None]
    rows = exact(x)
    sums: Values = (of_label * w) @ without_diagonal(kernel_matrix(rows, rows, kernels, n_outputs))
    report(progress)
    return sums


def label_extremes(
    x: Sample,
    metric: str,
    sizes: NDArray[np.int64],
    n_threads: int,
    progress: Progress | None,
) -> tuple[float, float]:
    """
    Find the largest distance within labels, and the smallest between them.

    Parameters
    ----------
    x, sizes, n_threads, progress
        As in `label_sums`.
    metric : {"euclidean", "cityblock"}
        L2 or L1.

    Returns
    -------
    within, between : float
        0 and infinity where there is no such pair.
    """
    labels, rows = _sorted_labels(x, sizes), exact(x)
    values = base_values("sqdist" if metric == "euclidean" else "l1", rows[:, None], rows[None])
    distances = np.sqrt(values) if metric == "euclidean" else values
    same = labels[:, None] == labels
    report(progress)
    return (
        float(distances[same].max(initial=0.0)),
        float(distances[~same].min(initial=np.inf)),
    )


def _sorted_labels(x: Sample, sizes: NDArray[np.int64]) -> NDArray[np.intp]:
    if (sizes < 0).any() or sizes.sum() != len(x):
        raise ValueError("the sizes of the labels must be >= 0 and add up to the rows")
    return np.repeat(np.arange(len(sizes)), sizes)

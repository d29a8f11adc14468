"""Define sums and extremes over pairs of rows, by label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Kernels, Progress, Sample, Values
from fastdiv._sums.reference.distances import distance_matrix
from fastdiv._sums.reference.pairs import kernel_matrix, without_diagonal
from fastdiv._sums.reference.rows import report


def label_sums(
    x: Sample,
    weights: Values | None,
    sizes: NDArray[np.int64],
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum w_j k(x_i, x_j) over the rows j != i of each label, (n_outputs, k, n).

    The rows are sorted by label, and `sizes` counts those of each. The kernels are those of a
    distance.
    """
    if any(base == "dot" for base, *_ in kernels):
        raise ValueError("sums by label take kernels of a distance")
    w = np.ones(len(x)) if weights is None else weights
    has_label = _sorted_labels(x, sizes) == np.arange(len(sizes))[:, None]
    rows = in_float64(x)
    k = without_diagonal(kernel_matrix(rows, rows, kernels, n_outputs))
    sums: Values = (has_label * w) @ k
    report(progress)
    return sums


def label_extremes(
    x: Sample, metric: str, sizes: NDArray[np.int64], n_threads: int, progress: Progress | None
) -> tuple[float, float]:
    """
    Return the largest distance within labels, and the smallest between them.

    They are 0 and infinity where there is no such pair.
    """
    labels, rows = _sorted_labels(x, sizes), in_float64(x)
    distances = distance_matrix(rows, rows, metric)
    same = labels[:, None] == labels
    report(progress)
    return (
        float(distances[same].max(initial=0.0)),
        float(distances[~same].min(initial=np.inf)),
    )


def _sorted_labels(x: Sample, sizes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the label of each row."""
    if (sizes < 0).any() or sizes.sum() != len(x):
        raise ValueError("the sizes of the labels must be >= 0 and add up to the rows")
    return np.repeat(np.arange(len(sizes)), sizes)

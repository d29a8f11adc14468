"""Compute silhouettes: how much nearer each row is to its own cluster than to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import READ, boxes
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import metrics, pair_weights
from fastdiv.clusters import labelled_rows
from fastdiv.clusters.labelled_rows import Weights

_LEAST_RANGE = 1e-140
"""Range of data below which squared differences may lose digits to underflow."""


@documented
def silhouette_samples(
    x: object, labels: object, *, metric: str = "euclidean", sample_weight: object = None,
    noise_label: object = None, n_threads: int | None = None, progress: object = None,
) -> Values:  # fmt: skip
    """
    Compute the silhouette of every row.

    The silhouette of row i is

        s(i) = (b − a) / max(a, b),

    from −1 to 1. Here a is the mean distance of row i to the other rows of its cluster. The least
    mean distance to the rows of another cluster is b. The silhouette is 0 for the only row of a
    cluster, and if a = b = 0. Weights give weighted means, over j ≠ i within the cluster of row i.
    Their scale does not matter, so they are no counts.

    Time is O(n² d), or O(n k d) for "sqeuclidean" and k clusters. Memory is a copy of x and an
    (n, k) array of float64. The values are those of scikit-learn's function of this name.

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (n, ...)
        Sample, as in `mmd2`. Trailing axes are flattened to d features. float32 stays float32.
    labels : array_like, shape (n,)
        One label per row: integers, text, or categories of pandas or polars. There must be from 2
        to n − 1 distinct labels. Labels and weights with an index of pandas are matched by it.
    metric : {"euclidean", "sqeuclidean", "cityblock", "manhattan"}, default "euclidean"
        Distance between rows: L2, its square, or L1 under two names.
    sample_weight : array_like, shape (n,), optional
        Finite weights >= 0, not all 0 in a cluster. None stands for equal weights. A row of weight
        0 is left out like noise: it may hold NaN, and its silhouette is NaN.
    noise_label : optional
        Rows with this label, often −1, are left out. They may hold NaN, and their silhouette is
        NaN. By default every label is that of a cluster. There is no `nan_policy`, because every
        row is to have a silhouette. Give rows with NaN a noise label, or drop them.
    {n_threads}
    {progress}
        "sqeuclidean" takes several short passes, each of which counts from 0.

    Returns
    -------
    ndarray of float64, shape (n,)
        Silhouettes, without unit.

    {silhouette_errors_and_source}

    Examples
    --------
    >>> from fastdiv import silhouette_samples
    >>> silhouette_samples([0.0, 1.0, 9.0, 10.0], ["a", "a", "b", "b"]).round(3)
    array([0.895, 0.882, 0.882, 0.895])
    >>> silhouette_samples([0.0, 1.0, 5.0, 9.0], [0, 0, -1, 1], noise_label=-1).round(3)
    array([0.889, 0.875,   nan, 0.   ])
    """
    clusters = sorted_clusters(x, labels, metric, sample_weight, noise_label, _inputs.ALWAYS_RAISE)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    values = np.full(clusters.n_rows, np.nan)
    values[clusters.order] = _silhouettes(clusters, threads, report)
    return values


@documented
def silhouette_score(
    x: object, labels: object, *, metric: str = "euclidean", sample_weight: object = None,
    noise_label: object = None, nan_policy: str = "raise", n_threads: int | None = None,
    progress: object = None,
) -> float:  # fmt: skip
    """
    Compute the mean silhouette of all rows.

    Parameters
    ----------
    x, labels, metric, n_threads, progress
        As in `silhouette_samples`.
    sample_weight : array_like, shape (n,), optional
        As in `silhouette_samples`. The mean of the silhouettes is weighted too.
    noise_label : optional
        Rows with this label, often −1, are left out.
    {nan_policy}

    Returns
    -------
    float
        Mean silhouette, from −1 to 1. Near 1 the clusters are compact and far apart.

    {silhouette_errors_and_source}

    Examples
    --------
    >>> from fastdiv import silhouette_score
    >>> round(silhouette_score([0.0, 1.0, 9.0, 10.0], ["a", "a", "b", "b"]), 3)
    0.889
    """
    clusters = sorted_clusters(x, labels, metric, sample_weight, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    values = _silhouettes(clusters, threads, report)
    w = clusters.weights
    if w is None:
        return float(values.mean())
    exponents = np.repeat(w.exponents - w.exponents.max(), clusters.sizes)
    shares = _inputs.times_powers(w.rows, exponents, "sample_weight")
    return float(np.average(values, weights=shares))


@dataclass(frozen=True)
class SortedClusters:
    """The rows that are not left out, in the order of their labels."""

    rows: Sample
    sizes: NDArray[np.int64]
    weights: Weights | None
    order: NDArray[np.intp]
    n_rows: int
    metric: str


def sorted_clusters(
    x: object,
    labels: object,
    metric: object,
    sample_weight: object,
    noise_label: object,
    nan_policy: object,
) -> SortedClusters:
    """
    Return the rows of x in the order of their clusters, of which there must be from 2 to n - 1.

    `nan_policy` is ALWAYS_RAISE if the public function has no such argument.
    """
    name = metrics.metric_name(metric, metrics.WITH_SQUARES)
    x, labels, sample_weight = _inputs.aligned(
        {"x": x, "labels": labels, "sample_weight": sample_weight}
    )
    a, advice = _inputs.sample(x, "x"), _inputs.CLEAN_OR_OMIT
    if nan_policy is _inputs.ALWAYS_RAISE:
        nan_policy, advice = "raise", "clean the data or give such rows a noise label"
    codes, distinct, weights = labelled_rows.read_labels(
        a, labels, sample_weight, noise_label, nan_policy
    )
    k, n = labelled_rows.require_several(codes, distinct)
    labelled_rows.refuse_nonfinite(a, codes, advice)
    sort = partial(np.argsort, codes, kind="stable")
    order = patiently(sort, PASSES * len(codes))[len(a) - n :]
    sizes = np.bincount(codes[order], minlength=k).astype(np.int64)
    if weights is not None:
        weights = weights._replace(rows=weights.rows[order])
    return SortedClusters(_inputs.chosen(a, order), sizes, weights, order, len(a), name)


def _silhouettes(clusters: SortedClusters, n_threads: int, progress: Progress | None) -> Values:
    """Return the silhouettes of the sorted rows."""
    x, sizes = clusters.rows, clusters.sizes
    weights = None if clusters.weights is None else clusters.weights.rows
    w = np.ones(len(clusters.order)) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):
        if clusters.metric == "sqeuclidean":
            x = patiently(partial(_in_range, x), x.shape[0] * x.shape[1])
            sums = _squared_sums(x, sizes, w, n_threads, progress)
        else:
            distance = metrics.powers(clusters.metric, 1.0)
            x = pair_weights.wide_enough(x, w)
            (sums,) = backend.current().label_sums(
                x, weights, sizes, distance, 1, n_threads, progress
            )
    if not np.isfinite(sums.max()):
        raise OverflowError("the sums of distances overflow; scale the data")
    return patiently(partial(_from_sums, sums, w, sizes), PASSES * sums.size)


def _from_sums(sums: Values, w: Values, sizes: NDArray[np.int64]) -> Values:
    """Return silhouettes from the sums of distances to each cluster, (k, n), which it changes."""
    k, n = sums.shape
    ends = np.cumsum(sizes)
    spans = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    own_cluster = np.repeat(np.arange(k), sizes), np.arange(n)
    others = np.concatenate([_total_of_others(w[span]) for span in spans])
    is_alone = others == 0
    within = sums[own_cluster] / np.where(is_alone, 1.0, others)
    sums /= np.array([[w[span].sum()] for span in spans])
    sums[own_cluster] = np.inf
    between = sums.min(axis=0)
    largest = np.maximum(within, between)
    is_zero = is_alone | (largest == 0)
    silhouettes: Values = np.where(is_zero, 0.0, between - within) / np.where(is_zero, 1.0, largest)
    return silhouettes


def _total_of_others(w: Values) -> Values:
    """Return the total weight of the other rows, for each row of a cluster."""
    others: Values = w.sum() - w
    heaviest = w.argmax()  # the difference may have lost the digits of the others
    others[heaviest] = w[:heaviest].sum() + w[heaviest + 1 :].sum()
    return others


def _in_range(x: Sample) -> Sample:
    """Return the rows, scaled up if their squares could underflow."""
    if isinstance(x, QuantizedRows):
        return x
    largest = float((x.max(axis=0) - x.min(axis=0)).max())
    if largest == 0 or largest >= _LEAST_RANGE:
        return x
    scaled: Sample = np.ldexp(x - x[0], -np.frexp(largest)[1])
    return scaled


def _squared_sums(
    x: Sample, sizes: NDArray[np.int64], w: Values, n_threads: int, progress: Progress | None
) -> Values:
    """Return the sums of squared distances of all rows to those of each cluster, (k, n)."""
    # For a cluster of mean c and weight W they are W‖xᵢ − c‖² + Σⱼ wⱼ‖xⱼ − c‖².
    labels = np.arange(len(sizes))
    weights = Weights(w, np.zeros_like(sizes))
    clusters = labelled_rows.Clusters(x, np.repeat(labels, sizes), labels, weights)
    means = labelled_rows.means(clusters, n_threads, progress)
    sums = backend.current().center_squares(x, means.anchors, means.offsets, n_threads, progress)
    for part in boxes(sums.shape, READ):
        sums[part] *= means.weights[part[0], None]
        sums[part] += means.wcss[part[0], None]
    return sums

"""Score a clustering, by Calinski and Harabasz, Davies and Bouldin, or Dunn."""

from __future__ import annotations

import math

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.types import Values
from fastdiv.clusters import labelled_rows
from fastdiv.clusters.silhouettes import sorted_clusters

_COINCIDING = 64 * np.finfo(np.float64).eps
"""Distance of two means, relative to the sizes of their clusters, that may be rounding of 0."""

_FEW_FREE = 1e-3
"""Ratio of n − k, the degrees of freedom, to n below which the rounding of n would matter."""


@documented
def calinski_harabasz_score(
    x: object, labels: object, *, sample_weight: object = None, noise_label: object = None,
    nan_policy: str = "raise", n_threads: int | None = None,
) -> float:  # fmt: skip
    """
    Compute the Calinski–Harabasz score (BCSS/(k − 1)) / (WCSS/(n − k)), where more is better.

    The value is that of scikit-learn's function, which is 1.0 for WCSS = 0. Time is O(n d).

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (n, ...)
        Rows, as in `cluster_dispersion`.
    labels : array_like, shape (n,)
        Cluster of each row, as in `cluster_dispersion`. There must be from 2 to n − 1 clusters.
    sample_weight : array_like, shape (n,), optional
        Finite weights ≥ 0, which count as copies of a row, as in `cluster_dispersion`. Their sum n
        must exceed k.
    noise_label : label, optional
        Rows with this label are left out.
    nan_policy, n_threads
        As in `cluster_dispersion`.

    {score}

    References
    ----------
    T. Caliński, J. Harabasz, "A dendrite method for cluster analysis", Commun. Stat. 3 (1974)
    1–27.

    Examples
    --------
    >>> from fastdiv import calinski_harabasz_score
    >>> calinski_harabasz_score([0.0, 2.0, 10.0, 12.0], [0, 0, 1, 1])
    50.0
    """
    clusters = labelled_rows.read(x, labels, sample_weight, noise_label, nan_policy)
    k, _ = labelled_rows.require_several(clusters.codes, clusters.labels)
    means = labelled_rows.means(clusters, _inputs.threads(n_threads), None)
    n, wcss = clusters.total(means.weights), clusters.total(means.wcss)
    freedom = n - k
    if clusters.weights is not None and abs(freedom) < _FEW_FREE * n:
        w, exponents = clusters.weights
        counted = clusters.codes >= 0
        weights = np.ldexp(w[counted], exponents[clusters.codes[counted]])
        freedom = math.fsum([*weights, -k])
    if freedom <= 0:
        raise ValueError(f"sample_weight must add up to more than the {k} clusters; got {n}")
    score = 1.0 if wcss == 0 else means.bcss() / (k - 1) / (wcss / freedom)
    if score < float("inf"):
        return score
    raise OverflowError(f"the score overflows; {labelled_rows.scaling_advice(clusters)}")


@documented
def davies_bouldin_score(
    x: object, labels: object, *, sample_weight: object = None, noise_label: object = None,
    nan_policy: str = "raise", n_threads: int | None = None,
) -> float:  # fmt: skip
    """
    Compute the Davies–Bouldin score, which is ≥ 0 and where less is better.

    The score is the mean over the clusters c of max_{b ≠ c} (s_b + s_c)/‖m_b − m_c‖. Here s_c is
    the mean distance of the rows of c to their mean m_c. Means that are equal up to rounding count
    as infinitely far apart, as in scikit-learn's function. The value differs from that function's
    where rounding decides which means are equal, and where its absolute tolerance of 1e-8 turns
    small units into 0. Time is O((n + k²) d).

    Parameters
    ----------
    x, labels, noise_label, nan_policy, n_threads
        As in `calinski_harabasz_score`.
    sample_weight : array_like, shape (n,), optional
        Finite weights ≥ 0, as in `cluster_dispersion`.

    {score}

    References
    ----------
    D. L. Davies, D. W. Bouldin, "A cluster separation measure", IEEE Trans. Pattern Anal.
    Mach. Intell. 1 (1979) 224–227.

    Examples
    --------
    >>> from fastdiv import davies_bouldin_score
    >>> davies_bouldin_score([0.0, 2.0, 10.0, 12.0], [0, 0, 1, 1])
    0.2
    """
    clusters = labelled_rows.read(x, labels, sample_weight, noise_label, nan_policy)
    labelled_rows.require_several(clusters.codes, clusters.labels)
    threads = _inputs.threads(n_threads)
    means = labelled_rows.means(clusters, threads, None)
    sums = labelled_rows.sums(clusters, means.anchors, means.offsets, "euclidean", threads, None)
    spread = sums[:, 3] / means.weights
    size = spread + np.sqrt((means.offsets**2).sum(axis=1))  # of the numbers that were rounded
    worst = np.zeros(len(spread))
    for c in range(len(worst)):
        apart = _lengths(means.relative(c))
        distinct = apart > _COINCIDING * (size + size[c])
        worst[c] = np.divide(
            spread + spread[c], apart, out=np.zeros_like(apart), where=distinct
        ).max()
    return float(worst.mean())


def _lengths(rows: Values) -> Values:
    """Return Euclidean lengths whose squares may be out of range."""
    largest = np.abs(rows).max(axis=1)
    unit = np.where(largest > 0, largest, 1.0)
    lengths: Values = largest * np.sqrt(((rows / unit[:, None]) ** 2).sum(axis=1))
    return lengths


@documented
def dunn_index(
    x: object, labels: object, *, metric: str = "euclidean", noise_label: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> float:  # fmt: skip
    """
    Compute Dunn's index, the least distance between clusters over the largest within one.

    It is the minimum of d(i, j) over rows i and j of different clusters, divided by the maximum
    over rows of one cluster. Above 1, every row is nearer to all rows of its cluster than to any
    other row.

    Time is O(n² d), and memory that of a copy of x.

    Parameters
    ----------
    x, labels, metric, n_threads, progress
        As in `silhouette_samples`.
    noise_label : optional
        Rows with this label, often −1, are left out.
    {nan_policy}

    Returns
    -------
    float
        Index >= 0, without unit. It is infinite if all clusters are single points.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or both distances are 0.
    OverflowError
        If distances, or the index, are too large for float64.

    References
    ----------
    J. C. Dunn, "Well-separated clusters and optimal fuzzy partitions", J. Cybern. 4 (1974) 95–104.

    Examples
    --------
    >>> from fastdiv import dunn_index
    >>> dunn_index([0.0, 1.0, 9.0, 11.0], ["a", "a", "b", "b"])
    4.0
    """
    clusters = sorted_clusters(x, labels, metric, None, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    within, between = backend.current().label_extremes(
        clusters.rows,
        "cityblock" if clusters.metric == "cityblock" else "euclidean",
        clusters.sizes,
        threads,
        report,
    )
    if not (within < float("inf") and between < float("inf")):
        raise OverflowError("a distance overflows; scale the data")
    if within == 0:
        if between == 0:
            raise ValueError(
                "labels must tell clusters apart: their rows are equal within clusters, and two "
                "clusters are at the same point; merge these"
            )
        return float("inf")
    ratio = between / within
    index = ratio * ratio if clusters.metric == "sqeuclidean" else ratio
    if index == float("inf"):
        raise OverflowError(
            "the index is too large for float64: clusters are all but points; "
            "for metric='sqeuclidean' it is the square of that for 'euclidean'"
        )
    return index

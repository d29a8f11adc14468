"""Dunn's index of a clustering: the smallest gap over the largest diameter."""

from __future__ import annotations

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv.clusters.silhouettes import sorted_clusters


def dunn_index(
    x: object,
    labels: object,
    *,
    metric: str = "euclidean",
    noise_label: object = None,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> float:
    """
    Compute Dunn's index: the least distance between clusters over the largest within one.

    It is the minimum of d(i, j) over the rows i and j of different clusters, divided by the maximum
    over those of one. Above 1, every row is nearer to all rows of its cluster than to any other.

    Time is O(n² d), memory that of a copy of x.

    Parameters
    ----------
    x, labels, metric, n_threads, progress
        As in `silhouette_samples`.
    noise_label : optional
        Rows with this label, often −1, count as left out.
    nan_policy : {"raise", "omit"}, default "raise"
        Refuse NaN and infinite values, or drop the rows that hold them.

    Returns
    -------
    float
        Index >= 0, without unit; infinite if all clusters are single points.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or both distances are 0.
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

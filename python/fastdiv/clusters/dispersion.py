"""Measure the dispersion within clusters: WCSS and the three objectives it is confused with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.results import Result
from fastdiv._engine.types import Values
from fastdiv._sums import metrics
from fastdiv.clusters import labelled_rows
from fastdiv.clusters.geometric_medians import DEFAULT_TOLERANCE, MAX_ITERATIONS, find_medians
from fastdiv.clusters.labelled_rows import Clusters
from fastdiv.clusters.pair_sums import cluster_pair_sums

_CENTERS = ("mean", "geometric_median")
_METHODS = ("centroid", "pairwise")
_SUMS = {"euclidean": "euclidean", "cityblock": "l1"}
"""Names of the sums of distances in the engine."""


@dataclass(frozen=True, eq=False)
class ClusterDispersion(Result):
    """
    Dispersion within clusters, by every objective with such a name.

    For a cluster c with n_c rows x of weights w, W_c = Σ w, and centre c, the objectives are

    1. `wcss`: Σ w ‖x − c‖², the within-cluster sum of squares ("inertia").
    2. `mse`: WCSS_c / W_c. For all clusters it is `total_mse` = WCSS / W, also called quantisation
       error.
    3. `sum_dist`: Σ w D(x, c), unsquared. The tables of papers on metaheuristic clustering print
       this as "MSE", "fitness" or "intra-cluster distance".
    4. `pair_sum_sq` and `pair_sum`: Σ over pairs i < j of wᵢwⱼ‖xᵢ − xⱼ‖² and wᵢwⱼ D(xᵢ, xⱼ). About
       the means, pair_sum_sq_c = W_c WCSS_c, so it tells nothing new. No such identity is known
       for unsquared distances.

    Attributes
    ----------
    labels : ndarray, shape (k,)
        Distinct labels without the noise label, in ascending order. Pandas categoricals keep the
        order of their categories. The arrays below are in this order, and read-only.
    sizes : ndarray of int64, shape (k,)
        n_c, the rows of each cluster, but for those of weight 0.
    weights : ndarray of float64, shape (k,)
        W_c, or n_c without weights.
    centers : ndarray of float64, shape (k, d)
        Centres used.
    wcss, mse, sum_dist : ndarrays of float64, shape (k,)
        As above. `sum_dist` has the units of the data, the others their squares. All are 0 for a
        cluster of one row at its own centre, and for a cluster without rows.
    pair_sum_sq, pair_sum : ndarrays of float64, shape (k,), or None
        As above. They are 0 for clusters of at most one row, and None if not asked for.
    total_wcss, total_mse, total_sum_dist : float
        Σ WCSS_c, Σ WCSS_c / Σ W_c and Σ sum_dist_c.
    bcss : float
        Between-cluster sum of squares Σ W_c ‖m_c − m‖², with the means m_c of the clusters and m
        of all rows, for any centres.
    total_ss : float
        Σ w ‖x − m‖². About the means total_ss = total_wcss + bcss.
    metric : str
        Metric of D: "euclidean" or "cityblock".

    Examples
    --------
    >>> from fastdiv import cluster_dispersion
    >>> result = cluster_dispersion([0.0, 2.0, 10.0, 13.0, 16.0], list("aabbb"), pairs=True)
    >>> result.wcss, result.sum_dist, result.pair_sum
    (array([ 2., 18.]), array([2., 6.]), array([ 2., 12.]))
    >>> result.total_wcss, result.total_mse, result.total_sum_dist
    (20.0, 4.0, 8.0)
    """

    labels: NDArray[Any]
    sizes: NDArray[np.int64]
    weights: Values
    centers: Values = field(repr=False)
    wcss: Values
    mse: Values
    sum_dist: Values
    pair_sum_sq: Values | None
    pair_sum: Values | None
    total_wcss: float
    total_mse: float
    total_sum_dist: float
    bcss: float
    total_ss: float
    metric: str


@documented
def cluster_dispersion(
    x: object, labels: object, *, centers: object = "mean", sample_weight: object = None,
    metric: str = "euclidean", pairs: bool = False, noise_label: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> ClusterDispersion:  # fmt: skip
    """
    Measure the dispersion within clusters by all four objectives at once.

    `ClusterDispersion` lists the objectives and their formulas. Sums are in float64 for any dtype
    of the data, about a row of the cluster, so that data far from the origin lose no digits. Time
    is O(n d), or O(Σ n_c² d) with ``pairs=True``. Memory is O(n + k d), and for pairs a copy of one
    cluster at a time. Integer labels 0, ..., k−1, with or without the noise label −1, are not
    copied if they are int32 or int64.

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (n, ...)
        Rows. Trailing axes are flattened to d features, and 1-D means scalars.
    labels : array_like, shape (n,)
        Cluster of each row: integers, booleans, text, times, categories of pandas or polars, or
        floats that are integers. None and NaN are errors, and so is text among numbers. Labels and
        weights with an index of pandas are matched with that of x by its keys. Both may be frames
        with one column.
    centers : {"mean", "geometric_median"} or array_like, shape (k, d), default "mean"
        Centres to measure from. The mean minimises `wcss`, and the geometric median minimises
        `sum_dist` for the Euclidean metric. None stands for "mean". Integer labels name rows of a
        given array, 0 to k − 1, and rows without a label are empty clusters. Labels of other kinds
        belong to the rows in order, and there must be k of them. Columns of frames go by name.
        An index of pandas names the label of each row: it must hold every label once, and no other
        key, but that integers from 0 to k − 1 may include some without rows. The index 0, 1, ...
        that pandas makes by itself (RangeIndex) names nothing, and text labels then go by order.
    sample_weight : array_like, shape (n,), optional
        Finite weights ≥ 0, not all 0 in a cluster. An integer weight counts as that many copies of
        the row. A row of weight 0 is left out of everything and may hold NaN.
    metric : {"euclidean", "cityblock", "manhattan"}, default "euclidean"
        Metric D of `sum_dist` and `pair_sum`: L2, or L1 under two names. Squared distances are
        always Euclidean.
    pairs : bool, default False
        Compute `pair_sum_sq` and `pair_sum` too, in O(n²) time. Distances are computed in the dtype
        of the data, with relative errors up to 1e-5 for float32.
    noise_label : label, optional
        Rows with this label, often −1, are left out of everything and may hold NaN. It must have
        the kind of the labels: a number, text, a time and so on. No row needs to have it.
    {nan_policy}
    {n_threads}
    {progress}
        Every pass counts from 0. The pairs of all clusters are one pass.

    Returns
    -------
    ClusterDispersion
        Objectives per cluster and in total.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, all weights of a cluster are 0, or squares of differences
        underflow.
    {squares_overflow}

    Warns
    -----
    RuntimeWarning
        If a geometric median is not found to the tolerance of `geometric_median`.

    References
    ----------
    H. Späth, Cluster Analysis Algorithms, Ellis Horwood (1980), chapter 3, for the identity
    of pairs and centroid.

    Examples
    --------
    >>> from fastdiv import cluster_dispersion
    >>> x = [[0.0, 0.0], [0.0, 2.0], [5.0, 0.0], [9.0, 9.0]]
    >>> result = cluster_dispersion(x, [0, 0, 1, -1], noise_label=-1)
    >>> result.sizes, result.wcss, result.bcss, result.total_ss
    (array([2, 1]), array([2., 0.]), 17.333333333333332, 19.333333333333332)
    """
    metric = metrics.metric_name(metric)
    pairs = _inputs.flag(pairs, "pairs")
    clusters = labelled_rows.read(x, labels, sample_weight, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    given = None
    if isinstance(centers, str) or centers is None:
        kind = _inputs.choice("mean" if centers is None else centers, _CENTERS, "centers")
    else:
        kind = "given"
        given, clusters = _given_centers(x, centers, clusters)
    means = labelled_rows.means(clusters, threads, report, given)
    anchors, offsets = means.anchors, means.offsets
    if given is not None:
        anchors, offsets = given, np.zeros_like(given)
    elif kind == "geometric_median":
        median = find_medians(clusters, means, DEFAULT_TOLERANCE, MAX_ITERATIONS, threads, report)
        anchors, offsets = median.anchors, median.offsets
    sums = labelled_rows.sums(clusters, anchors, offsets, _SUMS[metric], threads, report)
    wcss = means.wcss if kind == "mean" else sums[:, 2]
    both: list[Values | None] = [None, None]
    if pairs:
        both = [
            np.array(clusters.restored(pair_sums, 2, "a sum over pairs"))
            for pair_sums in cluster_pair_sums(clusters, metric, threads, report)
        ]
    total_wcss = clusters.total(wcss)
    bcss = means.bcss()
    return ClusterDispersion(
        labels=np.array(clusters.labels),
        sizes=np.array(means.sizes),
        weights=np.array(clusters.restored(means.weights)),
        centers=np.array(anchors + offsets),
        wcss=np.array(clusters.restored(wcss)),
        mse=np.array(wcss / np.where(means.weights > 0, means.weights, 1.0)),
        sum_dist=np.array(clusters.restored(sums[:, 3])),
        pair_sum_sq=both[0],
        pair_sum=both[1],
        total_wcss=total_wcss,
        total_mse=total_wcss / clusters.total(means.weights),
        total_sum_dist=clusters.total(sums[:, 3]),
        bcss=bcss,
        total_ss=bcss + clusters.total(means.wcss),
        metric=metric,
    )


@documented
def wcss(
    x: object, labels: object, *, method: str = "centroid", sample_weight: object = None,
    noise_label: object = None, nan_policy: str = "raise", n_threads: int | None = None,
    progress: object = None,
) -> float:  # fmt: skip
    """
    Compute the within-cluster sum of squares Σ_c Σ w ‖x − m_c‖² about the means.

    ``method="pairwise"`` computes it as Σ_c (1/W_c) Σ_{i<j} wᵢwⱼ‖xᵢ − xⱼ‖² instead. The sum over
    *ordered* pairs is 2 W_c WCSS_c, and its mean over n_c² pairs is 2 WCSS_c / n_c. Both methods
    agree to 1e-12 for float64 and 1e-5 for float32, also far from the origin.

    Parameters
    ----------
    x, labels
        As in `cluster_dispersion`.
    method : {"centroid", "pairwise"}, default "centroid"
        "centroid" takes O(n d) time, and "pairwise" O(Σ n_c² d). Both take O(n + k d) memory, and
        "pairwise" a copy of one cluster at a time.
    sample_weight, noise_label, nan_policy, n_threads, progress
        As in `cluster_dispersion`.

    Returns
    -------
    float
        WCSS in the squared units of the data.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or all weights of a cluster are 0.
    {squares_overflow}

    Examples
    --------
    >>> from fastdiv import wcss
    >>> wcss([0.0, 2.0, 10.0, 13.0, 16.0], [0, 0, 1, 1, 1])
    20.0
    >>> wcss([0.0, 2.0, 10.0, 13.0, 16.0], [0, 0, 1, 1, 1], method="pairwise")
    20.0

    scikit-learn passes rows before labels:

    >>> from sklearn.cluster import KMeans
    >>> from sklearn.metrics import make_scorer
    >>> rows = [[0.0], [2.0], [10.0], [12.0]]
    >>> scorer = make_scorer(wcss, greater_is_better=False)
    >>> float(scorer(KMeans(2, n_init=5, random_state=0).fit(rows), rows, rows))
    -4.0
    """
    method = _inputs.choice(method, _METHODS, "method")
    clusters = labelled_rows.read(x, labels, sample_weight, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    means = labelled_rows.means(clusters, threads, report)
    if method == "centroid":
        return clusters.total(means.wcss)
    squares, _ = cluster_pair_sums(clusters, "euclidean", threads, report)
    return clusters.total(squares / means.weights)


def _given_centers(x: object, centers: object, clusters: Clusters) -> tuple[Values, Clusters]:
    """Return the given centres, and the clusters with the rows of the centres as their numbers."""
    a = _inputs.matrix(centers, "centers")
    if a.shape[1] != clusters.x.shape[1]:
        raise ValueError(
            "centers and x must have the same number of features; "
            f"got {a.shape[1]} and {clusters.x.shape[1]}"
        )
    if (order := _inputs.column_orders({"x": x, "centers": centers}).get("centers")) is not None:
        a = _inputs.in_order(a, order)
    at: Values = _inputs.finite(a, "centers", advice="clean the data").astype(np.float64)
    rows, codes, labels, weights = clusters
    by_label = _inputs.label_order(centers, "centers", labels)
    if by_label is not None:
        at = at[by_label]
        if len(at) == len(labels):
            return at, clusters
    if labels.dtype.kind not in "iuf":
        if len(labels) != len(at):
            raise ValueError(
                "centers must have one row per label that is not an integer; "
                f"got {len(at)} rows for {len(labels)} labels"
            )
        return at, clusters
    wrong = (labels < 0) | (labels >= len(at))
    if wrong.any():
        raise ValueError(
            f"labels must be rows of centers, 0 to {len(at) - 1}; got "
            f"{_inputs.shown(labels[wrong].tolist()[0])}: pass the label of noise as noise_label"
        )
    numbers = np.append(labels.astype(np.int64), -1)  # the last entry is for code -1
    if weights is not None:
        exponents = np.full(len(at), weights.exponents.max())
        exponents[numbers[:-1]] = weights.exponents
        weights = weights._replace(exponents=exponents)
    return at, Clusters(rows, numbers[codes], np.arange(len(at)).astype(labels.dtype), weights)

"""Geometric medians of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _clusters, _inputs, _progress
from fastdiv._backend import Progress, Values
from fastdiv._clusters import Clusters

DEFAULT_TOLERANCE = 1e-8
MAX_ITERATIONS = 10_000

_TRY_ROWS_EVERY = 8
"""Iterations between looks at the nearest row."""

_AT_ONCE = 1 << 18
"""Values in a block of rows."""


@dataclass(frozen=True, eq=False)
class GeometricMedian:
    """
    Geometric medians, and how near to the optimum they are.

    Attributes
    ----------
    labels : ndarray, shape (k,)
        Distinct labels in ascending order. All arrays are read-only.
    centers : ndarray of float64, shape (k, d)
        Geometric median of each cluster.
    sum_dist : ndarray of float64, shape (k,)
        Σ w ‖x − c‖ at the centres.
    gap : ndarray of float64, shape (k,)
        At most so far, relative to it, `sum_dist` is above its minimum: proven by a
        subgradient, up to rounding.
    n_iterations : int
        Passes over the rows.

    Examples
    --------
    >>> from fastdiv import geometric_median
    >>> found = geometric_median([0.0, 1.0, 10.0])
    >>> found.centers, found.sum_dist, found.gap
    (array([[1.]]), array([10.]), array([0.]))
    """

    labels: NDArray[Any]
    centers: Values
    sum_dist: Values
    gap: Values
    n_iterations: int

    def __post_init__(self) -> None:
        for each in (self.labels, self.centers, self.sum_dist, self.gap):
            each.flags.writeable = False


def geometric_median(
    x: object,
    labels: object = None,
    *,
    sample_weight: object = None,
    tolerance: float = DEFAULT_TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    noise_label: object = None,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> GeometricMedian:
    """
    Find the point of least summed Euclidean distance to the rows, for each cluster.

    Weiszfeld's algorithm from the mean, all clusters side by side: with the pull
    R = Σ w (x − c)/‖x − c‖ over the rows x ≠ c and the weight η of the rows at c, the step is
    max(0, 1 − η/‖R‖) R / Σ w/‖x − c‖, which leaves a row that is not the median (Vardi and
    Zhang). Now and then the row nearest to c is tried, because a median that is a row is
    approached without ever being reached. A cluster is done when the subgradient g =
    max(0, ‖R‖ − η) is small: the objective f is then within the share 2g/W of its minimum,
    since the minimum lies within 2f/W of c.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Rows, as in `cluster_dispersion`; `QuantizedRows` are refused.
    labels : array_like, shape (n,), optional
        Cluster of each row, as in `cluster_dispersion`; None stands for one cluster, with the
        label 0.
    sample_weight : array_like, shape (n,), optional
        Finite weights ≥ 0.
    tolerance : float, default 1e-8
        Largest accepted `gap`, > 0. Rounding sets a limit of some 1e-14.
    max_iterations : int, default 10000
        Passes over the rows at most.
    noise_label : label, optional
        Rows with this label are left out.
    nan_policy : {"raise", "omit"}, default "raise"
        As in `cluster_dispersion`.
    n_threads : int, optional
        Number of threads; see `set_num_threads`. Results do not depend on it.
    progress : bool or callable, optional
        As in `cluster_dispersion`.

    Returns
    -------
    GeometricMedian
        Centres, objective and proven gap per cluster.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or all weights of a cluster are 0.
    OverflowError
        If squares overflow.
    RuntimeError
        If the tolerance is not reached within `max_iterations`.

    References
    ----------
    Y. Vardi, C.-H. Zhang, "The multivariate L1-median and associated data depth", Proc. Natl.
    Acad. Sci. 97 (2000) 1423–1426, equations 2.6 to 2.8.

    Examples
    --------
    >>> from fastdiv import geometric_median
    >>> square = [[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]]
    >>> geometric_median(square).centers
    array([[1., 1.]])
    """
    tolerance = _inputs.positive(tolerance, "tolerance")
    most = _inputs.integer(max_iterations, "max_iterations", 1)
    if labels is None:
        labels = np.zeros(len(_inputs.matrix(x, "x")), dtype=np.int64)
    clusters = _clusters.read(x, labels, sample_weight, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), _progress.reporter(progress)
    means = _clusters.means(clusters, threads, report)
    return weiszfeld(clusters, means.anchors + means.offsets, tolerance, most, threads, report)


def weiszfeld(
    clusters: Clusters,
    centers: Values,
    tolerance: float,
    max_iterations: int,
    n_threads: int,
    progress: Progress | None,
) -> GeometricMedian:
    """Find the geometric medians from `centers`, as `geometric_median` does."""
    centers = centers.copy()
    k = len(centers)
    sum_dist, gap = np.full(k, np.inf), np.full(k, np.inf)
    active = np.ones(k, dtype=np.bool_)
    rest = clusters
    total = _clusters.sums(clusters, centers, "squares", n_threads, progress)[:, 1]
    for iteration in range(1, max_iterations + 1):
        if iteration % _TRY_ROWS_EVERY == 0:
            trial = _nearest_rows(rest, centers)
            tried = _clusters.sums(rest, trial, "directions", n_threads, progress)
            better = active & (tried[:, 3] <= sum_dist)
            centers[better] = trial[better]
        sums = _clusters.sums(rest, centers, "directions", n_threads, progress)
        pull = np.sqrt((sums[:, 4:] ** 2).sum(axis=1))
        excess = np.maximum(0.0, pull - sums[:, 2])
        sum_dist[active] = sums[active, 3]
        gap[active] = 2 * excess[active] / total[active]
        done = active & (gap <= tolerance)
        if done.any():
            active &= ~done
            if not active.any():
                return GeometricMedian(clusters.labels, centers, sum_dist, gap, iteration)
            open_rows = (rest.codes >= 0) & active[rest.codes]
            rest = rest._replace(codes=np.where(open_rows, rest.codes, -1))
        step = excess[active] / pull[active] / sums[active, 1]
        centers[active] += step[:, None] * sums[active, 4:]
    worst = int(gap.argmax())
    raise RuntimeError(
        f"the geometric median of label {clusters.labels.tolist()[worst]!r} is not found to "
        f"tolerance {tolerance:g} in {max_iterations} iterations: the gap is {gap[worst]:.2g}; "
        "raise tolerance or max_iterations"
    )


def _nearest_rows(clusters: Clusters, centers: Values) -> Values:
    """Return the row of each cluster that is nearest to its centre; the centre without rows."""
    x, codes, _, _ = clusters
    least = np.full(len(centers), np.inf)
    nearest: Values = centers.copy()
    step = max(1, _AT_ONCE // x.shape[1])
    for start in range(0, len(x), step):
        kept = start + np.flatnonzero(codes[start : start + step] >= 0)
        of, rows = codes[kept], x[kept].astype(np.float64)
        squares = ((rows - centers[of]) ** 2).sum(axis=1)
        before = least.copy()
        np.minimum.at(least, of, squares)
        at = np.flatnonzero((squares == least[of]) & (squares < before[of]))[::-1]
        nearest[of[at]] = rows[at]  # of several the last counts: the first row
    return nearest

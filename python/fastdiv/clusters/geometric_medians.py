"""Find the geometric medians of clusters."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.results import Result
from fastdiv._engine.types import Progress, Values
from fastdiv.clusters import labelled_rows
from fastdiv.clusters.labelled_rows import Clusters, Means

DEFAULT_TOLERANCE = 1e-8
"""Largest relative distance of a sum of distances from its minimum, above rounding in float64."""

MAX_ITERATIONS = 10_000
"""Passes over the rows, after which the search ends with a warning."""

_TRY_ROWS_EVERY = 8
"""Passes between trials of the nearest row."""

_PAIRS = 6
"""Past steps from which the curvature is estimated."""

_LEAST_CURVATURE = 1e-12
"""Least curvature, relative to that of Weiszfeld's step. Between rows on a line it may be 0."""

_SHARE = 0.1
"""Least descent of any other step, relative to the one that Weiszfeld's step promises."""

_FAILURES = 3
"""Failed steps, each a quarter of the one before, after which Weiszfeld's step is taken."""

_ROUNDING = 1e-14
"""Relative rounding error of a sum of distances."""


@dataclass(frozen=True, eq=False)
class GeometricMedian(Result):
    """
    Geometric medians, and a bound of their distance from the optimum.

    Attributes
    ----------
    labels : ndarray, shape (k,)
        Distinct labels in ascending order. All arrays are read-only.
    centers : ndarray of float64, shape (k, d)
        Geometric median of each cluster.
    sum_dist : ndarray of float64, shape (k,)
        Σ w ‖x − c‖ at the centres.
    gap : ndarray of float64, shape (k,)
        Largest relative distance of `sum_dist` from its minimum, proven by a subgradient, up to
        rounding.
    n_iterations : int
        Passes over the rows.

    Examples
    --------
    >>> from fastdiv import geometric_median
    >>> result = geometric_median([0.0, 1.0, 10.0])
    >>> result.centers, result.sum_dist, result.gap
    (array([[1.]]), array([10.]), array([0.]))
    """

    labels: NDArray[Any]
    centers: Values
    sum_dist: Values
    gap: Values
    n_iterations: int


@documented
def geometric_median(
    x: object, labels: object = None, *, sample_weight: object = None,
    tolerance: float = DEFAULT_TOLERANCE, max_iterations: int = MAX_ITERATIONS,
    noise_label: object = None, nan_policy: str = "raise", n_threads: int | None = None,
    progress: object = None,
) -> GeometricMedian:  # fmt: skip
    """
    Find the point of least summed Euclidean distance to the rows, for each cluster.

    The search starts at the mean, with all clusters side by side. Let R = Σ w (x − c)/‖x − c‖ be
    the pull of the rows x ≠ c. Let η be the weight of the rows at c, and D = Σ w/‖x − c‖.
    Weiszfeld's step max(0, 1 − η/‖R‖) R / D leaves a row that is not the median (Vardi and Zhang).
    It never ascends, but it is slow if most rows lie along a line through c. The Hessian
    Σ w/‖x − c‖ (I − uuᵀ), with the directions u to the rows, then has one eigenvalue near 0. Its
    trace is (d − 1) D and no eigenvalue exceeds D, so at most one is below D/2.

    The steps are therefore those of the limited-memory BFGS method, with D as the first curvature.
    A step is taken if it descends by at least a tenth of what Weiszfeld's step promises. Else a
    quarter of it is tried, and in the end Weiszfeld's step. Sometimes the row nearest to c is
    tried, because steps approach a median that is a row but never reach it. If rounding of far
    distances hides any descent, the median row along the direction of descent is tried.

    A cluster is done when the subgradient g = max(0, ‖R‖ − η) is small. The objective f is then
    within the share 2g/W of its minimum, since the minimum lies within 2f/W of c. Some 10 to 30
    passes are usual. Centres are offsets from a row nearby, so that data far from the origin lose
    no digits. Distances below 1e-150 may count as 0. Memory is O(n + k d).

    Parameters
    ----------
    x, sample_weight, noise_label, nan_policy, n_threads, progress
        As in `cluster_dispersion`.
    labels : array_like, shape (n,), optional
        Cluster of each row, as in `cluster_dispersion`. None stands for one cluster, with the
        label 0.
    tolerance : float, default 1e-8
        Largest accepted `gap`, > 0. Rounding limits it to some 1e-14, or to more if few far rows
        make up most of f.
    max_iterations : int, default 10000
        Largest number of passes over the rows.

    Returns
    -------
    GeometricMedian
        Centre, objective and proven gap of each cluster.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or all weights of a cluster are 0.
    {squares_overflow}

    Warns
    -----
    RuntimeWarning
        If the tolerance is not reached, within `max_iterations` or because of rounding. The result
        holds the best centres, and their proven `gap`.

    References
    ----------
    Y. Vardi, C.-H. Zhang, "The multivariate L1-median and associated data depth", Proc. Natl.
    Acad. Sci. 97 (2000) 1423–1426, equations 2.6 to 2.8.

    J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., Springer (2006), algorithm 7.4.

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
        labels = np.zeros(len(labelled_rows.rows_of(x)), dtype=np.int64)
    clusters = labelled_rows.read(x, labels, sample_weight, noise_label, nan_policy)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    means = labelled_rows.means(clusters, threads, report)
    result = find_medians(clusters, means, tolerance, most, threads, report)
    centers = result.anchors + result.offsets
    sum_dist = clusters.restored(result.sum_dist)
    return GeometricMedian(clusters.labels, centers, sum_dist, result.gap, result.n_iterations)


class Medians(NamedTuple):
    """
    Geometric medians, which are `anchors` + `offsets` as in `Means`, and their proof.

    The sums of distances are those of the normalised weights.
    """

    anchors: Values
    offsets: Values
    sum_dist: Values
    gap: Values
    n_iterations: int


def find_medians(
    clusters: Clusters,
    means: Means,
    tolerance: float,
    max_iterations: int,
    n_threads: int,
    progress: Progress | None,
) -> Medians:
    """Like `geometric_median`, but for checked rows and their means."""
    anchors, goal = means.anchors, tolerance / 2 * means.weights
    remaining = clusters

    def point_at(anchors: Values, offsets: Values) -> _Point:
        sums = labelled_rows.sums(remaining, anchors, offsets, "directions", n_threads, progress)
        return _Point.of(sums, offsets)

    best, passes = point_at(anchors, means.offsets), 1
    active = best.excess > goal
    pairs: deque[_Pair] = deque(maxlen=_PAIRS)
    step, failures = np.zeros_like(anchors), np.zeros(len(anchors), dtype=np.int64)
    while active.any() and passes < max_iterations:
        remaining = _only(remaining, active)
        plain = failures > _FAILURES
        step = np.where((failures > 0)[:, None], step / 4, best.bfgs_step(pairs, means.weights))
        step = np.where(plain[:, None], best.weiszfeld_step(), step)
        new = point_at(anchors, best.offsets + step)
        passes += 1
        taken = active & best.falls_to(new, np.where(plain, 0.0, _SHARE))
        pairs.append(_Pair.between(best, new, taken))
        best.replace(new, taken)
        failures = np.where(taken, 0, failures + 1)
        stuck = active & plain & ~taken
        if passes < max_iterations and (stuck.any() or passes % _TRY_ROWS_EVERY == 0):
            nearest = _nearest_rows(remaining, anchors, best.offsets)
            best.offsets += anchors - nearest  # a small difference, with little rounding
            anchors = nearest
            new = point_at(anchors, np.zeros_like(anchors))
            passes += 1
            taken = active & best.falls_to(new, 0.0)
            best.replace(new, taken)
            stuck &= ~taken
            if stuck.any() and passes < max_iterations:
                rows = _median_rows(_only(remaining, stuck), anchors, best.offsets, best.descent)
                new = point_at(rows, np.zeros_like(rows))
                passes += 1
                lower = stuck & best.falls_to(new, 0.0)
                best.replace(new, lower)
                anchors = np.where(lower[:, None], rows, anchors)
                taken |= lower
            failures[taken] = 0
            active &= taken | ~stuck  # rounding lets the others come no lower
        active &= best.excess > goal
    gap = 2 * best.excess / means.weights
    if (gap > tolerance).any():
        _warn(clusters.labels, gap, tolerance, passes)
    return Medians(anchors, best.offsets, best.sum_dist, gap, passes)


@dataclass
class _Point:
    """A point in each cluster, with its objective and subgradient from one pass."""

    offsets: Values
    sum_dist: Values
    rate: Values  # D
    excess: Values  # length of the subgradient
    descent: Values  # minus the subgradient

    @classmethod
    def of(cls, sums: Values, offsets: Values) -> _Point:
        """Return the points at offsets from the anchors, from the sums there."""
        pull = np.sqrt((sums[:, 4:] ** 2).sum(axis=1))
        excess = np.maximum(0.0, pull - sums[:, 2])
        descent = _ratio(excess, pull)[:, None] * sums[:, 4:]
        return cls(offsets.copy(), sums[:, 3], sums[:, 1], excess, descent)

    def replace(self, new: _Point, where: NDArray[np.bool_]) -> None:
        """Take over the new points of some clusters."""
        for old_values, new_values in zip(vars(self).values(), vars(new).values(), strict=True):
            old_values[where] = new_values[where]

    def falls_to(self, new: _Point, share: Values | float) -> NDArray[np.bool_]:
        """
        Tell where `new` is lower by this share of what Weiszfeld's step promises.

        If rounding hides so small a descent, the subgradient has to be smaller.
        """
        required = share * _ratio(self.excess**2, 2 * self.rate)
        rounding: Values = _ROUNDING * self.sum_dist
        fallen = self.sum_dist - new.sum_dist
        hidden = (required <= rounding) & (np.abs(fallen) <= rounding)
        falls: NDArray[np.bool_] = np.where(hidden, new.excess < self.excess, fallen > required)
        return falls

    def weiszfeld_step(self) -> Values:
        """Return Weiszfeld's step."""
        step: Values = _ratio(np.ones_like(self.rate), self.rate)[:, None] * self.descent
        return step

    def bfgs_step(self, pairs: deque[_Pair], weights: Values) -> Values:
        """Return the descent times the inverse Hessian that is estimated from the pairs."""
        remaining, parts = self.descent.copy(), []
        for pair in reversed(pairs):
            parts.append(pair.inverse * _dot(pair.step, remaining))
            remaining -= parts[-1][:, None] * pair.change
        step: Values = _ratio(np.ones_like(self.rate), self.rate)[:, None] * remaining
        for pair in pairs:
            step += (parts.pop() - pair.inverse * _dot(pair.change, step))[:, None] * pair.step
        length, most = np.sqrt(_dot(step, step)), 2 * self.sum_dist / weights
        step *= np.where(length > most, _ratio(most, length), 1.0)[:, None]  # the median is nearer
        return step


class _Pair(NamedTuple):
    """A step in each cluster, and its change of the gradient."""

    step: Values
    change: Values
    inverse: Values  # 1 / (step · change), or 0 if the pair is not to be used

    @classmethod
    def between(cls, old: _Point, new: _Point, where: NDArray[np.bool_]) -> _Pair:
        """Return the pair of the steps from old to new points, to be used in some clusters."""
        step = new.offsets - old.offsets
        change = old.descent - new.descent + _LEAST_CURVATURE * old.rate[:, None] * step
        product = np.where(where, np.maximum(0.0, _dot(step, change)), 0.0)
        return cls(step, change, _ratio(np.ones_like(product), product))


def _dot(a: Values, b: Values) -> Values:
    """Return the inner products of matching rows."""
    products: Values = (a * b).sum(axis=1)
    return products


def _ratio(a: Values, b: Values) -> Values:
    """Return a / b, or 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _only(clusters: Clusters, active: NDArray[np.bool_]) -> Clusters:
    """Leave out the rows of clusters that are done."""
    if active.all():
        return clusters
    is_active = (clusters.codes >= 0) & active[clusters.codes]
    return clusters._replace(codes=np.where(is_active, clusters.codes, -1))


def _nearest_rows(clusters: Clusters, anchors: Values, offsets: Values) -> Values:
    """Return the first row of each cluster that is nearest to its centre, or the anchor."""
    least = np.full(len(anchors), np.inf)
    nearest: Values = anchors.copy()
    for codes, rows in labelled_rows.blocks(clusters):
        squares = ((rows - anchors[codes] - offsets[codes]) ** 2).sum(axis=1)
        before = least.copy()
        np.minimum.at(least, codes, squares)
        at = np.flatnonzero((squares == least[codes]) & (squares < before[codes]))[::-1]
        nearest[codes[at]] = rows[at]  # the last assignment counts, which is the first row
    return nearest


def _median_rows(
    clusters: Clusters, anchors: Values, offsets: Values, directions: Values
) -> Values:
    """
    Return the row of each cluster whose projection on a line through its centre is the median.

    If all rows lie on that line, it is the geometric median, however far from the centre. Clusters
    without rows get their anchors.
    """
    medians: Values = anchors.copy()
    along = [
        _dot(rows - anchors[codes] - offsets[codes], directions[codes])
        for codes, rows in labelled_rows.blocks(clusters)
    ]
    kept = np.flatnonzero(clusters.codes >= 0)
    kept = kept[np.lexsort((np.concatenate(along), clusters.codes[kept]))]
    codes, weights = clusters.codes[kept], clusters.row_weights
    for code in np.unique(codes):
        rows = kept[slice(*np.searchsorted(codes, [code, code + 1]))]
        below = np.cumsum(np.ones(len(rows)) if weights is None else weights[rows])
        middle = rows[np.searchsorted(below, below[-1] / 2)]
        medians[code] = in_float64(clusters.x[middle : middle + 1])[0]
    return medians


def _warn(labels: NDArray[Any], gap: Values, tolerance: float, passes: int) -> None:
    """Warn that the worst gap exceeds the tolerance."""
    worst = int(gap.argmax())
    warnings.warn(
        f"the geometric median of label {_inputs.shown(labels.tolist()[worst])} is not found to "
        f"tolerance {tolerance:g} in {passes} iterations: its sum of distances may be above the "
        f"least one by the share {gap[worst]:.2g}; the centers are the best found",
        RuntimeWarning,
        stacklevel=4,
    )

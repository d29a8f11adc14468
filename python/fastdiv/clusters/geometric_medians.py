"""Geometric medians of clusters."""

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
from fastdiv._engine.types import Progress, Values
from fastdiv.clusters import labelled_rows
from fastdiv.clusters.labelled_rows import Clusters, Means

DEFAULT_TOLERANCE = 1e-8
MAX_ITERATIONS = 10_000

_TRY_ROWS_EVERY = 8
"""Passes between looks at the nearest row."""

_PAIRS = 6
"""Past steps that tell of the curvature."""

_LEAST_CURVATURE = 1e-12
"""Of what Weiszfeld's step supposes; for where there is none, as between rows on a line."""

_SHARE = 0.1
"""Of the descent that Weiszfeld's step promises: what any other step has to reach."""

_FAILURES = 3
"""Steps that failed, each a quarter of the one before, until it is Weiszfeld's turn."""

_ROUNDING = 1e-14
"""Of a sum of distances, relative."""


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


@documented
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

    From the mean, all clusters side by side. With the pull R = Σ w (x − c)/‖x − c‖ over the
    rows x ≠ c, the weight η of the rows at c, and D = Σ w/‖x − c‖, Weiszfeld's step is
    max(0, 1 − η/‖R‖) R / D, which leaves a row that is not the median (Vardi and Zhang). It never
    ascends, but crawls where most rows lie along a line through c: the Hessian
    Σ w/‖x − c‖ (I − uuᵀ), of the directions u to the rows, has the trace (d − 1) D and no
    eigenvalue above D, so that at most one is below D/2, and that one may be next to 0. Hence the
    steps are those of the limited-memory BFGS method, with D as the curvature to start from.
    One is taken if it descends by a tenth of what Weiszfeld's promises at least; else a
    quarter of it is tried, and in the end Weiszfeld's. Now and then the row nearest to c is tried,
    because a median that is a row is approached without ever being reached.

    A cluster is done when the subgradient g = max(0, ‖R‖ − η) is small: the objective f is
    then within the share 2g/W of its minimum, since the minimum lies within 2f/W of c. Some 10 to
    30 passes are usual. Centres are found as offsets from a row nearby, so that data far from
    the origin lose nothing. Distances below 1e-150 may count as 0. Memory O(n + k d).

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (n, ...)
        Rows, as in `cluster_dispersion`.
    labels : array_like, shape (n,), optional
        Cluster of each row, as in `cluster_dispersion`; None stands for one cluster, with the
        label 0.
    sample_weight : array_like, shape (n,), optional
        Finite weights ≥ 0.
    tolerance : float, default 1e-8
        Largest accepted `gap`, > 0. Rounding sets a limit: of some 1e-14, unless few far rows
        make up most of f.
    max_iterations : int, default 10000
        Passes over the rows at most.
    noise_label : label, optional
        Rows with this label are left out.
    nan_policy, n_threads, progress
        As in `cluster_dispersion`.

    Returns
    -------
    GeometricMedian
        Centres, objective and proven gap per cluster.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or all weights of a cluster are 0.
    {squares_overflow}

    Warns
    -----
    RuntimeWarning
        If the tolerance is not reached within `max_iterations` or because of rounding. The result
        holds the best centres, and the `gap` that is proven.

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
    found = find(clusters, means, tolerance, most, threads, report)
    centers = found.anchors + found.offsets
    return GeometricMedian(clusters.labels, centers, found.sum_dist, found.gap, found.n_iterations)


class Medians(NamedTuple):
    """Geometric medians, `anchors` + `offsets` as in `Means`, and what proves them."""

    anchors: Values
    offsets: Values
    sum_dist: Values
    gap: Values
    n_iterations: int


def find(
    clusters: Clusters,
    means: Means,
    tolerance: float,
    max_iterations: int,
    n_threads: int,
    progress: Progress | None,
) -> Medians:
    """Find the geometric medians from the means, as `geometric_median` does."""
    anchors, goal = means.anchors, tolerance / 2 * means.weights
    rest = clusters

    def look(offsets: Values) -> _Look:
        sums = labelled_rows.sums(rest, anchors, offsets, "directions", n_threads, progress)
        return _Look.of(sums, offsets)

    best, passes = look(means.offsets), 1
    active = best.excess > goal
    pairs: deque[_Pair] = deque(maxlen=_PAIRS)
    step, failures = np.zeros_like(anchors), np.zeros(len(anchors), dtype=np.int64)
    while active.any() and passes < max_iterations:
        rest = _only(rest, active)
        plain = failures > _FAILURES
        step = np.where((failures > 0)[:, None], step / 4, best.bfgs_step(pairs, means.weights))
        step = np.where(plain[:, None], best.weiszfeld_step(), step)
        new = look(best.offsets + step)
        passes += 1
        taken = active & best.falls_to(new, np.where(plain, 0.0, _SHARE))
        pairs.append(_Pair.between(best, new, taken))
        best.take(new, taken)
        failures = np.where(taken, 0, failures + 1)
        stuck = active & plain & ~taken
        if passes < max_iterations and (stuck.any() or passes % _TRY_ROWS_EVERY == 0):
            nearest = _nearest_rows(rest, anchors, best.offsets)
            best.offsets += anchors - nearest  # small, and so is their rounding
            anchors = nearest
            new = look(np.zeros_like(anchors))
            passes += 1
            taken = active & best.falls_to(new, 0.0)
            best.take(new, taken)
            failures[taken] = 0
            active &= taken | ~stuck  # the others are as low as rounding lets them come
        active &= best.excess > goal
    gap = 2 * best.excess / means.weights
    if (gap > tolerance).any():
        _warn(clusters.labels, gap, tolerance, passes)
    return Medians(anchors, best.offsets, best.sum_dist, gap, passes)


@dataclass
class _Look:
    """What a pass tells of a point in each cluster."""

    offsets: Values
    sum_dist: Values
    rate: Values  # D
    excess: Values  # length of the subgradient
    descent: Values  # the subgradient turned round

    @classmethod
    def of(cls, sums: Values, offsets: Values) -> _Look:
        pull = np.sqrt((sums[:, 4:] ** 2).sum(axis=1))
        excess = np.maximum(0.0, pull - sums[:, 2])
        descent = _ratio(excess, pull)[:, None] * sums[:, 4:]
        return cls(offsets.copy(), sums[:, 3], sums[:, 1], excess, descent)

    def take(self, new: _Look, where: NDArray[np.bool_]) -> None:
        for mine, theirs in zip(vars(self).values(), vars(new).values(), strict=True):
            mine[where] = theirs[where]

    def falls_to(self, new: _Look, share: Values | float) -> NDArray[np.bool_]:
        """
        Tell where `new` is lower by this share of what Weiszfeld's step promises.

        Where rounding hides so small a descent, the subgradient has to be smaller.
        """
        needed = share * _ratio(self.excess**2, 2 * self.rate)
        rounding: Values = _ROUNDING * self.sum_dist
        fallen = self.sum_dist - new.sum_dist
        hidden = (needed <= rounding) & (np.abs(fallen) <= rounding)
        falls: NDArray[np.bool_] = np.where(hidden, new.excess < self.excess, fallen > needed)
        return falls

    def weiszfeld_step(self) -> Values:
        step: Values = _ratio(np.ones_like(self.rate), self.rate)[:, None] * self.descent
        return step

    def bfgs_step(self, pairs: deque[_Pair], weights: Values) -> Values:
        """Return the inverse Hessian that the pairs tell of, times the descent."""
        rest, parts = self.descent.copy(), []
        for pair in reversed(pairs):
            parts.append(pair.inverse * _dot(pair.step, rest))
            rest -= parts[-1][:, None] * pair.change
        step: Values = _ratio(np.ones_like(self.rate), self.rate)[:, None] * rest
        for pair in pairs:
            step += (parts.pop() - pair.inverse * _dot(pair.change, step))[:, None] * pair.step
        length, most = np.sqrt(_dot(step, step)), 2 * self.sum_dist / weights
        step *= np.where(length > most, _ratio(most, length), 1.0)[:, None]  # the median is nearer
        return step


class _Pair(NamedTuple):
    """A step in each cluster, and what it changed."""

    step: Values
    change: Values  # of the gradient
    inverse: Values  # 1 / (step · change); 0 where it is not to be used

    @classmethod
    def between(cls, old: _Look, new: _Look, where: NDArray[np.bool_]) -> _Pair:
        step = new.offsets - old.offsets
        change = old.descent - new.descent + _LEAST_CURVATURE * old.rate[:, None] * step
        product = np.where(where, np.maximum(0.0, _dot(step, change)), 0.0)
        return cls(step, change, _ratio(np.ones_like(product), product))


def _dot(a: Values, b: Values) -> Values:
    products: Values = (a * b).sum(axis=1)
    return products


def _ratio(a: Values, b: Values) -> Values:
    """Return a / b; 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _only(clusters: Clusters, active: NDArray[np.bool_]) -> Clusters:
    if active.all():
        return clusters
    open_rows = (clusters.codes >= 0) & active[clusters.codes]
    return clusters._replace(codes=np.where(open_rows, clusters.codes, -1))


def _nearest_rows(clusters: Clusters, anchors: Values, offsets: Values) -> Values:
    """Return the row of each cluster that is nearest to its centre; the anchor without rows."""
    least = np.full(len(anchors), np.inf)
    nearest: Values = anchors.copy()
    for of, rows in labelled_rows.blocks(clusters):
        squares = ((rows - anchors[of] - offsets[of]) ** 2).sum(axis=1)
        before = least.copy()
        np.minimum.at(least, of, squares)
        at = np.flatnonzero((squares == least[of]) & (squares < before[of]))[::-1]
        nearest[of[at]] = rows[at]  # of several the last counts: the first row
    return nearest


def _warn(labels: NDArray[Any], gap: Values, tolerance: float, passes: int) -> None:
    worst = int(gap.argmax())
    warnings.warn(
        f"the geometric median of label {labels.tolist()[worst]!r} is not found to tolerance "
        f"{tolerance:g} in {passes} iterations: its sum of distances may be above the least one "
        f"by the share {gap[worst]:.2g}; the centers are the best found",
        RuntimeWarning,
        stacklevel=4,
    )

"""Rows with labels: checked, and summed by cluster."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _backend, _inputs, _labels
from fastdiv._backend import Codes, Matrix, Progress, Values
from fastdiv._rows import in_float64

_CANCELLATION = 100.0
"""How many times the dispersion about a row of the cluster may exceed that about the mean."""

_SQDIST_PAIRS: list[_backend.Group] = [
    ("sqdist", None, [("energy", (2.0,), -1.0, 0), ("energy", (1.0,), -1.0, 1)])
]


class Clusters(NamedTuple):
    """Rows, the number of each row's cluster (-1: left out), the labels, and the weights."""

    x: Matrix
    codes: Codes
    labels: NDArray[Any]
    weights: Values | None


class Means(NamedTuple):
    """
    What one pass tells of each cluster.

    The mean is `anchors` + `offsets`: the anchor is near, so that the offset is free of the
    rounding that the mean of data far from the origin suffers.
    """

    sizes: NDArray[np.int64]
    weights: Values
    anchors: Values
    offsets: Values
    wcss: Values

    def relative(self) -> Values:
        """Return the means of the clusters, (k, d), seen from the anchor of the first of them."""
        positions: Values = (self.anchors - self.anchors[0]) + self.offsets
        return positions

    def bcss(self) -> float:
        """Return Σ W ‖mean − grand mean‖²."""
        at = self.relative()
        grand = self.weights @ at / self.weights.sum()
        return float(self.weights @ ((at - grand) ** 2).sum(axis=1))


def read(
    x: object, labels: object, sample_weight: object, noise_label: object, nan_policy: object
) -> Clusters:
    """Return rows, labels and weights that fit; NaN in the rows is left for `sums` to find."""
    omit = _inputs.choice(nan_policy, _inputs.NAN_POLICIES, "nan_policy") == "omit"
    a = _inputs.matrix(x, "x")
    codes, distinct = _numbered(labels, len(a), noise_label)
    weights = _inputs.weights(sample_weight, "sample_weight", len(a), "biased")
    if omit and (keep := _inputs.finite_rows(a)) is not None:
        codes = np.where(keep, codes, -1)
        left = np.bincount(codes[keep & (codes >= 0)], minlength=len(distinct)) > 0
        if not left.any():
            raise ValueError("x has no rows left after dropping those with NaN or infinite values")
        codes = np.where(codes >= 0, (np.cumsum(left) - 1)[codes], -1)
        distinct = distinct[left]
    return Clusters(a, codes, distinct, weights)


def _numbered(labels: object, n: int, noise_label: object) -> tuple[Codes, NDArray[Any]]:
    """Do as `_labels.codes`; labels that are such numbers already are taken as they are."""
    noise = isinstance(noise_label, Integral) and noise_label == -1
    if (
        (noise or noise_label is None)
        and type(labels) is np.ndarray
        and labels.dtype.kind in "iu"
        and labels.shape == (n,)
        and labels.min() >= -int(noise)
        and 0 <= (most := int(labels.max())) < n
    ):
        wide = labels.dtype in (np.int32, np.int64)
        numbers: Codes = labels if wide else labels.astype(np.int64)
        if (_backend.current().first_rows(numbers, most + 1) >= 0).all():
            return numbers, np.arange(most + 1, dtype=labels.dtype)
    codes, distinct = _labels.codes(labels, "labels", n, noise_label)
    return codes.astype(np.int64, copy=False), distinct


def sums(
    clusters: Clusters, centers: Values, name: str, n_threads: int, progress: Progress | None
) -> Values:
    """Do as the backends' `cluster_sums`; an error for data that are not finite or overflow."""
    x, codes, _, weights = clusters
    with np.errstate(over="ignore", invalid="ignore"):
        out = _backend.current().cluster_sums(
            x, codes, weights, np.ascontiguousarray(centers), name, n_threads, progress
        )
    if not np.isfinite(out).all():
        _refuse_nonfinite(clusters)
        raise OverflowError("the sums of squares overflow in float64; scale the data")
    return out


def _refuse_nonfinite(clusters: Clusters) -> None:
    finite = _inputs.finite_rows(clusters.x)
    if finite is not None and not finite[clusters.codes >= 0].all():
        _inputs.finite(clusters.x, "x")


def means(
    clusters: Clusters,
    n_threads: int,
    progress: Progress | None,
    empty_at: Values | None = None,
) -> Means:
    """
    Return sizes, means and dispersions, in one pass over the rows.

    Seen from one of its own rows, a cluster's squares cancel only if that row is far out; then a
    second pass sees it from the mean. `empty_at`: the centers, where clusters may be empty.
    """
    rows = _backend.current().first_rows(clusters.codes, len(clusters.labels))
    anchors = in_float64(clusters.x[rows])
    if empty_at is not None:
        anchors[rows < 0] = empty_at[rows < 0]
    found = _from_anchors(clusters, anchors, n_threads, progress)
    shift = found.weights * (found.offsets**2).sum(axis=1)
    if (shift > _CANCELLATION * found.wcss).any():
        found = _from_anchors(clusters, anchors + found.offsets, n_threads, progress)
    return found


def _from_anchors(
    clusters: Clusters, anchors: Values, n_threads: int, progress: Progress | None
) -> Means:
    found = sums(clusters, anchors, "squares", n_threads, progress)
    sizes, weights = found[:, 0].astype(np.int64), found[:, 1]
    weightless = (weights == 0) & (sizes > 0)
    if weightless.any():
        label = clusters.labels.tolist()[int(weightless.argmax())]
        raise ValueError(
            f"sample_weight must not be 0 for all rows of a cluster; it is for label {label!r}"
        )
    offsets = found[:, 4:] / np.where(sizes > 0, weights, 1.0)[:, None]
    wcss = found[:, 2] - weights * (offsets**2).sum(axis=1)
    return Means(sizes, weights, anchors, offsets, np.maximum(wcss, 0.0))


def pair_sums(
    clusters: Clusters,
    metric: str,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, Values]:
    """Sum over the pairs i < j of each cluster: squared Euclidean distances, and distances."""
    x, codes, labels, weights = clusters
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes, np.arange(len(labels) + 1), sorter=order)
    pairs = np.diff(bounds) * (np.diff(bounds) - 1) // 2
    squares, distances = np.zeros(len(labels)), np.zeros(len(labels))
    done = 0
    for c in np.flatnonzero(pairs):
        of_cluster = order[bounds[c] : bounds[c + 1]]
        rows = x[of_cluster]
        w = None if weights is None else weights[of_cluster]
        part = None
        if progress is not None:
            part = partial(_report_part, progress, done, int(pairs[c]), int(pairs.sum()))
        squares[c], distances[c] = _pairs_within(rows, w, n_threads, part)
        if metric == "manhattan":
            distances[c] = _manhattan_pairs(rows, np.ones(len(rows)) if w is None else w)
        done += int(pairs[c])
    if not np.isfinite([squares, distances]).all():
        _refuse_nonfinite(clusters)
        raise OverflowError(f"the sums over pairs overflow in {x.dtype}; scale the data")
    return squares, distances


def _report_part(
    whole: Progress, before: int, size: int, all_parts: int, done: int, total: int
) -> None:
    whole(before + size * done // total, all_parts)


def _pairs_within(
    rows: Matrix, weights: Values | None, n_threads: int, progress: Progress | None
) -> Values:
    backend, options = _backend.current(), (_SQDIST_PAIRS, 2, n_threads, progress)
    other = rows[:1]  # the backends want two samples; one row costs next to nothing
    with np.errstate(over="ignore", invalid="ignore"):
        if weights is None:
            return backend.pair_sums(rows, other, *options)[:, 0] / 2
        largest = weights.max()
        found = backend.weighted_sums(
            rows, other, weights / largest, np.ones(1), np.zeros(3), False, False, False, *options
        )[0]
        of_pairs: Values = found[:, 0] / 2 * largest**2
    return of_pairs


def _manhattan_pairs(rows: Matrix, weights: Values) -> float:
    """
    Return Σ over i < j of wᵢ wⱼ ‖xᵢ − xⱼ‖₁.

    In each feature, sorted: between neighbours lies a gap, which every pair from below to above
    crosses.
    """
    total = 0.0
    for column in rows.T:
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weights[order])
        gaps = np.diff(column[order].astype(np.float64))
        total += float(gaps @ (below[:-1] * (below[-1] - below[:-1])))
    return total

"""Check rows with labels, and sum them by cluster."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.blocks import DRAWN, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Codes, Matrix, Progress, Sample, Values

_CANCELLATION = 100.0
"""Largest ratio of the squares about a row of the cluster to those about its mean."""

_LEAST_SQUARES = 1e-280
"""Sums of squares below it may have lost digits to underflow."""

_LEAST_DIFFERENCE = 1e-140
"""Differences below it have such squares."""

_LEAST_NORMAL = np.finfo(np.float64).tiny
"""Least number of float64 that has all digits."""

_LEAST_SHARE = 2.0**-26
"""
Least weight of an anchor, relative to the largest.

Rounding about a lighter anchor, which may be far away, could hide what the heavy rows add. Above
the root of the rounding error, the anchor itself adds more than that.
"""


class Weights(NamedTuple):
    """
    Weights of rows over a power of two for each cluster, and the exponents of these, (k,).

    The largest of a cluster is in [1, 2). Sums over its rows have the same digits on any scale of
    the weights, and return to that scale at the end.
    """

    rows: Values
    exponents: NDArray[np.int_]


class Clusters(NamedTuple):
    """Rows, the number of each row's cluster (-1: left out), the labels, and the weights."""

    x: Sample
    codes: Codes
    labels: NDArray[Any]
    weights: Weights | None

    @property
    def row_weights(self) -> Values | None:
        """Normalised weights of the rows."""
        return None if self.weights is None else self.weights.rows

    def restored(self, sums: Values, power: int = 1, result: str = "a sum over rows") -> Values:
        """Return sums over the rows of each cluster on the scale of the weights, to a power."""
        if self.weights is None:
            return sums
        exponents = power * self.weights.exponents
        return _inputs.times_powers(sums, exponents, "sample_weight", result)

    def total(self, sums: Values) -> float:
        """Return the sum over all clusters on the scale of the weights."""
        with np.errstate(over="ignore"):
            total = float(self.restored(sums).sum())
        if np.isfinite(total):
            return total
        raise OverflowError(f"a sum over the clusters overflows; {scaling_advice(self)}")


class Means(NamedTuple):
    """
    Sizes, weights, means and dispersions of clusters, from one pass.

    The means are `anchors` + `offsets`. An anchor is near the mean, so the offset is free of the
    rounding of a mean far from the origin. Weights and dispersions are over the powers of two of
    the exponents. None stands for exponents of 0.
    """

    sizes: NDArray[np.int64]
    weights: Values
    anchors: Values
    offsets: Values
    wcss: Values
    exponents: NDArray[np.int_] | None

    def relative(self, to: int = 0) -> Values:
        """Return the differences of the means, (k, d), to the mean of one cluster."""
        between: Values = self.anchors - self.anchors[to] + (self.offsets - self.offsets[to])
        return between

    def bcss(self) -> float:
        """Return Σ W ‖mean − grand mean‖², on the scale of the weights."""
        if self.exponents is None:
            return self._bcss(self.weights)
        largest = self.exponents.max()
        w = _inputs.times_powers(self.weights, self.exponents - largest, "sample_weight")
        return float(_inputs.times_powers(np.array(self._bcss(w)), largest, "sample_weight"))

    def _bcss(self, w: Values) -> float:
        """Like `bcss`, but for the weights of clusters on one scale."""
        at = self.relative(int((w >= _LEAST_SHARE * w.max()).argmax()))
        grand = w @ at / w.sum()
        with np.errstate(over="ignore"):
            total = float(w @ ((at - grand) ** 2).sum(axis=1))
        if np.isfinite(total):
            return total
        advice = "scale the data" + ("" if self.exponents is None else " or sample_weight")
        raise OverflowError(f"the sum of squares between clusters overflows in float64; {advice}")


def read(
    x: object, labels: object, sample_weight: object, noise_label: object, nan_policy: object
) -> Clusters:
    """Return rows, labels and weights that fit, without a look for NaN in the rows."""
    x, labels, sample_weight = _inputs.aligned(
        {"x": x, "labels": labels, "sample_weight": sample_weight}
    )
    a = rows_of(x)
    return Clusters(a, *read_labels(a, labels, sample_weight, noise_label, nan_policy))


def rows_of(x: object) -> Sample:
    """Return real rows, and refuse complex ones, which have no real centres."""
    return x if isinstance(x, QuantizedRows) else _inputs.matrix(x, "x")


def read_labels(
    a: Sample,
    labels: object,
    sample_weight: object,
    noise_label: object,
    nan_policy: object,
    name: str = "labels",
) -> tuple[Codes, NDArray[Any], Weights | None]:
    """
    Return the codes, the distinct labels and the weights of rows.

    Rows of weight 0 get the code -1, and so do rows with NaN if they are to be omitted. Otherwise
    NaN is not looked for.
    """
    omit = _inputs.omits(nan_policy)
    codes, distinct = _codes(labels, name, len(a), noise_label)
    weights = _inputs.weights(sample_weight, "sample_weight", len(a), "biased")
    if omit and (keep := _inputs.finite_rows(a)) is not None:
        codes = np.where(keep, codes, -1)
        has_rows = np.bincount(codes[keep & (codes >= 0)], minlength=len(distinct)) > 0
        if not has_rows.any():
            raise ValueError("x has no rows left after dropping those with NaN or infinite values")
        codes = np.where(codes >= 0, (np.cumsum(has_rows) - 1)[codes], -1)
        distinct = distinct[has_rows]
    if weights is None:
        return codes, distinct, None
    codes, normalized = _weighted(codes, distinct, weights)
    return codes, distinct, normalized


def _weighted(codes: Codes, distinct: NDArray[Any], w: Values) -> tuple[Codes, Weights]:
    """Return the codes without rows of weight 0, and normalised weights."""
    if not w.all():
        codes = np.where(w > 0, codes, -1)
    with_left_out = np.zeros(len(distinct) + 1)  # the last entry is for code -1
    np.maximum.at(with_left_out, codes, w)
    largest = with_left_out[:-1]
    if not largest.all():
        label = distinct.tolist()[int(largest.argmin())]
        raise ValueError(
            "sample_weight must not be 0 for all rows of a cluster; "
            f"it is for label {_inputs.shown(label)}"
        )
    exponents = _inputs.exponents_of(largest)
    rows = _inputs.over_powers(w, np.append(exponents, 0)[codes], "sample_weight")
    return codes, Weights(rows, exponents)


def require_several(codes: Codes, distinct: NDArray[Any], name: str = "labels") -> tuple[int, int]:
    """Return the numbers of clusters and of their rows, or refuse to compare them."""
    k, n = len(distinct), int(np.count_nonzero(codes >= 0))
    if not 2 <= k <= n - 1:
        left_out = "" if n == len(codes) else ", counting no rows that are left out"
        raise ValueError(
            f"{name} must hold from 2 to n - 1 distinct labels; got {k} for n = {n}{left_out}"
        )
    return k, n


def refuse_nonfinite(x: Sample, codes: Codes, advice: str = _inputs.CLEAN_OR_OMIT) -> None:
    """Refuse NaN and infinity in the rows that are not left out."""
    finite = _inputs.finite_rows(x)
    if finite is None:
        return
    bad = np.flatnonzero(~finite & (codes >= 0))
    if len(bad):
        rows, columns = np.nonzero(~np.isfinite(cast(Matrix, x)[bad]))
        raise _inputs.nonfinite("x", len(rows), int(bad[0]), int(columns[0]), advice)


def _codes(labels: object, name: str, n: int, noise_label: object) -> tuple[Codes, NDArray[Any]]:
    """Like `row_labels.codes`, but return labels 0, ..., k - 1 without a copy."""
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
        if (backend.current().first_rows(numbers, most + 1) >= 0).all():
            return numbers, np.arange(most + 1, dtype=labels.dtype)
    codes, distinct = _inputs.row_labels.codes(labels, name, n, noise_label)
    return codes.astype(np.int64, copy=False), distinct


def sums(
    clusters: Clusters,
    centers: Values,
    offsets: Values | None,
    name: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Like `cluster_sums` of the engine, but refuse data that are not finite or overflow."""
    x, codes, weights = clusters.x, clusters.codes, clusters.row_weights
    with np.errstate(over="ignore", invalid="ignore"):
        out = backend.current().cluster_sums(
            x, codes, weights, centers, offsets, name, n_threads, progress
        )
    if not np.isfinite(out).all():
        refuse_nonfinite(clusters.x, clusters.codes)
        raise OverflowError(f"the sums of squares overflow in float64; {scaling_advice(clusters)}")
    return out


def scaling_advice(clusters: Clusters) -> str:
    """Return the advice against overflow and underflow."""
    return "scale the data" + ("" if clusters.weights is None else " or sample_weight")


def means(
    clusters: Clusters,
    n_threads: int,
    progress: Progress | None,
    empty_at: Values | None = None,
) -> Means:
    """
    Return sizes, means and dispersions, in one pass over the rows.

    Squares about a row of the cluster cancel only if that row is far from the others. Then a second
    pass takes them about the mean. Empty clusters have their anchors at `empty_at`.
    """
    codes, w = clusters.codes, clusters.row_weights
    if w is not None:
        codes = np.where(w >= _LEAST_SHARE, codes, -1)
    rows = backend.current().first_rows(codes, len(clusters.labels))
    anchors = in_float64(clusters.x[rows])
    if empty_at is not None:
        anchors[rows < 0] = empty_at[rows < 0]
    result = _about(anchors, clusters, n_threads, progress)
    if result.wcss.sum() < _LEAST_SQUARES * max(1.0, result.weights.sum()):
        _refuse_underflow(clusters, anchors)
    shift = result.weights * (result.offsets**2).sum(axis=1)
    with np.errstate(over="ignore"):
        cancels = (shift > _CANCELLATION * result.wcss).any()
    if cancels:
        result = _about(anchors + result.offsets, clusters, n_threads, progress)
    return result


def _about(anchors: Values, clusters: Clusters, n_threads: int, progress: Progress | None) -> Means:
    """Return sizes, means and dispersions from squares about the anchors."""
    columns = sums(clusters, anchors, None, "squares", n_threads, progress)
    sizes, weights = columns[:, 0].astype(np.int64), columns[:, 1]
    offsets = columns[:, 4:] / np.where(sizes > 0, weights, 1.0)[:, None]
    wcss = columns[:, 2] - weights * (offsets**2).sum(axis=1)
    exponents = None if clusters.weights is None else clusters.weights.exponents
    return Means(sizes, weights, anchors, offsets, np.maximum(wcss, 0.0), exponents)


def _refuse_underflow(clusters: Clusters, anchors: Values) -> None:
    """Refuse rows that differ from the anchors by so little that (weighted) squares underflow."""
    for at in _row_numbers(clusters):
        rows, w = in_float64(clusters.x[at]), clusters.row_weights
        differences = np.abs(rows - anchors[clusters.codes[at]]).max(axis=1)
        squares = differences**2 if w is None else w[at] * differences**2
        lost = (differences < _LEAST_DIFFERENCE) | (squares < _LEAST_NORMAL)
        if (lost & (differences > 0)).any():
            raise ValueError(
                "x must not have differences so small that the sums of their squares underflow "
                f"in float64; {scaling_advice(clusters)}"
            )


def blocks(clusters: Clusters) -> Iterator[tuple[Codes, Values]]:
    """Yield codes and rows in float64, a few at a time."""
    for at in _row_numbers(clusters):
        yield clusters.codes[at], in_float64(clusters.x[at])


def _row_numbers(clusters: Clusters) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of the rows that are not left out, a few at a time."""
    kept = np.flatnonzero(clusters.codes >= 0)
    for rows in row_blocks(len(kept), clusters.x.shape[1], DRAWN):
        yield kept[rows]

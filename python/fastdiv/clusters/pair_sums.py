"""Sum distances over the pairs of each cluster."""

from __future__ import annotations

from functools import partial

import numpy as np

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.quantized_rows import QuantizedRows, feature, in_float64
from fastdiv._engine.types import KernelGroup, Progress, Sample, Values, WeightedSumsRequest
from fastdiv._sums import pair_weights
from fastdiv.clusters.labelled_rows import Clusters, refuse_nonfinite, scaling_advice

_SQDIST_PAIRS: list[KernelGroup] = [
    ("sqdist", None, None, [("energy", (2.0,), -1.0, 0), ("energy", (1.0,), -1.0, 1)])
]


def cluster_pair_sums(
    clusters: Clusters,
    metric: str,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, Values]:
    """
    Sum over the pairs i < j of each cluster: squared Euclidean distances, and distances.

    The weights count as they are in `clusters`, normalised.
    """
    x, codes, labels, _ = clusters
    weights = clusters.row_weights
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes, np.arange(len(labels) + 1), sorter=order)
    pairs = np.diff(bounds) * (np.diff(bounds) - 1) // 2
    squares, distances = np.zeros(len(labels)), np.zeros(len(labels))
    done = 0
    for c in np.flatnonzero(pairs):
        members = order[bounds[c] : bounds[c + 1]]
        rows = _inputs.chosen(x, members)
        w = None if weights is None else weights[members]
        part = None
        if progress is not None:
            part = partial(_report_part, progress, done, int(pairs[c]), int(pairs.sum()))
        squares[c], distances[c] = _pairs_within(rows, w, n_threads, part)
        if metric == "cityblock":
            distances[c] = _cityblock_pairs(rows, np.ones(len(rows)) if w is None else w)
        done += int(pairs[c])
    if not np.isfinite([squares, distances]).all():
        refuse_nonfinite(clusters.x, clusters.codes)
        dtype = "float32" if isinstance(x, QuantizedRows) else x.dtype
        raise OverflowError(f"the sums over pairs overflow in {dtype}; {scaling_advice(clusters)}")
    return squares, distances


def _report_part(
    whole: Progress, before: int, size: int, all_parts: int, done: int, total: int
) -> None:
    """Report the progress of a part as that of all parts."""
    whole(before + size * done // total, all_parts)


def _pairs_within(
    rows: Sample, weights: Values | None, n_threads: int, progress: Progress | None
) -> Values:
    """Sum squared distances, and distances, over the pairs i < j of some rows."""
    engine, options = backend.current(), (_SQDIST_PAIRS, 2, n_threads, progress)
    other = rows[:1]  # the engine takes two samples, and one row costs next to nothing
    with np.errstate(over="ignore", invalid="ignore"):
        if weights is None:
            return engine.pair_sums(rows, other, *options)[:, 0] / 2
        x, y = (pair_weights.wide_enough(sample, weights) for sample in (rows, other))
        request, one = WeightedSumsRequest(), np.ones(1)
        triples = engine.weighted_sums(x, y, weights, one, request, *options)[0][0]
    within: Values = triples[:, 0] / 2
    return within


def _cityblock_pairs(rows: Sample, weights: Values) -> float:
    """Return Σ over i < j of wᵢ wⱼ ‖xᵢ − xⱼ‖₁."""
    # In each feature the sorted values have gaps between neighbours. Every pair of a value below
    # and one above crosses the gap.
    total = 0.0
    for k in range(rows.shape[1]):
        column = in_float64(feature(rows, k))
        order = np.argsort(column, kind="stable")
        sorted_weights = weights[order]
        below = np.cumsum(sorted_weights)[:-1]
        above = np.cumsum(sorted_weights[::-1])[-2::-1]  # the total less `below` would cancel
        total += float(np.diff(column[order]) @ (below * above))
    return total

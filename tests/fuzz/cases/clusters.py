"""Dispersion within clusters, and geometric medians."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare
from fuzz.truth import clusters as truth
from fuzz.truth.pairs import Long, long

SUMS = 1e-12
"""Sums over rows are in float64 for either type of the data."""


def labelled_rows(rng: Rng, dtype: type) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Draw rows, labels, and weights at times."""
    n, m, d = draw.shape(rng)
    x = draw.sample(rng, n + m, d, dtype)
    labels = draw.labels(rng, n + m)
    if rng.random() < 0.5:
        return x, labels, np.ones(n + m), {}
    w = draw.weights(rng, n + m)
    for g in np.unique(labels):  # no cluster without weight
        if not w[labels == g].any():
            w[labels == g] = 1.0
    return x, labels, w, {"sample_weight": w}


@case("cluster_dispersion", "ClusterDispersion")
def dispersion(rng: Rng, dtype: type) -> Outcomes:
    x, labels, w, options = labelled_rows(rng, dtype)
    d = x.shape[1]
    metric, pairs = str(rng.choice(["euclidean", "cityblock"])), bool(rng.random() < 0.5)
    result = fd.cluster_dispersion(x, labels, metric=metric, pairs=pairs, **options)
    clusters = [truth.Cluster.of(x, labels, w, g) for g in np.unique(labels)]
    weights = long([c.weights.sum() for c in clusters])
    squares = long([((c.moved**2).sum(axis=1) * c.weights).sum() for c in clusters])
    lengths = long([(truth.distances(c.moved, metric) * c.weights).sum() for c in clusters])
    what, name = f"{metric}, {sorted(options)}", "cluster_dispersion"
    # A mean in float64 is off by some of its last digits, far from the origin too, as an offset
    # from a row; the sums of distances about it change by as much.
    spread = long([np.abs(c.rows).max(initial=0) for c in clusters])
    for field, got, expected, bound in (
        ("weights", result.weights, weights, weights),
        ("wcss", result.wcss, squares, squares + 1e-3 * weights * spread**2),
        ("mse", result.mse, squares / weights, squares / weights + 1e-3 * spread**2),
        ("sum_dist", result.sum_dist, lengths, lengths + weights * spread * 1e-2),
        ("total_wcss", result.total_wcss, squares.sum(), squares.sum()),
        ("total_mse", result.total_mse, squares.sum() / weights.sum(), None),
        ("total_sum_dist", result.total_sum_dist, lengths.sum(), lengths.sum()),
    ):
        bound = expected if bound is None else bound
        yield compare(f"{name}: {field}", d, got, expected, bound, SUMS, what)
    centers = long([c.origin + c.offset for c in clusters])
    largest = np.abs(centers) + spread[:, None]
    yield compare(f"{name}: centers", d, result.centers, centers, largest, SUMS, what)
    whole = truth.Cluster.of(x, np.zeros(len(x), int), w, 0)
    total = ((whole.moved**2).sum(axis=1) * whole.weights).sum()
    moved = centers - whole.origin - whole.offset
    between = (weights * (moved**2).sum(axis=1)).sum()
    yield compare(f"{name}: total_ss", d, result.total_ss, total, total, SUMS, what)
    # Means that are alike are differences of sums.
    bound = between + np.sqrt(between * total)
    yield compare(f"{name}: bcss", d, result.bcss, between, bound + 1e-3 * total, SUMS, what)
    if pairs:
        sums = long([truth.pair_sum(c.rows, c.weights, metric) for c in clusters])
        allowed = CONTRACT[dtype]
        yield compare(f"{name}: pair_sum", d, result.pair_sum, sums, sums, allowed, what)
        sums = weights * squares
        yield compare(f"{name}: pair_sum_sq", d, result.pair_sum_sq, sums, sums, allowed, what)


@case("wcss")
def wcss(rng: Rng, dtype: type) -> Outcomes:
    x, labels, w, options = labelled_rows(rng, dtype)
    method = str(rng.choice(["centroid", "pairwise"]))
    got = fd.wcss(x, labels, method=method, **options)
    expected = truth.scatter(x, labels, w)
    allowed = SUMS if method == "centroid" else CONTRACT[dtype]
    what = f"{method}, {sorted(options)}"
    yield compare("wcss", x.shape[1], got, expected, expected, allowed, what)


def objective(c: truth.Cluster, at: Long) -> Long:
    return np.asarray((c.weights * truth.distances(c.rows - at, "euclidean")).sum())


def improved(c: truth.Cluster, at: Long) -> Long:
    """Return the least objective of Weiszfeld's steps from a centre, and of the rows."""
    best = min([objective(c, at), *(objective(c, row) for row in c.rows)])
    for _ in range(60):
        lengths = truth.distances(c.rows - at, "euclidean")
        if lengths.min() == 0:
            break
        pull = c.weights / lengths
        at = (pull[:, None] * c.rows).sum(axis=0) / pull.sum()
        best = min(best, objective(c, at))
    return best


@case("geometric_median", "GeometricMedian")
def geometric_median(rng: Rng, dtype: type) -> Outcomes:
    """Look for better centres than those returned."""
    x, labels, w, options = labelled_rows(rng, dtype)
    d = x.shape[1]
    tolerance = float(rng.choice([1e-8, 1e-4, 1e-12]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # `gap` tells how far off it is
        result = fd.geometric_median(x, labels, tolerance=tolerance, **options)
    what = f"tolerance {tolerance}, {sorted(options)}"
    for i, g in enumerate(np.unique(labels)):
        c = truth.Cluster.of(x, labels, w, g)
        at = long(result.centers[i]) - c.origin
        value = objective(c, at)
        # The centre is rounded to float64.
        rounding = np.sqrt((long(np.spacing(result.centers[i])) ** 2).sum()) * c.weights.sum()
        slack = value + rounding * 1e12
        got = result.sum_dist[i]
        yield compare("geometric_median: sum_dist", d, got, value, slack, SUMS, what)
        excess = value - improved(c, at) - result.gap[i] * value
        yield compare("geometric_median: gap", d, max(excess, 0), 0.0, slack, 1e-12, what)

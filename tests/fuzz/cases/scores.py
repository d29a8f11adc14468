"""Scores of clusterings."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.clusters import SUMS, labelled_rows
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import clusters as truth
from fuzz.truth.pairs import base_values, long


@case("calinski_harabasz_score")
def calinski_harabasz(rng: Rng, dtype: type) -> Outcomes:
    x, labels, w, options = labelled_rows(rng, dtype)
    k, n = len(np.unique(labels)), long(w).sum()
    if options and not n > k + 1e-6:
        return
    got = fd.calinski_harabasz_score(x, labels, **options)
    within = truth.scatter(x, labels, w)
    total = truth.scatter(x, np.zeros(len(x), np.int64), w)
    between = max(total - within, np.longdouble(0))  # 0 but for rounding, for equal means
    if within == 0:
        yield holds("calinski_harabasz_score: 1", x.shape[1], got == 1.0)
        return
    factor = (n - k) / (k - 1) / within
    # Means that are alike are differences of sums.
    bound = (between + np.sqrt(between * total) + 1e-3 * total) * factor
    expected = between * factor
    name = "calinski_harabasz_score"
    yield compare(name, x.shape[1], got, expected, bound, 2 * SUMS, str(sorted(options)))


@case("davies_bouldin_score")
def davies_bouldin(rng: Rng, dtype: type) -> Outcomes:
    x, labels, w, options = labelled_rows(rng, dtype)
    clusters = [truth.Cluster.of(x, labels, w, g) for g in np.unique(labels)]
    means = long([c.offset for c in clusters]) + long([c.origin for c in clusters])
    spread = long(
        [
            (truth.distances(c.moved, "euclidean") * c.weights).sum() / c.weights.sum()
            for c in clusters
        ]
    )
    apart = np.sqrt(base_values(means, means)[0])
    np.fill_diagonal(apart, np.inf)
    extent = np.abs(long(x) - long(x)[0]).max()
    if apart.min() <= 1e-6 * extent:
        return  # rounding decides whether means are equal
    ratios = (spread[:, None] + spread) / apart
    expected = ratios.max(axis=1).mean()
    bound = expected * (1 + extent / apart.min())
    got = fd.davies_bouldin_score(x, labels, **options)
    name = "davies_bouldin_score"
    yield compare(name, x.shape[1], got, expected, bound, 4 * SUMS, str(sorted(options)))


@case("silhouette_samples", "silhouette_score")
def silhouettes(rng: Rng, dtype: type) -> Outcomes:
    x, labels, w, options = labelled_rows(rng, dtype)
    keep = w > 0
    metric = str(rng.choice(["euclidean", "sqeuclidean", "cityblock"]))
    names, counts = np.unique(labels[keep], return_counts=True)
    if len(names) < 2 or len(names) >= counts.sum():
        return
    squares, l1, _ = base_values(x[keep], x[keep])
    d = {"euclidean": np.sqrt(squares), "sqeuclidean": squares, "cityblock": l1}[metric]
    s = truth.silhouettes(d, labels[keep], long(w[keep]))
    what = f"{metric}, {sorted(options)}"
    got = fd.silhouette_samples(x, labels, metric=metric, **options)
    yield holds("silhouette_samples: weight 0", x.shape[1], np.isnan(got[~keep]), what)
    allowed = 4 * CONTRACT[dtype]
    yield compare("silhouette_samples", x.shape[1], got[keep], s, 1.0, allowed, what)
    mean = (s * long(w[keep])).sum() / long(w[keep]).sum()
    got = fd.silhouette_score(x, labels, metric=metric, **options)
    yield compare("silhouette_score", x.shape[1], got, mean, 1.0, allowed, what)


@case("dunn_index")
def dunn(rng: Rng, dtype: type) -> Outcomes:
    x, labels, _, _ = labelled_rows(rng, dtype)
    metric = str(rng.choice(["euclidean", "cityblock"]))
    squares, l1, _ = base_values(x, x)
    d = l1 if metric == "cityblock" else np.sqrt(squares)
    same = labels[:, None] == labels
    least, most = d[~same].min(), d[same].max()
    if most == 0:
        return
    got = fd.dunn_index(x, labels, metric=metric)
    expected = least / most
    yield compare("dunn_index", x.shape[1], got, expected, expected, 2 * CONTRACT[dtype], metric)


@case("gap_statistic", "GapStatistic")
def gap(rng: Rng, dtype: type) -> Outcomes:
    """Compute everything again from the reference sets that the clusterer was given."""
    n, m, d = draw.shape(rng)
    x = draw.sample(rng, n + m, min(d, 600), dtype)
    reference = str(rng.choice(["uniform", "pca"]))
    seen: list[tuple[Any, int]] = []

    def labels_of(rows: Any, k: int) -> Any:
        seen.append((np.array(rows), k))
        return np.arange(len(rows)) % k

    ks, b = [1, 2, 3], 4
    result = fd.gap_statistic(x, labels_of, ks, n_references=b, reference=reference, rng=3)
    name = "gap_statistic"
    sums = {
        k: [
            truth.scatter(rows, np.arange(len(rows)) % k, np.ones(len(rows)))
            for rows, number in seen
            if number == k
        ]
        for k in ks
    }
    data = long([sums[k][0] for k in ks])
    references = long([sums[k][1:] for k in ks]).T
    yield compare(f"{name}: w_k", x.shape[1], result.w_k, data, data, SUMS, reference)
    got = result.reference_w_k
    yield compare(f"{name}: reference", x.shape[1], got, references, references, SUMS, reference)
    logs = np.log(references)
    curve, s = logs.mean(axis=0) - np.log(data), logs.std(axis=0) * np.sqrt(1 + 1 / long(b))
    scale = 1 + np.abs(logs).max() + np.abs(np.log(data)).max()
    yield compare(f"{name}: gap", x.shape[1], result.gap, curve, scale, SUMS, reference)
    yield compare(f"{name}: s_k", x.shape[1], result.s_k, s, scale, SUMS, reference)
    chosen = [
        k for i, k in enumerate(ks[:-1]) if result.gap[i] >= result.gap[i + 1] - result.s_k[i + 1]
    ]
    yield holds(f"{name}: k", x.shape[1], result.k == (chosen or ks[-1:])[0], reference)
    low, high = long(x).min(axis=0), long(x).max(axis=0)
    if reference == "uniform":
        slack = (np.abs(low) + np.abs(high)) * np.finfo(dtype).eps * 2
        inside = [((low - slack <= rows) & (rows <= high + slack)).all() for rows, _ in seen]
        yield holds(f"{name}: box", x.shape[1], inside, reference)

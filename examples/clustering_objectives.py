"""
Four objectives, one name: a published table of clusterings, and which objective it reports.

Tables of metaheuristic clustering print a number per data set under "MSE", "fitness" or "sum of
intra-cluster distances". This program computes every candidate for k-means on the data sets that
scikit-learn ships, beside the published number, and the clustering that is optimal, as far as a
local search tells, for the objective that turns out to be meant.

``python examples/clustering_objectives.py`` prints the table of ``clustering_objectives.md``; it
needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from fastdiv import cluster_dispersion, geometric_median

STARTS = 50

# A. Hatamlou, "Black hole: a new heuristic optimization approach for data clustering", Information
# Sciences 222 (2013) 175-184: sum of intra-cluster distances, k-means, best of its runs.
PUBLISHED = {"iris, UCI file": 97.32592, "wine": 16555.67942}


def data_sets() -> Iterator[tuple[str, Any, int]]:
    """Yield name, rows and number of classes."""
    iris = load_iris().data
    yield "iris, scikit-learn", iris, 3
    # The file of the UCI repository has errors in two rows (numbers 35 and 38, counted from 1),
    # which scikit-learn has corrected as in R. Old tables are about that file.
    as_filed = iris.copy()
    as_filed[34] = as_filed[37] = [4.9, 3.1, 1.5, 0.1]
    yield "iris, UCI file", as_filed, 3
    yield "wine", load_wine().data, 3
    yield "breast cancer", load_breast_cancer().data, 2


def k_means(x: Any, k: int) -> Any:
    return KMeans(k, n_init=STARTS, random_state=0).fit(x).labels_


def k_medians(x: Any, k: int) -> Any:
    """Return the labels of least sum of distances: Lloyd's steps with geometric medians."""
    best, least = None, np.inf
    for start in range(STARTS):
        labels = KMeans(k, n_init=1, random_state=start, init="random").fit(x).labels_
        before = None
        while before is None or (labels != before).any():
            before = labels
            centers = geometric_median(x, labels).centers
            labels = ((x[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        sum_dist = cluster_dispersion(x, labels, centers="geometric_median").total_sum_dist
        if sum_dist < least:
            best, least = labels, sum_dist
    return best


def rows() -> Iterator[dict[str, Any]]:
    """Yield the table, one dictionary per data set."""
    for name, x, k in data_sets():
        labels = k_means(x, k)
        result = cluster_dispersion(x, labels, pairs=True)
        medians = cluster_dispersion(x, k_medians(x, k), centers="geometric_median")
        yield {
            "data": f"{name}, {len(x)} × {x.shape[1]}, k = {k}",
            "published": PUBLISHED.get(name),
            "WCSS": result.total_wcss,
            "WCSS / n": result.total_mse,
            "sum of distances": result.total_sum_dist,
            "sum over pairs": float(np.sum(result.pair_sum)),
            "least sum of distances": medians.total_sum_dist,
        }


def main() -> None:
    for index, row in enumerate(rows()):
        if index == 0:
            print("|", " | ".join(row), "|")
            print("|---" * len(row) + "|")
        cells = [
            "" if v is None else v if isinstance(v, str) else f"{v:.10g}" for v in row.values()
        ]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

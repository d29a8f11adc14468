"""Every function of samples, applied to any pair of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fastdiv
from fastdiv import RBF, Energy, Laplacian, Linear, Matern, Polynomial, QuantizedRows

from .inputs import labels, weights


def of_length(x: object) -> int:
    """Return the number of rows; 0 for what has none."""
    return len(getattr(x, "a", x))


def _labelled(function: Callable[..., object], k: int = 3, **options: object):
    def call(x: object, y: object) -> object:
        return function(x, labels(of_length(x), k), **options)

    return call


def _witness(kernel: object):
    def call(x: object, y: object) -> object:
        at = x if isinstance(x, QuantizedRows) else y
        return fastdiv.witness(x, y, at, kernel)

    return call


def _weighted(function: Callable[..., object], **options: object):
    def call(x: object, y: object) -> object:
        u = weights(of_length(x), "unequal")
        return function(x, y, x_weights=u, **options)

    return call


def _weighted_clusters(function: Callable[..., object], **options: object):
    def call(x: object, y: object) -> object:
        n = of_length(x)
        return function(x, labels(n, 2), sample_weight=weights(n, "unequal"), **options)

    return call


def halves(x: np.ndarray, k: int) -> np.ndarray:
    """Cut rows into k parts of equal numbers, by the first feature."""
    return np.argsort(np.argsort(x[:, 0], kind="stable"), kind="stable") * k // len(x)


def _of(function: Callable[..., object], *arguments: object, **options: object):
    def call(x: object, y: object) -> object:
        return function(x, y, *arguments, **options)

    return call


def _of_x(function: Callable[..., object], *arguments: object, **options: object):
    def call(x: object, y: object) -> object:
        return function(x, *arguments, **options)

    return call


FAMILY = [RBF(1.5), Laplacian(2.0), Matern(2.5, 1.5), Polynomial(2), Linear(), Energy(0.7)]

PAIRS = {
    "mmd2": _of(fastdiv.mmd2),
    "mmd2 RBF": _of(fastdiv.mmd2, RBF(1.5)),
    "mmd2 RBF biased": _of(fastdiv.mmd2, RBF(1.5), estimator="biased"),
    "mmd2 RBF paired": _of(fastdiv.mmd2, RBF(1.5), estimator="paired"),
    "mmd2 Laplacian": _of(fastdiv.mmd2, Laplacian(2.0)),
    "mmd2 Laplacian median": _of(fastdiv.mmd2, Laplacian()),
    "mmd2 Matern": _of(fastdiv.mmd2, Matern(0.5, 1.5)),
    "mmd2 Polynomial": _of(fastdiv.mmd2, Polynomial(), estimator="biased"),
    "mmd2 Linear": _of(fastdiv.mmd2, Linear()),
    "mmd2 family": _of(fastdiv.mmd2, FAMILY),
    "mmd2 family biased": _of(fastdiv.mmd2, FAMILY, estimator="biased"),
    "mmd2 family weighted": _weighted(fastdiv.mmd2, kernel=FAMILY),
    "energy_distance": _of(fastdiv.energy_distance),
    "energy_distance 1.5": _of(fastdiv.energy_distance, exponent=1.5, estimator="unbiased"),
    "median_distance": _of(fastdiv.median_distance),
    "median_distance of x": _of_x(fastdiv.median_distance),
    "median_distance cityblock": _of(fastdiv.median_distance, metric="cityblock"),
    "witness": _witness(RBF()),
    "witness family": _witness(FAMILY),
    "mmd_test": _of(fastdiv.mmd_test, n_resamples=19, rng=1),
    "mmd_test family": _of(fastdiv.mmd_test, FAMILY, n_resamples=9, rng=2, estimator="biased"),
    "mmd_test paired": _of(fastdiv.mmd_test, RBF(1.5), n_resamples=9, rng=3, estimator="paired"),
    "mmd2_and_grad": _of(fastdiv.mmd2_and_grad),
    "mmd2_and_grad all": _of(
        fastdiv.mmd2_and_grad,
        [RBF(1.5), Laplacian(2.0), Matern(1.5, 1.5)],
        wrt=("x", "y", "x_weights", "y_weights", "bandwidth"),
    ),
    "mmd2_and_grad biased": _of(
        fastdiv.mmd2_and_grad, FAMILY, wrt=("x", "x_weights"), estimator="biased"
    ),
    "mmd2_and_grad weighted": _weighted(
        fastdiv.mmd2_and_grad, kernel=FAMILY, wrt=("x", "y", "y_weights"), estimator="paired"
    ),
    "kid": _of(fastdiv.kid, subset_size=2, n_subsets=7, rng=4),
    "cmmd": _of(fastdiv.cmmd),
    "cmmd normalize": _of(fastdiv.cmmd, normalize=True),
    "wae_mmd": _of(fastdiv.wae_mmd),
    "wae_mmd rbf": _of(fastdiv.wae_mmd, kernel="rbf"),
    "wae_kernel rbf": _of(fastdiv.wae_kernel, kernel="rbf"),
    "kernel_mean_matching": _of(fastdiv.kernel_mean_matching, RBF(1.5), max_iter=500),
    "kl_knn": _of(fastdiv.kl_knn),
    "kl_knn 1": _of(fastdiv.kl_knn, 1),
}
"""Functions of two samples."""

SINGLES = {
    "permanova": _labelled(fastdiv.permanova, n_resamples=19, rng=5),
    "permanova cityblock": _labelled(
        fastdiv.permanova, 2, metric="cityblock", n_resamples=9, rng=6
    ),
    "disco": _labelled(fastdiv.disco, n_resamples=19, rng=7),
    "cluster_dispersion": _labelled(fastdiv.cluster_dispersion),
    "cluster_dispersion all": _labelled(
        fastdiv.cluster_dispersion, pairs=True, metric="cityblock", centers="geometric_median"
    ),
    "wcss": _labelled(fastdiv.wcss),
    "wcss pairwise": _labelled(fastdiv.wcss, method="pairwise"),
    "geometric_median": _of_x(fastdiv.geometric_median),
    "geometric_median of clusters": _labelled(fastdiv.geometric_median, 2),
    "silhouette_samples": _labelled(fastdiv.silhouette_samples),
    "silhouette_samples squared": _labelled(fastdiv.silhouette_samples, metric="sqeuclidean"),
    "silhouette_score cityblock": _labelled(fastdiv.silhouette_score, metric="manhattan"),
    "silhouette_samples weighted": _weighted_clusters(fastdiv.silhouette_samples),
    "cluster_dispersion weighted": _weighted_clusters(fastdiv.cluster_dispersion, pairs=True),
    "calinski_harabasz_score": _labelled(fastdiv.calinski_harabasz_score),
    "davies_bouldin_score": _labelled(fastdiv.davies_bouldin_score),
    "dunn_index": _labelled(fastdiv.dunn_index),
    "gap_statistic": _of_x(fastdiv.gap_statistic, halves, [1, 2, 4], n_references=3, rng=8),
    "gap_statistic pca": _of_x(
        fastdiv.gap_statistic, halves, [1, 3], n_references=2, rng=9, reference="pca"
    ),
    "fit_gaussian": _of_x(fastdiv.fit_gaussian, ddof=1),
    "quantize_rows": _of_x(fastdiv.quantize_rows),
    "quantize_rows zero points": _of_x(fastdiv.quantize_rows, symmetric=False),
    "hybrid_matmul": lambda x, y: fastdiv.hybrid_matmul(x, fastdiv.quantize_rows(y)),
}
"""Functions of one sample."""

ALL = PAIRS | SINGLES

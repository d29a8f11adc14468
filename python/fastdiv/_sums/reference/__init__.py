"""
Define every reduction in plain NumPy.

Short and dense, O(n²) memory, float64 throughout. The compiled core has the same functions, which
`fastdiv._engine.backend` declares, and is tested against these. Docstrings give the shape of the
result; it is float64 unless they say otherwise.

Arguments of many functions
---------------------------
x, y : samples, (n, d) and (m, d), of one dtype, float32 or float64, or both quantised
x_weights, y_weights, weights : weights of rows, from 0 to about 1
kernels : groups (base, scale, origin, terms); see `kernels.lowering`
n_outputs : number of sums of terms
metric : "euclidean" or "cityblock"
codes : number of the cluster of each row
n_threads : without effect here; 0 is the default
progress : called with (done, total), here once

Files
-----
categorical: divergences between categorical distributions
clusters: sums over the rows of clusters
configuration: the number of threads, and the description of the backend
distances: ranked, median and k-th distances
gaussian: divergences between Gaussians, roots of their matrices and checks of them
labels: sums and extremes over pairs of rows, by label
log_ratios: moments of log ratios of densities
pairs: sums of kernels over pairs of rows
quantized: products of quantised rows
rows: the first value that is not finite, and the report of progress
weighted: sums over weighted pairs of rows, with gradients
"""

from fastdiv._sums.reference.categorical import (
    categorical_entropy,
    categorical_jensen_shannon,
    categorical_kl,
    categorical_normalisers,
)
from fastdiv._sums.reference.clusters import center_squares, cluster_sums, first_rows
from fastdiv._sums.reference.configuration import config, get_num_threads, set_num_threads
from fastdiv._sums.reference.distances import kth_distances, median_distances, ranked_distances
from fastdiv._sums.reference.gaussian import (
    covariance_roots,
    diagonal_kl_and_gradients,
    gaussian_coupling,
    gaussian_kl,
    gaussian_renyi,
    gaussian_wasserstein2,
    kl_from_products,
    matrix_status,
    mixture_covariances,
)
from fastdiv._sums.reference.labels import label_extremes, label_sums
from fastdiv._sums.reference.log_ratios import log_ratio_moments
from fastdiv._sums.reference.pairs import mmd2, pair_sums, paired_values, quad_forms, row_sums
from fastdiv._sums.reference.quantized import quantized_products
from fastdiv._sums.reference.rows import first_nonfinite
from fastdiv._sums.reference.weighted import log_slope_sums, weighted_sums

__all__ = [
    "categorical_entropy",
    "categorical_jensen_shannon",
    "categorical_kl",
    "categorical_normalisers",
    "center_squares",
    "cluster_sums",
    "config",
    "covariance_roots",
    "diagonal_kl_and_gradients",
    "first_nonfinite",
    "first_rows",
    "gaussian_coupling",
    "gaussian_kl",
    "gaussian_renyi",
    "gaussian_wasserstein2",
    "get_num_threads",
    "kl_from_products",
    "kth_distances",
    "label_extremes",
    "label_sums",
    "log_ratio_moments",
    "log_slope_sums",
    "matrix_status",
    "median_distances",
    "mixture_covariances",
    "mmd2",
    "pair_sums",
    "paired_values",
    "quad_forms",
    "quantized_products",
    "ranked_distances",
    "row_sums",
    "set_num_threads",
    "weighted_sums",
]

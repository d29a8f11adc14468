"""Statistical divergences on the CPU: between samples, and between distributions."""

from importlib.metadata import PackageNotFoundError, version

from fastdiv._config import get_num_threads, set_num_threads, show_config
from fastdiv._rows import QuantizedRows
from fastdiv.cluster_scores import calinski_harabasz_score, davies_bouldin_score
from fastdiv.clustering import ClusterDispersion, cluster_dispersion, wcss
from fastdiv.coupled import (
    CoupledNormal,
    coupled_cross_entropy,
    coupled_entropy,
    coupled_exp,
    coupled_kl,
    coupled_log,
)
from fastdiv.coupled_monte_carlo import (
    coupled_cross_entropy_monte_carlo,
    coupled_kl_monte_carlo,
)
from fastdiv.discrete import Categorical
from fastdiv.distances import median_distance
from fastdiv.divergences import cross_entropy, jeffreys, jensen_shannon, kl
from fastdiv.dunn import dunn_index
from fastdiv.estimators import Estimate, kl_from_log_probs, kl_monte_carlo
from fastdiv.flow import kl_flow, kl_flow_and_grad
from fastdiv.gap import GapStatistic, gap_statistic
from fastdiv.gaussian import Gaussian, fit_gaussian
from fastdiv.geometric_medians import GeometricMedian, geometric_median
from fastdiv.gradients import kl_and_grad
from fastdiv.group_tests import DiscoResult, PermanovaResult, disco, permanova
from fastdiv.kernel_inception import KID, kid
from fastdiv.kernels import (
    RBF,
    Callback,
    Energy,
    InverseMultiquadric,
    Kernel,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    RationalQuadratic,
    Sum,
)
from fastdiv.matching import KernelMeanMatching, kernel_mean_matching
from fastdiv.mixture import GaussianMixture, kl_mixture
from fastdiv.mmd import energy_distance, mmd2, witness
from fastdiv.mmd_gradients import mmd2_and_grad
from fastdiv.neighbours import kl_knn
from fastdiv.overlaps import bhattacharyya, hellinger, hellinger2, renyi
from fastdiv.pairwise import kl_matrix
from fastdiv.presets import cmmd, wae_kernel, wae_mmd
from fastdiv.quantized import HybridProduct, QuantizedEstimate, hybrid_matmul, quantize_rows
from fastdiv.relaxation import (
    GradientEstimate,
    RelaxedSample,
    enumeration_grad,
    gumbel_softmax,
    score_function_grad,
)
from fastdiv.silhouettes import silhouette_samples, silhouette_score
from fastdiv.simplex import project_simplex, quadratic_energy_and_grad
from fastdiv.transport import wasserstein2
from fastdiv.two_sample import TwoSampleResult, mmd_test
from fastdiv.variational import f_divergence_bound

try:
    __version__ = version("fastdiv")
except PackageNotFoundError:  # imported from a source tree
    __version__ = "0+unknown"

__all__ = [
    "KID",
    "RBF",
    "Callback",
    "Categorical",
    "ClusterDispersion",
    "CoupledNormal",
    "DiscoResult",
    "Energy",
    "Estimate",
    "GapStatistic",
    "Gaussian",
    "GaussianMixture",
    "GeometricMedian",
    "GradientEstimate",
    "HybridProduct",
    "InverseMultiquadric",
    "Kernel",
    "KernelMeanMatching",
    "Laplacian",
    "Linear",
    "Matern",
    "PermanovaResult",
    "Polynomial",
    "QuantizedEstimate",
    "QuantizedRows",
    "RationalQuadratic",
    "RelaxedSample",
    "Sum",
    "TwoSampleResult",
    "__version__",
    "bhattacharyya",
    "calinski_harabasz_score",
    "cluster_dispersion",
    "cmmd",
    "coupled_cross_entropy",
    "coupled_cross_entropy_monte_carlo",
    "coupled_entropy",
    "coupled_exp",
    "coupled_kl",
    "coupled_kl_monte_carlo",
    "coupled_log",
    "cross_entropy",
    "davies_bouldin_score",
    "disco",
    "dunn_index",
    "energy_distance",
    "enumeration_grad",
    "f_divergence_bound",
    "fit_gaussian",
    "gap_statistic",
    "geometric_median",
    "get_num_threads",
    "gumbel_softmax",
    "hellinger",
    "hellinger2",
    "hybrid_matmul",
    "jeffreys",
    "jensen_shannon",
    "kernel_mean_matching",
    "kid",
    "kl",
    "kl_and_grad",
    "kl_flow",
    "kl_flow_and_grad",
    "kl_from_log_probs",
    "kl_knn",
    "kl_matrix",
    "kl_mixture",
    "kl_monte_carlo",
    "median_distance",
    "mmd2",
    "mmd2_and_grad",
    "mmd_test",
    "permanova",
    "project_simplex",
    "quadratic_energy_and_grad",
    "quantize_rows",
    "renyi",
    "score_function_grad",
    "set_num_threads",
    "show_config",
    "silhouette_samples",
    "silhouette_score",
    "wae_kernel",
    "wae_mmd",
    "wasserstein2",
    "wcss",
    "witness",
]

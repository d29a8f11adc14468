"""Statistical divergences on the CPU: between samples, and between distributions."""

from typing import get_type_hints

from fastdiv._config import get_num_threads, set_num_threads, show_config
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv.clusters.dispersion import ClusterDispersion, cluster_dispersion, wcss
from fastdiv.clusters.gap import GapStatistic, gap_statistic
from fastdiv.clusters.geometric_medians import GeometricMedian, geometric_median
from fastdiv.clusters.scores import (
    calinski_harabasz_score,
    davies_bouldin_score,
    dunn_index,
)
from fastdiv.clusters.silhouettes import silhouette_samples, silhouette_score
from fastdiv.distributions.categorical import Categorical
from fastdiv.distributions.coupled import CoupledNormal, coupled_exp, coupled_log
from fastdiv.distributions.coupled_divergences import (
    coupled_cross_entropy,
    coupled_entropy,
    coupled_kl,
)
from fastdiv.distributions.discrete.relaxation import (
    GradientEstimate,
    RelaxedSample,
    enumeration_grad,
    gumbel_softmax,
    score_function_grad,
)
from fastdiv.distributions.discrete.simplex import project_simplex, quadratic_energy_and_grad
from fastdiv.distributions.divergences import cross_entropy, jeffreys, jensen_shannon, kl
from fastdiv.distributions.estimates.coupled_monte_carlo import (
    coupled_cross_entropy_monte_carlo,
    coupled_kl_monte_carlo,
)
from fastdiv.distributions.estimates.estimate import Estimate
from fastdiv.distributions.estimates.flow import kl_flow, kl_flow_and_grad
from fastdiv.distributions.estimates.monte_carlo import kl_from_log_probs, kl_monte_carlo
from fastdiv.distributions.estimates.nearest_neighbours import kl_knn
from fastdiv.distributions.estimates.variational import f_divergence_bound
from fastdiv.distributions.fitting import fit_gaussian
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.gradients import kl_and_grad
from fastdiv.distributions.mixture import GaussianMixture, kl_mixture
from fastdiv.distributions.overlaps import bhattacharyya, hellinger, hellinger2, renyi
from fastdiv.distributions.pairwise import kl_matrix
from fastdiv.distributions.transport import wasserstein2
from fastdiv.groups.disco import DiscoResult, disco
from fastdiv.groups.permanova import PermanovaResult, permanova
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
from fastdiv.mmd.bandwidth import median_distance
from fastdiv.mmd.cmmd import cmmd
from fastdiv.mmd.estimate import energy_distance, mmd2, witness
from fastdiv.mmd.gradients import mmd2_and_grad
from fastdiv.mmd.kid import KID, kid
from fastdiv.mmd.matching import KernelMeanMatching, kernel_mean_matching
from fastdiv.mmd.permutation import TwoSampleResult, mmd_test
from fastdiv.mmd.wae import wae_kernel, wae_mmd
from fastdiv.quantized.bounds import QuantizedEstimate
from fastdiv.quantized.products import HybridProduct, hybrid_matmul
from fastdiv.quantized.quantize import quantize_rows

__version__: str

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

# Let pickles and `repr` name the public path. Evaluate the annotations of classes first, because
# that needs the module they were written in. Functions remember theirs.
for _name in set(__all__) - {"__version__"}:
    _public = globals()[_name]
    if isinstance(_public, type):
        _public.__annotations__ |= get_type_hints(_public)
    if callable(_public):
        _public.__module__ = __name__


def __getattr__(name: str) -> str:
    """Return the version. What looks it up takes a fifth of the time of the whole import."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("fastdiv")
    except PackageNotFoundError:  # imported from a source tree
        found = "0+unknown"
    globals()[name] = found
    return found

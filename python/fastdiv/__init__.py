"""Statistical divergences on the CPU: between samples, and between distributions."""

from importlib.metadata import PackageNotFoundError, version

from fastdiv._config import get_num_threads, set_num_threads, show_config
from fastdiv.distances import median_distance
from fastdiv.divergences import cross_entropy, jeffreys, kl
from fastdiv.gaussian import Gaussian, fit_gaussian
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
from fastdiv.mmd import energy_distance, mmd2, witness
from fastdiv.two_sample import TwoSampleResult, mmd_test

try:
    __version__ = version("fastdiv")
except PackageNotFoundError:  # imported from a source tree
    __version__ = "0+unknown"

__all__ = [
    "RBF",
    "Callback",
    "Energy",
    "Gaussian",
    "InverseMultiquadric",
    "Kernel",
    "Laplacian",
    "Linear",
    "Matern",
    "Polynomial",
    "RationalQuadratic",
    "Sum",
    "TwoSampleResult",
    "__version__",
    "cross_entropy",
    "energy_distance",
    "fit_gaussian",
    "get_num_threads",
    "jeffreys",
    "kl",
    "median_distance",
    "mmd2",
    "mmd_test",
    "set_num_threads",
    "show_config",
    "witness",
]

"""Distances between samples: exact, on the CPU, in memory that grows with n and not with n²."""

from importlib.metadata import PackageNotFoundError, version

from fastdiv._config import get_num_threads, set_num_threads, show_config
from fastdiv.distances import median_distance
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
    "energy_distance",
    "get_num_threads",
    "median_distance",
    "mmd2",
    "mmd_test",
    "set_num_threads",
    "show_config",
    "witness",
]

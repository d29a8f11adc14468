"""
Define kernels, small frozen dataclasses that say what to compute.

A class names itself to the engine, and names the base value that it reads of a pair of rows. It
holds its formula, its slope on base values, and its largest slope. The base values are the squared
Euclidean distance, the L1 distance and the inner product.

Files
-----
arguments: the kernels that a caller passes
base: the base class of kernels, their registered formulas, and a kernel as the engine reads it
combinations: sums of kernels, and kernels given as Python functions
dot_products: kernels of an inner product
energy: negative powers of distances
evaluation: kernels, their gradients and their log-slopes in NumPy
lowering: kernels as the terms that the engine evaluates
parameters: checks of the parameters of kernels
radial: kernels of a distance that decrease to 0
"""

from fastdiv.kernels.base import Kernel
from fastdiv.kernels.combinations import Callback, Sum
from fastdiv.kernels.dot_products import Linear, Polynomial
from fastdiv.kernels.energy import Energy
from fastdiv.kernels.radial import RBF, InverseMultiquadric, Laplacian, Matern, RationalQuadratic

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
]

"""List kernels of a width that suits quantised rows of d features."""

import numpy as np
import pytest

import fastdiv as fd
from fastdiv import RBF, Energy, Sum

KERNELS = {
    "rbf": lambda d: RBF(1.3 * np.sqrt(d)),
    "rbf per feature": lambda d: RBF(np.linspace(0.5, 2.0, d) * np.sqrt(d)),
    "laplacian": lambda d: fd.Laplacian(1.1 * d),
    "matern12": lambda d: fd.Matern(0.5, 1.2 * np.sqrt(d)),
    "matern32": lambda d: fd.Matern(1.5, 1.2 * np.sqrt(d)),
    "matern52": lambda d: fd.Matern(2.5, 1.2 * np.sqrt(d)),
    "rational quadratic": lambda d: fd.RationalQuadratic(0.7, 1.2 * np.sqrt(d)),
    "inverse multiquadric": lambda d: fd.InverseMultiquadric(1.7 * d),
    "polynomial": lambda d: fd.Polynomial(3),
    "polynomial degree 6": lambda d: fd.Polynomial(6, gamma=0.3 / d, coef0=0.5),
    "linear": lambda d: fd.Linear(),
    "energy": lambda d: Energy(),
    "energy 0.5": lambda d: Energy(0.5),
    "energy 1.7": lambda d: Energy(1.7),
    "sum": lambda d: Sum([RBF(np.sqrt(d)), Energy()], weights=[-2.0, 0.5]),
}

each_kernel = pytest.mark.parametrize("name", KERNELS)

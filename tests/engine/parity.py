"""
Inputs and tolerances of the tests of the compiled core against the reference.

One row per kernel. The sizes are smaller than a tile, odd, or prime; the numbers of
features leave a remainder in every vector width.
"""

import numpy as np
import pytest

from fastdiv import (
    RBF,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    RationalQuadratic,
)
from fastdiv.kernels.energy import CityBlock
from fastdiv.kernels.evaluation import kernel_values
from fastdiv.kernels.lowering import lower
from fastdiv.kernels.radial import RBFLessOne

KERNELS = {
    "rbf": lambda d: RBF(0.8),
    "rbf per feature": lambda d: RBF(np.linspace(0.5, 2.0, d)),
    "laplacian": lambda d: Laplacian(0.9 * np.sqrt(d)),
    "matern12": lambda d: Matern(0.5, 0.8),
    "matern32": lambda d: Matern(1.5, 0.8),
    "matern52": lambda d: Matern(2.5, 0.8),
    "rational quadratic": lambda d: RationalQuadratic(1.3, 0.8),
    "inverse multiquadric": lambda d: InverseMultiquadric(0.7),
    "polynomial": lambda d: Polynomial(3, gamma=0.6),
    "polynomial degree 1": lambda d: Polynomial(1, gamma=1.5, coef0=0.0),
    "polynomial degree 6": lambda d: Polynomial(6, gamma=0.4),
    "linear": lambda d: Linear(),
    "linear in an mmd": lambda d: Linear(),
    "energy": lambda d: Energy(),
    "energy 0.5": lambda d: Energy(0.5),
    "energy 1.7": lambda d: Energy(1.7),
    "cityblock": lambda d: CityBlock(1.0),
    "cityblock 2": lambda d: CityBlock(2.0),
    "cityblock 0.7": lambda d: CityBlock(0.7),
    "rbf less one": lambda d: RBFLessOne(0.8),
    "rbf less one, wide": lambda d: RBFLessOne(30.0),
}
FEATURES = [1, 2, 3, 7, 16, 17, 64, 65, 300]
SIZES = [(1, 1), (1, 5), (2, 3), (7, 1), (16, 17), (31, 64), (97, 131), (5, 130)]
SIZES_MANY_FEATURES = [(1, 3), (17, 16), (97, 31)]
DTYPES = [np.float32, np.float64]
RTOL = {np.float32: 1e-5, np.float64: 1e-12}

each_kernel = pytest.mark.parametrize("name", KERNELS)
each_pairs = pytest.mark.parametrize("pairs", ["distinct", "all", "off_diagonal"])
each_d = pytest.mark.parametrize("d", FEATURES)

# The number of features matters to the base of a kernel, which fills a tile. One kernel of each
# base and lowering meets them all. The others differ in the map of a filled tile: they meet less
# than a vector, and vectors with a remainder.
MEETS_ALL_FEATURES = (
    *("rbf", "rbf per feature", "energy", "laplacian"),
    *("polynomial", "linear", "linear in an mmd"),
)
SOME_FEATURES = (3, 17)


def kernels_and_features(names):
    """Return what `each_kernel_and_d` takes from the kernels of these names."""
    return [
        pytest.param(name, d, marks=[] if d in SOME_FEATURES else pytest.mark.slow)
        for name in names
        for d in (FEATURES if name in MEETS_ALL_FEATURES else SOME_FEATURES)
    ]


each_kernel_and_d = pytest.mark.parametrize(("name", "d"), kernels_and_features(KERNELS))
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["f4", "f8"])


def each_case(test):
    """Run a test for each dtype, and each kernel with its numbers of features."""
    return each_dtype(each_kernel_and_d(test))


def groups_of(name, d):
    return lower([KERNELS[name](d)], np.full(d, 0.2) if name.endswith("mmd") else None).groups


def sample(rng, n, d, dtype):
    """Draw rows of squared norm near 1, whatever d, away from the origin."""
    return ((rng.normal(size=(n, d)) + 0.3) / np.sqrt(d)).astype(dtype)


def samples(rng, sizes, d, dtype):
    """Draw two samples of each pair of sizes."""
    for n, m in sizes:
        yield sample(rng, n, d, dtype), sample(rng, m, d, dtype)


def sizes(d):
    return SIZES if d < 64 else SIZES_MANY_FEATURES


def close(got, expected, bound, dtype):
    """Compare within the contract: relative to the sum of absolute kernel values."""
    assert got.dtype == np.float64
    assert got.shape == expected.shape
    assert (np.abs(got - expected) <= RTOL[dtype] * bound).all(), (
        np.abs(got - expected) / np.maximum(bound, 1e-300)
    ).max()


def absolute(x, y, groups, n_outputs=1):
    return np.abs(kernel_values(x[:, None], y[None], groups, n_outputs))

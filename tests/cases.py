"""Cases and measures that the tests of several rooms share."""

import tracemalloc

import numpy as np
import pytest

from fastdiv import (
    RBF,
    InverseMultiquadric,
    Laplacian,
    Matern,
    RationalQuadratic,
    quantize_rows,
)

ESTIMATORS = ["unbiased", "biased", "paired"]
DTYPES = [np.float32, np.float64]

each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["f4", "f8"])
each_metric = pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
each_symmetry = pytest.mark.parametrize("symmetric", [True, False], ids=["sym", "asym"])


def radial_kernels(bandwidth, alpha, c):
    """Return one of every kernel that falls from 1 as the distance grows."""
    return [
        *(RBF(bandwidth), Laplacian(bandwidth)),
        *(Matern(nu, bandwidth) for nu in (0.5, 1.5, 2.5)),
        *(RationalQuadratic(alpha, bandwidth), InverseMultiquadric(c)),
    ]


def quantized(rng, n, d, symmetric=True):
    """Return quantised rows whose scales and signs differ."""
    x = rng.normal(size=(n, d)) * rng.uniform(0.3, 2.0, size=(n, 1))
    return quantize_rows(x if symmetric else x + 1.0, symmetric=symmetric)


def clustered(rng, n=300, d=5, k=4, dtype=np.float64, offset=0.0):
    """Return rows about k centres, and their labels 0, ..., k - 1."""
    labels = np.append(np.arange(k), rng.integers(k, size=n - k))
    x = rng.normal(size=(n, d)) + 4.0 * rng.normal(size=(k, d))[labels]
    return (x + offset).astype(dtype), labels


def distances(x, metric):
    """Return the matrix of distances between rows, in float64."""
    differences = x[:, None].astype(np.float64) - x[None].astype(np.float64)
    if metric == "cityblock":
        return np.abs(differences).sum(axis=-1)
    squares = (differences**2).sum(axis=-1)
    return squares if metric == "sqeuclidean" else np.sqrt(squares)


def squares(a, b):
    """Return the squared distances between rows of a and of b."""
    return ((a[:, None] - b[None]) ** 2).sum(axis=-1)


def peak_bytes(call):
    """Return the bytes that NumPy held at most during a call; the core holds its copies outside."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Reports(list):
    """Collect the calls of a `progress` argument."""

    def __call__(self, done, total):
        self.append((done, total))

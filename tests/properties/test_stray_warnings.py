"""Samples of every magnitude: a value or an error that says why not, and no warning of NumPy."""

import contextlib
import inspect

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Energy, Laplacian, Linear, Polynomial, RationalQuadratic

ROWS = np.random.default_rng(0).normal(size=(12, 2))
LABELS = np.arange(12) // 4
SAMPLES = {"x": ROWS, "y": ROWS[::-1] + 1.0, "z": ROWS, "z_prior": ROWS + 0.5, "at": ROWS}
FIXED = {
    "labels": LABELS,
    "groups": LABELS,
    "labels_of": lambda x, k: np.arange(len(x)) % k,
    "k_range": [1, 2],
    "rng": 0,
    "n_resamples": 9,
    "n_subsets": 3,
    "subset_size": 5,
    "max_iter": 100,
}
KERNELS = [RBF(), Laplacian(), Energy(), Polynomial(), Linear(), RationalQuadratic()]
WEIGHTS = [None, np.geomspace(1e-300, 1e300, 12), np.full(12, 1e-310)]
SCALES = [1e-320, 1e-160, 1e-45, 1e38, 1e154, 1e307]

CHOICES = {
    "estimator": ["unbiased", "biased", "paired"],
    "metric": ["euclidean", "cityblock", "sqeuclidean"],
    "x_weights": WEIGHTS,
    "sample_weight": WEIGHTS,
}


def functions():
    """Yield the public functions of samples, by name."""
    for name in sorted(fastdiv.__all__):
        function = getattr(fastdiv, name)
        if inspect.isfunction(function) and {"x", "z"} & set(parameters(function)):
            needed = {key for key, p in parameters(function).items() if p.default is p.empty}
            if needed <= SAMPLES.keys() | FIXED.keys():
                yield name


def parameters(function):
    return inspect.signature(function).parameters


def variants(function):
    """Yield arguments beside the samples, one of them not the usual one."""
    names = parameters(function)
    usual = {key: value for key, value in FIXED.items() if key in names}
    choices = CHOICES | ({"kernel": KERNELS} if "kernel" in names and "x" in names else {})
    for key in choices.keys() & names.keys():
        yield from (usual | {key: value} for value in choices[key])
    yield usual


def scaled(rows, scale, shape):
    """Return rows of a scale, one far row, or rows that are all equal."""
    out = rows.copy() if shape == "one" else rows * scale
    if shape == "one":
        out[3] *= scale
    return np.full_like(out, scale) if shape == "equal" else out


@pytest.mark.filterwarnings("ignore:kernel_mean_matching stopped", "ignore:the geometric median")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(functions()))
def test_no_warning_of_numpy(name, dtype):
    function = getattr(fastdiv, name)
    taken = SAMPLES.keys() & parameters(function).keys()
    for scale in SCALES:
        for shape in ("all", "one", "equal"):
            with np.errstate(all="ignore"):
                samples = {key: scaled(SAMPLES[key], scale, shape).astype(dtype) for key in taken}
            for others in variants(function):
                with contextlib.suppress(TypeError, ValueError, OverflowError):
                    function(**samples, **others)

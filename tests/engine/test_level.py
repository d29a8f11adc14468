"""
The level of the test, by simulation.

Each row draws RUNS pairs of samples from one distribution and counts p <= alpha. With B
resamples and no ties p is uniform on {1, ..., B+1}/(B+1), so the count is binomial and has
to lie inside its exact 99.9 % interval. With ties, or few distinct splits, p can only be
larger: there the upper end counts.
"""

import zlib

import numpy as np
import pytest
from levels import binomial_interval, check

from fastdiv import (
    RBF,
    Callback,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Matern,
    Sum,
    mmd_test,
)
from fastdiv.mmd import bandwidth

pytestmark = pytest.mark.slow

RUNS = 2000


def normal(d):
    return lambda rng, n: rng.normal(size=(n, d))


def coins(rng, n):
    return rng.integers(0, 2, size=n)


def heavy_ties(rng, n):
    return rng.choice([0.0, 0.0, 0.0, 1.0, 2.0, 5.0], size=(n, 2))


def rounded(rng, n):
    return np.round(rng.normal(size=(n, 2)), 1).astype(np.float32)


def cauchy(rng, n):
    return rng.standard_cauchy(size=(n, 2))


def overlap(a, b):
    return (a[:, None] == b[None]).mean(axis=2)


# name: (sampler, n, m, kernel, estimator, B, p is uniform)
SCENARIOS = {
    "continuous": (normal(3), 9, 16, RBF(), "unbiased", 99, True),
    "float32": (
        lambda rng, n: rng.normal(size=(n, 2)).astype(np.float32) + 100,
        12,
        8,
        Matern(),
        "unbiased",
        99,
        True,
    ),
    "biased": (normal(2), 15, 9, Laplacian(1.0), "biased", 99, True),
    "biased, median": (cauchy, 8, 13, RBF(), "biased", 99, True),
    "paired": (normal(2), 12, 12, RBF(1.0), "paired", 99, True),
    "energy": (cauchy, 7, 21, Energy(), "unbiased", 99, True),
    "linear": (normal(4), 20, 10, Linear(), "unbiased", 99, True),
    "sum": (normal(1), 10, 12, Sum([RBF(0.5), Energy()]), "unbiased", 99, True),
    "more resamples": (normal(1), 10, 14, InverseMultiquadric(1.0), "unbiased", 199, True),
    "coins": (coins, 4, 9, RBF(1.0), "unbiased", 99, False),
    "coins, biased": (coins, 6, 5, Linear(), "biased", 39, False),
    "heavy ties": (heavy_ties, 8, 15, Energy(), "unbiased", 99, False),
    "heavy ties, paired": (heavy_ties, 9, 9, RBF(1.0), "paired", 39, False),
    "rounded, median": (rounded, 10, 6, RBF(), "unbiased", 99, False),
    "four and four": (normal(2), 4, 4, RBF(), "unbiased", 99, False),
    "four and five": (normal(1), 4, 5, Laplacian(), "biased", 39, False),
    "four and four, paired": (coins, 4, 4, Energy(), "paired", 39, False),
    "callback": (heavy_ties, 5, 6, Callback(overlap), "unbiased", 19, False),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_level(name):
    sampler, n, m, kernel, estimator, resamples, uniform = SCENARIOS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    options = {"estimator": estimator, "n_resamples": resamples, "rng": rng, "n_threads": 1}
    pvalues = [
        mmd_test(sampler(rng, n), sampler(rng, m), kernel, **options).pvalue for _ in range(RUNS)
    ]
    check(np.array(pvalues), uniform)


def test_level_with_the_median_of_a_subsample(monkeypatch):
    monkeypatch.setattr(bandwidth, "EXACT_ROWS", 8)
    rng = np.random.default_rng(99)
    options = {"n_resamples": 99, "rng": rng, "n_threads": 1}
    pvalues = [
        mmd_test(rng.normal(size=(9, 2)), rng.normal(size=(14, 2)), **options).pvalue
        for _ in range(RUNS)
    ]
    check(np.array(pvalues), uniform=True)


def test_interval_is_exact():
    low, high = binomial_interval(2000, 0.05)
    assert (low, high) == (69, 133)
    low, high = binomial_interval(10, 0.5, confidence=0.95)
    assert (low, high) == (2, 8)

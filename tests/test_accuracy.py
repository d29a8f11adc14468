"""
The accuracy contract: kernel sums within 1e-5 (float32) and 1e-12 (float64).

The truth is computed here in extended precision by direct differences from the input
values as they are after rounding to their dtype. Errors are relative to the sum of the
absolute kernel values, which is the sum itself for all kernels of one sign.
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
    _backend,
    median_distance,
    mmd2,
)
from fastdiv.kernels import FORMULAS, lower

RTOL = {np.float32: 1e-5, np.float64: 1e-12}
N, M = 59, 43


def clusters(rng, rows, d, width, distance):
    centres = np.random.default_rng(5).integers(0, 4, size=(4, d)) * distance
    return centres[rng.integers(0, 4, size=rows)] + rng.normal(size=(rows, d)) * width


def row_norms(rng, rows, d):
    return rng.normal(size=(rows, d)) * 10.0 ** rng.uniform(-3, 3, size=(rows, 1))


CASES = {
    # name: (sampler(rng, rows), bandwidths worth a look)
    "near the origin": (lambda rng, n: rng.normal(size=(n, 5)), [0.3, 3.0]),
    "many features": (lambda rng, n: rng.normal(size=(n, 260)), [5.0, 22.0]),
    "shifted by 1e6": (lambda rng, n: rng.normal(size=(n, 5)) + 1e6, [0.3, 3.0]),
    "shifted by 1e6, one feature": (lambda rng, n: rng.normal(size=(n, 1)) + 1e6, [0.1, 1.0]),
    "shifted by -1e6, 64 features": (lambda rng, n: rng.normal(size=(n, 64)) - 1e6, [11.0]),
    "tight clusters": (lambda rng, n: clusters(rng, n, 3, 1e-3, 1e4), [1e-3, 1e-2, 1e4]),
    "tight clusters, 32 features": (lambda rng, n: clusters(rng, n, 32, 1e-3, 1e4), [5e-3, 1e4]),
    "clusters, mild": (lambda rng, n: clusters(rng, n, 16, 0.1, 100.0), [0.5, 100.0]),
    "clusters shifted by 1e6": (lambda rng, n: clusters(rng, n, 4, 1.0, 1e3) + 1e6, [2.0]),
    "scales of features": (
        lambda rng, n: rng.normal(size=(n, 6)) * 10.0 ** np.arange(-3, 3),
        [0.01, 100.0],
    ),
    "row norms": (lambda rng, n: row_norms(rng, n, 7), [0.01, 1.0, 100.0]),
    "integer grid": (lambda rng, n: rng.integers(0, 5, size=(n, 4)), [0.2, 2.0]),
    "integer grid at 1e6": (lambda rng, n: 10**6 + rng.integers(0, 5, size=(n, 4)), [0.2, 2.0]),
    "nearly equal rows": (
        lambda rng, n: np.full((n, 8), 1.7) + rng.normal(size=(n, 8)) * 1e-6,
        [1e-6, 1.0],
    ),
}
KERNELS = {
    "rbf": lambda s, d: RBF(s),
    "rbf per feature": lambda s, d: RBF(s * np.linspace(0.7, 1.4, d)),
    "laplacian": lambda s, d: Laplacian(s),
    "matern12": lambda s, d: Matern(0.5, s),
    "matern32": lambda s, d: Matern(1.5, s),
    "matern52": lambda s, d: Matern(2.5, s),
    "rational quadratic": lambda s, d: RationalQuadratic(1.5, s),
    "inverse multiquadric": lambda s, d: InverseMultiquadric(s * s),
    "polynomial": lambda s, d: Polynomial(3, gamma=1.0 / s**2),
    "linear": lambda s, d: Linear(),
    "energy": lambda s, d: Energy(),
    "energy 1.5": lambda s, d: Energy(1.5),
}


def exact_values(kernel, x, y, *, for_mmd=True):
    """Kernel matrix in extended precision."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    total = np.zeros((len(x), len(y)), dtype=np.longdouble)
    for base, scale, terms in lower([kernel], for_mmd=for_mmd).groups:
        s = np.ones(x.shape[1]) if scale is None else scale
        if base == "dot":
            values = (x * s) @ (y * s).T
        else:
            difference = (x[:, None] - y[None]) * s
            values = (np.abs(difference) if base == "l1" else difference**2).sum(axis=2)
        for name, params, weight, _ in terms:
            total += weight * FORMULAS[name](values, *params)
    return total


def make(case, dtype):
    rng = np.random.default_rng(11)
    sampler, bandwidths = CASES[case]
    return sampler(rng, N).astype(dtype), sampler(rng, M).astype(dtype), bandwidths


each_case = pytest.mark.parametrize("case", CASES)
each_kernel = pytest.mark.parametrize("name", KERNELS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])


def within(got, expected, bound, dtype, floor=0.0):
    """Check the contract, down to sums of values that underflow."""
    error = np.abs(got - expected)
    floor = floor + N * N * np.finfo(dtype).tiny
    assert (error <= RTOL[dtype] * bound + floor).all(), (
        f"relative errors {np.float64(error / bound)} of {np.float64(expected)}"
    )


@each_dtype
@each_kernel
@each_case
def test_kernel_sums(case, name, dtype):
    x, y, bandwidths = make(case, dtype)
    labels = np.zeros((2, N), dtype=np.uint8)
    labels[0, : N // 3] = 1
    labels[1, ::2] = 1
    for bandwidth in bandwidths:
        kernel = KERNELS[name](bandwidth, x.shape[1])
        lowered = lower([kernel], for_mmd=True)
        xx, yy, xy = (exact_values(kernel, a, b) for a, b in ((x, x), (y, y), (x, y)))
        quantum = np.abs(xx).max() * 2.0**-50  # of the fixed-point sums of quad_forms
        np.fill_diagonal(xx, 0)
        np.fill_diagonal(yy, 0)
        backend = _backend.current()

        got = backend.pair_sums(x, y, lowered.groups, 1, 0, None)[0]
        expected = np.array([k.sum() for k in (xx, yy, xy)])
        within(got, expected, np.array([np.abs(k).sum() for k in (xx, yy, xy)]), dtype)

        got = backend.quad_forms(x, labels, lowered.groups, 1, 0, None)[0]
        z = labels.astype(np.longdouble)
        for triple, one in zip(got, z, strict=True):
            sums = [one @ xx @ one, (1 - one) @ xx @ (1 - one), one @ xx @ (1 - one)]
            within(triple, np.array(sums), np.abs(xx).sum(), dtype, quantum)

        direct = exact_values(kernel, x, y, for_mmd=False) if name == "linear" else xy
        groups = lower([kernel], for_mmd=False).groups
        got = backend.row_sums(x, y, groups, 1, 0, None)[0]
        rows = np.abs(direct).sum(axis=1)
        within(got, direct.sum(axis=1), rows + rows.mean(), dtype)

        got = backend.paired_values(x[:M], y, groups, 1, 0)[0]
        pairs = np.diagonal(direct[:M])
        within(got, pairs, np.abs(pairs) + np.abs(direct).mean(), dtype)


@each_dtype
@each_case
def test_scaled_features(case, dtype):
    x, y, _ = make(case, dtype)
    kernel = RBF(2.0 * x.astype(np.float64).std(axis=0) + 1e-9)
    groups = lower([kernel], for_mmd=True).groups
    got = _backend.current().pair_sums(x, y, groups, 1, 0, None)[0, 2]
    expected = exact_values(kernel, x, y).sum()
    within(got, expected, expected, dtype)


@each_dtype
@each_case
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_median(case, metric, dtype):
    x, y, _ = make(case, dtype)
    z = np.concatenate([x, y]).astype(np.longdouble)
    difference = np.abs(z[:, None] - z[None])
    if metric == "euclidean":
        distances = np.sqrt((difference**2).sum(axis=2))
    else:
        distances = difference.sum(axis=2)
    expected = np.median(distances[np.triu_indices(len(z), 1)])
    got = median_distance(x, y, metric=metric)
    assert abs(got - expected) <= RTOL[dtype] * expected


@each_dtype
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_linear_mmd_far_from_the_origin(shift, dtype):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(200, 4)), rng.normal(size=(150, 4)) + 0.5
    x, y = (x + shift).astype(dtype), (y + shift).astype(dtype)
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    difference = wide_x.mean(axis=0) - wide_y.mean(axis=0)
    expected = difference @ difference
    spread = wide_x.var(axis=0).sum() + wide_y.var(axis=0).sum()
    got = mmd2(x, y, Linear(), estimator="biased")
    assert abs(got - expected) <= RTOL[dtype] * spread


@each_dtype
def test_power_of_two_shifts_change_nothing_much(dtype):
    """A shift that is exact in the dtype leaves the same differences."""
    rng = np.random.default_rng(3)
    grid = rng.integers(-64, 64, size=(2, 90, 3)) / 64
    x, y = grid.astype(dtype)
    shift = dtype(2.0**13 if dtype == np.float32 else 2.0**40)
    for make_kernel in KERNELS.values():
        kernel = make_kernel(0.7, 3)
        if isinstance(kernel, Polynomial):
            continue
        expected = mmd2(x, y, kernel)
        size = float(np.abs(exact_values(kernel, x, y)).mean())
        assert abs(mmd2(x + shift, y + shift, kernel) - expected) <= 4 * RTOL[dtype] * size

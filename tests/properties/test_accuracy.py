"""
Test the accuracy contract: kernel sums within 1e-5 (float32) and 1e-12 (float64).

The exact sums are computed in extended precision, by direct differences of the input values after
rounding to their dtype. Errors are relative to the sum of the absolute kernel values, which is the
sum itself for kernels of one sign.
"""

import numpy as np
import pytest
from cases import each_dtype

import fastdiv as fd
from fastdiv import RBF, Energy, Sum, median_distance, mmd2
from fastdiv._engine import backend
from fastdiv._engine.types import WeightedSumsRequest
from fastdiv.kernels.base import FORMULAS
from fastdiv.kernels.lowering import lower
from fastdiv.kernels.radial import RBFLessOne
from fastdiv.mmd.centre import centre

RTOL = {np.float32: 1e-5, np.float64: 1e-12}
N, M = 59, 43


def clusters(rng, rows, d, width, distance):
    centres = np.random.default_rng(5).integers(0, 4, size=(4, d)) * distance
    return centres[rng.integers(0, 4, size=rows)] + rng.normal(size=(rows, d)) * width


def row_norms(rng, rows, d):
    return rng.normal(size=(rows, d)) * 10.0 ** rng.uniform(-3, 3, size=(rows, 1))


CASES = {
    # name: (sampler(rng, rows), bandwidths to test)
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
    "laplacian": lambda s, d: fd.Laplacian(s),
    "matern12": lambda s, d: fd.Matern(0.5, s),
    "matern32": lambda s, d: fd.Matern(1.5, s),
    "matern52": lambda s, d: fd.Matern(2.5, s),
    "rational quadratic": lambda s, d: fd.RationalQuadratic(1.5, s),
    "inverse multiquadric": lambda s, d: fd.InverseMultiquadric(s * s),
    "polynomial": lambda s, d: fd.Polynomial(3, gamma=1.0 / s**2),
    "linear": lambda s, d: fd.Linear(),
    "energy": lambda s, d: Energy(),
    "energy 1.5": lambda s, d: Energy(1.5),
    "rbf less one": lambda s, d: RBFLessOne(s),
    "rbf less one, wide": lambda s, d: RBFLessOne(1e4 * s),
}


def exact_values(kernel, x, y, origin=None):
    """Return the kernel matrix in extended precision, as seen from the origin."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    total = np.zeros((len(x), len(y)), dtype=np.longdouble)
    for base, scale, o, terms in lower([kernel], origin).groups:
        s = np.ones(x.shape[1]) if scale is None else scale
        if base == "dot":
            a, b = (x, y) if o is None else (x - o, y - o)
            values = (a * s) @ (b * s).T
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


def within(got, expected, bound, dtype):
    """Check the accuracy contract, down to sums of values that underflow."""
    error = np.abs(got - expected)
    floor = N * N * np.finfo(dtype).tiny
    assert (error <= RTOL[dtype] * bound + floor).all(), (
        f"relative errors {np.float64(error / bound)} of {np.float64(expected)}"
    )


@pytest.mark.slow
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
        middle = centre([x, y])
        lowered = lower([kernel], middle)
        xx, yy, xy = (exact_values(kernel, a, b, middle) for a, b in ((x, x), (y, y), (x, y)))
        np.fill_diagonal(xx, 0)
        np.fill_diagonal(yy, 0)
        engine = backend.current()

        got = engine.pair_sums(x, y, lowered.groups, 1, 0, None)[0]
        expected = np.array([k.sum() for k in (xx, yy, xy)])
        within(got, expected, np.array([np.abs(k).sum() for k in (xx, yy, xy)]), dtype)

        got = engine.quad_forms(x, labels, lowered.groups, 1, 0, None)[0]
        z = labels.astype(np.longdouble)
        for triple, one in zip(got, z, strict=True):
            sums = [one @ xx @ one, (1 - one) @ xx @ (1 - one), one @ xx @ (1 - one)]
            within(triple, np.array(sums), np.abs(xx).sum(), dtype)

        direct = exact_values(kernel, x, y) if name == "linear" else xy
        groups = lower([kernel]).groups
        got = engine.row_sums(x, y, None, groups, 1, 0, None)[0]
        rows = np.abs(direct).sum(axis=1)
        within(got, direct.sum(axis=1), rows + rows.mean(), dtype)

        got = engine.paired_values(x[:M], y, groups, 1, 0)[0]
        pairs = np.diagonal(direct[:M])
        within(got, pairs, np.abs(pairs) + np.abs(direct).mean(), dtype)


def far_row(z):
    z[3, 0] = -2147483648.0


def far_in_all_features(z):
    z[3] *= 1e10


def two_far_rows(z):
    z[3], z[N + 1] = -1e9, 1e7


def orthogonal(size):
    def change(z):
        z[:, 0], z[3] = 0.0, 0.0
        z[3, 0] = size

    return change


def one_hot(z):
    z[:] = np.eye(z.shape[1])[np.arange(len(z)) % z.shape[1]]


def mirrored(z):
    z[len(z) // 2 :] = -z[: len(z) // 2]


OUTLIERS = {
    # name: how normal rows are changed
    "far": far_row,
    "far in all features": far_in_all_features,
    "two": two_far_rows,
    "in the second sample": lambda z: z[N + 5].__imul__(150.0),
    "orthogonal to all others": orthogonal(1e12),
    "orthogonal fill value": orthogonal(1e38),
    "none, one-hot": one_hot,
    "none, mirrored": mirrored,
    "none, all zero": lambda z: z.fill(0.0),
}
DOT_KERNELS = [
    fd.Polynomial(3, gamma=0.25),
    fd.Polynomial(1, gamma=1.0, coef0=0.0),
    fd.Polynomial(3, gamma=2.0, coef0=0.0),
    fd.Polynomial(20, gamma=1.0, coef0=0.0),
    fd.Polynomial(20, gamma=0.01, coef0=1e-3),
    fd.Linear(),
    Sum([fd.Polynomial(2, gamma=0.25), fd.Polynomial(4, gamma=1.0, coef0=0.0)], [-1.0, 2.0]),
]


@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [(kernel, dtype) for kernel in DOT_KERNELS for dtype in RTOL]
    + [(fd.Polynomial(100, gamma=1.0, coef0=0.5), np.float64)],
)
@pytest.mark.parametrize("change", OUTLIERS.values(), ids=OUTLIERS)
def test_outliers(change, kernel, dtype):
    """
    An outlier may leave the entries off the diagonal, which count here, far below k(z, z).

    Sums beyond the range of float64 are not finite, which the callers report.
    """
    z = np.random.default_rng(3).normal(size=(N + M, 4))
    change(z)
    z = z.astype(dtype)
    x, y = z[:N], z[N:]
    groups = lower([kernel]).groups
    engine = backend.current()

    def check(got, values, axis):
        expected, bound = values.sum(axis=axis), np.abs(values).sum(axis=axis)
        fits = bound < 1e300
        within(got[fits], expected[fits], bound[fits], dtype)
        assert not np.isfinite(got[np.abs(expected) > 1e310]).any()

    def off_diagonal(a):
        values = exact_values(kernel, a, a)
        np.fill_diagonal(values, 0)
        return values

    with np.errstate(over="ignore", invalid="ignore"):
        got = engine.pair_sums(x, y, groups, 1, 0, None)[0]
        between = exact_values(kernel, x, y)
        for one, values in zip(got, (off_diagonal(x), off_diagonal(y), between), strict=True):
            check(one[None], values[None], axis=(1, 2))

        got = engine.row_sums(x, y, None, groups, 1, 0, None)[0]
        check(got, between, axis=1)

        got = engine.paired_values(x[:M], y, groups, 1, 0)[0]
        check(got, np.diagonal(between[:M])[:, None], axis=1)

        labels = np.arange(N + M) < N
        pooled = off_diagonal(z)
        got = engine.quad_forms(z, labels[None].astype(np.uint8), groups, 1, 0, None)[0, 0]
        bound = np.abs(pooled).sum()
        expected = [pooled[:N, :N].sum(), pooled[N:, N:].sum(), pooled[:N, N:].sum()]
        if bound < 1e300:
            within(got, np.array(expected), bound, dtype)


@each_dtype
def test_duplicates_among_the_first_rows_of_a_grouped_sample(core, dtype):
    """Use rows whose first tiles, which set the fixed point of the core, hold only k = 1."""
    rng = np.random.default_rng(8)
    n, d = 4800, 200
    z = rng.choice([-1.0, 1.0], size=(n, d)).astype(dtype)
    for strip in range(4):
        z[strip * n // 4 :][:48] = z[0]
    kernel_value = 1e-7 if dtype == np.float32 else 2.4e-14
    kernel = RBF(np.sqrt(d / -np.log(kernel_value)))  # most |x - y|² are near 2 d
    groups = lower([kernel]).groups
    expected = core.pair_sums(z, z[:1], groups, 1, 0, None)[0, 0]
    labels = np.ones((1, n), dtype=np.uint8)
    got = core.quad_forms(z, labels, groups, 1, 0, None)[0, 0, 0]
    assert abs(got - expected) <= RTOL[dtype] * expected


@each_dtype
def test_all_rows_far_apart(dtype):
    """Use small values off the diagonal, which the fixed point must follow."""
    z = np.eye(150, dtype=dtype)
    for kernel_value in (1e-10, 1e-30) if dtype == np.float32 else (1e-30, 1e-300):
        kernel = RBF(1 / np.sqrt(-np.log(kernel_value)))
        groups = lower([kernel]).groups
        labels = (np.arange(150) < 70)[None].astype(np.uint8)
        got = backend.current().quad_forms(z, labels, groups, 1, 0, None)[0, 0]
        pairs = np.array([70 * 69, 80 * 79, 70 * 80])
        np.testing.assert_allclose(got, pairs * kernel_value, rtol=RTOL[dtype] * 4)


@each_dtype
@pytest.mark.parametrize("alpha", [1e3, 1e6, 1e9, 1e12, 1e15, 1e20, 1e38, 1e39, 1e100, 1e308])
def test_rational_quadratic_of_large_alpha(alpha, dtype):
    x, y, _ = make("near the origin", dtype)
    for bandwidth in (0.5, 3.0, 1e3):
        kernel = fd.RationalQuadratic(alpha, bandwidth)
        expected = exact_values(kernel, x, y).sum()
        groups = lower([kernel]).groups
        got = backend.current().pair_sums(x, y, groups, 1, 0, None)[0, 2]
        within(got, expected, expected, dtype)
        if alpha >= 1e20:
            limit = exact_values(RBF(bandwidth), x, y).sum()
            within(got, limit, limit, dtype)


@each_dtype
@each_case
def test_scaled_features(case, dtype):
    x, y, _ = make(case, dtype)
    kernel = RBF(2.0 * x.astype(np.float64).std(axis=0) + 1e-9)
    groups = lower([kernel]).groups
    got = backend.current().pair_sums(x, y, groups, 1, 0, None)[0, 2]
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
    got = mmd2(x, y, fd.Linear(), estimator="biased")
    assert abs(got - expected) <= RTOL[dtype] * spread


@each_dtype
def test_power_of_two_shifts_change_nothing_much(dtype):
    """Shift rows exactly in their dtype, which leaves the differences as they are."""
    rng = np.random.default_rng(3)
    grid = rng.integers(-64, 64, size=(2, 90, 3)) / 64
    x, y = grid.astype(dtype)
    shift = dtype(2.0**13 if dtype == np.float32 else 2.0**40)
    for make_kernel in KERNELS.values():
        kernel = make_kernel(0.7, 3)
        if isinstance(kernel, fd.Polynomial):
            continue
        expected = mmd2(x, y, kernel)
        size = float(np.abs(exact_values(kernel, x, y)).mean())
        assert abs(mmd2(x + shift, y + shift, kernel) - expected) <= 4 * RTOL[dtype] * size


@pytest.mark.parametrize("kernel_value", [1e-5, 1e-12, 1e-30, 1e-60, 1e-200])
@pytest.mark.parametrize("equal", [False, True], ids=["random", "equal features"])
def test_kernels_that_are_small_everywhere(rng, kernel_value, equal):
    """Use values whose base values are large, so that float32 holds too few digits of these."""
    d = 100
    x = rng.uniform(1.0, 2.0, size=(30, d)) + 3.0 * np.arange(30)[:, None]
    x = (np.repeat(x[:, :1], d, axis=1) if equal else x).astype(np.float32)
    least = np.sort(((x[:, None].astype(np.longdouble) - x[None]) ** 2).sum(axis=2), axis=1)[:, 1]
    kernel = RBF(float(np.sqrt(least.min() / (-2 * np.log(np.longdouble(kernel_value))))))
    groups = lower([kernel]).groups
    values = exact_values(kernel, x, x)
    np.fill_diagonal(values, 0)
    first, second = values[:20, :20].sum(), values[20:, 20:].sum()
    between = values[:20, 20:].sum()
    expected, total = np.array([first, second, between]), first + second + 2 * between
    engine, w = backend.current(), np.ones(30)
    labels = (np.arange(30) < 20)[None].astype(np.uint8)
    request = WeightedSumsRequest(x_gradient=True)
    a, b = x[:20], x[20:]
    for got in (
        engine.pair_sums(a, b, groups, 1, 0, None)[0],
        engine.quad_forms(x, labels, groups, 1, 0, None)[0, 0],
        engine.weighted_sums(a, b, w[:20], w[20:], request, groups, 1, 0, None)[0][0, 0],
    ):
        assert (np.abs(got - expected) <= 1e-5 * total).all()
    rows = engine.row_sums(a, b, None, groups, 1, 0, None)[0]
    exact_rows = values[:20, 20:].sum(axis=1)
    assert (np.abs(rows - exact_rows) <= 1e-5 * exact_rows.max()).all()


def test_each_labelled_sum_of_small_values():
    """Label rows so that one sum has small values alone, beside another with values of 1."""
    z = np.array([[0.0], [0.5], [1.0], [1.5], [31.0], [47.0]], dtype=np.float32)
    groups = lower([RBF(1.0)]).groups
    labels = np.array([[0, 0, 0, 0, 1, 1]], dtype=np.uint8)
    within = backend.current().quad_forms(z, labels, groups, 1, 0, None, True)[0, 0, 0]
    np.testing.assert_allclose(within, 2 * np.exp(-(16.0**2) / 2), rtol=1e-5)

"""
Test that errors do not grow with the number of features.

Rows of equal features are the worst case: all roundings along a chain of additions go one way. The
expected values are exact for the stored numbers, since all features are equal.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from cases import each_dtype

from fastdiv import (
    RBF,
    Energy,
    Gaussian,
    Laplacian,
    Linear,
    Polynomial,
    cluster_dispersion,
    kid,
    kl,
    mmd2,
    mmd2_and_grad,
    wcss,
)
from fastdiv._engine import backend
from fastdiv.kernels.lowering import lower

RTOL = {np.float32: 1e-5, np.float64: 1e-12}

each_width = pytest.mark.parametrize("d", [511, 512, 513, 768, 4096, 65536])


def equal_features(values, d, dtype):
    """Return rows of equal features, and their stored values in float64."""
    rows = np.repeat(np.array(values, dtype)[:, None], d, axis=1)
    return rows, rows[:, 0].astype(np.float64)


def cross_sum(x, y, kernel):
    groups = lower([kernel]).groups
    return backend.current().pair_sums(x, y, groups, 1, 0, None)[0, 2]


@each_dtype
@each_width
@pytest.mark.parametrize("offset", [0.0, 1e6], ids=["here", "far"])
def test_distances(d, offset, dtype):
    x, a = equal_features([1.0 + offset], d, dtype)
    y, b = equal_features([1.1 + offset, -0.3 + offset], d, dtype)
    differences = np.abs(a[0] - b)
    near = pytest.approx((differences * math.sqrt(d)).sum(), rel=RTOL[dtype])
    assert -cross_sum(x, y, Energy()) == near
    total = float((differences * d).sum())
    expected = np.exp(-differences * d / total).sum()
    assert cross_sum(x, y, Laplacian(total)) == pytest.approx(expected, rel=RTOL[dtype])
    squares = differences**2 * d
    bandwidth = math.sqrt(squares.sum())
    expected = np.exp(-squares / (2 * bandwidth**2)).sum()
    assert cross_sum(x, y, RBF(bandwidth)) == pytest.approx(expected, rel=RTOL[dtype])


@pytest.mark.parametrize("d", [1, 16, 32, 33, 100, 128, 256, 512, 768, 4096])
@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["here", "far"])
def test_small_values_of_kernels(d, offset):
    """An exponential multiplies the error of a distance by its exponent."""
    for first, second in [(1.0, 1.1), (1.0, 2.64), (0.131, -0.118), (-1.014, -0.532), (1.0, 4.9)]:
        x, a = equal_features([first + offset], d, np.float32)
        y, b = equal_features([second + offset], d, np.float32)
        length = abs(a[0] - b[0]) * d
        bandwidth = abs(a[0] - b[0]) * math.sqrt(d / 2)
        for exponent in [2.0, 4.9, 5.1, 8.9, 9.2, 12.0, 40.0]:
            near = pytest.approx(math.exp(-exponent), rel=1e-5)
            assert cross_sum(x, y, RBF(bandwidth / math.sqrt(exponent))) == near
            assert cross_sum(x, y, Laplacian(length / exponent)) == near


@each_dtype
@each_width
def test_dot_products(d, dtype):
    x, a = equal_features([1.0, 0.7], d, dtype)
    y, b = equal_features([1.1, 0.3], d, dtype)
    expected = a.sum() * b.sum() * d
    assert cross_sum(x, y, Linear()) == pytest.approx(expected, rel=RTOL[dtype])


@each_dtype
def test_a_million_features(dtype):
    d = 10**6
    x, a = equal_features([1.0], d, dtype)
    y, b = equal_features([1.1], d, dtype)
    expected = abs(a[0] - b[0]) * math.sqrt(d)
    assert -cross_sum(x, y, Energy()) == pytest.approx(expected, rel=RTOL[dtype])
    assert cross_sum(x, y, Linear()) == pytest.approx(a[0] * b[0] * d, rel=RTOL[dtype])


@each_dtype
@pytest.mark.parametrize("kernel", [RBF(60.0), Laplacian(3000.0), Energy()], ids=repr)
def test_gradients(kernel, dtype):
    d = 4096
    x, _ = equal_features([1.0, 0.2, 0.9], d, dtype)
    y, _ = equal_features([1.1, -0.3], d, dtype)
    value, gradient = mmd2_and_grad(x, y, kernel, wrt="x", estimator="biased")
    with_double = mmd2_and_grad(
        x.astype(np.float64), y.astype(np.float64), kernel, wrt="x", estimator="biased"
    )
    assert value == pytest.approx(with_double[0], rel=RTOL[np.float32])
    scale = np.abs(with_double[1]).max()
    np.testing.assert_allclose(gradient, with_double[1], rtol=0, atol=RTOL[np.float32] * scale)


@each_dtype
@each_width
@pytest.mark.parametrize("parameter", ["std", "var", "logstd", "logvar"])
def test_kl(d, parameter, dtype):
    (p_mean, q_mean), means = equal_features([0.3, 1.1], d, dtype)
    (p_scale, q_scale), (p, q) = equal_features([0.7, 1.3], d, dtype)
    log_p, log_q = {
        "std": (2 * math.log(p), 2 * math.log(q)),
        "var": (math.log(p), math.log(q)),
        "logstd": (2 * p, 2 * q),
        "logvar": (p, q),
    }[parameter]
    terms = math.exp(log_p - log_q) - 1 - (log_p - log_q)
    expected = d / 2 * (terms + (means[0] - means[1]) ** 2 / math.exp(log_q))
    value = kl(Gaussian(p_mean, **{parameter: p_scale}), Gaussian(q_mean, **{parameter: q_scale}))
    assert value == pytest.approx(expected, rel=RTOL[dtype])


def test_kid_of_4096_features(rng):
    x = rng.uniform(0.5, 1.5, size=(60, 4096)).astype(np.float32)
    y = rng.uniform(0.6, 1.7, size=(50, 4096)).astype(np.float32)
    options = {"n_subsets": 3, "subset_size": 40, "rng": 1}
    result = kid(x, y, **options)
    expected = kid(x.astype(np.float64), y.astype(np.float64), **options)
    np.testing.assert_allclose(result.subset_values, expected.subset_values, rtol=1e-4)
    assert result.value == pytest.approx(expected.value, rel=1e-4)


@each_dtype
def test_pairs_of_a_long_random_walk(rng, dtype):
    """Compare with float64 beyond equal features, for widths that are no whole blocks."""
    x, y = rng.gamma(2.0, size=(2, 30, 3333)).astype(dtype)
    kernels = [RBF(80.0), Laplacian(4000.0), Energy(0.5)]
    exact = [
        mmd2(x.astype(np.longdouble).astype(np.float64), y.astype(np.float64), kernel)
        for kernel in kernels
    ]
    for kernel, expected in zip(kernels, exact, strict=True):
        size = abs(cross_sum(x, y, kernel)) / 900
        assert mmd2(x, y, kernel) == pytest.approx(expected, abs=4 * RTOL[dtype] * size)


@pytest.mark.slow
def test_matched_rows_of_narrow_tiles(rng):
    """Use so many features that tiles are as narrow as high, and matched rows lie at their edge."""
    x, y = rng.normal(size=(2, 60, 150_000)).astype(np.float32)
    kernel = Energy()
    got = mmd2(x, y, kernel, estimator="paired")

    def mean(a, b):
        """Average over i != j, from products in float64."""
        p, q = a.astype(np.float64), b.astype(np.float64)
        squares = (p**2).sum(axis=1)[:, None] + (q**2).sum(axis=1) - 2 * p @ q.T
        distances = np.sqrt(np.maximum(squares, 0))
        np.fill_diagonal(distances, 0)
        return distances.sum() / (60 * 59)

    means = mean(x, x), mean(y, y), mean(x, y)
    expected = 2 * means[2] - means[0] - means[1]
    assert got == pytest.approx(expected, abs=RTOL[np.float32] * means[2])


@each_dtype
@pytest.mark.parametrize("d", [128, 129, 511, 1025, 4096])
def test_a_power_of_products_of_equal_features(rng, d, dtype):
    """Use a kernel that multiplies the error of a product by three."""
    x, a = equal_features(rng.uniform(0.5, 2.0, 9), d, dtype)
    y, b = equal_features(rng.uniform(0.5, 2.0, 9), d, dtype)
    values = (np.multiply.outer(a.astype(np.longdouble), b) + 1) ** 3
    got = cross_sum(x, y, Polynomial(3, gamma=1 / d))
    assert abs(got - values.sum()) <= RTOL[dtype] / 2 * values.sum()


@each_dtype
@pytest.mark.parametrize("d", [511, 512])
def test_squares_within_a_cluster_of_equal_features(d, dtype):
    x, a = equal_features([0.88743246, 1.373585], d, dtype)
    expected = d * (a[1] - a[0]) ** 2 / 2
    got = wcss(x, [0, 0], method="pairwise")
    assert got == pytest.approx(expected, rel=RTOL[dtype] / 2)


@pytest.mark.parametrize("d", [4097, 10**6])
def test_clusters_of_wide_rows(d):
    x, a = equal_features([1.0, 1.1, 3.3, 3.7], d, np.float64)
    exact = [Fraction(float(value)) for value in a]
    squares = d * ((exact[1] - exact[0]) ** 2 + (exact[3] - exact[2]) ** 2) / 2
    assert wcss(x, [0, 0, 1, 1]) == pytest.approx(float(squares), rel=1e-12)
    sides = [float(exact[1] - exact[0]), float(exact[3] - exact[2])]
    dispersion = cluster_dispersion(x, [0, 0, 1, 1])
    np.testing.assert_allclose(dispersion.sum_dist, np.array(sides) * math.sqrt(d), rtol=1e-12)


@pytest.mark.parametrize("d", [65536, 10**6])
@pytest.mark.parametrize("kernel", [Linear(), Polynomial()], ids=repr)
def test_dot_products_of_wide_rows(kernel, d):
    x, a = equal_features([1.0, 1.1], d, np.float64)
    y, b = equal_features([3.3, 3.7], d, np.float64)
    x_values, y_values = ([Fraction(float(value)) for value in rows] for rows in (a, b))

    def mean(p, q):
        dots = [u * v for u in p for v in q]
        values = [d * dot if kernel == Linear() else (dot + 1) ** 3 for dot in dots]
        return sum(values, Fraction(0)) / len(values)

    means = [mean(x_values, x_values), mean(y_values, y_values), mean(x_values, y_values)]
    expected = float(means[0] + means[1] - 2 * means[2])
    got = mmd2(x, y, kernel, estimator="biased")
    assert abs(got - expected) <= 1e-12 * float(sum(means))

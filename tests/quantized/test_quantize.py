"""Samples kept as int8: how they are made, what is computed from them, and how exactly."""

import os

import numpy as np
import pytest
from cases import each_estimator, each_symmetry, peak_bytes, quantized
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastdiv import (
    RBF,
    Callback,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    QuantizedEstimate,
    QuantizedRows,
    RationalQuadratic,
    Sum,
    _inputs,
    energy_distance,
    hybrid_matmul,
    kl_knn,
    median_distance,
    mmd2,
    mmd2_and_grad,
    mmd_test,
    quantize_rows,
    witness,
)
from fastdiv._engine import backend
from fastdiv._sums import reference
from fastdiv.kernels import FORMULAS, lower
from fastdiv.kernels.evaluation import kernel_values
from fastdiv.mmd import bandwidth
from fastdiv.quantized.bounds import STEEPEST

KERNELS = {
    "rbf": lambda d: RBF(1.3 * np.sqrt(d)),
    "rbf per feature": lambda d: RBF(np.linspace(0.5, 2.0, d) * np.sqrt(d)),
    "laplacian": lambda d: Laplacian(1.1 * d),
    "matern12": lambda d: Matern(0.5, 1.2 * np.sqrt(d)),
    "matern32": lambda d: Matern(1.5, 1.2 * np.sqrt(d)),
    "matern52": lambda d: Matern(2.5, 1.2 * np.sqrt(d)),
    "rational quadratic": lambda d: RationalQuadratic(0.7, 1.2 * np.sqrt(d)),
    "inverse multiquadric": lambda d: InverseMultiquadric(1.7 * d),
    "polynomial": lambda d: Polynomial(3),
    "polynomial degree 6": lambda d: Polynomial(6, gamma=0.3 / d, coef0=0.5),
    "linear": lambda d: Linear(),
    "energy": lambda d: Energy(),
    "energy 0.5": lambda d: Energy(0.5),
    "energy 1.7": lambda d: Energy(1.7),
    "sum": lambda d: Sum([RBF(np.sqrt(d)), Energy()], weights=[-2.0, 0.5]),
}

each_kernel = pytest.mark.parametrize("name", KERNELS)


# --- making them ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_symmetric_definition(rng, dtype):
    x = (rng.normal(size=(40, 17)) * 100).astype(dtype)
    x[3] = 0
    x[4] = np.arange(17) - 8
    rows = quantize_rows(x)
    largest = np.abs(x).max(axis=1).astype(np.float64)
    expected = np.where(largest == 0, 1, largest / 127).astype(np.float32)
    np.testing.assert_array_equal(rows.scale, expected)
    quotient = x / expected[:, None].astype(np.float64)
    away = np.trunc(quotient + np.copysign(0.5, quotient))
    np.testing.assert_array_equal(rows.values, np.clip(away, -127, 127))
    assert rows.zero_point is None
    assert rows.values.dtype == np.int8
    assert rows.scale.dtype == np.float32


def test_ties_go_away_from_zero():
    rows = quantize_rows([[127.0, 0.5, -0.5, 2.5, -2.5, 0.49999999999999994]])
    assert rows.values.tolist() == [[127, 1, -1, 3, -3, 0]]


def test_asymmetric_definition():
    rows = quantize_rows(
        [[0.0, 255.0], [-255.0, 0.0], [-100.0, 155.0], [510.0, 255.0]], symmetric=False
    )
    assert rows.scale.tolist() == [1.0, 1.0, 1.0, 2.0]
    assert rows.zero_point.tolist() == [-128, 127, -28, -128]
    assert rows.values.tolist() == [[-128, 127], [-128, 127], [-128, 127], [127, 0]]
    zero = quantize_rows([[0.0, 0.0]], symmetric=False)
    assert zero.dequantize().tolist() == [[0.0, 0.0]]


FINITE32 = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)
FINITE64 = st.floats(-1e38, 1e38, allow_subnormal=False)


def matrices(elements, dtype):
    return arrays.arrays(
        dtype, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=elements
    )


@each_symmetry
@given(x=matrices(FINITE32, np.float32) | matrices(FINITE64, np.float64))
def test_no_value_moves_by_more_than_half_a_scale(x, symmetric):
    rows = quantize_rows(x, symmetric=symmetric)
    moved = np.abs(x.astype(np.float64) - rows.dequantize(np.float64))
    assert (moved <= 0.5 * rows.scale.astype(np.float64)[:, None] * (1 + 1e-12)).all()
    largest = np.abs(x.astype(np.float64)).max(axis=1)
    assert (rows.scale[largest == 0] == 1).all()


def test_blocks_do_not_show(rng):
    x = rng.normal(size=(5000, 40))
    for symmetric in (True, False):
        whole = quantize_rows(x, symmetric=symmetric)
        part = quantize_rows(x[3210:3333], symmetric=symmetric)
        np.testing.assert_array_equal(whole.values[3210:3333], part.values)
        np.testing.assert_array_equal(whole.scale[3210:3333], part.scale)


@each_symmetry
def test_rows_are_a_sample_of_rows(rng, symmetric):
    rows = quantized(rng, 9, 4, symmetric)
    assert len(rows) == 9
    assert rows.shape == (9, 4)
    assert f"symmetric={symmetric}" in repr(rows)
    picked = rows[np.array([3, 1])]
    np.testing.assert_array_equal(picked.dequantize(), rows.dequantize()[[3, 1]])
    np.testing.assert_array_equal(rows[2:4].dequantize(), rows.dequantize()[2:4])
    zero = 0 if symmetric else rows.zero_point[:, None].astype(np.float64)
    exact = rows.scale[:, None].astype(np.float64) * (rows.values - zero)
    np.testing.assert_array_equal(rows.dequantize(np.float64), exact)
    assert rows.dequantize().dtype == np.float32


# --- what is computed from them --------------------------------------------------------


@each_estimator
@each_kernel
def test_mmd2_is_that_of_the_dequantised_rows(rng, name, estimator):
    for n, d, symmetric in ((5, 1, True), (33, 7, False), (60, 64, True), (50, 300, False)):
        kernel = KERNELS[name](d)._resolve(d, None)
        x, y = quantized(rng, n, d, symmetric), quantized(rng, n, d)
        a, b = x.dequantize(np.float64), y.dequantize(np.float64)
        groups = lower([kernel], for_mmd=False).groups
        pairs = ((a, a), (b, b), (a, b))
        size = max(np.abs(kernel_values(p[:, None], q[None], groups, 1)).max() for p, q in pairs)
        with backend.use("reference"):
            expected = mmd2(a, b, kernel, estimator=estimator)
        got = mmd2(x, y, kernel, estimator=estimator)
        assert isinstance(got, QuantizedEstimate)
        np.testing.assert_allclose(got.value, expected, rtol=0, atol=4e-5 * size)
        assert float(got) == got.value


@each_symmetry
@each_kernel
def test_core_and_reference_agree(core, rng, name, symmetric):
    """The reductions for themselves, at sizes around those of a tile, without a cancellation."""
    for n, m, d in ((1, 3, 2), (49, 7, 17), (50, 149, 65), (17, 145, 515)):
        groups = lower([KERNELS[name](d)._resolve(d, None)], for_mmd=True).groups
        x, y = quantized(rng, n, d, symmetric), quantized(rng, m, d, symmetric)
        values = [
            np.abs(kernel_values(a[:, None], b[None], groups, 1))
            for p, q in ((x, x), (y, y), (x, y))
            for a, b in [(p.dequantize(np.float64), q.dequantize(np.float64))]
        ]
        sums = core.pair_sums(x, y, groups, 1, 0, None)
        expected = reference.pair_sums(x, y, groups, 1, 0, None)
        assert (np.abs(sums - expected) <= 1e-5 * np.array([v.sum() for v in values])).all()
        rows = core.row_sums(x, y, None, groups, 1, 0, None)
        expected = reference.row_sums(x, y, None, groups, 1, 0, None)
        assert (np.abs(rows - expected) <= 1e-5 * values[2].sum(axis=2)).all()
        labels = (rng.random((5, m)) < 0.5).astype(np.uint8)
        forms = core.quad_forms(y, labels, groups, 1, 0, None)
        expected = reference.quad_forms(y, labels, groups, 1, 0, None)
        off_diagonal = values[1] * (1 - np.eye(m))
        assert (np.abs(forms - expected) <= 1e-5 * off_diagonal.sum()).all()
        paired = core.paired_values(y, y[::-1], groups, 1, 0)
        expected = reference.paired_values(y, y[::-1], groups, 1, 0)
        np.testing.assert_allclose(paired, expected, rtol=1e-12, atol=1e-12 * values[1].max())


def test_any_strides(rng):
    values = rng.integers(-128, 128, size=(40, 60)).astype(np.int8)
    scale = rng.uniform(0.01, 0.02, 40).astype(np.float32)
    rows = QuantizedRows(values, scale)
    plain = median_distance(rows)
    assert median_distance(QuantizedRows(np.asfortranarray(values), scale)) == plain
    reversed_rows = QuantizedRows(values[::-1, ::-1], scale[::-1])
    np.testing.assert_allclose(median_distance(reversed_rows), plain, rtol=1e-6)
    every_other = QuantizedRows(values[::2, ::3], scale[::2])
    copied = QuantizedRows(values[::2, ::3].copy(), scale[::2].copy())
    assert median_distance(every_other) == median_distance(copied)


def test_same_bits_for_any_number_of_threads(rng):
    x, y = quantized(rng, 500, 33, symmetric=False), quantized(rng, 700, 33)
    kernels = [RBF(), RBF(np.linspace(3.0, 6.0, 33)), Laplacian(), Polynomial()]

    def results(n_threads):
        test = mmd_test(x, y, kernels, n_resamples=20, rng=0, n_threads=n_threads)
        return [
            mmd2(x, y, kernels, n_threads=n_threads).value,
            witness(x, y, x, kernels, n_threads=n_threads),
            [each.null_distribution for each in test],
            hybrid_matmul(x.dequantize(), y, n_threads=n_threads).values,
            [kl_knn(x, y, n_threads=n_threads)],
        ]

    one = results(1)
    for n_threads in (2, 3):
        for a, b in zip(one, results(n_threads), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference holds it all"
)
def test_no_floating_point_copy_is_made(rng):
    x = rng.normal(size=(16_000, 256)).astype(np.float32)
    quantize_rows(x[:10])
    for symmetric in (True, False):
        assert peak_bytes(lambda s=symmetric: quantize_rows(x, symmetric=s)) < x.nbytes / 4 + 4e6
    rows = quantize_rows(x[:4000])
    bytes_of_float32 = 4 * rows.values.size
    kernels = [RBF(), Polynomial(), Energy(1.5)]
    assert peak_bytes(lambda: mmd2(rows[:2000], rows[2000:], kernels)) < bytes_of_float32 / 2
    assert peak_bytes(lambda: median_distance(rows)) < bytes_of_float32 / 2


def test_identical_rows_are_at_distance_zero(rng):
    for d in (3, 64, 257):
        x = quantized(rng, 40, d, symmetric=False)
        twice = _inputs.pool([x, x])
        nearest = backend.current().kth_distances(twice, twice, 1, True, 0, None)
        assert (nearest == 0).all()


def test_a_sequence_of_kernels_gives_arrays(rng):
    x, y = quantized(rng, 20, 5), quantized(rng, 30, 5)
    kernels = [RBF(2.0), Energy(), Laplacian(4.0)]
    together = mmd2(x, y, kernels)
    assert together.value.shape == together.bound.shape == (3,)
    for i, kernel in enumerate(kernels):
        alone = mmd2(x, y, kernel)
        assert together.value[i] == alone.value
        assert together.bound[i] == alone.bound
    distance = energy_distance(x, y, estimator="unbiased")
    assert (distance.value, distance.bound) == (together.value[1], together.bound[1])


@each_symmetry
def test_other_statistics(rng, symmetric):
    x, y, at = (quantized(rng, n, 11, symmetric) for n in (40, 30, 7))
    a, b, t = (rows.dequantize(np.float64) for rows in (x, y, at))
    for metric in ("euclidean", "cityblock"):
        got = median_distance(x, y, metric=metric)
        np.testing.assert_allclose(got, median_distance(a, b, metric=metric), rtol=1e-5)
    np.testing.assert_allclose(kl_knn(x, y), kl_knn(a, b), rtol=1e-4)
    for kernel in (RBF(), Laplacian(), Polynomial()):
        expected = witness(a, b, t, kernel)
        atol = 1e-5 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(witness(x, y, at, kernel), expected, rtol=0, atol=atol)
    median = mmd2(x, y).value
    np.testing.assert_allclose(median, mmd2(a, b), rtol=0, atol=1e-5)


@each_estimator
def test_mmd_test(rng, estimator):
    x, y = quantized(rng, 30, 6), quantized(rng, 30, 6, symmetric=False)
    a, b = x.dequantize(np.float64), y.dequantize(np.float64)
    got = mmd_test(x, y, estimator=estimator, n_resamples=49, rng=0)
    expected = mmd_test(a, b, estimator=estimator, n_resamples=49, rng=0)
    np.testing.assert_allclose(got.statistic, expected.statistic, rtol=0, atol=1e-5)
    np.testing.assert_allclose(got.null_distribution, expected.null_distribution, rtol=0, atol=1e-5)
    assert got.pvalue == expected.pvalue
    np.testing.assert_allclose(got.kernel.bandwidth, expected.kernel.bandwidth, rtol=1e-5)


def test_equal_rows_give_ties(rng):
    x = quantized(rng, 12, 5)
    result = mmd_test(x, x, RBF(2.0), n_resamples=99, rng=1)
    swap = np.concatenate([np.arange(12, 24), np.arange(12)])
    swapped = mmd_test(x, x, RBF(2.0), permutations=swap[None])
    assert swapped.null_distribution[0] == result.statistic


def test_a_median_of_many_rows_is_blind_to_their_order(rng, monkeypatch):
    monkeypatch.setattr(bandwidth, "EXACT_ROWS", 50)
    x, y = quantized(rng, 90, 3), quantized(rng, 60, 3, symmetric=False)
    shuffled = _inputs.pool([x, y])[rng.permutation(150)]
    assert median_distance(x, y) == median_distance(shuffled)


def test_a_callback_gets_dequantised_blocks(rng):
    x, y = quantized(rng, 20, 4), quantized(rng, 25, 4)

    def rbf(a, b):
        assert a.dtype == np.float32
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / 8)

    got = mmd2(x, y, Callback(rbf))
    np.testing.assert_allclose(got.value, mmd2(x, y, RBF(2.0)).value, atol=1e-5)
    assert got.bound == np.inf


# --- the bound of quantisation -----------------------------------------------------------


def test_every_kernel_has_a_slope_or_a_rule():
    no_kernel_of_an_mmd = {"cityblock"}
    assert set(FORMULAS) - no_kernel_of_an_mmd == set(STEEPEST) | {"energy", "polynomial", "linear"}


@pytest.mark.parametrize(
    "kernel",
    [
        RBF(0.7),
        Laplacian(0.7),
        Matern(0.5, 0.7),
        Matern(1.5, 0.7),
        Matern(2.5, 0.7),
        RationalQuadratic(0.3, 0.7),
        InverseMultiquadric(0.7),
    ],
    ids=repr,
)
def test_slopes_are_the_largest(kernel):
    term = kernel._term()
    sigma = term.params[-1] if term.name != "imq" else np.sqrt(term.params[0])
    r = np.linspace(0, 5 * sigma, 200_001)
    k = FORMULAS[term.name](r if term.base == "l1" else r**2, *term.params)
    steepest = np.abs(np.diff(k) / np.diff(r)).max()
    slope = STEEPEST[term.name](*term.params)
    assert steepest <= slope * (1 + 1e-9)
    assert steepest >= slope * (1 - 1e-3)


@each_symmetry
@each_estimator
@each_kernel
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([1e-3, 1.0, 1e3]), data=st.data())
def test_mmd2_before_quantisation_is_within_the_bound(
    name, estimator, symmetric, seed, spread, data
):
    n, d = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 20))
    m = n if estimator == "paired" else data.draw(st.integers(2, 6))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.exp(rng.normal(size=(n, 1))) * spread
    y = rng.standard_t(1.5, size=(m, d)) * spread + data.draw(st.sampled_from([0.0, 3.0]))
    kernel = KERNELS[name](d)
    a, b = quantize_rows(x, symmetric=symmetric), quantize_rows(y, symmetric=symmetric)
    with backend.use("reference"):
        exact = mmd2(x, y, kernel, estimator=estimator)
        quantised = mmd2(a, b, kernel, estimator=estimator)
        sizes = mmd2(np.abs(x), -np.abs(y), kernel, estimator=estimator)
    rounding = 1e-12 * (1 + abs(exact) + abs(sizes))
    assert abs(exact - quantised.value) <= quantised.bound + rounding


def test_a_bound_beyond_the_range_is_infinite(rng):
    rows = quantize_rows(rng.normal(size=(9, 3)) * 1e-9)
    estimate = mmd2(rows[:4], rows[4:], Polynomial(20, gamma=1e17, coef0=0.0))
    assert np.isfinite(estimate.value)
    assert estimate.bound == np.inf


def test_the_bound_is_of_use(rng):
    """It shrinks with the scale, and says something at the precision of int8."""
    x, y = rng.normal(size=(200, 16)), rng.normal(size=(200, 16)) + 0.5
    estimate = mmd2(quantize_rows(x), quantize_rows(y), RBF(np.sqrt(16.0)))
    assert estimate.bound < 0.1
    coarse = QuantizedRows(np.int8(np.rint(x)), np.ones(200, np.float32))
    assert mmd2(coarse, coarse, RBF(4.0)).bound > 10 * estimate.bound


# --- products ----------------------------------------------------------------------------


@each_symmetry
@settings(deadline=None)
@given(data=st.data())
def test_products_are_within_their_bound(symmetric, data):
    k = data.draw(st.integers(1, 9))
    elements = st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False)
    x = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 5)), k), elements=elements))
    w = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 5)), k), elements=elements))
    values, bound = hybrid_matmul(x, quantize_rows(w, symmetric=symmetric))
    assert values.dtype == bound.dtype == np.float32
    wide = np.longdouble
    exact = (x[:, None].astype(wide) * w[None].astype(wide)).sum(-1)
    assert (np.abs(exact - values) <= bound).all()


@each_symmetry
def test_products_are_those_of_the_integers(rng, symmetric):
    for n, m, k in ((1, 1, 1), (5, 3, 2), (50, 49, 33), (49, 145, 64), (97, 150, 515)):
        x = rng.normal(size=(n, k)).astype(np.float32)
        rows, w = quantize_rows(x), quantized(rng, m, k, symmetric)
        values, bound = hybrid_matmul(x, w)
        exact = rows.dequantize(np.float64) @ w.dequantize(np.float64).T
        sizes = np.abs(rows.dequantize(np.float64)) @ np.abs(w.dequantize(np.float64)).T
        assert (np.abs(values - exact) <= 2.0**-24 * np.abs(exact) + 1e-13 * sizes).all()
        own = np.abs(rows.dequantize(np.float64)).sum(1)[:, None] * w.scale / 2
        own = own + rows.scale[:, None] * np.abs(w.dequantize(np.float64)).sum(1) / 2
        own += k * np.multiply.outer(rows.scale, w.scale).astype(np.float64) / 4
        np.testing.assert_allclose(bound, own, rtol=1e-2)
        assert (bound >= own).all()


def test_the_integer_sums_do_not_overflow():
    """All products are the largest there are, over more features than an int32 can add up."""
    for d in (32_768, 32_769, 140_001):
        values = np.full((2, d), 127, np.int8)
        values[1] = -128
        zero = np.array([-128, 127], np.int8)
        rows = QuantizedRows(values, np.float32([1.0, 1.0]), zero)
        products = backend.current().quantized_products(rows, rows, 0)
        assert products.tolist() == np.float32(65025.0 * d * np.array([[1, -1], [-1, 1]])).tolist()
        expected = np.sqrt(4 * 65025.0 * d)
        np.testing.assert_allclose(median_distance(rows), expected, rtol=1e-6)


def test_scales_far_apart(rng):
    """A row of zeros has scale 1 and says nothing of the range of the others."""
    for size in (1e-36, 1e-30, 1e30):
        x = (rng.normal(size=(30, 8)) * size).astype(np.float32)
        x[3] = 0
        rows = quantize_rows(x)
        exact = rows.dequantize(np.float64)
        np.testing.assert_allclose(median_distance(rows), median_distance(exact), rtol=1e-5)
        with backend.use("reference"):
            expected = mmd2(exact[:15], exact[15:], Laplacian(10 * size))
        got = mmd2(rows[:15], rows[15:], Laplacian(10 * size))
        np.testing.assert_allclose(got.value, expected, rtol=0, atol=1e-5)


# --- bad input -----------------------------------------------------------------------------

GOOD = np.zeros((2, 3), np.int8)
ONES = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((2, 3)), ONES), TypeError, "values must have dtype int8; got float64"),
        ((np.zeros((2, 3), np.uint8), ONES), TypeError, "got uint8"),
        ((np.zeros(3, np.int8), ONES), ValueError, r"shape \(n, d\).*got shape \(3,\)"),
        ((np.zeros((0, 3), np.int8), ONES[:0]), ValueError, r"got shape \(0, 3\)"),
        ((GOOD, np.ones(2)), TypeError, "scale must have dtype float32; got float64"),
        ((GOOD, np.ones(3, np.float32)), ValueError, r"scale must have shape \(2,\)"),
        ((GOOD, np.float32([1, 0])), ValueError, "scale must be finite and >= 1.2e-38"),
        ((GOOD, np.float32([1, -1])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, np.nan])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, np.inf])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, 1e-40])), ValueError, "scale must be finite"),
        ((GOOD, ONES, np.zeros(2)), TypeError, "zero_point must have dtype int8 or int32"),
        ((GOOD, ONES, np.zeros(3, np.int8)), ValueError, r"zero_point must have shape \(2,\)"),
        ((GOOD, ONES, np.int32([0, 128])), ValueError, "zero_point must be from -128 to 127"),
    ],
)
def test_rows_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        QuantizedRows(*arguments)


@pytest.mark.parametrize("convert", [np.asarray, np.array, list])
def test_rows_are_no_array(rng, convert):
    rows = quantize_rows(rng.normal(size=(3, 2)))
    with pytest.raises(TypeError, match=r"\.dequantize\(\)"):
        convert(rows)


def test_an_index_of_one_row_is_refused(rng):
    with pytest.raises(TypeError, match="slice or an array; got int"):
        quantized(rng, 3, 2)[0]


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        ([[1.0, np.nan]], {}, ValueError, "x holds 1 NaN or infinite value"),
        ([[1.0, -np.inf]], {}, ValueError, "x holds 1 NaN or infinite value"),
        ([], {}, ValueError, "x has no rows"),
        (3.0, {}, ValueError, "x must be an array of rows"),
        ([["a"]], {}, TypeError, "x must hold real numbers"),
        ([[1e50]], {}, ValueError, "too large for a float32 scale"),
        ([[1e308, -1e308]], {"symmetric": False}, ValueError, "too large for a float32 scale"),
        ([[1.0]], {"symmetric": 1}, TypeError, "symmetric must be True or False; got 1"),
        (QuantizedRows(GOOD, ONES), {}, TypeError, "x must not be quantised here"),
    ],
)
def test_quantize_rows_refuses(x, options, error, message):
    with pytest.raises(error, match=message):
        quantize_rows(x, **options)


def test_all_samples_are_quantised_or_none(rng):
    rows, plain = quantized(rng, 5, 3), rng.normal(size=(6, 3))
    message = "y is quantised and x is not; quantise both, with fastdiv.quantize_rows"
    for function in (mmd2, mmd_test, energy_distance, median_distance, kl_knn):
        with pytest.raises(TypeError, match=message):
            function(plain, rows)
        with pytest.raises(TypeError, match="x is quantised and y is not"):
            function(rows, plain)
    with pytest.raises(TypeError, match="x is quantised and at is not"):
        witness(rows, rows, plain)
    with pytest.raises(ValueError, match="same number of features; got 3 and 2"):
        mmd2(rows, quantized(rng, 5, 2))
    with pytest.raises(ValueError, match="at least 2 rows"):
        mmd2(rows[:1], rows)
    with pytest.raises(ValueError, match="same number of rows"):
        mmd2(rows[:4], rows, estimator="paired")
    with pytest.raises(ValueError, match="nan_policy must be one of"):
        mmd2(rows, rows, nan_policy="drop")
    assert abs(mmd2(rows, rows, nan_policy="omit", estimator="paired").value) < 1e-6


def test_hybrid_matmul_refuses(rng):
    w = quantized(rng, 3, 4)
    with pytest.raises(TypeError, match="weights must be QuantizedRows; got ndarray"):
        hybrid_matmul(np.ones((2, 4)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="same number of features; got 5 and 4"):
        hybrid_matmul(np.ones((2, 5)), w)
    with pytest.raises(ValueError, match="x holds 1 NaN"):
        hybrid_matmul([[1.0, 2.0, 3.0, np.nan]], w)
    with pytest.raises(TypeError, match="x must not be quantised"):
        hybrid_matmul(w, w)
    with pytest.raises(ValueError, match="n_threads"):
        hybrid_matmul(np.ones((2, 4)), w, n_threads=0)
    huge = quantize_rows(np.full((1, 4), 1e38))
    with pytest.raises(OverflowError, match="too large for float32"):
        hybrid_matmul(np.full((1, 4), 1e38), huge)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize("kernel", [RBF(1.0), Laplacian(2.0), Energy(), Polynomial(2), Linear()])
def test_weighted_rows(rng, kernel, estimator):
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 0.3
    weights = {"x_weights": rng.random(30), "y_weights": rng.random(30)}
    weights["x_weights"][3] = 0.0
    a, b = quantize_rows(x), quantize_rows(y)
    got = mmd2(a, b, kernel, estimator=estimator, **weights)
    same = mmd2(a.dequantize(), b.dequantize(), kernel, estimator=estimator, **weights)
    assert got.value == pytest.approx(same, rel=1e-5, abs=1e-6)
    assert abs(got.value - mmd2(x, y, kernel, estimator=estimator, **weights)) <= got.bound
    ones = {name: np.ones(30) for name in weights}
    equal = mmd2(a, b, kernel, estimator=estimator, **ones)
    plain = mmd2(a, b, kernel, estimator=estimator)
    assert (equal.value, equal.bound) == (plain.value, plain.bound)


def test_gradients_are_of_numbers(rng):
    a = quantize_rows(rng.normal(size=(5, 2)))
    with pytest.raises(TypeError, match=r"x must not be quantised: int8 .* pass x\.dequantize\(\)"):
        mmd2_and_grad(a, a, RBF(1.0))

"""Test statistics of quantised rows against those of the dequantised rows."""

import math
import os

import numpy as np
import pytest
from cases import each_estimator, each_symmetry, peak_bytes, quantized
from quantized_kernels import KERNELS, each_kernel

import fastdiv as fd
from fastdiv import (
    RBF,
    Energy,
    QuantizedEstimate,
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
from fastdiv._engine.types import WeightedSumsRequest
from fastdiv._sums import reference
from fastdiv.kernels.evaluation import kernel_values
from fastdiv.kernels.lowering import lower
from fastdiv.mmd import bandwidth


@each_estimator
@each_kernel
def test_mmd2_is_that_of_the_dequantised_rows(rng, name, estimator):
    for n, d, symmetric in ((5, 1, True), (33, 7, False), (60, 64, True), (50, 300, False)):
        kernel = KERNELS[name](d)._resolve(d, None)
        x, y = quantized(rng, n, d, symmetric), quantized(rng, n, d)
        a, b = x.dequantize(np.float64), y.dequantize(np.float64)
        groups = lower([kernel]).groups
        pairs = ((a, a), (b, b), (a, b))
        size = max(np.abs(kernel_values(p[:, None], q[None], groups, 1)).max() for p, q in pairs)
        with backend.use("reference"):
            expected = mmd2(a, b, kernel, estimator=estimator)
        got = mmd2(x, y, kernel, estimator=estimator)
        assert isinstance(got, QuantizedEstimate)
        np.testing.assert_allclose(got.value, expected, rtol=0, atol=4e-5 * size)
        assert float(got) == got.value


@pytest.mark.slow
@each_symmetry
@each_kernel
def test_core_and_reference_agree(core, rng, name, symmetric):
    """Compare single reductions, which do not cancel, at sizes around those of a tile."""
    for n, m, d in ((1, 3, 2), (49, 7, 17), (50, 149, 65), (17, 49, 515)):
        groups = lower([KERNELS[name](d)._resolve(d, None)]).groups
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


@pytest.mark.parametrize("pairs", ["distinct", "all", "off_diagonal"])
@each_symmetry
@each_kernel
def test_every_choice_of_pairs(core, rng, name, symmetric, pairs):
    n, d = 50, 17
    groups = lower([KERNELS[name](d)._resolve(d, None)]).groups
    x, y = quantized(rng, n, d, symmetric), quantized(rng, n, d)
    u, v = rng.random((2, n))
    size = max(
        np.abs(kernel_values(a[:, None], b[None], groups, 1)).max()
        for p, q in ((x, x), (y, y), (x, y))
        for a, b in [(p.dequantize(np.float64), q.dequantize(np.float64))]
    )
    arguments = (x, y, groups, 1, 0, None, pairs)
    got, expected = core.pair_sums(*arguments), reference.pair_sums(*arguments)
    assert np.abs(got - expected).max() <= 1e-5 * size * n**2
    request = WeightedSumsRequest(np.ones((1, 3)), row_sums=True, pairs=pairs)
    arguments = (x, y, u, v, request, groups, 1, 0, None)
    results = zip(core.weighted_sums(*arguments), reference.weighted_sums(*arguments), strict=True)
    for (part, expected), rows in zip(results, (n, 1, 1, 0, 0, 4 * n), strict=True):
        assert np.abs(part - expected).max(initial=0.0) <= 1e-5 * size * rows * n


def test_same_bits_for_any_number_of_threads(rng):
    x, y = quantized(rng, 500, 33, symmetric=False), quantized(rng, 700, 33)
    kernels = [RBF(), RBF(np.linspace(3.0, 6.0, 33)), fd.Laplacian(), fd.Polynomial()]

    def results(n_threads):
        test = mmd_test(x, y, kernels, n_resamples=20, rng=0, n_threads=n_threads)
        return [
            mmd2(x, y, kernels, n_threads=n_threads).value,
            witness(x, y, x, kernels, n_threads=n_threads),
            [result.null_distribution for result in test],
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
    kernels = [RBF(), fd.Polynomial(), Energy(1.5)]
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
    kernels = [RBF(2.0), Energy(), fd.Laplacian(4.0)]
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
    for kernel in (RBF(), fd.Laplacian(), fd.Polynomial()):
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

    got = mmd2(x, y, fd.Callback(rbf))
    np.testing.assert_allclose(got.value, mmd2(x, y, RBF(2.0)).value, atol=1e-5)
    assert got.bound == np.inf


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


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize(
    "kernel", [RBF(1.0), fd.Laplacian(2.0), Energy(), fd.Polynomial(2), fd.Linear()]
)
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


@pytest.mark.parametrize("d", [1, 3, 64, 700])
@pytest.mark.parametrize("step", [2.0**-20, 2.0**-12])
def test_rows_much_closer_to_each_other_than_to_zero(rng, d, step):
    values = np.broadcast_to(rng.integers(90, 127, d).astype(np.int8), (40, d))
    scales = (1 + step * rng.permutation(80)).astype(np.float32)
    x, y = (fd.QuantizedRows(values, half) for half in (scales[:40], scales[40:]))
    a, b = x.dequantize(np.float64), y.dequantize(np.float64)
    labels = np.argsort(np.argsort(scales[:40])) // 10
    length = median_distance(a, b)
    per_feature = RBF(np.linspace(0.5, 2, d) * length)
    calls = [  # with the size of what they add up
        (lambda u, v: median_distance(u, v), 0),
        (lambda u, v: kl_knn(u, v, 2), d),
        (lambda u, v: energy_distance(u, v), 4 * length),
        (lambda u, v: witness(u[:1], u, v, RBF(length)), 2),
        (lambda u, v: fd.permanova(u, labels, rng=0).statistic, 0),
        (lambda u, v: fd.dunn_index(u, labels), 0),
        (lambda u, v: fd.dunn_index(u, labels, metric="cityblock"), 0),
        (lambda u, v: fd.silhouette_score(u, labels, metric="cityblock"), 1),
        (lambda u, v: mmd2(u, v, RBF(length)), 4),
        (lambda u, v: mmd2(u, v, per_feature), 4),
        (lambda u, v: mmd2(u, v, fd.Laplacian(length * math.sqrt(d))), 4),
    ]
    for call, size in calls:
        got, expected = call(x, y), call(a, b)
        error = np.abs(getattr(got, "value", got) - expected).max()
        assert error <= 1e-5 * max(size, np.abs(expected).max())


@pytest.mark.parametrize("kernel", [Energy(), fd.Matern(0.5, 30.0), fd.Laplacian(300.0)], ids=str)
def test_equal_pairs_have_equal_values(rng, kernel):
    """Let labellings tie that put as many rows of each kind into either sample."""
    kinds = quantize_rows(np.float32(rng.normal(size=(3, 90)) + 20), symmetric=False)
    of_row = rng.integers(0, 3, 300)
    rows = kinds[of_row]
    permutations = rng.permuted(np.tile(np.arange(300), (400, 1)), axis=1)
    result = mmd_test(rows[:120], rows[120:], kernel, permutations=permutations)
    taken = of_row[permutations[:, :120]]
    counts = (taken[..., None] == np.arange(3)).sum(axis=1)
    assert len(np.unique(result.null_distribution)) <= len(np.unique(counts, axis=0)) < 400


@pytest.mark.parametrize("d", [64, 4096, 65_536])
def test_many_equal_features(d):
    x = fd.QuantizedRows(np.full((1, d), 100, np.int8), np.float32([1.0]))
    y = fd.QuantizedRows(np.full((1, d), 110, np.int8), np.float32([0.7]))
    difference = float(100 - 110 * np.float64(np.float32(0.7)))
    for kernel, exponent in (
        (fd.Laplacian(difference * d), 1),
        (RBF(np.full(d, difference * math.sqrt(d))), 0.5),
    ):
        got = mmd2(x, y, kernel, estimator="biased").value
        assert got == pytest.approx(2 - 2 * math.exp(-exponent), rel=1e-5)

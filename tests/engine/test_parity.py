"""
The compiled core against the reference, reduction by reduction.

One row per kernel. The sizes are smaller than a tile, odd, or prime; the numbers of
features leave a rest in every vector width.
"""

import itertools

import numpy as np
import pytest

from fastdiv import (
    RBF,
    Callback,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    QuantizedRows,
    RationalQuadratic,
    Sum,
    mmd2,
    mmd_test,
    witness,
)
from fastdiv._engine import backend as _backend
from fastdiv._sums import reference
from fastdiv._sums.metrics import CityBlock
from fastdiv._sums.reference.log_ratios import LOG_RATIOS
from fastdiv.kernels import lower
from fastdiv.kernels.evaluation import kernel_gradients, kernel_log_slopes, kernel_values
from fastdiv.mmd.cmmd import RBFLessOne

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
each_d = pytest.mark.parametrize("d", FEATURES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["f4", "f8"])


def groups_of(name, d):
    return lower([KERNELS[name](d)], for_mmd=name.endswith("mmd")).groups


def sample(rng, n, d, dtype):
    """Rows of squared norm near 1, whatever d, away from the origin."""
    return ((rng.normal(size=(n, d)) + 0.3) / np.sqrt(d)).astype(dtype)


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


@each_dtype
@each_d
@each_kernel
def test_pair_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for n, m in sizes(d):
        x, y = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        expected = reference.pair_sums(x, y, groups, 1, 0, None)
        bound = [absolute(a, b, groups).sum() for a, b in ((x, x), (y, y), (x, y))]
        close(core.pair_sums(x, y, groups, 1, 0, None), expected, np.array(bound), dtype)


@each_dtype
@each_d
@each_kernel
def test_quad_forms(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for rows, splits in ((1, 1), (2, 3), (19, 7), (97, 65)):
        z = sample(rng, rows, d, dtype)
        labels = (rng.random((splits, rows)) < rng.random((splits, 1))).astype(np.uint8)
        labels[0] = 0
        labels[-1] = 1
        expected = reference.quad_forms(z, labels, groups, 1, 0, None)
        got = core.quad_forms(z, labels, groups, 1, 0, None)
        off_diagonal = absolute(z, z, groups) * (1 - np.eye(rows))
        close(got, expected, off_diagonal.sum(), dtype)


@each_dtype
@each_d
@each_kernel
def test_row_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for n, m in sizes(d):
        at, x = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        expected = reference.row_sums(at, x, None, groups, 1, 0, None)
        got = core.row_sums(at, x, None, groups, 1, 0, None)
        close(got, expected, absolute(at, x, groups).sum(axis=2), dtype)


@each_dtype
@each_d
@each_kernel
def test_weighted_row_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for n, m in sizes(d):
        at, x = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        weights = rng.random(m)
        expected = reference.row_sums(at, x, weights, groups, 1, 0, None)
        got = core.row_sums(at, x, weights, groups, 1, 0, None)
        close(got, expected, absolute(at, x, groups) @ weights, dtype)


LABEL_SIZES = [(1,), (1, 1), (0, 2, 0), (5, 1, 3, 0, 1), (48, 97), (1,) * 60, (150, 10, 200, 40)]


@each_dtype
@each_d
@pytest.mark.parametrize("name", [n for n in KERNELS if not n.startswith(("poly", "linear"))])
def test_label_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    # the last with several parts of rows
    for sizes in LABEL_SIZES[: 7 if d in (3, 16) else 6 if d < 64 else 4]:
        x = sample(rng, sum(sizes), d, dtype)
        counts = np.array(sizes)
        of_label = np.repeat(np.eye(len(sizes)), counts, axis=1)
        magnitudes = absolute(x, x, groups)
        for weights in (None, rng.random(len(x))):
            expected = reference.label_sums(x, weights, counts, groups, 1, 0, None)
            got = core.label_sums(x, weights, counts, groups, 1, 0, None)
            bound = (of_label if weights is None else of_label * weights) @ magnitudes
            close(got, expected, bound, dtype)


def test_label_sums_of_many_kernels_in_one_pass(core, rng):
    kernels = [RBF(0.8), Laplacian(1.0), Sum([Energy(), CityBlock(1.0)], weights=[0.5, -2.0])]
    groups = lower(kernels, for_mmd=False).groups
    x, sizes = sample(rng, 100, 5, np.float64), np.array([40, 0, 60])
    got = core.label_sums(x, None, sizes, groups, 3, 0, None)
    expected = reference.label_sums(x, None, sizes, groups, 3, 0, None)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@each_dtype
@each_d
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_label_extremes(core, rng, metric, d, dtype):
    for sizes in LABEL_SIZES[: 7 if d < 64 else 4]:
        x, counts = sample(rng, sum(sizes), d, dtype), np.array(sizes)
        expected = reference.label_extremes(x, metric, counts, 0, None)
        got = core.label_extremes(x, metric, counts, 0, None)
        np.testing.assert_allclose(got, expected, rtol=RTOL[dtype])
        for threads in (2, 3):
            assert core.label_extremes(x, metric, counts, threads, None) == got


@each_dtype
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_label_extremes_of_near_and_equal_rows(core, rng, metric, dtype):
    x, counts = sample(rng, 60, 3, dtype), np.array([20, 0, 40])
    x[5] = 1e6
    x[30] = x[7] + dtype(1e-6)
    expected = reference.label_extremes(x, metric, counts, 0, None)
    np.testing.assert_allclose(
        core.label_extremes(x, metric, counts, 0, None), expected, rtol=RTOL[dtype]
    )
    x[30] = x[7]
    assert core.label_extremes(x, metric, counts, 0, None)[1] == 0.0
    x[:] = x[0]
    assert core.label_extremes(x, metric, counts, 0, None) == (0.0, 0.0)


def test_label_sums_refuse_what_is_out_of_range(core, rng):
    x = sample(rng, 20, 2, np.float64)
    for backend in (core, reference):
        for sizes in ([19], [10, 11], [21, -1], [-1, 21], []):
            counts = np.array(sizes, dtype=np.int64)
            with pytest.raises(ValueError, match="sizes of the labels"):
                backend.label_sums(x, None, counts, groups_of("rbf", 2), 1, 0, None)
            with pytest.raises(ValueError, match="sizes of the labels"):
                backend.label_extremes(x, "euclidean", counts, 0, None)
        with pytest.raises(ValueError, match="kernels of a distance"):
            backend.label_sums(x, None, np.array([20]), groups_of("linear", 2), 1, 0, None)


def item_of(results, item):
    """Return what `weighted_sums` found for one item of a stack."""
    return [part[:, item] if k in (1, 2) else part[item] for k, part in enumerate(results)]


@each_dtype
@each_d
@each_kernel
def test_weighted_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    # the last with several parts of rows
    for n, m in [*sizes(d)[:4], (97, 31), *([(150, 290)] if d in (3, 16) else [])]:
        x, y = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        u, v = rng.random(n), rng.random(m)
        u[0] = 0.0
        factors = rng.normal(size=3)
        arguments = (x, y, u, v, factors[None], None, True, True, True, groups, 1, 0, None)
        expected = item_of(reference.weighted_sums(*arguments), 0)
        got = item_of(core.weighted_sums(*arguments), 0)
        weighted = [
            absolute(a, b, groups) * p[:, None] * q
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
        close(got[0], expected[0], np.array([each.sum() for each in weighted]), dtype)
        for row_sums, wanted, a, p, b, q in (
            (got[1], expected[1], x, u, y, v),
            (got[2], expected[2], y, v, x, u),
        ):
            bound = [absolute(a, a, groups) @ p, absolute(a, b, groups) @ q]
            close(row_sums, wanted, np.array(bound), dtype)
        for gradient, wanted, own, a, p, b, q in (
            (got[3], expected[3], factors[0], x, u, y, v),
            (got[4], expected[4], factors[1], y, v, x, u),
        ):
            within = np.abs(kernel_gradients(a[:, None], a[None], groups, 1))
            between = np.abs(kernel_gradients(a[:, None], b[None], groups, 1))
            bound = 2 * abs(own) * np.einsum("oijk,i,j->oik", within, p, p)
            bound += abs(factors[2]) * np.einsum("oijk,i,j->oik", between, p, q)
            assert gradient.dtype == dtype
            close(gradient.astype(np.float64), wanted.astype(np.float64), bound.max(), dtype)


@each_dtype
@each_d
@each_kernel
def test_log_slope_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for n, m in [*sizes(d)[:4], (97, 31), *([(150, 290)] if d in (3, 16) else [])]:
        x, y = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        u, v = rng.random(n), rng.random(m)
        expected = reference.log_slope_sums(x, y, u, v, groups, 1, 0, None)
        sizes_of = [
            np.abs(kernel_log_slopes(a[:, None], b[None], groups, 1)) @ q @ p
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
        got = core.log_slope_sums(x, y, u, v, groups, 1, 0, None)
        close(got, expected, np.stack(sizes_of, axis=-1), dtype)
        np.testing.assert_array_equal(core.log_slope_sums(x, y, u, v, groups, 1, 3, None), got)


@each_kernel
def test_weighted_sums_give_what_is_wanted_only(core, rng, name):
    groups = groups_of(name, 3)
    x, y = sample(rng, 200, 3, np.float64), sample(rng, 60, 3, np.float64)
    u, v, factors = rng.random(200), rng.random(60), np.array([[0.5, 1.0, -2.0]])
    everything = (True, True, True)
    whole = core.weighted_sums(x, y, u, v, factors, None, *everything, groups, 1, 0, None)
    for wanted in itertools.product((False, True), repeat=3):
        got = core.weighted_sums(x, y, u, v, factors, None, *wanted, groups, 1, 0, None)
        twin = reference.weighted_sums(x, y, u, v, factors, None, *wanted, groups, 1, 0, None)
        assert [part.shape for part in got] == [part.shape for part in twin]
        of_part = (True, wanted[0], *wanted)
        for part, full, is_wanted in zip(got, whole, of_part, strict=True):
            assert (part.size > 0) == is_wanted
            assert not is_wanted or np.array_equal(part, full)


@each_dtype
@pytest.mark.parametrize(("n", "m"), [(1, 2), (7, 5), (33, 100), (1500, 1300)])
def test_every_item_of_a_stack_is_computed_as_if_alone(core, rng, n, m, dtype):
    groups, d, items = groups_of("rbf", 40), 40, 5  # the largest: one after the other
    x, y = sample(rng, items * n, d, dtype), sample(rng, items * m, d, dtype)
    u, v, factors = rng.random(items * n), rng.random(items * m), rng.normal(size=(items, 3))
    options = (True, True, True, groups, 1, 0, None)
    scales = rng.uniform(0.5, 2.0, items)
    whole = core.weighted_sums(x, y, u, v, factors, None, *options)
    over_scales = core.weighted_sums(x, y, u, v, factors, scales, *options)
    for threads in (1, 2, 5):
        again = core.weighted_sums(x, y, u, v, factors, None, *options[:-2], threads, None)
        for part, same in zip(whole, again, strict=True):
            np.testing.assert_array_equal(part, same)
    pooled = np.concatenate([x.reshape(items, n, d), y.reshape(items, m, d)], axis=1)
    ranked, among = (core.ranked_distances(x, b, items, "euclidean", 0, 0, None) for b in (y, x))
    medians = core.median_distances(
        pooled.reshape(-1, d), np.full(items, n + m), "cityblock", 0, None
    )
    for i in range(items):
        a, b = slice(i * n, (i + 1) * n), slice(i * m, (i + 1) * m)
        alone = core.weighted_sums(x[a], y[b], u[a], v[b], factors[i : i + 1], None, *options)
        for part, same in zip(item_of(whole, i), item_of(alone, 0), strict=True):
            np.testing.assert_array_equal(part, same)
        of_features = [(base, np.full(d, scales[i]), terms) for base, _, terms in groups]
        alone = core.weighted_sums(
            x[a], y[b], u[a], v[b], factors[i : i + 1], None, *options[:3], of_features, 1, 0, None
        )
        for part, same in zip(item_of(over_scales, i), item_of(alone, 0), strict=True):
            np.testing.assert_array_equal(part, same)
        one = np.array([n + m])
        assert medians[i] == core.median_distances(pooled[i], one, "cityblock", 0, None)[0]
        assert ranked[i] == core.ranked_distances(x[a], y[b], 1, "euclidean", 0, 0, None)[0]
    np.testing.assert_array_equal(among, np.zeros(items))
    if n < 100:
        for got, scale in ((whole, None), (over_scales, scales)):
            twin = reference.weighted_sums(x, y, u, v, factors, scale, *options)
            for part, expected in zip(got, twin, strict=True):
                assert part.shape == expected.shape
                np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            medians,
            reference.median_distances(
                pooled.reshape(-1, d), np.full(items, n + m), "cityblock", 0, None
            ),
            rtol=1e-5,
        )
        of_y = reference.ranked_distances(x, y, items, "euclidean", 0, 0, None)
        np.testing.assert_allclose(ranked, of_y, rtol=1e-5)


@pytest.mark.parametrize("n", [8, 1500])
def test_stacks_report_their_progress(core, rng, n):
    items = 5
    x, ones = sample(rng, items * n, 300, np.float32), np.ones(items * n)
    factors, groups = np.zeros((items, 3)), groups_of("rbf", 300)
    reports = []
    core.weighted_sums(
        *(x, x, ones, ones, factors, None, False, False, False, groups, 1, 0),
        lambda done, total: reports.append(done / total),
    )
    assert reports == sorted(reports)
    assert reports[-1] == 1
    assert n == 8 or len(reports) >= items


def test_items_of_a_stack_may_have_sizes_of_their_own(core, rng):
    x, sizes = sample(rng, 60, 3, np.float64), np.array([2, 17, 41])
    for backend in (core, reference):
        medians = backend.median_distances(x, sizes, "euclidean", 0, None)
        for rows, median in zip(np.split(x, [2, 19]), medians, strict=True):
            size = np.array([len(rows)])
            assert median == backend.median_distances(rows, size, "euclidean", 0, None)[0]
        for wrong in ([60, 1], [30]):
            with pytest.raises(ValueError, match="add up"):
                backend.median_distances(x, np.array(wrong), "euclidean", 0, None)
        with pytest.raises(ValueError, match="equally many"):
            backend.ranked_distances(x, None, 7, "euclidean", 0, 0, None)
    with pytest.raises(ValueError, match="two rows"):
        core.median_distances(x, np.array([59, 1]), "euclidean", 0, None)


@each_dtype
@each_d
@each_kernel
def test_paired_values(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for n in (1, 2, 17, 131):
        x, y = sample(rng, n, d, dtype), sample(rng, n, d, dtype)
        expected = reference.paired_values(x, y, groups, 1, 0)
        bound = np.maximum(np.abs(expected), np.abs(expected).mean())
        close(core.paired_values(x, y, groups, 1, 0), expected, bound, dtype)
        same = core.paired_values(x, x, groups, 1, 0)
        expected = reference.paired_values(x, x, groups, 1, 0)
        close(same, expected, np.abs(expected), dtype)


@each_kernel
@each_dtype
def test_paired_values_do_not_depend_on_the_place(core, rng, name, dtype):
    """Ties of the paired test rest on this."""
    groups = groups_of(name, 7)
    x, y = sample(rng, 67, 7, dtype), sample(rng, 67, 7, dtype)
    values = core.paired_values(x, y, groups, 1, 0)
    order = rng.permutation(67)
    np.testing.assert_array_equal(
        core.paired_values(x[order], y[order], groups, 1, 0)[0], values[0, order]
    )
    np.testing.assert_array_equal(core.paired_values(y, x, groups, 1, 0), values)


@each_dtype
@each_d
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_ranked_distance(core, rng, metric, d, dtype):
    # the last with too many pairs to be copied
    for n, m in [(2, 1), (2, 3), (17, 16), (97, 31), *([(400, 200)] if d in (3, 16) else [])]:
        x, y = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        x[0] = y[0]
        for other, pairs in ((None, n * (n - 1) // 2), (y, n * m)):
            for rank in {0, pairs // 3, pairs - 1}:
                expected = reference.ranked_distances(x, other, 1, metric, rank, 0, None)
                got = core.ranked_distances(x, other, 1, metric, rank, 0, None)
                assert got == pytest.approx(expected, rel=RTOL[dtype], abs=0)
            for backend in (core, reference):
                with pytest.raises(ValueError, match="a pair of that rank"):
                    backend.ranked_distances(x, other, 1, metric, pairs, 0, None)


@each_dtype
@pytest.mark.parametrize("d", FEATURES)
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_median_distance(core, rng, metric, d, dtype):
    for n in (2, 3, 5, 16, 17, 131, *([400] if d in (3, 16) else [])):
        z = sample(rng, n, d, dtype)
        expected = reference.median_distances(z, np.array([len(z)]), metric, 0, None)
        got = core.median_distances(z, np.array([len(z)]), metric, 0, None)
        assert got == pytest.approx(expected, rel=RTOL[dtype])
        z[:] = z[0]
        assert core.median_distances(z, np.array([len(z)]), metric, 0, None) == 0.0


@each_dtype
def test_many_kernels_in_one_pass(core, rng, dtype):
    d = 11
    kernels = [make(d) for make in KERNELS.values()]
    kernels.append(Sum(kernels, weights=rng.normal(size=len(kernels))))
    groups = lower(kernels, for_mmd=True).groups
    n_outputs = len(kernels)
    x, y = sample(rng, 61, d, dtype), sample(rng, 43, d, dtype)
    bound = sum(absolute(a, a, [g], n_outputs).sum(axis=(1, 2)) for a in (x, y) for g in groups)
    bound = bound[:, None] + 43 * 61
    close(
        core.pair_sums(x, y, groups, n_outputs, 0, None),
        reference.pair_sums(x, y, groups, n_outputs, 0, None),
        bound,
        dtype,
    )
    labels = (rng.random((9, 61)) < 0.5).astype(np.uint8)
    close(
        core.quad_forms(x, labels, groups, n_outputs, 0, None),
        reference.quad_forms(x, labels, groups, n_outputs, 0, None),
        bound[:, None],
        dtype,
    )
    close(
        core.row_sums(y, x, None, groups, n_outputs, 0, None),
        reference.row_sums(y, x, None, groups, n_outputs, 0, None),
        bound,
        dtype,
    )
    close(
        core.paired_values(x[:43], y, groups, n_outputs, 0),
        reference.paired_values(x[:43], y, groups, n_outputs, 0),
        bound,
        dtype,
    )


VIEWS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "every third": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "zero stride": lambda a: np.broadcast_to(a[:1], a.shape),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
}


@each_dtype
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_strides(core, rng, view, dtype):
    groups = groups_of("rbf per feature", 9)
    x, y = view(sample(rng, 37, 9, dtype)), sample(rng, 37, 9, dtype)
    x.flags.writeable = False
    plain = np.array(x, order="C")
    labels = (rng.random((5, 37)) < 0.5).astype(np.uint8)
    wide_labels = np.repeat(labels, 2, axis=1)[:, ::2]
    calls = [
        lambda a: core.pair_sums(a, y, groups, 1, 0, None),
        lambda a: core.pair_sums(y, a, groups, 1, 0, None),
        lambda a: core.quad_forms(a, labels, groups, 1, 0, None),
        lambda a: core.quad_forms(a, wide_labels, groups, 1, 0, None),
        lambda a: core.row_sums(a, y, None, groups, 1, 0, None),
        lambda a: core.row_sums(y, a, None, groups, 1, 0, None),
        lambda a: core.label_sums(a, None, np.array([30, 7]), groups, 1, 0, None),
        lambda a: core.paired_values(a, y, groups, 1, 0),
        lambda a: core.median_distances(a, np.array([len(a)]), "euclidean", 0, None),
        lambda a: core.median_distances(a, np.array([len(a)]), "cityblock", 0, None),
        lambda a: core.first_nonfinite(a),
    ]
    for call in calls:
        np.testing.assert_array_equal(call(x), call(plain))


@each_dtype
def test_first_nonfinite(core, rng, dtype):
    for shape in ((1, 1), (3, 7), (64, 5), (131, 17)):
        a = rng.normal(size=shape).astype(dtype)
        a.flat[0] = np.finfo(dtype).max
        a.flat[-1] = -np.finfo(dtype).tiny / 2
        assert core.first_nonfinite(a) == -1
        for bad in (np.nan, np.inf, -np.inf):
            for place in {0, a.size // 2, a.size - 1}:
                b = a.copy()
                b.flat[place] = bad
                b.flat[-1] = np.nan
                for layout in (b, np.asfortranarray(b)):
                    assert core.first_nonfinite(layout) == place
                    assert reference.first_nonfinite(layout) == place


@each_kernel
@each_dtype
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(core, rng, name, dtype, threads):
    groups = groups_of(name, 5)
    x, y = sample(rng, 301, 5, dtype), sample(rng, 233, 5, dtype)
    labels = (rng.random((13, 301)) < 0.5).astype(np.uint8)
    for call in (
        lambda t: core.pair_sums(x, y, groups, 1, t, None),
        lambda t: core.quad_forms(x, labels, groups, 1, t, None),
        lambda t: core.row_sums(x, y, None, groups, 1, t, None),
        lambda t: core.median_distances(x, np.array([len(x)]), "euclidean", t, None),
    ):
        np.testing.assert_array_equal(call(threads), call(1))


@each_dtype
@pytest.mark.parametrize("name", ["rbf", "energy", "cityblock"])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit_of_label_sums(core, rng, name, dtype, threads):
    groups = groups_of(name, 5)
    x, sizes = sample(rng, 901, 5, dtype), np.array([301, 1, 99, 0, 500])
    for weights in (None, rng.random(901)):
        once = core.label_sums(x, weights, sizes, groups, 1, 1, None)
        again = core.label_sums(x, weights, sizes, groups, 1, threads, None)
        np.testing.assert_array_equal(again, once)


@each_kernel
@each_dtype
def test_quad_forms_are_free_of_order(core, rng, name, dtype):
    """Equal rows may trade places, and complements swap, without changing a bit."""
    groups = groups_of(name, 5)
    z = sample(rng, 149, 5, dtype)
    z[70:90] = z[:20]
    labels = (rng.random((8, 149)) < 0.4).astype(np.uint8)
    swapped = labels.copy()
    swapped[:, :20], swapped[:, 70:90] = labels[:, 70:90], labels[:, :20]
    got = core.quad_forms(z, np.concatenate([labels, swapped, 1 - labels]), groups, 1, 0, None)[0]
    np.testing.assert_array_equal(got[8:16], got[:8])
    np.testing.assert_array_equal(got[16:], got[:8][:, [1, 0, 2]])
    alone = core.quad_forms(z, labels[3:4], groups, 1, 0, None)[0]
    np.testing.assert_array_equal(alone[0], got[3])
    order = rng.permutation(149)
    moved = core.quad_forms(z[order], labels[:, order], groups, 1, 0, None)[0]
    np.testing.assert_array_equal(moved, got[:8])


@each_dtype
@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@each_kernel
def test_public_functions(core, rng, name, estimator, dtype):
    kernel = KERNELS[name](3)
    n, m = (23, 23) if estimator == "paired" else (23, 14)
    x, y = sample(rng, n, 3, dtype), sample(rng, m, 3, dtype)

    def both():
        result = mmd_test(x, y, kernel, estimator=estimator, n_resamples=19, rng=1)
        return (
            mmd2(x, y, kernel, estimator=estimator),
            result.statistic,
            result.null_distribution,
            witness(x, y, x[:4], kernel),
        )

    with _backend.use("core"):
        compiled = both()
    with _backend.use("reference"):
        defined = both()
    tolerance = 2e-5 if dtype == np.float32 else 1e-11
    for got, expected in zip(compiled, defined, strict=True):
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_callbacks_add_to_compiled_terms(core, rng):
    x, y = sample(rng, 9, 2, np.float64), sample(rng, 8, 2, np.float64)
    kernel = Sum([RBF(1.0), Callback(lambda a, b: a @ b.T)], [1.0, 0.5])
    with _backend.use("core"):
        compiled = mmd2(x, y, kernel)
    with _backend.use("reference"):
        assert compiled == pytest.approx(mmd2(x, y, kernel), rel=1e-12)


def test_progress(core, rng):
    x, y = sample(rng, 200, 3, np.float32), sample(rng, 100, 3, np.float32)
    groups = groups_of("rbf", 3)
    labels = np.ones((2, 200), dtype=np.uint8)
    for call in (
        lambda p: core.pair_sums(x, y, groups, 1, 0, p),
        lambda p: core.quad_forms(x, labels, groups, 1, 0, p),
        lambda p: core.row_sums(x, y, None, groups, 1, 0, p),
        lambda p: core.median_distances(x, np.array([len(x)]), "euclidean", 0, p),
    ):
        reports = []
        call(lambda done, total, reports=reports: reports.append((done, total)))
        assert reports == sorted(reports)
        assert reports[-1][0] == reports[-1][1] > 0
        assert len({total for _, total in reports}) == 1


def test_config_keys(core):
    assert set(core.config()) == set(reference.config())
    assert core.config()["isa"] in core.config()["isa_available"]


# --- neighbours, and moments of log ratios ----------------------------------------------


@each_dtype
@each_d
@pytest.mark.parametrize("k", [1, 2, 5, 64])
def test_kth_distances(core, rng, k, d, dtype):
    for n, m in ((1, 64), (3, 65), (49, 145), (97, 300)):
        at, x = sample(rng, n, d, dtype), sample(rng, m, d, dtype)
        expected = reference.kth_distances(at, x, k, False, 0, None)
        close(core.kth_distances(at, x, k, False, 0, None), expected, expected, dtype)
        if m > k:
            expected = reference.kth_distances(x, x, k, True, 0, None)
            close(core.kth_distances(x, x, k, True, 0, None), expected, expected, dtype)


@each_dtype
def test_kth_distances_of_all_k_are_the_sorted_distances(core, rng, dtype):
    x = sample(rng, 41, 3, dtype)
    x[17] = x[3]
    sorted_distances = np.sqrt(
        np.sort(((x[:, None].astype(np.float64) - x[None]) ** 2).sum(axis=-1), axis=1)
    )
    for k in range(1, 42):
        got = core.kth_distances(x, x, k, False, 0, None)
        np.testing.assert_allclose(got, sorted_distances[:, k - 1], rtol=RTOL[dtype])
        if k < 41:
            got = core.kth_distances(x, x, k, True, 0, None)
            np.testing.assert_allclose(got, sorted_distances[:, k], rtol=RTOL[dtype])
    assert core.kth_distances(x, x, 1, True, 0, None)[3] == 0.0


@each_dtype
@pytest.mark.parametrize("threads", [2, 3])
def test_kth_distances_do_not_depend_on_threads_or_order(core, rng, dtype, threads):
    at, x = sample(rng, 331, 6, dtype), sample(rng, 9500, 6, dtype)
    once = core.kth_distances(at, x, 7, False, 1, None)
    np.testing.assert_array_equal(core.kth_distances(at, x, 7, False, threads, None), once)
    order = rng.permutation(len(x))
    np.testing.assert_array_equal(core.kth_distances(at, x[order], 7, False, threads, None), once)
    np.testing.assert_array_equal(
        core.kth_distances(at[::-1], x, 7, False, threads, None), once[::-1]
    )


@each_dtype
def test_kth_distances_beside_a_far_outlier(core, rng, dtype):
    x = (1e-15 * rng.normal(size=(60, 3))).astype(dtype)
    x[11] = 3e6
    expected = reference.kth_distances(x, x, 3, True, 0, None)
    close(core.kth_distances(x, x, 3, True, 0, None), expected, expected, dtype)


@pytest.mark.parametrize("exponent", [-900, 900])
def test_kth_distances_in_any_unit(core, rng, exponent):
    """Squares of these numbers leave the range of float64."""
    x = sample(rng, 60, 3, np.float64)
    expected = np.ldexp(core.kth_distances(x, x, 3, True, 0, None), exponent)
    got = core.kth_distances(np.ldexp(x, exponent), np.ldexp(x, exponent), 3, True, 0, None)
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_kth_distances_refuses_k_out_of_range(core, rng):
    x = sample(rng, 20, 2, np.float64)
    for k, own in ((0, False), (-1, False), (65, False), (21, False), (20, True)):
        with pytest.raises(ValueError, match="k is out of range"):
            core.kth_distances(x, x, k, own, 0, None)


SHAPES = [(1, 1), (2, 1), (7, 3), (8, 8), (255, 9), (256, 1), (257, 17), (8192, 2), (8193, 11)]


@each_dtype
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("spread", [1e-6, 0.1, 1.0, 30.0])
def test_log_ratio_moments(core, rng, spread, estimator, dtype):
    for shape in SHAPES:
        log_p = rng.normal(-3.0, 2.0, size=shape).astype(dtype)
        log_q = (log_p + rng.normal(0.0, spread, size=shape)).astype(dtype)
        for layout in (np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1, ::-1]):
            p, q = layout(log_p), layout(log_q)
            expected = reference.log_ratio_moments(p, q, estimator, 0)
            got = core.log_ratio_moments(p, q, estimator, 0)
            magnitude = np.abs(LOG_RATIOS[estimator](q.astype(np.float64) - p))
            close(got[0], expected[0], magnitude.mean(axis=0), np.float64)
            close(got[1], expected[1], (magnitude**2).sum(axis=0), np.float64)
            for threads in (2, 3):
                again = core.log_ratio_moments(p, q, estimator, threads)
                np.testing.assert_array_equal(again, core.log_ratio_moments(p, q, estimator, 1))


@each_dtype
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("place", [0, 255, 256, 8192, 8999])
def test_log_ratio_moments_of_what_is_not_finite(core, rng, place, estimator, dtype):
    inf, nan = np.inf, np.nan
    pairs = [(0, -inf), (0, inf), (0, nan), (nan, 0), (inf, 0), (-inf, 0), (-inf, -inf), (nan, nan)]
    log_p, log_q = rng.normal(size=(2, 9000, len(pairs) + 1)).astype(dtype)
    log_p[place, :-1], log_q[place, :-1] = np.array(pairs).T
    got = core.log_ratio_moments(log_p, log_q, estimator, 0)
    np.testing.assert_array_equal(got[:, 0], [inf, inf])
    assert np.isnan(got[0, 1:-1]).all()
    assert np.isfinite(got[:, -1]).all()
    expected = reference.log_ratio_moments(log_p, log_q, estimator, 0)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)


def test_k3_overflows_to_infinity(core):
    log_p, log_q = np.zeros((3, 2)), np.array([[0.0, 0.0], [1.0, 1.0], [700.0, 711.0]])
    for backend in (core, reference):
        mean, m2 = backend.log_ratio_moments(log_p, log_q, "k3", 0)
        assert np.isfinite(mean[0])
        assert mean[1] == m2[1] == np.inf


# ---------------------------------------------------------------- sums by cluster

CLUSTER_SUMS = ("squares", "euclidean", "manhattan", "directions")
CLUSTERED = ((1, 1, 1), (7, 3, 5), (50, 8, 1), (400, 17, 30), (9000, 2, 3), (60, 300, 4))
each_codes = pytest.mark.parametrize("codes_dtype", [np.int32, np.int64], ids=["i4", "i8"])


def layouts(x):
    return [x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1][::-1]]


@each_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", CLUSTER_SUMS)
@pytest.mark.parametrize("shifted", [False, True], ids=["centers", "offsets"])
@each_codes
def test_cluster_sums(core, rng, codes_dtype, shifted, kind, weighted, dtype):
    for n, d, k in CLUSTERED:
        x = rng.normal(size=(n, d)).astype(dtype)
        codes = rng.integers(-1, k, size=n).astype(codes_dtype)
        weights = rng.random(n) if weighted else None
        centers = rng.normal(size=(k, d))
        offsets = rng.normal(size=(k, d)) if shifted else None
        centers[0] = x[0]  # at least one row lies at a centre
        if shifted:
            offsets[0] = 0.0
        codes[0] = 0
        for of in (codes, np.sort(codes)):
            expected = reference.cluster_sums(x, of, weights, centers, offsets, kind, 0, None)
            for each in layouts(x):
                got = core.cluster_sums(each, of, weights, centers, offsets, kind, 0, None)
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * n)


@each_dtype
@pytest.mark.parametrize("kind", CLUSTER_SUMS)
@pytest.mark.parametrize(("n", "d", "k"), [(60_000, 7, 20), (60_000, 2, 9000), (500, 3000, 3)])
def test_cluster_sums_have_the_same_bits_for_any_number_of_threads(core, rng, n, d, k, kind, dtype):
    """Few clusters of many rows, then so many that the parts of the rows take several steps."""
    x = rng.normal(size=(n, d)).astype(dtype)
    codes, centers = rng.integers(-1, k, size=n), rng.normal(size=(k, d))
    offsets = rng.normal(size=(k, d))
    for weights in (None, rng.random(n)):
        one = core.cluster_sums(x, codes, weights, centers, offsets, kind, 1, None)
        for threads in (2, 3, 8):
            many = core.cluster_sums(x, codes, weights, centers, offsets, kind, threads, None)
            assert many.tobytes() == one.tobytes()


def test_long_parts_of_clusters_take_several_steps(core, rng):
    rows, codes = rng.normal(size=(1000, 2)), rng.integers(50_000, size=1_000_000)
    x = np.broadcast_to(rows[:, None], (1000, 1000, 2)).reshape(-1, 2).astype(np.float32)
    centers = np.zeros((50_000, 2))
    expected = reference.cluster_sums(x, codes, None, centers, None, "squares", 0, None)
    one = core.cluster_sums(x, codes, None, centers, None, "squares", 1, None)
    np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-12)
    for threads in (2, 3, 8):
        many = core.cluster_sums(x, codes, None, centers, None, "squares", threads, None)
        assert many.tobytes() == one.tobytes()


@each_dtype
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_center_squares(core, rng, offset, dtype):
    for n, d, k in CLUSTERED:
        x = (rng.normal(size=(n, d)) + offset).astype(dtype)
        anchors, offsets = x[rng.integers(n, size=k)].astype(np.float64), rng.normal(size=(k, d))
        expected = reference.center_squares(x, anchors, offsets, 0, None)
        for each in layouts(x):
            got = core.center_squares(each, anchors, offsets, 0, None)
            np.testing.assert_allclose(got, expected, rtol=1e-12)
        for threads in (2, 3):
            again = core.center_squares(x, anchors, offsets, threads, None)
            assert again.tobytes() == core.center_squares(x, anchors, offsets, 1, None).tobytes()


def test_quantised_rows_by_cluster(core, rng):
    zero = rng.integers(-128, 128, size=90).astype(np.int8)
    values, scale = rng.integers(-128, 128, (90, 5)).astype(np.int8), rng.random(90) + 0.1
    x = QuantizedRows(values, scale.astype(np.float32), zero)
    codes, centers = rng.integers(-1, 4, size=90), rng.normal(size=(4, 5))
    for kind in CLUSTER_SUMS:
        expected = reference.cluster_sums(x, codes, None, centers, None, kind, 0, None)
        got = core.cluster_sums(x, codes, None, centers, None, kind, 0, None)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    expected = reference.center_squares(x, centers, centers, 0, None)
    np.testing.assert_allclose(core.center_squares(x, centers, centers, 0, None), expected)


@each_codes
def test_first_rows(core, rng, codes_dtype):
    several = np.array([-1, 2, 2, 0, -1, 2, 0, 1, 1], dtype=codes_dtype)
    for backend in (core, reference):
        assert backend.first_rows(several, 4).tolist() == [3, 7, 1, -1]
        assert backend.first_rows(several[:1], 2).tolist() == [-1, -1]
    for n in (31, 32, 33, 1000):
        codes = rng.integers(-1, 9, size=n).astype(codes_dtype)
        for each in (codes, np.sort(codes), np.sort(codes)[::-1], np.repeat(codes, 40)[7:]):
            expected = reference.first_rows(each, 11)
            np.testing.assert_array_equal(core.first_rows(each, 11), expected)
    with pytest.raises(ValueError, match="codes must be below the number of clusters"):
        core.first_rows(several, 2)
    with pytest.raises(ValueError, match="codes need one dimension"):
        core.first_rows(several[:, None], 3)


def test_core_refuses_clusters_that_do_not_fit(core):
    x, centers = np.zeros((3, 2)), np.zeros((2, 2))
    codes = np.zeros(3, dtype=np.int64)
    for arguments, message in (
        ((x, codes + 2, None, centers, None, "squares"), "codes must be below"),
        ((x, codes[:2], None, centers, None, "squares"), "codes need one number per row"),
        ((x, codes[:, None], None, centers, None, "squares"), "codes need one number per row"),
        ((x, codes, None, centers[:, :1], None, "squares"), "features of x"),
        ((x, codes, None, centers, centers[:1], "squares"), "offsets must have the shape"),
        ((x, codes, None, centers[:0], None, "squares"), "at least one cluster"),
        ((x, codes, np.ones(2), centers, None, "squares"), "weights need one number per row"),
        ((x, codes, None, centers, None, "cosine"), "unknown sum over clusters"),
    ):
        with pytest.raises(ValueError, match=message):
            core.cluster_sums(*arguments, 0, None)
    with pytest.raises(ValueError, match="offsets must have the shape of centers"):
        core.center_squares(x, centers, centers[:1], 0, None)
    with pytest.raises(ValueError, match="features of x"):
        core.center_squares(x, centers[:, :1], centers, 0, None)

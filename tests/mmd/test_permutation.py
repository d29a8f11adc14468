"""Test the permutation test: exact reproduction, ties, and the result."""

import dataclasses

import numpy as np
import pytest
from cases import ESTIMATORS, each_dtype, each_estimator

import fastdiv as fd
from fastdiv import RBF, Energy, Sum, TwoSampleResult, mmd2, mmd2_and_grad, mmd_test
from fastdiv.mmd.permutation import _Matched

KERNELS = [
    RBF(1.2),
    fd.Laplacian(1.5),
    Energy(),
    fd.Linear(),
    fd.Polynomial(2),
    Sum([RBF(1.0), Energy()], [2.0, 0.5]),
    fd.Callback(lambda a, b: 1.0 / (1.0 + np.abs(a[:, None] - b[None]).max(axis=2))),
]
each_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)


def orderings(seed, times, size):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(size) for _ in range(times)])


@pytest.fixture
def samples(rng):
    return rng.normal(size=(14, 3)), rng.normal(size=(14, 3)) + 0.4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_estimator
@each_kernel
def test_null_distribution_is_mmd2_of_reordered_rows(rng, kernel, estimator, dtype):
    n, m = (12, 12) if estimator == "paired" else (12, 7)
    x, y = rng.normal(size=(n, 3)).astype(dtype), rng.normal(size=(m, 3)).astype(dtype)
    pooled = np.concatenate([x, y])
    order = orderings(5, 20, n + m)
    result = mmd_test(x, y, kernel, estimator=estimator, permutations=order)
    tolerance = {"rel": 1e-9, "abs": 1e-10} if dtype == np.float64 else {"rel": 1e-4, "abs": 1e-5}
    assert result.statistic == pytest.approx(mmd2(x, y, kernel, estimator=estimator), **tolerance)
    expected = [mmd2(pooled[o[:n]], pooled[o[n:]], kernel, estimator=estimator) for o in order]
    np.testing.assert_allclose(
        result.null_distribution, expected, rtol=tolerance["rel"], atol=tolerance["abs"]
    )


@each_estimator
def test_result(samples, estimator):
    x, y = samples
    result = mmd_test(x, y, RBF(2.0), estimator=estimator, n_resamples=49, rng=1)
    assert isinstance(result, TwoSampleResult)
    assert [f.name for f in dataclasses.fields(result)] == [
        "statistic",
        "pvalue",
        "null_distribution",
        "n_x",
        "n_y",
        "kernel",
        "estimator",
        "n_resamples",
    ]
    assert (result.n_x, result.n_y, result.n_resamples) == (14, 14, 49)
    assert (result.kernel, result.estimator) == (RBF(2.0), estimator)
    assert type(result.statistic) is type(result.pvalue) is float
    assert result.null_distribution.shape == (49,)
    assert not result.null_distribution.flags.writeable
    assert "null_distribution" not in repr(result)
    reached = np.count_nonzero(result.null_distribution >= result.statistic)
    assert result.pvalue == (1 + reached) / 50
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.pvalue = 0.0
    assert result == mmd_test(x, y, RBF(2.0), estimator=estimator, n_resamples=49, rng=1)


@each_estimator
def test_permutations_reproduce_draws(samples, estimator):
    x, y = samples
    drawn = mmd_test(x, y, KERNELS, estimator=estimator, n_resamples=30, rng=8)
    given = mmd_test(x, y, KERNELS, estimator=estimator, permutations=orderings(8, 30, 28))
    listed = mmd_test(
        x, y, KERNELS, estimator=estimator, permutations=orderings(8, 30, 28).tolist()
    )
    for a, b, c in zip(drawn, given, listed, strict=True):
        assert a == b == c
        np.testing.assert_array_equal(a.null_distribution, b.null_distribution)
        np.testing.assert_array_equal(a.null_distribution, c.null_distribution)


def test_rng_forms(samples):
    x, y = samples
    options = {"kernel": RBF(1.0), "n_resamples": 20}
    from_int = mmd_test(x, y, rng=3, **options)
    assert from_int == mmd_test(x, y, rng=np.random.default_rng(3), **options)
    assert from_int == mmd_test(x, y, rng=np.int64(3), **options)
    generator = np.random.default_rng(3)
    first, second = (mmd_test(x, y, rng=generator, **options) for _ in range(2))
    assert (first.null_distribution != second.null_distribution).any()


def test_global_state_is_left_alone(samples):
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    mmd_test(*samples, RBF(1.0), n_resamples=9)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@each_estimator
def test_threads_do_not_change_a_bit(rng, estimator):
    x, y = rng.normal(size=(2, 150, 4)).astype(np.float32)
    first, *others = (
        mmd_test(x, y, KERNELS[:6], estimator=estimator, n_resamples=19, rng=0, n_threads=t)
        for t in (1, 2, 3)
    )
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert a == b
            np.testing.assert_array_equal(a.null_distribution, b.null_distribution)


def test_sequence_is_one_result_per_kernel(samples):
    together = mmd_test(*samples, KERNELS, n_resamples=19, rng=2)
    assert isinstance(together, list)
    for kernel, result in zip(KERNELS, together, strict=True):
        alone = mmd_test(*samples, kernel, n_resamples=19, rng=2)
        assert result.pvalue == alone.pvalue
        assert result.statistic == pytest.approx(alone.statistic, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_estimator
@each_kernel
def test_same_split_gives_same_bits(rng, kernel, estimator, dtype):
    """Reorder within samples or among equal rows, which gives ties to the last bit."""
    n = m = 37
    x = rng.normal(size=(n, 3)).astype(dtype)
    y = rng.normal(size=(m, 3)).astype(dtype)
    y[:9] = x[:9]  # equal rows at the same places keep their pairs
    order = np.tile(np.arange(n + m), (40, 1))
    for row in order:
        within = rng.permutation(n)
        row[:n], row[n:] = row[:n][within], row[n:][within]
        swap = np.flatnonzero((within < 9) & (rng.random(n) < 0.5))
        row[swap], row[n + swap] = row[n + swap].copy(), row[swap].copy()
    result = mmd_test(x, y, kernel, estimator=estimator, permutations=order)
    np.testing.assert_array_equal(result.null_distribution, result.statistic)
    assert result.pvalue == 1.0


@each_kernel
def test_swapped_groups_are_ties(rng, kernel):
    x, y = rng.normal(size=(2, 21, 2))
    order = np.roll(np.arange(42), 21)[None]
    result = mmd_test(x, y, kernel, permutations=order)
    assert result.null_distribution[0] == result.statistic


@each_estimator
def test_identical_rows_everywhere(estimator):
    result = mmd_test(np.ones((6, 2)), np.ones((6, 2)), RBF(1.0), estimator=estimator, rng=0)
    assert result.pvalue == 1.0
    assert result.n_resamples == 999


def test_all_splits_of_a_tiny_sample():
    """Separate 3 + 3 points: the observed split and its mirror are the extremes of 20 splits."""
    x, y = np.array([0.0, 0.1, 0.2]), np.array([5.0, 5.1, 5.2])
    result = mmd_test(x, y, RBF(1.0), n_resamples=1999, rng=0)
    assert len(np.unique(result.null_distribution)) <= 20
    assert result.pvalue == pytest.approx(0.1, abs=0.03)


def test_power(rng):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(40, 3)) + 1.0
    for result in mmd_test(x, y, [RBF(), fd.Laplacian(), Energy(), fd.Linear()], rng=0):
        assert result.pvalue == 0.001
        assert result.null_distribution.max() < result.statistic


def test_row_order_within_samples_keeps_the_statistic(samples, rng):
    x, y = samples
    first = mmd_test(x, y, RBF(1.0), n_resamples=1, rng=0).statistic
    again = mmd_test(rng.permutation(x), rng.permutation(y), RBF(1.0), n_resamples=1, rng=0)
    assert again.statistic == first


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("kernel", "outlier"),
    [
        (fd.Polynomial(), -2147483648.0),
        (fd.Polynomial(), 1e10),
        (fd.Polynomial(20, gamma=1.0, coef0=0.0), 80.0),
        (fd.Polynomial(2), 1e30),
        (Sum([fd.Polynomial(), RBF(1.0)]), 1e10),
    ],
    ids=str,
)
def test_an_outlier_beside_dot_products(rng, kernel, outlier, dtype):
    """Place one row far out, which must not erase the digits of the other rows."""
    x, y = rng.normal(size=(2, 100, 4)).astype(dtype)
    x[3, 0] = outlier
    result = mmd_test(x, y, kernel, n_resamples=50, rng=0)
    tolerance = 1e-3 if dtype == np.float32 else 1e-9  # relative to a difference of sums
    assert result.statistic == pytest.approx(mmd2(x, y, kernel), rel=tolerance)
    assert len(np.unique(result.null_distribution)) == 50
    orders = orderings(0, 50, 200)
    pooled = np.concatenate([x, y])
    expected = [mmd2(pooled[o[:100]], pooled[o[100:]], kernel) for o in orders]
    np.testing.assert_allclose(result.null_distribution, expected, rtol=tolerance)


def test_overflow_of_the_diagonal_alone_is_none():
    x, y = np.array([[1e80], [2.0], [3.0]]), np.array([[1.0], [2.0]])
    with np.errstate(over="ignore"):
        result = mmd_test(x, y, fd.Polynomial(), n_resamples=9, rng=0)
        assert result.statistic == pytest.approx(mmd2(x, y, fd.Polynomial()), rel=1e-12)
    assert result.statistic == pytest.approx(
        (2 * (2e80**3 + 3e80**3)) / 6 - 2 * (1e80**3 + 2e80**3) / 6, rel=1e-12
    )


def test_overflow_is_an_error():
    x = np.array([[1e150], [2e150]])
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(OverflowError, match="kernel values overflow"),
    ):
        mmd_test(x, -x, fd.Polynomial(4), n_resamples=3)


def test_inputs_are_not_changed(samples):
    x, y = samples
    before = x.copy(), y.copy()
    order = orderings(0, 5, 28)
    kept = order.copy()
    for estimator in ESTIMATORS:
        mmd_test(x, y, KERNELS, estimator=estimator, permutations=order)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    np.testing.assert_array_equal(order, kept)


def test_overflow_of_every_entry_is_an_error():
    z = 1e200 * np.arange(1.0, 31.0).reshape(10, 3)
    with pytest.raises(OverflowError, match="kernel values overflow"):
        mmd_test(z, z + 1e200, fd.Polynomial(), rng=0)


@each_dtype
def test_matched_pairs_that_outweigh_all_others(rng, dtype):
    """Leave out values of 1 beside others of 1e-9, for the rows as given and reordered."""
    n = 30
    x = np.arange(n, dtype=dtype)[:, None] * 2
    y = x + dtype(1e-3)
    kernel = RBF(0.31)
    pairs = rng.permutation(n)
    same = [
        np.concatenate([pairs, n + pairs]),  # the pairs in another order
        np.concatenate([n + np.arange(n), np.arange(n)]),  # x and y swapped
        np.concatenate([n + pairs, pairs]),
    ]
    others = [rng.permutation(2 * n) for _ in range(5)]
    kernels = [RBF(5.0), kernel, fd.Linear()]
    orders = [*same, *others]
    results = mmd_test(x, y, kernels, estimator="paired", permutations=orders)
    expected = mmd2(x, y, kernels, estimator="paired")
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    values = np.exp(-((a - b.T) ** 2) / (2 * np.longdouble(0.31) ** 2))
    size = 4 * (values.sum() - np.trace(values)) / (n * (n - 1))
    contract = 1e-5 if dtype == np.float32 else 1e-12
    assert abs(results[1].statistic - expected[1]) <= contract * size
    for result in results:
        np.testing.assert_array_equal(result.null_distribution[:3], result.statistic)


@each_dtype
@pytest.mark.parametrize("kernel", [fd.Linear(), fd.Callback(np.inner)], ids=["Linear", "Callback"])
def test_a_matched_pair_that_outweighs_dot_products_of_both_signs(rng, dtype, kernel):
    """Leave out the product of two far rows, beside others 1e10 times smaller."""
    n = 12
    x = rng.normal(size=(n, 5)).astype(dtype)
    x[3] *= dtype(1e5)
    y = x + (1e-3 * rng.normal(size=x.shape)).astype(dtype)
    result = mmd_test(x, y, kernel, estimator="paired", permutations=[rng.permutation(2 * n)])
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    others = ~np.eye(n, dtype=bool)
    within, between = (a @ a.T + b @ b.T)[others], (a @ b.T)[others]
    expected = (within.sum() - 2 * between.sum()) / (n * (n - 1))
    size = (np.abs(within).sum() + 2 * np.abs(between).sum()) / (n * (n - 1))
    contract = 1e-5 if dtype == np.float32 else 1e-12
    assert abs(result.statistic - expected) <= contract * size


@each_dtype
def test_matched_pairs_beside_values_that_vanish_in_float32(rng, dtype):
    x = 2 * rng.normal(size=(60, 50)).astype(dtype)
    offset = rng.normal(size=x.shape)
    y = (x + 9 * offset / np.linalg.norm(offset, axis=1, keepdims=True)).astype(dtype)
    result = mmd_test(x, y, RBF(1.0), estimator="paired", n_resamples=9, rng=0)
    expected = mmd2(x, y, RBF(1.0), estimator="paired")
    a, b = x.astype(float), y.astype(float)
    others = ~np.eye(len(x), dtype=bool)
    values = [np.exp(-((p[:, None] - q) ** 2).sum(-1) / 2)[others] for p in (a, b) for q in (a, b)]
    size = np.mean(values, axis=1).sum()
    assert abs(result.statistic - expected) <= (1e-5 if dtype == np.float32 else 1e-12) * size


@pytest.mark.parametrize(
    ("kernel", "signs"),
    [
        (fd.Polynomial(1, gamma=1.0, coef0=0.0), True),
        (fd.Callback(np.inner), True),
        (fd.Linear(), True),
        (RBF(1.0), False),
    ],
    ids=["Polynomial", "Callback", "Linear", "RBF"],
)
def test_few_orderings_are_summed_without_their_matched_pairs(monkeypatch, rng, kernel, signs):
    """That takes a pass over all pairs for each. Sums of products of both signs may cancel."""
    x, y = rng.normal(size=(2, 100, 100)).astype(np.float32)
    if signs:
        x, y = np.sign(x), np.sign(y)
    sums_without = _Matched.sums_without
    calls = []
    monkeypatch.setattr(
        _Matched, "sums_without", lambda *args: calls.append(1) or sums_without(*args)
    )
    mmd_test(x, y, kernel, estimator="paired", n_resamples=49, rng=0)
    assert len(calls) <= 1 + 50 // 5


def test_a_far_row_hides_no_products_of_the_others(rng):
    """Products with the far row, as seen from the middle, are 40 times those of given rows."""
    x = (1e-3 * rng.normal(size=(2, 20_000))).astype(np.float32)
    x[1] += rng.normal(size=20_000).astype(np.float32) * 10
    y = (1e-3 * rng.normal(size=(2, 20_000))).astype(np.float32)
    for estimator in ESTIMATORS:
        result = mmd_test(x, y, fd.Linear(), estimator=estimator, permutations=[[3, 1, 0, 2]])
        wide = mmd_test(
            x.astype(float), y.astype(float), fd.Linear(), estimator=estimator, n_resamples=0
        )
        np.testing.assert_allclose(result.statistic, wide.statistic, rtol=1e-6)
        value, *_ = mmd2_and_grad(x, y, fd.Linear(), estimator=estimator)
        np.testing.assert_allclose(value, wide.statistic, rtol=1e-6)

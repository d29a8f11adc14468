"""Test PERMANOVA and distance components."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest
from cases import distances, each_dtype
from levels import check

from fastdiv import disco, energy_distance, permanova, quantize_rows
from fastdiv._engine import backend

RUNS = 2000
RTOL = {np.float32: 1e-4, np.float64: 1e-11}

each_k = pytest.mark.parametrize("k", [2, 3, 7])


def anderson(d, groups):
    """Compute pseudo-F and R² by the sums of Anderson (2001) over the matrix of distances."""
    groups = np.asarray(groups)
    n, k = len(d), len(set(groups.tolist()))
    total = sum(d[i, j] ** 2 for i in range(n) for j in range(i)) / n
    within = 0.0
    for g in set(groups.tolist()):
        members = np.flatnonzero(groups == g)
        within += sum(d[i, j] ** 2 for i in members for j in members if j < i) / len(members)
    return (total - within) / (k - 1) / (within / (n - k)), (total - within) / total


def rizzo_szekely(d, groups, alpha):
    """Compute the between and within components by their definitions."""
    groups, powers = np.asarray(groups), d**alpha
    sets = [np.flatnonzero(groups == g) for g in sorted(set(groups.tolist()))]

    def mean(a, b):
        return powers[np.ix_(a, b)].mean()

    between = sum(
        len(a) * len(b) / (2 * len(d)) * (2 * mean(a, b) - mean(a, a) - mean(b, b))
        for a, b in itertools.combinations(sets, 2)
    )
    return between, sum(len(a) / 2 * mean(a, a) for a in sets)


def sample(rng, n=61, d=4, k=3, dtype=np.float64):
    groups = rng.integers(0, k, n)
    groups[:k] = range(k)
    return (rng.normal(size=(n, d)) + 0.3 * groups[:, None]).astype(dtype), groups


@each_dtype
@each_k
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock", "manhattan"])
def test_permanova_by_definition(rng, metric, k, dtype):
    x, groups = sample(rng, k=k, dtype=dtype)
    orders = np.array([rng.permutation(len(x)) for _ in range(9)])
    result = permanova(x, groups, metric=metric, permutations=orders)
    d = distances(x, "cityblock" if metric == "manhattan" else metric)
    f, r2 = anderson(d, groups)
    assert result.statistic == pytest.approx(f, rel=RTOL[dtype])
    assert result.r2 == pytest.approx(r2, rel=RTOL[dtype])
    # entry i of an order is the row that gets the group of row i
    expected = [anderson(d[np.ix_(order, order)], groups)[0] for order in orders]
    np.testing.assert_allclose(result.null_distribution, expected, rtol=RTOL[dtype])
    assert result.pvalue == (1 + np.count_nonzero(np.array(expected) >= f)) / 10
    assert (result.n_rows, result.n_groups, result.n_resamples) == (len(x), k, 9)


@each_dtype
@each_k
@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7, 2.0])
def test_disco_by_definition(rng, alpha, k, dtype):
    x, groups = sample(rng, k=k, dtype=dtype)
    orders = np.array([rng.permutation(len(x)) for _ in range(5)])
    result = disco(x, groups, exponent=alpha, permutations=orders)
    d = distances(x, "euclidean")
    between, within = rizzo_szekely(d, groups, alpha)
    n = len(x)

    def ratio(between, within):
        return between / (k - 1) / (within / (n - k))

    assert result.within == pytest.approx(within, rel=RTOL[dtype])
    assert result.between == pytest.approx(between, rel=RTOL[dtype])
    assert result.total == pytest.approx(between + within, rel=RTOL[dtype])
    assert result.statistic == pytest.approx(ratio(between, within), rel=RTOL[dtype])
    expected = [ratio(*rizzo_szekely(d[np.ix_(o, o)], groups, alpha)) for o in orders]
    np.testing.assert_allclose(result.null_distribution, expected, rtol=RTOL[dtype])


@each_k
def test_of_one_feature_it_is_the_analysis_of_variance(rng, k):
    stats = pytest.importorskip("scipy.stats")
    x, groups = sample(rng, d=1, k=k)
    expected = stats.f_oneway(*(x[groups == g, 0] for g in range(k))).statistic
    assert permanova(x, groups, n_resamples=9).statistic == pytest.approx(expected, rel=1e-11)
    assert disco(x, groups, exponent=2, n_resamples=9).statistic == pytest.approx(expected)


def test_a_published_example():
    """Reproduce F(2, 16) = 4.8023 of flicker frequencies by colour of the iris (OzDASL)."""
    brown = [26.8, 27.9, 23.7, 25.0, 26.3, 24.8, 25.7, 24.5]
    green = [26.4, 24.2, 28.0, 26.9, 29.1]
    blue = [25.7, 27.2, 29.9, 28.5, 29.4, 28.3]
    groups = ["brown"] * 8 + ["green"] * 5 + ["blue"] * 6
    result = permanova(brown + green + blue, groups, n_resamples=9, rng=0)
    assert result.statistic == pytest.approx(4.8023, abs=1e-4)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_quantised_rows_are_what_they_stand_for(rng, metric):
    x, groups = sample(rng, d=40)
    rows = quantize_rows(x)
    expected = permanova(rows.dequantize(np.float64), groups, metric=metric, rng=0)
    got = permanova(rows, groups, metric=metric, rng=0)
    assert got.statistic == pytest.approx(expected.statistic, rel=1e-4)
    np.testing.assert_allclose(got.null_distribution, expected.null_distribution, rtol=1e-3)


def test_two_groups_are_the_energy_distance(rng):
    x, groups = sample(rng, k=2)
    a, b = x[groups == 0], x[groups == 1]
    expected = len(a) * len(b) / (2 * len(x)) * energy_distance(a, b)
    assert disco(x, groups, n_resamples=9).between == pytest.approx(expected, rel=1e-11)


@each_k
def test_what_it_does_not_depend_on(rng, k):
    x, groups = sample(rng, k=k)
    expected = permanova(x, groups, rng=3)

    def same(got):
        np.testing.assert_allclose(got.null_distribution, expected.null_distribution, rtol=1e-9)
        assert got.statistic == pytest.approx(expected.statistic, rel=1e-10)
        assert got.pvalue == expected.pvalue

    same(permanova(-7.0 * x[:, ::-1], groups, rng=3))
    same(permanova(x + 1e3, groups, rng=3))
    same(permanova(x, 10 - 2 * groups, rng=3))
    same(permanova(x, np.array(list("gfedcba"))[groups], rng=3))
    orders = np.array([np.random.default_rng(3).permutation(len(x))])
    assert (
        permanova(x, groups, permutations=orders).null_distribution
        == (expected.null_distribution[0])
    )


@each_dtype
@each_k
def test_threads_do_not_change_a_bit(rng, k, dtype):
    x, groups = sample(rng, n=400, k=k, dtype=dtype)
    once = disco(x, groups, rng=1, n_resamples=29, n_threads=1)
    for threads in (2, 3):
        again = disco(x, groups, rng=1, n_resamples=29, n_threads=threads)
        assert again == once
        np.testing.assert_array_equal(again.null_distribution, once.null_distribution)


@each_k
def test_both_backends_agree(rng, k):
    x, groups = sample(rng, k=k)
    compiled = permanova(x, groups, rng=0, metric="cityblock")
    with backend.use("reference"):
        defined = permanova(x, groups, rng=0, metric="cityblock")
    assert compiled.pvalue == defined.pvalue
    np.testing.assert_allclose(
        compiled.null_distribution, defined.null_distribution, rtol=1e-9, atol=1e-12
    )


def test_equal_splits_tie():
    """Use 6 rows, for which 2 of the 20 ways to choose 3 are as extreme as the observed one."""
    x = np.array([0.0, 0.1, 0.3, 5.0, 5.2, 5.3])
    orders = np.array(
        [[*first, *set(range(6)) - set(first)] for first in itertools.combinations(range(6), 3)]
    )
    result = disco(x, [0, 0, 0, 1, 1, 1], permutations=orders)
    assert result.pvalue == 3 / 21


def test_groups_without_spread_are_infinitely_apart():
    result = permanova([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], [0, 0, 1, 1, 2, 2], rng=0)
    assert (result.statistic, result.r2, result.ss_within) == (np.inf, 1.0, 0.0)
    assert not np.isnan(result.null_distribution).any()
    assert 1 / 1000 < result.pvalue < 0.2


def normal(rng, n):
    return rng.normal(size=(n, 2))


def heavy_ties(rng, n):
    return rng.choice([0.0, 0.0, 1.0, 5.0], size=(n, 2))


def cauchy(rng, n):
    return rng.standard_cauchy(size=(n, 2)).astype(np.float32)


# name: (test, options, sampler, sizes, B, p is uniform)
SCENARIOS = {
    "permanova": (permanova, {}, normal, (6, 9, 5), 99, True),
    "permanova, L1, two groups": (permanova, {"metric": "cityblock"}, cauchy, (7, 12), 99, True),
    "permanova, ties": (permanova, {}, heavy_ties, (4, 4, 7), 39, False),
    "disco": (disco, {}, cauchy, (5, 8, 3, 9), 99, True),
    "disco, ties": (disco, {"exponent": 0.5}, heavy_ties, (5, 6), 99, False),
    "disco, few splits": (disco, {"exponent": 2}, normal, (3, 4), 99, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_level(name):
    test, options, sampler, sizes, resamples, uniform = SCENARIOS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    options = {**options, "n_resamples": resamples, "rng": rng, "n_threads": 1}
    pvalues = [test(sampler(rng, len(groups)), groups, **options).pvalue for _ in range(RUNS)]
    check(np.array(pvalues), uniform)


def test_power(rng):
    """Detect unequal spread with equal means."""
    groups = np.repeat([0, 1], 60)
    x = rng.normal(size=(120, 2)) * np.where(groups == 0, 1.0, 3.0)[:, None]
    assert disco(x, groups, rng=0).pvalue < 0.01


@pytest.mark.parametrize("test", [permanova, disco])
@pytest.mark.parametrize(
    ("x", "groups", "options", "error", "message"),
    [
        ([0.0, 1.0, 2.0], [0, 0, 0], {}, ValueError, "2 to n - 1 distinct labels; got 1"),
        ([0.0, 1.0, 2.0], [0, 1, 2], {}, ValueError, "got 3 for n = 3"),
        ([0.0, 1.0, 2.0], [0, 1], {}, ValueError, "groups must have one label per row"),
        ([0.0, 1.0, 2.0], [0, 1, 0.5], {}, ValueError, "groups must be integers or text"),
        ([0.0, 1.0, np.inf], [0, 1, 0], {}, ValueError, "x holds 1 NaN"),
        ([2.0, 2.0, 2.0], [0, 1, 0], {}, ValueError, "all rows equal"),
        ([0.0, 1.0, 2.0], [0, 1, 0], {"n_resamples": -1}, ValueError, "n_resamples"),
        ([0.0, 1.0, 2.0], [0, 1, 0], {"rng": "a"}, TypeError, "rng"),
        (
            [0.0, 1.0, 2.0],
            [0, 1, 0],
            {"permutations": [[0, 1]]},
            ValueError,
            r"shape \(B, n\) = \(B, 3\)",
        ),
        (
            [0.0, 1.0, 2.0],
            [0, 1, 0],
            {"permutations": [[0, 1, 1]]},
            ValueError,
            "row 0 is not an ordering",
        ),
    ],
)
def test_bad_input_is_an_error(test, x, groups, options, error, message):
    with pytest.raises(error, match=message):
        test(x, groups, **options)


@pytest.mark.parametrize("test", [permanova, disco])
def test_rows_with_nan_are_dropped_where_asked(rng, test):
    x, groups = sample(rng)
    x[4, 0], groups[4] = np.nan, 17  # the only row of its group
    x[9, 1] = np.inf
    keep = np.isfinite(x).all(axis=1)
    got = test(x, groups, nan_policy="omit", rng=0)
    expected = test(x[keep], groups[keep], rng=0)
    assert got == expected
    assert (got.n_rows, got.n_groups) == (59, 3)
    np.testing.assert_array_equal(got.null_distribution, expected.null_distribution)
    orders = np.array([rng.permutation(59)])
    test(x, groups, nan_policy="omit", permutations=orders)
    with pytest.raises(ValueError, match=r"x holds 2 NaN .*nan_policy='omit'"):
        test(x, groups)


def test_bad_options_are_errors():
    x, groups = [0.0, 1.0, 2.0], [0, 1, 0]
    with pytest.raises(ValueError, match="metric must be one of"):
        permanova(x, groups, metric="cosine")
    for exponent in (0, -1.0, 2.1):
        with pytest.raises(ValueError, match="exponent must be > 0"):
            disco(x, groups, exponent=exponent)
    with pytest.raises(OverflowError, match="scale the data"):
        permanova([0.0, 1e200, 2e200], groups)


@pytest.mark.parametrize("test", [permanova, disco])
def test_small_differences_are_no_equal_rows(rng, test):
    x, groups = rng.normal(size=(30, 2)), np.arange(30) % 2
    options = {"n_resamples": 9, "rng": 0} | ({"exponent": 2.0} if test is disco else {})
    plain, small = (test(a, groups, **options) for a in (x, x * 1e-145))
    assert small.pvalue == plain.pvalue
    for scale in (1e-155, 1e-170, 1e-300):
        with pytest.raises(ValueError, match="so small that powers of the distances underflow"):
            test(x * scale, groups, **options)
    with pytest.raises(ValueError, match="must not have all rows equal"):
        test(np.full((30, 2), 1e-170), groups, **options)


def test_two_pairs_far_apart():
    near = permanova(np.array([[0.0], [1.0], [1e4], [10001.0]], np.float32), [0, 0, 1, 1])
    assert near.ss_within == 1.0
    assert near.statistic == pytest.approx(2e8, rel=1e-7)
    far = permanova(np.array([[0.0], [1.0], [1e8], [100000001.0]]), [0, 0, 1, 1])
    assert far.ss_within == 1.0
    assert far.statistic == pytest.approx(2e16, rel=1e-12)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "separation"),
    [*((np.float32, s) for s in (1e3, 1e4, 1e6)), *((np.float64, s) for s in (1e7, 1e12))],
)
def test_groups_far_apart(rng, k, dtype, separation):
    """Expect sums within groups to be accurate by themselves, not beside the largest pairs."""
    groups = np.repeat(np.arange(k), 40)
    x = (rng.normal(size=(40 * k, 5)) + separation * groups[:, None]).astype(dtype)
    exact = x.astype(np.longdouble)
    within = {1.0: 0.0, 2.0: 0.0}
    for g in range(k):
        a = exact[groups == g]
        d = np.sqrt(((a[:, None] - a[None]) ** 2).sum(axis=-1))
        for alpha in within:
            within[alpha] += float((d**alpha).sum() / (2 * len(a)))
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    options = {"n_resamples": 9, "rng": 0}
    assert permanova(x, groups, **options).ss_within == pytest.approx(within[2.0], rel=rtol)
    assert disco(x, groups, **options).within == pytest.approx(within[1.0], rel=rtol)


def test_groups_of_equal_rows_far_apart(rng):
    """Expect a group of equal rows to add nothing, and an outlier not to hide the others."""
    x = np.float32([[5.0], [5.0], [7.0], [7.5], [3e30]])
    result = permanova(x, [0, 0, 1, 1, 2], n_resamples=9, rng=0)
    assert result.ss_within == pytest.approx(0.125, rel=1e-6)


@pytest.mark.parametrize("test", [permanova, disco])
def test_no_resamples_give_the_statistic_alone(rng, test):
    x, groups = rng.normal(size=(12, 2)), np.arange(12) % 3
    full, alone = (test(x, groups, n_resamples=b, rng=0) for b in (9, 0))
    assert alone.statistic == full.statistic
    assert alone.pvalue is None
    assert alone.n_resamples == 0
    assert alone.null_distribution.shape == (0,)

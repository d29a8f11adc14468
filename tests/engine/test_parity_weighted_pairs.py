"""Sums over weighted pairs of rows, and their gradients: the core against the reference."""

import itertools

import numpy as np
import pytest
from parity import (
    RTOL,
    SIZES,
    absolute,
    close,
    each_case,
    each_dtype,
    each_kernel,
    each_pairs,
    groups_of,
    sample,
    samples,
)

from fastdiv._engine.types import WeightedSumsRequest
from fastdiv._sums import pair_means, reference
from fastdiv.kernels import Linear
from fastdiv.kernels.evaluation import kernel_gradients, kernel_log_slopes
from fastdiv.kernels.lowering import lower


def everything(counts, scales=None, pairs="distinct"):
    """Return a request of all results."""
    return WeightedSumsRequest(counts, scales, True, True, True, pairs)


def matched_sizes(d):
    """Return sizes of matched samples, the last one with several parts of rows."""
    return [(1, 1), (17, 17), *([(190, 190)] if d in (3, 16) else [])]


def weighted_sizes(d):
    """Return sizes around every edge, the last one with several parts of rows."""
    few = [(1, 3), (17, 16)] if d >= 64 else SIZES[:4]
    return [*few, (97, 31), *([(150, 290)] if d in (3, 16) else [])]


def item_results(results, item):
    """Return the results of `weighted_sums` for one item of a stack."""
    return [part[:, item] if k in (1, 2) else part[item] for k, part in enumerate(results)]


def pairs_and_samples(rng, pairs, d, dtype):
    """Draw samples, and weights of which one is 0."""
    sizes = matched_sizes(d) if pairs == "off_diagonal" else weighted_sizes(d)
    for x, y in samples(rng, sizes, d, dtype):
        u, v = rng.random(len(x)), rng.random(len(y))
        u[0] = 0.0
        yield x, y, u, v


def compare_results(got, expected, x, y, u, v, counts, groups, dtype):
    """Compare all results of `weighted_sums` for one item, relative to what adds up to them."""
    xx, yy, xy = (absolute(a, b, groups) for a, b in ((x, x), (y, y), (x, y)))
    if any(origin is not None for _, _, origin, _ in groups):
        unit = 1.0 + sum(np.abs(origin).sum() for _, _, origin, _ in groups)
        xx, yy, xy = xx + unit, yy + unit, xy + unit
    weighted = np.stack(
        [(k * p[:, None] * q).sum() for k, p, q in ((xx, u, u), (yy, v, v), (xy, u, v))]
    )
    close(got[0], expected[0], weighted, dtype)
    close(got[5], expected[5], weighted @ np.abs([1.0, 1.0, 2.0] / counts), dtype)
    for row_sums, row_sums_expected, within, p, between, q in (
        (got[1], expected[1], xx, u, xy, v),
        (got[2], expected[2], yy, v, xy.swapaxes(1, 2), u),
    ):
        close(row_sums, row_sums_expected, np.array([within @ p, between @ q]), dtype)
    for gradient, gradient_expected, factor, a, p, b, q in (
        (got[3], expected[3], 1.0 / counts[0], x, u, y, v),
        (got[4], expected[4], 1.0 / counts[1], y, v, x, u),
    ):
        within = np.abs(kernel_gradients(a[:, None], a[None], groups, 1))
        between = np.abs(kernel_gradients(a[:, None], b[None], groups, 1))
        bound = 2 * abs(factor) * np.einsum("oijk,i,j->oik", within, p, p)
        bound += abs(2.0 / counts[2]) * np.einsum("oijk,i,j->oik", between, p, q)
        assert gradient.dtype == dtype
        wide, wide_expected = (g.astype(np.float64) for g in (gradient, gradient_expected))
        close(wide, wide_expected, bound.max(), dtype)


@each_case
@each_pairs
def test_weighted_sums(core, rng, name, d, dtype, pairs):
    groups = groups_of(name, d)
    for x, y, u, v in pairs_and_samples(rng, pairs, d, dtype):
        counts = rng.normal(size=3)
        request = everything(counts[None], None, pairs)
        arguments = (x, y, u, v, request, groups, 1, 0, None)
        expected = item_results(reference.weighted_sums(*arguments), 0)
        got = core.weighted_sums(*arguments)
        compare_results(item_results(got, 0), expected, x, y, u, v, counts, groups, dtype)
        for part, same in zip(got, core.weighted_sums(*arguments[:7], 3, None), strict=True):
            np.testing.assert_array_equal(part, same)


@each_case
@each_pairs
def test_log_slope_sums(core, rng, name, d, dtype, pairs):
    groups = groups_of(name, d)
    if groups[0][0] == "dot":
        x, w = sample(rng, 3, d, dtype), np.ones(3)
        with pytest.raises(ValueError, match="no log-slopes"):
            core.log_slope_sums(x, x, w, w, groups, 1, 0, None, pairs)
        return
    for x, y, u, v in pairs_and_samples(rng, pairs, d, dtype):
        expected = reference.log_slope_sums(x, y, u, v, groups, 1, 0, None, pairs)
        magnitudes = [
            np.abs(kernel_log_slopes(a[:, None], b[None], groups, 1)) @ q @ p
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
        got = core.log_slope_sums(x, y, u, v, groups, 1, 0, None, pairs)
        close(got, expected, np.stack(magnitudes, axis=-1), dtype)
        np.testing.assert_array_equal(
            core.log_slope_sums(x, y, u, v, groups, 1, 3, None, pairs), got
        )


@each_kernel
def test_weighted_sums_give_only_what_is_required(core, rng, name):
    groups = groups_of(name, 3)
    x, y = sample(rng, 200, 3, np.float64), sample(rng, 60, 3, np.float64)
    u, v, counts = rng.random(200), rng.random(60), np.array([[0.5, 1.0, 2.0]])
    whole = core.weighted_sums(x, y, u, v, everything(counts), groups, 1, 0, None)
    for required in itertools.product((False, True), repeat=3):
        request = WeightedSumsRequest(counts, None, *required)
        got = core.weighted_sums(x, y, u, v, request, groups, 1, 0, None)
        twin = reference.weighted_sums(x, y, u, v, request, groups, 1, 0, None)
        assert [part.shape for part in got] == [part.shape for part in twin]
        parts = zip(got, whole, (True, required[0], *required, True), strict=True)
        for part, full, is_required in parts:
            assert (part.size > 0) == is_required
            assert not is_required or np.array_equal(part, full)


@pytest.mark.slow
@each_dtype
@pytest.mark.parametrize(("n", "m"), [(1, 2), (7, 5), (33, 100), (1500, 1300)])
def test_every_item_of_a_stack_is_computed_as_if_alone(core, rng, n, m, dtype):
    groups, d, items = groups_of("rbf", 40), 40, 5  # the largest: one after the other
    x, y = sample(rng, items * n, d, dtype), sample(rng, items * m, d, dtype)
    u, v, counts = rng.random(items * n), rng.random(items * m), rng.normal(size=(items, 3))
    options = (groups, 1, 0, None)
    scales = rng.uniform(0.5, 2.0, items)
    whole = core.weighted_sums(x, y, u, v, everything(counts), *options)
    over_scales = core.weighted_sums(x, y, u, v, everything(counts, scales), *options)
    for threads in (1, 2, 5):
        again = core.weighted_sums(x, y, u, v, everything(counts), groups, 1, threads, None)
        for part, same in zip(whole, again, strict=True):
            np.testing.assert_array_equal(part, same)
    pooled = np.concatenate([x.reshape(items, n, d), y.reshape(items, m, d)], axis=1)
    ranked, among = (core.ranked_distances(x, b, items, "euclidean", 0, 0, None) for b in (y, x))
    medians = core.median_distances(
        pooled.reshape(-1, d), np.full(items, n + m), "cityblock", 0, None
    )
    for i in range(items):
        a, b = slice(i * n, (i + 1) * n), slice(i * m, (i + 1) * m)
        part_of_stack = (x[a], y[b], u[a], v[b], everything(counts[i : i + 1]))
        alone = core.weighted_sums(*part_of_stack, *options)
        for part, same in zip(item_results(whole, i), item_results(alone, 0), strict=True):
            np.testing.assert_array_equal(part, same)
        scaled = [(base, np.full(d, scales[i]), None, terms) for base, *_, terms in groups]
        alone = core.weighted_sums(*part_of_stack, scaled, 1, 0, None)
        for part, same in zip(item_results(over_scales, i), item_results(alone, 0), strict=True):
            np.testing.assert_array_equal(part, same)
        one = np.array([n + m])
        assert medians[i] == core.median_distances(pooled[i], one, "cityblock", 0, None)[0]
        assert ranked[i] == core.ranked_distances(x[a], y[b], 1, "euclidean", 0, 0, None)[0]
    np.testing.assert_array_equal(among, np.zeros(items))
    if n < 100:
        for got, scale in ((whole, None), (over_scales, scales)):
            twin = reference.weighted_sums(x, y, u, v, everything(counts, scale), *options)
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
        expected = reference.ranked_distances(x, y, items, "euclidean", 0, 0, None)
        np.testing.assert_allclose(ranked, expected, rtol=1e-5)


@each_dtype
@each_pairs
def test_every_item_of_a_stack_has_its_own_origin(core, rng, dtype, pairs):
    n, d, items = 9, 6, 3
    x, y = sample(rng, items * n, d, dtype), sample(rng, items * n, d, dtype)
    u, v = rng.random((2, items * n))
    counts, origins = rng.normal(size=(items, 3)), rng.normal(size=(items, d))
    scales = rng.uniform(0.5, 2.0, items)
    groups = lower([Linear()], origins.ravel())
    request = everything(counts, scales, pairs)
    arguments = (x, y, u, v, request, groups.groups, 1, 0, None)
    for i in range(items):
        rows, origin = slice(i * n, (i + 1) * n), origins[i] * scales[i]
        a, b = (s[rows].astype(np.float64) * scales[i] for s in (x, y))
        expected = []
        for p, q, w, within in ((a, a, (u, u), True), (b, b, (v, v), True), (a, b, (u, v), False)):
            seen, whole = (p - origin) @ (q - origin).T, p @ q.T - origin @ origin
            k = seen if pairs == "all" else whole
            if pairs == "off_diagonal" or (within and pairs == "distinct"):
                np.fill_diagonal(k, 0.0)
            expected.append(w[0][rows] @ k @ w[1][rows])
        for backend in (core, reference):
            got, *_, values = backend.weighted_sums(*arguments)
            np.testing.assert_allclose(got[i, 0], expected, rtol=1e-4)
            value = np.array([1.0, 1.0, -2.0]) / counts[i] @ expected
            np.testing.assert_allclose(values[i, 0], value, rtol=1e-4)
    for wrong in (origins[0], origins[:, :5].ravel()):
        with pytest.raises(ValueError, match="one origin per item and feature"):
            core.weighted_sums(*arguments[:5], lower([Linear()], wrong).groups, 1, 0, None)


@each_pairs
@pytest.mark.parametrize("name", ["linear in an mmd", "polynomial", "rbf"])
def test_items_of_a_stack_equal_the_reference(core, rng, name, pairs):
    n, d, items = 21, 5, 3
    x, y = sample(rng, items * n, d, np.float64), sample(rng, items * n, d, np.float64)
    u, v = rng.random((2, items * n))
    groups = [
        (base, scale, None if origin is None else np.tile(origin, items), terms)
        for base, scale, origin, terms in groups_of(name, d)
    ]
    request = everything(rng.uniform(0.5, 2.0, (items, 3)), rng.uniform(0.5, 2.0, items), pairs)
    arguments = (x, y, u, v, request, groups, 1)
    got = core.weighted_sums(*arguments, 0, None)
    for part, expected in zip(got, reference.weighted_sums(*arguments, 0, None), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-12 * np.abs(part).max())
    for part, same in zip(got, core.weighted_sums(*arguments, 3, None), strict=True):
        np.testing.assert_array_equal(part, same)


@each_pairs
@each_dtype
def test_values_keep_their_digits_far_from_the_origin(core, rng, dtype, pairs):
    """The sums of `Linear` are some 1e9 there, the values 1."""
    d, far = 4, 1024.0
    x, y = (np.round(256 * sample(rng, 30, d, dtype)) / 256 for _ in range(2))
    u, v = rng.random((2, 30))
    counts = pair_means.counts(u, v, pairs)
    groups = lower([Linear()], np.full(d, far)).groups
    request = everything(counts[None], None, pairs)
    moved = x + dtype(far), y + dtype(far)
    got = core.weighted_sums(*moved, u, v, request, groups, 1, 0, None)
    expected = reference.weighted_sums(*moved, u, v, request, groups, 1, 0, None)
    np.testing.assert_allclose(got[5], expected[5], rtol=RTOL[dtype], atol=RTOL[dtype])
    equal = core.weighted_sums(*moved, 0 * u + 1, 0 * v + 1, *arguments_of_equal(pairs, groups))
    near = core.weighted_sums(x, y, 0 * u + 1, 0 * v + 1, *arguments_of_equal(pairs, None))
    np.testing.assert_array_equal(equal[5], near[5])
    for part in (3, 4):
        np.testing.assert_array_equal(equal[part], near[part])


def arguments_of_equal(pairs, groups):
    """Return the arguments that follow 30 equal weights, for `Linear` seen from 0 or as given."""
    ones = np.ones(30)
    request = everything(pair_means.counts(ones, ones, pairs)[None], None, pairs)
    groups = groups or lower([Linear()], np.zeros(4)).groups
    return request, groups, 1, 0, None


def test_what_the_engine_refuses(core, rng):
    x = sample(rng, 5, 3, np.float64)
    groups = [("dot", None, np.ones(3), [("polynomial", (2.0, 1.0, 0.0), 1.0, 0)])]
    with pytest.raises(ValueError, match="only linear kernels have an origin"):
        core.pair_sums(x, x, groups, 1, 0, None)
    labels = np.ones((1, 5), dtype=np.uint8)
    with pytest.raises(ValueError, match="labels do not say which rows match"):
        core.quad_forms(x, labels, groups_of("rbf", 3), 1, 0, None, False, "off_diagonal")
    with pytest.raises(ValueError, match="pairs must be 'distinct', 'all' or 'off_diagonal'"):
        core.pair_sums(x, x, groups_of("rbf", 3), 1, 0, None, "paired")


@pytest.mark.parametrize("n", [8, 1500])
def test_stacks_report_their_progress(core, rng, n):
    items = 5
    x, ones = sample(rng, items * n, 300, np.float32), np.ones(items * n)
    counts, groups = np.ones((items, 3)), groups_of("rbf", 300)
    reports = []
    core.weighted_sums(
        *(x, x, ones, ones, WeightedSumsRequest(counts), groups, 1, 0),
        lambda done, total: reports.append(done / total),
    )
    assert reports == sorted(reports)
    assert reports[-1] == 1
    assert n == 8 or len(reports) >= items

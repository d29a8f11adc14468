"""Sums over weighted pairs of rows, and their gradients: the core against the reference."""

import itertools

import numpy as np
import pytest
from parity import (
    SIZES,
    absolute,
    close,
    each_case,
    each_dtype,
    each_kernel,
    groups_of,
    sample,
    samples,
)

from fastdiv._engine.types import WeightedSumsRequest
from fastdiv._sums import reference
from fastdiv.kernels import Linear
from fastdiv.kernels.evaluation import kernel_gradients, kernel_log_slopes
from fastdiv.kernels.lowering import lower


def everything(factors, scales=None):
    """Return a request of all results."""
    return WeightedSumsRequest(factors, scales, True, True, True)


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


@each_case
def test_weighted_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for x, y in samples(rng, weighted_sizes(d) + matched_sizes(d), d, dtype):
        u, v = rng.random(len(x)), rng.random(len(y))
        u[0] = 0.0
        factors = rng.normal(size=3)
        request = everything(factors[None])._replace(skip_matched=len(x) == len(y))
        arguments = (x, y, u, v, request, groups, 1, 0, None)
        expected = item_results(reference.weighted_sums(*arguments), 0)
        got = item_results(core.weighted_sums(*arguments), 0)
        weighted = [
            absolute(a, b, groups) * p[:, None] * q
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
        close(got[0], expected[0], np.array([values.sum() for values in weighted]), dtype)
        for row_sums, row_sums_expected, a, p, b, q in (
            (got[1], expected[1], x, u, y, v),
            (got[2], expected[2], y, v, x, u),
        ):
            bound = [absolute(a, a, groups) @ p, absolute(a, b, groups) @ q]
            close(row_sums, row_sums_expected, np.array(bound), dtype)
        for gradient, gradient_expected, factor, a, p, b, q in (
            (got[3], expected[3], factors[0], x, u, y, v),
            (got[4], expected[4], factors[1], y, v, x, u),
        ):
            within = np.abs(kernel_gradients(a[:, None], a[None], groups, 1))
            between = np.abs(kernel_gradients(a[:, None], b[None], groups, 1))
            bound = 2 * abs(factor) * np.einsum("oijk,i,j->oik", within, p, p)
            bound += abs(factors[2]) * np.einsum("oijk,i,j->oik", between, p, q)
            assert gradient.dtype == dtype
            wide, wide_expected = (g.astype(np.float64) for g in (gradient, gradient_expected))
            close(wide, wide_expected, bound.max(), dtype)


@each_case
def test_log_slope_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    for x, y in samples(rng, weighted_sizes(d) + matched_sizes(d), d, dtype):
        u, v = rng.random(len(x)), rng.random(len(y))
        matched = len(x) == len(y)
        expected = reference.log_slope_sums(x, y, u, v, groups, 1, 0, None, matched)
        magnitudes = [
            np.abs(kernel_log_slopes(a[:, None], b[None], groups, 1)) @ q @ p
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
        got = core.log_slope_sums(x, y, u, v, groups, 1, 0, None, matched)
        close(got, expected, np.stack(magnitudes, axis=-1), dtype)
        np.testing.assert_array_equal(
            core.log_slope_sums(x, y, u, v, groups, 1, 3, None, matched), got
        )


@each_kernel
def test_weighted_sums_give_only_what_is_required(core, rng, name):
    groups = groups_of(name, 3)
    x, y = sample(rng, 200, 3, np.float64), sample(rng, 60, 3, np.float64)
    u, v, factors = rng.random(200), rng.random(60), np.array([[0.5, 1.0, -2.0]])
    whole = core.weighted_sums(x, y, u, v, everything(factors), groups, 1, 0, None)
    for required in itertools.product((False, True), repeat=3):
        request = WeightedSumsRequest(factors, None, *required)
        got = core.weighted_sums(x, y, u, v, request, groups, 1, 0, None)
        twin = reference.weighted_sums(x, y, u, v, request, groups, 1, 0, None)
        assert [part.shape for part in got] == [part.shape for part in twin]
        parts = zip(got, whole, (True, required[0], *required), strict=True)
        for part, full, is_required in parts:
            assert (part.size > 0) == is_required
            assert not is_required or np.array_equal(part, full)


@pytest.mark.slow
@each_dtype
@pytest.mark.parametrize(("n", "m"), [(1, 2), (7, 5), (33, 100), (1500, 1300)])
def test_every_item_of_a_stack_is_computed_as_if_alone(core, rng, n, m, dtype):
    groups, d, items = groups_of("rbf", 40), 40, 5  # the largest: one after the other
    x, y = sample(rng, items * n, d, dtype), sample(rng, items * m, d, dtype)
    u, v, factors = rng.random(items * n), rng.random(items * m), rng.normal(size=(items, 3))
    options = (groups, 1, 0, None)
    scales = rng.uniform(0.5, 2.0, items)
    whole = core.weighted_sums(x, y, u, v, everything(factors), *options)
    over_scales = core.weighted_sums(x, y, u, v, everything(factors, scales), *options)
    for threads in (1, 2, 5):
        again = core.weighted_sums(x, y, u, v, everything(factors), groups, 1, threads, None)
        for part, same in zip(whole, again, strict=True):
            np.testing.assert_array_equal(part, same)
    pooled = np.concatenate([x.reshape(items, n, d), y.reshape(items, m, d)], axis=1)
    ranked, among = (core.ranked_distances(x, b, items, "euclidean", 0, 0, None) for b in (y, x))
    medians = core.median_distances(
        pooled.reshape(-1, d), np.full(items, n + m), "cityblock", 0, None
    )
    for i in range(items):
        a, b = slice(i * n, (i + 1) * n), slice(i * m, (i + 1) * m)
        part_of_stack = (x[a], y[b], u[a], v[b], everything(factors[i : i + 1]))
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
            twin = reference.weighted_sums(x, y, u, v, everything(factors, scale), *options)
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
def test_every_item_of_a_stack_has_its_own_origin(core, rng, dtype):
    n, d, items = 9, 6, 3
    x, y = sample(rng, items * n, d, dtype), sample(rng, items * n, d, dtype)
    u, v, factors = rng.random(items * n), rng.random(items * n), rng.normal(size=(items, 3))
    origins, scales = rng.normal(size=(items, d)), rng.uniform(0.5, 2.0, items)
    groups = lower([Linear()], origins.ravel())
    arguments = (x, y, u, v, everything(factors, scales), groups.groups, 1, 0, None)
    for i in range(items):
        rows = slice(i * n, (i + 1) * n)
        a, b = (((s[rows] - origins[i]) * scales[i]).astype(np.float64) for s in (x, y))
        expected = [
            (u[rows] @ a) @ (u[rows] @ a) - u[rows] ** 2 @ (a**2).sum(axis=1),
            (v[rows] @ b) @ (v[rows] @ b) - v[rows] ** 2 @ (b**2).sum(axis=1),
            (u[rows] @ a) @ (v[rows] @ b),
        ]
        for backend in (core, reference):
            got = backend.weighted_sums(*arguments)[0][i, 0]
            np.testing.assert_allclose(got, expected, rtol=1e-4)
    for wrong in (origins[0], origins[:, :5].ravel()):
        with pytest.raises(ValueError, match="one origin per item and feature"):
            core.weighted_sums(*arguments[:5], lower([Linear()], wrong).groups, 1, 0, None)


@pytest.mark.parametrize("n", [8, 1500])
def test_stacks_report_their_progress(core, rng, n):
    items = 5
    x, ones = sample(rng, items * n, 300, np.float32), np.ones(items * n)
    factors, groups = np.zeros((items, 3)), groups_of("rbf", 300)
    reports = []
    core.weighted_sums(
        *(x, x, ones, ones, WeightedSumsRequest(factors), groups, 1, 0),
        lambda done, total: reports.append(done / total),
    )
    assert reports == sorted(reports)
    assert reports[-1] == 1
    assert n == 8 or len(reports) >= items

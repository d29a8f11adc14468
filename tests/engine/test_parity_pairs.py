"""Sums over pairs of rows: the core against the reference."""

import numpy as np
import pytest
from parity import (
    KERNELS,
    absolute,
    close,
    each_case,
    each_dtype,
    each_kernel,
    each_pairs,
    groups_of,
    sample,
    samples,
    sizes,
)

from fastdiv import (
    RBF,
    Callback,
    Sum,
    mmd2,
    mmd_test,
    witness,
)
from fastdiv._engine import backend as _backend
from fastdiv._sums import reference
from fastdiv._sums.pair_means import pair_counts, statistic
from fastdiv.kernels.lowering import lower


@each_case
@each_pairs
def test_pair_sums(core, rng, name, d, dtype, pairs):
    groups = groups_of(name, d)
    equal = [(n, n) for n, _ in sizes(d)]
    for x, y in samples(rng, equal if pairs == "off_diagonal" else sizes(d), d, dtype):
        arguments = (x, y, groups, 1, 0, None, pairs)
        bound = [absolute(a, b, groups).sum() for a, b in ((x, x), (y, y), (x, y))]
        close(core.pair_sums(*arguments), reference.pair_sums(*arguments), np.array(bound), dtype)
        if min(len(x), len(y)) > 1 or pairs == "all":
            for engine in (core, reference):
                sums, counts = engine.pair_sums(*arguments), pair_counts(len(x), len(y), pairs)
                np.testing.assert_array_equal(engine.mmd2(*arguments), statistic(sums, counts))


@each_case
@pytest.mark.parametrize("pairs", ["distinct", "all"])
def test_quad_forms(core, rng, name, d, dtype, pairs):
    groups = groups_of(name, d)
    for rows, splits in ((1, 1), (2, 3), (19, 7), (97, 65)):
        z = sample(rng, rows, d, dtype)
        labels = (rng.random((splits, rows)) < rng.random((splits, 1))).astype(np.uint8)
        labels[0] = 0
        labels[-1] = 1
        expected = reference.quad_forms(z, labels, groups, 1, 0, None, False, pairs)
        got = core.quad_forms(z, labels, groups, 1, 0, None, False, pairs)
        counted = absolute(z, z, groups)[0] * (1 - (pairs != "all") * np.eye(rows))
        close(got, expected, counted.sum(), dtype)
        got = core.quad_forms(z, labels, groups, 1, 0, None, True, pairs)
        x, y = labels.astype(float), 1.0 - labels
        bounds = [((p @ counted) * q).sum(axis=1) for p, q in ((x, x), (y, y), (x, y))]
        close(got, expected, np.stack(bounds, axis=-1), dtype)


@each_kernel
@each_dtype
@pytest.mark.parametrize("pairs", ["distinct", "all"])
def test_quad_forms_are_free_of_order(core, rng, name, dtype, pairs):
    """Equal rows may trade places, and complements swap, without changing a bit."""
    options = (1, 0, None, False, pairs)
    groups = groups_of(name, 5)
    z = sample(rng, 149, 5, dtype)
    z[70:90] = z[:20]
    labels = (rng.random((8, 149)) < 0.4).astype(np.uint8)
    swapped = labels.copy()
    swapped[:, :20], swapped[:, 70:90] = labels[:, 70:90], labels[:, :20]
    got = core.quad_forms(z, np.concatenate([labels, swapped, 1 - labels]), groups, *options)[0]
    np.testing.assert_array_equal(got[8:16], got[:8])
    np.testing.assert_array_equal(got[16:], got[:8][:, [1, 0, 2]])
    alone = core.quad_forms(z, labels[3:4], groups, *options)[0]
    np.testing.assert_array_equal(alone[0], got[3])
    order = rng.permutation(149)
    moved = core.quad_forms(z[order], labels[:, order], groups, *options)[0]
    np.testing.assert_array_equal(moved, got[:8])


@each_case
@pytest.mark.parametrize("weighted", [False, True])
def test_row_sums(core, rng, name, d, dtype, weighted):
    groups = groups_of(name, d)
    for at, x in samples(rng, sizes(d), d, dtype):
        weights = rng.random(len(x)) if weighted else None
        expected = reference.row_sums(at, x, weights, groups, 1, 0, None)
        got = core.row_sums(at, x, weights, groups, 1, 0, None)
        magnitudes = absolute(at, x, groups)
        bound = magnitudes @ weights if weighted else magnitudes.sum(axis=2)
        close(got, expected, bound, dtype)


@each_case
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
def test_many_kernels_in_one_pass(core, rng, dtype):
    d = 11
    kernels = [make(d) for make in KERNELS.values()]
    kernels.append(Sum(kernels, weights=rng.normal(size=len(kernels))))
    groups = lower(kernels).groups
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


@each_kernel
@each_dtype
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(core, rng, name, dtype, threads):
    groups = groups_of(name, 5)
    x, y = sample(rng, 301, 5, dtype), sample(rng, 233, 5, dtype)
    labels = (rng.random((13, 301)) < 0.5).astype(np.uint8)
    for call in (
        lambda t: core.pair_sums(x, y, groups, 1, t, None),
        lambda t: core.pair_sums(x, y, groups, 1, t, None, "all"),
        lambda t: core.quad_forms(x, labels, groups, 1, t, None),
        lambda t: core.quad_forms(x, labels, groups, 1, t, None, False, "all"),
        lambda t: core.row_sums(x, y, None, groups, 1, t, None),
        lambda t: core.median_distances(x, np.array([len(x)]), "euclidean", t, None),
    ):
        np.testing.assert_array_equal(call(threads), call(1))


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

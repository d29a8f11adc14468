"""Ranked, median and k-th distances: the core against the reference."""

import numpy as np
import pytest
from parity import (
    FEATURES,
    RTOL,
    close,
    each_d,
    each_dtype,
    sample,
)

from fastdiv._sums import reference


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


@pytest.mark.slow
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
    for k, exclude_self in ((0, False), (-1, False), (65, False), (21, False), (20, True)):
        with pytest.raises(ValueError, match="k is out of range"):
            core.kth_distances(x, x, k, exclude_self, 0, None)

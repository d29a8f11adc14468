"""Sums and extremes by label: the core against the reference."""

import numpy as np
import pytest
from parity import (
    KERNELS,
    RTOL,
    absolute,
    close,
    each_d,
    each_dtype,
    groups_of,
    kernels_and_features,
    sample,
)

from fastdiv import (
    RBF,
    Energy,
    Laplacian,
    Sum,
)
from fastdiv._sums import reference
from fastdiv.kernels.energy import CityBlock
from fastdiv.kernels.lowering import lower

LABEL_SIZES = [(1,), (1, 1), (0, 2, 0), (5, 1, 3, 0, 1), (48, 97), (1,) * 60, (150, 10, 200, 40)]


@each_dtype
@pytest.mark.parametrize(
    ("name", "d"),
    kernels_and_features(n for n in KERNELS if not n.startswith(("poly", "linear"))),
)
def test_label_sums(core, rng, name, d, dtype):
    groups = groups_of(name, d)
    # the last with several parts of rows
    for sizes in LABEL_SIZES[: 7 if d in (3, 16) else 6 if d < 64 else 4]:
        x = sample(rng, sum(sizes), d, dtype)
        counts = np.array(sizes)
        has_label = np.repeat(np.eye(len(sizes)), counts, axis=1)
        magnitudes = absolute(x, x, groups)
        for weights in (None, rng.random(len(x))):
            expected = reference.label_sums(x, weights, counts, groups, 1, 0, None)
            got = core.label_sums(x, weights, counts, groups, 1, 0, None)
            bound = (has_label if weights is None else has_label * weights) @ magnitudes
            close(got, expected, bound, dtype)


def test_label_sums_of_many_kernels_in_one_pass(core, rng):
    kernels = [RBF(0.8), Laplacian(1.0), Sum([Energy(), CityBlock(1.0)], weights=[0.5, -2.0])]
    groups = lower(kernels).groups
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

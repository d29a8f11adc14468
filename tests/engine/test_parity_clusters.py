"""Sums by cluster: the core against the reference."""

import numpy as np
import pytest
from parity import (
    each_dtype,
)

from fastdiv import (
    QuantizedRows,
)
from fastdiv._sums import reference

CLUSTER_SUMS = ("squares", "euclidean", "l1", "directions")


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
            for layout in layouts(x):
                got = core.cluster_sums(layout, of, weights, centers, offsets, kind, 0, None)
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
        for layout in layouts(x):
            got = core.center_squares(layout, anchors, offsets, 0, None)
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
        for order in (codes, np.sort(codes), np.sort(codes)[::-1], np.repeat(codes, 40)[7:]):
            expected = reference.first_rows(order, 11)
            np.testing.assert_array_equal(core.first_rows(order, 11), expected)
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

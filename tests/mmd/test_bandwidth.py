"""Test the median distance."""

import numpy as np
import pytest

from fastdiv import RBF, median_distance, mmd2, mmd_test, witness
from fastdiv.mmd import bandwidth, subsample


def brute(z, metric):
    difference = z[:, None].astype(np.float64) - z[None]
    if metric == "euclidean":
        d = np.sqrt((difference**2).sum(axis=-1))
    else:
        d = abs(difference).sum(axis=-1)
    return np.median(d[np.triu_indices(len(z), 1)])


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 1), (3, 2), (4, 1), (5, 17), (30, 3), (101, 8), (257, 65)])
def test_against_all_pairs(rng, shape, dtype, metric):
    z = rng.normal(size=shape).astype(dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    assert median_distance(z, metric=metric) == pytest.approx(brute(z, metric), rel=tolerance)
    shifted = (z.astype(np.float64) + 1e6).astype(dtype)
    assert median_distance(shifted, metric=metric) == pytest.approx(
        brute(shifted, metric), rel=tolerance
    )


def test_pools_both_samples(rng):
    x, y = rng.normal(size=(13, 2)), rng.normal(size=(8, 2))
    assert median_distance(x, y) == median_distance(np.concatenate([x, y]))
    assert median_distance(x, y) == median_distance(y, x)


@pytest.mark.parametrize("rows", [3, 4, 5, 6])
def test_even_and_odd_numbers_of_pairs_on_integers(rows):
    z = np.arange(rows, dtype=float) ** 2
    assert median_distance(z) == brute(z[:, None], "euclidean")


def test_heavy_ties(rng):
    z = rng.integers(0, 2, size=(50, 1)).astype(float)
    assert median_distance(z) == brute(z, "euclidean")
    assert median_distance(np.ones((9, 3)) / 3) == 0.0
    assert median_distance(np.full((40, 3), 1e6 / 3, np.float32)) == 0.0


def test_order_and_threads_do_not_matter(rng):
    z = rng.normal(size=(150, 5))
    expected = median_distance(z, n_threads=1)
    assert {median_distance(z, n_threads=t) for t in (1, 2, 3)} == {expected}
    assert median_distance(rng.permutation(z)) == expected


def test_scale_and_translation(rng):
    z = rng.normal(size=(60, 4))
    assert median_distance(8 * z) == 8 * median_distance(z)
    assert median_distance(z + 0.5) == pytest.approx(median_distance(z), rel=1e-14)


def drawn_from(parts):
    """Return as many pooled rows as the median takes."""
    return subsample.subsample(parts, bandwidth.EXACT_ROWS)


class TestBeyondTheExactSize:
    @pytest.fixture(autouse=True)
    def small_limit(self, monkeypatch):
        monkeypatch.setattr(bandwidth, "EXACT_ROWS", 200)

    def test_subsample_is_a_function_of_the_set(self, rng):
        z = np.round(rng.normal(size=(500, 3)), 1)
        expected = median_distance(z)
        for _ in range(5):
            shuffled = rng.permutation(z)
            assert median_distance(shuffled) == expected
            assert median_distance(shuffled[:123], shuffled[123:]) == expected

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("d", [1, 2, 9, 130])
    def test_subsample_does_not_depend_on_order_layout_or_split(self, rng, d, dtype):
        z = rng.normal(size=(601, d)).astype(dtype) * 10.0 ** rng.integers(-5, 5, size=d)
        z = z.astype(dtype)
        expected = drawn_from([z])
        for split in (1, 77, 600):
            shuffled = rng.permutation(z)
            parts = [np.asfortranarray(shuffled[:split]), shuffled[split:][:, ::-1][:, ::-1]]
            np.testing.assert_array_equal(drawn_from(parts), expected)

    @pytest.mark.parametrize("kept_bits", [0, 3, 64])
    def test_different_rows_of_one_hash(self, rng, monkeypatch, kept_bits):
        hashes = subsample._hashes
        mask = np.uint64(2**kept_bits - 1)
        monkeypatch.setattr(subsample, "_hashes", lambda parts: hashes(parts) & mask)
        z = np.column_stack([np.round(rng.normal(size=500), 1), np.ones(500)])
        z[0, 0] = 1e30  # beside this outlier all other rows look alike
        expected = drawn_from([z])
        assert expected.shape == (200, 2)
        assert {tuple(row) for row in expected} <= {tuple(row) for row in z}
        for _ in range(5):
            shuffled = rng.permutation(z)
            parts = [shuffled[:77], shuffled[77:]]
            np.testing.assert_array_equal(drawn_from(parts), expected)

    @pytest.mark.parametrize("block", [70, 10_000])
    def test_hashes_are_found_as_if_sorted(self, rng, monkeypatch, block):
        monkeypatch.setattr(subsample, "CACHED", block)
        for values in (3, 100, 10**6):
            hashes = subsample._hashes([rng.integers(0, values, size=(5000, 1)).astype(float)])
            places = rng.choice(5000, 200, replace=False)
            for shift in (44, 56, 63):
                result = subsample._at_places(places, hashes, shift)
                np.testing.assert_array_equal(result, np.sort(hashes)[places])

    def test_hashes_tell_rows_apart(self, rng):
        binary = (np.arange(2**12)[:, None] >> np.arange(12) & 1).astype(np.float32)
        counts = rng.permutation(np.arange(-2048.0, 2048.0))[:, None]
        for z in (binary, counts, counts / 3, np.column_stack([counts, -counts, counts])):
            hashes = subsample._hashes([z])
            assert len(np.unique(hashes)) == len(z)
            share = np.mean((hashes[:, None] >> np.arange(64, dtype=np.uint64)) & 1, axis=0)
            assert share == pytest.approx(0.5, abs=0.05)

    def test_zeros_of_either_sign_are_equal(self):
        z = np.array([[0.0, 1.0], [-0.0, 1.0]], dtype=np.float32)
        assert np.ptp(subsample._hashes([z])) == 0

    def test_copies_of_a_row_are_drawn_one_by_one(self):
        """Draw 200 of 500 rows: a mean of 2 of 5 copies, with hypergeometric spread."""
        z = np.repeat(np.arange(100.0), 5)[:, None]
        drawn = [np.unique(drawn_from([z + 100 * k]), return_counts=True)[1] for k in range(50)]
        missing = 50 * 100 - sum(map(len, drawn))
        counts = np.concatenate([*drawn, np.zeros(missing)])
        assert counts.mean() == 2
        assert counts.var() == pytest.approx(5 * 0.4 * 0.6 * 495 / 499, rel=0.1)

    def test_zero_columns(self, rng):
        z = np.column_stack([np.zeros(300), rng.normal(size=300)])
        assert 0 < median_distance(z) == median_distance(rng.permutation(z))

    def test_subsample_is_close(self, rng):
        z = rng.normal(size=(1000, 3))
        assert median_distance(z) == pytest.approx(brute(z, "euclidean"), rel=0.05)

    def test_subsample_has_the_documented_size(self, rng):
        x, y = rng.normal(size=(300, 2)), rng.normal(size=(150, 2))
        sample = drawn_from([x, y])
        assert sample.shape == (200, 2)
        pooled = {tuple(row) for row in np.concatenate([x, y])}
        drawn = {tuple(row) for row in sample}
        assert len(drawn) == 200
        assert drawn <= pooled

    def test_every_function_uses_it(self, rng):
        x, y = rng.normal(size=(160, 2)), rng.normal(size=(140, 2))
        kernel = RBF(median_distance(x, y))
        assert mmd2(x, y) == mmd2(x, y, kernel)
        assert mmd_test(x, y, n_resamples=9, rng=0).kernel == kernel


@pytest.mark.slow
def test_columns_of_very_different_scale(rng):
    z = np.column_stack([np.full(12_000, 1e17), rng.normal(size=12_000) * 100.0])
    expected = median_distance(z)
    assert expected == pytest.approx(95.4, rel=0.02)
    assert {median_distance(rng.permutation(z)) for _ in range(3)} == {expected}


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_overflow_is_an_error(metric):
    z = np.array([-1.7e308, 1.7e308, -1.7e308, 1.7e308])
    with pytest.raises(OverflowError, match="median distance overflows in float64"):
        median_distance(z, metric=metric)
    single = np.array([-3e38, 3e38, -3e38, 3e38], dtype=np.float32)
    assert median_distance(single, metric=metric) == pytest.approx(6e38)


def test_overflow_of_a_median_bandwidth_is_an_error():
    x = np.array([-1.7e308, 1.7e308])
    for call in (mmd2, mmd_test, lambda x, y: witness(x, y, x)):
        with pytest.raises(OverflowError, match="median distance overflows"):
            call(x, x)


def test_limit_is_documented():
    assert bandwidth.EXACT_ROWS == 10_000
    assert "10 000" in median_distance.__doc__


def test_manhattan_is_cityblock(rng):
    x = rng.normal(size=(30, 3))
    assert median_distance(x, metric="manhattan") == median_distance(x, metric="cityblock")

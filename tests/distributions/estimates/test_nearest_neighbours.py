"""kl_knn: against its definition, a tree, and the divergence it estimates."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from fastdiv import Gaussian, kl, kl_knn
from fastdiv._engine import backend


def knn_by_tree(x, y, k):
    (n, d), m = x.shape, len(y)
    within = cKDTree(x).query(x, [k + 1])[0][:, 0]
    across = cKDTree(y).query(x, [k])[0][:, 0]
    return d * np.log(across / within).mean() + math.log(m / (n - 1))


class TestNearestNeighbours:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("d", [1, 2, 7, 33])
    @pytest.mark.parametrize("k", [1, 5, 64])
    def test_definition(self, rng, k, d, dtype):
        x = rng.normal(size=(301, d)).astype(dtype)
        y = (rng.normal(size=(277, d)) + 0.3).astype(dtype)
        expected = knn_by_tree(x.astype(np.float64), y.astype(np.float64), k)
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        assert kl_knn(x, y, k) == pytest.approx(expected, abs=tolerance * d * 10)
        assert isinstance(kl_knn(x, y, k), float)

    @pytest.mark.parametrize(("d", "tolerance"), [(1, 0.06), (2, 0.1), (4, 0.2)])
    def test_near_the_truth(self, d, tolerance):
        p, q = Gaussian(np.zeros(d), std=1.0), Gaussian(np.full(d, 0.7), std=1.5)
        estimate = kl_knn(p.sample(6000, rng=1), q.sample(5000, rng=2))
        assert estimate == pytest.approx(kl(p, q), abs=tolerance)

    def test_nothing_between_samples_of_one_distribution(self):
        p = Gaussian(np.zeros(3), std=1.0)
        x, y = p.sample(4000, rng=1), p.sample(4000, rng=2)
        assert abs(kl_knn(x, y)) < 0.06
        assert abs(kl_knn(x, y, k=1)) < 0.1

    def test_far_from_the_origin(self, rng):
        x, y = np.round(rng.normal(size=(2, 200, 3)) * 2**20) / 2**20
        assert kl_knn(x + 2.0**25, y + 2.0**25) == pytest.approx(kl_knn(x, y), rel=1e-12)

    def test_units_order_and_flattening(self, rng):
        x, y = rng.normal(size=(150, 4)), rng.normal(size=(130, 4))
        expected = kl_knn(x, y)
        assert kl_knn(1e100 * x, 1e100 * y) == pytest.approx(expected, rel=1e-12)
        assert kl_knn(1e-100 * x, 1e-100 * y) == pytest.approx(expected, rel=1e-12)
        assert kl_knn(rng.permutation(x), rng.permutation(y)) == pytest.approx(expected, rel=1e-12)
        assert kl_knn(x.reshape(150, 2, 2), y.reshape(130, 2, 2)) == expected
        assert kl_knn(x[:, 0], y[:, 0]) == kl_knn(x[:, :1], y[:, :1])

    def test_threads(self, rng):
        x, y = rng.normal(size=(700, 5)), rng.normal(size=(900, 5))
        assert len({kl_knn(x, y, n_threads=t) for t in (1, 2, 3)}) == 1

    def test_backends(self, rng):
        x, y = rng.normal(size=(90, 5)), rng.normal(size=(80, 5))
        with backend.use("reference"):
            defined = kl_knn(x, y)
        assert kl_knn(x, y) == pytest.approx(defined, rel=1e-12)

    def test_progress(self, rng):
        reports = []
        kl_knn(
            rng.normal(size=(50, 2)),
            rng.normal(size=(40, 2)),
            progress=lambda *r: reports.append(r),
        )
        assert sum(done == total for done, total in reports) == 2  # one round each
        assert reports[-1][0] == reports[-1][1]

    def test_repeated_rows(self, rng):
        x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
        x[:6] = x[0]
        with pytest.raises(
            ValueError, match=r"6 of the 60 rows of x are at distance 0 .* of x, k = 5"
        ):
            kl_knn(x, y)
        assert np.isfinite(kl_knn(x, y, k=6))
        y[:3] = x[30]
        assert np.isfinite(kl_knn(x, y, k=6))
        with pytest.raises(ValueError, match=r"1 of the 54 rows of x .* row of y, k = 3.*jitter"):
            kl_knn(x[6:], y, k=3)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_repeats_below_k_are_in_order(self, rng, dtype):
        x, y = rng.normal(size=(2, 80, 3)).astype(dtype)
        x[1], y[:4] = x[0], x[7]
        assert np.isfinite(kl_knn(x, y, k=5))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_far_outlier_does_not_round_neighbours_away(self, rng, dtype):
        x, y = (1e-20 * rng.normal(size=(2, 60, 2))).astype(dtype)
        x[3] = 1e10
        expected = knn_by_tree(x.astype(np.float64), y.astype(np.float64), 4)
        assert kl_knn(x, y, k=4) == pytest.approx(expected, rel=1e-5)

    def test_overflow(self, rng):
        x, y = 1.7e308 * rng.uniform(-1.0, 1.0, size=(2, 20, 9))
        with pytest.raises(OverflowError, match="a distance overflows"):
            kl_knn(x, y)

    @pytest.mark.parametrize(
        ("k", "error", "message"),
        [
            (0, ValueError, "k must be an integer from 1 to 64; got 0"),
            (65, ValueError, "k must be an integer from 1 to 64"),
            (2.0, TypeError, "k must be an integer"),
            (True, TypeError, "k must be an integer"),
            (10, ValueError, "x must have at least 11 rows for k = 10; got 10"),
            (9, ValueError, "y must have at least 9 rows for k = 9; got 8"),
        ],
    )
    def test_k(self, rng, k, error, message):
        with pytest.raises(error, match=message):
            kl_knn(rng.normal(size=(10, 2)), rng.normal(size=(8, 2)), k)

    def test_samples(self, rng):
        x = rng.normal(size=(20, 2))
        with pytest.raises(ValueError, match="same number of features"):
            kl_knn(x, x[:, :1])
        bad = np.vstack([x, [np.nan, 0.0]])
        with pytest.raises(ValueError, match="y holds 1 NaN"):
            kl_knn(x, bad)
        assert kl_knn(x, bad + 0.5, nan_policy="omit") == kl_knn(x, x + 0.5)

"""Test geometric medians against closed forms and an optimiser, and at rows."""

import re
import warnings
from fractions import Fraction

import numpy as np
import pytest

from fastdiv import cluster_dispersion, geometric_median
from fastdiv._engine import backend
from fastdiv.clusters import labelled_rows


def objective(x, at, weights=None):
    distances = np.linalg.norm(x - at, axis=1)
    return distances.sum() if weights is None else weights @ distances


def test_fermat_point_of_a_triangle():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    result = geometric_median(x, tolerance=1e-13)
    np.testing.assert_allclose(result.centers, [[0.5, np.sqrt(3) / 6]], atol=1e-12)
    assert result.sum_dist[0] == pytest.approx(np.sqrt(3), rel=1e-13)
    assert result.gap[0] <= 1e-13


def test_a_wide_angle_makes_the_row_the_median():
    x = [[-3.0, 0.0], [3.0, 0.0], [0.0, 0.5]]  # the angle at the last row exceeds 120 degrees
    result = geometric_median(x)
    assert (result.centers.tolist(), result.gap.tolist()) == ([[0.0, 0.5]], [0.0])


def test_on_the_line_it_is_the_median(rng):
    for n in (1, 2, 5, 10, 51):
        x = rng.normal(size=n)
        result = geometric_median(x)
        assert result.sum_dist[0] == pytest.approx(np.abs(x - np.median(x)).sum(), rel=1e-7)


def weighted_medians(x, weights):
    """Return the ends of the interval that minimises Σ w |x − c|, in exact arithmetic."""
    order = np.argsort(x)
    x, w = x[order], [Fraction(each) for each in weights[order]]
    below = np.cumsum(w)
    first = next(i for i, each in enumerate(below) if 2 * each >= below[-1])
    return x[first], x[first + (2 * below[first] == below[-1])]


def with_far_rows(rng, n, shape=()):
    """Draw rows of which fewer than half are far away, and weights that may be equal."""
    x = rng.normal(size=(n, *shape))
    far = int(rng.integers(n // 2))
    x[:far] *= 10.0 ** rng.integers(1, 14)
    return x, rng.uniform(0.1, 1.5, size=n) if rng.random() < 0.7 else np.ones(n)


@pytest.mark.parametrize("seed", range(60))
def test_far_rows_on_the_line_do_not_hide_the_median(seed):
    """Rounding of the sum of distances hides the descent between rows that are near."""
    rng = np.random.default_rng(seed)
    x, weights = with_far_rows(rng, int(rng.integers(2, 60)))
    result = geometric_median(x, sample_weight=weights)
    low, high = weighted_medians(x, weights)
    assert low <= result.centers[0, 0] <= high
    assert result.gap[0] <= 1e-8


def test_a_far_row_beside_a_heavy_one():
    x = np.array([-1.161220908164978, -1.0793850421905518, 206764352.0])
    weights = np.array([1.444975381702768, 0.8027722860455138, 0.641974693555099])
    result = geometric_median(x, sample_weight=weights)
    assert 2 * weights[0] > weights.sum()
    assert (result.centers.tolist(), result.gap.tolist()) == ([[x[0]]], [0.0])


@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_far_rows_on_lines_and_planes(seed, d):
    rng = np.random.default_rng(seed)
    x, weights = with_far_rows(rng, 80, (1 + seed % 2,))
    labels = rng.integers(4, size=80)
    x = x @ rng.normal(size=(x.shape[1], d))
    result = geometric_median(x, labels, sample_weight=weights)
    assert (result.gap <= 1e-8).all()
    for c, center in enumerate(result.centers):
        rows, u = x[labels == c], weights[labels == c]
        least = min(objective(rows, row, u) for row in rows)
        assert objective(rows, center, u) <= least * (1 + 1e-8)


def test_weight_on_one_row_pulls_all(rng):
    x = rng.normal(size=(40, 3))
    weights = np.ones(40)
    weights[17] = 40.0  # more than all others
    result = geometric_median(x, sample_weight=weights)
    assert result.centers[0].tolist() == x[17].tolist()
    assert result.gap[0] == 0.0


def test_start_on_a_row_that_is_not_the_median():
    x = np.array([[0.0, 0.0], [4.0, 0.0], [-4.0, 3.0], [0.0, -3.0]])  # the mean is the first row
    assert x.mean(axis=0).tolist() == x[0].tolist()
    x[1, 0], x[3, 0] = 5.0, -1.0  # still the mean
    result = geometric_median(x, tolerance=1e-12)
    near = objective(x, x[0])
    assert result.sum_dist[0] <= near
    assert result.gap[0] <= 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
def test_against_an_optimiser_per_cluster(rng, dtype):
    optimize = pytest.importorskip("scipy.optimize")
    labels = np.append(np.arange(3), rng.integers(3, size=197))
    x = (rng.standard_exponential((200, 4)) + 5.0 * labels[:, None]).astype(dtype)
    weights = rng.random(200) + 0.1
    result = geometric_median(x, labels, sample_weight=weights, tolerance=1e-11)
    for c in range(3):
        rows, u = x[labels == c].astype(np.float64), weights[labels == c]
        theirs = optimize.minimize(
            lambda at, rows=rows, u=u: objective(rows, at, u),
            rows.mean(axis=0),
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000, "maxfev": 10_000},
        )
        assert result.sum_dist[c] == pytest.approx(objective(rows, result.centers[c], u), rel=1e-12)
        assert result.sum_dist[c] <= theirs.fun * (1 + 1e-11)


def test_the_gap_bounds_the_distance_from_the_minimum(rng):
    x = rng.standard_exponential((300, 2))
    best = geometric_median(x, tolerance=1e-13).sum_dist[0]
    for tolerance in (1e-1, 1e-3, 1e-6):
        result = geometric_median(x, tolerance=tolerance)
        assert best * (1 - 1e-12) <= result.sum_dist[0]
        assert result.sum_dist[0] <= best * (1 + result.gap[0])
        assert result.gap[0] <= tolerance


def test_clusters_do_not_see_each_other(rng):
    x, labels = rng.normal(size=(120, 3)), rng.integers(-1, 4, size=120)
    together = geometric_median(x, labels, noise_label=-1)
    assert together.labels.tolist() == [0, 1, 2, 3]
    for c in range(4):
        alone = geometric_median(x[labels == c])
        np.testing.assert_allclose(together.centers[c], alone.centers[0], atol=1e-6)
        assert together.sum_dist[c] == pytest.approx(alone.sum_dist[0], rel=1e-7)


def lobes(rng, first, second, apart, d=2):
    x = rng.normal(size=(first + second, d))
    x[first:, 0] += apart
    return x


@pytest.mark.parametrize(
    ("first", "second", "apart", "d"),
    [
        (500, 500, 30.0, 2),
        (500, 500, 100.0, 2),
        (499, 501, 100.0, 2),  # almost no slope between the lobes
        (400, 600, 1e8, 2),
        (5, 5, 20.0, 2),
        (5, 5, 1e3, 3),
        (300, 300, 100.0, 100),
        (499, 501, 100.0, 1),
    ],
)
def test_lobes_take_few_passes(rng, first, second, apart, d):
    for _ in range(5):
        x = lobes(rng, first, second, apart, d)
        result = geometric_median(x)
        assert result.gap[0] <= 1e-8
        assert result.n_iterations <= 60  # Weiszfeld's steps alone take thousands
        assert result.sum_dist[0] == pytest.approx(objective(x, result.centers[0]), rel=1e-12)
        assert cluster_dispersion(x, np.zeros(len(x), int), centers="geometric_median").sum_dist


@pytest.mark.parametrize("shape", ["lobes", "far lobes", "heavy tails", "one direction", "grid"])
def test_more_passes_are_never_worse(rng, shape):
    x = {
        "lobes": lambda: lobes(rng, 39, 41, 100.0),
        "far lobes": lambda: lobes(rng, 30, 50, 1e6, d=4),
        "heavy tails": lambda: rng.standard_cauchy(size=(60, 3)),
        "one direction": lambda: rng.normal(size=(50, 3)) * [1e4, 1.0, 1e-3],
        "grid": lambda: rng.integers(0, 4, size=(50, 2)).astype(float),
    }[shape]()
    before = np.inf
    for passes in range(1, 30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # passes that are too few
            result = geometric_median(x, tolerance=1e-12, max_iterations=passes)
        assert result.n_iterations <= passes
        assert result.sum_dist[0] <= before * (1 + 1e-14)
        before = result.sum_dist[0]
    assert result.gap[0] <= 1e-8


@pytest.mark.parametrize("offset", [1e8, 1.7e9, 1e12])
def test_far_from_the_origin(rng, offset):
    labels = np.append(np.arange(3), rng.integers(3, size=147))
    x = np.round(rng.standard_exponential((150, 4)) * 256) / 256  # so the shift is exact
    moved = x + offset * (labels[:, None] + 1)
    near = geometric_median(x, labels, tolerance=1e-12)
    far = geometric_median(moved, labels, tolerance=1e-12)
    assert far.gap.max() <= 1e-12
    np.testing.assert_allclose(far.sum_dist, near.sum_dist, rtol=1e-12)
    result = cluster_dispersion(moved, labels, centers="geometric_median")
    np.testing.assert_allclose(result.sum_dist, near.sum_dist, rtol=1e-8)


def test_rounding_ends_the_search(rng):
    x = rng.normal(size=(200, 3))
    with pytest.warns(RuntimeWarning, match="is not found to tolerance 1e-30 in"):
        result = geometric_median(x, tolerance=1e-30)
    assert result.n_iterations < 100
    assert 0 < result.gap[0] < 1e-13


def test_only_rows_of_unfinished_clusters_are_tried(rng, monkeypatch):
    x = np.concatenate([lobes(rng, 20, 20, 1e3), np.zeros((5000, 2))])
    labels = np.repeat([0, 1], [40, 5000])
    read, blocks = [], labelled_rows.blocks

    def counted(clusters):
        for of, rows in blocks(clusters):
            read.append(len(rows))
            yield of, rows

    monkeypatch.setattr(labelled_rows, "blocks", counted)
    assert geometric_median(x, labels).n_iterations > 8
    assert set(read) == {40}


def test_translation_and_rotation(rng):
    x = rng.normal(size=(60, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    result = geometric_median(x, tolerance=1e-12).centers
    moved = geometric_median(x @ turn + 1e3, tolerance=1e-12).centers
    np.testing.assert_allclose(moved, result @ turn + 1e3, atol=1e-5)


def test_copies_and_constant_data(rng):
    x = rng.normal(size=(30, 2))
    copies = rng.integers(0, 3, size=30)
    weighted = geometric_median(x, sample_weight=copies, tolerance=1e-12)
    repeated = geometric_median(np.repeat(x, copies, axis=0), tolerance=1e-12)
    assert weighted.sum_dist[0] == pytest.approx(repeated.sum_dist[0], rel=1e-11)
    same = geometric_median(np.full((9, 2), 1e8 / 3))
    assert same.centers.tolist() == [[1e8 / 3, 1e8 / 3]]
    assert same.sum_dist.tolist() == same.gap.tolist() == [0.0]


def test_the_same_bits_for_any_number_of_threads(rng):
    x, labels = rng.normal(size=(30_000, 6)), rng.integers(5, size=30_000)
    one = geometric_median(x, labels, n_threads=1)
    for threads in (2, 4):
        many = geometric_median(x, labels, n_threads=threads)
        assert many.centers.tobytes() == one.centers.tobytes()
        assert many.n_iterations == one.n_iterations


def test_reference_and_dispersion_agree(rng):
    x, labels = rng.normal(size=(90, 2)), rng.integers(3, size=90)
    result = geometric_median(x, labels)
    with backend.use("reference"):
        slow = geometric_median(x, labels)
    np.testing.assert_allclose(result.centers, slow.centers, rtol=1e-9)
    used = cluster_dispersion(x, labels, centers="geometric_median")
    assert used.centers.tobytes() == result.centers.tobytes()
    np.testing.assert_allclose(used.sum_dist, result.sum_dist, rtol=1e-13)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": 0.0}, ValueError, "tolerance must be > 0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be a real number"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be an integer >= 1"),
        ({"labels": [0, 1]}, ValueError, "labels must have one label per row"),
        ({"sample_weight": [0, 0, 0]}, ValueError, "must not be 0 for all rows"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        geometric_median([[0.0], [1.0], [3.0]], options.pop("labels", None), **options)


def test_too_few_iterations_are_told(rng):
    message = "label 'b' is not found to tolerance 1e-12 in 3 iterations: its sum of distances"
    x = rng.standard_exponential((50, 2))
    with pytest.warns(RuntimeWarning, match=re.escape(message)):
        result = geometric_median(x, ["b"] * 50, tolerance=1e-12, max_iterations=3)
    assert (result.n_iterations, result.gap[0] > 1e-12) == (3, True)
    best = geometric_median(x, tolerance=1e-13).sum_dist[0]
    assert best < result.sum_dist[0] <= best * (1 + result.gap[0])


def test_arrays_are_read_only(rng):
    labels = np.arange(20) % 2
    result = geometric_median(rng.normal(size=(20, 2)), labels)
    for array in (result.labels, result.centers, result.sum_dist, result.gap):
        assert not array.flags.writeable
    assert labels.flags.writeable

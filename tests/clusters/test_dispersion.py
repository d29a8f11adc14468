"""Test the dispersion within clusters against NumPy and identities, and its errors."""

import os

import numpy as np
import pytest
from cases import Reports, clustered, each_dtype, peak_bytes

from fastdiv import cluster_dispersion, geometric_median, wcss
from fastdiv._engine import backend
from fastdiv.clusters import labelled_rows


def parts(x, labels):
    return [x[labels == label].astype(np.longdouble) for label in np.unique(labels)]


def brute_wcss(x, labels):
    return np.array([((r - r.mean(axis=0)) ** 2).sum() for r in parts(x, labels)])


def pairs_of(rows, weights, distance):
    total = 0.0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            total += weights[i] * weights[j] * distance(rows[i] - rows[j])
    return total


# ---------------------------------------------------------------- WCSS


@pytest.mark.parametrize("method", ["centroid", "pairwise"])
@pytest.mark.parametrize(
    ("dtype", "offset", "rtol"),
    [
        (np.float64, 0.0, 1e-12),
        (np.float64, 1e8, 1e-12),
        (np.float64, -1e12, 1e-12),
        (np.float32, 0.0, 1e-5),
        (np.float32, 1e6, 1e-5),
    ],
)
def test_wcss_near_and_far_from_the_origin(rng, method, dtype, offset, rtol):
    x, labels = clustered(rng, dtype=dtype, offset=offset)
    expected = float(brute_wcss(x, labels).sum())
    assert wcss(x, labels, method=method) == pytest.approx(expected, rel=rtol)


def test_a_first_row_far_out_loses_nothing(rng):
    x = rng.normal(size=(5000, 3))
    x[0] = 1e6
    labels = np.zeros(5000, dtype=int)
    other_weights = np.append(0.0, np.ones(4999))
    alone = brute_wcss(x[1:], labels[1:]).sum()
    assert wcss(x, labels) == pytest.approx(float(brute_wcss(x, labels).sum()), rel=1e-13)
    assert wcss(x, labels, sample_weight=other_weights) == pytest.approx(float(alone), rel=1e-12)


def test_wcss_is_the_inertia_of_kmeans(rng):
    cluster = pytest.importorskip("sklearn.cluster")
    x, _ = clustered(rng, n=500)
    result = cluster.KMeans(6, n_init=2, random_state=0, tol=0.0).fit(x)
    assert wcss(x, result.labels_) == pytest.approx(result.inertia_, rel=1e-10)
    at_theirs = cluster_dispersion(x, result.labels_, centers=result.cluster_centers_)
    assert at_theirs.total_wcss == pytest.approx(result.inertia_, rel=1e-10)


# ---------------------------------------------------------------- all objectives


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_every_objective_by_its_formula(rng, metric, weighted):
    x, labels = clustered(rng, n=60, k=3)
    w = rng.random(60) + 0.1 if weighted else np.ones(60)
    result = cluster_dispersion(
        x, labels, metric=metric, pairs=True, sample_weight=w if weighted else None
    )
    order = 2 if metric == "euclidean" else 1
    for c in range(3):
        rows, u = x[labels == c], w[labels == c]
        mean = u @ rows / u.sum()
        squares = u @ ((rows - mean) ** 2).sum(axis=1)
        assert result.sizes[c] == len(rows)
        np.testing.assert_allclose(result.centers[c], mean, rtol=1e-12)
        values = result.weights[c], result.wcss[c], result.mse[c], result.sum_dist[c]
        expected = (
            u.sum(),
            squares,
            squares / u.sum(),
            u @ np.linalg.norm(rows - mean, order, axis=1),
        )
        np.testing.assert_allclose(values, expected, rtol=1e-12)
        both = result.pair_sum_sq[c], result.pair_sum[c]
        expected = (
            pairs_of(rows, u, lambda v: v @ v),
            pairs_of(rows, u, lambda v: np.linalg.norm(v, order)),
        )
        np.testing.assert_allclose(both, expected, rtol=1e-12)
    total = w @ ((x - w @ x / w.sum()) ** 2).sum(axis=1)
    assert result.total_ss == pytest.approx(total, rel=1e-12)
    assert result.total_mse == pytest.approx(result.wcss.sum() / w.sum(), rel=1e-12)
    assert result.total_wcss == pytest.approx(result.wcss.sum(), rel=1e-14)
    assert result.total_sum_dist == pytest.approx(result.sum_dist.sum(), rel=1e-14)


@each_dtype
def test_pair_sums_are_wcss_in_disguise(rng, dtype):
    x, labels = clustered(rng, dtype=dtype)
    result = cluster_dispersion(x, labels, pairs=True)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(result.pair_sum_sq, result.sizes * result.wcss, rtol=rtol)
    # and the mean over all n_c^2 ordered pairs is twice the mean square
    means = 2 * result.pair_sum_sq / result.sizes**2
    np.testing.assert_allclose(means, 2 * result.mse, rtol=rtol)


def test_total_is_within_plus_between(rng):
    for offset in (0.0, 1e8):
        x, labels = clustered(rng, offset=offset)
        result = cluster_dispersion(x, labels)
        total = float(brute_wcss(x, np.zeros(len(x))).sum())
        assert result.total_wcss + result.bcss == pytest.approx(total, rel=1e-12)


def test_translation_scale_and_order(rng):
    x, labels = clustered(rng)
    x = np.round(x * 256) / 256  # so the shift is exact
    result = cluster_dispersion(x, labels, pairs=True)
    moved = cluster_dispersion(x + 2.0**20, labels, pairs=True)
    doubled = cluster_dispersion(2 * x, labels, pairs=True)
    order = rng.permutation(len(x))
    mixed = cluster_dispersion(x[order], labels[order], pairs=True)
    for name, power in (("wcss", 2), ("sum_dist", 1), ("pair_sum_sq", 2), ("pair_sum", 1)):
        values = getattr(result, name)
        np.testing.assert_allclose(getattr(moved, name), values, rtol=1e-9)
        np.testing.assert_allclose(getattr(doubled, name), 2**power * values, rtol=1e-12)
        np.testing.assert_allclose(getattr(mixed, name), values, rtol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_weights_are_copies(rng, metric):
    x, labels = clustered(rng, n=80)
    copies = rng.integers(0, 4, size=80)
    copies[:4] = 2  # one of each cluster
    weighted = cluster_dispersion(x, labels, sample_weight=copies, pairs=True, metric=metric)
    repeated = cluster_dispersion(
        np.repeat(x, copies, axis=0), np.repeat(labels, copies), pairs=True, metric=metric
    )
    assert (repeated.sizes == weighted.weights).all()
    for name in ("weights", "centers", "wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-11)
    for name in ("bcss", "total_ss", "total_mse"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-11)


def test_noise_is_left_out(rng):
    x, labels = clustered(rng)
    labels = labels - 1
    kept = labels != -1
    x[~kept] = 1e9
    result = cluster_dispersion(x, labels, noise_label=-1, pairs=True)
    alone = cluster_dispersion(x[kept], labels[kept], pairs=True)
    assert result.labels.tolist() == [0, 1, 2]
    for name in ("sizes", "wcss", "sum_dist", "pair_sum_sq", "pair_sum", "bcss", "total_ss"):
        np.testing.assert_allclose(getattr(result, name), getattr(alone, name), rtol=1e-12)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0, 4.0]])
def test_clusters_too_far_apart_are_refused(weights):
    """The sums within them are small, and that between them is too large."""
    x = [[1e200], [1e200], [-1e200], [-1e200]]
    with pytest.raises(OverflowError, match="between clusters overflows in float64; scale the"):
        cluster_dispersion(x, [0, 0, 1, 1], sample_weight=weights)
    assert wcss(x, [0, 0, 1, 1], sample_weight=weights) == 0.0


def test_squares_next_to_the_end_of_the_range_give_no_warning():
    x = np.array([[0.0], [8e153], [1.0], [2.0]])
    assert wcss(x, [0, 0, 1, 1]) == pytest.approx(3.2e307, rel=1e-12)


def test_nan_counts_only_in_rows_with_a_label(rng):
    x, labels = clustered(rng)
    x[3, 1], labels[3] = np.nan, -1
    result = cluster_dispersion(x, labels, noise_label=-1, pairs=True)
    alone = cluster_dispersion(np.delete(x, 3, 0), np.delete(labels, 3), pairs=True)
    np.testing.assert_allclose(result.wcss, alone.wcss, rtol=1e-12)
    with pytest.raises(OverflowError, match="overflow in float64"):
        wcss(np.where(np.arange(300)[:, None] == 9, 1e200, x), labels, noise_label=-1)
    x[7, 0] = np.inf  # row 3 is noise
    with pytest.raises(ValueError, match=r"x holds 1 NaN or infinite value, .* row 7, column 0"):
        wcss(x, labels, noise_label=-1)


def test_rows_with_nan_are_dropped_where_asked(rng):
    x, labels = clustered(rng)
    labels[7] = 9  # a label whose only row is dropped
    x[7, 0], x[11, 1] = np.nan, np.inf
    kept = np.isfinite(x).all(axis=1)
    result = cluster_dispersion(x, labels, nan_policy="omit")
    alone = cluster_dispersion(x[kept], labels[kept])
    assert result.labels.tolist() == alone.labels.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(result.wcss, alone.wcss, rtol=1e-12)
    assert wcss(x, labels, nan_policy="omit", method="pairwise") == pytest.approx(alone.total_wcss)
    with pytest.raises(ValueError, match="no rows left"):
        wcss([[np.nan], [np.inf]], [0, 1], nan_policy="omit")


# ---------------------------------------------------------------- edges


def test_labels_of_any_type(rng):
    pandas = pytest.importorskip("pandas")
    x, labels = clustered(rng)
    words = np.array(["delta", "alpha", "echo", "bravo"])[labels]
    expected = sorted(brute_wcss(x, labels).tolist())
    for kind in (
        labels.tolist(),
        labels.astype(np.uint8),
        labels.astype(float),
        labels * 10**12,
        words,
        words.tolist(),
        words.astype(object),
        pandas.Categorical(words),
        pandas.Series(words, dtype="string"),
        np.array(labels, dtype="timedelta64[D]"),
    ):
        result = cluster_dispersion(x, kind)
        np.testing.assert_allclose(sorted(result.wcss), expected, rtol=1e-12)
    assert result.labels.dtype == np.dtype("timedelta64[D]")
    assert cluster_dispersion(x, words).labels.tolist() == sorted(set(words))


def test_singletons_and_constant_data():
    result = cluster_dispersion([[1.0, 2.0], [3.0, 4.0], [3.0, 4.0]], [0, 1, 1], pairs=True)
    for name in ("wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum"):
        assert getattr(result, name).tolist() == [0.0, 0.0]
    assert result.bcss == result.total_ss == pytest.approx(16 / 3)
    for offset in (0.1, 1e8 / 3):
        same = cluster_dispersion(np.full((7, 2), offset), [0, 0, 0, 1, 1, 1, 1], pairs=True)
        assert same.total_ss == same.total_wcss == same.total_sum_dist == same.bcss == 0.0
    one = cluster_dispersion([5.0], ["only"], pairs=True)
    assert (one.total_ss, one.total_mse, one.centers.tolist()) == (0.0, 0.0, [[5.0]])


def test_sum_dist_is_least_at_the_geometric_median(rng):
    x, labels = clustered(rng)
    at_medians = cluster_dispersion(x, labels, centers="geometric_median")
    at_means = cluster_dispersion(x, labels)
    assert (at_medians.sum_dist < at_means.sum_dist).all()
    assert (at_medians.wcss > at_means.wcss).all()


def test_input_is_neither_copied_nor_written(rng, tmp_path):
    x, labels = clustered(rng, n=1000, dtype=np.float32)
    expected = cluster_dispersion(x, labels, pairs=True)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    result = cluster_dispersion(mapped, np.load(tmp_path / "labels.npy", mmap_mode="r"), pairs=True)
    x.flags.writeable = labels.flags.writeable = False
    frozen = cluster_dispersion(x, labels, pairs=True)
    for other in (result, frozen):
        assert other.wcss.tobytes() == expected.wcss.tobytes()
        assert other.pair_sum.tobytes() == expected.pair_sum.tobytes()
    for name in ("labels", "sizes", "weights", "centers", "wcss", "mse", "sum_dist", "pair_sum"):
        assert not getattr(result, name).flags.writeable
    assert labels.flags.writeable is False
    given = np.array([0, 1, 0])
    cluster_dispersion([1.0, 2.0, 3.0], given)
    assert given.flags.writeable


@pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference copies the rows"
)
def test_memory_beside_the_data_is_small(rng):
    """Make no float64 copy of x: 64 MB of float32 need a few MB."""
    x = np.zeros((1_000_000, 16), dtype=np.float32)
    labels = np.arange(len(x)) % 100
    assert peak_bytes(lambda: wcss(x, labels)) < 40e6  # labels are 8 MB


@each_dtype
def test_threads_do_not_change_a_bit(rng, dtype):
    x, labels = clustered(rng, n=40_000, k=30, dtype=dtype)
    weights = rng.random(len(x))
    calls = [
        lambda n: cluster_dispersion(x, labels, n_threads=n),
        lambda n: cluster_dispersion(x, labels, sample_weight=weights, n_threads=n),
        lambda n: cluster_dispersion(x[:3000], labels[:3000], pairs=True, n_threads=n),
    ]
    for call in calls:
        one = call(1)
        for threads in (2, 5):
            many = call(threads)
            for name in ("centers", "wcss", "sum_dist"):
                assert getattr(one, name).tobytes() == getattr(many, name).tobytes()
            assert (one.bcss, one.total_ss) == (many.bcss, many.total_ss)
            if one.pair_sum is not None:
                assert one.pair_sum.tobytes() == many.pair_sum.tobytes()
    assert calls[0](1).total_wcss == wcss(x, labels, n_threads=2)


def test_progress_and_reference(rng):
    x, labels = clustered(rng)
    calls = Reports()
    cluster_dispersion(x, labels, progress=calls)
    assert all(done == total for done, total in calls)
    assert len(calls) >= 2
    with backend.use("reference"):
        slow = cluster_dispersion(x, labels, pairs=True)
    np.testing.assert_allclose(
        cluster_dispersion(x, labels, pairs=True).pair_sum, slow.pair_sum, rtol=1e-12
    )


# ---------------------------------------------------------------- bad input

X4 = [[0.0], [1.0], [2.0], [3.0]]


@pytest.mark.parametrize("function", [wcss, cluster_dispersion])
@pytest.mark.parametrize(
    ("x", "labels", "options", "error", "message"),
    [
        (X4, [0, 1, 0], {}, ValueError, r"labels must have one label per row, shape \(4,\)"),
        (X4, [-1] * 4, {"noise_label": -1}, ValueError, "besides the noise label -1"),
        (
            X4,
            [0, 1, np.nan, 0],
            {},
            ValueError,
            "labels must be integers or text; got nan at row 2",
        ),
        (X4, [0, 1, 0.5, 0], {}, ValueError, "labels must be integers or text; got 0.5 at row 2"),
        (X4, None, {}, TypeError, "labels must be an array"),
        (X4, [0, 0, 1, 1], {"sample_weight": [1, 1, -1, 1]}, ValueError, "sample_weight.*row 2"),
        (X4, [0, 0, 1, 1], {"sample_weight": [1, 1]}, ValueError, "sample_weight must have one"),
        (X4, [0, 0, 1, 1], {"sample_weight": [1, 1, 0, 0]}, ValueError, "it is for label 1"),
        (X4, [0, 0, 1, 1], {"sample_weight": [0] * 4}, ValueError, "must not be 0 for all rows"),
        (X4, [0, 0, 1, 1], {"nan_policy": "drop"}, ValueError, "nan_policy must be one of"),
        (X4, [0, 0, 1, 1], {"n_threads": 0}, ValueError, "n_threads must be"),
        ([[0.0], [np.nan], [1.0]], [0, 0, 1], {}, ValueError, "x holds 1 NaN.*row 1, column 0"),
        ([[0.0], [np.inf], [1.0]], [0, 0, 1], {}, ValueError, "x holds 1 NaN.*row 1, column 0"),
        ([[0.0], [1e200], [1.0]], [0, 0, 1], {}, OverflowError, "overflow in float64"),
        ([["a"], ["b"]], [0, 1], {}, TypeError, "x must hold real numbers"),
        (np.zeros((0, 2)), [], {}, ValueError, "x has no rows"),
    ],
)
def test_bad_input(function, x, labels, options, error, message):
    with pytest.raises(error, match=message):
        function(x, labels, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"metric": "cosine"},
            ValueError,
            "metric must be one of 'euclidean', 'cityblock', 'manhattan'",
        ),
        ({"centers": "median"}, ValueError, "centers must be one of 'mean', 'geometric_median'"),
        ({"centers": [[0.0]]}, ValueError, "rows of centers, 0 to 0; got 1"),
        ({"centers": [[0.0, 1.0], [2.0, 3.0]]}, ValueError, "same number of features"),
        ({"centers": [[0.0], [np.nan]]}, ValueError, "centers holds 1 NaN"),
        ({"pairs": 1}, TypeError, "pairs must be True or False"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        cluster_dispersion(X4, [0, 0, 1, 1], **options)
    with pytest.raises(ValueError, match="method must be one of 'centroid', 'pairwise'"):
        wcss(X4, [0, 0, 1, 1], method="pairs")


def test_manhattan_is_cityblock(rng):
    x, labels = clustered(rng)
    result = [
        cluster_dispersion(x, labels, metric=m, pairs=True) for m in ("cityblock", "manhattan")
    ]
    assert [one.metric for one in result] == ["cityblock", "cityblock"]
    assert result[0].sum_dist.tobytes() == result[1].sum_dist.tobytes()
    assert result[0].pair_sum.tobytes() == result[1].pair_sum.tobytes()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.int16, np.uint64, ">i4"])
def test_labels_that_are_numbers_already(rng, dtype):
    """Pass numbers 0, ..., k - 1, which are not copied, and others, with equal sums."""
    x = rng.normal(size=(50_000, 2))
    late = np.zeros(50_000, dtype=dtype)
    late[-1] = 1
    several = (np.arange(50_000) % 7).astype(dtype)
    for labels in (late, several, np.sort(several), several * (several != 3), several + 1):
        text = labels.astype(str)
        result, from_text = cluster_dispersion(x, labels), cluster_dispersion(x, text)
        assert result.labels.tolist() == np.unique(labels).tolist()
        assert result.labels.dtype.str[1:] == np.dtype(dtype).str[1:]  # in either byte order
        assert result.wcss.tobytes() == from_text.wcss.tobytes()
    masked = np.ma.array(several, mask=several == 2)
    with pytest.raises(TypeError, match="labels is a masked array"):
        wcss(x, masked)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_labels_as_of_kmeans_and_dbscan_are_not_copied(rng, dtype):
    x = rng.normal(size=(50_000, 2))
    labels = (np.arange(50_000) % 7).astype(dtype)
    for given, noise_label in ((labels, None), (labels - 1, -1), (np.sort(labels), -1)):
        codes = labelled_rows.read(x, given, None, noise_label, "raise").codes
        assert np.shares_memory(codes, given)
    result = cluster_dispersion(x, labels, noise_label=0)
    assert result.labels.tolist() == list(range(1, 7))
    with pytest.raises(ValueError, match="labels must hold a label besides the noise label -1"):
        wcss(x, np.full(50_000, -1, dtype=dtype), noise_label=-1)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_pairs_of_all_clusters_are_one_pass_to_progress(rng, weighted):
    x, labels = clustered(rng, n=3000, k=6)
    labels[0] = 9  # a cluster without a pair
    reports = Reports()
    wcss(
        x,
        labels,
        method="pairwise",
        sample_weight=rng.random(3000) if weighted else None,
        progress=reports,
    )
    sizes = np.unique(labels, return_counts=True)[1]
    total = int((sizes * (sizes - 1) // 2).sum())
    pair_reports = [report for report in reports if report[1] == total]
    assert pair_reports[-1] == (total, total)
    assert pair_reports == sorted(pair_reports)
    assert {report[1] for report in reports[-6:]} == {total}
    done = {report[0] for report in pair_reports}
    assert {int(n) for n in np.cumsum(sizes * (sizes - 1) // 2)} - {0} <= done


# ---------------------------------------------------------------- the limits of floating point


@pytest.mark.parametrize("centers", ["mean", "geometric_median"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_distances_keep_their_digits_far_from_the_origin(rng, metric, centers):
    x, labels = clustered(rng)
    x = np.round(x * 256) / 256  # so the shift is exact
    near = cluster_dispersion(x, labels, metric=metric, centers=centers)
    for offset in (1e8, 1e12):
        far = cluster_dispersion(x + offset, labels, metric=metric, centers=centers)
        np.testing.assert_allclose(far.sum_dist, near.sum_dist, rtol=1e-13)
        np.testing.assert_allclose(far.wcss, near.wcss, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-145, 1e-170, 1e-300])
def test_squares_that_underflow_are_refused(rng, scale):
    x, labels = clustered(rng)
    x[5:9] = x[5]
    plain = cluster_dispersion(x, labels)
    small = cluster_dispersion(x * 1e-130, labels)
    np.testing.assert_allclose(small.wcss, plain.wcss * 1e-260, rtol=1e-12)
    np.testing.assert_allclose(small.sum_dist, plain.sum_dist * 1e-130, rtol=1e-12)
    for function in (cluster_dispersion, wcss, geometric_median):
        with pytest.raises(ValueError, match=r"squares underflow in float64; scale the data$"):
            function(x * scale, labels)
    with pytest.raises(ValueError, match=r"underflow in float64; scale the data or sample_weight$"):
        wcss(x * scale, labels, sample_weight=np.ones(len(x)))
    assert wcss(np.full((6, 2), scale), [0, 0, 0, 1, 1, 1]) == 0.0  # equal rows do not underflow
    x[5:9, 0] = np.arange(4) * scale  # nor do small differences beside others
    assert wcss(x, labels) == pytest.approx(brute_wcss(x, labels).sum(), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-150, 1e150, 1e200])
@pytest.mark.parametrize("method", ["centroid", "pairwise"])
@each_dtype
def test_wcss_with_weights_of_any_scale(rng, dtype, method, scale):
    x, labels = clustered(rng, dtype=dtype)
    w = rng.random(len(x)) + 0.1
    result = wcss(x, labels, method=method, sample_weight=w * scale)
    expected = wcss(x, labels, method=method, sample_weight=w)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert result == pytest.approx(expected * scale, rel=rtol, abs=0.0)


@each_dtype
def test_pairs_with_weights_of_all_scales(dtype):
    x, w = np.array([[0.0], [1.0], [2.0]], dtype=dtype), [1.0, 1e-50, 1e-50]
    result = cluster_dispersion(x, [0, 0, 0], sample_weight=w, pairs=True)
    assert result.pair_sum[0] == pytest.approx(3e-50, rel=1e-6, abs=0.0)
    assert result.pair_sum_sq[0] == pytest.approx(5e-50, rel=1e-6, abs=0.0)


def test_pairs_say_what_overflows(rng):
    x, labels = clustered(rng)
    with pytest.raises(OverflowError, match="in float64; scale the data or sample_weight"):
        cluster_dispersion(x, labels, sample_weight=np.full(len(x), 1e200), pairs=True)

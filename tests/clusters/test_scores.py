"""Test scores of a clustering against scikit-learn and definitions, and their errors."""

from fractions import Fraction

import numpy as np
import pytest
from cases import Reports, clustered, distances, each_dtype, each_metric

from fastdiv import calinski_harabasz_score, davies_bouldin_score, dunn_index, quantize_rows, wcss


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_scores_are_those_of_scikit_learn(rng, offset):
    metrics = pytest.importorskip("sklearn.metrics")
    x, labels = clustered(rng)
    x = np.round(x * 256) / 256  # so the shift is exact
    for ours, theirs in (
        (calinski_harabasz_score, metrics.calinski_harabasz_score),
        (davies_bouldin_score, metrics.davies_bouldin_score),
    ):
        assert ours(x + offset, labels) == pytest.approx(
            theirs(x, labels), rel=1e-9 if offset else 1e-12
        )


def test_scores_of_degenerate_clusters_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    cases = [
        ([[0.0], [0.0], [1.0], [1.0]], [0, 0, 1, 1]),  # no spread
        ([[1.0], [1.0], [1.0], [1.0]], [0, 0, 1, 1]),  # constant
        ([[-1.0], [1.0], [-2.0], [2.0]], [0, 0, 1, 1]),  # equal means
        ([[-1.0], [1.0], [-2.0], [2.0], [9.0]], [0, 0, 1, 1, 2]),
    ]
    for x, labels in cases:
        x = np.array(x)
        for ours, theirs in (
            (calinski_harabasz_score, metrics.calinski_harabasz_score),
            (davies_bouldin_score, metrics.davies_bouldin_score),
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                assert ours(x, labels) == pytest.approx(theirs(x, labels), rel=1e-12, abs=1e-15)


def test_means_that_coincide_up_to_rounding():
    x, labels = [[0.1], [0.3], [0.0], [0.4], [5.0], [6.0]], [0, 0, 1, 1, 2, 2]
    with_others = [(0.1 + 0.5) / 5.3, (0.2 + 0.5) / 5.3]  # for the first two clusters
    expected = (with_others[0] + 2 * with_others[1]) / 3
    for offset in (0.0, 0.7, 1e3):
        result = davies_bouldin_score(np.array(x) + offset, labels)
        assert result == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("offset", [1e8, 1e12])
def test_davies_bouldin_keeps_its_digits_far_from_the_origin(rng, offset):
    x, labels = clustered(rng)
    x = np.round(x * 256) / 256  # so the shift is exact
    near = davies_bouldin_score(x, labels)
    assert davies_bouldin_score(x + offset, labels) == pytest.approx(near, rel=1e-13)


def test_davies_bouldin_of_clusters_whose_distance_has_no_square():
    near, far = [0.0, 2.0, 10.0, 12.0], np.array([0.0, 2e100, 1e200, 1e200])
    assert davies_bouldin_score(far, [0, 0, 1, 1]) == pytest.approx(1e-100, rel=1e-14, abs=0)
    assert davies_bouldin_score(near, [0, 0, 1, 1]) == 0.2


@pytest.mark.parametrize("scale", [1e-145, 1e-160, 1e-300])
def test_scores_refuse_squares_that_underflow(rng, scale):
    x, labels = clustered(rng)
    for score in (calinski_harabasz_score, davies_bouldin_score):
        assert score(x * 1e-130, labels) == pytest.approx(score(x, labels), rel=1e-12)
        with pytest.raises(ValueError, match=r"squares underflow in float64; scale the data$"):
            score(x * scale, labels)


def test_scores_take_weights_as_copies(rng):
    x, labels = clustered(rng, n=80)
    copies = rng.integers(0, 3, size=80)
    copies[:4] = 1
    for score in (calinski_harabasz_score, davies_bouldin_score):
        repeated = score(np.repeat(x, copies, axis=0), np.repeat(labels, copies))
        assert score(x, labels, sample_weight=copies) == pytest.approx(repeated, rel=1e-11)


@pytest.mark.parametrize("score", [calinski_harabasz_score, davies_bouldin_score])
def test_scores_need_clusters_to_compare(score):
    x = [[0.0], [1.0], [2.0]]
    for labels, options in (
        ([0, 0, 0], {}),
        ([0, 1, 2], {}),
        ([0, 0, -1], {"noise_label": -1}),
    ):
        with pytest.raises(
            ValueError, match="labels must hold from 2 to n - 1 distinct labels; got"
        ):
            score(x, labels, **options)
    with pytest.raises(ValueError, match="from 2 to n - 1"):
        score([[0.0]], [0])


def test_make_scorer_takes_them(rng):
    metrics = pytest.importorskip("sklearn.metrics")
    cluster = pytest.importorskip("sklearn.cluster")
    x, _ = clustered(rng)
    model = cluster.KMeans(4, n_init=2, random_state=0).fit(x)
    for function in (wcss, calinski_harabasz_score, davies_bouldin_score):
        scorer = metrics.make_scorer(function)
        assert scorer(model, x, x) == function(x, model.predict(x))


# --- Dunn's index ---


def dunn_by_definition(x, labels, metric):
    d = distances(x, metric)
    same = labels[:, None] == labels
    return d[~same].min() / d[same].max()


@each_metric
@each_dtype
def test_dunn_by_definition(rng, metric, dtype):
    labels = rng.integers(0, 5, 300)
    x = (rng.normal(size=(300, 4)) + 10 * labels[:, None]).astype(dtype)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    expected = dunn_by_definition(x, labels, metric)
    assert dunn_index(x, labels, metric=metric) == pytest.approx(expected, rel=rtol)
    keep = labels != 3
    got = dunn_index(x, labels, metric=metric, noise_label=3)
    assert got == pytest.approx(dunn_by_definition(x[keep], labels[keep], metric), rel=rtol)


@each_metric
def test_dunn_of_quantised_rows_is_of_what_they_stand_for(rng, metric):
    x, labels = rng.normal(size=(90, 40)), np.arange(90) % 3
    rows = quantize_rows(x)
    expected = dunn_index(rows.dequantize(np.float64), labels, metric=metric)
    assert dunn_index(rows, labels, metric=metric) == pytest.approx(expected, rel=1e-5)


def test_what_dunn_does_not_depend_on(rng):
    labels = rng.integers(0, 3, 80)
    x = rng.normal(size=(80, 2))
    expected = dunn_index(x, labels)
    order = rng.permutation(80)
    assert dunn_index(x[order], labels[order]) == expected
    assert dunn_index(-4.0 * x, labels) == expected
    assert dunn_index(x, np.array(["c", "a", "b"])[labels]) == expected
    assert dunn_index(x + 2.0**20, labels) == pytest.approx(expected, rel=1e-8)


def test_dunn_of_clusters_of_equal_rows():
    assert dunn_index([1.0, 1.0, 2.0], [0, 0, 1]) == np.inf
    assert dunn_index([1.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]) == 0.0
    with pytest.raises(ValueError, match="two clusters are at the same point"):
        dunn_index([1.0, 1.0, 1.0], [0, 0, 1])


def test_dunn_drops_rows_with_nan_where_asked(rng):
    x, labels = rng.normal(size=(40, 2)), np.arange(40) % 3
    x[4], x[7] = np.nan, np.inf
    keep = np.isfinite(x).all(axis=1)
    assert dunn_index(x, labels, nan_policy="omit") == dunn_index(x[keep], labels[keep])
    labels[~keep] = -1
    assert dunn_index(x, labels, noise_label=-1) == dunn_index(x[keep], labels[keep])
    labels[4] = 0
    with pytest.raises(ValueError, match=r"x holds .*nan_policy='omit'"):
        dunn_index(x, labels, noise_label=-1)


def test_a_dunn_index_too_large_is_an_error():
    x, labels = [0.0, 1e-150, 1e10], [0, 0, 1]
    assert dunn_index(x, labels) == pytest.approx(1e160, rel=1e-3)
    with pytest.raises(OverflowError, match="index is too large for float64"):
        dunn_index(x, labels, metric="sqeuclidean")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 0, 0], {}, "distinct labels; got 1"),
        ([0, 1], {}, "one label per row"),
        ([0, 0, 1], {"metric": "cosine"}, "metric must be one of"),
    ],
)
def test_bad_input_to_dunn_is_an_error(labels, options, message):
    with pytest.raises(ValueError, match=message):
        dunn_index([0.0, 1.0, 2.0], labels, **options)


def test_progress_of_dunn_reaches_the_end(rng):
    calls = Reports()
    dunn_index(
        rng.normal(size=90),
        np.arange(90) % 2,
        progress=calls,
    )
    assert calls[-1][0] == calls[-1][1] > 0


def test_weights_that_hardly_exceed_the_number_of_clusters(rng):
    x = rng.normal(size=(8, 3))
    labels = np.arange(8) % 4
    w = np.where(np.arange(8) < 4, 1.0, 1e-9 * rng.random(8))
    free = sum(map(Fraction, w)) - 4
    expected = calinski_harabasz_score(x, labels, sample_weight=2 * w) * float(
        free / (2 * sum(map(Fraction, w)) - 4)
    )
    score = calinski_harabasz_score(x, labels, sample_weight=w)
    np.testing.assert_allclose(score, expected, rtol=1e-13)

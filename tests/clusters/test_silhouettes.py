"""Test silhouettes."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Reports, distances, each_dtype, each_metric, peak_bytes

from fastdiv import quantize_rows, silhouette_samples, silhouette_score

RTOL = {np.float32: 2e-5, np.float64: 1e-11}


def by_definition(x, labels, metric="euclidean", weights=None):
    """Compute silhouettes row by row, from the matrix of distances."""
    labels, d = np.asarray(labels), distances(x, metric)
    w = np.ones(len(x)) if weights is None else weights
    values = []
    for i in range(len(x)):
        others = labels == labels[i]
        others[i] = False
        if not w[others].any():
            values.append(0.0)
            continue
        a = np.average(d[i, others], weights=w[others])
        others = [labels == c for c in set(labels.tolist()) if c != labels[i]]
        b = min(np.average(d[i, other], weights=w[other]) for other in others)
        values.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    return np.array(values)


def blobs(rng, n=157, d=5, k=6, dtype=np.float64):
    labels = rng.integers(0, k, n)
    labels[3] = k  # a cluster of one row
    return (rng.normal(size=(n, d)) + 2 * rng.normal(size=(k + 1, d))[labels]).astype(dtype), labels


@each_metric
@each_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_by_definition(rng, metric, dtype, weighted):
    x, labels = blobs(rng, dtype=dtype)
    w = rng.random(len(x)) if weighted else None
    expected = by_definition(x, labels, metric, w)
    got = silhouette_samples(x, labels, metric=metric, sample_weight=w)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=RTOL[dtype], atol=RTOL[dtype])
    score = silhouette_score(x, labels, metric=metric, sample_weight=w)
    assert score == pytest.approx(np.average(expected, weights=w), rel=RTOL[dtype])


@each_metric
@each_dtype
def test_equals_scikit_learn(rng, metric, dtype):
    metrics = pytest.importorskip("sklearn.metrics")
    x, labels = blobs(rng, n=400, dtype=dtype)
    expected = metrics.silhouette_samples(x.astype(np.float64), labels, metric=metric)
    got = silhouette_samples(x, labels, metric=metric)
    np.testing.assert_allclose(got, expected, rtol=RTOL[dtype], atol=RTOL[dtype])
    assert got[3] == 0.0


def test_manhattan_is_cityblock(rng):
    x, labels = blobs(rng)
    expected = silhouette_samples(x, labels, metric="cityblock")
    np.testing.assert_array_equal(silhouette_samples(x, labels, metric="manhattan"), expected)


@each_metric
def test_quantised_rows_are_what_they_stand_for(rng, metric):
    x, labels = blobs(rng, d=40)
    labels[7] = -1
    rows = quantize_rows(x)
    options = {"metric": metric, "noise_label": -1}
    expected = silhouette_samples(rows.dequantize(np.float64), labels, **options)
    np.testing.assert_allclose(silhouette_samples(rows, labels, **options), expected, atol=1e-5)


@each_metric
def test_far_from_the_origin(rng, metric):
    x, labels = blobs(rng, n=90)
    x = np.round(x, 3) + 2.0**27
    expected = by_definition(x - 2.0**27, labels, metric)
    np.testing.assert_allclose(silhouette_samples(x, labels, metric=metric), expected, atol=1e-11)


@each_metric
def test_tight_clusters_far_apart(rng, metric):
    """Use clusters whose mean inner distance is 1e-9 of the range of the data."""
    labels = np.repeat([0, 1, 2], 30)
    x = 1e-9 * rng.normal(size=(90, 3)) + rng.normal(size=(3, 3))[labels]
    expected = by_definition(x, labels, metric)
    got = silhouette_samples(x, labels, metric=metric)
    np.testing.assert_allclose(1 - got, 1 - expected, rtol=1e-6)


@each_metric
def test_what_it_does_not_depend_on(rng, metric):
    x, labels = blobs(rng)
    expected = silhouette_samples(x, labels, metric=metric)

    def same(got):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)

    same(silhouette_samples(-4.0 * x, labels, metric=metric))
    same(silhouette_samples(x[:, ::-1], labels, metric=metric))
    same(silhouette_samples(x, 100 - 3 * labels, metric=metric))
    same(silhouette_samples(x, np.array(list("gfedcba"))[labels], metric=metric))
    same(silhouette_samples(x, labels, metric=metric, sample_weight=np.full(len(x), 0.3)))
    order = rng.permutation(len(x))
    got = np.empty(len(x))
    got[order] = silhouette_samples(x[order], labels[order], metric=metric)
    same(got)


@each_metric
def test_weights_have_no_scale(rng, metric):
    x, labels = blobs(rng)
    w = rng.random(len(x))
    expected = silhouette_samples(x, labels, metric=metric, sample_weight=w)
    score = silhouette_score(x, labels, metric=metric, sample_weight=w)
    for unit in (1e9, 1e-300, 1e308):
        got = silhouette_samples(x, labels, metric=metric, sample_weight=unit * w)
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)
        again = silhouette_score(x, labels, metric=metric, sample_weight=unit * w)
        assert again == pytest.approx(score, rel=1e-11)


@each_metric
@each_dtype
def test_nor_do_those_of_one_cluster(rng, metric, dtype):
    x, labels = blobs(rng, dtype=dtype)
    w = rng.random(len(x))
    expected = silhouette_samples(x, labels, metric=metric, sample_weight=w)
    w[labels == 2] *= 1e-60
    got = silhouette_samples(x, labels, metric=metric, sample_weight=w)
    np.testing.assert_allclose(got, expected, rtol=RTOL[dtype], atol=RTOL[dtype])


@each_metric
def test_a_row_of_weight_zero_counts_as_left_out(rng, metric):
    x, labels = blobs(rng)
    w = rng.random(len(x))
    w[10:20] = 0.0
    w[3] = 1.0
    keep = w > 0
    got = silhouette_samples(x, labels, metric=metric, sample_weight=w)[keep]
    expected = silhouette_samples(x[keep], labels[keep], metric=metric, sample_weight=w[keep])
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)


def test_a_row_that_outweighs_its_cluster():
    x, labels, w = [0.0, 1.0, 3.0, 9.0], [0, 0, 0, 1], [1.0, 1e-30, 1e-30, 1.0]
    got = silhouette_samples(x, labels, sample_weight=w, metric="sqeuclidean")
    assert got[0] == pytest.approx(1 - 5.0 / 81.0)


@each_metric
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
def test_weights_of_all_scales_in_a_cluster(metric, dtype):
    x = np.array([0.0, 1.0, 2.0, 10.0, 11.0], dtype=dtype)
    result = silhouette_samples(
        x, [0, 0, 0, 1, 1], metric=metric, sample_weight=[1, 1e-50, 1e-50, 1, 1]
    )
    within, between = (2.5, 110.5) if metric == "sqeuclidean" else (1.5, 10.5)
    assert result[0] == pytest.approx(1 - within / between, rel=1e-6)


@each_metric
@pytest.mark.parametrize("scale", [1e-150, 1e-160, 1e-170, 1e-300])
def test_small_data(rng, metric, scale):
    x, labels = rng.normal(size=(60, 3)), np.arange(60) % 3
    expected = silhouette_samples(x, labels, metric=metric)
    result = silhouette_samples(x * scale, labels, metric=metric)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
    beside = np.hstack([x * scale, np.ones((60, 1))])
    result = silhouette_samples(beside, labels, metric=metric)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)


def test_the_only_row_with_weight_in_its_cluster():
    x, labels, w = [0.0, 1.0, 9.0, 9.5], [0, 0, 1, 1], [1.0, 0.0, 1.0, 1.0]
    assert silhouette_samples(x, labels, sample_weight=w)[0] == 0.0


@each_metric
def test_noise_counts_as_left_out(rng, metric):
    x, labels = blobs(rng)
    labels[[0, 5, 50]] = -1
    keep = labels >= 0
    expected = silhouette_samples(x[keep], labels[keep], metric=metric)
    got = silhouette_samples(x, labels, metric=metric, noise_label=-1)
    np.testing.assert_array_equal(got[keep], expected)
    assert np.isnan(got[~keep]).all()
    w = rng.random(len(x))
    score = silhouette_score(x, labels, metric=metric, noise_label=-1, sample_weight=w)
    kept = silhouette_score(x[keep], labels[keep], metric=metric, sample_weight=w[keep])
    assert score == kept


@each_metric
def test_rows_left_out_may_hold_nan(rng, metric):
    x, labels = blobs(rng)
    labels[[0, 5, 50]] = -1
    x[5, 1] = np.nan
    keep = labels >= 0
    options = {"metric": metric, "noise_label": -1}
    expected = silhouette_samples(x[keep], labels[keep], metric=metric)
    np.testing.assert_array_equal(silhouette_samples(x, labels, **options)[keep], expected)
    x[7, 0] = np.inf
    with pytest.raises(ValueError, match=r"x holds .* or give such rows a noise label"):
        silhouette_samples(x, labels, **options)
    with pytest.raises(ValueError, match=r"x holds .* pass nan_policy='omit'"):
        silhouette_score(x, labels, **options)
    keep[7] = False
    got = silhouette_score(x, labels, nan_policy="omit", **options)
    assert got == silhouette_score(x[keep], labels[keep], metric=metric)


@each_metric
@pytest.mark.parametrize("value", [0.0, 0.1, -1e20, 1e-300])
def test_equal_rows_are_neither_near_nor_far(metric, value):
    x = np.full((9, 2), value)
    got = silhouette_samples(x, [0, 0, 0, 1, 1, 1, 2, 2, 3], metric=metric)
    np.testing.assert_array_equal(got, np.zeros(9))


@each_metric
def test_read_only_strided_and_one_feature(rng, metric):
    x = np.repeat(rng.normal(size=40), 2)[::2]
    x.flags.writeable = False
    labels = np.arange(40) % 3
    got = silhouette_samples(x, labels, metric=metric)
    np.testing.assert_allclose(got, by_definition(x[:, None], labels, metric), atol=1e-12)


@each_metric
@each_dtype
def test_threads_do_not_change_a_bit(rng, dtype, metric):
    x, labels = blobs(rng, n=20_000 if metric == "sqeuclidean" else 1500, d=17, dtype=dtype)
    once = silhouette_samples(x, labels, metric=metric, n_threads=1)
    for threads in (2, 3):
        again = silhouette_samples(x, labels, metric=metric, n_threads=threads)
        np.testing.assert_array_equal(again, once)


@each_metric
def test_progress_reaches_the_end(rng, metric):
    x, labels = blobs(rng)
    calls = Reports()
    silhouette_samples(x, labels, metric=metric, progress=calls)
    assert calls[-1][0] == calls[-1][1] > 0


@each_metric
def test_memory_is_that_of_sums_by_label(rng, metric):
    """Make no n² array, which would take 128 MB."""
    labels = np.arange(4000) % 4
    x = rng.normal(size=(4000, 2)) + labels[:, None]
    assert peak_bytes(lambda: silhouette_samples(x, labels, metric=metric)) < 4e6


@pytest.mark.parametrize("function", [silhouette_samples, silhouette_score])
@pytest.mark.parametrize(
    ("x", "labels", "options", "error", "message"),
    [
        ([0.0, 1.0, 2.0], [0, 0, 0], {}, ValueError, "2 to n - 1 distinct labels; got 1"),
        ([0.0, 1.0, 2.0], [0, 1, 2], {}, ValueError, "distinct labels; got 3 for n = 3"),
        ([0.0], [0], {}, ValueError, "distinct labels; got 1 for n = 1"),
        ([0.0, 1.0, 2.0], [0, -1, 0], {"noise_label": -1}, ValueError, "n = 2, counting no rows"),
        ([0.0, 1.0, 2.0], [0, 0], {}, ValueError, "one label per row"),
        ([0.0, 1.0, 2.0], [0, 0, np.nan], {}, ValueError, "labels must be integers"),
        ([0.0, np.nan, 2.0], [0, 0, 1], {}, ValueError, "x holds 1 NaN"),
        ([0.0, 1.0, 2.0], [5, 5, 3], {"sample_weight": [1, 1, 0]}, ValueError, "label 3$"),
        ([0.0, 1.0, 2.0], [0, 0, 1], {"metric": "cosine"}, ValueError, "metric must be one of"),
        ([0.0, 1.0, 2.0], [0, 0, 1], {"sample_weight": [1, 1]}, ValueError, "sample_weight"),
        ([0.0, 1.0, 2.0], [0, 0, 1], {"sample_weight": [1, -1, 1]}, ValueError, "got -1.0 at row"),
        ([0.0, 1.0, 2.0], ["a", "a", "b"], {"sample_weight": [1, 1, 0]}, ValueError, "label 'b'$"),
        ([0.0, 1.0, 2.0], [0, 0, 1], {"n_threads": 0}, ValueError, "n_threads"),
        ([0.0, 1.0, 2.0], [0, 0, 1], {"progress": 3}, TypeError, "progress"),
        ([0.0, 1e308, -1e308], [0, 0, 1], {}, OverflowError, "scale the data"),
    ],
)
def test_bad_input_is_an_error(function, x, labels, options, error, message):
    with pytest.raises(error, match=message):
        function(x, labels, **options)

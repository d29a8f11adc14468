"""Dunn's index."""

from __future__ import annotations

import numpy as np
import pytest

from fastdiv import dunn_index, quantize_rows

each_metric = pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])


def by_definition(x, labels, metric):
    differences = x[:, None].astype(np.float64) - x[None].astype(np.float64)
    d = np.abs(differences).sum(-1) if metric == "cityblock" else (differences**2).sum(-1)
    d = np.sqrt(d) if metric == "euclidean" else d
    same = labels[:, None] == labels
    return d[~same].min() / d[same].max()


@each_metric
@each_dtype
def test_by_definition(rng, metric, dtype):
    labels = rng.integers(0, 5, 300)
    x = (rng.normal(size=(300, 4)) + 10 * labels[:, None]).astype(dtype)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    expected = by_definition(x, labels, metric)
    assert dunn_index(x, labels, metric=metric) == pytest.approx(expected, rel=rtol)
    keep = labels != 3
    got = dunn_index(x, labels, metric=metric, noise_label=3)
    assert got == pytest.approx(by_definition(x[keep], labels[keep], metric), rel=rtol)


@each_metric
def test_quantised_rows_are_what_they_stand_for(rng, metric):
    x, labels = rng.normal(size=(90, 40)), np.arange(90) % 3
    rows = quantize_rows(x)
    expected = dunn_index(rows.dequantize(np.float64), labels, metric=metric)
    assert dunn_index(rows, labels, metric=metric) == pytest.approx(expected, rel=1e-5)


def test_what_it_does_not_depend_on(rng):
    labels = rng.integers(0, 3, 80)
    x = rng.normal(size=(80, 2))
    expected = dunn_index(x, labels)
    order = rng.permutation(80)
    assert dunn_index(x[order], labels[order]) == expected
    assert dunn_index(-4.0 * x, labels) == expected
    assert dunn_index(x, np.array(["c", "a", "b"])[labels]) == expected
    assert dunn_index(x + 2.0**20, labels) == pytest.approx(expected, rel=1e-8)


def test_clusters_of_equal_rows():
    assert dunn_index([1.0, 1.0, 2.0], [0, 0, 1]) == np.inf
    assert dunn_index([1.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]) == 0.0
    with pytest.raises(ValueError, match="two clusters are at the same point"):
        dunn_index([1.0, 1.0, 1.0], [0, 0, 1])


def test_rows_with_nan_are_dropped_where_asked(rng):
    x, labels = rng.normal(size=(40, 2)), np.arange(40) % 3
    x[4], x[7] = np.nan, np.inf
    keep = np.isfinite(x).all(axis=1)
    assert dunn_index(x, labels, nan_policy="omit") == dunn_index(x[keep], labels[keep])
    labels[~keep] = -1
    assert dunn_index(x, labels, noise_label=-1) == dunn_index(x[keep], labels[keep])
    labels[4] = 0
    with pytest.raises(ValueError, match=r"x holds .*nan_policy='omit'"):
        dunn_index(x, labels, noise_label=-1)


def test_an_index_too_large_is_an_error():
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
def test_bad_input_is_an_error(labels, options, message):
    with pytest.raises(ValueError, match=message):
        dunn_index([0.0, 1.0, 2.0], labels, **options)


def test_progress_reaches_the_end(rng):
    calls = []
    dunn_index(
        rng.normal(size=90),
        np.arange(90) % 2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1][0] == calls[-1][1] > 0

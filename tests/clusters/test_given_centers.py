"""Test the dispersion about centres that the caller gives, and how these are matched."""

import numpy as np
import pytest
from cases import clustered

from fastdiv import cluster_dispersion

X4 = [[0.0], [1.0], [2.0], [3.0]]


def test_given_centers_and_empty_clusters(rng):
    x, labels = clustered(rng)
    at = rng.normal(size=(6, 5))
    result = cluster_dispersion(x, labels, centers=at, pairs=True)
    assert result.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert result.sizes.tolist() == [*np.bincount(labels), 0, 0]
    expected = [((x[labels == c] - at[c]) ** 2).sum() for c in range(6)]
    np.testing.assert_allclose(result.wcss, expected, rtol=1e-12)
    for name in ("weights", "wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum"):
        assert getattr(result, name)[4:].tolist() == [0.0, 0.0]
    about_means = cluster_dispersion(x, labels)
    assert result.bcss == pytest.approx(about_means.bcss, rel=1e-12)
    assert result.total_ss == pytest.approx(about_means.total_ss, rel=1e-12)
    # about any centre: WCSS + n |mean - centre|^2
    moved = about_means.wcss + about_means.sizes * ((about_means.centers - at[:4]) ** 2).sum(axis=1)
    np.testing.assert_allclose(result.wcss[:4], moved, rtol=1e-12)


def test_given_centers_follow_the_order_of_the_labels(rng):
    x, labels = clustered(rng)
    words = np.array(["delta", "alpha", "echo", "bravo"])[labels]
    at = rng.normal(size=(4, 5))
    result = cluster_dispersion(x, words, centers=at.astype(np.float32))
    expected = ((x[words == "alpha"] - at[0].astype(np.float32)) ** 2).sum()
    assert result.wcss[0] == pytest.approx(expected, rel=1e-12)


def test_centers_for_labels_that_are_no_rows_of_them():
    at = [[0.0], [1.0], [2.0]]
    with pytest.raises(ValueError, match="got 3 rows for 2 labels"):
        cluster_dispersion(X4, ["a", "a", "b", "b"], centers=at)
    for labels, wrong in (([0, 0, 7, 7], "7"), ([-1, -1, 0, 0], "-1"), ([0, 1, -1, 1], "-1")):
        with pytest.raises(ValueError, match=f"rows of centers, 0 to 2; got {wrong}: pass"):
            cluster_dispersion(X4, labels, centers=at)
    # with as many centres as labels, too: -1 is not row 0
    with pytest.raises(ValueError, match="rows of centers, 0 to 2; got -1"):
        cluster_dispersion(X4, [-1, 0, 1, 1], centers=at)
    result = cluster_dispersion(X4, [-1, 0, 1, 1], centers=at, noise_label=-1)
    assert (result.sizes.tolist(), result.wcss.tolist()) == ([1, 2, 0], [1.0, 1.0 + 4.0, 0.0])


@pytest.mark.parametrize("dtype", [float, np.uint8, object])
def test_integers_of_any_type_name_rows_of_the_centers(rng, dtype):
    x, labels = clustered(rng)
    labels = np.array([5, 0, 3, 2])[labels]
    at = rng.normal(size=(7, 5))
    result = cluster_dispersion(x, labels.astype(dtype), centers=at)
    assert result.labels.tolist() == list(range(7))
    assert result.sizes.tolist() == np.bincount(labels, minlength=7).tolist()
    expected = [((x[labels == c] - at[c]) ** 2).sum() for c in range(7)]
    np.testing.assert_allclose(result.wcss, expected, rtol=1e-12)


def first_seen(pd, names):
    """Return rows whose labels do not come in ascending order, and the labels."""
    frame = pd.DataFrame(np.random.default_rng(3).normal(size=(9, 2)), columns=["a", "b"])
    return frame, pd.Series(np.array(names)[[1, 0, 1, 0, 0, 1, 1, 0, 1]], frame.index)


TIMES = np.array(["2020-01-01", "2021-01-01"], "M8[s]")


@pytest.mark.parametrize("names", [["p", "q"], [0, 1], [3, 7], [-2.0, 5.0], [False, True], TIMES])
def test_centers_with_an_index_belong_to_its_labels(names):
    pd = pytest.importorskip("pandas")
    frame, labels = first_seen(pd, names)
    expected = cluster_dispersion(frame, labels)
    centers = frame.groupby(labels, sort=False).mean()
    assert list(centers.index) != sorted(centers.index)
    result = cluster_dispersion(frame, labels, centers=centers)
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_allclose(result.wcss, expected.wcss, rtol=1e-12)
    np.testing.assert_allclose(result.centers, expected.centers, rtol=1e-12)
    one = cluster_dispersion(frame["a"], labels, centers=centers["a"])
    np.testing.assert_allclose(one.wcss, cluster_dispersion(frame["a"], labels).wcss, rtol=1e-12)


def test_centers_with_the_index_of_categories():
    pd = pytest.importorskip("pandas")
    frame, labels = first_seen(pd, ["lo", "hi"])
    levels = labels.astype(pd.CategoricalDtype(["lo", "mid", "hi"]))
    centers = frame.groupby(levels, observed=True).mean().iloc[::-1]
    result = cluster_dispersion(frame, levels, centers=centers)
    np.testing.assert_allclose(result.wcss, cluster_dispersion(frame, levels).wcss, rtol=1e-12)


def test_centers_with_an_index_of_integers_may_have_no_rows():
    pd = pytest.importorskip("pandas")
    frame, labels = first_seen(pd, [0, 2])
    at = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    expected = cluster_dispersion(frame, labels, centers=at.to_numpy())
    assert cluster_dispersion(frame, labels, centers=at.iloc[[2, 0, 1]]) == expected
    assert expected.sizes.tolist()[1] == 0


def test_centers_with_the_index_that_pandas_makes_go_by_order():
    pd = pytest.importorskip("pandas")
    frame, labels = first_seen(pd, ["p", "q"])
    at = pd.DataFrame({"a": [1.0, 2.0], "b": [4.0, 5.0]})
    expected = cluster_dispersion(frame, labels, centers=at.to_numpy())
    assert cluster_dispersion(frame, labels, centers=at) == expected


@pytest.mark.parametrize(
    ("names", "index", "message"),
    [
        (["p", "q"], ["p", "r"], "only in labels: 'q'; only in centers: 'r'; repeated in centers"),
        (["p", "q"], ["p", "p"], "only in labels: 'q'; .*repeated in centers: 'p'"),
        (["p", "q"], ["p", "q", "r"], "only in labels: none; only in centers: 'r'"),
        (["p", "q"], [1, 0], "only in labels: 'p', 'q'; only in centers: 1, 0"),
        ([3, 7], [1, 0], "only in labels: 3, 7; only in centers: 1, 0"),
        ([3, 7], [7, 4], "only in labels: 3; only in centers: 4"),
    ],
)
def test_centers_with_other_keys_are_refused(names, index, message):
    pd = pytest.importorskip("pandas")
    frame, labels = first_seen(pd, names)
    centers = pd.DataFrame({"a": 1.0, "b": 2.0}, index)
    with pytest.raises(ValueError, match=rf"^centers must have each label once.*{message}"):
        cluster_dispersion(frame, labels, centers=centers)

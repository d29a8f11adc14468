"""Centres given to `cluster_dispersion`: which row of them belongs to which label."""

import numpy as np
import pytest

from fastdiv import cluster_dispersion

X4 = [[0.0], [1.0], [2.0], [3.0]]


def clustered(rng, n=300, d=5, k=4):
    labels = np.append(np.arange(k), rng.integers(k, size=n - k))
    return rng.normal(size=(n, d)) + 4.0 * rng.normal(size=(k, d))[labels], labels


def test_given_centers_and_empty_clusters(rng):
    x, labels = clustered(rng)
    at = rng.normal(size=(6, 5))
    found = cluster_dispersion(x, labels, centers=at, pairs=True)
    assert found.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.sizes.tolist() == [*np.bincount(labels), 0, 0]
    expected = [((x[labels == c] - at[c]) ** 2).sum() for c in range(6)]
    np.testing.assert_allclose(found.wcss, expected, rtol=1e-12)
    for name in ("weights", "wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum"):
        assert getattr(found, name)[4:].tolist() == [0.0, 0.0]
    about_means = cluster_dispersion(x, labels)
    assert found.bcss == pytest.approx(about_means.bcss, rel=1e-12)
    assert found.total_ss == pytest.approx(about_means.total_ss, rel=1e-12)
    # about any centre: WCSS + n |mean - centre|^2
    moved = about_means.wcss + about_means.sizes * ((about_means.centers - at[:4]) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.wcss[:4], moved, rtol=1e-12)


def test_given_centers_follow_the_order_of_the_labels(rng):
    x, labels = clustered(rng)
    words = np.array(["delta", "alpha", "echo", "bravo"])[labels]
    at = rng.normal(size=(4, 5))
    found = cluster_dispersion(x, words, centers=at.astype(np.float32))
    expected = ((x[words == "alpha"] - at[0].astype(np.float32)) ** 2).sum()
    assert found.wcss[0] == pytest.approx(expected, rel=1e-12)


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
    found = cluster_dispersion(X4, [-1, 0, 1, 1], centers=at, noise_label=-1)
    assert (found.sizes.tolist(), found.wcss.tolist()) == ([1, 2, 0], [1.0, 1.0 + 4.0, 0.0])


@pytest.mark.parametrize("dtype", [float, np.uint8, object])
def test_integers_of_any_type_name_rows_of_the_centers(rng, dtype):
    x, labels = clustered(rng)
    labels = np.array([5, 0, 3, 2])[labels]
    at = rng.normal(size=(7, 5))
    found = cluster_dispersion(x, labels.astype(dtype), centers=at)
    assert found.labels.tolist() == list(range(7))
    assert found.sizes.tolist() == np.bincount(labels, minlength=7).tolist()
    expected = [((x[labels == c] - at[c]) ** 2).sum() for c in range(7)]
    np.testing.assert_allclose(found.wcss, expected, rtol=1e-12)

"""Test the formula, choices, errors and picture of the gap statistic."""

import numpy as np
import pytest
from cases import Reports

from fastdiv import gap_statistic, wcss


def bins(x, k):
    """Cut the first feature into k bins of equally many rows."""
    order = np.argsort(x[:, 0], kind="stable")
    labels = np.empty(len(x), dtype=int)
    labels[order] = np.arange(len(x)) * k // len(x)
    return labels


def blobs(rng, k, n=60):
    x = rng.normal(size=(k * n, 2)) * 0.3
    x[:, 0] += np.repeat(5.0 * np.arange(k), n)
    return x


@pytest.mark.parametrize("reference", ["uniform", "pca"])
def test_every_field_by_its_formula(rng, reference):
    x, seen = blobs(rng, 3), []

    def labels_of(rows, k):
        assert not rows.flags.writeable
        seen.append(rows)
        return bins(rows, k)

    result = gap_statistic(x, labels_of, range(2, 6), n_references=4, reference=reference, rng=1)
    w = np.array([wcss(rows, bins(rows, 2 + i % 4)) for i, rows in enumerate(seen)]).reshape(5, 4)
    np.testing.assert_allclose(result.w_k, w[0])
    np.testing.assert_allclose(result.reference_w_k, w[1:])
    logs = np.log(w)
    np.testing.assert_allclose(result.gap, logs[1:].mean(axis=0) - logs[0])
    sd = np.sqrt(((logs[1:] - logs[1:].mean(axis=0)) ** 2).mean(axis=0))
    np.testing.assert_allclose(result.s_k, sd * np.sqrt(1 + 1 / 4))
    enough = [i for i in range(3) if result.gap[i] >= result.gap[i + 1] - result.s_k[i + 1]]
    assert result.k == [*result.k_values[enough].tolist(), 5][0] == 3
    for i in range(1, 5):
        rows = seen[4 * i]
        assert (rows.shape, rows.dtype) == (x.shape, x.dtype)
        if reference == "uniform":
            assert (rows >= x.min(axis=0)).all()
            assert (rows <= x.max(axis=0)).all()


def test_pca_box_follows_the_data(rng):
    """Use a thin diagonal cloud, whose box is wide along the features and thin along its axes."""
    t = rng.normal(size=400)
    x = np.stack([t, t + 0.01 * rng.normal(size=400)], axis=1) + 100.0
    seen = {"uniform": [], "pca": []}
    for reference, drawn in seen.items():
        gap_statistic(
            x,
            lambda rows, k, drawn=drawn: drawn.append(rows) or bins(rows, k),
            [1],
            n_references=2,
            reference=reference,
            rng=0,
        )
    across = {name: (rows[1] @ [1.0, -1.0]).std() for name, rows in seen.items()}
    assert across["pca"] < 0.03 < across["uniform"]
    centre, axes = x.mean(axis=0), np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2]
    scores, drawn = (x - centre) @ axes.T, (seen["pca"][2] - centre) @ axes.T
    assert (drawn >= scores.min(axis=0) - 1e-9).all()
    assert (drawn <= scores.max(axis=0) + 1e-9).all()


@pytest.mark.slow
def test_it_finds_the_clusters(rng):
    cluster = pytest.importorskip("sklearn.cluster")

    def labels_of(x, k):
        return cluster.KMeans(k, n_init=3, random_state=0).fit_predict(x)

    x = rng.normal(size=(120, 2)) + 8.0 * np.repeat([[0, 0], [1, 0], [0, 1], [1, 1]], 30, axis=0)
    assert gap_statistic(x, labels_of, range(1, 7), rng=0).k == 4
    assert gap_statistic(rng.random((150, 2)), labels_of, range(1, 5), rng=0).k == 1


def test_the_last_one_if_no_other_will_do(rng):
    result = gap_statistic(blobs(rng, 5), bins, [3, 5], n_references=3, rng=0)
    assert result.gap[0] < result.gap[1] - result.s_k[1]
    assert result.k == 5


def test_same_seed_same_bits(rng):
    x = blobs(rng, 2).astype(np.float32)
    one = gap_statistic(x, bins, [1, 2, 3], rng=5, n_threads=1)
    two = gap_statistic(x, bins, [1, 2, 3], rng=np.random.default_rng(5), n_threads=3)
    other = gap_statistic(x, bins, [1, 2, 3], rng=6)
    assert one.reference_w_k.tobytes() == two.reference_w_k.tobytes()
    assert (one.reference_w_k != other.reference_w_k).all()
    assert not any(a.flags.writeable for a in (one.gap, one.s_k, one.w_k, one.reference_w_k))


def test_progress_counts_calls(rng):
    calls = Reports()
    gap_statistic(
        blobs(rng, 2),
        bins,
        [1, 2],
        n_references=3,
        progress=calls,
    )
    assert calls == [(i, 8) for i in range(1, 9)]


def test_rows_with_nan_are_dropped_where_asked(rng):
    x = blobs(rng, 2)
    x[3] = np.nan
    with pytest.raises(ValueError, match="x holds 2 NaN"):
        gap_statistic(x, bins, [1, 2])
    result = gap_statistic(x, bins, [1, 2], nan_policy="omit", rng=0)
    assert result.w_k[0] == pytest.approx(wcss(np.delete(x, 3, axis=0), np.zeros(len(x) - 1)))


@pytest.mark.parametrize(
    ("labels_of", "error", "message"),
    [
        (lambda x, k: np.zeros(len(x)), ValueError, "got 1 for k = 2 on the data"),
        (lambda x, k: np.arange(len(x)), ValueError, "got 6 for k = 2 on the data"),
        (lambda x, k: np.zeros(3), ValueError, "labels_of for k = 2 on the data: labels must have"),
        (lambda x, k: None, TypeError, "labels_of for k = 2 on the data: labels must be an array"),
        (
            lambda x, k: (x[:, 0] > 2.5) if (x == np.round(x)).all() else np.zeros(len(x)),
            ValueError,
            "got 1 for k = 2 on reference set 0",
        ),
        ("kmeans", TypeError, "labels_of must be a function of"),
    ],
)
def test_bad_clusterers(labels_of, error, message):
    with pytest.raises(error, match=message):
        gap_statistic(np.arange(6.0), labels_of, [2], rng=0)


class OwnError(ValueError):
    """Error of a clusterer that is not made from a message."""

    def __init__(self, code, detail):
        super().__init__(f"{detail} ({code})")
        self.code = code


@pytest.mark.parametrize("error", [OwnError(3, "no room"), ValueError("n_clusters"), KeyError(1)])
def test_errors_of_the_clusterer_pass_as_they_are(error):
    def labels_of(x, k):
        raise error

    with pytest.raises(type(error)) as caught:
        gap_statistic(np.arange(6.0), labels_of, [2])
    assert caught.value is error


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k_range": []}, ValueError, "k_range must hold integers in ascending order"),
        ({"k_range": [2, 1]}, ValueError, "k_range must hold integers in ascending order"),
        ({"k_range": [2, 2]}, ValueError, "k_range must hold integers in ascending order"),
        ({"k_range": 3}, TypeError, "k_range must be an iterable of integers; got 3"),
        ({"k_range": [0, 1]}, ValueError, "each of k_range must be an integer from 1 to 6; got 0"),
        ({"k_range": [7]}, ValueError, "each of k_range must be an integer from 1 to 6; got 7"),
        ({"k_range": [1.5]}, TypeError, "each of k_range must be an integer"),
        ({"k_range": [6]}, ValueError, r"log\(W_k\) is undefined: W_k is 0 for k = 6 on the data"),
        ({"n_references": 0}, ValueError, "n_references must be an integer from 1"),
        ({"reference": "box"}, ValueError, "reference must be one of 'uniform', 'pca'"),
        ({"rng": -1}, ValueError, "rng must be"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        gap_statistic(np.arange(6.0), bins, **{"k_range": [1, 2], **options})
    with pytest.raises(ValueError, match=r"log\(W_k\) is undefined"):
        gap_statistic(np.ones(6), bins, [1])


def test_picture(rng, tmp_path):
    pytest.importorskip("matplotlib")
    from fastdiv import plots

    result = gap_statistic(blobs(rng, 3), bins, range(2, 6), rng=0)
    figure = plots.gap(result)
    elbow, curve = figure.axes
    np.testing.assert_allclose(elbow.lines[0].get_ydata(), result.w_k)
    np.testing.assert_allclose(curve.lines[0].get_ydata(), result.gap)
    assert curve.get_title(loc="left") == "Gap statistic: 3 clusters (10 uniform references)"
    bars = curve.collections[0].get_segments()
    np.testing.assert_allclose([bar[1][1] - bar[0][1] for bar in bars], 2 * result.s_k)
    for axes in (elbow, curve):
        assert axes.lines[-1].get_xdata()[0] == 3
    plots.save(figure, str(tmp_path / "gap.png"))
    assert (tmp_path / "gap.png").read_bytes().startswith(b"\x89PNG")

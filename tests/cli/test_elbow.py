"""The option ``--elbow`` of `fastdiv wcss`."""

import json

import numpy as np
import pytest
from table_files import CLUSTERED as X
from table_files import LABELS, refusal

import fastdiv
from fastdiv.reports import clusters


@pytest.fixture
def refused(wcss, tmp_path):
    """Run a command that must fail with one clear line and leave no file; return the line."""
    return refusal(wcss, tmp_path)


@pytest.fixture
def labellings(tmp_path):
    """Rows with labels in 1, 2, 3 and 6 clusters; k3 has noise."""
    path = tmp_path / "labellings.npz"
    k3 = np.where(np.arange(60) == 7, -1, LABELS)
    ks = {"k1": LABELS * 0, "k2": LABELS > 0, "k3": k3, "k6": np.arange(60) % 6}
    np.savez(path, x=X, **ks)
    return path, {name: np.delete(labels, 7) for name, labels in ks.items()}


@pytest.mark.slow
def test_elbow(wcss, labellings, tmp_path):
    pytest.importorskip("matplotlib")
    from fastdiv import plots

    path, ks = labellings
    options = ("--labels=k3", "--noise=-1", "--elbow=k6,k2,k1", f"--plot={tmp_path / 'p.png'}")
    status, out, _ = wcss(path, *options, "--json=-")
    assert status == 0
    read = json.loads(out)
    rows = np.delete(X, 7, axis=0)
    assert [(point["column"], point["n_clusters"]) for point in read["elbow"]] == [
        ("k1", 1),
        ("k2", 2),
        ("k3", 3),
        ("k6", 6),
    ]
    expected = [fastdiv.wcss(rows, ks[name]) for name in ("k1", "k2", "k3", "k6")]
    totals = [point["total_wcss"] for point in read["elbow"]]
    np.testing.assert_allclose(totals, expected, rtol=1e-12)
    assert read["total_wcss"] == read["elbow"][2]["total_wcss"]
    assert read["left_out"] == {}  # labels are no features, and not left out either
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")

    dispersion = fastdiv.cluster_dispersion(rows, ks["k3"])
    points = tuple(clusters.ElbowPoint(**point) for point in read["elbow"])
    report = clusters.ClusterReport(
        "d", "k3", 2, dispersion, "mean", None, np.delete(LABELS, 7), elbow=points
    )
    left, right = plots.clusters(report).axes
    curve, mark = left.lines
    np.testing.assert_array_equal(curve.get_xdata(), [1, 2, 3, 6])
    np.testing.assert_allclose(curve.get_ydata(), expected)
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([3], [dispersion.total_wcss])
    assert [text.get_text() for text in left.texts] == ["k1", "k2", "k3", "k6"]
    assert not left.patches
    assert len(right.patches) == 3


def test_elbow_is_of_the_same_centers(wcss, labellings):
    path, _ = labellings
    options = ("--labels=k2", "--elbow=k6", "--centers=geometric_median", "--columns=x.0")
    _, out, _ = wcss(path, *options, "--json=-")
    labels = np.arange(60) % 6
    expected = fastdiv.cluster_dispersion(X[:, 0], labels, centers="geometric_median").total_wcss
    assert json.loads(out)["elbow"][1]["total_wcss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--elbow=k2",), "--elbow needs --plot or --json"),
        (("--elbow=k9", "--json=-"), "--elbow: "),
        (("--elbow=k9", "--json=-"), "has no column 'k9'; its columns are: x.0, x.1, k1"),
        (("--elbow=k2,k3", "--json=-"), "--elbow: k3 is the column of --labels"),
        (("--elbow=k2,k2", "--json=-"), "argument --elbow: 'k2,k2' has duplicate column names: k2"),
        (("--elbow=k2,", "--json=-"), "argument --elbow: 'k2,' holds an empty name"),
        (("--elbow=k2", "--columns=k2", "--json=-"), "--columns: k2 holds labels"),
        (("--elbow=x.0", "--json=-"), "--elbow: x.0 must be integers or text"),
        (("--elbow=k1", "--noise=0", "--json=-"), "--elbow: k1 has the noise label '0' in rows"),
    ],
)
def test_bad_elbows(refused, labellings, options, message):
    assert message in refused(labellings[0], "--labels=k3", *options)

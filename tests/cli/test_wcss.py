"""`fastdiv wcss`, from a file to text, JSON, picture and exit status."""

import json
from pathlib import Path

import numpy as np
import pytest
from table_files import CLUSTERED as X
from table_files import LABELS, refusal

import fastdiv
from fastdiv.cli import main
from fastdiv.reports import clusters

WORDS = np.array(["ash", "elm", "oak"])[LABELS]


@pytest.fixture
def table(tmp_path):
    """A .npz file of a matrix and columns of labels."""
    path = tmp_path / "table.npz"
    np.savez(path, x=X, cluster=LABELS, tree=WORDS, noisy=LABELS - 1, grid=np.stack([WORDS] * 2, 1))
    return path


@pytest.fixture
def refused(wcss, tmp_path):
    """Run a command that must fail with one clear line and leave no file; return the line."""
    return refusal(wcss, tmp_path)


def test_table(wcss, table):
    status, out, err = wcss(table, "--labels=tree", "--columns=x.0,x.1")
    assert (status, err) == (0, "")
    assert f"data       {table}: 60 rows" in out
    assert "labels     tree: 3 clusters" in out
    dispersion = fastdiv.cluster_dispersion(X, WORDS, pairs=True)
    cells = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    measures = ("wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum")
    for c, word in enumerate(("ash", "elm", "oak")):
        numbers = [getattr(dispersion, name)[c] for name in measures]
        assert cells[word][:6] == ["20", *(f"{number:.6g}" for number in numbers)]
    totals = dispersion.total_wcss, dispersion.total_mse, dispersion.total_sum_dist
    assert cells["total"][:4] == ["60", *(f"{value:.6g}" for value in totals)]
    assert f"between clusters {dispersion.bcss:.6g}" in out


def test_json(wcss, table, tmp_path):
    status, out, err = wcss(table, "--labels=cluster", "--columns=x.0,x.1", "--json=-")
    assert status == 0
    assert "total" in err
    dispersion = fastdiv.cluster_dispersion(X, LABELS, pairs=True)
    read = json.loads(out)
    for name in ("sizes", "wcss", "mse", "sum_dist", "pair_sum_sq", "pair_sum", "centers"):
        np.testing.assert_allclose(read[name], getattr(dispersion, name), rtol=1e-12)
    for name in ("total_wcss", "total_mse", "total_sum_dist", "bcss", "total_ss"):
        assert read[name] == pytest.approx(getattr(dispersion, name), rel=1e-12)
    assert read["labels"] == [0, 1, 2]
    assert read["left_out"] == {}
    wcss(table, "--labels=cluster", "--columns=x.0,x.1", f"--json={tmp_path / 'r.json'}")
    assert json.loads((tmp_path / "r.json").read_text()) == read


def test_the_labels_are_not_measured(wcss, table):
    _, out, _ = wcss(table, "--labels=cluster", "--json=-")
    with_noisy = fastdiv.cluster_dispersion(np.column_stack([X, LABELS - 1]), LABELS)
    assert json.loads(out)["total_wcss"] == pytest.approx(with_noisy.total_wcss)
    assert json.loads(out)["left_out"] == {"tree": "<U3", "grid": "<U3"}


def test_noise_centers_metric_and_pairs(wcss, table):
    options = ("--columns=x.0,x.1", "--centers=geometric_median", "--metric=manhattan")
    _, out, err = wcss(table, "--labels=noisy", "--noise=-1", *options, "--no-pairs", "--json=-")
    read = json.loads(out)
    dispersion = fastdiv.cluster_dispersion(
        X, LABELS - 1, noise_label=-1, centers="geometric_median", metric="manhattan"
    )
    np.testing.assert_allclose(read["sum_dist"], dispersion.sum_dist, rtol=1e-12)
    assert (read["pair_sum"], read["silhouettes"], read["noise"]) == (None, None, 20)
    assert "60 rows" in err
    assert "noisy: 2 clusters, 20 rows of noise left out" in err
    assert "geometric medians; distances cityblock" in err
    assert wcss(table, "--labels=tree", "--noise=elm")[0] == 0


def test_standardize(wcss, table):
    _, out, _ = wcss(table, "--labels=tree", "--columns=x.0,x.1", "--standardize", "--json=-")
    scaled = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    assert json.loads(out)["total_ss"] == pytest.approx(2 * 59, rel=1e-12)
    assert json.loads(out)["total_wcss"] == pytest.approx(fastdiv.wcss(scaled, WORDS), rel=1e-12)


def test_standardize_does_not_look_at_noise(wcss, table):
    options = ("--labels=noisy", "--noise=-1", "--columns=x.0,x.1", "--standardize", "--json=-")
    _, out, _ = wcss(table, *options)
    x = X[LABELS > 0]
    scaled = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    read = json.loads(out)
    assert read["total_ss"] == pytest.approx(2 * 39, rel=1e-12)
    expected = fastdiv.wcss(scaled, LABELS[LABELS > 0])
    assert read["total_wcss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([1, 1, 2]), [1, 2]),
        (np.array([1.0, 1.0, 2.0]), [1.0, 2.0]),
        (np.array([True, True, False]), [False, True]),
        (
            np.array(["2020-01-02", "2020-01-02", "2020-01-01"], "M8[D]"),
            ["2020-01-01", "2020-01-02"],
        ),
    ],
    ids=["int", "float", "bool", "date"],
)
def test_json_keeps_the_type_of_labels(wcss, tmp_path, labels, expected):
    np.savez(tmp_path / "t.npz", x=[1.0, 2.0, 3.0], c=labels)
    read = json.loads(wcss(tmp_path / "t.npz", "--labels=c", "--columns=x", "--json=-")[1])
    assert read["labels"] == expected
    assert list(map(type, read["labels"])) == list(map(type, expected))


def test_one_is_singular(wcss, tmp_path):
    np.savez(tmp_path / "t.npz", x=[1.0, 2.0], c=[0, -1])
    _, out, _ = wcss(tmp_path / "t.npz", "--labels=c", "--noise=-1")
    assert "c: 1 cluster, 1 row of noise left out" in out
    np.savez(tmp_path / "t.npz", x=[1.0], c=[0])
    assert "npz: 1 row\n" in wcss(tmp_path / "t.npz", "--labels=c")[1]


def test_missing_values(wcss, refused, tmp_path):
    x = X.copy()
    x[4, 1] = np.nan
    path = tmp_path / "x.npz"
    np.savez(path, x=x, c=LABELS)
    assert "missing values in 1 of 60 rows (x.1 1); use --nan-policy omit" in refused(
        path, "--labels=c"
    )
    _, out, _ = wcss(path, "--labels=c", "--nan-policy=omit")
    assert "59 rows (1 with missing values dropped)" in out
    np.savez(path, x=np.full((3, 1), np.nan), c=[0, 1, 1])
    assert "every row has a missing value" in refused(path, "--labels=c", "--nan-policy=omit")


def test_every_format(wcss, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv, parquet

    columns = pa.table(
        {
            "u": X[:, 0],
            "v": X[:, 1],
            "c": LABELS,
            "word": WORDS,
            "kind": pa.array(WORDS).dictionary_encode(),
            "yes": LABELS == 1,
        }
    )
    parquet.write_table(columns, tmp_path / "t.parquet")
    csv.write_csv(columns.drop(["kind"]), tmp_path / "t.csv")
    np.save(tmp_path / "t.npy", np.column_stack([X, LABELS]))
    expected = fastdiv.wcss(X, LABELS)
    for name, column in (
        *(("t.parquet", c) for c in ("c", "word", "kind")),
        *(("t.csv", c) for c in ("c", "word")),
        ("t.npy", "2"),
    ):
        measured = "0,1" if name == "t.npy" else "u,v"
        _, out, _ = wcss(tmp_path / name, f"--labels={column}", f"--columns={measured}", "--json=-")
        assert json.loads(out)["total_wcss"] == pytest.approx(expected, rel=1e-12)
    _, out, _ = wcss(tmp_path / "t.csv", "--labels=yes")
    assert "word: text" in out
    assert "yes: 2 clusters" in out


@pytest.mark.parametrize("column", ["text", "number", "time", "kind"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_that_are_missing(wcss, refused, tmp_path, suffix, column):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv, parquet

    columns = {
        "text": pa.array(["a", "b", None, "a", "b", "a"]),
        "number": pa.array([1, 2, None, 1, 2, 1]),
        "time": pa.array([18262, 18263, None, 18262, 18263, 18262], pa.date32()),
    }
    columns["kind"] = (
        columns["text"].dictionary_encode() if suffix == "parquet" else columns["text"]
    )
    u = np.array([1.0, 2.0, 3.0, 5.0, 8.0, np.nan])
    content = pa.table({"u": u, "c": columns[column]})
    path = tmp_path / f"t.{suffix}"
    write = csv.write_csv if suffix == "csv" else parquet.write_table
    write(content.slice(0, 5), path)
    assert "has missing labels in 1 of 5 rows (c); use --nan-policy omit" in refused(
        path, "--labels=c", "--columns=u"
    )
    write(content, path)
    options = ("--labels=c", "--columns=u", "--nan-policy=omit", "--json=-")
    _, out, err = wcss(path, *options)
    read = json.loads(out)
    assert (read["omitted"], read["sizes"]) == (2, [2, 2])
    assert read["total_wcss"] == fastdiv.wcss([1.0, 5.0, 2.0, 8.0], [0, 0, 1, 1])
    assert "4 rows (2 with missing values dropped)" in err
    write(content.slice(2, 1), path)
    assert "every row has a missing value or label" in refused(path, *options)


def test_what_is_missing_in_text_is_what_is_missing_in_numbers(wcss, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.csv"
    path.write_text("u,c\n1,a\n2,NA\n3,\n4,nan\n5,b\n7,a\n")
    _, out, _ = wcss(path, "--labels=c", "--nan-policy=omit", "--json=-")
    read = json.loads(out)
    assert (read["labels"], read["sizes"], read["omitted"]) == (["a", "b"], [2, 1], 3)


def test_the_penguins(wcss):
    pytest.importorskip("pyarrow")
    path = Path(__file__).parents[2] / "examples/penguins/adelie-2007.csv"
    _, out, _ = wcss(path, "--labels=sex", "--nan-policy=omit", "--json=-")
    read = json.loads(out)
    assert (read["labels"], read["omitted"]) == (["female", "male"], 6)


def test_missing_labels_of_the_elbow(wcss, refused, tmp_path):
    path = tmp_path / "t.npz"
    k2 = np.where(np.arange(60) == 5, np.nan, LABELS > 0)
    np.savez(path, x=X, k3=LABELS, k2=k2)
    options = ("--labels=k3", "--elbow=k2", "--json=-")
    assert "missing labels in 1 of 60 rows (k2)" in refused(path, *options)
    read = json.loads(wcss(path, *options, "--nan-policy=omit")[1])
    assert (sum(read["sizes"]), read["omitted"]) == (59, 1)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "manhattan"])
def test_silhouettes_are_those_of_scikit_learn(wcss, table, metric):
    metrics = pytest.importorskip("sklearn.metrics")
    options = ("--columns=x.0,x.1", "--labels=noisy", "--noise=-1", f"--metric={metric}")
    _, out, err = wcss(table, *options, "--json=-")
    kept = LABELS > 0
    silhouettes = metrics.silhouette_samples(X[kept], LABELS[kept], metric=metric)
    read = json.loads(out)
    assert read["silhouette_score"] == pytest.approx(silhouettes.mean(), rel=1e-12)
    by_cluster = [silhouettes[LABELS[kept] == c].mean() for c in (1, 2)]
    np.testing.assert_allclose(read["silhouettes"], by_cluster, rtol=1e-12)
    assert "silhouette" in err


def test_silhouettes_where_they_are_not_defined(wcss, tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x=X[:5], one=np.zeros(5, dtype=int), all=np.arange(5))
    for labels in ("one", "all"):
        _, out, _ = wcss(path, f"--labels={labels}", "--columns=x.0,x.1", "--json=-")
        read = json.loads(out)
        assert (read["silhouettes"], read["silhouette_score"]) == (None, None)


@pytest.mark.parametrize("options", [(), ("--no-pairs",)])
def test_plot(wcss, table, tmp_path, options):
    pytest.importorskip("matplotlib")
    path = tmp_path / "p.png"
    assert wcss(table, "--labels=tree", f"--plot={path}", *options)[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_picture_shows_the_largest_clusters(rng):
    pytest.importorskip("matplotlib")
    from fastdiv import plots

    labels = np.arange(120) % 40
    dispersion = fastdiv.cluster_dispersion(rng.normal(size=(120, 2)), labels)
    report = clusters.ClusterReport("d", "c", 2, dispersion, "mean", None, labels)
    left, right = plots.clusters(report).axes
    drawn = [bar.get_width() for bar in left.patches]
    assert sorted(drawn) == sorted(dispersion.wcss.tolist())[-20:]
    assert "20 of 40 clusters" in left.get_title(loc="left")
    assert len(right.patches) == 20
    assert " more\n" not in report.to_text()
    many = np.arange(120) % 60
    dispersion = fastdiv.cluster_dispersion(rng.normal(size=(120, 2)), many)
    report = clusters.ClusterReport("d", "c", 2, dispersion, "mean", None, many)
    assert "and 10 more" in report.to_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--labels"),
        (
            ("--labels=rock",),
            "has no column 'rock'; its columns are: x.0, x.1, cluster, noisy, tree, grid",
        ),
        (("--labels=grid",), "array 'grid' of shape (60, 2) is not one column"),
        (("--labels=x.0",), "--labels: x.0 must be integers or text"),
        (("--labels=tree", "--columns=stone"), "has no column 'stone'"),
        (("--labels=tree", "--columns=tree"), "--columns: tree holds labels"),
        (("--labels=tree", "--noise=fir"), "--noise: no row has the label 'fir'"),
        (("--labels=tree", "--metric=cosine"), "--metric"),
        (("--labels=tree", "--centers=medoid"), "--centers"),
        (("--labels=tree", "--threads=0"), "--threads: must be a whole number from 1 to 1024"),
        (("--labels=tree", "--plot=picture.pdf"), "must end in .png"),
        (("--labels=tree", "--json=/nowhere/r.json"), "folder /nowhere does not exist"),
        (("--labels=tree", "--nonsense"), "--nonsense"),
    ],
)
def test_bad_options(refused, table, options, message):
    assert message in refused(table, *options)


def test_bad_tables(refused, tmp_path, table):
    assert f"--json: {table} is one of the tables" in refused(
        table, "--labels=tree", f"--json={table}"
    )
    path = tmp_path / "labels.npz"
    np.savez(path, a=LABELS, word=WORDS)
    assert "has no numeric column besides the labels" in refused(path, "--labels=a")
    np.savez(path, a=[0, 0], x=[0.0, 1e200])
    assert "overflow" in refused(path, "--labels=a")
    np.savez(path, a=[-1, -1], x=[0.0, 1.0])
    assert "besides the noise label" in refused(path, "--labels=a", "--noise=-1")
    assert "No such file" in refused(tmp_path / "none.npy", "--labels=0")


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(["wcss", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    for option in (
        *("--labels", "--noise", "--columns", "--standardize", "--nan-policy", "--centers"),
        *("--metric", "--no-pairs", "--threads", "--json", "--plot", "--elbow"),
    ):
        assert option in out

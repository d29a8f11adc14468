"""`fastdiv compare` and `fastdiv info`, from files to text, JSON, picture and exit status."""

import contextlib
import datetime
import decimal
import errno
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastdiv
from fastdiv import plots
from fastdiv._engine import backend
from fastdiv.cli import compare as _cli_compare
from fastdiv.cli import main
from fastdiv.cli import plan as _plan
from fastdiv.reports.comparison import feature_shifts, mean_and_sd
from fastdiv.tables import reading, table

PENGUINS = Path(__file__).parents[2] / "examples" / "penguins"
RNG = np.random.default_rng(20)
X = RNG.normal(size=(40, 3))
Y = RNG.normal(size=(30, 3)) + np.array([0.0, 1.5, 0.0])
COMMAND = [sys.executable, "-m", "fastdiv"]


@pytest.fixture
def pair(tmp_path):
    """Two .npy files that differ."""
    return save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", Y)


@pytest.fixture
def compare(capsys):
    """Run ``fastdiv compare`` in this process; return status, stdout, stderr."""

    def run(*arguments):
        status = main.main(["compare", "--resamples", "99", *map(str, arguments)])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def refused(compare, tmp_path):
    """Run a command that must fail with one clear line and leave no file; return the line."""

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = compare(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("fastdiv: ")
        assert err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


def save(path, array):
    np.save(path, array, allow_pickle=True)
    return str(path)


def write(path, text):
    path.write_text(text)
    return str(path)


def parquet(path, **columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    writer.write_table(pa.table(columns), path)
    return str(path)


def as_json(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# ---------------------------------------------------------------- the main job


def test_penguins_of_2007_and_2009_differ(compare):
    pytest.importorskip("pyarrow")
    status, out, err = compare(
        PENGUINS / "adelie-2007.csv",
        PENGUINS / "adelie-2009.csv",
        "--standardize",
        "--nan-policy=omit",
    )
    assert (status, err) == (0, "")
    assert "49 rows (1 with missing values dropped)" in out
    assert "52 rows" in out
    assert "features   4, standardised" in out
    assert "island: text; sex: text" in out
    assert re.search(r"RBF, bandwidth \d\.\d+ \(median\)", out)
    assert "(99 permutations, seed 0)" in out
    assert "p ≤ 0.05: the samples differ" in out
    rows = out.partition("what moved most")[2].splitlines()
    assert rows[1].startswith("flipper_length_mm")


def test_penguins_of_2008_and_2009_do_not_differ(compare):
    pytest.importorskip("pyarrow")
    files = PENGUINS / "adelie-2008.csv", PENGUINS / "adelie-2009.csv"
    status, out, _ = compare(*files, "--standardize", "--exit-code")
    assert status == 0
    assert "p > 0.05: no evidence of a difference" in out


def test_missing_values_are_refused_with_counts(refused):
    pytest.importorskip("pyarrow")
    message = refused(PENGUINS / "adelie-2007.csv", PENGUINS / "adelie-2009.csv")
    assert "adelie-2007.csv has missing values in 1 of 50 rows" in message
    assert "bill_length_mm 1, bill_depth_mm 1, flipper_length_mm 1, body_mass_g 1" in message
    assert "--nan-policy omit" in message


def test_exit_code_and_alpha(compare, pair):
    assert compare(*pair)[0] == 0
    assert compare(*pair, "--exit-code")[0] == 1
    status, out, err = compare(*pair, "--exit-code", "--alpha", "0.001")
    assert status == 0
    assert "p > 0.001" in out
    assert "no p-value can be below 0.01" in err


# ---------------------------------------------------------------- the same numbers as the library


KERNELS = {
    "rbf": fastdiv.RBF(),
    "laplacian": fastdiv.Laplacian(),
    "matern:nu=1.5": fastdiv.Matern(nu=1.5),
    "rational-quadratic:alpha=2": fastdiv.RationalQuadratic(alpha=2),
    "inverse-multiquadric:c=3": fastdiv.InverseMultiquadric(3),
    "polynomial:degree=2,gamma=0.5": fastdiv.Polynomial(degree=2, gamma=0.5),
    "linear": fastdiv.Linear(),
    "energy:exponent=0.5": fastdiv.Energy(exponent=0.5),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(compare, pair, name):
    status, out, _ = compare(*pair, "--kernel", name, "--json=-", "--seed=5")
    expected = fastdiv.mmd_test(X, Y, KERNELS[name], n_resamples=99, rng=5)
    found = as_json(out)
    assert status == 0
    assert found["statistic"] == expected.statistic
    assert found["pvalue"] == expected.pvalue
    assert found["null_distribution"] == list(expected.null_distribution)
    assert found["kernel"]["name"] == type(KERNELS[name]).__name__


def test_every_library_kernel_has_a_name():
    from fastdiv import kernels

    own = {kernels.Sum, kernels.Callback, kernels.Kernel}
    known = {value for value in vars(kernels).values() if isinstance(value, type)}
    public = {kind for kind in known if kind.__name__ in fastdiv.__all__} - own
    assert public == set(_cli_compare._KERNELS.values())


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
def test_estimators_bandwidth_threads(compare, tmp_path, estimator):
    files = save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", X[::-1] + 0.2)
    options = ["--estimator", estimator, "--bandwidth=0.7", "--threads=1", "--json=-"]
    _, out, _ = compare(*files, *options)
    expected = fastdiv.mmd_test(
        X, X[::-1] + 0.2, fastdiv.RBF(0.7), estimator=estimator, n_resamples=99, rng=0
    )
    found = as_json(out)
    assert found["statistic"] == expected.statistic
    assert found["pvalue"] == expected.pvalue
    assert found["kernel"] == {"name": "RBF", "bandwidth": 0.7}


def test_standardize_by_the_reference(compare, pair):
    _, out, _ = compare(*pair, "--standardize", "--json=-")
    mean, sd = X.mean(axis=0), X.std(axis=0, ddof=1)
    expected = fastdiv.mmd_test((X - mean) / sd, (Y - mean) / sd, n_resamples=99, rng=0)
    found = as_json(out)
    assert found["standardized"] is True
    assert found["statistic"] == pytest.approx(expected.statistic, rel=1e-9)
    assert found["pvalue"] == expected.pvalue


def test_standardize_keeps_float32(compare, tmp_path):
    x, y = np.float32(X), np.float32(Y)
    scaled, _ = _cli_compare._standardize(x, y, ["0", "1", "2"])
    assert scaled.dtype == np.float32
    assert mean_and_sd(scaled)[0] == pytest.approx([0, 0, 0], abs=1e-6)


def test_standardize_by_few_rows_warns(compare, tmp_path):
    files = save(tmp_path / "x.npy", X[:12]), save(tmp_path / "y.npy", Y)
    assert "scaled by only 12 reference rows" in compare(*files, "--standardize")[2]
    assert compare(*files)[2] == ""


def test_standardize_constant_columns(compare, refused, tmp_path):
    x, y = np.column_stack([X, np.ones(40)]), np.column_stack([Y, np.ones(30)])
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    assert compare(*files, "--standardize")[0] == 0
    y[4, 3] = 2
    save(tmp_path / "y.npy", y)
    assert "constant in REFERENCE but not in CURRENT: 3" in refused(*files, "--standardize")


def test_standardize_values_that_float32_cannot_hold(compare, tmp_path):
    x, y = np.float32(5e-6 * X), np.float32(5e-6 * Y)
    y[4, 1] = 3e38
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    mean, sd = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float, ddof=1)
    status, out, err = compare(*files, "--standardize", "--bandwidth=1e40", "--json=-")
    assert status == 0, err
    expected = fastdiv.mmd2((x - mean) / sd, (y - mean) / sd, fastdiv.RBF(1e40))
    assert as_json(out)["statistic"] == pytest.approx(expected, rel=1e-5)


def test_standardize_values_that_float64_cannot_hold(refused, tmp_path):
    y = Y.copy()
    y[4, 1] = 1e300
    files = save(tmp_path / "x.npy", 1e-20 * X), save(tmp_path / "y.npy", y)
    assert "values of CURRENT are too large: 1" in refused(*files, "--standardize")
    x = save(tmp_path / "x.npy", np.array([[0.0, -1.7e308], [1.0, 1.7e308]]))
    assert "values of REFERENCE are too large: 1" in refused(x, x, "--standardize")


# ---------------------------------------------------------------- JSON


def test_json_holds_the_result_and_nothing_else_is_on_stdout(compare, pair):
    status, out, err = compare(*pair, "--json", "-")
    found = as_json(out)
    assert status == 0
    for name in ("statistic", "pvalue", "null_distribution", "n_x", "n_y"):
        assert name in found
    assert set(fastdiv.TwoSampleResult.__dataclass_fields__) <= set(found)
    assert (found["n_x"], found["n_y"], found["n_resamples"]) == (40, 30, 99)
    assert len(found["null_distribution"]) == 99
    assert found["reject"] is True
    assert found["features"][0]["name"] == "1"
    assert "the samples differ" in err


def test_json_file(compare, pair, tmp_path):
    target = tmp_path / "out.json"
    target.write_text("old")
    status, out, err = compare(*pair, "--json", target)
    assert (status, err) == (0, "")
    assert "the samples differ" in out
    assert as_json(target.read_text())["n_x"] == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "x.npy", "y.npy"]


def test_json_file_behind_a_link(compare, pair, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert compare(*pair, "--json", tmp_path / "link.json")[0] == 0
    assert (tmp_path / "link.json").is_symlink()
    assert as_json((tmp_path / "real.json").read_text())["n_x"] == 40


def test_infinite_shift_is_null(compare, tmp_path):
    x, y = np.column_stack([X, np.zeros(40)]), np.column_stack([Y, np.ones(30)])
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    _, out, err = compare(*files, "--json=-")
    feature = as_json(out)["features"][0]
    assert (feature["name"], feature["shift"], feature["ks"]) == ("3", None, 1.0)
    assert "+inf SD" in err


# ---------------------------------------------------------------- formats


def test_all_formats_agree(compare, tmp_path):
    names = ["0", "1", "2"]
    files = [save(tmp_path / "a.npy", X), save(tmp_path / "f.npy", np.asfortranarray(X))]
    np.savez(tmp_path / "a.npz", X)
    np.savez_compressed(tmp_path / "b.npz", **dict(zip(names, X.T, strict=True)))
    files += [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    with contextlib.suppress(ImportError):
        import pyarrow as pa
        from pyarrow import csv
        from pyarrow import parquet as writer

        table = pa.table(dict(zip(names, X.T, strict=True)))
        csv.write_csv(table, tmp_path / "a.csv")
        writer.write_table(table, tmp_path / "a.parquet")
        files += [str(tmp_path / "a.csv"), str(tmp_path / "a.parquet")]
    other = save(tmp_path / "y.npy", Y)
    expected = fastdiv.mmd_test(X, Y, n_resamples=99, rng=0)
    for file in files:
        _, out, _ = compare(file, other, "--json=-")
        assert as_json(out)["statistic"] == expected.statistic
        assert as_json(out)["pvalue"] == expected.pvalue


def test_npy_is_memory_mapped(tmp_path):
    table = reading.read_table(save(tmp_path / "x.npy", X))
    assert isinstance(table.load(table.names), np.memmap)
    assert table.load(["2", "0"]).tolist() == X[:, [2, 0]].tolist()


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i2", "u8"])
def test_npy_dtypes(compare, tmp_path, dtype):
    x, y = np.round(8 * abs(X)).astype(dtype), np.round(8 * abs(Y)).astype(dtype)
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    _, out, _ = compare(*files, "--json=-")
    expected = fastdiv.mmd_test(x, y, n_resamples=99, rng=0)
    assert as_json(out)["statistic"] == expected.statistic


def test_one_dimension_and_three(compare, tmp_path):
    line = save(tmp_path / "line.npy", X[:, 0]), save(tmp_path / "line2.npy", Y[:, 0])
    assert "features   1" in compare(*line)[1]
    cube = (
        save(tmp_path / "cube.npy", np.ones((5, 2, 3))),
        save(tmp_path / "c.npy", np.ones((4, 6))),
    )
    _, out, err = compare(*cube, "--kernel=linear")
    assert "features   6" in out
    assert "cube.npy: each row of shape (2, 3) is flattened to 6" in err


def test_npz_of_several_arrays(compare, tmp_path):
    for name, data in (("x", X), ("y", Y)):
        words = np.full(len(data), "w")
        np.savez(tmp_path / name, age=data[:, 0], pixels=data[:, 1:], words=words)
    _, out, _ = compare(tmp_path / "x.npz", tmp_path / "y.npz", "--json=-")
    found = as_json(out)
    assert {feature["name"] for feature in found["features"]} == {"age", "pixels.0", "pixels.1"}
    assert found["left_out"] == {"words": "<U1"}


def test_columns_of_every_type(compare, tmp_path):
    day = datetime.date(2020, 1, 1)
    pa = pytest.importorskip("pyarrow")

    def columns(n):
        return {
            "integer": pa.array([None, *range(n - 1)]),
            "single": pa.array(np.arange(n, dtype=np.float32)),
            "decimal": pa.array([decimal.Decimal("1.25")] * n),
            "half": pa.array(np.arange(n, dtype=np.float16)),
            "a.b": pa.array(np.arange(n) % 3),
            "flag": [True] * n,
            "day": [day] * n,
            "text": ["t"] * n,
            "group": pa.array(["g"] * n).dictionary_encode(),
            "empty": [None] * n,
            "list": [[1.0]] * n,
        }

    files = (
        parquet(tmp_path / "x.parquet", **columns(20)),
        parquet(tmp_path / "y.parquet", **columns(25)),
    )
    assert "missing values in 1 of 20 rows (integer 1)" in compare(*files)[2]
    _, out, _ = compare(*files, "--nan-policy=omit", "--json=-")
    found = as_json(out)
    assert [found["n_x"], found["n_y"]] == [19, 24]
    assert {feature["name"] for feature in found["features"]} == {
        *("integer", "single", "decimal", "half", "a.b")
    }
    assert found["left_out"] == {
        "flag": "true/false",
        "day": "date or time",
        "text": "text",
        "group": "categories",
        "empty": "no values",
        "list": "list",
    }
    by_name = {feature["name"]: feature for feature in found["features"]}
    assert by_name["decimal"]["reference_mean"] == 1.25
    assert by_name["integer"]["reference_mean"] == 9.0


def test_single_precision_columns_stay_single(tmp_path):
    file = parquet(tmp_path / "x.parquet", a=np.float32([1, 2]), b=[1.0, 2.0])
    table = reading.read_table(file)
    assert table.load(["a"]).dtype == np.float32
    assert table.load(["a", "b"]).dtype == np.float64


def test_left_out_columns_say_why(compare, tmp_path):
    pytest.importorskip("pyarrow")
    x = write(tmp_path / "x.csv", ",a,b,c,d\n0,1,1.5,x,1\n1,2,2.5,y,2\n2,4,2.0,z,3\n")
    y = write(tmp_path / "y.csv", ",d,c,b,e\n0,no,x,1.5,1\n1,no,y,2.5,2\n")
    _, out, _ = compare(x, y, "--json=-")
    found = as_json(out)
    assert [feature["name"] for feature in found["features"]] == ["b"]
    assert found["left_out"] == {
        "a": f"not in {y}",
        "d": f"text in {y}",
        "": "column without a name",
        "c": "text",
        "e": f"not in {x}",
    }


def test_columns_without_a_name_are_left_out(compare, tmp_path):
    pytest.importorskip("pyarrow")
    x = write(tmp_path / "x.csv", "a,,\n1,2,\n2,3,\n4,5,\n")
    y = parquet(tmp_path / "y.parquet", **{"a": [1.0, 2.0, 3.0], "": [1.0, 2.0, 3.0]})
    _, out, _ = compare(x, y, "--json=-")
    found = as_json(out)
    assert [feature["name"] for feature in found["features"]] == ["a"]
    assert found["left_out"] == {"": "column without a name"}


@pytest.mark.parametrize("names", [["0", "1", "2"], ["2019", "2020", "2021"]])
def test_whole_numbers_can_be_names_of_columns(compare, tmp_path, names):
    """A row of data can look like them: that the line was taken for names is always told."""
    pytest.importorskip("pyarrow")
    for name, data in (("x", X), ("y", Y)):
        np.savetxt(
            tmp_path / f"{name}.csv", data, "%.17g", ",", header=",".join(names), comments=""
        )
    others = [tmp_path / "y.csv", save(tmp_path / "y.npy", Y)]
    for other in others if names[0] == "0" else others[:1]:
        status, out, err = compare(tmp_path / "x.csv", other, "--json=-")
        found = as_json(out)
        assert status == 0
        assert (found["n_x"], found["n_y"]) == (40, 30)
        assert found["statistic"] == pytest.approx(fastdiv.mmd2(X, Y), rel=1e-12)
        assert {feature["name"] for feature in found["features"]} == {*names}
        assert f"x.csv: the first line ({', '.join(names)}) is taken for the column names" in err


def test_pandas_index_is_left_out(compare, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 4.0]}, index=pandas.Index([7, 8, 9], name="id"))
    frame.to_parquet(tmp_path / "x.parquet")
    file = tmp_path / "x.parquet"
    _, out, _ = compare(file, file, "--json=-")
    assert as_json(out)["left_out"] == {"id": "pandas index"}


def test_chosen_columns(compare, refused, tmp_path):
    pytest.importorskip("pyarrow")
    file = write(tmp_path / "x.csv", 'a,"b, c",t\n1,2,x\n2,4,y\n3,3,z\n')
    _, out, _ = compare(file, file, "--columns", '"b, c",a', "--json=-")
    found = as_json(out)
    assert {feature["name"] for feature in found["features"]} == {"a", "b, c"}
    assert found["left_out"] == {}
    assert "no column 'q'; its numeric columns are: a, b, c" in refused(file, file, "--columns=q")
    assert "column 't'" in refused(file, file, "--columns=a,t")
    assert "duplicate column names: a" in refused(file, file, "--columns=a,a")
    assert "empty name" in refused(file, file, "--columns=a,,b")


def test_columns_by_number_match_arrays_of_unequal_width(compare, refused, tmp_path):
    files = save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", Y[:, :2])
    message = refused(*files)
    assert "x.npy has 3 columns" in message
    assert "y.npy 2" in message
    assert compare(*files, "--columns=1,0")[0] == 0


# ---------------------------------------------------------------- missing values


def test_omit_drops_rows_with_nan_or_infinity(compare, refused, tmp_path):
    x = X.copy()
    x[3, 1], x[5, 0], x[5, 2] = np.nan, np.inf, np.nan
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", Y)
    assert "missing values in 2 of 40 rows (1 1, 2 1, 0 1 infinite)" in refused(*files)
    _, out, _ = compare(*files, "--nan-policy=omit", "--json=-")
    found = as_json(out)
    expected = fastdiv.mmd_test(np.delete(X, [3, 5], axis=0), Y, n_resamples=99, rng=0)
    assert (found["n_x"], found["omitted_reference"], found["omitted_current"]) == (38, 2, 0)
    assert found["statistic"] == expected.statistic


def test_omit_drops_both_members_of_a_pair(compare, tmp_path):
    x, y = X[:30].copy(), Y.copy()
    x[3, 1] = y[7, 0] = np.nan
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    _, out, _ = compare(*files, "--nan-policy=omit", "--estimator=paired", "--json=-")
    gone = [3, 7]
    expected = fastdiv.mmd2(
        np.delete(X[:30], gone, axis=0), np.delete(Y, gone, axis=0), estimator="paired"
    )
    assert as_json(out)["statistic"] == pytest.approx(expected, rel=1e-10)


def test_no_complete_row(refused, tmp_path):
    files = save(tmp_path / "x.npy", X * np.nan), save(tmp_path / "y.npy", Y)
    assert "every row has a missing value" in refused(*files, "--nan-policy=omit")


# ---------------------------------------------------------------- bad files


BAD_CSV = {
    "header only": ("a,b\n", "has no rows"),
    "nothing": ("", "is empty"),
    "blank": ("\n\n", "not a readable CSV"),
    "one row": ("a,b\n1,2\n", "needs 2"),
    "ragged": ("a,b\n1,2\n1,2,3\n", "not a readable CSV"),
    "no header": ("1.5,2\n1,2\n3,4\n", "has no header"),
    "no header, whole": ("8,2\n1,2\n3,4\n", "bad.csv: the first line (8, 2) is taken for"),
    "no header, signed": ("-1,2\n1,2\n3,4\n", "has no header"),
    "no header, large": ("1e5,2\n1,2\n3,4\n", "has no header"),
    "no header, missing": ("nan,2\n1,2\n3,4\n", "has no header"),
    "no header, infinite": ("2,inf\n1,2\n3,4\n", "has no header"),
    "no header, equal": ("2,2\n1,2\n3,4\n", "has no header"),
    "duplicate": ("a,b,a\n1,2,3\n1,2,4\n", "duplicate column names: a"),
    "text": ("a,b\nx,y\nz,w\n", "no numeric column"),
    "semicolons": ("a;b\n1;2\n3;4\n", "separated by commas"),
    "other columns": ("p,q\n1,2\n3,5\n", "no numeric column is common"),
}


@pytest.mark.parametrize("fault", BAD_CSV)
def test_bad_csv(refused, tmp_path, fault):
    pytest.importorskip("pyarrow")
    text, message = BAD_CSV[fault]
    good = write(tmp_path / "good.csv", "a,b\n1,2\n2,3\n4,5\n")
    bad = write(tmp_path / "bad.csv", text)
    outputs = ["--json", tmp_path / "o.json"]
    assert message in refused(good, bad, *outputs)
    assert "bad.csv" in refused(bad, good, *outputs)


def bad_numpy():
    good = io.BytesIO()
    np.save(good, X)
    whole = good.getvalue()
    archive = io.BytesIO()
    np.savez_compressed(archive, a=X, b=X)
    return {
        "nothing": (b"", "empty"),
        "noise.npy": (b"noise" * 50, "not a plain NumPy file"),
        "noise.npz": (b"noise" * 50, "not a plain NumPy file"),
        "cut.npy": (whole[:400], "not a readable NumPy file"),
        "magic.npy": (whole[:8], "not a readable NumPy file"),
        "cut.npz": (archive.getvalue()[:900], "not a readable NumPy file"),
        "spoilt.npz": (
            archive.getvalue()[:200] + bytes(100) + archive.getvalue()[300:],
            "not a readable NumPy file",
        ),
    }


@pytest.mark.parametrize("fault", bad_numpy())
def test_broken_numpy_files(refused, tmp_path, fault):
    content, message = bad_numpy()[fault]
    bad = tmp_path / (fault if "." in fault else "bad.npy")
    bad.write_bytes(content)
    assert message in refused(bad, save(tmp_path / "y.npy", Y))


BAD_ARRAYS = {
    "objects": (np.array([{}, None]), "Python objects"),
    "text": (np.array(["a", "b"]), "<U1 values"),
    "bool": (np.array([True, False]), "bool values"),
    "complex": (np.array([1j, 2j]), "complex128 values"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), "datetime64[D] values"),
    "records": (np.zeros(3, [("a", float)]), "floats of up to 64 bits, are needed"),
    "long doubles": (np.zeros(3, np.longdouble), "are needed"),
    "number": (np.float64(3.0), "a single number"),
    "no rows": (np.zeros((0, 3)), "has no rows"),
    "no columns": (np.zeros((3, 0)), "has no columns"),
    "one row": (np.zeros((1, 3)), "has 1 usable row; the unbiased estimator needs 2"),
}


@pytest.mark.parametrize("fault", BAD_ARRAYS)
def test_bad_arrays(refused, tmp_path, fault):
    array, message = BAD_ARRAYS[fault]
    found = refused(save(tmp_path / "bad.npy", array), save(tmp_path / "y.npy", Y))
    assert message in found
    assert "bad.npy" in found


def test_bad_archives(refused, tmp_path):
    y = save(tmp_path / "y.npy", Y)
    np.savez(tmp_path / "uneven.npz", a=[1, 2], b=[1, 2, 3])
    np.savez(tmp_path / "number.npz", a=[1, 2], b=3)
    np.savez(tmp_path / "none.npz")
    np.savez(tmp_path / "twice.npz", **{"a": np.ones((2, 2)), "a.1": np.ones(2)})
    assert "different numbers of rows: a 2, b 3" in refused(tmp_path / "uneven.npz", y)
    assert "array 'b' is a single number" in refused(tmp_path / "number.npz", y)
    assert "holds no array" in refused(tmp_path / "none.npz", y)
    assert "duplicate column names: a.1" in refused(tmp_path / "twice.npz", y)


def test_broken_parquet(refused, tmp_path):
    good = parquet(tmp_path / "good.parquet", a=np.arange(5000.0), b=RNG.normal(size=5000))
    content = Path(good).read_bytes()
    for name, bad in {
        "noise": b"PAR1" + b"noise" * 30,
        "cut": content[: len(content) // 2],
        "spoilt": content[:40] + bytes(2000) + content[2040:],
        "empty": b"",
    }.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(bad)
        assert f"{name}.parquet" in refused(good, path, "--json", tmp_path / "o.json")


def spoilt(content, times, seed):
    """Yield copies with one to four bytes changed, half of them among the first 200."""
    rng = np.random.default_rng(seed)
    for index in range(times):
        copy = bytearray(content)
        reach = min(200, len(copy)) if index % 2 else len(copy)
        for at in rng.integers(0, reach, rng.integers(1, 5)):
            copy[at] = rng.integers(0, 256)
        yield bytes(copy)


@pytest.mark.parametrize("suffix", ["npy", "npz", "npz compressed"])
def test_spoilt_numpy_files(compare, tmp_path, suffix):
    """A changed file is either compared or refused in one line, with no warning beside it."""
    good, bad = io.BytesIO(), tmp_path / f"bad.{suffix[:3]}"
    x = X[:12].astype(np.float32)
    if suffix == "npy":
        np.save(good, x)
    else:
        (np.savez_compressed if "compressed" in suffix else np.savez)(good, a=x, b=x[:, 0])
    other = tmp_path / f"good.{suffix[:3]}"
    other.write_bytes(good.getvalue())
    statuses = []
    for content in spoilt(good.getvalue(), 300, seed=len(suffix)):
        bad.unlink(missing_ok=True)
        bad.write_bytes(content)
        status, out, err = compare(bad, other, "--resamples=9", "--alpha=0.2")
        assert status in (0, 2), err
        assert (status, out == "", err.startswith("fastdiv: ")) in [
            (0, False, False),
            (2, True, True),
        ]
        assert err.count("\n") <= 1
        statuses.append(status)
    assert set(statuses) == {0, 2}


BAD_HEADERS = {
    "unclosed": b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), ",
    "no tokens": b"{'descr': '<f8', 'shape': (3, 2\\",
    "deep": b"(" * 90,
    "minus": b"-" * 5000,
    "huge": b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 100000000), }",
    "negative": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }",
    "descr": b"{'descr': [('a', [1])], 'fortran_order': False, 'shape': (3, 2), }",
}


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("fault", BAD_HEADERS)
def test_bad_headers(refused, tmp_path, fault, suffix):
    header = BAD_HEADERS[fault].ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(48)
    bad = tmp_path / f"bad.{suffix}"
    if suffix == "npy":
        bad.write_bytes(content)
    else:
        with zipfile.ZipFile(bad, "w") as archive:
            archive.writestr("a.npy", content)
    refused(bad, save(tmp_path / "y.npy", Y))


def test_archive_of_something_else(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("a.txt", "text")
    assert "'a.txt' is not an array" in refused(tmp_path / "bad.npz", save(tmp_path / "y.npy", Y))


def test_missing_files_directories_formats(refused, pair, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    assert "none.npy: No such file" in refused(pair[0], tmp_path / "none.npy")
    assert "is a directory" in refused(pair[0], tmp_path / "folder.npy")
    assert "unknown format '.xlsx'; use .npy, .npz, .csv" in refused(pair[0], "table.xlsx")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(refused, pair):
    os.chmod(pair[1], 0)
    assert "Permission denied" in refused(*pair)


# ---------------------------------------------------------------- bad options


BAD_OPTIONS = [
    ("--kernel=cubic", "unknown kernel 'cubic'; choose from rbf, laplacian"),
    ("--kernel=matern:mu=1", "kernel matern has no parameter 'mu'; it takes: nu"),
    ("--kernel=matern:nu=two", "nu must be a number"),
    ("--kernel=matern:nu=2", "nu"),
    ("--kernel=linear:a=1", "it takes: none"),
    ("--kernel=inverse-multiquadric", "needs inverse-multiquadric:c=NUMBER"),
    ("--kernel=energy:exponent=3", "exponent"),
    ("--kernel=polynomial:degree=nan", "degree"),
    ("--kernel=polynomial:degree=inf", "degree"),
    ("--bandwidth=0", "--bandwidth: must be 'median' or a positive number, got '0'"),
    ("--bandwidth=nan", "--bandwidth"),
    ("--bandwidth=wide", "--bandwidth"),
    ("--estimator=best", "--estimator"),
    ("--resamples=0", "--resamples: must be a whole number from 1 to 1000000000, got '0'"),
    ("--resamples=+-5", "--resamples: must be a whole number"),
    ("--resamples=100000000000000000000", "--resamples: must be a whole number from 1 to 10"),
    ("--resamples=1.5", "--resamples"),
    ("--seed=-1", "--seed: must be a whole number >= 0"),
    ("--seed=x", "--seed"),
    ("--threads=0", "--threads: must be a whole number from 1 to 1024, got '0'"),
    ("--threads=5000", "--threads: must be a whole number from 1 to 1024, got '5000'"),
    ("--alpha=1", "--alpha: must be a number between 0 and 1"),
    ("--alpha=p", "--alpha"),
    ("--nan-policy=keep", "--nan-policy"),
    ("--plot=picture.pdf", "must end in .png"),
    ("--nonsense", "--nonsense"),
    ("--stand", "--stand"),
]


@pytest.mark.parametrize(("option", "message"), BAD_OPTIONS)
def test_bad_options(refused, pair, option, message):
    assert message in refused(*pair, option)


def test_bandwidth_of_a_kernel_without_one(refused, pair):
    assert "the Linear kernel has none" in refused(*pair, "--kernel=linear", "--bandwidth=1")


def test_missing_arguments(capsys):
    assert main.main([]) == 2
    assert main.main(["compare", "a.npy"]) == 2
    assert main.main(["contrast"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_zero_median_and_unequal_pairs(refused, pair, tmp_path):
    ones = save(tmp_path / "ones.npy", np.ones((5, 2)))
    message = refused(ones, ones)
    assert "the median bandwidth is zero" in message
    assert "; choose a --bandwidth\n" in message
    assert "equal size, got 40 and 30 rows" in refused(*pair, "--estimator=paired")
    message = refused(
        *(save(tmp_path / "one.npy", X[:1]), pair[1], "--standardize", "--estimator=biased")
    )
    assert "--standardize needs at least 2 rows" in message


# ---------------------------------------------------------------- outputs


def test_bad_outputs_are_refused_before_any_work(refused, pair, tmp_path, monkeypatch):
    monkeypatch.setattr(fastdiv, "mmd_test", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "folder.png").mkdir()
    both = tmp_path / "both.png"
    assert "--json" in refused(*pair, "--json", pair[0])
    assert "does not exist" in refused(*pair, "--json", tmp_path / "no" / "o.json")
    assert "not a regular file" in refused(*pair, "--json", "/dev/null")
    assert "name the same file" in refused(*pair, "--json", both, "--plot", both)
    pytest.importorskip("matplotlib")
    assert "not a regular file" in refused(*pair, "--plot", tmp_path / "folder.png")


def test_nothing_is_half_written(compare, pair, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    def full(figure, path):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(plots, "save", full)
    target = tmp_path / "o.json"
    target.write_text("old")
    status, out, err = compare(*pair, "--json", target, "--plot", tmp_path / "o.png")
    assert (status, out) == (2, "")
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.json", "x.npy", "y.npy"]


def test_plot_is_written(compare, pair, tmp_path):
    pytest.importorskip("matplotlib")
    assert compare(*pair, "--plot", tmp_path / "o.png")[0] == 0
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")


def test_extras_are_named_when_missing(compare, refused, pair, tmp_path, monkeypatch):
    file = write(tmp_path / "x.csv", "a\n1\n2\n")
    for name in ("pyarrow", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'fastdiv[cli]'" in refused(file, file)
    assert "pip install 'fastdiv[plot]'" in refused(*pair, "--plot", tmp_path / "o.png")
    assert compare(*pair)[0] == 0


def test_leaves_are_imported_lazily():
    code = (
        "import sys, fastdiv; "
        "sys.exit(any(m in sys.modules for m in "
        "('pyarrow', 'matplotlib', 'argparse', 'fastdiv.cli', 'fastdiv.reports')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_printed_in_one_line(compare, tmp_path):
    pytest.importorskip("pyarrow")
    name = "a\x1b[31m\n" + "long" * 20
    file = parquet(tmp_path / "x.parquet", **{name: [1.0, 2.0, 4.0]})
    _, out, _ = compare(file, file)
    assert "\x1b" not in out
    assert "a\\x1b[31m\\n" in out
    assert max(map(len, out.splitlines())) <= 120


def test_many_features_are_cut(compare, tmp_path):
    files = (
        save(tmp_path / "x.npy", RNG.normal(size=(9, 64))),
        save(tmp_path / "y.npy", RNG.normal(size=(9, 64))),
    )
    _, out, _ = compare(*files)
    assert "and 54 more" in out


# ---------------------------------------------------------------- long runs


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    data = RNG.normal(size=(2500, 2))
    return save(folder / "x.npy", data[:1300]), save(folder / "y.npy", data[1300:])


def test_cost_is_announced_before_a_long_run(compare, large, pair, monkeypatch):
    monkeypatch.setattr(_cli_compare, "_LONG_RUN", 1e-9)
    status, out, err = compare(*large)
    assert status == 0
    plan = r"plan       3.1e\+06 pairs x 99 permutations, about \S+ s and 1 MB"
    *samples, last = err.splitlines()
    assert re.fullmatch(plan, last)
    assert samples == [
        f"reference  {large[0]}: 1 300 rows",
        f"current    {large[1]}: 1 200 rows",
        "features   2",
    ]
    assert out.startswith("\n".join(samples))
    assert compare(*pair)[2] == ""


def test_left_out_columns_are_announced_before_a_long_run(capsys, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli_compare, "_LONG_RUN", 0.0)
    monkeypatch.setattr(fastdiv, "mmd_test", stop)
    np.savez(tmp_path / "x.npz", a=X[:, 0], words=np.full(40, "w"))
    file = str(tmp_path / "x.npz")
    assert main.main(["compare", file, file]) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[2:4] == ["features   1", "left out   words: <U1"]
    assert lines[4].startswith("plan  ")


def test_plan_in_words():
    words = [str(_plan.Plan(10**9, 999, seconds, 4 * 10**6)) for seconds in (0.31, 240, 7200)]
    assert [text.partition("about ")[2] for text in words] == [
        "0.31 s and 4 MB",
        "4 min and 4 MB",
        "2.0 h and 4 MB",
    ]


def test_plan_leaves_out_what_a_call_costs_whatever_its_size(monkeypatch):
    monkeypatch.setattr(_plan, "_timed", lambda work, rows: 0.05 + 1e-7 * rows**2)
    assert _plan._extend(print, lambda rows: rows, 100_000) == pytest.approx(1000)
    monkeypatch.setattr(_plan, "_timed", lambda work, rows: 1e-4 * rows**2)
    assert _plan._extend(print, lambda rows: rows, 10_000) == pytest.approx(1e4)
    assert _plan._extend(print, lambda rows: rows, 100) == 0


def test_plan_searches_a_median_only_if_the_kernel_needs_one(monkeypatch):
    asked = []

    def median(pooled, *, metric, n_threads):
        asked.append(metric)
        return 1.0

    monkeypatch.setattr(_plan.bandwidth, "median_distance", median)
    data = RNG.normal(size=(2048, 2))
    needed = {
        fastdiv.Polynomial(): set(),
        fastdiv.RBF(2.0): set(),
        fastdiv.RBF(): {"euclidean"},
        fastdiv.Laplacian(): {"cityblock"},
        fastdiv.Sum([fastdiv.Laplacian(), fastdiv.RBF(), fastdiv.Linear()]): {
            "euclidean",
            "cityblock",
        },
    }
    for kernel, metrics in needed.items():
        asked.clear()
        options = {"estimator": "unbiased", "n_resamples": 9, "n_threads": 1}
        assert _plan.predict(data, data, kernel, **options).seconds > 0
        assert set(asked) == metrics


def test_a_plan_that_fails_does_not_stop_the_test(compare, tmp_path):
    """Among the first rows the median overflows, or is zero and too small beside the others."""
    wide = save(tmp_path / "wide.npy", (2 * RNG.random(800) - 1) * 1.7e308)
    assert compare(wide, wide, "--kernel=laplacian", "--bandwidth=1e308")[0] == 0
    mostly = np.concatenate([np.zeros(400), np.sort(RNG.random(3000)) * 1e30]).astype(np.float32)
    zeros_first = save(tmp_path / "zeros.npy", mostly)
    assert compare(zeros_first, zeros_first)[0] == 0


def test_interrupt(compare, pair, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fastdiv, "mmd_test", stop)
    status, out, err = compare(*pair, "--json", tmp_path / "o.json")
    assert (status, out, err) == (130, "", "fastdiv: interrupted\n")
    assert not (tmp_path / "o.json").exists()


@pytest.mark.skipif(os.environ.get("FASTDIV_BACKEND") == "reference", reason="needs the core")
def test_interrupt_of_a_process(tmp_path):
    data = RNG.normal(size=(6000, 2))
    file = save(tmp_path / "x.npy", data)
    command = [*COMMAND, "compare", file, file, "--resamples=99999", "--bandwidth=1"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        words = [process.stderr.readline().split()[0] for _ in range(4)]
        assert words == ["reference", "current", "features", "plan"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "fastdiv: interrupted\n")


def on_a_terminal(command):
    """Run a command with standard error on a pseudo-terminal; return what it showed there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def test_bar_on_a_terminal_only(large):
    code = (
        "import sys; from fastdiv.cli import compare, main; "
        "compare._LONG_RUN = 1e-9; sys.exit(main.main())"
    )
    command = [sys.executable, "-c", code, "compare", *large, "--resamples=19"]
    shown = on_a_terminal(command)
    assert "plan  " in shown
    assert "100%" in shown
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "%" not in piped.stderr
    assert "\r" not in piped.stdout + piped.stderr


# ---------------------------------------------------------------- the program


def test_info(capsys):
    assert main.main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("version", "isa", "threads", "openmp", "numpy"):
        assert word in out


BROKEN = {
    "instruction set": ({"FASTDIV_ISA": "v9", "FASTDIV_BACKEND": ""}, b"FASTDIV_ISA is 'v9'"),
    "backend": ({"FASTDIV_BACKEND": "fast"}, b"FASTDIV_BACKEND must be one of"),
}


@pytest.mark.parametrize("command", ["info", "compare"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_installation_is_one_line(core, pair, fault, command):
    environment, words = BROKEN[fault]
    arguments = [command, *(pair if command == "compare" else [])]
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, env={**os.environ, **environment}
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"fastdiv: ")
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_missing_core_is_one_line(capsys, monkeypatch):
    missing = ImportError("the compiled part cannot be imported")
    monkeypatch.setattr(backend, "_default", missing)
    assert main.main(["info"]) == 2
    assert capsys.readouterr().err == "fastdiv: the compiled part cannot be imported\n"


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_and_version(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(arguments)
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "fastdiv" in out
    assert max(map(len, out.splitlines())) <= 100


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main.main(["compare", "--help"])
    out = capsys.readouterr().out
    for option in (
        *("--columns", "--standardize", "--kernel", "--bandwidth", "--estimator", "--resamples"),
        *("--seed", "--threads", "--json", "--plot", "--alpha", "--exit-code", "--nan-policy"),
    ):
        assert option in out
    for kernel in _cli_compare._KERNELS:
        assert kernel in out


def test_module_is_the_program(pair):
    done = subprocess.run([*COMMAND, "compare", *pair, "--exit-code"], capture_output=True)
    assert done.returncode == 1
    assert b"the samples differ" in done.stdout
    failed = subprocess.run([*COMMAND, "compare", "no.npy", pair[0]], capture_output=True)
    assert failed.returncode == 2
    assert failed.stderr.startswith(b"fastdiv: no.npy: No such file")
    assert b"Traceback" not in failed.stderr


def test_output_in_ascii(pair):
    done = subprocess.run(
        [*COMMAND, "compare", *pair],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"MMD^2" in done.stdout
    assert b"p <= 0.05" in done.stdout


def test_closed_pipe(pair):
    with subprocess.Popen([*COMMAND, "compare", *pair], stdout=-1, stderr=-1) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


CLOSED = {
    "compare": (["--exit-code", "--alpha=0.2"], ">&-", 1),
    "compare, same": (["--exit-code", "--alpha=0.001"], ">&-", 0),
    "json": (["--json=-"], ">&-", 0),
    "no message": (["--resamples=0"], "2>&-", 2),
    "neither": (["--resamples=0"], ">&- 2>&-", 2),
    "full": (["--resamples=0"], "2>/dev/full", 2),
    "result on full": ([], ">/dev/full", 2),
}


@pytest.mark.parametrize("case", CLOSED)
def test_closed_streams_do_not_change_the_status(pair, case):
    options, closed, expected = CLOSED[case]
    command = [*COMMAND, "compare", *pair, "--resamples=9", *options]
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], capture_output=True)
    assert done.returncode == expected
    assert b"Traceback" not in done.stderr


def test_info_without_standard_output():
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *COMMAND, "info"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_streams_are_put_back(pair, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["compare", *pair, "--resamples=9", "--alpha=0.5"]) == 0
    assert sys.stdout is None


def test_a_bug_is_an_error_in_one_line(refused, capsys, pair, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("no such thing\nat all")

    monkeypatch.setattr(_cli_compare, "feature_shifts", broken)
    message = refused(*pair, "--exit-code")
    assert message == ("fastdiv: please report this bug: ZeroDivisionError: no such thing at all\n")
    monkeypatch.setenv("FASTDIV_TRACEBACK", "1")
    assert main.main(["compare", *pair]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith(message)


# ---------------------------------------------------------------- shifts


def test_feature_shifts_against_brute_force():
    x, y = RNG.integers(0, 4, size=(23, 40)), RNG.integers(1, 5, size=(11, 40))
    for feature in feature_shifts(x, y, [str(j) for j in range(40)]):
        a, b = x[:, int(feature.name)], y[:, int(feature.name)]
        gaps = [abs(np.mean(a <= t) - np.mean(b <= t)) for t in range(6)]
        spread = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        assert feature.ks == pytest.approx(max(gaps))
        assert feature.shift == pytest.approx((b.mean() - a.mean()) / spread)
        assert feature.reference_mean == pytest.approx(a.mean())


def test_feature_shifts_are_sorted():
    found = feature_shifts(X, Y, "abc")
    assert found[0].name == "b"
    assert [f.ks for f in found] == sorted((f.ks for f in found), reverse=True)


def test_values_too_large_to_square(compare, tmp_path):
    x = np.column_stack([X[:, 0], np.full(40, 1e200)])
    x[3, 1] = -1e200
    file = save(tmp_path / "x.npy", x)
    assert {feature.ks for feature in feature_shifts(x, x, ["a", "b"])} == {0.0}
    assert "p-value    1 " in compare(file, file, "--standardize")[1]


@pytest.mark.parametrize("scale", [1.0, 1e300 * 1e8, 1e-300])
def test_shifts_do_not_depend_on_the_unit(scale):
    x, y = (np.clip(data, -1.7, 1.7) for data in (X, Y))
    for found, expected in zip(
        feature_shifts(scale * x, scale * y, "abc"), feature_shifts(x, y, "abc"), strict=True
    ):
        assert found.name == expected.name
        assert found.shift == pytest.approx(expected.shift)
        assert found.reference_mean == pytest.approx(scale * expected.reference_mean)
        assert found.current_mean == pytest.approx(scale * expected.current_mean)


def test_means_of_the_largest_values_are_printed(compare, tmp_path):
    x, y = np.clip(X, -1.7, 1.7) * 1e308, np.clip(Y, -1.7, 1.7) * 1e308
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    status, out, err = compare(*files, "--bandwidth=1e308", "--kernel=laplacian")
    assert (status, err) == (0, "")
    assert "e+307" in out
    assert "inf" not in out
    assert "nan" not in out


def test_mean_and_sd_far_from_the_origin_and_in_blocks(monkeypatch):
    x = X + 1e9
    monkeypatch.setattr(table, "COMPUTED", 12)
    mean, sd = mean_and_sd(x)
    assert mean == pytest.approx(x.mean(axis=0), rel=1e-15)
    assert sd == pytest.approx(X.std(axis=0, ddof=1), rel=1e-6)
    assert mean_and_sd(np.full((7, 1), 0.1))[1] == 0

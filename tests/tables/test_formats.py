"""Tables of every format, and the columns that are compared."""

import contextlib
import datetime
import decimal

import numpy as np
import pytest
from table_files import X, Y, as_json, parquet, save, write

import fastdiv
from fastdiv.tables import reading


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
    result = as_json(out)
    assert {feature["name"] for feature in result["features"]} == {"age", "pixels.0", "pixels.1"}
    assert result["left_out"] == {"words": "<U1"}


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
    result = as_json(out)
    assert [result["n_x"], result["n_y"]] == [19, 24]
    assert {feature["name"] for feature in result["features"]} == {
        *("integer", "single", "decimal", "half", "a.b")
    }
    assert result["left_out"] == {
        "flag": "true/false",
        "day": "date or time",
        "text": "text",
        "group": "categories",
        "empty": "no values",
        "list": "list",
    }
    by_name = {feature["name"]: feature for feature in result["features"]}
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
    result = as_json(out)
    assert [feature["name"] for feature in result["features"]] == ["b"]
    assert result["left_out"] == {
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
    result = as_json(out)
    assert [feature["name"] for feature in result["features"]] == ["a"]
    assert result["left_out"] == {"": "column without a name"}


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
        result = as_json(out)
        assert status == 0
        assert (result["n_x"], result["n_y"]) == (40, 30)
        assert result["statistic"] == pytest.approx(fastdiv.mmd2(X, Y), rel=1e-12)
        assert {feature["name"] for feature in result["features"]} == {*names}
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
    result = as_json(out)
    assert {feature["name"] for feature in result["features"]} == {"a", "b, c"}
    assert result["left_out"] == {}
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

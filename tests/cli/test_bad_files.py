"""Files that are no tables, each refused in one line."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from table_files import X, Y, parquet, save, write

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
    error = refused(save(tmp_path / "bad.npy", array), save(tmp_path / "y.npy", Y))
    assert message in error
    assert "bad.npy" in error


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


def test_broken_parquet(refused, tmp_path, rng):
    good = parquet(tmp_path / "good.parquet", a=np.arange(5000.0), b=rng.normal(size=5000))
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


@pytest.mark.slow
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

"""The text, JSON and picture that `fastdiv compare` writes."""

import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from table_files import COMMAND, X, Y, as_json, parquet, save

import fastdiv
from fastdiv import plots


def test_json_holds_the_result_and_nothing_else_is_on_stdout(compare, pair):
    status, out, err = compare(*pair, "--json", "-")
    result = as_json(out)
    assert status == 0
    for name in ("statistic", "pvalue", "null_distribution", "n_x", "n_y"):
        assert name in result
    assert set(fastdiv.TwoSampleResult.__dataclass_fields__) <= set(result)
    assert (result["n_x"], result["n_y"], result["n_resamples"]) == (40, 30, 99)
    assert len(result["null_distribution"]) == 99
    assert result["reject"] is True
    assert result["features"][0]["name"] == "1"
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


def test_names_are_printed_in_one_line(compare, tmp_path):
    pytest.importorskip("pyarrow")
    name = "a\x1b[31m\n" + "long" * 20
    file = parquet(tmp_path / "x.parquet", **{name: [1.0, 2.0, 4.0]})
    _, out, _ = compare(file, file)
    assert "\x1b" not in out
    assert "a\\x1b[31m\\n" in out
    assert max(map(len, out.replace(file, "x.parquet").splitlines())) <= 120


def test_means_of_the_largest_values_are_printed(compare, tmp_path):
    x, y = np.clip(X, -1.7, 1.7) * 1e308, np.clip(Y, -1.7, 1.7) * 1e308
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    status, out, err = compare(*files, "--bandwidth=1e308", "--kernel=laplacian")
    assert (status, err) == (0, "")
    assert "e+307" in out
    assert "inf" not in out
    assert "nan" not in out


def test_output_in_ascii(pair):
    done = subprocess.run(
        [*COMMAND, "compare", *pair],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"MMD^2" in done.stdout
    assert b"p <= 0.05" in done.stdout

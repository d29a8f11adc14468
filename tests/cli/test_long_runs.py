"""The announced cost of a long comparison, its bar, and Ctrl-C."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from table_files import COMMAND, X, save

import fastdiv
from fastdiv.cli import compare as compare_command
from fastdiv.cli import main, plan


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    data = np.random.default_rng(20).normal(size=(2500, 2))
    return save(folder / "x.npy", data[:1300]), save(folder / "y.npy", data[1300:])


def test_cost_is_announced_before_a_long_run(compare, large, pair, monkeypatch):
    monkeypatch.setattr(compare_command, "_LONG_RUN", 1e-9)
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

    monkeypatch.setattr(compare_command, "_LONG_RUN", 0.0)
    monkeypatch.setattr(fastdiv, "mmd_test", stop)
    np.savez(tmp_path / "x.npz", a=X[:, 0], words=np.full(40, "w"))
    file = str(tmp_path / "x.npz")
    assert main.main(["compare", file, file]) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[2:4] == ["features   1", "left out   words: <U1"]
    assert lines[4].startswith("plan  ")


def test_plan_in_words():
    words = [str(plan.Plan(10**9, 999, seconds, 4 * 10**6)) for seconds in (0.31, 240, 7200)]
    assert [text.partition("about ")[2] for text in words] == [
        "0.31 s and 4 MB",
        "4 min and 4 MB",
        "2.0 h and 4 MB",
    ]


def test_plan_leaves_out_what_a_call_costs_whatever_its_size(monkeypatch):
    monkeypatch.setattr(plan, "_timed", lambda work, rows: 0.05 + 1e-7 * rows**2)
    assert plan._extend(print, lambda rows: rows, 100_000) == pytest.approx(1000)
    monkeypatch.setattr(plan, "_timed", lambda work, rows: 1e-4 * rows**2)
    assert plan._extend(print, lambda rows: rows, 10_000) == pytest.approx(1e4)
    assert plan._extend(print, lambda rows: rows, 100) == 0


def test_plan_searches_a_median_only_if_the_kernel_needs_one(monkeypatch, rng):
    asked = []

    def median(pooled, *, metric, n_threads):
        asked.append(metric)
        return 1.0

    monkeypatch.setattr(plan.bandwidth, "median_distance", median)
    data = rng.normal(size=(2048, 2))
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
        assert plan.predict(data, data, kernel, **options).seconds > 0
        assert set(asked) == metrics


def test_a_plan_that_fails_does_not_stop_the_test(compare, tmp_path, rng):
    """Among the first rows the median overflows, or is zero and too small beside the others."""
    wide = save(tmp_path / "wide.npy", (2 * rng.random(800) - 1) * 1.7e308)
    assert compare(wide, wide, "--kernel=laplacian", "--bandwidth=1e308")[0] == 0
    mostly = np.concatenate([np.zeros(400), np.sort(rng.random(3000)) * 1e30]).astype(np.float32)
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
def test_interrupt_of_a_process(tmp_path, rng):
    data = rng.normal(size=(6000, 2))
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

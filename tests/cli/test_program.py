"""The program itself: installation, help, streams and exit status."""

import os
import subprocess
import sys
from contextvars import ContextVar

import pytest
from table_files import COMMAND, write

from fastdiv._engine import backend
from fastdiv.cli import compare as compare_command
from fastdiv.cli import main


def test_missing_arguments(capsys):
    assert main.main([]) == 2
    assert main.main(["compare", "a.npy"]) == 2
    assert main.main(["contrast"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


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


def test_info(capsys):
    assert main.main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("version", "isa", "threads", "openmp", "numpy"):
        assert word in out


BROKEN = {
    "instruction set": ({"FASTDIV_ISA": "v9", "FASTDIV_BACKEND": ""}, b"FASTDIV_ISA is 'v9'"),
    "backend": ({"FASTDIV_BACKEND": "fast"}, b"FASTDIV_BACKEND must be one of"),
}


@pytest.mark.slow
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
    monkeypatch.setattr(backend, "_current", ContextVar("missing", default=missing))
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


def test_module_is_the_program(pair):
    done = subprocess.run([*COMMAND, "compare", *pair, "--exit-code"], capture_output=True)
    assert done.returncode == 1
    assert b"the samples differ" in done.stdout
    failed = subprocess.run([*COMMAND, "compare", "no.npy", pair[0]], capture_output=True)
    assert failed.returncode == 2
    assert failed.stderr.startswith(b"fastdiv: no.npy: No such file")
    assert b"Traceback" not in failed.stderr


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


@pytest.mark.slow
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

    monkeypatch.setattr(compare_command, "feature_shifts", broken)
    message = refused(*pair, "--exit-code")
    assert message == ("fastdiv: please report this bug: ZeroDivisionError: no such thing at all\n")
    monkeypatch.setenv("FASTDIV_TRACEBACK", "1")
    assert main.main(["compare", *pair]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith(message)

"""Fixtures shared by the suite."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import hypothesis
import numpy as np
import pytest
from table_files import refusal

# A commit passes or fails, whenever it is tested: the same inputs in every run. `deadline=None`,
# because a busy machine is no failure.
hypothesis.settings.register_profile("same inputs", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same inputs")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the files of the whole suite among as many processes as there are processors."""
    options = config.option
    if (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and config.pluginmanager.hasplugin("xdist")
        and "PYTEST_XDIST_WORKER" not in os.environ
        and options.numprocesses is None
        and not options.usepdb
    ):
        options.numprocesses = min(len(os.sched_getaffinity(0)), 8)
        options.dist = "loadfile"
        options.loadscopereorder = False  # by the number of cases, which says little
        if "OMP_NUM_THREADS" not in os.environ:  # read by the processes, which start later
            os.environ |= {"OMP_NUM_THREADS": "1", "FASTDIV_TESTS_SHARE": "yes"}


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Let Ctrl-C be heard where a shell started the suite in the background, ignoring it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def core() -> ModuleType:
    """Return the compiled core; absent only where the reference was asked for."""
    if os.environ.get("FASTDIV_BACKEND") == "reference":
        return pytest.importorskip("fastdiv._core")
    import fastdiv._core

    return fastdiv._core


@pytest.fixture(scope="session")
def all_threads() -> dict[str, str | None]:
    """Return what lets a new process use all processors: changes to its environment."""
    return {"OMP_NUM_THREADS": None} if "FASTDIV_TESTS_SHARE" in os.environ else {}


RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_python(all_threads: dict[str, str | None]) -> RunPython:
    """Return a function that runs code in a new interpreter, with changes to the environment."""

    def run(
        code: str, *, timeout: float = 120, check: bool = True, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        changed = {**os.environ, **all_threads, **environment}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={name: value for name, value in changed.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def draw_example(tmp_path: Path) -> Callable[..., str]:
    """Return a function that lets an example draw one picture, and returns what it printed."""
    pytest.importorskip("matplotlib")

    def draw(name: str, *options: str, timeout: float) -> str:
        script = Path(__file__).parents[1] / "examples" / name
        done = subprocess.run(
            [sys.executable, str(script), *options, str(tmp_path / "out.png")],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
        return done.stdout

    return draw


@pytest.fixture
def command(capsys):
    """Run a command in this process; return status, stdout, stderr."""
    from fastdiv.cli import main

    def run(*arguments):
        status = main.main(list(map(str, arguments)))
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def compare(command):
    """Run ``fastdiv compare``."""
    return partial(command, "compare", "--resamples", "99")


@pytest.fixture
def refused(compare, tmp_path):
    """Run a comparison that must fail with one clear line and leave no file; return the line."""
    return refusal(compare, tmp_path)

"""The workshop: ``nox -s lint types tests``; ``nox -l`` lists everything."""

import os
import subprocess

import nox

nox.needs_version = ">=2024.3"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

CMAKE = ["cmake>=3.21", "ninja>=1.11"]


def sanitizer_runtime(name: str) -> str:
    """Path of a sanitizer's run-time library, to be loaded before Python."""
    return subprocess.run(
        [os.environ.get("CXX", "c++"), f"-print-file-name=lib{name}.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@nox.session
def lint(session: nox.Session) -> None:
    """Check, and where possible mend, every file as a commit would."""
    session.install("pre-commit>=3.5")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly, and the stubs of the extension against the extension."""
    session.install(".[cli,plot]", "mypy>=1.10")
    session.run("mypy")
    session.run("python", "-m", "mypy.stubtest", "fastdiv._core", *session.posargs)


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Build, install and test."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def stubs(session: nox.Session) -> None:
    """Print stubs of the extension, to update ``_core.pyi`` from."""
    session.install(".", "pybind11-stubgen>=2.5")
    folder = session.create_tmp()
    session.run("pybind11-stubgen", "fastdiv._core", "--output-dir", folder)
    with open(os.path.join(folder, "fastdiv", "_core.pyi"), encoding="utf-8") as file:
        session.log(file.read())


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the tests with the address and undefined-behaviour sanitizers."""
    session.install("-C", "cmake.define.FASTDIV_SANITIZE=address,undefined", ".[test]")
    session.run(
        "pytest",
        *session.posargs,
        env={
            "LD_PRELOAD": f"{sanitizer_runtime('asan')} {sanitizer_runtime('ubsan')}",
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        },
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Build and run the engine's benchmarks, then print the tables against the peers."""
    session.install(".[bench]", *CMAKE)
    build = os.path.join(session.create_tmp(), "bench")
    session.run("cmake", "-S", ".", "-B", build, "-G", "Ninja", "-DFASTDIV_BENCH=ON")
    session.run("cmake", "--build", build)
    for name in ("bench_peak", "bench_pairs", "bench_permutations"):
        session.run(os.path.join(build, "bench", name), external=True)
    session.run("python", "bench/peers.py", *session.posargs)

"""The engine as a C++ library: its own tests, and a project that uses the installed package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Programs that pip installed beside this interpreter count even where it was not activated.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def have_compiler():
    compiler = os.environ.get("CXX")
    return any(shutil.which(name) for name in ([compiler] if compiler else ["c++", "g++"]))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not have_compiler(), reason="there is no C++ compiler"),
]


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "PATH": PATH, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built():
    """Return the build tree of the engine and its tests, without Python.

    It stays in the clone: the next run, and `nox -s emulate`, compile only what has changed. Two
    levels show whether levels share symbols. The tests in Python run them all.
    """
    options = ("-DFASTDIV_EMULATOR=", "-DFASTDIV_LEVELS=baseline;v3")
    run("cmake", "--preset", "release", *options, cwd=ROOT)
    run("cmake", "--build", "--preset", "release", cwd=ROOT)
    return ROOT / "build" / "release"


@pytest.fixture(scope="module")
def tests_passed(built):
    """Return what ctest printed, test by test."""
    at_once = ("--parallel", len(os.sched_getaffinity(0)))
    options = ("--verbose", "--no-tests=error", *at_once)
    return run("ctest", "--test-dir", built, *options, OMP_WAIT_POLICY="passive")


def test_engine_alone(tests_passed):
    passed = re.findall(r"level (\w+): \d+ checks, 0 failed", tests_passed)
    assert "baseline" in passed


def test_levels_share_no_weak_symbol(tests_passed):
    assert re.search(r"\d+ levels, \d+ symbols, \d+ weak and none of them shared", tests_passed)


def test_a_shared_weak_symbol_would_be_found(built):
    """Two objects of one level share them all."""
    script = ROOT / "tests" / "engine" / "cpp" / "isa_symbols.cmake"
    object_file = next(built.glob("**/fastdiv_isa_baseline.dir/**/*.o"))
    nm = re.search(r"CMAKE_NM:FILEPATH=(.+)", (built / "CMakeCache.txt").read_text())[1]
    done = subprocess.run(
        ["cmake", f"-DNM={nm}", f"-DOBJECTS={object_file}|{object_file}", "-P", script],
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "is weak in" in done.stderr


def test_installed_package_from_another_project(built, tmp_path):
    prefix = tmp_path / "prefix"
    build = tmp_path / "consumer"
    run("cmake", "--install", built, "--prefix", prefix)
    headers = {path.name for path in (ROOT / "cpp" / "include" / "fastdiv").iterdir()}
    assert {path.name for path in (prefix / "include").rglob("*.hpp")} == headers
    run(
        *(
            "cmake",
            "-S",
            ROOT / "tests" / "engine" / "cpp" / "consumer",
            "-B",
            build,
            "-G",
            "Ninja",
        ),
        f"-DCMAKE_PREFIX_PATH={prefix}",
    )
    run("cmake", "--build", build)
    printed = run(build / "consumer")
    assert printed.count("ok ") == 8

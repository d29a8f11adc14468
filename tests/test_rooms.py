"""The rooms of the package: what each one lists, and which way its imports point."""

import ast
import re
from pathlib import Path

import pytest

import fastdiv

ROOT = Path(fastdiv.__file__).parent
FOLDERS = sorted(path.parent for path in ROOT.rglob("__init__.py") if path.parent != ROOT)
MOST_FILES = 16

# From the ground up: a room may import from itself and from the rooms above it in this list.
ORDER = (
    "_docs",
    "_engine",
    "_inputs",
    "_config",
    "kernels",
    "_sums",
    "quantized",
    "mmd",
    "distributions",
    "distributions.discrete",
    "distributions.estimates",
    "clusters",
    "groups",
    "frameworks",
    "torch",
    "jax",
    "tables",
    "reports",
    "plots",
    "cli",
    "__main__",
)

TESTS = Path(__file__).parent
OTHER_TESTS = {"engine", "properties", "recording", "examples", "fuzz"}
"""Folders of tests that need not be named after a room."""


def names_in(folder):
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    """Return the longest name in ORDER that leads to a module; None for the package itself."""
    inside = [room for room in ORDER if f"{module}.".startswith(f"{room}.")]
    return max(inside, key=len, default=None)


def imported_modules(path):
    """Yield the modules of the package that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("fastdiv.") for name in names if name.startswith("fastdiv."))


@pytest.mark.parametrize("folder", FOLDERS, ids=module_name)
def test_a_folder_lists_its_files(folder):
    document = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    _, _, listing = document.partition("Files\n-----\n")
    assert set(re.findall(r"^(\w+): \S", listing, re.MULTILINE)) == names_in(folder)


@pytest.mark.parametrize("folder", [ROOT, *FOLDERS], ids=lambda path: path.name)
def test_a_folder_is_small(folder):
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_every_room_has_its_place():
    rooms = {room_of(module_name(path)) for path in ROOT.rglob("*.py")} - {None}
    assert rooms == set(ORDER)


def test_tests_mirror_the_rooms():
    folders = {".".join(path.parent.relative_to(TESTS).parts) for path in TESTS.rglob("*.py")}
    rooms = {room.removeprefix("_") for room in ORDER}
    mirrors = {folder for folder in folders if folder.partition(".")[0] not in OTHER_TESTS}
    assert mirrors - {""} <= rooms


def test_imports_point_one_way():
    upwards = [
        f"{module_name(path)} imports {module}"
        for path in ROOT.rglob("*.py")
        if path != ROOT / "__init__.py"
        for module in imported_modules(path)
        if room_of(module) is not None
        and ORDER.index(room_of(module)) > ORDER.index(room_of(module_name(path)))
    ]
    assert not upwards


def test_the_reference_is_imported_by_name_alone():
    importers = [
        module_name(path)
        for path in ROOT.rglob("*.py")
        if any(module.startswith("_sums.reference") for module in imported_modules(path))
        and not module_name(path).startswith("_sums.reference")
    ]
    assert not importers

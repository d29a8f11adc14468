"""Record what every public function returns, and compare two recordings bit for bit.

A refactoring must not change a result. Record with the package of before and of after, each
installed in the environment whose Python runs this file, on one machine, and compare::

    python tests/record_results.py record before.json
    python tests/record_results.py record after.json
    python tests/record_results.py compare before.json after.json

The cases stand in `recording`: only the public API is called, so that they run unchanged before
and after. They are recorded for each instruction set level of this machine and, on smaller inputs,
for the NumPy reference; what has no compiled loop, for one level. ``--levels v3`` and ``--rooms
sizes,gradients`` record less: those levels, and rooms whose names hold one of the words.
`fastdiv.torch` and `fastdiv.jax` are recorded if they can be imported; ``--rooms frameworks``
records them alone. pytest does not collect this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REFERENCE = "reference"
AT_ONCE = 2
"""Levels recorded at a time."""

ENVIRONMENT = {
    "COLUMNS": "80",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "passive",  # threads that wait sleep: levels share the processors
    "OPENBLAS_NUM_THREADS": "1",  # the order of its sums depends on it
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
}
SETTINGS = ("FASTDIV_BACKEND", "FASTDIV_ISA", "FASTDIV_TRACEBACK")


class RecordingError(Exception):
    """A level that could not be recorded."""


# --- record -----------------------------------------------------------------------------


def record(path: str, levels: list[str], rooms: list[str]) -> None:
    """Record every level in a process of its own, all into one file."""
    available = _available()
    chosen = levels or [REFERENCE, *available]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        parts = pool.map(
            lambda level: _record_level(level, level in (REFERENCE, chosen[-1]), rooms, folder),
            chosen,
        )
        results = {key: text for part in parts for key, text in part.items()}
    about = {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "levels": chosen,
        "rooms": rooms,
    }
    with open(path, "w", encoding="utf-8") as stream:
        json.dump({"about": about, "results": results}, stream, indent=0, ensure_ascii=False)
    print(f"{len(results)} results in {path}")


def _available() -> list[str]:
    """Return the instruction set levels of this machine."""
    code = "import fastdiv, json; print(json.dumps(fastdiv.show_config('dict')['isa_available']))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _record_level(level: str, once: bool, rooms: list[str], folder: str) -> dict[str, str]:
    work, out = Path(folder, level), Path(folder, f"{level}.json")
    work.mkdir()
    choice = {"FASTDIV_BACKEND": level} if level == REFERENCE else {"FASTDIV_ISA": level}
    start = time.monotonic()
    command = [sys.executable, os.path.abspath(__file__), "level", level, str(out)]
    command += ["--rooms", ",".join(rooms), *(["--once"] if once else [])]
    done = subprocess.run(command, env=_environment() | choice, cwd=work, check=False)
    if done.returncode:
        raise RecordingError(f"recording {level} ended with status {done.returncode}")
    part: dict[str, str] = json.loads(out.read_text(encoding="utf-8"))
    print(f"{level}: {len(part)} results in {time.monotonic() - start:.0f} s", flush=True)
    return part


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if paths := kept.get("PYTHONPATH"):
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))
    return kept | ENVIRONMENT


def record_level(level: str, path: str, names: list[str], *, once: bool) -> None:
    """Record the level of this process; `once` tells whether what is recorded once is too."""
    from recording import rooms

    results: dict[str, str] = {}
    for name, cases in rooms.chosen(names, once=once, small=level == REFERENCE).items():
        for key, text in _recorded(f"{level}, {name}: ", cases):
            if key in results:
                raise ValueError(f"two cases have the key {key!r}")
            results[key] = text
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(results, stream, ensure_ascii=False)


def _recorded(prefix: str, cases: object) -> Iterator[tuple[str, str]]:
    from recording.encode import outcome

    for name, call in cases:
        for suffix, text in outcome(call):
            yield prefix + name + suffix, text


# --- compare ----------------------------------------------------------------------------


def compare(one: str, other: str, known: list[str]) -> int:
    """
    Print every difference between two recordings; return how many there are.

    Where the text before holds one of the known words, another text is expected, and only counted.
    """
    before, after = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (one, other))
    old, new = before["results"], after["results"]
    if before["about"] != after["about"]:
        print(f"note: recorded differently: {before['about']} and {after['about']}")
    if any(before["about"][part] != after["about"][part] for part in ("levels", "rooms")):
        shared = _rooms_of(old) & _rooms_of(new)
        old, new = (
            {key: text for key, text in results.items() if key.split(": ")[0] in shared}
            for results in (old, new)
        )
        print(f"note: only what both recorded is compared: {', '.join(sorted(shared))}")
    changed = [key for key in old if key in new and old[key] != new[key]]
    differing = [key for key in changed if not any(words in old[key] for words in known)]
    missing = [key for key in old if key not in new]
    added = [key for key in new if key not in old]
    for key in differing:
        print(f"differs: {key}\n  before: {old[key]}\n  after:  {new[key]}")
    for key in missing:
        print(f"missing: {key}\n  before: {old[key]}")
    for key in added:
        print(f"added: {key}\n  after:  {new[key]}")
    print(
        f"{len(old)} and {len(new)} results: {len(differing)} differ, {len(missing)} are missing, "
        f"{len(added)} are added; {len(changed) - len(differing)} differ as expected"
    )
    return len(differing) + len(missing) + len(added)


def _rooms_of(results: dict[str, str]) -> set[str]:
    """Return the level and room that each key begins with."""
    return {key.split(": ")[0] for key in results}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "level"):
        command = commands.add_parser(name)
        if name == "level":
            command.add_argument("level")
            command.add_argument("--once", action="store_true")
        else:
            command.add_argument("--levels", type=_names, default=[], help="default: all")
        command.add_argument("file")
        command.add_argument("--rooms", type=_names, default=[], help="default: all")
    both = commands.add_parser("compare")
    both.add_argument("before")
    both.add_argument("after")
    both.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="WORDS",
        help="texts with these words before are expected to differ; may be given several times",
    )
    args = parser.parse_args()
    if args.command == "compare":
        return 1 if compare(args.before, args.after, args.known) else 0
    if args.command == "level":
        record_level(args.level, args.file, args.rooms, once=args.once)
    else:
        try:
            record(args.file, args.levels, args.rooms)
        except RecordingError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    sys.exit(main())

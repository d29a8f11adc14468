"""
Put what `peers.py` printed in several runs side by side: one row per case and run.

Runs on different machines, or at different instruction sets, have the same tables.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tables import check_page, table, update_page


@dataclass(frozen=True)
class Block:
    """Lines of text, or the rows of a table with its header."""

    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def labels(self) -> list[str]:
        return [row[0] for row in self.rows[1:]]


def blocks(text: str) -> list[Block]:
    """Split Markdown into blocks."""
    result = []
    for kind, group in groupby(text.splitlines(), lambda line: line[:1] == "|" if line else None):
        if kind:
            rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in group]
            result.append(Block(rows=(rows[0], *rows[2:])))
        elif kind is not None:
            result += [Block(text=line) for line in group]
    return result


def sections(path: Path) -> dict[str, list[Block]]:
    """Read the blocks of a run by the title of their section; the machine has the title ''."""
    machine, *parts = path.read_text(encoding="utf-8").split("\n### ")
    titled = [part.partition("\n") for part in parts]
    return {"": blocks(machine), **{title: blocks(body) for title, _, body in titled}}


def merged(runs: dict[str, Block]) -> str:
    """Merge one block of every run."""
    first = next(iter(runs.values()))
    if not first.rows:
        return "\n\n".join(dict.fromkeys(block.text for block in runs.values())) + "\n"
    if any(run.rows[0] != first.rows[0] or run.labels != first.labels for run in runs.values()):
        return "\n".join(
            f"{name}:\n\n{table(run.rows[0], run.rows[1:])}" for name, run in runs.items()
        )
    body = [
        [run.rows[at][0], name, *run.rows[at][1:]]
        for at in range(1, len(first.rows))
        for name, run in runs.items()
    ]
    return table([first.rows[0][0], "run", *first.rows[0][1:]], body)


def side_by_side(paths: list[Path]) -> str:
    runs = [sections(path) for path in paths]
    machines = [{key: value for key, value in run[""][0].rows[1:]} for run in runs]
    names = [machine["instruction set"] for machine in machines]
    if len(set(names)) < len(names):
        names = [f"{m['CPU']}, {name}" for m, name in zip(machines, names, strict=True)]
    if len(set(names)) < len(names):
        raise SystemExit(f"two runs have the same processor and instruction set: {names}")
    hosts = [[key, *(machine[key] for machine in machines)] for key in machines[0]]
    parts = [table(["run", *names], hosts)]
    for title in dict.fromkeys(title for run in runs for title in run if title):
        have = {name: run[title] for name, run in zip(names, runs, strict=True) if title in run}
        parts.append(f"### {title}\n")
        if len({tuple(bool(block.rows) for block in each) for each in have.values()}) == 1:
            parts += [
                merged(dict(zip(have, matching, strict=True)))
                for matching in zip(*have.values(), strict=True)
            ]
        else:
            for name, each in have.items():
                parts.append(f"{name}:\n")
                parts += [merged({name: block}) for block in each]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="files with the output of peers.py")
    parser.add_argument("--update", type=Path, help="rewrite the results in this Markdown file")
    args = parser.parse_args()
    if args.update is not None:
        check_page(args.update)
    text = side_by_side(args.runs)
    print(text)
    if args.update is not None:
        update_page(args.update, text)


if __name__ == "__main__":
    main()

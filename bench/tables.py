"""Markdown tables and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from measure import Samples

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def time_cell(samples: Samples) -> str:
    value = samples.median
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def spread_cell(samples: Samples, digits: int = 3) -> str:
    low, high = min(samples.values), max(samples.values)
    return f"{samples.median:.{digits}g} ({low:.{digits}g}–{high:.{digits}g})"


def peer_cell(samples: Samples, ours: Samples) -> str:
    return f"{time_cell(samples)}, {spread_cell(samples.over(ours))}×"


def peers_table(
    first: str, names: Sequence[str], rows: list[tuple[str, dict[str, Samples]]]
) -> str:
    """Format a row per case: ours, then each peer with its time over ours."""
    body = []
    for label, times in rows:
        ours = times["fastdiv"]
        cells = [peer_cell(times[name], ours) if name in times else "–" for name in names]
        body.append([label, time_cell(ours), *cells])
    return table([first, "fastdiv", *names], body)


def check_page(page: Path) -> None:
    if BEGIN not in page.read_text(encoding="utf-8"):
        raise SystemExit(f"{page} has no line {BEGIN}")


def update_page(page: Path, results: str) -> None:
    """Put results between the markers of a page."""
    text = page.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n\n{results}\n{END}{tail}", encoding="utf-8")

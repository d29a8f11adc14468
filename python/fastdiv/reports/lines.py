"""Write lines that the reports share."""

from __future__ import annotations

from fastdiv.tables.names import printable


def labelled(*lines: tuple[str, str]) -> str:
    """Write texts below each other, each after its label."""
    return "\n".join(f"{label:<10} {text}" for label, text in lines)


def rows_of(path: str, rows: str, omitted: int) -> str:
    """Say how many rows a table has, and how many were dropped."""
    note = f" ({omitted} with missing values dropped)" if omitted else ""
    return f"{printable(path)}: {rows}{note}"


def number_of(number: int, noun: str, *, separator: str = "") -> str:
    """Write a number and its noun in singular or plural, with a separator of thousands."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", separator)

"""Print and parse the names of columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from fastdiv.tables.table import TableError


def printable(name: str, width: int | None = None) -> str:
    r"""
    Escape line ends and other control characters in a name. Cut it in the middle to a width.

    Examples
    --------
    >>> printable("flipper length")
    'flipper length'
    >>> print(printable("two" + chr(10) + "lines"))
    two\nlines
    >>> printable("amount_over_90_days", width=9)
    'amou…days'
    """
    text = name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
    if width is None or len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[len(text) - (width - 1) // 2 :]}"


def parse_names(text: str) -> tuple[str, ...]:
    """
    Split a comma-separated list of column names. Quotes protect a comma within a name.

    Raise TableError if a name is empty or given twice.

    Examples
    --------
    >>> parse_names('age,"height, cm"')
    ('age', 'height, cm')
    """
    names = next(csv.reader(io.StringIO(text), skipinitialspace=True), [])
    if not names or not all(names):
        raise TableError(f"{text!r} holds an empty name; give NAME,NAME,…")
    refuse_duplicates(repr(text), names)
    return tuple(names)


def refuse_duplicates(path: str, names: Sequence[str]) -> None:
    """Raise TableError if a name stands twice."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        listed = ", ".join(printable(name) for name in twice[:8])
        raise TableError(f"{path} has duplicate column names: {listed}")

"""Show in an error what a caller passed: at once and in a few words, however large it is."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

_MOST_ENTRIES = 6
"""Entries of an array, a list or a dict that are shown."""

_MOST_CHARACTERS = 80
"""Characters of a text that are shown."""

_MOST_BITS = 64
"""Bits of an integer that is shown. Python refuses to print integers of some thousand digits."""


class _Short(reprlib.Repr):
    """Like `repr`, but bounded in length and in time."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxarray = self.maxdict = _MOST_ENTRIES
        self.maxset = self.maxfrozenset = self.maxdeque = _MOST_ENTRIES
        self.maxstring = self.maxother = _MOST_CHARACTERS
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        """Return the digits of a short integer, and the length of a long one."""
        bits = x.bit_length()
        return repr(x) if bits <= _MOST_BITS else f"one of {bits} bits"

    def repr_instance(self, x: Any, level: int) -> str:
        """Return the shape of an array or a frame, and the bounded `repr` of anything else."""
        shape = _shape(x)
        if shape is not None and (len(shape) > 1 or sum(shape) > _MOST_ENTRIES):
            return f"{type(x).__name__} of shape {shape}"
        return " ".join(super().repr_instance(x, level).splitlines())


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of an array, or None for anything else."""
    try:
        return tuple(map(int, value.shape))
    except Exception:  # whatever a foreign class raises, an error message is being made
        return None


_SHORT = _Short()


def shown(value: object) -> str:
    """Return `value` as an error shows it, like `repr` but bounded in length and in time."""
    try:
        text = _SHORT.repr(value)
    except Exception:  # whatever a foreign class raises, an error message is being made
        text = f"one {type(value).__name__} that cannot be shown"
    return text if len(text) <= 2 * _MOST_CHARACTERS else f"{text[: 2 * _MOST_CHARACTERS - 3]}..."


def listing(values: Iterable[object]) -> str:
    """Return the first few values, and that there are more."""
    given = iter(values)
    words = [shown(value) for value in islice(given, _MOST_ENTRIES)]
    return ", ".join([*words, "..."] if next(given, None) is not None else words) or "none"

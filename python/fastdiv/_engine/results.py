"""Give result classes what they share: read-only arrays, equality by value and a hash."""

from __future__ import annotations

from typing import Any

import numpy as np


class ReadOnly:
    """Base class of what holds arrays that are read-only, in copies and after pickling too."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, read_only(value))

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in list(state.items()):
            object.__setattr__(self, name, read_only(value))


class Result(ReadOnly):
    """
    Base class of results, whose dataclasses have ``frozen=True, eq=False``.

    Arrays are read-only. Results are equal if all their fields are, entry by entry, where NaN
    equals NaN.
    """

    def __post_init__(self) -> None:
        self.__setstate__(vars(self))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        theirs = vars(other)
        return all(equal(value, theirs[name]) for name, value in vars(self).items())

    def __hash__(self) -> int:
        return hash((type(self), *map(hashable, vars(self).values())))


def read_only(value: Any) -> Any:
    """Return a view that cannot be written to of an array, and anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def equal(one: Any, other: Any) -> bool:
    """Tell whether two fields are equal, entry by entry."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        kinds = {np.asarray(value).dtype.kind for value in (one, other)}
        return np.array_equal(one, other, equal_nan=kinds <= set("fc"))
    return bool(one == other or (one != one and other != other))


def hashable(value: Any) -> Any:
    """Return what equal fields have in common."""
    if isinstance(value, np.ndarray):
        return value.shape
    return None if value != value else value

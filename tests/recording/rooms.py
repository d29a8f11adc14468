"""The rooms of cases by name."""

from __future__ import annotations

from collections.abc import Callable

from . import (
    blocks,
    clusters,
    command_line,
    discrete,
    errors,
    frameworks,
    gaussians,
    interface,
    permutations,
    samples,
)
from .encode import Cases

Room = Callable[[bool], Cases]
AT_EVERY_LEVEL: dict[str, Room] = {
    **samples.ROOMS,
    **permutations.ROOMS,
    **clusters.ROOMS,
    **gaussians.ROOMS,
    **discrete.ROOMS,
    **blocks.ROOMS,
    **frameworks.ROOMS,
}
ONCE: dict[str, Room] = {
    **clusters.ONCE,
    **gaussians.ONCE,
    **discrete.ONCE,
    **errors.ONCE,
    **interface.ONCE,
    **command_line.ONCE,
    **frameworks.ONCE,
}
"""Rooms without a compiled loop: recorded at one level, and for the reference."""


def chosen(names: list[str], *, once: bool, small: bool) -> dict[str, Cases]:
    """Return the cases of the rooms whose names hold one of these words, of all for no words."""
    rooms = AT_EVERY_LEVEL | (ONCE if once else {})
    return {
        name: cases(small)
        for name, cases in rooms.items()
        if not names or any(word in name for word in names)
    }

"""Report progress as a bar on standard error, or to the caller's function."""

from __future__ import annotations

import sys
import time

from fastdiv._engine.types import Progress

_WIDTH = 30
"""Characters of the bar."""


class _Bar:
    """Draw a bar, with the time that is left."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        share = done / total if total else 1.0
        filled = round(_WIDTH * share)
        seconds = time.monotonic() - self._start
        left = f"{seconds / share - seconds:6.1f} s left" if 0 < share < 1 else " " * 13
        bar = "#" * filled + "-" * (_WIDTH - filled)
        sys.stderr.write(f"\r[{bar}] {share:4.0%} {left}")
        if done >= total:
            sys.stderr.write("\n")
            self._start = time.monotonic()
        sys.stderr.flush()


def reporter(progress: object) -> Progress | None:
    """Turn the `progress` argument into a function of (done, total), or None."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Bar()
    if callable(progress):
        return progress
    raise TypeError(
        "progress must be None, True or a callable taking (done, total); "
        f"got {type(progress).__name__}"
    )

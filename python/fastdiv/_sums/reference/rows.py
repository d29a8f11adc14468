"""Find the first value that is not finite, and report progress."""

from __future__ import annotations

import numpy as np

from fastdiv._engine.types import Matrix, Progress


def first_nonfinite(x: Matrix) -> int:
    """Return the index of the first NaN or infinity in the flattened rows, or −1."""
    bad = ~np.isfinite(x)
    return int(bad.argmax()) if bad.any() else -1


def report(progress: Progress | None) -> None:
    """Report that the whole of the work is done."""
    if progress is not None:
        progress(1, 1)

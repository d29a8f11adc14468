"""Find the first value that is not finite, and report progress."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Progress


def first_nonfinite(x: NDArray[Any], positive: bool = False, n_threads: int = 1) -> int:
    """
    Return the index of the first NaN or infinity in the flattened array, or −1.

    With `positive`, values that are not above 0 are looked for too.
    """
    bad = ~(np.isfinite(x) & (x > 0)) if positive else ~np.isfinite(x)
    return int(bad.argmax()) if bad.any() else -1


def report(progress: Progress | None) -> None:
    """Report that the whole of the work is done."""
    if progress is not None:
        progress(1, 1)

"""Compute means and standard deviations, of which no square overflows or underflows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.types import Values


def mean_and_deviation(values: Values, ddof: int = 0) -> tuple[Any, Any]:
    """
    Return the mean and the standard deviation along the first axis.

    The bits are those of NumPy where squares are in range. Infinity stands for what is too large.
    """

    def moments() -> tuple[Any, Any]:
        # Powers of two change no bits. In units near the largest value all squares are at most 1.
        unit = np.frexp(np.abs(values).max(axis=0))[1]
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.ldexp(values, -unit)
            mean = np.ldexp(scaled.mean(axis=0), unit)
            return mean, np.ldexp(scaled.std(axis=0, ddof=ddof), unit)

    return patiently(moments, PASSES * values.size)  # sums in blocks would have other bits

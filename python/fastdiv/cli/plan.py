"""Predict the cost of a comparison from runs on a few of its rows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.types import Matrix
from fastdiv._sums import reductions
from fastdiv.kernels import Kernel
from fastdiv.kernels.lowering import lower
from fastdiv.mmd import bandwidth
from fastdiv.mmd.permutation import splittings

_FIRST_ROWS = 256  # of the first calibration run
_FEW_DRAWS = 20  # permutations that are timed
_DRAWN_ROWS = 4096  # at most, that these permute; the time per row is extrapolated
_LONG_ENOUGH = 0.25  # seconds after which calibration ends

_Work: TypeAlias = Callable[[Matrix], object]


@dataclass(frozen=True)
class Plan:
    """
    The cost of one comparison.

    Attributes
    ----------
    pairs : int
        Distances between distinct pooled rows that will be computed.
    n_resamples : int
        Permutations, all served by the same pass over the pairs.
    seconds : float
        Predicted time; 0 for samples too small for calibration runs, or if these fail.
    n_bytes : int
        Predicted memory besides the two samples: pooled rows, their packed copy, and labels.
    """

    pairs: int
    n_resamples: int
    seconds: float
    n_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.pairs:.2g} pairs x {self.n_resamples} permutations, "
            f"about {_in_words(self.seconds)} and {max(1, round(self.n_bytes / 1e6))} MB"
        )


def predict(
    x: Matrix, y: Matrix, kernel: Kernel, *, estimator: str, n_resamples: int, n_threads: int | None
) -> Plan:
    """
    Predict the cost of ``mmd_test(x, y, kernel, …)`` from runs on a few rows of the same data.

    The passes over the pairs, for a median bandwidth and for the statistics, grow with the square
    of the rows. The draws of permutations grow with the rows. Few rows can be too much alike, or
    too far apart, for a kernel that suits all. Such a failure is left to the test itself.
    """
    n_rows = len(x) + len(y)
    itemsize = 4 if x.dtype == y.dtype == np.float32 else 8
    n_bytes = 2 * n_rows * x.shape[1] * itemsize + n_rows * n_resamples
    pairs = n_rows * (n_rows - 1) // 2
    seconds = 0.0
    if n_rows >= 4 * _FIRST_ROWS:
        with contextlib.suppress(ValueError, OverflowError):
            seconds = _calibrate(x, y, kernel, estimator, n_resamples, n_threads)
    return Plan(pairs, n_resamples, seconds, n_bytes)


def _calibrate(
    x: Matrix, y: Matrix, kernel: Kernel, estimator: str, n_resamples: int, n_threads: int | None
) -> float:
    """Predict the seconds of a test from runs on a few rows."""
    n_rows = len(x) + len(y)
    threads, rng = n_threads or 0, np.random.default_rng(0)
    searches: list[_Work] = []

    def few(rows: int) -> Matrix:
        n = rows * len(x) // n_rows
        return np.concatenate([x[:n], y[: rows - n]])

    def median(metric: str) -> float:
        search = partial(bandwidth.median_distance, metric=metric, n_threads=n_threads)
        searches.append(search)
        return search(few(_FIRST_ROWS)) or 1.0

    lowered = lower([kernel._resolve(x.shape[1], median)])
    pairs = _inputs.PAIRS_OF[estimator]

    def compute(pooled: Matrix) -> None:
        labels = rng.integers(0, 2, (1 + n_resamples, len(pooled)), dtype=np.uint8)
        reductions.quad_forms(pooled, labels, lowered, False, threads, None)

    def draw(pooled: Matrix) -> None:
        half = len(pooled) // 2
        draws = (rng.permutation(2 * half) for _ in range(_FEW_DRAWS))
        splittings(pooled[: 2 * half], half, draws, _FEW_DRAWS, lowered, pairs, threads)

    seconds = _extend(compute, few, n_rows)
    for search in searches:
        seconds += _extend(search, few, min(n_rows, bandwidth.EXACT_ROWS))
    some = few(min(n_rows, _DRAWN_ROWS))
    return seconds + _timed(draw, some) * n_rows / len(some) * n_resamples / _FEW_DRAWS


def _timed(work: _Work, pooled: Matrix) -> float:
    start = time.perf_counter()
    work(pooled)
    return time.perf_counter() - start


def _extend(work: _Work, few: Callable[[int], Matrix], n_rows: int) -> float:
    """
    Extend the time on a few rows to all rows, as their square.

    The rows double until they are a quarter of all or take long enough. The difference of the
    last two runs counts, which leaves out the constant cost of a call.
    """
    rows, before, slope = _FIRST_ROWS, 0.0, 0.0
    while 4 * rows <= n_rows:
        took = _timed(work, few(rows))
        slope = max(took - before, 0.0) / (rows**2 - (rows // 2) ** 2 if before else rows**2)
        if took > _LONG_ENOUGH:
            break
        rows, before = 2 * rows, took
    return slope * n_rows**2


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

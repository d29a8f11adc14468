"""What a comparison will cost, measured on a small part of it before it starts."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastdiv import Laplacian, distances, median_distance, mmd_test

_FIRST_ROWS = 128
_LONG_ENOUGH = 0.05  # seconds of a calibration run


@dataclass(frozen=True)
class Plan:
    """The cost of one comparison.

    Attributes
    ----------
    pairs : int
        Distances between distinct pooled rows that will be computed.
    n_resamples : int
        Permutations, all served by the same pass over the pairs.
    seconds : float
        Predicted time; 0 for samples too small to be worth a calibration run.
    n_bytes : int
        Predicted memory above the two samples: pooled rows, their packed copy and the labels.
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
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    kernel: Any,
    *,
    estimator: str,
    n_resamples: int,
    n_threads: int | None,
) -> Plan:
    """Predict the cost of ``mmd_test(x, y, kernel, …)`` from runs on a few rows of the same data.

    Parameters
    ----------
    x, y : ndarray of shape (n, d) and (m, d)
        The samples.
    kernel : Kernel
        The kernel; the search for a median bandwidth is predicted too.
    estimator, n_resamples, n_threads
        As for `fastdiv.mmd_test`.

    Returns
    -------
    Plan
        The prediction. Time grows with the number of pairs, so a run on k rows of each sample is
        scaled by the ratio of the pairs; k doubles from 128 until a run takes 0.05 s or k reaches
        an eighth of the larger sample.
    """
    n_rows = len(x) + len(y)
    itemsize = 4 if x.dtype == y.dtype == np.float32 else 8
    n_bytes = 2 * n_rows * x.shape[1] * itemsize + n_rows * n_resamples
    seconds = test_seconds = median_seconds = 0.0
    rows = _FIRST_ROWS
    while test_seconds < _LONG_ENOUGH and 8 * rows <= max(len(x), len(y)):
        few_x, few_y = x[:rows], y[:rows]
        few_rows = len(few_x) + len(few_y)
        fixed = kernel
        if getattr(kernel, "bandwidth", None) == "median":
            metric = "cityblock" if isinstance(kernel, Laplacian) else "euclidean"
            start = time.perf_counter()
            sigma = median_distance(few_x, few_y, metric=metric, n_threads=n_threads)
            took = time.perf_counter() - start
            median_seconds = took * _pairs(min(n_rows, distances.EXACT_ROWS)) / _pairs(few_rows)
            fixed = dataclasses.replace(kernel, bandwidth=sigma or 1.0)
        start = time.perf_counter()
        mmd_test(
            few_x,
            few_y,
            fixed,
            estimator=estimator,
            n_resamples=n_resamples,
            rng=0,
            n_threads=n_threads,
        )
        test_seconds = time.perf_counter() - start
        seconds = median_seconds + test_seconds * _pairs(n_rows) / _pairs(few_rows)
        rows *= 2
    return Plan(_pairs(n_rows), n_resamples, seconds, n_bytes)


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

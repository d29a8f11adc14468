"""Resampling: orderings of the pooled rows, the caller's or random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._inputs.options import integer

MAX_RESAMPLES = 10**9
DEFAULT_RESAMPLES = 999


def orderings(
    permutations: object, n_resamples: object, n_rows: int, rows: str = "n + m"
) -> tuple[NDArray[np.integer[Any]] | None, int]:
    """Return the caller's (B, n_rows) orderings, if any, and B; `rows` is what n_rows is called."""
    n = integer(n_resamples, "n_resamples", 1, MAX_RESAMPLES)
    if permutations is None:
        return None, n
    try:
        a = np.asarray(permutations)
    except ValueError as error:
        raise ValueError(f"permutations must be a (B, {rows}) integer array: {error}") from error
    if a.dtype.kind not in "iu":
        raise TypeError(f"permutations must hold integers; got dtype {a.dtype}")
    if a.ndim != 2 or len(a) == 0 or a.shape[1] != n_rows:
        raise ValueError(
            f"permutations must have shape (B, {rows}) = (B, {n_rows}) with B >= 1; "
            f"got shape {a.shape}"
        )
    identity = np.arange(n_rows)
    for index, row in enumerate(a):
        if not np.array_equal(np.sort(row), identity):
            raise ValueError(
                f"permutations: row {index} is not an ordering of 0, 1, ..., {n_rows - 1}"
            )
    if n not in (DEFAULT_RESAMPLES, len(a)):
        raise ValueError(
            f"n_resamples must be left out or equal the {len(a)} rows of permutations; got {n}"
        )
    return a, len(a)

"""Check or draw the orderings of rows, and say which statistics tie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._inputs.arrays import any_array
from fastdiv._inputs.options import generator, integer

MAX_RESAMPLES = 10**9
"""Most permutations. Labels take a byte per permutation and row, here a gigabyte per row."""

DEFAULT_RESAMPLES = 999
"""Permutations. The p-value (1 + #)/(1 + B) is then a multiple of 0.001."""

TIE = 100 * float(np.finfo(np.float64).eps)
"""Relative difference up to which a statistic ties with the observed one."""


def orderings(
    permutations: object, n_resamples: object, rng: object, n_rows: int, rows: str = "n + m"
) -> tuple[Iterable[NDArray[Any]], int]:
    """
    Return B orderings of `n_rows` rows, and B.

    Take those of the caller, or draw them one at a time. Errors call `n_rows` by the name `rows`.
    """
    n = integer(n_resamples, "n_resamples", 0, MAX_RESAMPLES)
    given = None if permutations is None else _given_orderings(permutations, n, n_rows, rows)
    random = generator(rng)
    if given is not None:
        return given, len(given)
    return (random.permutation(n_rows) for _ in range(n)), n


def pvalue(at_least: int, n_resamples: int) -> float | None:
    """Return (1 + #{T* ≥ T}) / (1 + B), or None without resamples, which leave nothing to test."""
    return (1 + at_least) / (1 + n_resamples) if n_resamples else None


def _given_orderings(
    permutations: object, n: int, n_rows: int, rows: str
) -> NDArray[np.integer[Any]]:
    """Check the caller's orderings, one per row."""
    a = any_array(permutations, "permutations")
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
    return a

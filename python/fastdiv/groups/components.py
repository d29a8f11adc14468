"""Test groups of rows by sums of powers of distances within and between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Codes, KernelGroup, Progress, Sample, Values
from fastdiv.clusters import labelled_rows

_LEAST_TOTAL = 1e-300
"""Sums of powers below it may have lost digits to underflow."""


@dataclass(frozen=True)
class Components:
    """The components of a sum over pairs of rows, and their permutation test."""

    total: float
    within: float
    ratio: float
    null: Values
    pvalue: float | None
    n_rows: int
    n_groups: int


def components(
    x: object,
    groups: object,
    kernel: list[KernelGroup],
    n_resamples: object,
    permutations: object,
    rng: object,
    nan_policy: object,
    n_threads: object,
    progress: object,
) -> Components:
    """Test groups of rows by the sums of a kernel over pairs."""
    x, groups = _inputs.aligned({"x": x, "groups": groups})
    a = _inputs.sample(x, "x")
    codes, distinct, _ = labelled_rows.read_labels(a, groups, None, None, nan_policy, "groups")
    k, n = labelled_rows.require_several(codes, distinct, "groups")
    labelled_rows.refuse_nonfinite(a, codes)
    if n < len(a):
        kept = codes >= 0
        a, codes = _inputs.chosen(a, kept), codes[kept]
    orders, n_resamples = _inputs.orderings(permutations, n_resamples, rng, n, "n")
    threads, report = _inputs.threads(n_threads), reporter(progress)

    members = _members(codes, k, orders, n_resamples)
    total, within = _sums(a, members, np.bincount(codes), kernel, threads, report)
    if total < _LEAST_TOTAL:
        if isinstance(a, QuantizedRows) or (a == a[0]).all():
            raise ValueError("x must not have all rows equal: there is no variance to divide")
        raise ValueError(
            "x must not have differences so small that powers of the distances underflow; "
            "scale the data"
        )
    with np.errstate(divide="ignore"):
        ratios = (total - within) / (k - 1) / (within / (n - k))
    # F falls as the sum within groups rises, and that sum has no cancellation.
    at_least = int(np.count_nonzero(within[1:] <= within[0] * (1 + _inputs.TIE)))
    null = ratios[1:].copy()
    pvalue = _inputs.pvalue(at_least, len(null))
    return Components(total, float(within[0]), float(ratios[0]), null, pvalue, n, k)


def _members(
    codes: Codes, k: int, orders: Iterable[NDArray[Any]], n_resamples: int
) -> NDArray[np.uint8]:
    """Return the indicators of the groups, (1 + B, k, n), as observed and for all reorderings."""
    # For two groups one indicator is enough, since its labelling gives the sums within both groups.
    # Each reordering costs one scatter of short codes and one comparison per group.
    groups = np.arange(1 if k == 2 else k, dtype=np.min_scalar_type(k))[:, None]
    short_codes = codes.astype(groups.dtype)
    members = np.empty((1 + n_resamples, len(groups), len(codes)), dtype=np.bool_)
    np.equal(short_codes, groups, out=members[0])
    reordered = np.empty_like(short_codes)
    for index, order in enumerate(orders, start=1):
        reordered[order] = short_codes
        np.equal(reordered, groups, out=members[index])
    return members.view(np.uint8)


def _sums(
    x: Sample,
    members: NDArray[np.uint8],
    sizes: NDArray[np.intp],
    kernel: list[KernelGroup],
    n_threads: int,
    progress: Progress | None,
) -> tuple[float, Values]:
    """Return Σ_{i<j} k / N over all pairs, and Σ_g Σ_{i<j in g} k / n_g for each order."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = backend.current().quad_forms(
            x, members.reshape(-1, len(x)), kernel, 1, n_threads, progress, True
        )[0]
        group_sums = sums[:, :2] if len(sizes) == 2 else sums[:, 0]
        within = (group_sums.reshape(len(members), -1) / (2.0 * sizes)).sum(axis=1)
        total = float(sums[0] @ [1.0, 1.0, 2.0]) / (2.0 * len(x))
    if not (np.isfinite(total) and np.isfinite(within).all()):
        raise OverflowError("powers of the distances overflow; scale the data")
    return total, within

"""Load rows of tables as samples: complete, and scaled on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastdiv.cli.command import UsageError
from fastdiv.reports.shifts import mean_and_sd
from fastdiv.tables.names import printable
from fastdiv.tables.table import Matrix, Table, data_blocks


def complete_rows(
    tables: Sequence[Table], names: Sequence[str], nan_policy: str, *, paired: bool = False
) -> tuple[list[Matrix], list[Any]]:
    """
    Load samples. Refuse missing values, or drop their rows. Also return which rows are kept.

    A row of `paired` tables of equal length is dropped with its partner.
    """
    samples = [table.load(names) for table in tables]
    keep = [_finite_rows(x) for x in samples]
    if nan_policy == "raise":
        faults = [
            _describe_missing(table, x, kept, names)
            for table, x, kept in zip(tables, samples, keep, strict=True)
            if not kept.all()
        ]
        if faults:
            raise UsageError("; ".join(faults) + "; use --nan-policy omit to drop these rows")
    if paired and len({*map(len, samples)}) == 1:
        keep = [np.all(keep, axis=0)] * len(keep)
    for table, kept in zip(tables, keep, strict=True):
        if not kept.any():
            raise UsageError(f"{table.path}: every row has a missing value; choose --columns")
    # Indexing would copy what may be a memory-mapped file.
    return [x if kept.all() else x[kept] for x, kept in zip(samples, keep, strict=True)], keep


def _finite_rows(x: Matrix) -> Any:
    if x.dtype.kind in "iu":
        return np.ones(len(x), bool)
    return np.concatenate([np.isfinite(block).all(axis=1) for block in data_blocks(x)])


def _describe_missing(table: Table, x: Matrix, keep: Any, names: Sequence[str]) -> str:
    """Count missing values per column, in words."""
    bad = x[~keep]
    missing, infinite = np.isnan(bad).sum(axis=0), np.isinf(bad).sum(axis=0)
    counts = [
        f"{printable(name)} {number}{kind}"
        for values, kind in ((missing, ""), (infinite, " infinite"))
        for name, number in zip(names, values, strict=True)
        if number
    ]
    more = f" and {len(counts) - 12} more columns" if len(counts) > 12 else ""
    return (
        f"{table.path} has missing values in {len(bad)} of {len(x)} rows "
        f"({', '.join(counts[:12])}{more})"
    )


def standardize(samples: Mapping[str, Matrix], names: Sequence[str]) -> list[Matrix]:
    """Scale samples by the mean and standard deviation of the first. Errors name their roles."""
    (first, x), *others = samples.items()
    mean, sd = mean_and_sd(x)
    _require_finite(first, np.isfinite(sd), names)
    flat = sd == 0
    for role, y in others:
        moved = [names[j] for j in np.flatnonzero(flat).tolist() if (y[:, j] != x[0, j]).any()]
        if moved:
            listed = ", ".join(printable(name) for name in moved[:8])
            raise UsageError(
                f"--standardize: constant in {first} but not in {role}: {listed}; "
                "choose other --columns"
            )
    sd[flat] = 1.0
    return [_scaled(y, mean, sd, role, names) for role, y in samples.items()]


def _scaled(x: Matrix, mean: Matrix, sd: Matrix, role: str, names: Sequence[str]) -> Matrix:
    """Scale in the precision of `x`, or in float64 if float32 cannot hold the result."""
    for dtype in (np.float32, np.float64) if x.dtype == np.float32 else (np.float64,):
        out = np.empty(x.shape, dtype)
        finite = np.ones(x.shape[1], bool)
        for block, target in zip(data_blocks(x), data_blocks(out), strict=True):
            with np.errstate(over="ignore"):
                np.divide(block - mean, sd, out=target, casting="same_kind")
            finite &= np.isfinite(target).all(axis=0)
        if finite.all():
            break
    _require_finite(role, finite, names)
    return out


def _require_finite(role: str, finite: Any, names: Sequence[str]) -> None:
    large = [printable(names[j]) for j in np.flatnonzero(~finite).tolist()]
    if large:
        raise UsageError(f"--standardize: values of {role} are too large: {', '.join(large[:8])}")

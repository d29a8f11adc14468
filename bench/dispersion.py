"""WCSS about the means, against the read bandwidth and against NumPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import measure
import numpy as np
from tables import peers_table, spread_cell, table

import fastdiv

Rows = list[tuple[str, dict[str, measure.Samples]]]

CASES = (
    (1_000_000, 16, 100, "int64"),
    (1_000_000, 16, 100, "int32"),
    (1_000_000, 16, 100, "int32, sorted"),
    (1_000_000, 16, 10, "int64"),
    (1_000_000, 2, 10, "int64"),
    (100_000, 256, 100, "int64"),
)


def clustered(n: int, d: int, k: int, kind: str) -> tuple[Any, Any]:
    """Return float32 rows around k centres, and their labels, in random order or sorted."""
    rng = np.random.default_rng(0)
    dtype, _, order = kind.partition(", ")
    labels = rng.integers(k, size=n, dtype=dtype)
    if order == "sorted":
        labels.sort()
    x = rng.standard_normal((n, d), dtype=np.float32)
    x += 5 * rng.standard_normal((k, d), dtype=np.float32)[labels]
    return x, labels


def numpy_add_at(x: Any, labels: Any, k: int) -> float:
    """Return Σ ‖x − m‖², the usual way."""
    sums = np.zeros((k, x.shape[1]))
    np.add.at(sums, labels, x)
    means = sums / np.bincount(labels)[:, None]
    return float(((x - means[labels]) ** 2).sum())


def numpy_bincount(x: Any, labels: Any, k: int) -> float:
    sizes = np.bincount(labels, minlength=k)
    means = np.stack([np.bincount(labels, weights=column, minlength=k) for column in x.T], 1)
    means /= sizes[:, None]
    return float(((x - means[labels]) ** 2).sum())


def reader(x: Any, pool: ThreadPoolExecutor, threads: int) -> Any:
    """
    Return a call that reads all of x and does next to nothing with it.

    The largest of the rows seen as integers: NumPy takes it in vectors, several times as fast from
    the cache as from memory, while it adds up floats no faster than memory delivers them.
    """
    parts = np.array_split(x.reshape(-1).view(np.int64), threads)
    return lambda: list(pool.map(np.maximum.reduce, parts))  # releases the GIL


def tables(rounds: int, threads: int) -> tuple[str, Rows]:
    rows: Rows = []
    fractions = []
    pool = ThreadPoolExecutor(threads)
    for n, d, k, kind in CASES:
        x, labels = clustered(n, d, k, kind)
        ours = partial(fastdiv.wcss, x, labels, n_threads=threads)
        peers = {
            "np.add.at": partial(numpy_add_at, x, labels, k),
            "np.bincount": partial(numpy_bincount, x, labels, k),
        }
        expected = numpy_bincount(x.astype(np.float64), labels, k)
        for name, call in {"fastdiv": ours, **peers}.items():
            measure.agree(name, call() / expected, 1.0, 1e-6)
        times = measure.interleaved(
            {"fastdiv": ours, "read": reader(x, pool, threads), **peers}, rounds
        )
        # All that has to be read: the rows once, and the labels, at the rate of the rows.
        share = times["read"].over(times["fastdiv"])
        needed = 1 + labels.nbytes / x.nbytes
        fraction = measure.Samples(tuple(needed * value for value in share.values))
        rate = measure.Samples(tuple(x.nbytes / 1e9 / t for t in times["read"].values))
        case = f"n = {n}, d = {d}, k = {k}, labels {kind}"
        fractions.append([case, spread_cell(rate), spread_cell(fraction)])
        rows.append((case, times))
    text = peers_table("float32", ["np.add.at", "np.bincount"], rows) + "\n"
    head = ["", "read bandwidth, GB/s", "fraction of it"]
    return text + table(head, fractions), rows

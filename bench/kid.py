"""The kernel inception distance against torchmetrics and against plain NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import implementations as other
import measure
import numpy as np
from tables import peers_table

import fastdiv

Rows = list[tuple[str, dict[str, measure.Samples]]]

SIZES = (2_000, 5_000, 10_000)
FEATURES, SUBSETS, SUBSET_SIZE = 2048, 100, 1000


def embeddings(n: int) -> tuple[Any, Any]:
    """Return samples like pooled features: float32, non-negative, of mean 0.4."""
    rng = np.random.default_rng(0)
    x, y = 0.4 * rng.standard_normal((2, n, FEATURES), dtype=np.float32) ** 2
    y *= np.float32(1.05)
    return x, y


def agree(x: Any, y: Any, threads: int) -> None:
    """Compare all ways on the same few subsets, which kid draws by this rule."""
    few = 3
    rng = np.random.default_rng(0)
    subsets = [
        [rng.choice(len(z), SUBSET_SIZE, replace=False, shuffle=False) for z in (x, y)]
        for _ in range(few)
    ]
    for full_sample in (True, False):
        ours = fastdiv.kid(
            x, y, n_subsets=few, full_sample=full_sample, rng=0, n_threads=threads
        ).subset_values
        for name, peer in (
            ("torchmetrics", other.torchmetrics_mmd),
            ("NumPy", other.numpy_polynomial_mmd),
        ):
            values = [peer(x[i], y[j]) for i, j in subsets]
            measure.agree(name, values, ours, 2e-5)  # kernel values are about 2.7


def tables(rounds: int, threads: int) -> tuple[str, Rows]:
    rows: Rows = []
    for n in SIZES:
        x, y = embeddings(n)
        agree(x, y, threads)
        ours = partial(fastdiv.kid, x, y, n_subsets=SUBSETS, subset_size=SUBSET_SIZE, rng=0)
        calls: dict[str, Any] = {
            "fastdiv": partial(ours, n_threads=threads),
            "fastdiv, value alone": partial(
                fastdiv.mmd2, x, y, fastdiv.Polynomial(), n_threads=threads
            ),
            "torchmetrics, subsets": other.torchmetrics_kid(x, y, SUBSETS, SUBSET_SIZE),
            "NumPy, subsets": partial(other.numpy_kid, x, y, SUBSETS, SUBSET_SIZE),
        }
        rows.append((f"n = m = {n}", measure.interleaved(calls, rounds)))
    names = [name for name in rows[0][1] if name != "fastdiv"]
    text = f"{SUBSETS} subsets of {SUBSET_SIZE} rows and, by fastdiv, the value of all rows:\n\n"
    return text + peers_table(f"float32, d = {FEATURES}", names, rows), rows

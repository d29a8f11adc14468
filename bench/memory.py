"""
Peak memory of one call above its inputs: ``memory.py FUNCTION ROWS D B``.

FUNCTION is mmd2 or mmd_test of float32 samples, both with the median bandwidth, or mmd2-float32 or
mmd2-int8, with a bandwidth given; or silhouette_score, of float32 rows in 10 clusters.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import measure
import numpy as np

import fastdiv


def main(function: str, rows: int, d: int, resamples: int) -> None:
    def call(a: Any, b: Any) -> object:
        if function == "silhouette_score":
            return fastdiv.silhouette_score(a, b[:, 0])
        if function == "mmd_test":
            return fastdiv.mmd_test(a, b, n_resamples=resamples, rng=0)
        return fastdiv.mmd2(a, b, fastdiv.RBF("median" if function == "mmd2" else np.sqrt(d)))

    rng = np.random.default_rng(0)
    x: Any
    y: Any
    if function == "mmd2-int8":
        x, y = (
            fastdiv.QuantizedRows(
                rng.integers(-127, 128, (rows, d), dtype=np.int8), np.full(rows, 0.02, np.float32)
            )
            for _ in range(2)
        )
        inputs = 2 * (x.values.nbytes + x.scale.nbytes)
    else:
        x, y = (rng.standard_normal((rows, d), dtype=np.float32) for _ in range(2))
        if function == "silhouette_score":
            y = np.arange(rows, dtype=np.int64)[:, None] % 10
            x += 3 * rng.standard_normal((10, d), dtype=np.float32)[y[:, 0]]
        inputs = x.nbytes + y.nbytes
    call(x[:500], y[:500])  # load everything, start the threads
    before, start = measure.resident_bytes(), time.perf_counter()
    call(x, y)
    elapsed = time.perf_counter() - start
    used = measure.peak_bytes() - before
    print(json.dumps({"seconds": elapsed, "bytes": used, "inputs": inputs}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""Peak memory of one call above its inputs: ``memory.py mmd2|mmd_test ROWS D B``."""

from __future__ import annotations

import json
import sys
import time

import measure
import numpy as np

import fastdiv


def main(function: str, rows: int, d: int, resamples: int) -> None:
    def call(a: np.ndarray, b: np.ndarray) -> object:
        if function == "mmd2":
            return fastdiv.mmd2(a, b)
        return fastdiv.mmd_test(a, b, n_resamples=resamples, rng=0)

    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((rows, d), dtype=np.float32) for _ in range(2))
    call(x[:500], y[:500])  # load everything, start the threads
    before, start = measure.resident_bytes(), time.perf_counter()
    call(x, y)
    elapsed = time.perf_counter() - start
    used = measure.peak_bytes() - before
    print(json.dumps({"seconds": elapsed, "bytes": used, "inputs": x.nbytes + y.nbytes}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""MMD² with its gradients against MMD² alone, and against the roofline."""

from __future__ import annotations

from functools import partial
from typing import Any

import measure
import numpy as np
from tables import spread_cell, table, time_cell

import fastdiv

WRT = {"x, y": ("x", "y"), "x": ("x",), "weights": ("x_weights", "y_weights")}


def tables(rounds: int, threads: int, n: int, dims: list[int]) -> tuple[str, list[Any]]:
    rng = np.random.default_rng(0)
    text, results = "", []
    for dtype in ("float32", "float64"):
        lines = []
        for d in dims:
            x, y = rng.standard_normal((2, n, d)).astype(dtype)
            kernel = fastdiv.RBF(float(np.sqrt(d)))
            calls = {"value": partial(fastdiv.mmd2, x, y, kernel, n_threads=threads)}
            for label, wrt in WRT.items():
                calls[label] = partial(
                    fastdiv.mmd2_and_grad, x, y, kernel, wrt=wrt, n_threads=threads
                )
                tolerance = 1e-5 if dtype == "float32" else 1e-12
                measure.agree(label, calls[label]()[0], calls["value"](), tolerance)
            roofline = measure.Roofline(dtype, threads)
            times = measure.interleaved(calls, rounds, roofline.measure)
            pairs = n * (2 * n - 1)
            # the distances, and a product with the rows on either side
            ideal = roofline.seconds(pairs * 6 * d, pairs)
            ratios = [spread_cell(times[label].over(times["value"])) for label in WRT]
            fraction = ideal.over(times["x, y"])
            lines.append([str(d), time_cell(times["value"]), *ratios, spread_cell(fraction)])
            results.append((f"{dtype}, d = {d}", times))
        header = [
            "d",
            "value alone",
            *(f"by {label}" for label in WRT),
            "roofline fraction, by x, y",
        ]
        text += f"{dtype}, n = m = {n}, seconds over those of the value alone:\n\n"
        text += table(header, lines) + "\n"
    return text, results

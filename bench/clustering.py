"""Silhouettes, PERMANOVA and the energy distance against other packages, and plain NumPy."""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import partial
from typing import Any

import implementations as other
import measure
import numpy as np
from tables import peers_table

import fastdiv

Rows = list[tuple[str, dict[str, measure.Samples]]]

CLUSTERS, GROUPS, RESAMPLES = 10, 3, 999


def tables(rounds: int, threads: int) -> tuple[str, Rows]:
    text, rows = "", []
    for part in (silhouettes, permanova, energy_distance):
        first, cases = part(rounds, threads)
        names = [name for name in cases[0][1] if name != "fastdiv"]
        text += peers_table(first, names, cases) + "\n"
        rows += cases
    return text, rows


def found(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"{module} is absent: {error}", file=sys.stderr)
        return False
    return True


def silhouettes(rounds: int, threads: int) -> tuple[str, Rows]:
    from sklearn.metrics import silhouette_score

    n, d, rows = 20_000, 16, []
    for dtype in ("float64", "float32"):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, CLUSTERS, n)
        x = rng.standard_normal((n, d)) + 3 * rng.standard_normal((CLUSTERS, d))[labels]
        x = x.astype(dtype)
        calls = {
            "fastdiv": partial(fastdiv.silhouette_score, x, labels, n_threads=threads),
            "scikit-learn": partial(silhouette_score, x, labels),
        }
        tolerance = 1e-5 if dtype == "float32" else 1e-11
        measure.agree("scikit-learn", calls["scikit-learn"](), calls["fastdiv"](), tolerance)
        rows.append((f"{dtype}, n = {n}, d = {d}", measure.interleaved(calls, rounds)))
    return f"`silhouette_score`, {CLUSTERS} clusters", rows


def permanova(rounds: int, threads: int) -> tuple[str, Rows]:
    rng = np.random.default_rng(0)
    n, d, rows = 5000, 10, []
    for dtype in ("float64", "float32"):
        groups = rng.integers(0, GROUPS, n)
        x = (rng.standard_normal((n, d)) + 0.01 * groups[:, None]).astype(dtype)

        def ours(x: Any = x, groups: Any = groups) -> fastdiv.PermanovaResult:
            return fastdiv.permanova(x, groups, n_resamples=RESAMPLES, rng=0, n_threads=threads)

        def stored(x: Any = x, groups: Any = groups) -> Any:
            draws = np.random.default_rng(0)
            orders = [np.arange(n)] + [draws.permutation(n) for _ in range(RESAMPLES)]
            return other.stored_permanova(x, groups, orders)

        calls: dict[str, Any] = {"fastdiv": ours, "NumPy, distances stored": stored}
        result, values = ours(), stored()
        tolerance = (1e-3 if dtype == "float32" else 1e-9) * max(1.0, result.statistic)
        measure.agree("the pseudo-F of NumPy", values[0], result.statistic, tolerance)
        measure.agree("those of NumPy", values[1:], result.null_distribution, tolerance)
        if dtype == "float64" and found("skbio.stats.distance"):
            calls["scikit-bio"] = partial(other.skbio_permanova, x, groups, RESAMPLES)
            theirs = other.skbio_permanova(x, groups, 0)
            measure.agree("scikit-bio", theirs["test statistic"], result.statistic, 1e-9)
        rows.append((f"{dtype}, n = {n}, d = {d}", measure.interleaved(calls, rounds)))
    return f"`permanova`, {GROUPS} groups, B = {RESAMPLES}, with drawing", rows


def energy_distance(rounds: int, threads: int) -> tuple[str, Rows]:
    n, d = 5000, 16
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.2
    calls: dict[str, Any] = {"fastdiv": partial(fastdiv.energy_distance, x, y, n_threads=threads)}
    if found("dcor"):
        import dcor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # falls back to its plain implementation
            calls["dcor"] = partial(dcor.energy_distance, x, y)
            measure.agree("dcor", calls["dcor"](), calls["fastdiv"](), 1e-10)
    return "`energy_distance`", [
        (f"float64, n = m = {n}, d = {d}", measure.interleaved(calls, rounds))
    ]

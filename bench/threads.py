"""One thread against two: speed-up, the serial part it implies, and what that predicts."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import measure
import numpy as np
from tables import spread_cell, table, time_cell

import fastdiv
from fastdiv import _core

TILE_ROWS, TILE_COLS = 48, 144
MANY = (16, 64)
"""Numbers of threads to predict for."""


class Case(NamedTuple):
    name: str
    call: Callable[[int], Any]  # takes the number of threads
    units: int  # that threads can take at the same time


def tiles(d: int, itemsize: int, *blocks: tuple[int, int], more: float = 10.0) -> int:
    """Return the units of `TileList`. A block of n by 0 rows has the pairs within a sample."""
    work = d + 10 + more
    pairs = sum(n * m if m else n * (n - 1) / 2 for n, m in blocks)
    of_unit = min(max(pairs * work / 512, 2e6), 2e7) / (work * TILE_ROWS * TILE_COLS)
    cached = max(3.0, 384 * 1024 / (d * itemsize * TILE_COLS))
    step = int(min(max(of_unit, 1.0), cached)) * TILE_COLS
    return sum(
        math.ceil((n if m else min(n, col + step)) / TILE_ROWS)
        for n, m in blocks
        for col in range(0, m or n, step)
    )


def round_pairs(*samples: int, d: int, parts: int) -> int:
    """Return the pairs of parts in one of the rounds of `run_rounds`."""
    rows = min(sum(samples) // parts, 2**17 // d)
    part = min(max(rows, TILE_COLS), 8 * TILE_COLS) // TILE_COLS * TILE_COLS
    return sum(math.ceil(n / part) for n in samples) // 2


def items(n: int, work: float, together: int) -> int:
    """Return the units of a batch of n items."""
    return math.ceil(n / (max(1, int(1e5 / (work * together))) * together))


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)

    def normal(*shape: int, dtype: str = "float32") -> Any:
        return rng.standard_normal(shape).astype(dtype)

    def rbf(d: int) -> fastdiv.RBF:
        return fastdiv.RBF(math.sqrt(d))

    n = 5000
    for dtype in ("float32", "float64"):
        for d in (2, 64, 768):
            x, y = normal(2, n, d, dtype=dtype)
            units = tiles(d, x.itemsize, (n, 0), (n, 0), (n, n))
            name = f"`mmd2`, {dtype}, n = m = {n}, d = {d}"
            mmd2 = partial(fastdiv.mmd2, x, y, rbf(d))
            yield Case(name, lambda k, mmd2=mmd2: mmd2(n_threads=k), units)

    x, y = normal(2, n, 10)
    z = np.concatenate([x, y])
    labels = rng.permuted(np.repeat(np.uint8([0, 1]), n)[None].repeat(1000, 0), axis=1)
    group = [("sqdist", None, None, [("rbf", (math.sqrt(10),), 1.0, 0)])]
    units = tiles(10, 4, (2 * n, 0), more=20 + 1000 / 4)
    name = f"`mmd_test`, n = m = {n}, d = 10, B = 999"

    def test(k: int) -> Any:
        result = fastdiv.mmd_test(x, y, rbf(10), n_resamples=999, rng=0, n_threads=k)
        return np.append(result.null_distribution, result.statistic)

    yield Case(name, test, units)
    yield Case(
        f"{name}, labels given", lambda k: _core.quad_forms(z, labels, group, 1, k, None), units
    )
    a, b = normal(2, n, 64)
    yield Case(
        f"`mmd2_and_grad` by x and y, n = m = {n}, d = 64",
        lambda k: np.concatenate(fastdiv.mmd2_and_grad(a, b, rbf(64), n_threads=k), axis=None),
        round_pairs(n, n, d=64, parts=32),
    )
    rows, codes = normal(20_000, 16), rng.integers(0, 10, 20_000)
    yield Case(
        "`silhouette_score`, n = 20000, d = 16, 10 clusters",
        lambda k: fastdiv.silhouette_score(rows, codes, n_threads=k),
        round_pairs(20_000, d=16, parts=128),
    )
    u, v = normal(2, n, 16)
    yield Case(
        f"`median_distance`, n = m = {n}, d = 16",
        lambda k: fastdiv.median_distance(u, v, n_threads=k),
        tiles(16, 4, (2 * n, 0), more=0),
    )
    for n, d in ((10_000, 16), (2000, 64)):
        root = normal(2, n, d, d, dtype="float64")
        covs = root @ root.swapaxes(-1, -2) / d + np.eye(d)
        kl = partial(made_kl, normal(2, n, d, dtype="float64"), "cov", covs)
        units = items(n, d * d * (d / 2 + 10), 8)
        yield Case(f"`kl`, {n} × {d} × {d}, made and checked", kl, units)
    means, scales = normal(2, 2, 100_000, 128)
    kl = partial(made_kl, means, "std", np.exp(scales / 4))
    yield Case("`kl`, 100000 × 128 diagonal, made and checked", kl, items(100_000, 1280, 1))


def made_kl(means: Any, name: str, parameters: Any, n_threads: int) -> Any:
    fastdiv.set_num_threads(n_threads)  # checks take the default
    p, q = (fastdiv.Gaussian(m, **{name: s}) for m, s in zip(means, parameters, strict=True))
    return fastdiv.kl(p, q, n_threads=n_threads)


def tables(rounds: int) -> tuple[str, list[Any]]:
    lines, results = [], []
    before = fastdiv.get_num_threads()
    for name, call, units in cases():
        if not np.array_equal(call(1), call(2)):
            raise SystemExit(f"{name}: two threads give other bits than one")
        times = measure.interleaved({"1": partial(call, 1), "2": partial(call, 2)}, rounds)
        speed_up = times["1"].over(times["2"])
        serial = min(max(0.0, 2 / speed_up.median - 1), 1.0)
        lines.append(
            [
                name,
                time_cell(times["1"]),
                spread_cell(speed_up),
                f"{serial:.1%}",
                *(f"{1 / (serial + (1 - serial) / k):.3g}" for k in MANY),
                str(units),
                *(f"{units / k:.3g}" for k in MANY),
            ]
        )
        results.append((name, times))
    fastdiv.set_num_threads(before)
    predictions = [f"{what} at {k}" for what in ("speed-up", "units a thread") for k in MANY]
    header = ["", "one thread", "speed-up of two", "serial", *predictions[:2], "units"]
    text, more = busy(rounds)
    return table([*header, *predictions[2:]], lines) + "\n" + text, results + more


@contextmanager
def spinning() -> Iterator[Callable[[bool], None]]:
    """Give a switch for processes that keep all cores busy."""
    cores = len(os.sched_getaffinity(0))
    command = [sys.executable, "-S", "-c", "while True: pass"]
    spinners = [subprocess.Popen(command) for _ in range(cores)]

    def switch(on: bool) -> None:
        for spinner in spinners:
            spinner.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    try:
        yield switch
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def busy(rounds: int) -> tuple[str, list[Any]]:
    """Time short calls while another process keeps every core busy, against quiet."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100, 8)).astype(np.float32)
    a, b = rng.standard_normal((2, 1000, 8)).astype(np.float32)
    means = rng.standard_normal((2, 64, 8))
    p, q = (fastdiv.Gaussian(mean, std=np.ones((64, 8))) for mean in means)
    kernel = fastdiv.RBF(math.sqrt(8))
    lines, results = [], []
    with spinning() as switch:
        for name, call in (
            ("`mmd2`, 100 + 100 × 8", lambda: fastdiv.mmd2(x, y, kernel, n_threads=2)),
            ("`kl`, 64 × 8", lambda: fastdiv.kl(p, q, n_threads=2)),
            (
                "`mmd2`, 1000 + 1000 × 8, on two threads",
                lambda: fastdiv.mmd2(a, b, kernel, n_threads=2),
            ),
        ):
            quiet, loud = [], []
            for _ in range(rounds):
                switch(False)
                quiet.append(measure.seconds(call, 0.3))
                switch(True)
                loud.append(measure.seconds(call, 0.3))
            times = {"quiet": measure.Samples(tuple(quiet)), "busy": measure.Samples(tuple(loud))}
            ratio = times["busy"].over(times["quiet"])
            lines.append([name, *map(time_cell, times.values()), spread_cell(ratio) + "×"])
            results.append((name, times))
    return table(["short calls", "quiet", "all cores busy", "over quiet"], lines), results

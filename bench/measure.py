"""Timing, agreement, peak memory and the description of a machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[], object]


@dataclass(frozen=True)
class Samples:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Samples) -> Samples:
        """Round by round; a slow call has fewer rounds, the first ones."""
        return Samples(tuple(a / b for a, b in zip(self.values, other.values, strict=False)))

    def as_dict(self) -> dict[str, object]:
        return {"median": self.median, "values": self.values}


def seconds(call: Call, at_least: float = 0.05) -> float:
    """Return the seconds of one call: the mean of as many as take `at_least` together."""
    calls, start = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= at_least:
            return elapsed / calls


def interleaved(
    calls: Mapping[str, Call],
    rounds: int,
    before: Callable[[], None] = lambda: None,
    slow: float = 5.0,
    at_least: float = 0.05,
) -> dict[str, Samples]:
    """
    Time every call once per round; those that take more than `slow` seconds in three rounds only.

    `before` runs at the start of each round. The pause lets the idle threads of one library fall
    asleep before the next library starts.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds):
        before()
        for name, call in calls.items():
            if index < 3 or times[name][0] <= slow:
                time.sleep(0.05)
                times[name].append(seconds(call, at_least))
    return {name: Samples(tuple(values)) for name, values in times.items()}


class Roofline:
    """The peaks of this machine, measured once per round with what is compared to them."""

    def __init__(self, dtype: str, threads: int) -> None:
        self.dtype, self.threads = dtype, threads
        self.flops: list[float] = []
        self.maps: list[float] = []

    def measure(self) -> None:
        from fastdiv import _core

        flops, maps = _core.measure_peaks(self.dtype, self.threads, 0.1)
        self.flops.append(flops)
        self.maps.append(maps)

    def seconds(self, flops: float, maps: float) -> Samples:
        """Return the time so much work would take at the peaks, per round."""
        rates = zip(self.flops, self.maps, strict=True)
        return Samples(tuple(flops / f + maps / m for f, m in rates))


def agree(name: str, value: Any, expected: Any, tolerance: float) -> None:
    """Stop with a message unless two results are equal within an absolute tolerance."""
    difference = float(np.max(np.abs(np.subtract(value, expected))))
    if not difference <= tolerance:
        raise SystemExit(f"{name} disagrees by {difference:.3g} (allowed: {tolerance:.3g})")


def resident_bytes() -> int:
    """Return the memory this process occupies now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Return the most it ever occupied; getrusage would count the parent before exec too."""
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024


def machine(threads: int) -> dict[str, str]:
    import fastdiv

    config = fastdiv.show_config(mode="dict")
    info = Path("/proc/cpuinfo").read_text()
    names = [line.split(":")[1].strip() for line in info.splitlines() if "model name" in line]
    return {
        "CPU": names[0] if names else platform.machine(),
        "cores": f"{len(os.sched_getaffinity(0))}, {threads} threads used",
        "instruction set": str(config["isa"]),
        "compiler": str(config["compiler"]),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "versions": ", ".join(
            f"{name} {_version(name)}"
            for name in (
                "fastdiv",
                "numpy",
                "torch",
                "scikit-learn",
                "pykeops",
                "hyppo",
                "torchmetrics",
                "scikit-bio",
                "dcor",
            )
        ),
        "date": time.strftime("%Y-%m-%d"),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"

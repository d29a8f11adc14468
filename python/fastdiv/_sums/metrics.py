"""Express distances between rows as terms of the engine."""

from __future__ import annotations

from fastdiv import _inputs
from fastdiv._engine.types import KernelGroup

CITYBLOCK = ("cityblock", "manhattan")
"""Two names of the L1 distance."""
METRICS = ("euclidean", *CITYBLOCK)
WITH_SQUARES = ("euclidean", "sqeuclidean", *CITYBLOCK)


def metric_name(metric: object, accepted: tuple[str, ...] = METRICS) -> str:
    """Check a metric, and return the first of its names."""
    name = _inputs.choice(metric, accepted, "metric")
    return "cityblock" if name in CITYBLOCK else name


def powers(metric: str, exponent: float) -> list[KernelGroup]:
    """Return distance^exponent as the only output. The metric is "euclidean" or "cityblock"."""
    if metric == "cityblock":
        base, name = "l1", "cityblock"
    else:
        base, name = "sqdist", "energy"
    return [(base, None, None, [(name, (exponent,), -1.0, 0)])]

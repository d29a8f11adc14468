"""Express distances between rows as terms of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.types import KernelGroup, Values
from fastdiv.kernels import Kernel, Term

CITYBLOCK = ("cityblock", "manhattan")
"""Two names of the L1 distance."""
METRICS = ("euclidean", *CITYBLOCK)
WITH_SQUARES = ("euclidean", "sqeuclidean", *CITYBLOCK)


def _slope(l1: Values, exponent: float) -> Values:
    apart = np.where(l1 > 0, l1, 1.0)
    return np.where(l1 > 0, -exponent * apart ** (exponent - 1.0), 0.0)


@dataclass(frozen=True)
class CityBlock(Kernel):
    """Negative power of the L1 distance, −‖x − y‖₁^β. A kernel of the engine alone."""

    exponent: float

    formulas: ClassVar = {"cityblock": lambda l1, exponent: -(l1**exponent)}
    slopes: ClassVar = {"cityblock": _slope}

    def _term(self) -> Term:
        return Term("l1", "cityblock", (self.exponent,))


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
    return [(base, None, [(name, (exponent,), -1.0, 0)])]

"""Turn kernels into the terms that the engine evaluates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastdiv._engine.types import KernelGroup, Values
from fastdiv.kernels.base import Kernel
from fastdiv.kernels.combinations import Callback


class Lowered(NamedTuple):
    """Kernels in numbers: groups of terms for the engine, and functions (f, weight, output)."""

    groups: list[KernelGroup]
    callbacks: list[tuple[Callable[[Any, Any], Any], float, int]]
    n_outputs: int


def lower(kernels: Sequence[Kernel], origin: Values | None = None) -> Lowered:
    """
    Turn resolved kernels into groups of terms of equal base, scale and origin.

    There is one output per kernel. With an origin, the sums may serve for MMD² alone: kernels
    whose MMD² does not depend on the origin see the rows from there.
    """
    groups: dict[tuple[str, tuple[float, ...] | None, bool], KernelGroup] = {}
    callbacks = []
    for output, kernel in enumerate(kernels):
        for weight, part in kernel._parts():
            if isinstance(part, Callback):
                callbacks.append((part.f, weight, output))
                continue
            term = part._term()
            own_origin = origin if part.any_origin else None
            key = term.base, term.scale, own_origin is not None
            if key not in groups:
                scale = None if term.scale is None else np.array(term.scale)
                groups[key] = (term.base, scale, own_origin, [])
            groups[key][-1].append((term.name, term.params, weight * term.factor, output))
    return Lowered(list(groups.values()), callbacks, len(kernels))

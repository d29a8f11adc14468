"""Turn kernels into the terms that the engine evaluates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastdiv._engine.types import KernelGroup
from fastdiv.kernels.base import Kernel
from fastdiv.kernels.combinations import Callback


class Lowered(NamedTuple):
    """Kernels in numbers: groups of terms for the engine, and functions (f, weight, output)."""

    groups: list[KernelGroup]
    callbacks: list[tuple[Callable[[Any, Any], Any], float, int]]
    n_outputs: int


def lower(kernels: Sequence[Kernel], *, for_mmd: bool) -> Lowered:
    """
    Turn resolved kernels into groups of terms of equal base and scale, one output per kernel.

    With `for_mmd`, the sums may serve for MMD² alone.
    """
    groups: dict[tuple[str, tuple[float, ...] | None], KernelGroup] = {}
    callbacks = []
    for output, kernel in enumerate(kernels):
        for weight, part in kernel._parts():
            if isinstance(part, Callback):
                callbacks.append((part.f, weight, output))
                continue
            term = part._mmd_term() if for_mmd else part._term()
            group = groups.get((term.base, term.scale))
            if group is None:
                scale = None if term.scale is None else np.array(term.scale)
                group = groups[term.base, term.scale] = (term.base, scale, [])
            group[2].append((term.name, term.params, weight * term.factor, output))
    return Lowered(list(groups.values()), callbacks, len(kernels))

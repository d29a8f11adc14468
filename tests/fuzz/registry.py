"""Register cases, and compare results with what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

CONTRACT: dict[type, float] = {np.float32: 1e-5, np.float64: 1e-12}

Rng = np.random.Generator


class Outcome(NamedTuple):
    """How far off a result is, in units of a bound, and how far it may be."""

    name: str  # the function, or what of it
    width: int
    error: float
    allowed: float
    what: str  # the choices that the case drew


Outcomes = Iterator[Outcome]
Case = Callable[[Rng, type], Outcomes]

CASES: dict[str, Case] = {}
COVERED: dict[str, str] = {}
"""Public names, and the case that covers each."""

NOT_COVERED = {
    "Kernel": "the base class of kernels, which computes nothing",
    "get_num_threads": "a setting of the process",
    "set_num_threads": "a setting of the process",
    "show_config": "a description of the installation",
}
"""Public names without a case, and the reasons."""


def case(*covered: str) -> Callable[[Case], Case]:
    """Register a case, and the public functions, classes and methods that it tries."""

    def register(function: Case) -> Case:
        assert function.__name__ not in CASES, function.__name__
        CASES[function.__name__] = function
        COVERED.update(dict.fromkeys(covered, function.__name__))
        return function

    return register


def compare(
    name: str,
    width: int,
    got: object,
    expected: object,
    bound: object,
    allowed: float,
    what: str = "",
) -> Outcome:
    """Compare numbers. Equal infinities agree, and what is below the normal range counts as 0."""
    a, b = (np.asarray(value, dtype=np.longdouble) for value in (got, expected))
    if a.shape != b.shape:
        return Outcome(name, width, np.inf, allowed, f"{what} shape {a.shape}, not {b.shape}")
    tiny = np.finfo(np.float64).tiny
    floor = np.maximum(np.asarray(bound, dtype=np.longdouble), tiny)
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        off = np.abs(a - b)
        relative = np.where((a == b) | (off < tiny), 0.0, off / floor)
    error = float(np.max(relative, initial=0.0))
    return Outcome(name, width, np.inf if np.isnan(error) else error, allowed, what)


def holds(name: str, width: int, fact: object, what: str = "") -> Outcome:
    """Demand that something is true."""
    return Outcome(name, width, 0.0 if np.all(fact) else np.inf, 0.0, what)

"""Define the base class of kernels, and register their formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

from fastdiv._engine.types import Values

Formula: TypeAlias = Callable[..., Values]
Median: TypeAlias = Callable[[str], float]

FORMULAS: dict[str, Formula] = {}
"""Formula f(base_values, *params) of a kernel, by the name that the engine knows it by."""

SLOPES: dict[str, Formula] = {}
"""Derivative of a formula with respect to the base value, by the same name. It is 0 at a cusp."""

STEEPEST: dict[str, Callable[..., float]] = {}
"""Largest |dk/dr| of a kernel of a distance r, with values in (0, 1] or (−1, 0], by its name."""


class Term(NamedTuple):
    """A kernel as the engine reads it: factor * name(base value of the scaled rows)."""

    base: str
    name: str
    params: tuple[float, ...] = ()
    scale: tuple[float, ...] | None = None
    factor: float = 1.0


@dataclass(frozen=True)
class Kernel:
    """
    Base class of all kernels. Use one of its subclasses.

    Examples
    --------
    >>> import fastdiv
    >>> isinstance(fastdiv.RBF(1.0), fastdiv.Kernel)
    True
    """

    formulas: ClassVar[Mapping[str, Formula]] = {}
    slopes: ClassVar[Mapping[str, Formula]] = {}
    any_origin: ClassVar[bool] = False
    """Tells that MMD² is the same for the rows x − o, for any o and weights that add up to 1."""
    steepest: ClassVar[Mapping[str, Callable[..., float]]] = {}

    def __init_subclass__(cls) -> None:
        FORMULAS.update(cls.formulas)
        SLOPES.update(cls.slopes)
        STEEPEST.update(cls.steepest)

    def _resolve(self, d: int, median: Median) -> Kernel:
        """Return the kernel with every default replaced by a number, checked against d."""
        return self

    def _in_columns_of(self, samples: Mapping[str, object]) -> Kernel:
        """Return the kernel with parameters that have names in the order of named samples."""
        return self

    def _metric_of_median(self) -> str | None:
        """Return the metric whose median distance is the bandwidth, or None for a number."""
        return None

    def _parts(self) -> Iterable[tuple[float, Kernel]]:
        """Return (weight, kernel) for each summand."""
        return ((1.0, self),)

    def _term(self) -> Term:
        """Return the kernel as a term of the engine."""
        raise NotImplementedError(
            f"{type(self).__name__} has no compiled form; wrap its formula as Callback(f)"
        )

"""The base class of kernels, their registered formulas, and a kernel as the engine reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

from fastdiv._engine.types import Values

Formula: TypeAlias = Callable[..., Values]
Median: TypeAlias = Callable[[str], float]

FORMULAS: dict[str, Formula] = {}
"""Core name of a kernel -> its formula f(base_values, *params)."""

SLOPES: dict[str, Formula] = {}
"""Core name of a kernel -> the derivative of its formula, 0 where it has a cusp."""


class Term(NamedTuple):
    """A kernel as the backends read it: factor * name(base value of the scaled rows)."""

    base: str
    name: str
    params: tuple[float, ...] = ()
    scale: tuple[float, ...] | None = None
    factor: float = 1.0


@dataclass(frozen=True)
class Kernel:
    """
    Base class of all kernels; use one of its subclasses.

    Examples
    --------
    >>> import fastdiv
    >>> isinstance(fastdiv.RBF(1.0), fastdiv.Kernel)
    True
    """

    formulas: ClassVar[Mapping[str, Formula]] = {}
    slopes: ClassVar[Mapping[str, Formula]] = {}

    def __init_subclass__(cls) -> None:
        FORMULAS.update(cls.formulas)
        SLOPES.update(cls.slopes)

    def _resolve(self, d: int, median: Median) -> Kernel:
        """Return the kernel with every default replaced by a number, checked against d."""
        return self

    def _metric_of_median(self) -> str | None:
        """Return the metric whose median distance is the bandwidth, None if it is a number."""
        return None

    def _parts(self) -> Iterator[tuple[float, Kernel]]:
        """Yield (weight, kernel) for the summands."""
        yield 1.0, self

    def _term(self) -> Term:
        raise NotImplementedError(
            f"{type(self).__name__} has no compiled form; wrap its formula as Callback(f)"
        )

    def _mmd_term(self) -> Term:
        """Return a term with the same MMD; differs from `_term` where that is more exact."""
        return self._term()

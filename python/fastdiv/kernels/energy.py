"""Define kernels that are negative powers of distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.types import Values
from fastdiv.kernels.base import Kernel, Term


def _energy_slope(sq: Values, exponent: float) -> Values:
    slope: Values = np.where(sq > 0, sq, np.inf) ** (exponent / 2.0 - 1.0) * (-exponent / 2.0)
    return slope


@documented
@dataclass(frozen=True)
class Energy(Kernel):
    """
    Energy kernel, k(x, y) = −‖x − y‖₂^β. Its MMD² is the energy distance.

    Conditionally positive definite: good for every statistic here, but k(x, y) alone is
    not an inner product.

    Parameters
    ----------
    exponent : float, default 1.0
        β in the open interval (0, 2).

    {Raises: invalid}

    See Also
    --------
    energy_distance : The energy distance between two samples.

    {References: szekely_2013}

    Examples
    --------
    >>> from fastdiv import Energy, mmd2
    >>> mmd2([0.0, 1.0], [2.0, 3.0], Energy())
    2.0
    """

    exponent: float = 1.0

    formulas: ClassVar = {"energy": lambda sq, exponent: -(sq ** (exponent / 2.0))}
    slopes: ClassVar = {"energy": _energy_slope}

    def __post_init__(self) -> None:
        exponent = _inputs.positive(self.exponent, "exponent")
        if exponent >= 2:
            raise ValueError(f"exponent must be > 0 and < 2; got {_inputs.shown(self.exponent)}")
        object.__setattr__(self, "exponent", exponent)

    def _term(self) -> Term:
        return Term("sqdist", "energy", (self.exponent,))


def _cityblock_slope(l1: Values, exponent: float) -> Values:
    apart = np.where(l1 > 0, l1, 1.0)
    return np.where(l1 > 0, -exponent * apart ** (exponent - 1.0), 0.0)


@dataclass(frozen=True)
class CityBlock(Kernel):
    """Negative power of the L1 distance, −‖x − y‖₁^β. A kernel of the engine alone."""

    exponent: float

    formulas: ClassVar = {"cityblock": lambda l1, exponent: -(l1**exponent)}
    slopes: ClassVar = {"cityblock": _cityblock_slope}

    def _term(self) -> Term:
        return Term("l1", "cityblock", (self.exponent,))

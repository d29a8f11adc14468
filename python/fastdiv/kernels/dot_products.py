"""Define kernels of an inner product."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv.kernels.base import Kernel, Median, Term
from fastdiv.kernels.parameters import number


@documented
@dataclass(frozen=True)
class Polynomial(Kernel):
    """
    Polynomial kernel, k(x, y) = (γ x·y + c₀)^degree.

    Parameters
    ----------
    degree : int, default 3
        From 1 to 100.
    gamma : float or None, default None
        γ > 0, in inverse squared units of the data; None stands for 1/d.
    coef0 : float, default 1.0
        c₀ ≥ 0 (a negative one would not be positive definite).

    {Raises: invalid}

    {References: binkowski_2018}
    Its KID is the MMD² of the default.

    Examples
    --------
    >>> from fastdiv import Polynomial, mmd2
    >>> mmd2([0.0, 1.0], [2.0, 3.0], Polynomial(degree=2))
    36.5
    """

    degree: int = 3
    gamma: float | None = None
    coef0: float = 1.0

    formulas: ClassVar = {
        "polynomial": lambda dot, degree, gamma, coef0: (gamma * dot + coef0) ** degree
    }
    slopes: ClassVar = {
        "polynomial": lambda dot, degree, gamma, coef0: (
            degree * gamma * (gamma * dot + coef0) ** (degree - 1.0)
        )
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", _inputs.integer(self.degree, "degree", 1, most=100))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", _inputs.positive(self.gamma, "gamma"))
        coef0 = _inputs.real(self.coef0, "coef0")
        if coef0 < 0:
            raise ValueError(f"coef0 must be >= 0; got {_inputs.shown(self.coef0)}")
        object.__setattr__(self, "coef0", coef0)

    def _resolve(self, d: int, median: Median) -> Kernel:
        return replace(self, gamma=1.0 / d) if self.gamma is None else self

    def _term(self) -> Term:
        return Term("dot", "polynomial", (float(self.degree), number(self.gamma), self.coef0))


@documented
@dataclass(frozen=True)
class Linear(Kernel):
    """
    Linear kernel, k(x, y) = x·y. Its MMD² estimates the squared distance of the means.

    The MMD² is computed from (x − o)·(y − o), where o is the median of some rows. As o cancels, it
    stays exact far from the origin, and beside rows that are far from the others.

    {References: gretton_2012}

    Examples
    --------
    >>> from fastdiv import Linear, mmd2
    >>> mmd2([0.0, 1.0], [2.0, 3.0], Linear(), estimator="biased")
    4.0
    """

    formulas: ClassVar = {"linear": lambda dot: dot}
    slopes: ClassVar = {"linear": np.ones_like}
    any_origin: ClassVar = True

    def _term(self) -> Term:
        return Term("dot", "linear")

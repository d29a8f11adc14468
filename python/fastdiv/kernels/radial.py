"""Define kernels of a distance that decrease to 0."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.types import Values
from fastdiv.kernels.base import Kernel, Median, Term
from fastdiv.kernels.parameters import (
    Bandwidth,
    NamedBandwidth,
    in_range,
    is_scalar,
    named_like,
    number,
    positive_array,
    scalar_bandwidth,
    vector_bandwidth,
)


@dataclass(frozen=True)
class Radial(Kernel):
    """Base class of the kernels of a distance in units of a bandwidth."""

    metric: ClassVar[str] = "euclidean"

    def __post_init__(self) -> None:
        self._set_bandwidth(scalar_bandwidth(self.__dict__["bandwidth"]))

    def _metric_of_median(self) -> str | None:
        return self.metric if self.__dict__["bandwidth"] == "median" else None

    def _resolve(self, d: int, median: Median) -> Kernel:
        metric = self._metric_of_median()
        if metric is None:
            return self
        resolved = copy.copy(self)
        resolved._set_bandwidth(median(metric))
        return resolved

    def _set_bandwidth(self, bandwidth: object) -> None:
        object.__setattr__(self, "bandwidth", bandwidth)


@documented
@dataclass(frozen=True)
class RBF(Radial):
    """
    Gaussian kernel, k(x, y) = exp(−‖x − y‖² / (2σ²)).

    Parameters
    ----------
    bandwidth : float, array_like of shape (d,), or "median", default "median"
        σ > 0, in the units of the data; d values scale each feature on its own. They follow the
        columns of the samples. A Series of pandas goes by the names in its index if a sample has
        names of columns: both must be the same, each once. Pass its values to go by position.
        "median" is the median Euclidean distance between distinct pooled rows. See
        `median_distance`.

    {Raises: invalid}

    See Also
    --------
    RBF.from_gamma : From γ in exp(−γ‖x − y‖²), as in scikit-learn.
    RBF.from_width : From 2σ².

    {References: gretton_2012}

    Examples
    --------
    >>> from fastdiv import RBF, mmd2
    >>> RBF(2.0)
    RBF(bandwidth=2.0)
    >>> RBF([1.0, 10.0])
    RBF(bandwidth=(1.0, 10.0))
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], RBF(1.0)), 6)
    0.768906
    """

    bandwidth: float | str | tuple[float, ...] | ArrayLike = "median"

    formulas: ClassVar = {"rbf": lambda sq, sigma: np.exp(-sq / (2.0 * sigma**2))}
    slopes: ClassVar = {"rbf": lambda sq, sigma: np.exp(-sq / (2.0 * sigma**2)) / (-2.0 * sigma**2)}
    steepest: ClassVar = {"rbf": lambda sigma: math.exp(-0.5) / sigma}

    def __post_init__(self) -> None:
        bandwidth = self.bandwidth
        if is_scalar(bandwidth):
            self._set_bandwidth(scalar_bandwidth(bandwidth))
        else:
            self._set_bandwidth(vector_bandwidth(bandwidth))

    @classmethod
    @documented
    def from_gamma(cls, gamma: ArrayLike) -> RBF:
        """
        Build the kernel exp(−γ‖x − y‖²), that is σ = 1/√(2γ).

        Parameters
        ----------
        gamma : float or array_like of shape (d,)
            γ > 0, in inverse squared units of the data.

        {Returns: same_kernel}

        Examples
        --------
        >>> RBF.from_gamma(0.5)
        RBF(bandwidth=1.0)
        """
        with np.errstate(over="ignore"):
            sigma = 1.0 / np.sqrt(2.0 * positive_array(gamma, "gamma"))
        return cls(named_like(in_range(sigma, gamma, "gamma"), gamma))

    @classmethod
    @documented
    def from_width(cls, width: ArrayLike) -> RBF:
        """
        Build the kernel exp(−‖x − y‖² / w), that is σ = √(w/2).

        Parameters
        ----------
        width : float or array_like of shape (d,)
            w = 2σ² > 0, in squared units of the data.

        {Returns: same_kernel}

        Examples
        --------
        >>> RBF.from_width(8.0)
        RBF(bandwidth=2.0)
        """
        sigma = np.sqrt(positive_array(width, "width") / 2.0)
        return cls(named_like(in_range(sigma, width, "width"), width))

    def _in_columns_of(self, samples: Mapping[str, object]) -> Kernel:
        if not isinstance(self.bandwidth, NamedBandwidth):
            return self
        matched = copy.copy(self)
        matched._set_bandwidth(self.bandwidth.in_columns_of(samples))
        return matched

    def _resolve(self, d: int, median: Median) -> Kernel:
        if isinstance(self.bandwidth, tuple) and len(self.bandwidth) != d:
            raise ValueError(
                f"bandwidth of RBF must be one number or one per feature, {d}; "
                f"got {len(self.bandwidth)}: for several bandwidths pass the kernels "
                "[RBF(a), RBF(b)], which give one value each, or their Sum"
            )
        return super()._resolve(d, median)

    def _term(self) -> Term:
        if isinstance(self.bandwidth, tuple):
            return Term("sqdist", "rbf", (1.0,), scale=tuple(1.0 / s for s in self.bandwidth))
        return Term("sqdist", "rbf", (number(self.bandwidth),))


@dataclass(frozen=True)
class RBFLessOne(Kernel):
    """The kernel exp(−‖x − y‖²/(2σ²)) − 1, which has the same MMD as `RBF`."""

    bandwidth: float

    formulas: ClassVar = {"rbf_less_one": lambda sq, sigma: np.expm1(-sq / (2.0 * sigma**2))}
    slopes: ClassVar = {"rbf_less_one": RBF.slopes["rbf"]}
    steepest: ClassVar = {"rbf_less_one": RBF.steepest["rbf"]}

    def _term(self) -> Term:
        return Term("sqdist", "rbf_less_one", (self.bandwidth,))


@documented
@dataclass(frozen=True)
class Laplacian(Radial):
    """
    Laplacian kernel, k(x, y) = exp(−‖x − y‖₁ / σ).

    The γ of scikit-learn's ``laplacian_kernel`` is 1/σ. A median bandwidth is that of L1 distances.

    Parameters
    ----------
    {bandwidth}

    {Raises: invalid}

    References
    ----------
    B. K. Sriperumbudur et al., "Hilbert space embeddings and metrics on probability
    measures", JMLR 11 (2010) 1517–1561.

    Examples
    --------
    >>> from fastdiv import Laplacian, mmd2
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], Laplacian(1.0)), 6)
    0.39159
    """

    bandwidth: Bandwidth = "median"

    metric: ClassVar[str] = "cityblock"
    formulas: ClassVar = {"laplacian": lambda l1, sigma: np.exp(-l1 / sigma)}
    slopes: ClassVar = {"laplacian": lambda l1, sigma: np.exp(-l1 / sigma) / -sigma}
    steepest: ClassVar = {"laplacian": lambda sigma: 1 / sigma}

    def _term(self) -> Term:
        return Term("l1", "laplacian", (number(self.bandwidth),))


_GOLDEN = (1 + math.sqrt(5)) / 2


def _matern12(sq: Values, sigma: float) -> Values:
    return np.exp(-np.sqrt(sq) / sigma)


def _matern32(sq: Values, sigma: float) -> Values:
    r = np.sqrt(3.0 * sq) / sigma
    return (1.0 + r) * np.exp(-r)


def _matern52(sq: Values, sigma: float) -> Values:
    r = np.sqrt(5.0 * sq) / sigma
    return (1.0 + r + r**2 / 3.0) * np.exp(-r)


def _matern12_slope(sq: Values, sigma: float) -> Values:
    r = np.sqrt(sq) / sigma
    slope: Values = np.exp(-r) / np.where(r > 0, -2.0 * sigma**2 * r, np.inf)
    return slope


def _matern32_slope(sq: Values, sigma: float) -> Values:
    r = np.sqrt(3.0 * sq) / sigma
    return np.exp(-r) * (-3.0 / (2.0 * sigma**2))


def _matern52_slope(sq: Values, sigma: float) -> Values:
    r = np.sqrt(5.0 * sq) / sigma
    return (1.0 + r) * np.exp(-r) * (-5.0 / (6.0 * sigma**2))


@documented
@dataclass(frozen=True)
class Matern(Radial):
    """
    Matérn kernel of smoothness ν, a function of r = ‖x − y‖₂ / σ.

    exp(−r) for ν = 1/2, (1 + √3 r) exp(−√3 r) for ν = 3/2 and
    (1 + √5 r + 5r²/3) exp(−√5 r) for ν = 5/2.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5}, default 1.5
        Smoothness ν.
    {bandwidth}

    {Raises: invalid}

    {References: rasmussen_2006}

    Examples
    --------
    >>> from fastdiv import Matern, mmd2
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], Matern(nu=0.5, bandwidth=1.0)), 6)
    0.39159
    """

    nu: float = 1.5
    bandwidth: Bandwidth = "median"

    formulas: ClassVar = {"matern12": _matern12, "matern32": _matern32, "matern52": _matern52}
    slopes: ClassVar = {
        "matern12": _matern12_slope,
        "matern32": _matern32_slope,
        "matern52": _matern52_slope,
    }
    steepest: ClassVar = {
        "matern12": lambda sigma: 1 / sigma,
        "matern32": lambda sigma: math.sqrt(3) * math.exp(-1) / sigma,
        # r(1 + r) exp(−r)/3 is largest at the golden ratio, where 1 + r = r².
        "matern52": lambda sigma: math.sqrt(5) * _GOLDEN**3 / 3 * math.exp(-_GOLDEN) / sigma,
    }
    _names: ClassVar = {0.5: "matern12", 1.5: "matern32", 2.5: "matern52"}

    def __post_init__(self) -> None:
        super().__post_init__()
        nu = _inputs.real(self.nu, "nu")
        if nu not in self._names:
            raise ValueError(f"nu of Matern must be 0.5, 1.5 or 2.5; got {_inputs.shown(self.nu)}")
        object.__setattr__(self, "nu", nu)

    def _term(self) -> Term:
        return Term("sqdist", self._names[self.nu], (number(self.bandwidth),))


def _rational_quadratic_steepest(alpha: float, sigma: float) -> float:
    # u (1 + u²/2α)^−(α+1) / σ is largest at u² = 2α/(2α+1).
    steepest = math.sqrt(2 * alpha / (2 * alpha + 1))
    return steepest * math.exp(-(alpha + 1) * math.log1p(1 / (2 * alpha + 1))) / sigma


@documented
@dataclass(frozen=True)
class RationalQuadratic(Radial):
    """
    Rational quadratic kernel, k(x, y) = (1 + ‖x − y‖² / (2ασ²))^−α.

    Parameters
    ----------
    alpha : float, default 1.0
        α > 0, without unit.
    {bandwidth}

    {Raises: invalid}

    {References: rasmussen_2006}

    Examples
    --------
    >>> from fastdiv import RationalQuadratic, mmd2
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], RationalQuadratic(1.0, bandwidth=1.0)), 6)
    0.575758
    """

    alpha: float = 1.0
    bandwidth: Bandwidth = "median"

    formulas: ClassVar = {
        "rational_quadratic": lambda sq, alpha, sigma: np.exp(
            -alpha * np.log1p(sq / (2.0 * sigma**2) / alpha)
        )
    }
    slopes: ClassVar = {
        "rational_quadratic": lambda sq, alpha, sigma: (
            np.exp(-(alpha + 1.0) * np.log1p(sq / (2.0 * sigma**2) / alpha)) / (-2.0 * sigma**2)
        )
    }
    steepest: ClassVar = {"rational_quadratic": _rational_quadratic_steepest}

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", _inputs.positive(self.alpha, "alpha"))

    def _term(self) -> Term:
        return Term("sqdist", "rational_quadratic", (self.alpha, number(self.bandwidth)))


@documented
@dataclass(frozen=True)
class InverseMultiquadric(Kernel):
    """
    Inverse multiquadric kernel of autoencoder losses, k(x, y) = c / (c + ‖x − y‖²).

    Parameters
    ----------
    c : float
        c > 0, in squared units of the data.

    {Raises: invalid}

    {References: tolstikhin_2018}

    Examples
    --------
    >>> from fastdiv import InverseMultiquadric, mmd2
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], InverseMultiquadric(c=2.0)), 6)
    0.575758
    """

    c: float

    formulas: ClassVar = {"imq": lambda sq, c: c / (c + sq)}
    slopes: ClassVar = {"imq": lambda sq, c: -c / (c + sq) ** 2}
    steepest: ClassVar = {"imq": lambda c: 3 * math.sqrt(3) / (8 * math.sqrt(c))}

    def __post_init__(self) -> None:
        object.__setattr__(self, "c", _inputs.positive(self.c, "c"))

    def _term(self) -> Term:
        return Term("sqdist", "imq", (self.c,))


DEFAULT_KERNEL = RBF()
"""Kernel of statistics that are called without one."""

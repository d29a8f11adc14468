"""
Kernels: small frozen dataclasses that say what to compute.

Each class holds the names by which the backends know it, what it reads of a pair of rows
(the base: squared Euclidean distance, L1 distance or inner product) and its formula on
those base values, from which `fastdiv._sums.reference` computes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdiv import _inputs
from fastdiv._engine.types import KernelGroup, Values

Bandwidth: TypeAlias = "float | str"
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


class Lowered(NamedTuple):
    """Kernels in numbers: what the compiled backend evaluates, and what Python must."""

    groups: list[KernelGroup]
    callbacks: list[tuple[Callable[[Any, Any], Any], float, int]]
    n_outputs: int


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


@dataclass(frozen=True)
class _Radial(Kernel):
    """A kernel of a distance in units of a bandwidth."""

    metric: ClassVar[str] = "euclidean"

    def __post_init__(self) -> None:
        self._set_bandwidth(_scalar_bandwidth(self.__dict__["bandwidth"]))

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


@dataclass(frozen=True)
class RBF(_Radial):
    """
    Gaussian kernel, k(x, y) = exp(−‖x − y‖² / (2σ²)).

    Parameters
    ----------
    bandwidth : float, array_like of shape (d,), or "median", default "median"
        σ > 0, in the units of the data; d values scale each feature on its own.
        "median" is the median Euclidean distance between distinct pooled rows, see
        `median_distance`.

    Raises
    ------
    TypeError, ValueError
        If `bandwidth` is not made of finite numbers > 0.

    See Also
    --------
    RBF.from_gamma : From γ in exp(−γ‖x − y‖²), as in scikit-learn.
    RBF.from_width : From 2σ².

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", JMLR 13 (2012) 723–773.

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

    def __post_init__(self) -> None:
        bandwidth = self.bandwidth
        if _is_scalar(bandwidth):
            self._set_bandwidth(_scalar_bandwidth(bandwidth))
        else:
            self._set_bandwidth(_vector_bandwidth(bandwidth))

    @classmethod
    def from_gamma(cls, gamma: ArrayLike) -> RBF:
        """
        Build the kernel exp(−γ‖x − y‖²), that is σ = 1/√(2γ).

        Parameters
        ----------
        gamma : float or array_like of shape (d,)
            γ > 0, in inverse squared units of the data.

        Returns
        -------
        RBF
            The same kernel in terms of σ.

        Examples
        --------
        >>> RBF.from_gamma(0.5)
        RBF(bandwidth=1.0)
        """
        with np.errstate(over="ignore"):
            sigma = 1.0 / np.sqrt(2.0 * _positive_array(gamma, "gamma"))
        return cls(_in_range(sigma, gamma, "gamma"))

    @classmethod
    def from_width(cls, width: ArrayLike) -> RBF:
        """
        Build the kernel exp(−‖x − y‖² / w), that is σ = √(w/2).

        Parameters
        ----------
        width : float or array_like of shape (d,)
            w = 2σ² > 0, in squared units of the data.

        Returns
        -------
        RBF
            The same kernel in terms of σ.

        Examples
        --------
        >>> RBF.from_width(8.0)
        RBF(bandwidth=2.0)
        """
        sigma = np.sqrt(_positive_array(width, "width") / 2.0)
        return cls(_in_range(sigma, width, "width"))

    def _resolve(self, d: int, median: Median) -> Kernel:
        if isinstance(self.bandwidth, tuple) and len(self.bandwidth) != d:
            raise ValueError(
                f"bandwidth of RBF must be one number or one per feature, {d}; "
                f"got {len(self.bandwidth)}"
            )
        return super()._resolve(d, median)

    def _term(self) -> Term:
        if isinstance(self.bandwidth, tuple):
            return Term("sqdist", "rbf", (1.0,), scale=tuple(1.0 / s for s in self.bandwidth))
        return Term("sqdist", "rbf", (_number(self.bandwidth),))


@dataclass(frozen=True)
class Laplacian(_Radial):
    """
    Laplacian kernel, k(x, y) = exp(−‖x − y‖₁ / σ).

    Parameters
    ----------
    bandwidth : float or "median", default "median"
        σ > 0, in the units of the data. "median" is the median L1 distance between
        distinct pooled rows. (γ of scikit-learn's ``laplacian_kernel`` is 1/σ.)

    Raises
    ------
    TypeError, ValueError
        If `bandwidth` is not a finite number > 0.

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

    def _term(self) -> Term:
        return Term("l1", "laplacian", (_number(self.bandwidth),))


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


@dataclass(frozen=True)
class Matern(_Radial):
    """
    Matérn kernel of smoothness ν, a function of r = ‖x − y‖₂ / σ.

    exp(−r) for ν = 1/2, (1 + √3 r) exp(−√3 r) for ν = 3/2 and
    (1 + √5 r + 5r²/3) exp(−√5 r) for ν = 5/2.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5}, default 1.5
        Smoothness ν.
    bandwidth : float or "median", default "median"
        σ > 0, in the units of the data. "median" as in `RBF`.

    Raises
    ------
    TypeError, ValueError
        If `nu` is another number or `bandwidth` is not a finite number > 0.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning",
    MIT Press (2006), section 4.2.

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
    _names: ClassVar = {0.5: "matern12", 1.5: "matern32", 2.5: "matern52"}

    def __post_init__(self) -> None:
        super().__post_init__()
        nu = _inputs.real(self.nu, "nu")
        if nu not in self._names:
            raise ValueError(f"nu of Matern must be 0.5, 1.5 or 2.5; got {self.nu!r}")
        object.__setattr__(self, "nu", nu)

    def _term(self) -> Term:
        return Term("sqdist", self._names[self.nu], (_number(self.bandwidth),))


@dataclass(frozen=True)
class RationalQuadratic(_Radial):
    """
    Rational quadratic kernel, k(x, y) = (1 + ‖x − y‖² / (2ασ²))^−α.

    Parameters
    ----------
    alpha : float, default 1.0
        α > 0, without unit.
    bandwidth : float or "median", default "median"
        σ > 0, in the units of the data. "median" as in `RBF`.

    Raises
    ------
    TypeError, ValueError
        If `alpha` or `bandwidth` is not a finite number > 0.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning",
    MIT Press (2006), section 4.2.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", _inputs.positive(self.alpha, "alpha"))

    def _term(self) -> Term:
        return Term("sqdist", "rational_quadratic", (self.alpha, _number(self.bandwidth)))


@dataclass(frozen=True)
class InverseMultiquadric(Kernel):
    """
    Inverse multiquadric kernel of autoencoder losses, k(x, y) = c / (c + ‖x − y‖²).

    Parameters
    ----------
    c : float
        c > 0, in squared units of the data.

    Raises
    ------
    TypeError, ValueError
        If `c` is not a finite number > 0.

    References
    ----------
    I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf, "Wasserstein auto-encoders",
    ICLR (2018).

    Examples
    --------
    >>> from fastdiv import InverseMultiquadric, mmd2
    >>> round(mmd2([0.0, 1.0], [2.0, 3.0], InverseMultiquadric(c=2.0)), 6)
    0.575758
    """

    c: float

    formulas: ClassVar = {"imq": lambda sq, c: c / (c + sq)}
    slopes: ClassVar = {"imq": lambda sq, c: -c / (c + sq) ** 2}

    def __post_init__(self) -> None:
        object.__setattr__(self, "c", _inputs.positive(self.c, "c"))

    def _term(self) -> Term:
        return Term("sqdist", "imq", (self.c,))


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

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of its range.

    References
    ----------
    M. Bińkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs",
    ICLR (2018), whose KID is the MMD² of the default.

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
            raise ValueError(f"coef0 must be >= 0; got {self.coef0!r}")
        object.__setattr__(self, "coef0", coef0)

    def _resolve(self, d: int, median: Median) -> Kernel:
        return replace(self, gamma=1.0 / d) if self.gamma is None else self

    def _term(self) -> Term:
        return Term("dot", "polynomial", (float(self.degree), _number(self.gamma), self.coef0))


@dataclass(frozen=True)
class Linear(Kernel):
    """
    Linear kernel, k(x, y) = x·y; its MMD² estimates the squared distance of the means.

    The MMD² is computed from squared distances, as x·y = (‖x‖² + ‖y‖² − ‖x − y‖²)/2 and
    the norms cancel in every estimator: it stays exact far from the origin.

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", JMLR 13 (2012) 723–773.

    Examples
    --------
    >>> from fastdiv import Linear, mmd2
    >>> mmd2([0.0, 1.0], [2.0, 3.0], Linear(), estimator="biased")
    4.0
    """

    formulas: ClassVar = {"linear": lambda dot: dot}
    slopes: ClassVar = {"linear": np.ones_like}

    def _term(self) -> Term:
        return Term("dot", "linear")

    def _mmd_term(self) -> Term:
        return Term("sqdist", "energy", (2.0,), factor=0.5)


def _energy_slope(sq: Values, exponent: float) -> Values:
    slope: Values = np.where(sq > 0, sq, np.inf) ** (exponent / 2.0 - 1.0) * (-exponent / 2.0)
    return slope


@dataclass(frozen=True)
class Energy(Kernel):
    """
    Energy kernel, k(x, y) = −‖x − y‖₂^β; its MMD² is the energy distance.

    Conditionally positive definite: good for every statistic here, but k(x, y) alone is
    not an inner product.

    Parameters
    ----------
    exponent : float, default 1.0
        β in the open interval (0, 2).

    Raises
    ------
    TypeError, ValueError
        If `exponent` is not a number between 0 and 2.

    See Also
    --------
    energy_distance : The energy distance between two samples.

    References
    ----------
    G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on
    distances", J. Stat. Plan. Inference 143 (2013) 1249–1272.

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
            raise ValueError(f"exponent must be > 0 and < 2; got {self.exponent!r}")
        object.__setattr__(self, "exponent", exponent)

    def _term(self) -> Term:
        return Term("sqdist", "energy", (self.exponent,))


@dataclass(frozen=True)
class Sum(Kernel):
    """
    Weighted sum of kernels, k(x, y) = Σ wₗ kₗ(x, y), from one pass over the distances.

    Parameters
    ----------
    kernels : sequence of Kernel
        At least one; sums may be nested.
    weights : sequence of float, optional
        One finite number per kernel, without unit; all 1 by default. A negative weight can
        make the sum indefinite.

    Raises
    ------
    TypeError, ValueError
        If `kernels` is empty or holds something else, or `weights` does not match.

    Examples
    --------
    >>> from fastdiv import RBF, Sum, mmd2
    >>> k = Sum([RBF(1.0), RBF(2.0)], weights=[0.5, 0.5])
    >>> one, two = mmd2([0.0, 1.0], [2.0, 3.0], [RBF(1.0), RBF(2.0)])
    >>> mixed = mmd2([0.0, 1.0], [2.0, 3.0], k)
    >>> bool(abs(mixed - (one + two) / 2) < 1e-12)
    True
    """

    kernels: Sequence[Kernel]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        kernels, single = as_kernels(self.kernels, "kernels")
        if single:
            raise TypeError(f"kernels of Sum must be a list or tuple; got {self.kernels!r}")
        try:
            weights = [1.0] * len(kernels) if self.weights is None else list(self.weights)
        except TypeError:
            raise TypeError(
                f"weights of Sum must be a sequence of numbers, one per kernel; "
                f"got {self.weights!r}"
            ) from None
        if len(weights) != len(kernels):
            raise ValueError(
                f"weights of Sum must have one number per kernel, {len(kernels)}; "
                f"got {len(weights)}"
            )
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "weights", tuple(_inputs.real(w, "weights") for w in weights))

    def _resolve(self, d: int, median: Median) -> Kernel:
        return replace(self, kernels=tuple(k._resolve(d, median) for k in self.kernels))

    def _parts(self) -> Iterator[tuple[float, Kernel]]:
        for weight, kernel in zip(self.weights or (), self.kernels, strict=True):
            for inner, part in kernel._parts():
                yield weight * inner, part


@dataclass(frozen=True)
class Callback(Kernel):
    """
    Any kernel given as a Python function of two blocks of rows.

    Parameters
    ----------
    f : callable
        ``f(x_block, y_block)`` gets read-only arrays of shapes (a, d) and (b, d) in the
        dtype of the data and returns finite real numbers of shape (a, b).
        It must be symmetric, k(x, y) = k(y, x): only one half of the pairs within a sample
        is evaluated. Memory stays O(n); exceptions of `f` reach the caller unchanged.

    Raises
    ------
    TypeError
        If `f` is not callable, or later returns something that is not real numbers.
    ValueError
        If `f` later returns another shape, NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import Callback, mmd2
    >>> def same_sign(a, b):
    ...     return (np.sign(a) @ np.sign(b).T).clip(0.0)
    >>> mmd2([-1.0, -2.0, 1.0], [3.0, 4.0, -5.0], Callback(same_sign))
    -0.2222222222222222
    """

    f: Callable[[NDArray[Any], NDArray[Any]], Any]

    def __post_init__(self) -> None:
        if not callable(self.f):
            raise TypeError(f"f of Callback must be callable; got {type(self.f).__name__}")


def as_kernels(kernel: object, name: str = "kernel") -> tuple[tuple[Kernel, ...], bool]:
    """
    Return kernels as a tuple, and whether a single one was given.

    Parameters
    ----------
    kernel : Kernel or list or tuple of Kernel
        What the caller passed.
    name : str
        Name of the argument in errors.

    Returns
    -------
    tuple of Kernel, bool
        The kernels, and True for a single one.
    """
    if _is_kernel(kernel):
        return (kernel,), True
    if not isinstance(kernel, (list, tuple)):
        raise TypeError(_not_a_kernel(kernel, name))
    if not kernel:
        raise ValueError(f"{name} must hold at least one kernel; got an empty sequence")
    for each in kernel:
        if not _is_kernel(each):
            raise TypeError(_not_a_kernel(each, name))
    return tuple(kernel), False


def lower(kernels: Sequence[Kernel], *, for_mmd: bool) -> Lowered:
    """
    Turn resolved kernels into the backends' form.

    Parameters
    ----------
    kernels : sequence of Kernel
        Kernels without open defaults; each becomes one output.
    for_mmd : bool
        Whether only MMD combinations of the sums will be used.

    Returns
    -------
    Lowered
        Terms of equal base and scale are together in one group.
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


def _is_kernel(value: object) -> TypeGuard[Kernel]:
    return isinstance(value, Kernel) and type(value) is not Kernel


def _not_a_kernel(value: object, name: str) -> str:
    hint = ""
    if value is Kernel or isinstance(value, Kernel):
        hint = ", the base class of all kernels"
    elif isinstance(value, type) and issubclass(value, Kernel):
        hint = f"; did you mean {value.__name__}()?"
    elif callable(value):
        hint = "; wrap a Python function as Callback(f)"
    return (
        f"{name} must be a fastdiv kernel such as RBF(), or a list or tuple of them; "
        f"got {value!r}{hint}"
    )


def _scalar_bandwidth(value: object) -> float | str:
    if isinstance(value, str):
        if value != "median":
            raise ValueError(f"bandwidth must be a number > 0 or 'median'; got {value!r}")
        return value
    if not _is_scalar(value):
        shape = _inputs.plain_array(value, "bandwidth").shape
        raise ValueError(f"bandwidth of this kernel must be one number; got shape {shape}")
    return _inputs.positive(value, "bandwidth")


def _is_scalar(bandwidth: object) -> bool:
    plain = isinstance(bandwidth, str) or _inputs.is_plain_number(bandwidth)
    if not plain and _inputs.is_differentiated(bandwidth):
        raise TypeError(
            "bandwidth must be made of concrete numbers: the parameters of kernels are constants "
            "in fastdiv.torch and fastdiv.jax too, but fastdiv.mmd2_and_grad(wrt='bandwidth') "
            f"returns the gradient by it; got {type(bandwidth).__name__}"
        )
    return plain or _inputs.plain_array(bandwidth, "bandwidth").ndim == 0


def _vector_bandwidth(value: object) -> tuple[float, ...]:
    a = _positive_array(value, "bandwidth")
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"bandwidth must be one number or have shape (d,); got shape {a.shape}")
    with np.errstate(over="ignore"):
        _in_range(1.0 / a, value, "bandwidth")  # the features are divided by it
    return tuple(a.tolist())


def _in_range(derived: Values, value: object, name: str) -> Values:
    if not (np.isfinite(derived) & (derived > 0)).all():
        raise ValueError(f"{name} must not lie at the end of float64's range; got {value!r}")
    return derived


def _positive_array(value: object, name: str) -> Values:
    a = _inputs.plain_array(value, name)
    if a.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be made of real numbers; got dtype {a.dtype}")
    a = a.astype(np.float64)
    if not (np.isfinite(a) & (a > 0)).all():
        raise ValueError(f"{name} must be finite and > 0; got {value!r}")
    return a


def _number(value: object) -> float:
    """Return a parameter that `_resolve` has made a number."""
    assert isinstance(value, float)
    return value

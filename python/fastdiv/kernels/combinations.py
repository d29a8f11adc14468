"""Define sums of kernels, and kernels given as Python functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.base import Kernel, Median


@documented
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

    {Raises: invalid}

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
            raise TypeError(
                f"kernels of Sum must be a list or tuple; got {_inputs.shown(self.kernels)}"
            )
        try:
            weights = [1.0] * len(kernels) if self.weights is None else list(self.weights)
        except TypeError:
            raise TypeError(
                f"weights of Sum must be a sequence of numbers, one per kernel; "
                f"got {_inputs.shown(self.weights)}"
            ) from None
        if len(weights) != len(kernels):
            raise ValueError(
                f"weights of Sum must have one number per kernel, {len(kernels)}; "
                f"got {len(weights)}"
            )
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "weights", tuple(_inputs.real(w, "weights") for w in weights))

    def _in_columns_of(self, samples: Mapping[str, object]) -> Kernel:
        matched = tuple(k._in_columns_of(samples) for k in self.kernels)
        unchanged = all(a is b for a, b in zip(matched, self.kernels, strict=True))
        return self if unchanged else replace(self, kernels=matched)

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
        dtype of the data. It returns finite real numbers of shape (a, b). It must be symmetric,
        k(x, y) = k(y, x), because only one half of the pairs within a sample is evaluated.
        Memory stays O(n). Exceptions of `f` reach the caller unchanged.

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

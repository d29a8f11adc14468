"""Find weights that make one sample resemble another: kernel mean matching."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.results import Result
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import reductions
from fastdiv.kernels import Kernel
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.lowering import Lowered, lower
from fastdiv.kernels.radial import DEFAULT_KERNEL
from fastdiv.mmd.bandwidth import resolve
from fastdiv.mmd.centre import origin

_FLAT, _FLAT_QUANTIZED = 1e-12, 1e-6
"""Squared distance of rows in feature space, relative to its terms, that may be rounding.

It is the accuracy of a kernel value, so a row may be that far from itself.
"""

_ROUNDING, _ROUNDING_QUANTIZED = 1e-14, 1e-7
"""Duality gap, relative to the largest term of MMD² at equal weights, that may be rounding."""

_REPORT_EVERY = 64
"""Steps between two reports of progress."""


@dataclass(frozen=True, eq=False)
class KernelMeanMatching(Result):
    """
    Weights found by `kernel_mean_matching`.

    Attributes
    ----------
    weights : ndarray of float64, shape (n,)
        w, which is ≥ 0 and sums to 1. Read-only.
    mmd2 : float
        Biased MMD² between the weighted x and y, in the units of the kernel.
    gap : float
        Duality gap. The smallest possible MMD² is at least ``mmd2 - gap``.
    n_iterations : int
        Steps taken.
    converged : bool
        Whether `gap` met the tolerance.
    kernel : Kernel
        The kernel with its resolved bandwidth.

    Examples
    --------
    >>> from fastdiv import RBF, kernel_mean_matching
    >>> kernel_mean_matching([0.0, 1.0], [0.0, 1.0], RBF(1.0)).weights
    array([0.5, 0.5])
    """

    weights: NDArray[np.float64] = field(repr=False)
    mmd2: float
    gap: float
    n_iterations: int
    converged: bool
    kernel: Kernel


@documented
def kernel_mean_matching(
    x: object, y: object, kernel: Kernel = DEFAULT_KERNEL, *, bound: float | None = None,
    tolerance: float = 1e-3, max_iter: int = 1_000_000, n_threads: int | None = None,
    progress: object = None,
) -> KernelMeanMatching:  # fmt: skip
    """
    Find weights on the rows of x that bring it as close as possible to y, in MMD.

    Minimises, over w ≥ 0 with Σw = 1,

        MMD² = Σ_{ij} wᵢwⱼ k(xᵢ, xⱼ) − (2/m) Σ_{ij} wᵢ k(xᵢ, yⱼ) + (1/m²) Σ_{ij} k(yᵢ, yⱼ).

    Weights w of training rows x correct for a covariate shift to y. Rows with w = 0 may be left
    out, so this also compresses a sample, if y is the whole one. With a bound B every weight is at
    most B/n, and the effective number of rows, 1/Σw², is at least n/B. In the literature the
    weights are β = n w in [0, B], and their mean may differ from 1 by a small ε. Here ε = 0.

    Each step moves weight from one row to another, by as much as lowers MMD² most. A second-order
    model selects the two rows. The steps end when the duality gap 2 (wᵀg − min_v vᵀg) is at most
    the tolerance, with g = Kw − κ and v feasible. A step costs O(n d). About n steps are needed, or
    10 to 100 n with a small tolerance and a smooth kernel. Memory is O(n d), as K is never stored.

    Everything is computed in float64, except the kernel between quantised rows. That is float32, so
    MMD² and gap have errors of some 1e-7 of the largest term, which replaces 1e-14 below.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Sample to weight, and target, as in `mmd2`. They must be finite. For quantised rows the
        result holds no bound on what quantisation changed.
    kernel : Kernel, default RBF()
        Kernel that is positive definite, or conditionally so as `Energy`. A median bandwidth is
        that of the pooled x and y.
    bound : float, optional
        B ≥ 1. None leaves the weights free, and 1 permits equal weights only.
    tolerance : float, default 1e-3
        Largest accepted gap, > 0, relative to MMD² at equal weights. A gap that may be rounding
        meets every tolerance. That is 1e-14 of the largest of the three terms of MMD² at equal
        weights.
    max_iter : int, default 10⁶
        Largest number of steps.
    {n_threads}
    progress : bool or callable, optional
        As in `mmd2`, for every pass over the pairs. Between passes it counts steps, out of
        `max_iter`, and at the end out of those that were needed.

    Returns
    -------
    KernelMeanMatching
        Weights, MMD² and duality gap.

    Warns
    -----
    RuntimeWarning
        If the tolerance is not met. Then `converged` is False.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, the median bandwidth is zero, or the kernel is found not to be
        conditionally positive definite.
    OverflowError
        If kernel values are too large for float64.

    References
    ----------
    J. Huang, A. J. Smola, A. Gretton, K. M. Borgwardt, B. Schölkopf, "Correcting sample selection
    bias by unlabeled data", NeurIPS (2007), equation (5).

    A. Gretton et al., "Covariate shift by kernel mean matching", in "Dataset shift in machine
    learning", MIT Press (2009).

    Steps: R.-E. Fan, P.-H. Chen, C.-J. Lin, "Working set selection using second order information
    for training support vector machines", JMLR 6 (2005) 1889–1918, WSS 2.

    Gap: M. Jaggi, "Revisiting Frank-Wolfe", ICML (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import RBF, kernel_mean_matching
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(500, 2)), 0.5 * rng.normal(size=(400, 2)) + [1.0, 0.0]
    >>> result = kernel_mean_matching(x, y, RBF(1.0), bound=20.0)
    >>> bool(np.abs(result.weights @ x - y.mean(axis=0)).max() < 0.01)
    True
    >>> float(result.weights.sum().round(12)), bool(result.weights.max() <= 20 / 500)
    (1.0, True)
    """
    kernels, single = as_kernels(kernel, samples={"x": x, "y": y})
    if not single:
        raise TypeError(
            f"kernel must be one kernel, for example a Sum; got {_inputs.shown(kernel)}"
        )
    limit = 1.0 if bound is None else _inputs.real(bound, "bound")
    if limit < 1:
        raise ValueError(f"bound must be >= 1, or no weights sum to 1; got {_inputs.shown(bound)}")
    relative = _inputs.positive(tolerance, "tolerance")
    most = _inputs.integer(max_iter, "max_iter", 1)
    a, b = (
        rows if isinstance(rows, QuantizedRows) else rows.astype(np.float64, copy=False)
        for rows in _inputs.samples(x, y, _inputs.ALWAYS_RAISE)
    )
    threads, report = _inputs.threads(n_threads), reporter(progress)
    (resolved,) = resolve(kernels, [a, b], threads, report)
    problem = _Problem(a, lower([resolved], origin([resolved], [a, b])), threads)

    n = len(a)
    upper = 1.0 if bound is None else limit / n
    weights = np.full(n, 1.0 / n)
    target = problem.sums(a, b, report) / len(b)
    products = problem.sums(a, a, report) / n
    with np.errstate(over="ignore", invalid="ignore"):
        within_y = float(problem.sums(b, b, report).mean()) / len(b)
        terms = float(weights @ products), float(weights @ target), within_y
        totals = products.sum(), target.sum()
    if not np.isfinite([*terms, *totals]).all():
        raise OverflowError("kernel values overflow; scale the data, or choose another kernel")
    equal = terms[0] - 2.0 * terms[1] + terms[2]
    goal = max(relative * equal, problem.rounding * max(map(abs, terms)))

    steps = 0
    gradient = products - target

    def report_step(taken: int) -> None:
        if report is not None and (steps + taken) % _REPORT_EVERY == 0:
            report(steps + taken, most)

    while _gap(weights, gradient, upper) > goal and steps < most:
        taken = problem.descend(weights, gradient, upper, goal, most - steps, report_step)
        steps += taken
        products = problem.sums(a, a, report, weights)  # without the rounding of the steps
        gradient = products - target
        if taken == 0:
            break
    if report is not None:
        report(steps, steps)
    gap = max(0.0, _gap(weights, gradient, upper))
    value = float(weights @ products - 2.0 * (weights @ target) + within_y)
    if gap > goal:
        warnings.warn(
            f"kernel_mean_matching stopped after {steps} steps with a duality gap of {gap:.3g}, "
            f"above the {goal:.3g} asked for; raise max_iter or tolerance",
            RuntimeWarning,
            stacklevel=2,
        )
    return KernelMeanMatching(weights, value, gap, steps, gap <= goal, resolved)


class _Problem:
    """The kernel matrix K of the rows of x, of which only columns are computed."""

    def __init__(self, x: Sample, kernels: Lowered, n_threads: int) -> None:
        self.x, self.kernels, self.n_threads = x, kernels, n_threads
        coarse = isinstance(x, QuantizedRows)
        self.flat = _FLAT_QUANTIZED if coarse else _FLAT
        self.rounding = _ROUNDING_QUANTIZED if coarse else _ROUNDING
        self.diagonal: Values = reductions.paired_values(x, x, kernels, n_threads)[0]

    def sums(
        self, at: Sample, rows: Sample, progress: Progress | None, weights: Values | None = None
    ) -> Values:
        """Return Σⱼ wⱼ k(atᵢ, rowsⱼ), by default with weights 1."""
        sums: Values = reductions.row_sums(
            at, rows, weights, self.kernels, self.n_threads, progress
        )[0]
        return sums

    def column(self, j: int) -> Values:
        """Return column j of K."""
        return self.sums(self.x, self.x[j : j + 1], None)

    def descend(
        self,
        weights: Values,
        gradient: Values,
        upper: float,
        goal: float,
        most: int,
        report_step: Callable[[int], None],
    ) -> int:
        """
        Take steps between two rows, in place, until the gap is met, and return their number.

        `gradient` is K w − κ, half of that of MMD². `report_step` gets the steps taken so far.
        """
        for step in range(most):
            if _gap(weights, gradient, upper) <= goal:
                return step
            to = int(np.where(weights < upper, gradient, np.inf).argmin())
            column = self.column(to)
            slopes = np.where(weights > 0, gradient - gradient[to], 0.0)
            curvatures = self._curvatures(to, column)
            unit = max(0, np.frexp(slopes.max())[1])  # a power of two, so that no square overflows
            gains = np.where(slopes > 0, np.ldexp(slopes, -unit), 0.0) ** 2 / curvatures
            source = int(gains.argmax())
            if not gains[source] > 0:
                return step
            full = slopes[source] / curvatures[source]
            change = min(full, upper - weights[to], weights[source])
            if not change > 0:
                return step
            weights[to] += change
            weights[source] -= change
            gradient += change * (column - self.column(source))
            report_step(step + 1)
        return most

    def _curvatures(self, i: int, column: Values) -> Values:
        """Return the squared distances of all rows from row i in feature space, > 0."""
        size = np.abs(self.diagonal[i]) + np.abs(self.diagonal) + 2.0 * np.abs(column)
        squares = self.diagonal[i] + self.diagonal - 2.0 * column
        if (squares < -self.flat * size - np.finfo(np.float64).tiny).any():
            j = int((squares + self.flat * size).argmin())
            raise ValueError(
                "kernel must be positive definite, or conditionally so; "
                f"k(a, a) + k(b, b) - 2 k(a, b) is {squares[j]:.3g} for rows {i} and {j} of x"
            )
        floor = np.maximum(self.flat * size, np.finfo(np.float64).tiny)
        curvatures: Values = np.maximum(squares, floor)
        return curvatures


def _gap(weights: Values, gradient: Values, upper: float) -> float:
    """Return the duality gap, the largest decrease of a linear model of MMD²."""
    n = len(weights)
    full = min(n, int(1.0 / upper + 1e-9))  # rows with the largest weight at the best vertex
    if upper >= 1:
        least = float(gradient.min())
    else:
        ordered = np.partition(gradient, min(full, n - 1))
        least = upper * float(ordered[:full].sum())
        if full < n:
            least += (1.0 - full * upper) * float(ordered[full])
    return 2.0 * (float(weights @ gradient) - least)

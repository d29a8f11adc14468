"""Weights that make one sample resemble another: kernel mean matching."""

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
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import reductions
from fastdiv.kernels import RBF, Kernel, Lowered, as_kernels, lower
from fastdiv.mmd.bandwidth import resolve

_DEFAULT = RBF()
_FLAT, _FLAT_QUANTIZED = 1e-13, 1e-6
"""Squared distances between two rows in feature space, relative to their terms, that may be 0."""

_ROUNDING, _ROUNDING_QUANTIZED = 1e-14, 1e-7
"""Duality gaps, relative to the largest term of MMD² at equal weights, that may be rounding."""

_REPORT_EVERY = 64
"""Steps between two reports of progress."""


@dataclass(frozen=True)
class KernelMeanMatching:
    """
    Weights found by `kernel_mean_matching`.

    Attributes
    ----------
    weights : ndarray of float64, shape (n,)
        w: ≥ 0, sum 1; read-only.
    mmd2 : float
        Biased MMD² between the weighted x and y, in the units of the kernel.
    gap : float
        The duality gap: the smallest possible MMD² is at least ``mmd2 - gap``.
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

    weights: NDArray[np.float64] = field(repr=False, compare=False)
    mmd2: float
    gap: float
    n_iterations: int
    converged: bool
    kernel: Kernel


@documented
def kernel_mean_matching(
    x: object,
    y: object,
    kernel: Kernel = _DEFAULT,
    *,
    bound: float | None = None,
    tolerance: float = 1e-3,
    max_iter: int = 1_000_000,
    n_threads: int | None = None,
    progress: object = None,
) -> KernelMeanMatching:
    """
    Find weights on the rows of x that bring it as close as possible to y, in MMD.

    Minimises, over w ≥ 0 with Σw = 1,

        MMD² = Σ_{ij} wᵢwⱼ k(xᵢ, xⱼ) − (2/m) Σ_{ij} wᵢ k(xᵢ, yⱼ) + (1/m²) Σ_{ij} k(yᵢ, yⱼ).

    Weighting training rows x by w corrects for a covariate shift to y; rows with w = 0 may be left
    out, which makes it a way to compress a sample (let y be the whole one). With a bound B every
    weight is at most B/n. In the literature the weights are β = n w, in [0, B], and their mean may
    differ from 1 by a small ε; here ε = 0. The effective number of rows, 1/Σw², is
    then at least n/B.

    Each step moves weight from one row to another, by as much as lowers MMD² most; the two are
    the pair that a second-order model likes best. It stops when the duality gap
    2 (wᵀg − min_v vᵀg), g = Kw − κ, v feasible, is at most the tolerance. A step costs O(n d), and
    it takes about n of them or, with a small tolerance and a smooth kernel, 10 to 100 n. Memory is
    O(n d): K is never stored. All is computed in float64, but for the kernel between quantised
    rows: it is of float32, so that MMD² and gap are good to some 1e-7 of the largest term, which
    takes the place of 1e-14 below.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Sample to weight, and target, as in `mmd2`. They must be finite. MMD² is that of quantised
        rows as they are, without a bound on what quantisation changed.
    kernel : Kernel, default RBF()
        Positive definite, or conditionally so as `Energy`. A median bandwidth is that of the pooled
        x and y.
    bound : float, optional
        B ≥ 1. None leaves the weights free; 1 permits equal weights only.
    tolerance : float, default 1e-3
        > 0, relative to MMD² at equal weights: to what there is to gain. A gap that may be rounding
        meets every tolerance: 1e-14 of the largest of the three terms of MMD² at equal weights.
    max_iter : int, default 10⁶
        Most steps to take.
    {n_threads}
    progress : bool or callable, optional
        As in `mmd2`, of every pass over the pairs; in between, steps are counted up to `max_iter`,
        few of which are usually needed, and in the end up to those that were.

    Returns
    -------
    KernelMeanMatching
        Weights, MMD² and duality gap.

    Warns
    -----
    RuntimeWarning
        If the tolerance is not met; `converged` is False then and `gap` says how far it is.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, the median bandwidth is zero, or rows are met for which
        the kernel is not conditionally positive definite.
    OverflowError
        If kernel values are too large for float64.

    References
    ----------
    J. Huang, A. J. Smola, A. Gretton, K. M. Borgwardt, B. Schölkopf, "Correcting sample selection
    bias by unlabeled data", NeurIPS (2007), equation (5); A. Gretton et al., "Covariate shift by
    kernel mean matching", in "Dataset shift in machine learning", MIT Press (2009). Steps:
    R.-E. Fan, P.-H. Chen, C.-J. Lin, "Working set selection using second order information for
    training support vector machines", JMLR 6 (2005) 1889–1918, WSS 2. Gap: M. Jaggi, "Revisiting
    Frank-Wolfe", ICML (2013).

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
    kernels, single = as_kernels(kernel)
    if not single:
        raise TypeError(f"kernel must be one kernel, for example a Sum; got {kernel!r}")
    limit = 1.0 if bound is None else _inputs.real(bound, "bound")
    if limit < 1:
        raise ValueError(f"bound must be >= 1, or no weights sum to 1; got {bound!r}")
    relative = _inputs.positive(tolerance, "tolerance")
    most = _inputs.integer(max_iter, "max_iter", 1)
    a, b = (
        each if isinstance(each, QuantizedRows) else each.astype(np.float64, copy=False)
        for each in _inputs.samples(x, y, _inputs.ALWAYS_RAISE)
    )
    threads, report = _inputs.threads(n_threads), reporter(progress)
    (resolved,) = resolve(kernels, [a, b], threads, report)
    problem = _Problem(a, lower([resolved], for_mmd=True), threads)

    n = len(a)
    upper = 1.0 if bound is None else limit / n
    weights = np.full(n, 1.0 / n)
    target = problem.sums(a, b, report) / len(b)
    own = float(problem.sums(b, b, report).mean()) / len(b)
    products = problem.sums(a, a, report) / n
    terms = float(weights @ products), float(weights @ target), own
    if not np.isfinite([*terms, products.sum(), target.sum()]).all():
        raise OverflowError("kernel values overflow; scale the data, or choose another kernel")
    equal = terms[0] - 2.0 * terms[1] + terms[2]
    goal = max(relative * equal, problem.rounding * max(abs(each) for each in terms))

    steps = 0
    gradient = products - target

    def stepped(taken: int) -> None:
        if report is not None and (steps + taken) % _REPORT_EVERY == 0:
            report(steps + taken, most)

    while _gap(weights, gradient, upper) > goal and steps < most:
        taken = problem.descend(weights, gradient, upper, goal, most - steps, stepped)
        steps += taken
        products = problem.sums(a, a, report, weights)  # anew, free of what the steps have rounded
        gradient = products - target
        if taken == 0:
            break
    if report is not None:
        report(steps, steps)
    gap = max(0.0, _gap(weights, gradient, upper))
    value = float(weights @ products - 2.0 * (weights @ target) + own)
    if gap > goal:
        warnings.warn(
            f"kernel_mean_matching stopped after {steps} steps with a duality gap of {gap:.3g}, "
            f"above the {goal:.3g} asked for; raise max_iter or tolerance",
            RuntimeWarning,
            stacklevel=2,
        )
    weights.flags.writeable = False
    return KernelMeanMatching(weights, value, gap, steps, gap <= goal, resolved)


class _Problem:
    """The kernel matrix K of the rows of x, seen through its columns."""

    def __init__(self, x: Sample, kernels: Lowered, n_threads: int) -> None:
        self.x, self.kernels, self.n_threads = x, kernels, n_threads
        coarse = isinstance(x, QuantizedRows)
        self.flat = _FLAT_QUANTIZED if coarse else _FLAT
        self.rounding = _ROUNDING_QUANTIZED if coarse else _ROUNDING
        self.diagonal: Values = reductions.paired_values(x, x, kernels, n_threads)[0]

    def sums(
        self, at: Sample, rows: Sample, progress: Progress | None, weights: Values | None = None
    ) -> Values:
        """Return Σⱼ wⱼ k(atᵢ, rowsⱼ), by default with weights of 1."""
        sums: Values = reductions.row_sums(
            at, rows, weights, self.kernels, self.n_threads, progress
        )[0]
        return sums

    def column(self, j: int) -> Values:
        return self.sums(self.x, self.x[j : j + 1], None)

    def descend(
        self,
        weights: Values,
        gradient: Values,
        upper: float,
        goal: float,
        most: int,
        stepped: Callable[[int], None],
    ) -> int:
        """
        Take steps between two rows, in place, until the gap is met; return their number.

        `gradient` is K w − κ, half of that of MMD². `stepped` is told the steps taken so far.
        """
        for step in range(most):
            if _gap(weights, gradient, upper) <= goal:
                return step
            to = int(np.where(weights < upper, gradient, np.inf).argmin())
            column = self.column(to)
            slopes = np.where(weights > 0, gradient - gradient[to], 0.0)
            curvatures = self._curvatures(to, column)
            gains = np.where(slopes > 0, slopes, 0.0) ** 2 / curvatures
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
            stepped(step + 1)
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
    """Return the duality gap: by how much a linear model of MMD² could fall."""
    n = len(weights)
    full = min(n, int(1.0 / upper + 1e-9))  # rows that the best vertex fills to the bound
    if upper >= 1:
        least = float(gradient.min())
    else:
        ordered = np.partition(gradient, min(full, n - 1))
        least = upper * float(ordered[:full].sum())
        if full < n:
            least += (1.0 - full * upper) * float(ordered[full])
    return 2.0 * (float(weights @ gradient) - least)

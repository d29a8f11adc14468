"""Test by permutations whether two samples have the same distribution."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.results import Result
from fastdiv._engine.types import Sample, Values
from fastdiv._sums import reductions
from fastdiv.kernels import Kernel
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.lowering import Lowered, lower
from fastdiv.kernels.radial import DEFAULT_KERNEL
from fastdiv.mmd.bandwidth import resolve
from fastdiv.mmd.centre import origin
from fastdiv.mmd.estimate import ordered_sum, pair_counts, statistic

if TYPE_CHECKING:
    from fastdiv.mmd.call_options import PermutationOptions


@dataclass(frozen=True, eq=False)
class TwoSampleResult(Result):
    """
    Outcome of a permutation two-sample test.

    Attributes
    ----------
    statistic : float
        MMD² of the two samples, in the units of the kernel.
    pvalue : float or None
        (1 + #{T* ≥ T}) / (1 + B), or None for B = 0.
    null_distribution : ndarray of float64, shape (B,)
        MMD² of each reordering of the pooled rows, in the order drawn. Read-only.
    n_x, n_y : int
        Rows used of each sample, after dropping rows under ``nan_policy="omit"``.
    kernel : Kernel
        The kernel with its resolved bandwidth.
    estimator : str
        "unbiased", "biased" or "paired".
    n_resamples : int
        B.

    Examples
    --------
    >>> from fastdiv import RBF, mmd_test
    >>> result = mmd_test([0.0, 0.1, 0.2], [5.0, 5.1, 5.2], RBF(1.0), n_resamples=99, rng=0)
    >>> result.n_x, result.n_resamples, result.kernel
    (3, 99, RBF(bandwidth=1.0))
    """

    statistic: float
    pvalue: float | None
    null_distribution: NDArray[np.float64] = field(repr=False)
    n_x: int
    n_y: int
    kernel: Kernel
    estimator: str
    n_resamples: int


@overload
def mmd_test(
    x: object, y: object, kernel: Kernel = ..., **options: Unpack[PermutationOptions]
) -> TwoSampleResult: ...
@overload
def mmd_test(
    x: object, y: object, kernel: Sequence[Kernel], **options: Unpack[PermutationOptions]
) -> list[TwoSampleResult]: ...


@documented
def mmd_test(
    x: object, y: object, kernel: Kernel | Sequence[Kernel] = DEFAULT_KERNEL, *,
    estimator: str = "unbiased", n_resamples: int = _inputs.DEFAULT_RESAMPLES,
    permutations: object = None, rng: object = None, nan_policy: str = "raise",
    n_threads: int | None = None, progress: object = None,
) -> TwoSampleResult | list[TwoSampleResult]:  # fmt: skip
    """
    Test whether two samples come from the same distribution.

    The statistic T is the MMD² of `mmd2`. Under the null hypothesis the n + m pooled rows are
    exchangeable, so T is compared with T* of B random reorderings of them:
    p = (1 + #{T* ≥ T}) / (1 + B). A T* within 100 ε |T| of T counts as a tie, with the ε of
    float64. The test is exact: P(p ≤ α) ≤ α for every n, m, B and distribution, also with ties. A
    median bandwidth keeps it exact, because it is computed once from the pooled rows, blind to the
    labels.

    All statistics come from one pass over the pairs. The kernel matrix is never stored.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Samples, as in `mmd2`.
    kernel : Kernel, or list or tuple of Kernel, default RBF()
        As in `mmd2`. A sequence gives one result per kernel, all from one pass and the same
        reorderings. These tests are separate, and not corrected for their number.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        As in `mmd2`. With "paired", row i of the reordered x goes with row i of y.
    n_resamples : int, default 999
        B, from 0 to 10⁹. Each reordering takes one byte per pooled row. They are drawn one by one.
        0 gives the statistic alone, without a p-value.
    permutations : array_like of int, shape (B, n + m), optional
        Reorderings to use instead of random ones. Each row holds 0, 1, ..., n+m−1 in some order,
        and its first n entries form the x group. Rows of x come first in the pool. The draws
        ``rng.permutation(n + m)`` reproduce a result exactly.
    {rng}
        Equal seeds give equal bits, for any number of threads.
    nan_policy, n_threads, progress
        As in `mmd2`.

    Returns
    -------
    TwoSampleResult or list of TwoSampleResult
        One result, or one per kernel of a sequence.

    {kernel_errors}

    {References: gretton_2012}

    B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol.
    Biol. 9 (2010) 39.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import RBF, mmd_test
    >>> x = np.arange(20.0)
    >>> mmd_test(x, x + 30.0, RBF(5.0), rng=0).pvalue
    0.001
    """
    estimator = _inputs.choice(estimator, _inputs.ESTIMATORS, "estimator")
    kernels, single = as_kernels(kernel)
    a, b = _inputs.samples(x, y, nan_policy, estimator)
    n, m = len(a), len(b)
    orders, n_resamples = _inputs.orderings(permutations, n_resamples, rng, n + m)
    threads, report = _inputs.threads(n_threads), reporter(progress)

    pooled = _inputs.pool([a, b])
    resolved = resolve(kernels, [pooled], threads, report)
    lowered = lower(resolved, origin(resolved, [pooled[:n], pooled[n:]]))

    labels, diagonals = splittings(pooled, n, orders, n_resamples, lowered, estimator, threads)
    sums = reductions.quad_forms(pooled, labels, lowered, False, threads, report)
    with np.errstate(over="ignore", invalid="ignore"):
        sums += diagonals
    values = statistic(sums, pair_counts(n, m, estimator))
    results = [
        _result(part, null, n, m, estimator) for part, null in zip(resolved, values, strict=True)
    ]
    return results[0] if single else results


def splittings(
    pooled: Sample,
    n: int,
    orders: Iterable[NDArray[Any]],
    n_resamples: int,
    kernels: Lowered,
    estimator: str,
    n_threads: int,
) -> tuple[NDArray[np.uint8], Values]:
    """Return labels (1 + B, N) and diagonal terms (n_outputs, 1 + B, 3)."""
    # Row 0 is the observed split, computed like the others. One ordering is held at a time.
    labels = np.zeros((1 + n_resamples, len(pooled)), dtype=np.uint8)
    terms = np.zeros((kernels.n_outputs, 1 + n_resamples, 3))
    if estimator == "biased":
        diagonal = reductions.paired_values(pooled, pooled, kernels, n_threads)
    for index, order in enumerate(itertools.chain([np.arange(len(pooled))], orders)):
        first, second = order[:n], order[n:]
        labels[index, first] = 1
        if estimator == "biased":
            terms[:, index, 0] = ordered_sum(diagonal[:, first])
            terms[:, index, 1] = ordered_sum(diagonal[:, second])
        elif estimator == "paired":
            matched = reductions.paired_values(pooled[first], pooled[second], kernels, n_threads)
            terms[:, index, 2] = -ordered_sum(matched)
    return labels, terms


def _result(kernel: Kernel, values: Values, n: int, m: int, estimator: str) -> TwoSampleResult:
    """Return the result of one kernel, whose first value is the observed one."""
    observed, null = float(values[0]), values[1:].copy()
    at_least = int(np.count_nonzero(null >= observed - _inputs.TIE * abs(observed)))
    return TwoSampleResult(
        statistic=observed,
        pvalue=_inputs.pvalue(at_least, len(null)),
        null_distribution=null,
        n_x=n,
        n_y=m,
        kernel=kernel,
        estimator=estimator,
        n_resamples=len(null),
    )

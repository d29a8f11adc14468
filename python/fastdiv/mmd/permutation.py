"""Test by permutations whether two samples have the same distribution."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.results import Result
from fastdiv._engine.types import Pairs, Sample, Values
from fastdiv._sums import reductions
from fastdiv._sums.pair_means import pair_counts, statistic
from fastdiv.kernels import Kernel
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.lowering import Lowered, lower
from fastdiv.kernels.radial import DEFAULT_KERNEL
from fastdiv.mmd import far_rows
from fastdiv.mmd.bandwidth import resolve
from fastdiv.mmd.centre import origin

if TYPE_CHECKING:
    from fastdiv.mmd.call_options import PermutationOptions


_MOST_MATCHED = 0.9
"""Share of the sum over all pairs that the matched ones may have, so that the rest has its digits.

float32 leaves an error of 2e-7 of the matched pairs, ten times less than the rest may have.
"""


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
    kernels, single = as_kernels(kernel, samples={"x": x, "y": y})
    a, b = _inputs.samples(x, y, nan_policy, estimator)
    n, m = len(a), len(b)
    orders, n_resamples = _inputs.orderings(permutations, n_resamples, rng, n + m)
    threads, report = _inputs.threads(n_threads), reporter(progress)

    pooled = _inputs.pool([a, b])
    resolved = resolve(kernels, [pooled], threads, report)
    middle = origin(resolved, [pooled], [None])
    lowered = lower(resolved, middle)
    if far_rows.hide_others(resolved, a, b, middle):
        pooled = in_float64(pooled)

    pairs = _inputs.PAIRS_OF[estimator]
    split = splittings(pooled, n, orders, n_resamples, lowered, pairs, threads)
    labelled: Pairs = "all" if pairs == "all" else "distinct"
    sums = reductions.quad_forms(pooled, split.labels, lowered, False, threads, report, labelled)
    with np.errstate(over="ignore", invalid="ignore"):
        sums[..., 2] -= split.matched
    for (output, index), triple in split.exact.items():
        sums[output, index] = triple
    values = statistic(sums, pair_counts(n, m, pairs))
    results = [
        _result(part, null, n, m, estimator) for part, null in zip(resolved, values, strict=True)
    ]
    return results[0] if single else results


class Splittings(NamedTuple):
    """The observed split of the pooled rows, and its reorderings."""

    labels: NDArray[np.uint8]  # (1 + B, N)
    matched: Values  # (n_outputs, 1 + B), sums over the matched pairs, or 0 if they count
    exact: dict[tuple[int, int], Values]  # sums of an output and a split, in place of those


def splittings(
    pooled: Sample,
    n: int,
    orders: Iterable[NDArray[Any]],
    n_resamples: int,
    kernels: Lowered,
    pairs: Pairs,
    n_threads: int,
) -> Splittings:
    """Split the rows as observed, and in other orders."""
    # Row 0 is the observed split, computed like the others. One ordering is held at a time.
    labels = np.zeros((1 + n_resamples, len(pooled)), dtype=np.uint8)
    matched = np.zeros((kernels.n_outputs, 1 + n_resamples))
    exact = {}
    if pairs == "off_diagonal":
        pairing = _Matched(pooled, kernels, n_threads)
    for index, order in enumerate(itertools.chain([np.arange(len(pooled))], orders)):
        first, second = order[:n], order[n:]
        labels[index, first] = 1
        if pairs == "off_diagonal":
            values = np.sort(pairing.values(first, second), axis=-1)  # blind to their order
            with np.errstate(over="ignore", invalid="ignore"):
                matched[:, index] = values.sum(axis=-1)
            outweighed = np.flatnonzero(pairing.outweigh(values))
            if len(outweighed):
                sums = pairing.sums_without(first, second)
                exact.update({(int(output), index): sums[output] for output in outweighed})
    return Splittings(labels, matched, exact)


class _Matched:
    """
    The pairs (i, i) of two groups of rows, for "paired".

    They are taken from the labelled sums, which is exact enough unless they outweigh the other
    pairs. Then those are summed without them.
    """

    def __init__(self, pooled: Sample, kernels: Lowered, n_threads: int) -> None:
        self.pooled, self.kernels, self.n_threads = pooled, kernels, n_threads
        first, second = np.array_split(np.arange(len(pooled)), 2)
        sums = np.abs(self.sums_without(first, second)) @ [1.0, 1.0, 2.0]
        with np.errstate(over="ignore", invalid="ignore"):
            # The sizes of all pairs sum to at least this, whichever of them are matched: it is
            # their sum if all have one sign. Some of the pairs are enough for values of both.
            self._all_pairs = np.maximum(
                sums + 2.0 * np.abs(self.values(first, second)).sum(axis=-1), self._sizes_of_some()
            )

    def values(self, first: NDArray[Any], second: NDArray[Any]) -> Values:
        """Evaluate every kernel at the matched pairs, (n_outputs, n)."""
        x, y = self.pooled[first], self.pooled[second]
        return reductions.paired_values(x, y, self.kernels, self.n_threads)

    def _sizes_of_some(self) -> Values:
        """Sum the sizes of the pairs of rows that are few places apart, in a circle."""
        rows = np.arange(len(self.pooled))
        shifts = range(1, min(_SHIFTS, (len(rows) - 1) // 2) + 1)
        values = (self.values(rows, np.roll(rows, shift)) for shift in shifts)
        return 2.0 * sum((np.abs(v).sum(axis=-1) for v in values), np.zeros(self.kernels.n_outputs))

    def outweigh(self, values: Values) -> NDArray[np.bool_]:
        """Tell for each output whether these matched pairs may leave too little of its sums."""
        with np.errstate(over="ignore"):
            sizes = np.abs(values).sum(axis=-1)
            few_others: NDArray[np.bool_] = 2.0 * sizes > _MOST_MATCHED * self._all_pairs
        return few_others

    def sums_without(self, first: NDArray[Any], second: NDArray[Any]) -> Values:
        """Sum all other pairs. Equal pairs, in any order, give equal bits."""
        if first.min() > second.min():
            first, second = second, first
        order = np.argsort(first)
        x, y = self.pooled[first[order]], self.pooled[second[order]]
        return reductions.pair_sums(x, y, self.kernels, "off_diagonal", self.n_threads, None)


_SHIFTS = 8
"""Distances along the rows at which pairs are looked at, some 16 for each matched pair."""


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

"""
Reduce lowered kernels over pairs of rows, compiled terms and `Callback` alike.

A kernel is linear in its terms: the engine sums the compiled ones, and the sums of the Python
functions are added to them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine import backend
from fastdiv._engine.types import Kernels, Pairs, Progress, Sample, Values, WeightedSumsRequest
from fastdiv._sums import callback_sums, pair_means, pair_weights
from fastdiv._sums.callback_sums import Function
from fastdiv._sums.pair_means import pair_counts, statistic
from fastdiv.kernels.lowering import Lowered


def pair_sums(
    x: Sample,
    y: Sample,
    kernels: Lowered,
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Sum every kernel over the pairs within x, within y and between them, (n_outputs, 3)."""

    def compiled(groups: Kernels, n: int) -> Values:
        return backend.current().pair_sums(x, y, groups, n, n_threads, progress, pairs)

    def add(sums: Values, factor: float, f: Function) -> None:
        callback_sums.add_pair_sums(sums, factor, f, x, y, pairs, progress)

    return _total(kernels, (3,), compiled, add)


def mmd2(
    x: Sample,
    y: Sample,
    kernels: Lowered,
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Return MMD², (n_outputs,)."""

    def compiled(groups: Kernels, n: int) -> Values:
        return backend.current().mmd2(x, y, groups, n, n_threads, progress, pairs)

    def add(value: Values, factor: float, f: Function) -> None:
        sums = pair_sums(x, y, Lowered([], [(f, factor, 0)], 1), pairs, n_threads, progress)
        value += statistic(sums[0], pair_counts(len(x), len(y), pairs))

    return _total(kernels, (), compiled, add)


def weighted_mmd2(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Lowered,
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Return the MMD² of weighted rows, (n_outputs,)."""
    weights = x_weights, y_weights
    counts = pair_means.counts(*weights, pairs)

    def compiled(groups: Kernels, n: int) -> Values:
        a, b = (pair_weights.wide_enough(rows, *weights) for rows in (x, y))
        request = WeightedSumsRequest(counts[None], pairs=pairs)
        *_, items = backend.current().weighted_sums(
            a, b, *weights, request, groups, n, n_threads, progress
        )
        values: Values = items[0]
        return values

    def add(value: Values, factor: float, f: Function) -> None:
        sums = np.zeros(3)
        callback_sums.add_pair_sums(sums, factor, f, x, y, pairs, progress, *weights)
        value += statistic(sums, counts)

    return _total(kernels, (), compiled, add)


def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Lowered,
    each_sum: bool,
    n_threads: int,
    progress: Progress | None,
    pairs: Pairs = "distinct",
) -> Values:
    """
    Like `pair_sums`, but for each labelling of z, (n_outputs, B, 3), exact in any order.

    With `each_sum` every sum is accurate relative to itself, else to the largest mean of its
    labelling. That is enough for a difference of means.
    """

    def compiled(groups: Kernels, n: int) -> Values:
        return backend.current().quad_forms(
            z, labels, groups, n, n_threads, progress, each_sum, pairs
        )

    def add(sums: Values, factor: float, f: Function) -> None:
        callback_sums.add_quad_forms(sums, factor, f, z, labels, pairs, progress)

    return _total(kernels, (len(labels), 3), compiled, add)


def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Lowered,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Sum every kernel over the rows of x for each row of `at`, (n_outputs, n_at)."""

    def compiled(groups: Kernels, n: int) -> Values:
        given = () if weights is None else (weights,)
        a, b = (pair_weights.wide_enough(rows, *given) for rows in (at, x))
        return backend.current().row_sums(a, b, weights, groups, n, n_threads, progress)

    def add(sums: Values, factor: float, f: Function) -> None:
        callback_sums.add_row_sums(sums, factor, f, at, x, weights, progress)

    return _total(kernels, (len(at),), compiled, add)


def paired_values(x: Sample, y: Sample, kernels: Lowered, n_threads: int) -> Values:
    """Evaluate every kernel at matching rows, (n_outputs, n)."""

    def compiled(groups: Kernels, n: int) -> Values:
        return backend.current().paired_values(x, y, groups, n, n_threads)

    def add(values: Values, factor: float, f: Function) -> None:
        callback_sums.add_paired_values(values, factor, f, x, y)

    return _total(kernels, (len(x),), compiled, add)


def _total(
    kernels: Lowered,
    shape: tuple[int, ...],
    compiled: Callable[[Kernels, int], Values],
    add: Callable[[Values, float, Function], None],
) -> Values:
    """Return the sums of the compiled terms, to which `add` adds those of each function."""
    groups, callbacks, n_outputs = kernels
    sums = compiled(groups, n_outputs) if groups else np.zeros((n_outputs, *shape))
    for f, factor, output in callbacks:
        add(sums[output, ...], factor, f)
    return sums

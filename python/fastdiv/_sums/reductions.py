"""
Reduce lowered kernels over pairs of rows, compiled terms and `Callback` alike.

A kernel is linear in its terms: the engine sums the compiled ones, and the sums of the Python
functions are added to them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine import backend
from fastdiv._engine.types import Progress, Sample, Values, WeightedSumsRequest
from fastdiv._sums import callback_sums, pair_weights
from fastdiv.kernels.lowering import Lowered


def pair_sums(
    x: Sample,
    y: Sample,
    kernels: Lowered,
    skip_matched: bool,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum every kernel within x, within y and between them, (n_outputs, 3).

    With `skip_matched` the last sum leaves out the pairs of row i of x with row i of y.
    """
    sums = np.zeros((kernels.n_outputs, 3))
    if kernels.groups:
        sums = backend.current().pair_sums(
            x, y, kernels.groups, kernels.n_outputs, n_threads, progress, skip_matched
        )
    for f, factor, output in kernels.callbacks:
        callback_sums.add_pair_sums(sums[output], factor, f, x, y, skip_matched, progress)
    return sums


def weighted_pair_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Lowered,
    skip_matched: bool,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Like `pair_sums`, but weight each pair by the product of its row weights."""
    sums = np.zeros((kernels.n_outputs, 3))
    if kernels.groups:
        a, b = (pair_weights.wide_enough(rows, x_weights, y_weights) for rows in (x, y))
        sums = backend.current().weighted_sums(
            *(a, b, x_weights, y_weights, WeightedSumsRequest(skip_matched=skip_matched)),
            *(kernels.groups, kernels.n_outputs, n_threads, progress),
        )[0][0]
    for f, factor, output in kernels.callbacks:
        callback_sums.add_pair_sums(
            sums[output], factor, f, x, y, skip_matched, progress, x_weights, y_weights
        )
    return sums


def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Lowered,
    each_sum: bool,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Like `pair_sums`, but for each labelling of z, (n_outputs, B, 3), exact in any order.

    With `each_sum` every sum is accurate relative to itself, else to the largest mean of its
    labelling. That is enough for a difference of means.
    """
    sums = np.zeros((kernels.n_outputs, len(labels), 3))
    if kernels.groups:
        sums = backend.current().quad_forms(
            z, labels, kernels.groups, kernels.n_outputs, n_threads, progress, each_sum
        )
    for f, factor, output in kernels.callbacks:
        callback_sums.add_quad_forms(sums[output], factor, f, z, labels, progress)
    return sums


def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Lowered,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Sum every kernel over the rows of x for each row of `at`, (n_outputs, n_at)."""
    sums = np.zeros((kernels.n_outputs, len(at)))
    if kernels.groups:
        given = () if weights is None else (weights,)
        a, b = (pair_weights.wide_enough(rows, *given) for rows in (at, x))
        sums = backend.current().row_sums(
            a, b, weights, kernels.groups, kernels.n_outputs, n_threads, progress
        )
    for f, factor, output in kernels.callbacks:
        callback_sums.add_row_sums(sums[output], factor, f, at, x, weights, progress)
    return sums


def paired_values(x: Sample, y: Sample, kernels: Lowered, n_threads: int) -> Values:
    """Evaluate every kernel at matching rows, (n_outputs, n)."""
    values = np.zeros((kernels.n_outputs, len(x)))
    if kernels.groups:
        values = backend.current().paired_values(x, y, kernels.groups, kernels.n_outputs, n_threads)
    for f, factor, output in kernels.callbacks:
        callback_sums.add_paired_values(values[output], factor, f, x, y)
    return values

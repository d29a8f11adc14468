"""
The reductions for lowered kernels: compiled terms by the backend, `Callback` terms here.

A sum of kernels is linear in its terms, so both parts are simply added. The Python loop
asks the function for one tile of TILE x TILE values at a time and keeps O(n) memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine import backend
from fastdiv._engine.blocks import row_blocks
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import callback_sums
from fastdiv.kernels import Lowered

_PAIRED_TILE = 32


def pair_sums(
    x: Sample, y: Sample, kernels: Lowered, n_threads: int, progress: Progress | None
) -> Values:
    """Sum within x, within y and between them, (n_outputs, 3)."""
    sums = np.zeros((kernels.n_outputs, 3))
    if kernels.groups:
        sums = backend.current().pair_sums(
            x, y, kernels.groups, kernels.n_outputs, n_threads, progress
        )
    for f, weight, output in kernels.callbacks:
        triple = (
            callback_sums.within(f, x, progress),
            callback_sums.within(f, y, progress),
            callback_sums.between(f, x, y, progress),
        )
        with callback_sums.overflowing():
            sums[output] += weight * np.array(triple)
    return sums


def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Lowered,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Compute the sums for every labelling, (n_outputs, B, 3), free of rounding by order."""
    sums = np.zeros((kernels.n_outputs, len(labels), 3))
    if kernels.groups:
        sums = backend.current().quad_forms(
            z, labels, kernels.groups, kernels.n_outputs, n_threads, progress
        )
    for f, weight, output in kernels.callbacks:
        triples = callback_sums.quad_forms(f, z, labels, progress)
        with callback_sums.overflowing():
            sums[output] += weight * triples
    return sums


def weighted_pair_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Lowered,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Do as `pair_sums`, each pair times the weights of its rows."""
    sums = np.zeros((kernels.n_outputs, 3))
    if kernels.groups:
        sums = backend.current().weighted_sums(
            *(x, y, x_weights, y_weights, np.zeros((1, 3)), None, False, False, False),
            *(kernels.groups, kernels.n_outputs, n_threads, progress),
        )[0][0]
    for f, weight, output in kernels.callbacks:
        triple = (
            callback_sums.within(f, x, progress, x_weights),
            callback_sums.within(f, y, progress, y_weights),
            callback_sums.between(f, x, y, progress, x_weights, y_weights),
        )
        with callback_sums.overflowing():
            sums[output] += weight * np.array(triple)
    return sums


def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Lowered,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Sum over the (weighted) rows of x at each row of `at`, (n_outputs, n_at)."""
    sums = np.zeros((kernels.n_outputs, len(at)))
    if kernels.groups:
        sums = backend.current().row_sums(
            at, x, weights, kernels.groups, kernels.n_outputs, n_threads, progress
        )
    w = np.ones(len(x)) if weights is None else weights
    for f, weight, output in kernels.callbacks:
        for i, j in callback_sums.reported(list(callback_sums.tiles(len(at), len(x))), progress):
            tile = callback_sums.evaluate(f, at[i], x[j])
            with callback_sums.overflowing():
                sums[output, i] += weight * (tile * w[j]).sum(axis=1)
    return sums


def paired_values(x: Sample, y: Sample, kernels: Lowered, n_threads: int) -> Values:
    """Evaluate at matching rows, (n_outputs, n)."""
    values = np.zeros((kernels.n_outputs, len(x)))
    if kernels.groups:
        values = backend.current().paired_values(x, y, kernels.groups, kernels.n_outputs, n_threads)
    for f, weight, output in kernels.callbacks:
        for i in row_blocks(len(x), 1, _PAIRED_TILE):
            tile = callback_sums.evaluate(f, x[i], y[i])
            with callback_sums.overflowing():
                values[output, i] += weight * np.diagonal(tile)
    return values

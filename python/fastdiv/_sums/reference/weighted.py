"""Sums over weighted pairs of rows, with gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastdiv._engine.types import KernelGroup, Matrix, Progress, Sample, Values
from fastdiv._sums.reference.pairs import kernel_matrix, without_diagonal
from fastdiv._sums.reference.rows import exact, report
from fastdiv.kernels.evaluation import (
    kernel_gradients,
    kernel_log_slopes,
)


def weighted_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    factors: Values,
    scales: Values | None,
    row_sums: bool,
    x_gradient: bool,
    y_gradient: bool,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """
    Sum every kernel over weighted pairs; find the gradient of a combination of the sums.

    Both samples are stacks of b items, computed each by itself.

    Parameters
    ----------
    x, y : ndarray, shapes (b n, d) and (b m, d)
        Samples of one dtype, float32 or float64, item after item; or, for b = 1, quantised rows,
        without gradients.
    x_weights, y_weights : ndarray of float64, shapes (b n,) and (b m,)
        Of the rows: from 0 to about 1.
    factors : ndarray of float64, shape (b, 3)
        The gradients are those of factors @ (xx, yy, xy).
    scales : ndarray of float64, shape (b,), optional
        What the rows of every item are multiplied by in the kernels.
    row_sums, x_gradient, y_gradient : bool
        What is wanted beside the sums; the rest comes back with no rows.
    kernels, n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    sums : ndarray of float64, shape (b, n_outputs, 3)
        xx = sum over i != j of w_i w_j k(x_i, x_j), yy alike, xy over all pairs of x and y.
    x_sums, y_sums : ndarrays of float64, shapes (2, b, n_outputs, n) and (2, b, n_outputs, m)
        At each row, the weighted sums over the other rows of its sample and over the other
        sample.
    x_gradients, y_gradients : ndarrays, shapes (b, n_outputs, n, d) and (b, n_outputs, m, d)
        By the rows of x and of y, in their dtype.
    """
    x, y = exact(x), exact(y)
    report(progress)
    wanted = (row_sums, x_gradient, y_gradient)
    stacks = (a.reshape(len(factors), -1, *a.shape[1:]) for a in (x, y, x_weights, y_weights))
    d = x.shape[1]
    results = [
        _weighted_sums((a, b), (u, v), three, wanted, _scaled(kernels, scale, d), n_outputs)
        for a, b, u, v, three, scale in zip(
            *stacks, factors, np.ones(len(factors)) if scales is None else scales, strict=True
        )
    ]
    sums, x_sums, y_sums, by_x, by_y = zip(*results, strict=True)
    of_rows = np.stack(x_sums, axis=1), np.stack(y_sums, axis=1)
    return np.stack(sums), *of_rows, np.stack(by_x), np.stack(by_y)


def _weighted_sums(
    samples: tuple[Matrix, Matrix],
    weights: tuple[Values, Values],
    factors: Values,
    wanted: tuple[bool, bool, bool],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """Compute `weighted_sums` for one item; `wanted` are row sums and the two gradients."""
    (x, y), (x_weights, y_weights) = samples, weights
    row_sums, x_gradient, y_gradient = wanted
    xx = without_diagonal(kernel_matrix(x, x, kernels, n_outputs)) @ x_weights
    yy = without_diagonal(kernel_matrix(y, y, kernels, n_outputs)) @ y_weights
    between = kernel_matrix(x, y, kernels, n_outputs)
    xy, yx = between @ y_weights, between.swapaxes(1, 2) @ x_weights
    sums = np.stack([xx @ x_weights, yy @ y_weights, xy @ x_weights], axis=-1)

    def gradient(a: Matrix, b: Matrix, a_weights: Values, b_weights: Values) -> Values:
        of_pairs = kernel_gradients(a[:, None], b[None], kernels, n_outputs)
        result: Values = np.einsum("oijk,i,j->oik", of_pairs, a_weights, b_weights)
        return result

    gradients = []
    for is_wanted, factor, a, a_weights, b, b_weights in (
        (x_gradient, factors[0], x, x_weights, y, y_weights),
        (y_gradient, factors[1], y, y_weights, x, x_weights),
    ):
        if not is_wanted:
            gradients.append(np.empty((n_outputs, 0, a.shape[1]), a.dtype))
            continue
        within = 2.0 * factor * gradient(a, a, a_weights, a_weights)
        # the pairs (i, i), which do not count
        itself = kernel_gradients(a, a, kernels, n_outputs) * (a_weights**2)[:, None]
        within -= 2.0 * factor * itself
        both = within + factors[2] * gradient(a, b, a_weights, b_weights)
        gradients.append(both.astype(a.dtype))
    x_sums, y_sums = np.stack([xx, xy]), np.stack([yy, yx])
    if not row_sums:
        x_sums = y_sums = np.empty((2, n_outputs, 0))
    return sums, x_sums, y_sums, gradients[0], gradients[1]


def log_slope_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum `kernel_log_slopes` over weighted pairs.

    Parameters
    ----------
    x, y, x_weights, y_weights, kernels, n_outputs, n_threads, progress
        As in `weighted_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, 3)
        Over the pairs of x, of y and between them, as the first result of `weighted_sums`.
    """
    x, y = exact(x), exact(y)
    report(progress)

    def total(a: Matrix, b: Matrix, a_weights: Values, b_weights: Values) -> Values:
        slopes = kernel_log_slopes(a[:, None], b[None], kernels, n_outputs)
        if a is b:
            without_diagonal(slopes)
        of_pairs: Values = slopes @ b_weights @ a_weights
        return of_pairs

    (u, v) = (x_weights, y_weights)
    return np.stack([total(x, x, u, u), total(y, y, v, v), total(x, y, u, v)], axis=-1)


def _scaled(kernels: Sequence[KernelGroup], factor: float, d: int) -> list[KernelGroup]:
    """Return the kernels for rows that are multiplied by a factor first."""
    return [
        (base, factor * (np.ones(d) if scale is None else scale), terms)
        for base, scale, terms in kernels
    ]

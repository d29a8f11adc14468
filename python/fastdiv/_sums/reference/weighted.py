"""Define sums over weighted pairs of rows, with gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import (
    KernelGroup,
    Kernels,
    Matrix,
    Progress,
    Sample,
    Values,
    WeightedSumsRequest,
)
from fastdiv._sums.reference.pairs import kernel_matrix, without_diagonal
from fastdiv._sums.reference.rows import report
from fastdiv.kernels.evaluation import kernel_gradients, kernel_log_slopes


def weighted_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    request: WeightedSumsRequest,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """
    Sum every kernel over weighted pairs, and differentiate a combination of the sums.

    Both samples are stacks of b items of n and m rows, each item computed by itself. The kernels
    see the rows of an item times its scale. Quantised rows are one item and have no gradients.
    Results that are not required have no rows.

    Returns
    -------
    sums : shape (b, n_outputs, 3)
        xx = Σ w_i w_j k(x_i, x_j) over i != j, likewise yy, and xy over all pairs of x and y, or
        over i != j for `skip_matched`.
    x_sums, y_sums : shapes (2, b, n_outputs, n) and (2, b, n_outputs, m)
        For each row, the weighted sums over the other rows of its sample and over the other
        sample.
    x_gradients, y_gradients : shapes (b, n_outputs, n, d) and (b, n_outputs, m, d)
        Gradients of factors @ (xx, yy, xy) with respect to x and y, in their dtype.
    """
    dtype = np.float64 if isinstance(x, QuantizedRows) else x.dtype
    x, y = in_float64(x), in_float64(y)
    report(progress)
    items, d = len(request.factors), x.shape[1]
    scales = np.ones(items) if request.scales is None else request.scales
    stacks = (a.reshape(items, -1, *a.shape[1:]) for a in (x, y, x_weights, y_weights))
    results = [
        _item_sums((a, b), (u, v), factors, request, groups, n_outputs)
        for a, b, u, v, factors, groups in zip(
            *stacks, request.factors, _item_kernels(kernels, scales, d), strict=True
        )
    ]
    sums, x_sums, y_sums, x_gradients, y_gradients = zip(*results, strict=True)
    return (
        np.stack(sums),
        np.stack(x_sums, axis=1),
        np.stack(y_sums, axis=1),
        np.stack(x_gradients).astype(dtype),
        np.stack(y_gradients).astype(dtype),
    )


def _item_sums(
    samples: tuple[Matrix, Matrix],
    weights: tuple[Values, Values],
    factors: Values,
    request: WeightedSumsRequest,
    kernels: Kernels,
    n_outputs: int,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """Like `weighted_sums`, but for one item with factors of its own."""
    (x, y), (x_weights, y_weights) = samples, weights
    xx = without_diagonal(kernel_matrix(x, x, kernels, n_outputs)) @ x_weights
    yy = without_diagonal(kernel_matrix(y, y, kernels, n_outputs)) @ y_weights
    between = kernel_matrix(x, y, kernels, n_outputs)
    if request.skip_matched:
        between = without_diagonal(between)
    xy, yx = between @ y_weights, between.swapaxes(1, 2) @ x_weights
    sums = np.stack([xx @ x_weights, yy @ y_weights, xy @ x_weights], axis=-1)

    def gradient(
        a: Matrix, b: Matrix, a_weights: Values, b_weights: Values, skip_matched: bool
    ) -> Values:
        pair_gradients = kernel_gradients(a[:, None], b[None], kernels, n_outputs)
        if skip_matched:
            pair_gradients[:, np.arange(len(a)), np.arange(len(a))] = 0.0
        result: Values = np.einsum("oijk,i,j->oik", pair_gradients, a_weights, b_weights)
        return result

    gradients = []
    for is_required, factor, a, a_weights, b, b_weights in (
        (request.x_gradient, factors[0], x, x_weights, y, y_weights),
        (request.y_gradient, factors[1], y, y_weights, x, x_weights),
    ):
        if not is_required:
            gradients.append(np.empty((n_outputs, 0, a.shape[1])))
            continue
        within = gradient(a, a, a_weights, a_weights, True)
        between_grad = gradient(a, b, a_weights, b_weights, request.skip_matched)
        gradients.append(2.0 * factor * within + factors[2] * between_grad)
    x_sums, y_sums = np.stack([xx, xy]), np.stack([yy, yx])
    if not request.row_sums:
        x_sums = y_sums = np.empty((2, n_outputs, 0))
    return sums, x_sums, y_sums, gradients[0], gradients[1]


def log_slope_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    skip_matched: bool = False,
) -> Values:
    """Like `weighted_sums`, but return the sums of `kernel_log_slopes` alone, (n_outputs, 3)."""
    x, y = in_float64(x), in_float64(y)
    report(progress)

    def slopes(a: Matrix, b: Matrix) -> Values:
        return kernel_log_slopes(a[:, None], b[None], kernels, n_outputs)

    between = slopes(x, y)
    if skip_matched:
        between = without_diagonal(between)
    sums = [
        without_diagonal(slopes(x, x)) @ x_weights @ x_weights,
        without_diagonal(slopes(y, y)) @ y_weights @ y_weights,
        between @ y_weights @ x_weights,
    ]
    return np.stack(sums, axis=-1)


def _item_kernels(kernels: Kernels, factors: Values, d: int) -> Iterator[list[KernelGroup]]:
    """Yield the kernels of each item, whose rows are multiplied by its factor."""
    for item, factor in enumerate(factors):
        yield [
            (
                base,
                factor * (np.ones(d) if scale is None else scale),
                None if origin is None else origin.reshape(len(factors), d)[item],
                terms,
            )
            for base, scale, origin, terms in kernels
        ]

"""Define sums over weighted pairs of rows, with gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import (
    KernelGroup,
    Kernels,
    Matrix,
    Pairs,
    Progress,
    Sample,
    Values,
    WeightedSumsRequest,
)
from fastdiv._sums.reference.pairs import counted, kernel_matrix
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
) -> tuple[Values, Values, Values, Matrix, Matrix, Values]:
    """
    Sum every kernel over weighted pairs, and make MMD² of the sums, with gradients.

    Both samples are stacks of b items of n and m rows, each item computed by itself. The kernels
    see the rows of an item times its scale. Quantised rows are one item and have no gradients.
    Results that are not required have no rows.

    A linear kernel with an origin o is x·y − ‖o‖², and for "all" (x − o)·(y − o). Its MMD² is that
    of x·y.

    Returns
    -------
    sums : shape (b, n_outputs, 3)
        xx = Σ w_i w_j k(x_i, x_j), likewise yy, and xy between x and y.
    x_sums, y_sums : shapes (2, b, n_outputs, n) and (2, b, n_outputs, m)
        For each row, the weighted sums over its sample and over the other sample.
    x_gradients, y_gradients : shapes (b, n_outputs, n, d) and (b, n_outputs, m, d)
        Gradients of the values with respect to x and y, in their dtype.
    values : shape (b, n_outputs)
        xx / counts[0] + yy / counts[1] − 2 xy / counts[2], which does not depend on the origin if
        the counts are those of the pairs.
    """
    dtype = np.float64 if isinstance(x, QuantizedRows) else x.dtype
    x, y = in_float64(x), in_float64(y)
    report(progress)
    items, d = len(request.counts), x.shape[1]
    scales = np.ones(items) if request.scales is None else request.scales
    stacks = (a.reshape(items, -1, *a.shape[1:]) for a in (x, y, x_weights, y_weights))
    results = [
        _item_sums((a, b), (u, v), counts, request, groups, n_outputs)
        for a, b, u, v, counts, groups in zip(
            *stacks, request.counts, _item_kernels(kernels, scales, d), strict=True
        )
    ]
    sums, x_sums, y_sums, x_gradients, y_gradients, values = zip(*results, strict=True)
    return (
        np.stack(sums),
        np.stack(x_sums, axis=1),
        np.stack(y_sums, axis=1),
        np.stack(x_gradients).astype(dtype),
        np.stack(y_gradients).astype(dtype),
        np.stack(values),
    )


def _item_sums(
    samples: tuple[Matrix, Matrix],
    weights: tuple[Values, Values],
    counts: Values,
    request: WeightedSumsRequest,
    kernels: Kernels,
    n_outputs: int,
) -> tuple[Values, Values, Values, Matrix, Matrix, Values]:
    """Like `weighted_sums`, but for one item with counts of its own."""
    (x, y), (u, v) = samples, weights
    options = request.pairs, kernels, n_outputs
    on_x = _side(x, y, u, v, counts[[0, 2]], request.x_gradient, *options)
    on_y = _side(y, x, v, u, counts[[1, 2]], request.y_gradient, *options)
    sums, seen = (
        np.stack([a[0] @ u, b[0] @ v, a[1] @ u], axis=-1)
        for a, b in ((on_x.sums, on_y.sums), (on_x.seen, on_y.seen))
    )
    with np.errstate(all="ignore"):  # no pairs, or infinite sums
        means = seen / counts
        values = means[:, 0] + means[:, 1] - 2.0 * means[:, 2] + on_x.unseen + on_y.unseen
    x_sums, y_sums = on_x.sums, on_y.sums
    if not request.row_sums:
        x_sums = y_sums = np.empty((2, n_outputs, 0))
    return sums, x_sums, y_sums, on_x.gradient, on_y.gradient, values


class _Side(NamedTuple):
    """Sums for the rows of one sample, and the parts of MMD² and its gradient that they give."""

    seen: Values  # (2, n_outputs, n), within and between, with dot products seen from the origin
    sums: Values  # likewise, with the part that depends on single rows
    unseen: Values  # (n_outputs,), that part of MMD²
    gradient: Values  # (n_outputs, n, d), or without rows


def _side(
    a: Matrix,
    b: Matrix,
    p: Values,
    q: Values,
    counts: Values,
    differentiate: bool,
    pairs: Pairs,
    kernels: Kernels,
    n_outputs: int,
) -> _Side:
    """Sum over the pairs within a and between a and b, for every row of a."""

    def rows(within: Values, between: Values) -> Values:
        return np.stack([counted(within, pairs, True) @ p, counted(between, pairs, False) @ q])

    n, m, d = len(a), len(b), a.shape[1]
    seen = rows(kernel_matrix(a, a, kernels, n_outputs), kernel_matrix(a, b, kernels, n_outputs))
    partners = rows(np.ones((1, n, n)), np.ones((1, n, m)))[:, 0]
    with np.errstate(all="ignore"):
        factors = 2.0 * (p * partners[0] / counts[0] - p * partners[1] / counts[1])
        within_factor, between_factor = np.array([2.0, -2.0]) / counts
    sums, unseen, slopes = seen.copy(), np.zeros(n_outputs), np.zeros((n_outputs, 1, d))
    # x·y − ‖o‖² = (x − o)·(y − o) + h(x) + h(y) with h(x) = o·(x − o). With "all", h cancels.
    for _, scale, origin, terms in kernels if pairs != "all" else ():
        if origin is None:
            continue
        slope = origin if scale is None else origin * scale**2
        h_a, h_b = (a - origin) @ slope, (b - origin) @ slope
        added = rows((h_a[:, None] + h_a)[None], (h_a[:, None] + h_b)[None])[:, 0]
        for _, _, weight, output in terms:
            sums[:, output] += weight * added
            unseen[output] += weight * (factors @ h_a)
            slopes[output] += weight * slope
    if not differentiate:
        return _Side(seen, sums, unseen, np.empty((n_outputs, 0, d)))

    def gradient(c: Matrix, weights: Values, within: bool) -> Values:
        of_pairs = kernel_gradients(a[:, None], c[None], kernels, n_outputs)
        result: Values = np.einsum("oijk,i,j->oik", counted(of_pairs, pairs, within), p, weights)
        return result

    total = within_factor * gradient(a, p, True) + between_factor * gradient(b, q, False)
    return _Side(seen, sums, unseen, total + factors[:, None] * slopes)


def log_slope_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    pairs: Pairs = "distinct",
) -> Values:
    """
    Like `weighted_sums`, but return the sums of `kernel_log_slopes` alone, (n_outputs, 3).

    Kernels must be those of distances.
    """
    x, y = in_float64(x), in_float64(y)
    report(progress)
    u, v = x_weights, y_weights
    sums = []
    for a, b, p, q, within in ((x, x, u, u, True), (y, y, v, v, True), (x, y, u, v, False)):
        slopes = kernel_log_slopes(a[:, None], b[None], kernels, n_outputs)
        sums.append(counted(slopes, pairs, within) @ q @ p)
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

"""
Compute MMD² and its gradients in one pass over the pairs.

All arrays are stacks. Their first axis counts the pairs of samples, each computed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastdiv._engine import backend
from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.types import KernelGroup, Matrix, Progress, Values, WeightedSumsRequest
from fastdiv._sums import pair_means, pair_weights, reductions
from fastdiv._sums.pair_means import finite_values, statistic
from fastdiv.kernels import Kernel
from fastdiv.kernels.evaluation import kernel_gradients
from fastdiv.kernels.lowering import Lowered, lower
from fastdiv.mmd.centre import centre, has_any_origin
from fastdiv.mmd.estimate import ordered_sum


class Samples(NamedTuple):
    """Pairs of samples, and the weights of their rows, normalised for each sample."""

    x: Matrix  # (b, n, d)
    y: Matrix  # (b, m, d)
    x_weights: Values  # (b, n)
    y_weights: Values  # (b, m)
    bandwidths: Values | None = None  # (b,); kernels of distances see the rows over these


class Pass(NamedTuple):
    """MMD² and the parts of its gradients, from one pass over the pairs."""

    values: Values  # (b, n_outputs)
    sums: Values  # (b, n_outputs, 3)
    counts: Values  # (b, 3)
    row_sums: dict[str, Values]  # "x", "y": (2, b, n_outputs, rows), within and between
    row_gradients: dict[str, Matrix]  # "x", "y": (b, n_outputs, rows, d)


def run(
    samples: Samples,
    outputs: Sequence[Kernel],
    names: Sequence[str],
    estimator: str,
    n_threads: int,
    progress: Progress | None,
) -> Pass:
    """Compute MMD² with every kernel, and the parts of the named gradients."""
    x, y, u, v, bandwidths = samples
    origins = _origins(outputs, samples)
    kernels = lower(outputs, None if origins is None else origins.ravel())
    counts = pair_means.counts(u, v, estimator)
    factors = np.array([1.0, 1.0, -2.0]) / counts
    needs_row_sums = "x_weights" in names or "y_weights" in names
    with np.errstate(over="ignore", invalid="ignore"):
        request = WeightedSumsRequest(
            factors=factors,
            scales=None if bandwidths is None else 1.0 / bandwidths,
            row_sums=needs_row_sums,
            x_gradient="x" in names,
            y_gradient="y" in names,
            skip_matched=estimator == "paired",
        )
        a, b = (pair_weights.wide_enough(_rows(rows), u, v) for rows in (x, y))
        sums, x_sums, y_sums, x_grad, y_grad = backend.current().weighted_sums(
            *(a, b, u.ravel(), v.ravel(), request),
            *(kernels.groups, kernels.n_outputs, n_threads, progress),
        )
        x_grad, y_grad = x_grad.astype(x.dtype, copy=False), y_grad.astype(y.dtype, copy=False)
        x_factor, y_factor = factors[:, 0, None], factors[:, 1, None]
        if estimator == "biased":
            # k(x, x) varies for dot products only, twice as fast as with its first argument.
            dots = [group for group in kernels.groups if group[0] == "dot"]
            _add_self_gradient(x_grad, 2.0 * x_factor * u**2, x, dots)
            _add_self_gradient(y_grad, 2.0 * y_factor * v**2, y, dots)
            row_sums = (x_sums, y_sums) if needs_row_sums else None
            sums = sums + _self_terms(samples, kernels, n_threads, row_sums)
        values = statistic(sums, counts[:, None])
        terms = pair_weights.row_terms(outputs, x, y, origins, estimator)
        if terms is not None:
            linear = pair_weights.linear_part(terms, u, v, estimator, counts)
            values = finite_values(values + linear)
            coefficients = pair_weights.coefficients(u, v, estimator, counts)
            for gradient, row_coefficients in zip((x_grad, y_grad), coefficients, strict=True):
                if gradient.size:
                    feature_grad = (row_coefficients[..., None] * terms.slope)[:, None]
                    gradient += (terms.scales[:, None, None] * feature_grad).astype(gradient.dtype)
            if needs_row_sums:
                sums = sums + pair_weights.add_to_sums(terms, u, v, estimator, x_sums, y_sums)
    return Pass(values, sums, counts, {"x": x_sums, "y": y_sums}, {"x": x_grad, "y": y_grad})


def weight_gradient(name: str, samples: Samples, result: Pass, estimator: str) -> Values:
    """Differentiate with respect to the weights of "x" or "y", (b, n_outputs, rows)."""
    block = 0 if name == "x" else 1
    u, v = samples.x_weights, samples.y_weights
    w = (u, v)[block]
    within, between = result.row_sums[name]
    partners = pair_means.partners(u, v, estimator)[block]
    peers = pair_means.totals(w, w) if estimator == "biased" else pair_means.others(w)
    counts = result.counts[:, None, None]
    with np.errstate(over="ignore", invalid="ignore"):
        means = (result.sums / result.counts[:, None])[..., None]
        within_grad = 2.0 * (within - means[:, :, block] * peers[:, None]) / counts[..., block]
        cross_grad = (between - means[:, :, 2] * partners[:, None]) / counts[..., 2]
        gradient: Values = within_grad - 2.0 * cross_grad
    return gradient


def finite_gradient(gradient: Matrix) -> Matrix:
    """Return a gradient, or raise OverflowError if it is not finite."""
    if np.isfinite(gradient).all():
        return gradient
    raise OverflowError(
        "the gradient overflows; scale the data, or choose another kernel or bandwidth"
    )


def gradient_blocks(x: Matrix) -> Iterator[slice]:
    """Cut the rows of a stack into blocks for gradients of single pairs."""
    b, n, d = x.shape
    return row_blocks(n, b * d, COMPUTED)


def _origins(kernels: Sequence[Kernel], samples: Samples) -> Values | None:
    """Return where kernels of any origin see each item from, (b, d)."""
    if not has_any_origin(kernels):
        return None
    x, y, u, v, _ = samples
    return np.stack([centre(item[:2], item[2:]) for item in zip(x, y, u, v, strict=True)])


def _rows(x: Matrix) -> Matrix:
    """Return the rows of all items, as a view for a stack of one."""
    return x[0] if len(x) == 1 else x.reshape(-1, x.shape[2])


def _self_terms(
    samples: Samples,
    kernels: Lowered,
    n_threads: int,
    row_sums: tuple[Values, Values] | None,
) -> Values:
    """Return what the pairs (i, i) of "biased" add to the sums, and add it to the row sums."""
    terms = np.zeros((len(samples.x), kernels.n_outputs, 3))
    for block, (x, w) in enumerate(
        ((samples.x, samples.x_weights), (samples.y, samples.y_weights))
    ):
        values = reductions.paired_values(_rows(x), _rows(x), kernels, n_threads)
        self_values = w[:, None] * np.moveaxis(values.reshape(-1, *x.shape[:2]), 1, 0)
        terms[..., block] = ordered_sum(w[:, None] * self_values)
        if row_sums is not None:
            row_sums[block][0] += self_values
    return terms


def _add_self_gradient(
    gradient: Matrix, factor: Values, x: Matrix, groups: list[KernelGroup]
) -> None:
    """Add factor times the gradient of k(x_i, x_i) with respect to its first argument."""
    if not gradient.size or not groups:
        return
    for rows in gradient_blocks(x):
        pair_grad = kernel_gradients(x[:, rows], x[:, rows], groups, gradient.shape[1])
        weighted = np.moveaxis(pair_grad, 1, 0) * factor[:, None, rows, None]
        gradient[:, :, rows] += weighted.astype(gradient.dtype)

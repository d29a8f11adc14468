"""
Compute MMD² and its gradients in one pass over the pairs.

All arrays are stacks. Their first axis counts the pairs of samples, each computed by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastdiv._engine import backend
from fastdiv._engine.types import Matrix, Pairs, Progress, Values, WeightedSumsRequest
from fastdiv._sums import pair_means, pair_weights
from fastdiv._sums.pair_means import finite_values
from fastdiv.kernels import Kernel
from fastdiv.kernels.lowering import lower
from fastdiv.mmd import far_rows
from fastdiv.mmd.centre import centre, has_any_origin


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
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> Pass:
    """Compute MMD² with every kernel, and the parts of the named gradients."""
    x, y, u, v, bandwidths = samples
    kernels = lower(outputs, _origins(outputs, samples))
    counts = pair_means.counts(u, v, pairs)
    with np.errstate(over="ignore", invalid="ignore"):
        request = WeightedSumsRequest(
            counts=counts,
            scales=None if bandwidths is None else 1.0 / bandwidths,
            row_sums="x_weights" in names or "y_weights" in names,
            x_gradient="x" in names,
            y_gradient="y" in names,
            pairs=pairs,
        )
        a, b = far_rows.widened(outputs, _rows(x), _rows(y))
        a, b = (pair_weights.wide_enough(rows, u, v) for rows in (a, b))
        sums, x_sums, y_sums, x_grad, y_grad, values = backend.current().weighted_sums(
            *(a, b, u.ravel(), v.ravel(), request),
            *(kernels.groups, kernels.n_outputs, n_threads, progress),
        )
        x_grad, y_grad = x_grad.astype(x.dtype, copy=False), y_grad.astype(y.dtype, copy=False)
    row_sums, gradients = {"x": x_sums, "y": y_sums}, {"x": x_grad, "y": y_grad}
    return Pass(finite_values(values), sums, counts, row_sums, gradients)


def weight_gradient(name: str, samples: Samples, result: Pass, pairs: Pairs) -> Values:
    """Differentiate with respect to the weights of "x" or "y", (b, n_outputs, rows)."""
    block = 0 if name == "x" else 1
    u, v = samples.x_weights, samples.y_weights
    w = (u, v)[block]
    within, between = result.row_sums[name]
    partners = pair_means.partners(u, v, pairs)[block]
    peers = pair_means.totals(w, w) if pairs == "all" else pair_means.others(w)
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


def _origins(kernels: Sequence[Kernel], samples: Samples) -> Values | None:
    """Return where kernels of any origin see each item from, one after the other."""
    if not has_any_origin(kernels):
        return None
    x, y, u, v, _ = samples
    return np.concatenate([centre(item[:2], item[2:]) for item in zip(x, y, u, v, strict=True)])


def _rows(x: Matrix) -> Matrix:
    """Return the rows of all items, as a view for a stack of one."""
    return x[0] if len(x) == 1 else x.reshape(-1, x.shape[2])

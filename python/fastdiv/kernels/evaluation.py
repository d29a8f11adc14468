"""Kernels, their gradients and log-slopes at rows that broadcast against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastdiv._engine.types import KernelGroup, Matrix, Values
from fastdiv.kernels.base import FORMULAS, SLOPES


def kernel_values(x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int) -> Values:
    """
    Evaluate every kernel at rows that broadcast against each other.

    Parameters
    ----------
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    kernels, n_outputs
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ...)
        Weighted sum of the terms of each output.
    """
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape[:-1], y.shape[:-1])))
    for base, scale, terms in kernels:
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * FORMULAS[name](values, *params)
    return result


def kernel_gradients(
    x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int
) -> Values:
    """
    Find the gradients of k(x, y) by x, at rows that broadcast against each other.

    Parameters
    ----------
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    kernels, n_outputs
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ..., d)
        Weighted sum of the terms of each output; 0 where rows coincide at a cusp.
    """
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape, y.shape)))
    for base, scale, terms in kernels:
        unit = np.float64(1.0) if scale is None else scale
        if base == "dot":
            of_base = np.broadcast_to(wide_y * unit**2, result.shape[1:])
        elif base == "l1":
            of_base = np.sign(wide_x - wide_y) * unit
        else:
            of_base = 2.0 * (wide_x - wide_y) * unit**2
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * SLOPES[name](values, *params)[..., None] * of_base
    return result


def kernel_log_slopes(
    x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int
) -> Values:
    """
    Compute t f'(t), where the kernel is f(t) of a squared or L1 distance or a dot product t.

    Parameters
    ----------
    x, y, kernels, n_outputs
        As in `kernel_gradients`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ...)
        Weighted sum of the terms of each output: what it changes by with log t.
    """
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape[:-1], y.shape[:-1])))
    for base, scale, terms in kernels:
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * values * SLOPES[name](values, *params)
    return result


def base_values(base: str, x: Matrix, y: Matrix, scale: Values | None = None) -> Values:
    """
    Compute what a kernel reads at rows that broadcast against each other.

    Parameters
    ----------
    base : {"sqdist", "l1", "dot"}
        Squared Euclidean distance, L1 distance or inner product.
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    scale : ndarray, shape (d,), optional
        Factor > 0 per feature.

    Returns
    -------
    ndarray of float64, shape (...)
        One value per pair of rows.
    """
    combine = _BASES[base]
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    factor = np.ones(x.shape[-1]) if scale is None else scale
    total = np.zeros(np.broadcast_shapes(x.shape[:-1], y.shape[:-1]))
    for k, s in enumerate(factor):
        total += combine(x[..., k], y[..., k], s)
    return total


_BASES: dict[str, Callable[[Values, Values, float], Values]] = {
    "sqdist": lambda a, b, s: ((a - b) * s) ** 2,
    "l1": lambda a, b, s: np.abs((a - b) * s),
    "dot": lambda a, b, s: (a * s) * (b * s),
}

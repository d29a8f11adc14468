"""
Evaluate lowered kernels, their gradients and their log-slopes with NumPy.

The rows x and y, of shape (..., d), broadcast against each other. Results are float64 sums of the
terms of each output, (n_outputs, ...).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastdiv._engine.types import Kernels, Matrix, Values
from fastdiv.kernels.base import FORMULAS, SLOPES


def kernel_values(x: Matrix, y: Matrix, kernels: Kernels, n_outputs: int) -> Values:
    """Return k(x, y)."""

    def value(weight: float, base: Values, name: str, params: tuple[float, ...]) -> Values:
        return weight * FORMULAS[name](base, *params)

    return _sum_of_terms(value, x, y, kernels, n_outputs)


def kernel_log_slopes(x: Matrix, y: Matrix, kernels: Kernels, n_outputs: int) -> Values:
    """Return t f'(t), for a kernel f of a base value t: its derivative with respect to log t."""

    def log_slope(weight: float, base: Values, name: str, params: tuple[float, ...]) -> Values:
        return weight * base * SLOPES[name](base, *params)

    return _sum_of_terms(log_slope, x, y, kernels, n_outputs)


def kernel_gradients(x: Matrix, y: Matrix, kernels: Kernels, n_outputs: int) -> Values:
    """Return the gradients of k(x, y) with respect to x, (n_outputs, ..., d), 0 at a cusp."""
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape, y.shape)))
    for base, scale, origin, terms in kernels:
        unit = np.float64(1.0) if scale is None else scale
        if base == "dot":
            from_origin = wide_y if origin is None else wide_y - origin
            base_gradient = np.broadcast_to(from_origin * unit**2, result.shape[1:])
        elif base == "l1":
            base_gradient = np.sign(wide_x - wide_y) * unit
        else:
            base_gradient = 2.0 * (wide_x - wide_y) * unit**2
        values = base_values(base, x, y, scale, origin)
        for name, params, weight, output in terms:
            slope = SLOPES[name](values, *params)[..., None]
            result[output] += weight * slope * base_gradient
    return result


def base_values(
    base: str, x: Matrix, y: Matrix, scale: Values | None = None, origin: Values | None = None
) -> Values:
    """Return the value that a kernel reads of the rows, scaled per feature: one of `_BASES`."""
    combine = _BASES[base]
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    if origin is not None:
        x, y = x - origin, y - origin
    factors = np.ones(x.shape[-1]) if scale is None else scale
    total = np.zeros(np.broadcast_shapes(x.shape[:-1], y.shape[:-1]))
    for k, factor in enumerate(factors):
        total += combine(x[..., k], y[..., k], factor)
    return total


_BASES: dict[str, Callable[[Values, Values, float], Values]] = {
    "sqdist": lambda a, b, s: ((a - b) * s) ** 2,
    "l1": lambda a, b, s: np.abs((a - b) * s),
    "dot": lambda a, b, s: (a * s) * (b * s),
}


def _sum_of_terms(
    term: Callable[[float, Values, str, tuple[float, ...]], Values],
    x: Matrix,
    y: Matrix,
    kernels: Kernels,
    n_outputs: int,
) -> Values:
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape[:-1], y.shape[:-1])))
    for base, scale, origin, terms in kernels:
        values = base_values(base, x, y, scale, origin)
        for name, params, weight, output in terms:
            result[output] += term(weight, values, name, params)
    return result

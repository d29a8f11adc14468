"""
Apply per-row weights to pairwise kernel sums.

Weights and rows may be stacks. Their leading axes are then those of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np

from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Matrix, Sample, Values
from fastdiv._sums.pair_means import others, partners
from fastdiv.kernels import Kernel

_LEAST_IN_FLOAT32 = 2.0**-100
"""Least ratio of weights that float32 holds with all its digits, with room for products."""


@overload
def wide_enough(rows: Matrix, *weights: Values) -> Matrix: ...
@overload
def wide_enough(rows: Sample, *weights: Values) -> Sample: ...
def wide_enough(rows: Sample, *weights: Values) -> Sample:
    """Return the rows, in float64 if some normalised weights are too small for float32."""
    if any((w[w > 0] < _LEAST_IN_FLOAT32).any() for w in weights):
        return in_float64(rows)
    return rows


class RowTerms(NamedTuple):
    """
    The part of `Linear` that depends on single rows.

    With an origin o and h(x) = o·(x − o) + ‖o‖²/2, x·y = (x − o)·(y − o) + h(x) + h(y). An MMD²
    takes the first term alone, as h cancels. It does not cancel for weighted rows without the pairs
    (i, i). There, xᵢ counts uᵢ(1 − uᵢ)/(1 − Σuᵢ²) times within its sample, and uᵢ times between the
    samples.
    """

    scales: Values  # factors of `Linear`, one per kernel
    x: Values  # o·(x − o), as the constant in h cancels
    y: Values  # o·(y − o)
    slope: Values  # of h, (..., 1, d)


def row_terms(
    kernels: Sequence[Kernel], x: Sample, y: Sample, origin: Values | None, estimator: str
) -> RowTerms | None:
    """Return the terms of weighted rows, seen from (..., d), or None where they cancel or are 0."""
    if estimator == "biased" or origin is None:
        return None
    if isinstance(x, QuantizedRows) or isinstance(y, QuantizedRows):
        return None
    scales = np.array(
        [sum(w for w, part in kernel._parts() if part.any_origin) for kernel in kernels]
    )
    slope = origin[..., None, :]
    return RowTerms(scales, _products(x, slope), _products(y, slope), slope)


def coefficients(u: Values, v: Values, estimator: str, sizes: Values) -> tuple[Values, Values]:
    """Return the factor of h(x) and of h(y) in MMD² for every row, which is 0 for equal weights."""
    x_partners, y_partners = partners(u, v, estimator)
    xx, yy, xy = (sizes[..., block, None] for block in range(3))
    return (
        2.0 * (u * others(u) / xx - u * x_partners / xy),
        2.0 * (v * others(v) / yy - v * y_partners / xy),
    )


def linear_part(terms: RowTerms, u: Values, v: Values, estimator: str, sizes: Values) -> Values:
    """Return the contribution of the terms to MMD², per kernel."""
    x_factors, y_factors = coefficients(u, v, estimator, sizes)
    with np.errstate(over="ignore", invalid="ignore"):  # refused with the sums over pairs
        rows_total = (x_factors * terms.x).sum(axis=-1) + (y_factors * terms.y).sum(axis=-1)
        total: Values = terms.scales * rows_total[..., None]
    return total


def add_to_sums(
    terms: RowTerms, u: Values, v: Values, estimator: str, x_sums: Values, y_sums: Values
) -> Values:
    """Add h(xᵢ) + h(xⱼ) to the sums of every row. Return its sums over all pairs."""
    scales, h_x, h_y, _ = terms
    x_partners, y_partners = partners(u, v, estimator)
    partner_h_y, partner_h_x = partners(u * h_x, v * h_y, estimator)
    within_x = h_x * others(u) + others(u * h_x)
    within_y = h_y * others(v) + others(v * h_y)
    between = h_x * x_partners + partner_h_y
    x_sums += scales[:, None] * np.stack([within_x, between])[..., None, :]
    y_sums += scales[:, None] * np.stack([within_y, h_y * y_partners + partner_h_x])[..., None, :]
    blocks = (u * within_x, v * within_y, u * between)
    pair_sums = np.stack([block.sum(axis=-1) for block in blocks], axis=-1)
    total: Values = scales[:, None] * pair_sums[..., None, :]
    return total


def _products(rows: Matrix, origin: Values) -> Values:
    """Return (x − origin)·origin for every row, (..., n)."""
    products = np.empty(rows.shape[:-1])
    for block in row_blocks(rows.shape[-2], rows[..., 0, :].size, COMPUTED):
        with np.errstate(over="ignore", invalid="ignore"):  # refused with the sums over pairs
            products[..., block] = ((rows[..., block, :] - origin) * origin).sum(axis=-1)
    return products

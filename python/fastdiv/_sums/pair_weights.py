"""
What weights of rows make of the sums over pairs.

Weights and rows may be stacks: leading axes are those of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastdiv._engine.blocks import COMPUTED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Matrix, Sample, Values
from fastdiv.kernels import Kernel, Linear

_LEAST_IN_FLOAT32 = 2.0**-100
"""Ratio of weights that float32 holds with all its digits, with room for products."""


def wide_enough(rows: Sample, w: Values) -> Sample:
    """Return the rows, in float64 if weights up to 1 are too small for sums in float32."""
    if (w[w > 0] < _LEAST_IN_FLOAT32).any():
        return in_float64(rows)
    return rows


def others(w: Values) -> Values:
    """Return Σ_{j≠i} wⱼ for every i: sums of numbers >= 0, where Σw − wᵢ would cancel."""
    zero = np.zeros_like(w[..., :1])
    before = np.concatenate((zero, w[..., :-1].cumsum(axis=-1)), axis=-1)
    after = np.concatenate((w[..., :0:-1].cumsum(axis=-1)[..., ::-1], zero), axis=-1)
    total: Values = before + after
    return total


def partners(u: Values, v: Values, estimator: str) -> tuple[Values, Values]:
    """Return the total weight of the rows of y that a row of x meets, and the reverse."""
    if estimator == "paired":
        return others(v), others(u)
    return totals(v, u), totals(u, v)


def totals(w: Values, like: Values) -> Values:
    """Return Σw for every row of `like`."""
    return np.broadcast_to(w.sum(axis=-1, keepdims=True), like.shape)


def counts(u: Values, v: Values, estimator: str) -> Values:
    """Return the sums of the products of the weights of all pairs, for XX, YY and XY."""
    of_u, of_v = u.sum(axis=-1), v.sum(axis=-1)
    if estimator == "biased":
        return np.stack([of_u**2, of_v**2, of_u * of_v], axis=-1)
    of_x, _ = partners(u, v, estimator)
    between = (u * of_x).sum(axis=-1)
    # XY comes without the pairs (i, i) by taking them away from the sum over all.
    if estimator == "paired" and (between < 0.01 * of_u * of_v).any():
        raise ValueError(
            "x_weights and y_weights must not put 99 % of the weight on one pair of rows for "
            "estimator='paired'"
        )
    within = ((w * others(w)).sum(axis=-1) for w in (u, v))
    return np.stack([*within, between], axis=-1)


class RowTerms(NamedTuple):
    """
    The part of `Linear` that depends on single rows.

    An MMD² takes −‖x − y‖²/2 in the place of x·y = h(x) + h(y) − ‖x − y‖²/2, h(x) = ‖x‖²/2, and h
    cancels: but for weights without the pairs (i, i), where xᵢ counts uᵢ(1 − uᵢ)/(1 − Σuᵢ²) times
    within its sample and uᵢ times between the samples.
    """

    scales: Values  # of `Linear` in every kernel
    x: Values  # h, less a constant, which does cancel
    y: Values


def row_terms(kernels: Sequence[Kernel], x: Sample, y: Sample, estimator: str) -> RowTerms | None:
    """Return the terms of kernels with a `Linear` part, for weighted rows."""
    scales = np.array(
        [sum(w for w, part in each._parts() if isinstance(part, Linear)) for each in kernels]
    )
    if estimator == "biased" or not scales.any():
        return None
    origin = in_float64(_rows_first(x)[:1])[0]
    return RowTerms(scales, _half_norms(x, origin), _half_norms(y, origin))


def coefficients(u: Values, v: Values, estimator: str, sizes: Values) -> tuple[Values, Values]:
    """Return how often h of every row counts in MMD²; 0 for equal weights."""
    of_x, of_y = partners(u, v, estimator)
    xx, yy, xy = (sizes[..., block, None] for block in range(3))
    return (
        2.0 * (u * others(u) / xx - u * of_x / xy),
        2.0 * (v * others(v) / yy - v * of_y / xy),
    )


def linear_part(terms: RowTerms, u: Values, v: Values, estimator: str, sizes: Values) -> Values:
    """Return what has to be added to MMD², per kernel."""
    of_x, of_y = coefficients(u, v, estimator, sizes)
    of_rows = (of_x * terms.x).sum(axis=-1) + (of_y * terms.y).sum(axis=-1)
    total: Values = terms.scales * of_rows[..., None]
    return total


def add_to_sums(
    terms: RowTerms, u: Values, v: Values, estimator: str, x_sums: Values, y_sums: Values
) -> Values:
    """Add h(xᵢ) + h(xⱼ) for all pairs to the sums at every row; return those over all pairs."""
    scales, h_x, h_y = terms
    of_x, of_y = partners(u, v, estimator)
    if estimator == "paired":
        met_x, met_y = others(v * h_y), others(u * h_x)
    else:
        met_x, met_y = totals(v * h_y, u), totals(u * h_x, v)
    within_x = h_x * others(u) + others(u * h_x)
    within_y = h_y * others(v) + others(v * h_y)
    between = h_x * of_x + met_x
    x_sums += scales[:, None] * np.stack([within_x, between])[..., None, :]
    y_sums += scales[:, None] * np.stack([within_y, h_y * of_y + met_y])[..., None, :]
    blocks = (u * within_x, v * within_y, u * between)
    over_all = np.stack([block.sum(axis=-1) for block in blocks], axis=-1)
    total: Values = scales[:, None] * over_all[..., None, :]
    return total


def _half_norms(rows: Sample, origin: Values) -> Values:
    """Return ‖x‖²/2 − ‖origin‖²/2, without cancellation far from 0."""
    parts = []
    for block in _blocks(_rows_first(rows)):
        moved = block - origin
        parts.append((moved * origin + 0.5 * (moved * moved)).sum(axis=-1))
    return np.moveaxis(np.concatenate(parts), 0, -1)


def _rows_first(rows: Sample) -> Sample:
    return rows if isinstance(rows, QuantizedRows) else np.moveaxis(rows, -2, 0)


def _blocks(rows: Sample) -> Iterator[Matrix]:
    for block in row_blocks(len(rows), math.prod(rows.shape[1:]), COMPUTED):
        yield in_float64(rows[block])

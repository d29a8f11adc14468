"""What weights of rows make of the sums over pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastdiv._backend import Matrix, Sample, Values
from fastdiv._rows import in_float64
from fastdiv.kernels import Kernel, Linear

Counts = tuple[float, float, float]

_AT_ONCE = 1 << 20
"""Values converted at a time."""

_LEAST_IN_FLOAT32 = 2.0**-100
"""Ratio of weights that float32 holds with all its digits, with room for products."""


def wide_enough(rows: Sample, w: Values) -> Sample:
    """Return the rows, in float64 if weights up to 1 are too small for sums in float32."""
    if (w[w > 0] < _LEAST_IN_FLOAT32).any():
        return in_float64(rows)
    return rows


def others(w: Values) -> Values:
    """Return Σ_{j≠i} wⱼ for every i: sums of numbers >= 0, where Σw − wᵢ would cancel."""
    before = np.concatenate(([0.0], w[:-1].cumsum()))
    after = np.concatenate((w[:0:-1].cumsum()[::-1], [0.0]))
    total: Values = before + after
    return total


def partners(u: Values, v: Values, estimator: str) -> tuple[Values, Values]:
    """Return the total weight of the rows of y that a row of x meets, and the reverse."""
    if estimator == "paired":
        return others(v), others(u)
    return np.full(len(u), v.sum()), np.full(len(v), u.sum())


def counts(u: Values, v: Values, estimator: str) -> Counts:
    """Return the sums of the products of the weights of all pairs, for XX, YY and XY."""
    if estimator == "biased":
        return float(u.sum() ** 2), float(v.sum() ** 2), float(u.sum() * v.sum())
    of_x, _ = partners(u, v, estimator)
    between = float(u @ of_x)
    # XY comes without the pairs (i, i) by taking them away from the sum over all.
    if estimator == "paired" and between < 0.01 * u.sum() * v.sum():
        raise ValueError(
            "x_weights and y_weights must not put 99 % of the weight on one pair of rows for "
            "estimator='paired'"
        )
    return float(u @ others(u)), float(v @ others(v)), between


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
    origin = next(_blocks(x[:1]))[0]
    return RowTerms(scales, _half_norms(x, origin), _half_norms(y, origin))


def coefficients(u: Values, v: Values, estimator: str, sizes: Counts) -> tuple[Values, Values]:
    """Return how often h of every row counts in MMD²; 0 for equal weights."""
    of_x, of_y = partners(u, v, estimator)
    return (
        2.0 * (u * others(u) / sizes[0] - u * of_x / sizes[2]),
        2.0 * (v * others(v) / sizes[1] - v * of_y / sizes[2]),
    )


def linear_part(terms: RowTerms, u: Values, v: Values, estimator: str, sizes: Counts) -> Values:
    """Return what has to be added to MMD², per kernel."""
    of_x, of_y = coefficients(u, v, estimator, sizes)
    total: Values = terms.scales * float(of_x @ terms.x + of_y @ terms.y)
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
        met_x, met_y = np.full(len(u), v @ h_y), np.full(len(v), u @ h_x)
    within_x = h_x * others(u) + others(u * h_x)
    within_y = h_y * others(v) + others(v * h_y)
    x_sums += scales[:, None] * np.stack([within_x, h_x * of_x + met_x])[:, None]
    y_sums += scales[:, None] * np.stack([within_y, h_y * of_y + met_y])[:, None]
    over_all = [u @ within_x, v @ within_y, u @ (h_x * of_x + met_x)]
    total: Values = scales[:, None] * np.array(over_all)
    return total


def _half_norms(rows: Sample, origin: Values) -> Values:
    """Return ‖x‖²/2 − ‖origin‖²/2, without cancellation far from 0."""
    parts = []
    for block in _blocks(rows):
        moved = block - origin
        parts.append(moved @ origin + 0.5 * (moved * moved).sum(axis=1))
    return np.concatenate(parts)


def _blocks(rows: Sample) -> Iterator[Matrix]:
    step = max(1, _AT_ONCE // rows.shape[1])
    for start in range(0, len(rows), step):
        yield in_float64(rows[start : start + step])

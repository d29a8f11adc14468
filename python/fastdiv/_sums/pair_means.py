"""
Divide sums over pairs by the numbers of pairs.

Weights may be stacks. Their leading axes are then those of a batch.
"""

from __future__ import annotations

import numpy as np

from fastdiv._engine import backend
from fastdiv._engine.types import Pairs, Values


def pair_counts(n: int, m: int, pairs: Pairs) -> Values:
    """Return the numbers of pairs within x, within y and between them."""
    if pairs == "distinct":
        return np.array([n * (n - 1), m * (m - 1), n * m], dtype=np.float64)
    if pairs == "all":
        return np.array([n * n, m * m, n * m], dtype=np.float64)
    return np.full(3, float(n * (n - 1)))


def statistic(sums: Values, counts: Values) -> Values:
    """Combine the sums XX, YY and XY over pairs, (..., 3), into MMD², which may be negative."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = sums / counts
        return finite_values(means[..., 0] + means[..., 1] - 2.0 * means[..., 2])


def finite_values(values: Values) -> Values:
    """Return values, or raise OverflowError if one is not finite."""
    if backend.current().first_nonfinite(np.asarray(values)) < 0:
        return values
    raise OverflowError(
        "kernel values overflow; scale the data, or choose another kernel or bandwidth"
    )


def others(w: Values) -> Values:
    """Return Σ_{j≠i} wⱼ for every i, from sums of numbers >= 0, as Σw − wᵢ would cancel."""
    zero = np.zeros_like(w[..., :1])
    before = np.concatenate((zero, w[..., :-1].cumsum(axis=-1)), axis=-1)
    after = np.concatenate((w[..., :0:-1].cumsum(axis=-1)[..., ::-1], zero), axis=-1)
    total: Values = before + after
    return total


def partners(u: Values, v: Values, pairs: Pairs) -> tuple[Values, Values]:
    """Return, for each row of x and of y, the total weight of the rows it is paired with."""
    if pairs == "off_diagonal":
        return others(v), others(u)
    return totals(v, u), totals(u, v)


def totals(w: Values, like: Values) -> Values:
    """Return Σw once for every row of `like`."""
    return np.broadcast_to(w.sum(axis=-1, keepdims=True), like.shape)


def counts(u: Values, v: Values, pairs: Pairs) -> Values:
    """Sum the products of the weights over all pairs, for XX, YY and XY."""
    u_total, v_total = u.sum(axis=-1), v.sum(axis=-1)
    if pairs == "all":
        return np.stack([u_total**2, v_total**2, u_total * v_total], axis=-1)
    x_partners, _ = partners(u, v, pairs)
    between = (u * x_partners).sum(axis=-1)
    within = ((w * others(w)).sum(axis=-1) for w in (u, v))
    return np.stack([*within, between], axis=-1)

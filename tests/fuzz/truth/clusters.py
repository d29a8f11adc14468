"""Sums of squares and of distances within clusters and groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fuzz.truth.pairs import Long, base_values, long


def scatter(x: object, labels: NDArray[np.int64], w: object) -> Long:
    """Return Σ over clusters of the weighted squares about the weighted mean."""
    a, p = long(x), long(w)
    total = np.longdouble(0)
    for g in np.unique(labels):
        rows, weights = a[labels == g], p[labels == g]
        if weights.sum() > 0:
            # About the heaviest row first, so that the mean loses no digits.
            centred = rows - rows[weights.argmax()]
            mean = (centred * weights[:, None]).sum(axis=0) / weights.sum()
            total += (((centred - mean) ** 2).sum(axis=1) * weights).sum()
    return total


def within_groups(x: object, groups: NDArray[np.int64], exponent: float) -> Long:
    """Return Σ over groups of Σ_{i<j} ‖x_i − x_j‖^α / n."""
    total = np.longdouble(0)
    for g in np.unique(groups):
        rows = long(x)[groups == g]
        total += (base_values(rows, rows)[0] ** (long(exponent) / 2)).sum() / (2 * len(rows))
    return total


def group_sums(powers: Long, labels: NDArray[np.int64]) -> tuple[Long, Long]:
    """Return Σ_{i<j} over all rows / N, and Σ over groups of that within each."""
    within = np.longdouble(0)
    for g in np.unique(labels):
        rows = labels == g
        within += powers[np.ix_(rows, rows)].sum() / (2 * np.count_nonzero(rows))
    return powers.sum() / (2 * len(labels)), within


class Cluster(NamedTuple):
    """The rows of one cluster, about their heaviest row, so that the mean loses no digits."""

    rows: Long
    weights: Long
    origin: Long

    @classmethod
    def of(cls, x: object, labels: NDArray[np.int64], w: object, g: int) -> Cluster:
        chosen = (labels == g) & (np.asarray(w) > 0)
        rows, weights = long(x)[chosen], long(w)[chosen]
        origin = rows[weights.argmax()]
        return cls(rows - origin, weights, origin)

    @property
    def offset(self) -> Long:
        """Return the mean less the origin."""
        return np.asarray((self.rows * self.weights[:, None]).sum(axis=0) / self.weights.sum())

    @property
    def moved(self) -> Long:
        return self.rows - self.offset


def distances(moved: Long, metric: str) -> Long:
    """Return the lengths of rows."""
    return np.asarray(
        np.abs(moved).sum(axis=-1) if metric == "cityblock" else np.sqrt((moved**2).sum(axis=-1))
    )


def pair_sum(rows: Long, weights: Long, metric: str) -> Long:
    """Return Σ_{i<j} wᵢ wⱼ D(xᵢ, xⱼ)."""
    total = np.longdouble(0)
    for i, row in enumerate(rows):
        total += weights[i] * (weights[i + 1 :] * distances(rows[i + 1 :] - row, metric)).sum()
    return np.asarray(total)


def silhouettes(d: Long, labels: NDArray[np.int64], w: Long) -> Long:
    """Return (b − a) / max(a, b) of every row, from all distances."""
    names = np.unique(labels)
    s = np.zeros(len(labels), np.longdouble)
    for i in range(len(labels)):
        means = []
        for g in names:
            members = labels == g
            if g == labels[i]:
                members = members & (np.arange(len(labels)) != i)
                own = (d[i] * w)[members].sum() / w[members].sum() if members.any() else None
            else:
                means.append((d[i] * w)[members].sum() / w[members].sum())
        if own is not None and max(own, min(means)) > 0:
            s[i] = (min(means) - own) / max(own, min(means))
    return s

"""Compute what is right, in extended precision from the stored values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import fastdiv as fd

Long = NDArray[np.longdouble]


def long(a: object) -> Long:
    return np.asarray(a, dtype=np.longdouble)


def base_values(x: object, y: object) -> tuple[Long, Long, Long]:
    """Return squared distances, L1 distances and dot products, by rows to save memory."""
    a, b = long(x), long(y)
    squares, l1, dots = (np.empty((len(a), len(b)), np.longdouble) for _ in range(3))
    for i, row in enumerate(a):
        differences = row - b
        squares[i] = (differences**2).sum(axis=1)
        l1[i] = np.abs(differences).sum(axis=1)
        dots[i] = (row * b).sum(axis=1)
    return squares, l1, dots


def kernel_values(kernel: object, x: object, y: object) -> Long:
    """Evaluate a kernel at all pairs, by its textbook formula."""
    squares, l1, dots = base_values(x, y)
    match kernel:
        case fd.RBF(s):
            return np.exp(-squares / (2 * long(s) ** 2))
        case fd.Laplacian(s):
            return np.exp(-l1 / s)
        case fd.Matern(nu, s):
            r = np.sqrt(long(2 * nu) * squares) / s
            polynomial = {0.5: 1 + 0 * r, 1.5: 1 + r, 2.5: 1 + r + r * r / 3}[nu]
            return polynomial * np.exp(-r)
        case fd.RationalQuadratic(alpha, s):
            return (1 + squares / (2 * long(alpha) * long(s) ** 2)) ** -long(alpha)
        case fd.InverseMultiquadric(c):
            return c / (c + squares)
        case fd.Energy(exponent):
            return -(squares ** (long(exponent) / 2))
        case fd.Linear():
            return dots
        case fd.Polynomial(degree, gamma, coef0):
            return (long(gamma) * dots + coef0) ** degree
        case _:
            raise AssertionError(kernel)


def mmd_means(
    kernel: object, x: object, y: object, u: object, v: object, estimator: str
) -> tuple[Long, Long]:
    """Return the three weighted means of an estimator, and those of absolute values."""

    def mean(a: object, b: object, p: Long, q: Long, off_diagonal: bool) -> tuple[Long, Long]:
        products = p[:, None] * q
        if off_diagonal:
            np.fill_diagonal(products, 0)
        k = kernel_values(kernel, a, b)
        return (k * products).sum() / products.sum(), (abs(k) * products).sum() / products.sum()

    p, q = long(u), long(v)
    distinct = estimator != "biased"
    means = (
        mean(x, x, p, p, distinct),
        mean(y, y, q, q, distinct),
        mean(x, y, p, q, estimator == "paired"),
    )
    signed, absolute = zip(*means, strict=True)
    return long(signed), long(absolute)


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


def diagonal_kl(mean_p: object, log_p: Long, mean_q: object, log_q: Long) -> Long:
    """Return the divergences of diagonal Gaussians, from logarithms of their variances."""
    ratio = log_p - log_q
    shift = (long(mean_p) - long(mean_q)) ** 2 / np.exp(log_q)
    return (np.expm1(ratio) - ratio + shift).sum(axis=-1) / 2

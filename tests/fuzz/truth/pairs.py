"""Kernel values, and sums over pairs of rows, from the stored values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import fastdiv as fd

Long = NDArray[np.longdouble]


def long(a: object) -> Long:
    return np.asarray(a, dtype=np.longdouble)


def expm1_less(t: object) -> Long:
    """Return exp(t) − 1 − t, by its series near 0, where a difference would cancel."""
    values = long(t)
    near = np.abs(values) < 0.1
    u, series = np.where(near, values, 0), np.zeros_like(values)
    for k in range(16, 1, -1):
        series = (1 + series) * u / k
    with np.errstate(over="ignore"):
        return np.asarray(np.where(near, series * u, np.expm1(values) - values))


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
        case fd.Sum(kernels, weights):
            parts = zip(kernels, weights or (1.0,) * len(kernels), strict=True)
            return sum(w * kernel_values(part, x, y) for part, w in parts)  # type: ignore[return-value]
        case fd.RBF(s) if np.ndim(s):
            squares = base_values(long(x) / long(s), long(y) / long(s))[0]
            return np.exp(-squares / 2)
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


def gradient_sums(kernel: object, x: object, y: object, off_diagonal: bool) -> tuple[Long, Long]:
    """Return the gradients of Σⱼ k(xᵢ, yⱼ) with respect to xᵢ, and sums of absolute terms."""
    a, b = long(x), long(y)
    total, absolute = np.zeros_like(a), np.zeros_like(a)
    for i, row in enumerate(a):
        moved = row - b
        squares, l1, dots = (moved**2).sum(axis=1), abs(moved).sum(axis=1), (row * b).sum(axis=1)
        slopes, directions = slopes_at(kernel, squares, l1, dots), moved
        if isinstance(kernel, fd.Laplacian):
            directions = np.sign(moved)
        elif isinstance(kernel, (fd.Linear, fd.Polynomial)):
            directions = b
        slopes = np.where(np.isinf(slopes), 0, slopes)  # a cusp
        if off_diagonal:
            slopes[i] = 0
        terms = slopes[:, None] * directions
        total[i], absolute[i] = terms.sum(axis=0), abs(terms).sum(axis=0)
    return total, absolute


def slopes_at(kernel: object, squares: Long, l1: Long, dots: Long) -> Long:
    """Return the factors of x − y, of its signs or of y in gradients of a kernel."""
    match kernel:
        case fd.RBF(s):
            return -np.exp(-squares / (2 * long(s) ** 2)) / long(s) ** 2
        case fd.Laplacian(s):
            return -np.exp(-l1 / s) / s
        case fd.Matern(nu, s):
            r = np.sqrt(long(2 * nu) * squares) / s
            with np.errstate(divide="ignore"):
                factor = {0.5: 1 / r, 1.5: 1 + 0 * r, 2.5: (1 + r) / 3}[nu]
            return -factor * np.exp(-r) * (2 * nu) / long(s) ** 2
        case fd.RationalQuadratic(alpha, s):
            t = 1 + squares / (2 * long(alpha) * long(s) ** 2)
            return -(t ** (-long(alpha) - 1)) / long(s) ** 2
        case fd.InverseMultiquadric(c):
            return -2 * long(c) / (c + squares) ** 2
        case fd.Energy(exponent):
            with np.errstate(divide="ignore"):
                return -long(exponent) * squares ** (long(exponent) / 2 - 1)
        case fd.Linear():
            return np.ones_like(dots)
        case fd.Polynomial(degree, gamma, coef0):
            return degree * long(gamma) * (long(gamma) * dots + coef0) ** (degree - 1)
        case _:
            raise AssertionError(kernel)

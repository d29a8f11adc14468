"""Draw inputs of the kinds that have broken numerical code before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Rng = np.random.Generator

WIDTHS = (1, 1, 2, 3, 5, 8, 17, 33, 64, 150, 300)
WIDE = (511, 513, 768, 1025, 4096, 20_000)


def shape(rng: Rng) -> tuple[int, int, int]:
    """Return numbers of rows and of features, few rows if there are many features."""
    if rng.random() < 0.15:
        return (*map(int, rng.integers(2, 9, size=2)), int(rng.choice(WIDE)))
    return (*map(int, rng.integers(2, 70, size=2)), int(rng.choice(WIDTHS)))


def power(rng: Rng, low: float, high: float) -> float:
    """Return a power of ten between 10^low and 10^high."""
    return float(10.0 ** rng.uniform(low, high))


def plain(rng: Rng, n: int, d: int) -> Rows:
    return rng.normal(size=(n, d))


def shifted(rng: Rng, n: int, d: int) -> Rows:
    return rng.normal(size=(n, d)) + power(rng, 0, 6)


def clusters(rng: Rng, n: int, d: int) -> Rows:
    """Put tight clusters far apart."""
    centres = rng.normal(size=(3, d)) * power(rng, 0, 6)
    return centres[rng.integers(3, size=n)] + rng.normal(size=(n, d))


def scaled_features(rng: Rng, n: int, d: int) -> Rows:
    return rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-3, 3, size=d)


def scaled_rows(rng: Rng, n: int, d: int) -> Rows:
    return rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-3, 3, size=(n, 1))


def one_far_row(rng: Rng, n: int, d: int) -> Rows:
    x = rng.normal(size=(n, d))
    x[rng.integers(n)] *= power(rng, 2, 8)
    return x


def one_sign(rng: Rng, n: int, d: int) -> Rows:
    return rng.uniform(0.5, 1.5, size=(n, d))


def equal_features(rng: Rng, n: int, d: int) -> Rows:
    """Let all roundings along the features go one way."""
    return np.repeat(rng.uniform(0.5, 1.5, size=(n, 1)), d, axis=1)


def grid(rng: Rng, n: int, d: int) -> Rows:
    """Return integers, with many equal distances and some equal rows."""
    return rng.integers(0, 4, size=(n, d)).astype(np.float64)


KINDS: tuple[Callable[[Rng, int, int], Rows], ...] = (
    plain,
    shifted,
    clusters,
    scaled_features,
    scaled_rows,
    one_far_row,
    one_sign,
    equal_features,
    grid,
)


def sample(rng: Rng, n: int, d: int, dtype: type, scale: float = 1.0) -> NDArray[np.floating]:
    """Draw n rows of one kind."""
    kind = KINDS[rng.integers(len(KINDS))]
    return (kind(rng, n, d) * scale).astype(dtype)


def pair(
    rng: Rng, dtype: type, *, matched: bool = False
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Draw two samples of one kind and scale, nearly matched at times."""
    n, m, d = shape(rng)
    scale = 1.0
    if rng.random() < 0.2:  # squares of these are far inside the range, or far outside of float32's
        scale = power(rng, -30, 30) if dtype == np.float32 else power(rng, -140, 140)
    kind = KINDS[rng.integers(len(KINDS))]
    both = kind(rng, n + (n if matched else m), d) * scale
    if matched and rng.random() < 0.5:
        both[n:] = both[:n] * (1 + rng.normal(size=(n, d)) * power(rng, -7, -2))
    both = both.astype(dtype)
    return both[:n], both[n:]


def weights(rng: Rng, n: int) -> Rows:
    """Draw weights: of one size, of very different sizes, whole numbers, with zeros."""
    w: Rows = (
        rng.uniform(0.1, 1.0, size=n),
        10.0 ** rng.uniform(-12, 0, size=n),
        rng.integers(1, 5, size=n).astype(np.float64),
        rng.uniform(0.1, 1.0, size=n) * 10.0 ** rng.uniform(-150, 150),
    )[rng.integers(4)]
    if n > 3 and rng.random() < 0.3:
        w[rng.integers(2, n) :] = 0.0
    return w

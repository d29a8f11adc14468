"""Draw samples, weights and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.draw.layouts import layout

Rows = NDArray[np.float64]
Rng = np.random.Generator

WIDTHS = (1, 1, 2, 3, 5, 8, 17, 33, 64, 150, 300)
WIDE = (511, 513, 768, 1025, 4096, 20_000)
WIDEST = (100_000, 1_000_000)


def shape(rng: Rng, least: int = 2) -> tuple[int, int, int]:
    """Return numbers of rows and of features, few rows if there are many features."""
    chance = rng.random()
    if chance < 0.001:
        return (*map(int, rng.integers(least, least + 2, size=2)), int(rng.choice(WIDEST)))
    if chance < 0.15:
        return (*map(int, rng.integers(least, 9, size=2)), int(rng.choice(WIDE)))
    return (*map(int, rng.integers(least, 70, size=2)), int(rng.choice(WIDTHS)))


def power(rng: Rng, low: float, high: float) -> float:
    """Return a power of ten between 10^low and 10^high."""
    return float(10.0 ** rng.uniform(low, high))


def scale(rng: Rng, dtype: type) -> float:
    """Return 1, or now and then a scale on which squares are near or beyond the range."""
    if rng.random() > 0.2:
        return 1.0
    if dtype == np.float32:
        return power(rng, -30, 30)
    return power(rng, -140, 140) if rng.random() < 0.7 else power(rng, -300, 300)


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


def constant_features(rng: Rng, n: int, d: int) -> Rows:
    """Let features be constant, and some rows equal."""
    x = rng.normal(size=(n, d))
    x[:, rng.random(d) < 0.5] = 3.7
    return x[rng.integers(n, size=n)] if rng.random() < 0.5 else x


def near_rows(rng: Rng, n: int, d: int) -> Rows:
    """Return copies of few rows, moved by some of their last digits."""
    few = rng.normal(size=(3, d))[rng.integers(3, size=n)]
    return few * (1 + rng.normal(size=(n, d)) * power(rng, -15, -4))


KINDS: tuple[Callable[[Rng, int, int], Rows], ...] = (
    plain,
    plain,
    shifted,
    clusters,
    scaled_features,
    scaled_rows,
    one_far_row,
    one_sign,
    equal_features,
    grid,
    constant_features,
    near_rows,
)


def rounded(x: Rows, dtype: type) -> NDArray[Any]:
    """Round to an element type, with what is beyond its range at its edge."""
    most = float(np.finfo(dtype).max)
    return np.clip(x, -most, most).astype(dtype)


def sample(rng: Rng, n: int, d: int, dtype: type) -> NDArray[Any]:
    """Draw n rows of one kind, of any scale and layout."""
    kind = KINDS[rng.integers(len(KINDS))]
    return layout(rng, rounded(kind(rng, n, d) * scale(rng, dtype), dtype))


def pair(
    rng: Rng, dtype: type, *, matched: bool = False, least: int = 2
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw two samples of one kind and scale, nearly matched at times."""
    n, m, d = shape(rng, least)
    kind = KINDS[rng.integers(len(KINDS))]
    both = kind(rng, n + (n if matched else m), d) * scale(rng, dtype)
    if matched and rng.random() < 0.5:
        both[n:] = both[:n] * (1 + rng.normal(size=(n, d)) * power(rng, -7, -2))
    both = rounded(both, dtype)
    return layout(rng, both[:n]), layout(rng, both[n:])


def labels(rng: Rng, n: int, most: int = 5) -> NDArray[np.int64]:
    """Draw labels of two clusters or more, fewer than there are rows."""
    k = int(rng.integers(2, max(3, min(most, n - 1) + 1)))
    codes = np.arange(n) % k
    if rng.random() < 0.3:
        codes[k:] = 0  # single rows beside a large cluster
    return rng.permutation(codes)


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

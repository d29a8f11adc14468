"""Quantised rows, and statistics of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.pairs import ESTIMATORS, any_kernel, any_weights
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import pairs as truth
from fuzz.truth.pairs import long

FLOAT32 = CONTRACT[np.float32]
"""Kernels between quantised rows are computed in float32."""


def rows(rng: Rng, x: Any) -> fd.QuantizedRows:
    return fd.quantize_rows(x, symmetric=bool(rng.random() < 0.5))


def two(rng: Rng, dtype: type, *, matched: bool = False, least: int = 2) -> Any:
    """Draw two samples, quantise them, and return both kinds and the exact quantised values."""
    x, y = draw.pair(rng, dtype, matched=matched, least=least)
    a, b = rows(rng, x), rows(rng, y)
    return x, y, a, b, a.dequantize(np.float64), b.dequantize(np.float64)


@case("quantize_rows", "QuantizedRows", "QuantizedRows.dequantize")
def quantize(rng: Rng, dtype: type) -> Outcomes:
    n, m, d = draw.shape(rng, 1)
    x = draw.sample(rng, n + m, d, dtype)
    symmetric = bool(rng.random() < 0.5)
    q = fd.quantize_rows(x, symmetric=symmetric)
    a, s = long(x), long(q.scale)
    what = f"{symmetric=}"
    z = np.zeros(len(a)) if q.zero_point is None else q.zero_point.astype(int)
    back = s[:, None] * (q.values.astype(int) - z[:, None])
    yield holds("QuantizedRows.dequantize", d, long(q.dequantize(np.float64)) == back, what)
    moved = np.abs(back - a) / s[:, None]
    # The quotient x/s is rounded before it becomes an integer.
    yield holds("quantize_rows: half a step", d, moved <= 0.5 * (1 + 1e-9), what)
    largest = np.abs(a).max(axis=1) / 127
    if not symmetric:
        largest = (np.maximum(a.max(axis=1), 0) - np.minimum(a.min(axis=1), 0)) / 255
    expected = np.where(largest == 0, 1, np.maximum(largest, np.finfo(np.float32).tiny))
    yield compare("quantize_rows: scale", d, s, expected, expected, 3e-7, what)


@case("hybrid_matmul", "HybridProduct")
def products(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype, least=1)
    w = rows(rng, y)
    result = fd.hybrid_matmul(x, w)
    exact = np.stack([(long(x) * row).sum(axis=1) for row in long(y)], axis=1)
    inside = np.abs(long(result.values) - exact) <= long(result.bound) * (1 + 1e-9)
    yield holds("hybrid_matmul: bound", x.shape[1], inside)
    left, right = (long(q.dequantize(np.float64)) for q in (fd.quantize_rows(x), w))
    product = np.stack([(left * row).sum(axis=1) for row in right], axis=1)
    size = np.abs(product) + float(np.finfo(np.float32).tiny)
    yield compare("hybrid_matmul: values", x.shape[1], result.values, product, size, 2e-7)


@case("QuantizedEstimate")
def mmd2_of_quantized(rng: Rng, dtype: type) -> Outcomes:
    estimator = str(rng.choice(ESTIMATORS))
    x, y, a, b, left, right = two(rng, dtype, matched=estimator == "paired")
    kernel = any_kernel(rng, left, right)
    d, what = x.shape[1], f"{kernel}, {estimator}"
    u, v, options = any_weights(rng, x, y)
    if options and "Linear" in str(kernel):
        return
    means, absolute = truth.mmd_means(kernel, left, right, u, v, estimator)
    if not absolute.max() < 1e30:
        return
    expected = means[0] + means[1] - 2 * means[2]
    got = fd.mmd2(a, b, kernel, estimator=estimator, **options)
    size = absolute[0] + absolute[1] + 2 * absolute[2]
    yield compare("mmd2: quantized", d, got.value, expected, size, FLOAT32, what)
    before, _ = truth.mmd_means(kernel, x, y, u, v, estimator)
    change = abs(before[0] + before[1] - 2 * before[2] - expected)
    yield holds("mmd2: bound", d, change <= got.bound * (1 + 1e-9) + 1e-12 * size, what)


def allclose(name: str, d: int, got: Any, expected: Any, size: Any, what: str = "") -> Any:
    return compare(f"{name}: quantized", d, got, expected, size, 2 * FLOAT32, what)


@case()
def other_sums_of_quantized(rng: Rng, dtype: type) -> Outcomes:
    """Compare functions of quantised rows with those of the same rows in float64."""
    _, _, a, b, left, right = two(rng, dtype)
    d, n = left.shape[1], len(left)
    pooled = np.concatenate([left, right])
    spread = float(np.abs(pooled - pooled[0]).max())
    if not 1e-15 < spread < 1e15:
        return
    labels = draw.labels(rng, n) if n > 2 else None
    which = rng.integers(8)
    if which == 0:
        got, expected = fd.median_distance(a, b), fd.median_distance(left, right)
        yield allclose("median_distance", d, got, expected, expected)
    elif which == 1:
        got, expected = fd.energy_distance(a, b), fd.energy_distance(left, right)
        size = 4 * np.sqrt(truth.base_values(pooled, pooled)[0]).mean()
        yield allclose("energy_distance", d, got.value, expected, size)
    elif which == 2:
        kernel = fd.RBF(spread)
        got = fd.witness(a, b, b, kernel)
        yield allclose("witness", d, got, fd.witness(left, right, right, kernel), 2.0)
    elif which == 3 and labels is not None:
        got, expected = fd.permanova(a, labels, rng=0), fd.permanova(left, labels, rng=0)
        yield allclose("permanova", d, got.ss_within, expected.ss_within, expected.ss_total)
        got, expected = fd.disco(a, labels, rng=0), fd.disco(left, labels, rng=0)
        yield allclose("disco", d, got.within, expected.within, expected.total)
    elif which == 4 and labels is not None:
        got, expected = fd.silhouette_samples(a, labels), fd.silhouette_samples(left, labels)
        yield allclose("silhouette_samples", d, got, expected, 2.0)
        got, expected = fd.dunn_index(a, labels), fd.dunn_index(left, labels)
        if np.isfinite(expected):
            yield allclose("dunn_index", d, got, expected, expected)
    elif which == 5 and labels is not None:
        for function in (fd.wcss, fd.calinski_harabasz_score, fd.davies_bouldin_score):
            got, expected = function(a, labels), function(left, labels)
            name = function.__name__
            yield compare(f"{name}: quantized", d, got, expected, expected, 1e-11)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            got, expected = fd.geometric_median(a, labels), fd.geometric_median(left, labels)
        size = expected.sum_dist + 1e-300
        yield compare("geometric_median: quantized", d, got.sum_dist, expected.sum_dist, size, 1e-6)
    elif which == 6 and d <= 300:  # the covariance has d² entries
        got, expected = fd.fit_gaussian(a), fd.fit_gaussian(left)
        yield compare("fit_gaussian: quantized", d, got.mean, expected.mean, spread, 1e-11)
        size = spread**2
        yield compare("fit_gaussian: quantized", d, got.cov(), expected.cov(), size, 1e-11)
    elif which == 7:
        k = 1
        distances = np.sqrt(truth.base_values(pooled, pooled)[0])
        np.fill_diagonal(distances, np.inf)
        if distances.min() > 0 and n > k:
            got, expected = fd.kl_knn(a, b, k), fd.kl_knn(left, right, k)
            yield allclose("kl_knn", d, got, expected, d * (1 + abs(expected)))


CALLS: dict[str, Callable[..., Any]] = {
    "cmmd": lambda x, y: fd.cmmd(x, y),
    "cmmd, normalized": lambda x, y: fd.cmmd(x, y, normalize=True),
    "wae_mmd": lambda x, y: fd.wae_mmd(x, y),
    "energy_distance": lambda x, y: fd.energy_distance(x, y),
}


@case()
def bounds_of_quantized(rng: Rng, dtype: type) -> Outcomes:
    """Check that the statistic of the rows before quantisation is within the bound."""
    name = str(rng.choice(list(CALLS)))
    x, y, a, b, left, right = two(rng, np.float64)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    largest = float(max(np.abs(x).max(), np.abs(y).max()))
    if not 1e-10 < largest < 1e10:
        return
    if "normalized" in name and min(np.abs(v).max(axis=1).min() for v in (x, y, left, right)) == 0:
        return
    call = CALLS[name]
    estimate, exact, same = call(a, b), call(x, y), call(left, right)
    scale = {"wae_mmd": 14.0, "energy_distance": 4 * largest * x.shape[1]}
    size = scale.get(name, 4000.0)
    rounding = 1e-11 * size
    inside = abs(exact - same) <= estimate.bound + rounding
    yield holds(f"{name}: bound", x.shape[1], inside, f"{exact}, {same}, {estimate}")
    yield allclose(name, x.shape[1], estimate.value, same, size)

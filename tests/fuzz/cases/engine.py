"""Functions of the compiled core over samples, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fastdiv import _core as core
from fastdiv._engine.types import WeightedSumsRequest
from fastdiv._sums import reference
from fastdiv._sums.pair_means import pair_counts, statistic
from fastdiv.kernels.evaluation import kernel_gradients, kernel_log_slopes, kernel_values
from fastdiv.kernels.lowering import lower
from fuzz import draw
from fuzz.cases.pairs import several_kernels
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds

LARGEST = 40_000
"""Entries of a sample for which the reference, which stores all pairs, is quick."""

PAIRS = ("distinct", "all", "off_diagonal")

VANISHES = 1e-30
"""Share of the largest sum of a kernel below which another may be 0, as no statistic sees it."""


def beside_the_largest(bound: Any, axes: int | tuple[int, int] = -1) -> Any:
    """Return a bound that is not below a tiny part of the largest along some axes."""
    return np.maximum(bound, VANISHES * bound.max(axis=axes, keepdims=True))


def two_samples(rng: Rng, dtype: type, *, matched: bool = False) -> tuple[Any, Any]:
    """Draw samples of one scale that the core takes in any strides."""
    n, m, d = draw.shape(rng, 1)
    n, m = min(n, max(1, LARGEST // d)), min(m, max(1, LARGEST // d))
    drawn = draw.sample(rng, n + (n if matched else m), min(d, LARGEST), dtype)
    largest = float(np.abs(drawn).max())
    if not 1e-60 < largest < 1e60:  # the reference knows no fourth powers beyond the range
        drawn = np.zeros_like(drawn) if largest < 1e-60 else drawn * (1e60 / largest)
    both = drawn.astype(dtype)
    return draw.strided(rng, both[:n]), draw.strided(rng, both[n:])


def groups_of(rng: Rng, x: Any, y: Any) -> tuple[Any, int]:
    kernels = several_kernels(rng, x, y)
    return lower(kernels).groups, len(kernels)


def row_weights(rng: Rng, n: int) -> Any:
    """Draw weights on the scale that `_inputs` gives them, or None."""
    if rng.random() < 0.5:
        return None
    w = draw.weights(rng, n)
    return w / w.max()


def sizes_of(x: Any, y: Any, groups: Any, outputs: int) -> Any:
    """Return absolute values of the terms at all pairs, summed for each output."""
    total = np.zeros((outputs, len(x), len(y)))
    for *key, terms in groups:
        for term in terms:
            a, b = (np.abs(x), np.abs(y)) if key[0] == "dot" else (x, y)  # products may cancel
            one = [(*key, [term])]
            total += np.abs(kernel_values(a[:, None], b[None], one, outputs))
    return total


@case(
    *("engine.pair_sums", "engine.mmd2", "engine.quad_forms"),
    *("engine.row_sums", "engine.paired_values"),
)
def engine_pairs(rng: Rng, dtype: type) -> Outcomes:
    matched = rng.random() < 0.5
    x, y = two_samples(rng, dtype, matched=matched)
    d, allowed = x.shape[1], CONTRACT[dtype]
    groups, outputs = groups_of(rng, x, y)
    what = str([term[0] for group in groups for term in group[-1]])
    xx, yy, xy = (sizes_of(a, b, groups, outputs) for a, b in ((x, x), (y, y), (x, y)))
    if not max(part.max() for part in (xx, yy, xy)) < float(np.finfo(dtype).max) * 1e-6:
        return
    pairs = "off_diagonal" if matched else str(rng.choice(PAIRS[:2]))
    arguments = (x, y, groups, outputs, 1, None, pairs)
    bound = beside_the_largest(np.stack([part.sum(axis=(1, 2)) for part in (xx, yy, xy)], axis=-1))
    got, expected = core.pair_sums(*arguments), reference.pair_sums(*arguments)
    yield compare("engine.pair_sums", d, got, expected, bound, allowed, what)
    if min(len(x), len(y)) > 1:
        counts = pair_counts(len(x), len(y), pairs)
        value, expected = core.mmd2(*arguments), statistic(got, counts)
        yield holds("engine.mmd2", d, np.array_equal(value, expected))
    labels = (rng.random((5, len(x))) < rng.random((5, 1))).astype(np.uint8)
    for each in (False, True):
        counted = str(rng.choice(PAIRS[:2]))
        arguments = (x, labels, groups, outputs, 1, None, each, counted)
        got, expected = core.quad_forms(*arguments), reference.quad_forms(*arguments)
        off = xx * (1 - (counted != "all") * np.eye(len(x)))
        bound = off.sum(axis=(1, 2))[:, None, None]
        if each:  # a sum within a group is relative to itself
            p, q = labels.astype(float), 1.0 - labels
            parts = [np.einsum("oij,bi,bj->ob", off, a, b) for a, b in ((p, p), (q, q), (p, q))]
            bound = np.stack(parts, axis=-1)
            # An exponential multiplies the rounding of its exponent, up to 2e-15, by the exponent.
            bound *= np.maximum(1.0, -np.log(np.maximum(bound, np.finfo(float).tiny)) / 200)
        yield compare("engine.quad_forms", d, got, expected, bound, allowed, f"{what} {each}")
    weights = row_weights(rng, len(x))
    arguments = (y, x, weights, groups, outputs, 1, None)
    got, expected = core.row_sums(*arguments), reference.row_sums(*arguments)
    bound = np.swapaxes(xy, 1, 2) @ (np.ones(len(x)) if weights is None else weights)
    bound = bound + bound.mean(axis=1, keepdims=True)
    yield compare("engine.row_sums", d, got, expected, bound, allowed, what)
    if matched:
        got = core.paired_values(x, y, groups, outputs, 1)
        expected = reference.paired_values(x, y, groups, outputs, 1)
        bound = np.einsum("oii->oi", xy)
        bound = np.maximum(bound, bound.mean(axis=1, keepdims=True))
        yield compare("engine.paired_values", d, got, expected, bound, allowed, what)


@case("engine.weighted_sums", "engine.log_slope_sums")
def engine_weighted_pairs(rng: Rng, dtype: type) -> Outcomes:
    matched = rng.random() < 0.5
    x, y = two_samples(rng, dtype, matched=matched)
    if len(x) * len(y) * x.shape[1] > 300_000:
        return  # gradients of all pairs, of the reference
    d, allowed = x.shape[1], CONTRACT[dtype]
    groups, outputs = groups_of(rng, x, y)
    what = str([term[0] for group in groups for term in group[-1]])
    u, v = rng.random(len(x)), rng.random(len(y))
    u[0] = 0.0
    factors, pairs = rng.normal(size=3), str(rng.choice(PAIRS if matched else PAIRS[:2]))
    request = WeightedSumsRequest([1.0, 1.0, -2.0] / factors[None], None, True, True, True, pairs)
    arguments = (x, y, u, v, request, groups, outputs, 1, None)
    xx, yy, xy = (sizes_of(a, b, groups, outputs) for a, b in ((x, x), (y, y), (x, y)))
    if not max(part.max() for part in (xx, yy, xy)) < float(np.finfo(dtype).max) * 1e-6:
        return
    with np.errstate(over="ignore"):
        got, expected = core.weighted_sums(*arguments), reference.weighted_sums(*arguments)
    weighted = ((xx, u, u), (yy, v, v), (xy, u, v))
    sums = [np.einsum("oij,i,j->o", k, p, q) for k, p, q in weighted]
    bound = beside_the_largest(np.stack(sums, axis=-1))
    name = "engine.weighted_sums"
    yield compare(name, d, got[0][0], expected[0][0], bound, allowed, what)
    bound = bound @ np.abs(factors)
    yield compare(f"{name}: values", d, got[5][0], expected[5][0], bound, allowed, what)
    for part, left, right in (
        (1, xx @ u, xy @ v),
        (2, yy @ v, np.swapaxes(xy, 1, 2) @ u),
    ):
        bound = beside_the_largest(np.stack([left, right]), (0, 2))
        bound = bound + bound.mean(axis=-1, keepdims=True)
        a, b = got[part][:, 0], expected[part][:, 0]
        yield compare(f"{name}: rows", d, a, b, bound, allowed, what)
    for part, a, p, b, q, factor in ((3, x, u, y, v, factors[0]), (4, y, v, x, u, factors[1])):
        with np.errstate(over="ignore"):
            within = np.abs(kernel_gradients(a[:, None], a[None], groups, outputs))
            between = np.abs(kernel_gradients(a[:, None], b[None], groups, outputs))
        bound = 2 * abs(factor) * np.einsum("oijk,i,j->oik", within, p, p)
        bound += abs(factors[2]) * np.einsum("oijk,i,j->oik", between, p, q)
        if np.isfinite(bound).all() and bound.max() < np.finfo(dtype).max:
            label = f"{name}: gradients"
            pair = got[part][0], expected[part][0]
            yield compare(label, d, *pair, bound.max(), 10 * allowed, what)
    arguments = (x, y, u, v, groups, outputs, 1, None, pairs)
    if any(term[0] in ("linear", "polynomial", "energy") for g in groups for term in g[-1]):
        return  # without a bandwidth
    with np.errstate(over="ignore"):
        got, expected = core.log_slope_sums(*arguments), reference.log_slope_sums(*arguments)
        sums = [
            np.abs(kernel_log_slopes(a[:, None], b[None], groups, outputs)) @ q @ p
            for a, b, p, q in ((x, x, u, u), (y, y, v, v), (x, y, u, v))
        ]
    sums = [np.maximum(s, k @ q @ p) for s, (k, p, q) in zip(sums, weighted, strict=True)]
    bound = beside_the_largest(np.stack(sums, axis=-1))
    yield compare("engine.log_slope_sums", d, got, expected, bound, allowed, what)


@case(
    *("engine.ranked_distances", "engine.median_distances", "engine.kth_distances"),
    *("engine.label_extremes", "engine.label_sums", "engine.quantized_products"),
    "engine.first_nonfinite",
)
def engine_distances(rng: Rng, dtype: type) -> Outcomes:
    x, y = two_samples(rng, dtype)
    n, m, d = len(x), len(y), x.shape[1]
    allowed, metric = CONTRACT[dtype], str(rng.choice(["euclidean", "cityblock"]))

    def both(name: str, *arguments: Any) -> tuple[Any, Any]:
        return getattr(core, name)(*arguments), getattr(reference, name)(*arguments)

    if n > 1:
        rank = int(rng.integers(n * (n - 1) // 2))
        got, expected = both("ranked_distances", x, None, 1, metric, rank, 1, None)
        yield compare("engine.ranked_distances", d, got, expected, expected, allowed, metric)
        got, expected = both("median_distances", x, np.array([n]), metric, 1, None)
        yield compare("engine.median_distances", d, got, expected, expected, allowed, metric)
    got, expected = both("ranked_distances", x, y, 1, metric, int(rng.integers(n * m)), 1, None)
    yield compare("engine.ranked_distances", d, got, expected, expected, allowed, metric)
    k = int(rng.integers(1, min(m, 64) + 1))
    got, expected = both("kth_distances", x, y, k, False, 1, None)
    yield compare("engine.kth_distances", d, got, expected, expected, allowed, f"{k=}")
    sizes = rng.multinomial(n, np.ones(3) / 3)
    got, expected = both("label_extremes", x, metric, sizes, 1, None)
    yield compare("engine.label_extremes", d, got, expected, expected, allowed, str(sizes))
    groups = lower([fd.Energy(1.0), fd.Energy(0.5)]).groups
    weights = row_weights(rng, n)
    got, expected = both("label_sums", x, weights, sizes, groups, 2, 1, None)
    bound = np.abs(expected) + np.abs(expected).mean(axis=-1, keepdims=True)
    yield compare("engine.label_sums", d, got, expected, bound, allowed, str(sizes))
    bad = np.array(x)
    if rng.random() < 0.7:
        bad.flat[rng.integers(bad.size)] = rng.choice([np.nan, np.inf, -np.inf])
    got, expected = both("first_nonfinite", draw.strided(rng, bad), bool(rng.random() < 0.5))
    yield holds("engine.first_nonfinite", d, got == expected)
    if np.abs(x).max() < 1e30:
        a, b = fd.quantize_rows(x), fd.quantize_rows(y, symmetric=False)
        got, expected = both("quantized_products", a, b, 1)
        yield compare("engine.quantized_products", d, got, expected, np.abs(expected), 1e-6)


@case("engine.cluster_sums", "engine.center_squares", "engine.first_rows")
def engine_clusters(rng: Rng, dtype: type) -> Outcomes:
    x, _ = two_samples(rng, dtype)
    n, d = x.shape
    k = int(rng.integers(1, 6))
    codes = rng.integers(-1, k, size=n).astype(rng.choice([np.int32, np.int64]))
    if rng.random() < 0.3:
        codes = np.sort(codes)
    weights = row_weights(rng, n)
    centers = np.asarray(x[rng.integers(n, size=k)], np.float64)
    spread = float(np.abs(np.asarray(x, float) - centers[0]).max())
    offsets = rng.normal(size=(k, d)) * spread if rng.random() < 0.5 else None
    w = np.ones(n) if weights is None else weights
    count = np.array([w[codes == g].sum() for g in range(k)])
    reach = spread * np.sqrt(d) * (1 if offsets is None else 4)
    if not (reach < 1e140 and (reach == 0 or reach > 1e-140)):
        return
    for kind in ("squares", "euclidean", "l1", "directions"):
        arguments = (x, codes, weights, centers, offsets, kind, 1, None)
        got, expected = core.cluster_sums(*arguments), reference.cluster_sums(*arguments)
        size = {"squares": reach**2, "directions": 1.0}.get(kind, reach * np.sqrt(d))
        bound = np.abs(expected) + (count * size).reshape(-1, *[1] * (expected.ndim - 1))
        yield compare(f"engine.cluster_sums: {kind}", d, got, expected, bound, 1e-12)
    moved = np.zeros((k, d)) if offsets is None else offsets
    arguments = (x, centers, moved, 1, None)
    got, expected = core.center_squares(*arguments), reference.center_squares(*arguments)
    yield compare("engine.center_squares", d, got, expected, expected + reach**2, 1e-12)
    got, expected = core.first_rows(codes, k), reference.first_rows(codes, k)
    yield holds("engine.first_rows", d, np.array_equal(got, expected))

"""Gradients through discrete choices, and the simplex."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.categoricals import log_softmax
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth.pairs import Long, long


@case("enumeration_grad", "score_function_grad", "GradientEstimate")
def gradients(rng: Rng, dtype: type) -> Outcomes:
    n, k = int(rng.integers(1, 4)), int(rng.integers(2, 30))
    logits = (rng.normal(size=(n, k)) * draw.power(rng, -1, 1.5)).astype(dtype)
    f = (rng.normal(size=k) * draw.power(rng, -3, 3) + rng.normal() * 100).astype(dtype)
    p = np.exp(log_softmax(logits))
    allowed, rounding = CONTRACT[dtype], 1 + np.abs(long(logits)).max()
    mean = (p * long(f)).sum(axis=1, keepdims=True)
    expected = p * (long(f) - mean)
    bound = p * (np.abs(long(f)) + np.abs(mean)) * rounding
    bound = bound + np.exp(long(-80.0))
    got = fd.enumeration_grad(logits, f)
    yield compare("enumeration_grad", k, got, expected, bound, allowed)
    seen: list[Any] = []

    def values_of(z: Any) -> Any:
        seen.append(np.array(z))
        return f.astype(np.float64)[z]

    m = int(rng.integers(2, 60))
    result = fd.score_function_grad(logits, values_of, m, rng=int(rng.integers(2**31)))
    z = np.concatenate(seen)
    value = long(f)[z]
    others = (value.sum(axis=0) - value) / (m - 1)
    score = (z[..., None] == np.arange(k)) - p
    terms = (value - others)[..., None] * score
    size = (np.abs(value) + np.abs(others)).mean() * rounding
    name = "score_function_grad"
    yield compare(name, k, result.gradient, terms.mean(axis=0), size, allowed)
    stderr = terms.std(axis=0, ddof=1) / np.sqrt(long(m))
    yield compare(f"{name}: stderr", k, result.stderr, stderr, size, 10 * allowed)


@case("gumbel_softmax", "RelaxedSample", "RelaxedSample.vjp")
def relaxed(rng: Rng, dtype: type) -> Outcomes:
    n, k = int(rng.integers(1, 5)), int(rng.integers(2, 30))
    logits = (rng.normal(size=(n, k)) * draw.power(rng, -1, 2)).astype(dtype)
    temperature, seed = draw.power(rng, -2, 2), int(rng.integers(2**31))
    what = f"temperature {temperature}"
    soft = fd.gumbel_softmax(logits, temperature, rng=seed)
    hard = fd.gumbel_softmax(logits, temperature, hard=True, rng=seed)
    y = long(soft.sample)
    allowed = CONTRACT[dtype]
    yield compare("gumbel_softmax: sum", k, y.sum(axis=1), np.ones(n), 1.0, allowed, what)
    yield holds("gumbel_softmax: dtype", k, soft.sample.dtype == dtype, what)
    one_hot = np.sort(hard.sample, axis=1)
    yield holds("gumbel_softmax: one-hot", k, (one_hot[:, -1] == 1) & (one_hot[:, -2] == 0), what)
    largest = np.take_along_axis(y, hard.sample.argmax(axis=1)[:, None], axis=1)[:, 0]
    yield holds("gumbel_softmax: argmax", k, largest == y.max(axis=1), what)
    c = (rng.normal(size=(n, k)) * draw.power(rng, -3, 3)).astype(dtype)
    expected = y * (long(c) - (long(c) * y).sum(axis=1, keepdims=True)) / temperature
    size = np.abs(long(c)).max(axis=1, keepdims=True) / temperature * (y + 1e-30)
    # The sample is rounded to its type, and its rows sum to 1 within as much.
    size = size + np.abs(long(c)).max() / temperature * np.finfo(dtype).eps
    for label, relaxation in (("soft", soft), ("hard", hard)):
        got = relaxation.vjp(c)
        yield compare(f"RelaxedSample.vjp: {label}", k, got, expected, size, 2 * allowed, what)


def projected(v: Any) -> Long:
    """Project rows onto the simplex, from sorted values."""
    rows = long(v)
    rows = rows - rows.max(axis=-1, keepdims=True)
    u = -np.sort(-rows, axis=-1)
    counts = np.arange(1, rows.shape[-1] + 1)
    thresholds = (np.cumsum(u, axis=-1) - 1) / counts
    last = (u > thresholds).sum(axis=-1, keepdims=True) - 1
    return np.maximum(rows - np.take_along_axis(thresholds, last, axis=-1), 0)


@case("project_simplex", "quadratic_energy_and_grad")
def simplex(rng: Rng, dtype: type) -> Outcomes:
    n, d = int(rng.integers(1, 5)), int(rng.choice([1, 2, 3, 10, 300, 3000]))
    v = (rng.normal(size=(n, d)) * draw.power(rng, -8, 8)).astype(dtype)
    if rng.random() < 0.3:
        v = (v + dtype(draw.power(rng, 0, 6))).astype(dtype)
    v = draw.layout(rng, v)
    got = fd.project_simplex(v)
    # Relative to the range within which a row has weights.
    yield compare("project_simplex", d, got, projected(v), 1.0, 1e-12)
    yield compare("project_simplex: sum", d, long(got).sum(axis=-1), np.ones(n), 1.0, 1e-12)
    d = min(d, 300)
    r = (rng.normal(size=(d, d)) * draw.power(rng, -3, 3)).astype(dtype)
    p, c = (rng.normal(size=(n, d))).astype(dtype), rng.normal(size=d).astype(dtype)
    energy, q = fd.quadratic_energy_and_grad(r, p, c)
    a, b, s = long(r), long(p), long(c)
    expected = -((b @ a) * b).sum(axis=1) / 2 - b @ s
    size = ((np.abs(b) @ np.abs(a)) * np.abs(b)).sum(axis=1) + np.abs(b) @ np.abs(s)
    name = "quadratic_energy_and_grad"
    yield compare(f"{name}: energy", d, energy, expected, size, 1e-12)
    expected = b @ (a + a.T) / 2 + s
    size = np.abs(b) @ np.abs(a + a.T) + np.abs(s)
    yield compare(f"{name}: q", d, q, expected, size, 1e-12)

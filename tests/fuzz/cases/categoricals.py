"""Categorical distributions, and divergences between them."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth.pairs import Long, expm1_less, long


def log_softmax(values: Any) -> Long:
    logs = long(values)
    logs = logs - logs.max(axis=-1, keepdims=True)
    return np.asarray(logs - np.log(np.exp(logs).sum(axis=-1, keepdims=True)))


def drawn(rng: Rng, dtype: type, n: int, k: int) -> tuple[str, Any, Long]:
    """Draw n distributions, near to each other at times, and return their log probabilities."""
    logits = rng.normal(size=k) * draw.power(rng, -1, 1.5)
    logits = logits + rng.normal(size=(n, k)) * draw.power(rng, -7, 1.5)
    if rng.random() < 0.5:
        values = logits.astype(dtype)
        return "logits", values, log_softmax(values)
    probs = np.exp(log_softmax(logits)).astype(np.float64)
    if rng.random() < 0.3 and k > 2:
        probs[:, rng.integers(k)] = 0.0  # impossible in all
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(dtype)
    total = long(probs).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return "probs", probs, np.log(long(probs) / total)


def terms_of(log_p: Long, log_q: Long) -> Long:
    """Return p (exp(l) − 1 − l) with l = log q − log p, which are never negative."""
    with np.errstate(invalid="ignore"):
        ratio = np.where(log_p == log_q, 0, log_q - log_p)
        p = np.exp(log_p)
        return np.asarray(np.where(p > 0, p * (expm1_less(ratio)), np.exp(log_q)))


def x_log_x(logs: Long) -> Long:
    return np.asarray(np.where(np.isinf(logs), 0, np.exp(logs) * np.where(np.isinf(logs), 0, logs)))


@case(
    "Categorical",
    "Categorical.entropy",
    "Categorical.log_prob",
    "Categorical.probs",
    "Categorical.logits",
    "Categorical.sample",
    "jensen_shannon",
)
def categoricals(rng: Rng, dtype: type) -> Outcomes:
    k = int(rng.choice([2, 3, 10, 100, 300, 5000]))
    name, values, logs = drawn(rng, dtype, 2, k)
    p, q = (fd.Categorical(**{name: draw.layout(rng, v, exact=True)}) for v in values)
    log_p, log_q = logs
    # Logits and their normaliser are rounded, and probabilities below e⁻⁸⁰ count as 0.
    allowed, eps = CONTRACT[dtype], float(np.finfo(dtype).eps)
    rounding = eps * (1 + np.abs(long(values)).max() * (name == "logits"))
    rounding = max(rounding, allowed)
    expected = terms_of(log_p, log_q).sum()
    kl = fd.kl(p, q)
    infinite = np.isinf(log_q[~np.isinf(log_p)]).any()
    if infinite:
        yield holds("kl: categorical, infinite", k, kl == np.inf, name)
        return
    # Values near each other keep their digits: an error of the logarithms counts twice.
    bound = expected + np.sqrt(expected) * rounding / allowed * 1e-2 + rounding**2 / allowed
    yield compare("kl: categorical", k, kl, expected, bound, allowed, name)
    yield holds("kl: equal categorical", k, fd.kl(p, p) == 0, name)
    back = terms_of(log_q, log_p).sum()
    got = fd.jeffreys(p, q)
    limit = bound + back + np.sqrt(back) * rounding / allowed * 1e-2
    yield compare("jeffreys: categorical", k, got, expected + back, limit, allowed, name)
    log_m = np.logaddexp(log_p, log_q) - np.log(long(2))
    js = (terms_of(log_p, log_m).sum() + terms_of(log_q, log_m).sum()) / 2
    limit = js + np.sqrt(js) * rounding / allowed * 1e-2 + rounding**2 / allowed
    got = fd.jensen_shannon(p, q)
    yield compare("jensen_shannon", k, got, js, limit, allowed, name)
    yield holds(
        "jensen_shannon: symmetry", k, abs(fd.jensen_shannon(q, p) - got) <= 1e-12 * (1 + got)
    )
    entropy = -x_log_x(log_p).sum()
    limit = entropy + rounding / allowed
    yield compare("Categorical.entropy", k, p.entropy(), entropy, limit, allowed, name)
    cross = entropy + expected
    got = fd.cross_entropy(p, q)
    yield compare("cross_entropy: categorical", k, got, cross, limit + bound, allowed, name)
    index = rng.integers(k, size=5)
    size = np.where(np.isinf(log_p), 0, np.abs(log_p))[index] + 1 + np.abs(long(values)).max()
    got = p.log_prob(index)
    yield compare("Categorical.log_prob", k, got, log_p[index], size, allowed, name)
    got = p.probs()
    limit = np.exp(log_p) * (1 + rounding / allowed) + np.exp(long(-80.0)) / allowed
    yield compare("Categorical.probs", k, got, np.exp(log_p), limit, allowed, name)
    got, shown = p.logits(), np.where(np.isinf(log_p), 0, np.abs(log_p))
    limit = shown + 1 + np.abs(long(values)).max()
    yield compare("Categorical.logits", k, got, log_p, limit, allowed, name)
    draws = p.sample(200, rng=int(rng.integers(2**31)))
    possible = ~np.isinf(log_p[draws])
    yield holds("Categorical.sample: possible", k, possible, name)
    top = int(np.argmax(log_p))
    share, probability = (draws == top).mean(), float(np.exp(log_p[top]))
    fine = abs(share - probability) < 8 * np.sqrt(probability * (1 - probability) / 200) + 0.05
    yield holds("Categorical.sample: share", k, fine, name)


@case()
def categorical_gradients(rng: Rng, dtype: type) -> Outcomes:
    k = int(rng.choice([2, 3, 10, 100, 300]))
    name, values, logs = drawn(rng, dtype, 2, k)
    p, q = (fd.Categorical(**{name: v}) for v in values)
    log_p, log_q = logs
    if np.isinf(logs).any():
        return
    kl = terms_of(log_p, log_q).sum()
    ratio, a, b = log_q - log_p, np.exp(log_p), np.exp(log_q)
    if name == "logits":
        expected = (-a * (ratio + kl), b - a)
        sizes = (a * (np.abs(ratio) + kl) + a.max(), a + b)
    else:
        totals = long(values).sum(axis=1)
        expected = (-(ratio + kl) / totals[0], (1 - a / b) / totals[1])
        sizes = (np.abs(ratio) + kl + 1, 1 + a / b)
    _, grad_p, grad_q = fd.kl_and_grad(p, q)
    rounding = 1 + np.abs(long(values)).max() * (name == "logits")
    for side, got, value, size in zip("pq", (grad_p, grad_q), expected, sizes, strict=True):
        limit = size * rounding + np.finfo(dtype).tiny / CONTRACT[dtype]
        label = f"kl_and_grad: categorical {side}"
        yield compare(label, k, got[name], value, limit, CONTRACT[dtype], name)

"""Estimates from draws, given log densities, neighbours and critics."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare
from fuzz.truth.normals import extended
from fuzz.truth.pairs import Long, base_values, expm1_less, long

ESTIMATORS = ("k1", "k2", "k3")


def draws_of(estimator: str, log_p: Any, log_q: Any) -> Long:
    """Return the estimate of each draw."""
    ratio = long(log_q) - long(log_p)
    if estimator == "k1":
        return -ratio
    return np.asarray(ratio**2 / 2 if estimator == "k2" else expm1_less(ratio))


def means(name: str, width: int, got: fd.Estimate, each: Long, allowed: float, what: str) -> Any:
    """Compare a mean of draws along the first axis, and its standard error."""
    n = len(each)
    size = np.abs(each).mean(axis=0)
    yield compare(name, width, got.value, each.mean(axis=0), size, allowed, what)
    stderr = each.std(axis=0, ddof=1) / np.sqrt(long(n))
    root = np.sqrt((each**2).mean(axis=0))
    yield compare(f"{name}: stderr", width, got.stderr, stderr, root, 10 * allowed, what)


@case("kl_from_log_probs", "Estimate", "Estimate.confidence_interval")
def log_probs(rng: Rng, dtype: type) -> Outcomes:
    n, m = int(rng.integers(2, 400)), int(rng.integers(1, 5))
    spread = draw.power(rng, -8, 2)
    log_p = (rng.normal(size=(n, m)) * draw.power(rng, -2, 3)).astype(dtype)
    log_q = (log_p + rng.normal(size=(n, m)) * spread).astype(dtype)
    estimator = str(rng.choice(ESTIMATORS))
    each = draws_of(estimator, log_p, log_q)
    if not (np.abs(each).max() ** 2) < 1e300:
        return
    got = fd.kl_from_log_probs(draw.layout(rng, log_p, exact=True), log_q, estimator=estimator)
    yield from means("kl_from_log_probs", m, got, each, 1e-12, estimator)
    turned = fd.kl_from_log_probs(log_p.T, log_q.T, estimator=estimator, axis=1, n_threads=3)
    yield compare("kl_from_log_probs: axis", m, turned.value, got.value, got.value, 1e-12)
    level = float(rng.choice([0.5, 0.95, rng.uniform(1e-9, 1 - 1e-9)]))
    low, high = got.confidence_interval(level)
    z = extended(mp.sqrt(2) * mp.erfinv(mp.mpf(level)))
    bound = np.abs(got.value) + z * got.stderr
    for end, sign in ((low, -1), (high, 1)):
        expected = long(got.value) + sign * z * long(got.stderr)
        yield compare("Estimate.confidence_interval", m, end, expected, bound, 1e-9, f"{level}")


@case("kl_monte_carlo", "coupled_kl_monte_carlo", "coupled_cross_entropy_monte_carlo")
def monte_carlo(rng: Rng, dtype: type) -> Outcomes:
    """Repeat the draws, which few numbers have in one block."""
    d, n, seed = int(rng.integers(1, 4)), int(rng.integers(2, 300)), int(rng.integers(2**31))
    p, q = normals.two(rng, dtype, d, normals.DIAGONAL)
    a, b = p.given, q.given
    x = a.sample(n, rng=seed)
    log_p, log_q = a.log_prob(x), b.log_prob(x)
    estimator = str(rng.choice(ESTIMATORS))
    each = draws_of(estimator, log_p, log_q)
    if np.abs(each).max() < 1e100:
        got = fd.kl_monte_carlo(a, b, n, estimator=estimator, rng=seed)
        yield from means("kl_monte_carlo", d, got, each, 1e-12, estimator)
    kappa = float(rng.choice([0.0, rng.uniform(0, 0.4), -rng.uniform(0, 0.9) / (d + 2), 1e-9]))
    r = long(2 * kappa) / (1 + d * long(kappa))
    log_b = r * long(log_p)
    for name, exponent in (
        ("coupled_kl_monte_carlo", long(log_p) - long(log_q)),
        ("coupled_cross_entropy_monte_carlo", -long(log_q)),
    ):
        top = log_b.max()
        with np.errstate(over="ignore"):
            a_draws = np.expm1(r * exponent) / (2 * long(kappa)) if kappa else exponent
        if "cross" in name:
            a_draws = a_draws * np.exp(log_b)
        b_draws = np.exp(log_b)
        if not np.abs(a_draws).max() < 1e250 or abs(top) > 500:
            continue
        value = a_draws.mean() / b_draws.mean()
        got = getattr(fd, name)(a, b, kappa, n, rng=seed)
        size = np.abs(a_draws).mean() / b_draws.mean() * (1 + np.abs(r * exponent).max() + abs(top))
        yield compare(name, d, got.value, value, size, 1e-12, f"{kappa=}")
        rest = a_draws - value * b_draws
        stderr = np.sqrt((rest**2).sum() / (n - 1) / n) / b_draws.mean()
        root = np.sqrt((a_draws**2).mean()) / b_draws.mean() + abs(value)
        root = root * (1 + np.abs(r * exponent).max() + abs(top))
        yield compare(f"{name}: stderr", d, got.stderr, stderr, root, 1e-11, f"{kappa=}")


@case("kl_knn")
def neighbours(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype)
    n, m, d = len(x), len(y), x.shape[1]
    k = int(rng.integers(1, min(n - 1, m, 8) + 1))
    within = np.sqrt(base_values(x, x)[0])
    np.fill_diagonal(within, np.inf)
    r = np.sort(within, axis=1)[:, k - 1]
    s = np.sort(np.sqrt(base_values(x, y)[0]), axis=1)[:, k - 1]
    if min(r.min(), s.min()) == 0:
        return
    logs = np.log(s / r)
    expected = d * logs.mean() + np.log(long(m) / (n - 1))
    bound = d * (1 + np.abs(logs).mean()) + abs(np.log(m / (n - 1)))
    yield compare("kl_knn", d, fd.kl_knn(x, y, k), expected, bound, 2 * CONTRACT[dtype], f"{k=}")


CONJUGATES: dict[str, Any] = {
    "kl": (lambda v: v, lambda t: np.exp(t - 1)),
    "reverse_kl": (lambda v: -np.exp(v), lambda t: -1 - np.log(-t)),
    "jensen_shannon": (
        lambda v: np.log(2) - np.log1p(np.exp(-v)),
        lambda t: -np.log(2 - np.exp(t)),
    ),
    "pearson": (lambda v: v, lambda t: t * t / 4 + t),
    "squared_hellinger": (lambda v: -np.expm1(-v), lambda t: t / (1 - t)),
    "gan": (lambda v: -np.log1p(np.exp(-v)), lambda t: -np.log(-np.expm1(t))),
}


@case("f_divergence_bound")
def critics(rng: Rng, dtype: type) -> Outcomes:
    name = str(rng.choice(list(CONJUGATES)))
    activate, conjugate = CONJUGATES[name]
    n, m = map(int, rng.integers(2, 200, size=2))
    v = rng.normal(size=n + m) * draw.power(rng, -3, 1)
    t = np.asarray(activate(v)).astype(dtype)
    top = {"reverse_kl": 0.0, "jensen_shannon": np.log(2), "squared_hellinger": 1.0, "gan": 0.0}
    if t.max() >= top.get(name, np.inf) - 1e-5:
        return  # the conjugate is steep there
    t_p, t_q = t[:n], t[n:]
    values = conjugate(long(t_q))
    factor = 0.5 if name == "jensen_shannon" else 1.0
    expected = factor * (long(t_p).mean() - values.mean())
    size = np.abs(long(t_p)).mean() + np.abs(values).mean()
    got = fd.f_divergence_bound(t_p, t_q, name)
    yield compare("f_divergence_bound", 1, got.value, expected, size, CONTRACT[dtype], name)
    parts = long(t_p).var(ddof=1) / n + values.var(ddof=1) / m
    root = np.sqrt((long(t_p) ** 2).mean() + (values**2).mean())
    stderr = factor * np.sqrt(parts)
    allowed = 10 * CONTRACT[dtype]
    yield compare("f_divergence_bound: stderr", 1, got.stderr, stderr, root, allowed, name)


@case("kl_flow", "kl_flow_and_grad")
def flows(rng: Rng, dtype: type) -> Outcomes:
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 6)), int(rng.integers(1, 9)))
    b, h, t = shape
    spread = draw.power(rng, -2, 1)
    z, mean, noise = (rng.normal(size=(3, *shape)) * draw.power(rng, -2, 2)).astype(dtype)
    logs_p, logs_q = (rng.normal(size=(2, *shape)) * min(spread, 3)).astype(dtype)
    mask = rng.random((b, 1, t)) < 0.7
    mask[0, 0, 0] = True
    estimator = str(rng.choice(["hybrid", "k1"]))
    reduce = str(rng.choice(["per_frame", "per_element", "per_item", "none"]))
    log_det: Any = (
        0 if reduce == "none" else (0, 1.5, rng.normal(size=b).astype(dtype))[rng.integers(3)]
    )
    options: dict[str, Any] = {
        "mean_p": mean,
        "logstd_p": logs_p,
        "logstd_q": logs_q,
        "log_det": log_det,
        "mask": mask,
        "estimator": estimator,
        "reduce": reduce,
    }
    if estimator == "k1":
        options["noise_q"] = noise
    m = np.broadcast_to(mask, shape)
    half = long(noise) ** 2 / 2 if estimator == "k1" else long(0.5)
    u = (long(z) - long(mean)) * np.exp(-long(logs_p))
    terms = long(logs_p) - long(logs_q) - half + u * u / 2
    size = np.abs(long(logs_p)) + np.abs(long(logs_q)) + half + u * u / 2
    terms, size = np.where(m, terms, 0), np.where(m, size, 0)
    frames = mask.sum()
    empty = ~mask.any(axis=(1, 2))
    dets = np.where(empty, 0, long(log_det))  # an item without a valid frame has 0
    expected = {
        "none": (terms, size),
        "per_item": (terms.sum(axis=(1, 2)) - dets, size.sum(axis=(1, 2)) + np.abs(dets)),
        "per_frame": (
            (terms.sum() - dets.sum()) / frames,
            (size.sum() + np.abs(dets).sum()) / frames,
        ),
    }
    expected["per_element"] = tuple(v / h for v in expected["per_frame"])
    value, bound = expected[reduce]
    what = f"{estimator}, {reduce}"
    got = fd.kl_flow(z, **options)
    yield compare("kl_flow", h, got, value, bound, CONTRACT[dtype], what)
    again, gradients = fd.kl_flow_and_grad(z, **options)
    yield compare("kl_flow_and_grad: value", h, again, got, bound, 1e-15, what)
    unit = {"none": 1, "per_item": 1, "per_frame": frames, "per_element": frames * h}[reduce]
    scale = np.exp(-long(logs_p))
    slopes = {
        "z_p": u * scale,
        "mean_p": -u * scale,
        "logstd_p": 1 - u * u,
        "logstd_q": -np.ones(shape),
    }
    if estimator == "k1":
        slopes["noise_q"] = -long(noise)
    for name, slope in slopes.items():
        expected_slope = np.where(m, slope, 0) / unit
        limit = (np.abs(slope) + 1) / unit
        label = f"kl_flow_and_grad: {name}"
        yield compare(label, h, gradients[name], expected_slope, limit, CONTRACT[dtype], what)

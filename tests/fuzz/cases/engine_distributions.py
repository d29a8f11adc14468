"""Functions of the compiled core over distributions, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastdiv import _core as core
from fastdiv._sums import reference
from fastdiv._sums.reference.gaussian import _chain, _log_std
from fuzz import draw
from fuzz.cases.categoricals import drawn
from fuzz.cases.gaussians import EPS
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds


def both(name: str, *arguments: Any) -> tuple[Any, Any]:
    return getattr(core, name)(*arguments), getattr(reference, name)(*arguments)


def batch(rng: Rng, dtype: type, n: int, d: int, name: str) -> tuple[Any, Any, float]:
    items = [normals.normal(rng, dtype, d, (name,)) for _ in range(n)]
    mean = np.stack([item.mean for item in items]).astype(dtype)
    parameter = np.stack([item.parameter for item in items]).astype(dtype)
    condition = max(item.condition for item in items)
    return draw.strided(rng, mean), draw.strided(rng, parameter), condition


@case(
    *("engine.gaussian_kl", "engine.diagonal_kl_and_gradients"),
    *("engine.matrix_status", "engine.kl_from_products"),
)
def engine_gaussians(rng: Rng, dtype: type) -> Outcomes:
    n, d = int(rng.integers(1, 30)), int(rng.integers(1, 20))
    if rng.random() < 0.1:
        n, d = int(rng.integers(1, 4)), int(rng.integers(20, 150))
    names = normals.DIAGONAL if rng.random() < 0.5 else normals.FULL
    a, b = (str(rng.choice(names)) for _ in range(2))
    p_mean, p, p_condition = batch(rng, dtype, n, d, a)
    q_mean, q, q_condition = batch(rng, dtype, n, d, b)
    allowed, what = CONTRACT[dtype], f"{a}, {b}"
    if any(name in ("std", "var") and not side.all() for name, side in ((a, p), (b, q))):
        return  # variances that float32 cannot hold
    if not max(p_condition, q_condition) < 100 * normals.WORST_CONDITION[dtype]:
        return  # matrices that it cannot hold
    got, expected = both("gaussian_kl", (p_mean, a, p), (q_mean, b, q), 1, None)
    same = np.isfinite(expected) & (expected < float(np.finfo(dtype).max) * 1e-6)
    lost = 1 + 100 * d * (p_condition + q_condition) * EPS / allowed
    bound = expected[same] * lost
    yield compare("engine.gaussian_kl", d, got[same], expected[same], bound, allowed, what)
    if names is normals.DIAGONAL:
        arguments = (p_mean, a, p), (q_mean, b, q), True, False, 1
        with np.errstate(over="ignore", invalid="ignore"):
            results = both("diagonal_kl_and_gradients", *arguments)
            parts = [(means, by_p, by_q) for _, means, by_p, by_q, _ in results]
            # Near 0, ratios of variances are as exact as their logarithms.
            scales = [0.0, *(_chain(name, _log_std(name, side)) for name, side in ((a, p), (b, q)))]
            sizes = [np.abs(e) + np.abs(s) for e, s in zip(parts[1], scales, strict=True)]
        for got, expected, size in zip(*parts, sizes, strict=True):
            fine = size < 1e300
            pair = got[fine], expected[fine]
            yield compare(
                "engine.diagonal_kl_and_gradients", d, *pair, size[fine], 10 * allowed, what
            )
    else:
        bad = np.array(p)
        index = tuple(rng.integers(size) for size in bad.shape)
        bad[index] = rng.choice([0.0, -1.0, np.nan, np.inf, bad[index] * 1.5])
        got, expected = both("matrix_status", bad, a, 1)
        others = np.arange(n) != index[0]
        near = others if a in ("cov", "precision") else np.ones(n, bool)
        # Whether a perturbed matrix is definite may be a matter of rounding.
        unlike = (got != expected) & ~((np.maximum(got, expected) == 3) & ~near)
        if max(p_condition, 1) < 0.01 / EPS / d**2:
            yield holds("engine.matrix_status", d, ~unlike, f"{a}: {got}, {expected}")
    left, right = rng.normal(size=(2, n, d))
    offsets = rng.normal(size=(2, n)) * draw.power(rng, -3, 3)
    got, expected = both("kl_from_products", left, right, *offsets, 1e-12, 1, None)
    size = np.abs(left) @ np.abs(right).T + np.abs(offsets[0])[:, None] + np.abs(offsets[1])
    fine = ~(np.isnan(got) | np.isnan(expected))
    pair = got[fine], expected[fine]
    yield compare("engine.kl_from_products", d, *pair, size[fine], 1e-14)


@case(
    *("engine.gaussian_renyi", "engine.gaussian_coupling", "engine.gaussian_wasserstein2"),
    *("engine.covariance_roots", "engine.mixture_covariances"),
)
def engine_full_gaussians(rng: Rng, dtype: type) -> Outcomes:
    n, d = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    a, b = (str(rng.choice(normals.FULL)) for _ in range(2))
    p_mean, p, p_condition = batch(rng, dtype, n, d, a)
    q_mean, q, q_condition = batch(rng, dtype, n, d, b)
    if not max(p_condition, q_condition) < 1e4:
        return  # the public functions meet these
    allowed, what = CONTRACT[dtype], f"{a}, {b}"
    pair = (p_mean, a, p), (q_mean, b, q)
    lost = 1 + 1000 * d * p_condition * q_condition * EPS / allowed
    above_one = -float(rng.choice([0.5, rng.uniform(0.002, 0.99)]))
    rest = float(rng.uniform(0.01, 0.99))
    for name, *more in (
        ("gaussian_renyi", 1 + above_one, above_one),
        ("gaussian_coupling", (1 - rest) / d, rest),
        ("gaussian_wasserstein2",),
    ):
        got, expected = both(name, *pair, *more, 1)
        known = np.isfinite(got) & np.isfinite(expected)
        yield compare(f"engine.{name}", d, got[known], expected[known], expected[known] * lost,
                      allowed, what)  # fmt: skip
    if a == "cov":
        lower = np.tril(p[core.matrix_status(p, a, 1) == 0])  # rounding leaves some indefinite
        roots, other = both("covariance_roots", lower + np.tril(lower, -1).swapaxes(-1, -2), 1)
        squares = (r @ r.swapaxes(-1, -2) for r in (roots, other))
        size = np.trace(lower.astype(np.float64), axis1=-2, axis2=-1)[:, None, None]
        yield compare("engine.covariance_roots", d, *squares, size, 1e-14 * d)
        weights = rng.dirichlet(np.ones(n))
        mean = weights @ p_mean.astype(np.float64)
        got, expected = both("mixture_covariances", weights[None], mean, p_mean, a, p, 1)
        size = np.trace(expected)
        yield compare("engine.mixture_covariances", d, got, expected, size, 1e-14)


@case(
    *("engine.categorical_normalisers", "engine.categorical_entropy", "engine.categorical_kl"),
    *("engine.categorical_jensen_shannon", "engine.log_ratio_moments"),
)
def engine_categoricals(rng: Rng, dtype: type) -> Outcomes:
    n, k = int(rng.integers(1, 9)), int(rng.choice([1, 2, 3, 7, 17, 64, 300, 3000]))
    allowed = CONTRACT[dtype]
    sides = []
    for _ in range(2):
        name, values, _ = drawn(rng, dtype, n, k)
        values = draw.strided(rng, values)
        got, expected = both("categorical_normalisers", values, name, 1, None)
        size = np.abs(expected) + 1
        yield compare("engine.categorical_normalisers", k, got, expected, size, allowed, name)
        sides.append((values, name, expected))
        got, expected = both("categorical_entropy", values, name, expected, 1, None)
        rounding = 1 + np.abs(np.asarray(values, float)).max() * (name == "logits")
        size = expected + rounding
        yield compare("engine.categorical_entropy", k, got, expected, size, allowed, name)
    what = f"{sides[0][1]}, {sides[1][1]}"
    largest = max(np.abs(np.asarray(side[0], float)).max() for side in sides)
    for function in ("categorical_kl", "categorical_jensen_shannon"):
        got, expected = both(function, *sides[0], *sides[1], 1, None)
        with np.errstate(invalid="ignore"):
            size = np.where(np.isinf(expected), 1, expected) + 10 * (1 + largest)
        yield compare(f"engine.{function}", k, got, expected, size, allowed, what)
    log_p = (rng.normal(size=(200, 3)) * 3).astype(dtype)
    log_q = (log_p + rng.normal(size=(200, 3)) * draw.power(rng, -8, 1)).astype(dtype)
    estimator = str(rng.choice(["k1", "k2", "k3"]))
    pair = draw.strided(rng, log_p), draw.strided(rng, log_q)
    got, expected = both("log_ratio_moments", *pair, estimator, 1)
    ratio = log_q.astype(float) - log_p
    each = {"k1": ratio, "k2": ratio**2 / 2, "k3": np.expm1(ratio) - ratio}[estimator]
    size = np.stack([np.abs(each).mean(axis=0) + 1e-15, (each**2).sum(axis=0) + 1e-30])
    yield compare("engine.log_ratio_moments", 3, got, expected, size, 1e-12, estimator)

"""Kernels, MMD² and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare
from fuzz.truth import pairs as truth

ESTIMATORS = ("unbiased", "biased", "paired")
KERNELS = (
    *("RBF", "RBF.from_gamma", "RBF.from_width", "Laplacian", "Matern", "RationalQuadratic"),
    *("InverseMultiquadric", "Energy", "Linear", "Polynomial", "Sum"),
)


def kernel_makers(rng: Rng, x: Any, y: Any) -> tuple[Callable[[], fd.Kernel], ...]:
    """Return functions that make kernels whose bandwidths suit the data."""
    squares, l1, dots = truth.base_values(x, y)
    s = float(np.sqrt(np.median(squares))) * draw.power(rng, -0.3, 1)
    s = s if 1e-150 < s < 1e150 else 1.0
    width = float(np.median(l1))
    gamma = 1.0 / max(float(np.abs(dots).max()), 1e-300)
    return (
        lambda: fd.RBF(s),
        lambda: fd.RBF.from_gamma(0.5 / s**2),
        lambda: fd.RBF.from_width(2 * s**2),
        lambda: fd.Laplacian(width if width > 1e-300 else 1.0),
        lambda: fd.Matern(0.5, s),
        lambda: fd.Matern(1.5, s),
        lambda: fd.Matern(2.5, s),
        lambda: fd.RationalQuadratic(draw.power(rng, -1, 2), s),
        lambda: fd.InverseMultiquadric(s * s),
        lambda: fd.Energy(float(rng.uniform(0.3, 1.9))),
        lambda: fd.Linear(),
        lambda: fd.Polynomial(2, gamma=gamma),
        lambda: fd.Polynomial(int(rng.integers(1, 6)), gamma=gamma, coef0=rng.uniform(0, 2)),
    )


def any_kernel(rng: Rng, x: Any, y: Any) -> fd.Kernel:
    """Draw a kernel."""
    makers = kernel_makers(rng, x, y)
    return makers[rng.integers(len(makers))]()


def several_kernels(rng: Rng, x: Any, y: Any) -> list[fd.Kernel]:
    """Draw kernels, sums of kernels, and one with a bandwidth per feature."""
    makers = kernel_makers(rng, x, y)
    kernels = [makers[i]() for i in rng.integers(len(makers), size=rng.integers(1, 4))]
    if rng.random() < 0.3:
        kernels.append(fd.Sum(kernels, weights=list(rng.uniform(0.1, 2.0, size=len(kernels)))))
    if rng.random() < 0.3 and x.shape[1] < 1000:
        spread = truth.long(x).std(axis=0).astype(np.float64) + 1e-3
        kernels.append(fd.RBF(tuple(spread * draw.power(rng, 0, 1))))
    return kernels


def any_weights(rng: Rng, x: Any, y: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Draw weights at times; return those that the truth takes, and the arguments."""
    if rng.random() < 0.6:
        return np.ones(len(x)), np.ones(len(y)), {}
    u, v = draw.weights(rng, len(x)), draw.weights(rng, len(y))
    return u, v, {"x_weights": u, "y_weights": v}


@case("mmd2", *KERNELS)
def mmd2(rng: Rng, dtype: type) -> Outcomes:
    estimator = str(rng.choice(ESTIMATORS))
    least = 1 if estimator == "biased" else 2
    x, y = draw.pair(rng, dtype, matched=estimator == "paired", least=least)
    kernels = several_kernels(rng, x, y)
    u, v, options = any_weights(rng, x, y)
    values = fd.mmd2(x, y, kernels, estimator=estimator, **options)
    for kernel, got in zip(kernels, values, strict=True):
        if options and "Linear" in str(kernel):
            continue  # computed from distances, which unequal weights do not permit exactly
        means, absolute = truth.mmd_means(kernel, x, y, u, v, estimator)
        bound = absolute[0] + absolute[1] + 2 * absolute[2]
        expected = means[0] + means[1] - 2 * means[2]
        what = f"{kernel}, {estimator}, {sorted(options)}"
        yield compare("mmd2", x.shape[1], got, expected, bound, CONTRACT[dtype], what)


@case("Callback")
def callback(rng: Rng, dtype: type) -> Outcomes:
    """Compare a kernel in Python with the kernel that it imitates."""
    x, y = draw.pair(rng, dtype, least=1)
    kernel = any_kernel(rng, x, y)
    if x.shape[1] > 5000:
        return

    def f(a: Any, b: Any) -> Any:
        return np.asarray(truth.kernel_values(kernel, a, b), np.float64)

    estimator = "biased"
    means, absolute = truth.mmd_means(kernel, x, y, np.ones(len(x)), np.ones(len(y)), estimator)
    if not absolute.max() < 1e300:
        return
    got = fd.mmd2(x, y, fd.Callback(f), estimator=estimator)
    expected = means[0] + means[1] - 2 * means[2]
    yield compare("Callback", x.shape[1], got, expected, absolute.sum(), 1e-12, str(kernel))


@case("energy_distance")
def energy_distance(rng: Rng, dtype: type) -> Outcomes:
    estimator = str(rng.choice(ESTIMATORS))
    x, y = draw.pair(rng, dtype, matched=estimator == "paired")
    exponent = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.05, 1.95))
    u, v, options = any_weights(rng, x, y)
    means, absolute = truth.mmd_means(fd.Energy(exponent), x, y, u, v, estimator)
    expected = means[0] + means[1] - 2 * means[2]
    got = fd.energy_distance(x, y, exponent=exponent, estimator=estimator, **options)
    what = f"{exponent}, {estimator}, {sorted(options)}"
    yield compare(
        "energy_distance", x.shape[1], got, expected, absolute.sum(), CONTRACT[dtype], what
    )


@case("witness")
def witness(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype, least=1)
    at = y[: rng.integers(1, len(y) + 1)]
    kernels = several_kernels(rng, x, y)
    u, v, options = any_weights(rng, x, y)
    p, q = truth.long(u) / truth.long(u).sum(), truth.long(v) / truth.long(v).sum()
    rows = fd.witness(x, y, at, kernels, **options)
    for kernel, got in zip(kernels, rows, strict=True):
        to_x, to_y = (truth.kernel_values(kernel, at, rows) for rows in (x, y))
        bound = abs(to_x) @ p + abs(to_y) @ q
        bound = bound + bound.mean()  # a row of tiny values beside others
        expected = to_x @ p - to_y @ q
        what = f"{kernel}, {sorted(options)}"
        yield compare("witness", x.shape[1], got, expected, bound, CONTRACT[dtype], what)


@case("mmd2_and_grad")
def mmd2_gradients(rng: Rng, dtype: type) -> Outcomes:
    """Compare values and gradients. Far from the origin, values of `Polynomial` cancel."""
    estimator = str(rng.choice(ESTIMATORS))
    x, y = draw.pair(rng, dtype, matched=estimator == "paired")
    kernel = any_kernel(rng, x, y)
    if isinstance(kernel, fd.Polynomial):
        return
    n, m, d = len(x), len(y), x.shape[1]
    value, got = fd.mmd2_and_grad(x, y, kernel, wrt="x", estimator=estimator)
    means, absolute = truth.mmd_means(kernel, x, y, np.ones(n), np.ones(m), estimator)
    what = f"{kernel}, {estimator}"
    expected_value = means[0] + means[1] - 2 * means[2]
    yield compare("mmd2_and_grad", d, value, expected_value, absolute.sum(), CONTRACT[dtype], what)
    if 0 < np.abs(truth.long(x) - truth.long(x)[0]).max() < 1e-150:
        return  # rows are equal for the engine, which knows no squares of their differences
    distinct, paired = estimator != "biased", estimator == "paired"
    within, within_terms = truth.gradient_sums(kernel, x, x, distinct)
    between, between_terms = truth.gradient_sums(kernel, x, y, paired)
    a = 2 / truth.long(n * (n - 1) if distinct else n * n)
    b = 2 / truth.long(n * (n - 1) if paired else n * m)
    # Relative to the largest entry, before within and between cancel. The documented error is ten
    # times as large for clusters far apart.
    allowed = 10 * CONTRACT[dtype]
    smallest = float(np.finfo(dtype).tiny) / allowed  # of what the gradient holds
    bound = (within_terms * a + between_terms * b).max() + smallest
    yield compare("mmd2_and_grad: rows", d, got, within * a - between * b, bound, allowed, what)


@case("median_distance")
def median_distance(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype)
    metric = str(rng.choice(["euclidean", "cityblock"]))
    alone = rng.random() < 0.3
    pooled = x if alone else np.concatenate([x, y])
    squares, l1, _ = truth.base_values(pooled, pooled)
    values = (np.sqrt(squares) if metric == "euclidean" else l1)[np.triu_indices(len(pooled), 1)]
    low, high = np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]]
    got = fd.median_distance(x, None if alone else y, metric=metric)
    expected = (low + high) / 2
    # Next to the range of float64 the middle two may be anything between.
    yield compare("median_distance", x.shape[1], got, expected, high, CONTRACT[dtype], metric)

"""
Compare what public functions return with what is right.

A case draws its input from a generator, and returns how far off the result is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import generators as draw
import numpy as np
import truth

import fastdiv as fd

CONTRACT = {np.float32: 1e-5, np.float64: 1e-12}


class Outcome(NamedTuple):
    """How far off a result is, in units of `bound`, and how far it may be."""

    width: int
    error: float
    allowed: float
    what: str


Case = Callable[[np.random.Generator, type], Outcome]


def outcome(
    what: str, width: int, got: object, expected: object, bound: object, allowed: float
) -> Outcome:
    """Compare numbers; values that leave the normal range of float64 are 0."""
    off = np.abs(truth.long(got) - truth.long(expected))
    relative = off / np.maximum(truth.long(bound), np.finfo(np.float64).tiny)
    error = float(np.max(relative, initial=0.0))
    return Outcome(width, np.inf if np.isnan(error) else error, allowed, what)


def any_kernel(rng: np.random.Generator, x: object, y: object) -> fd.Kernel:
    """Draw a kernel whose bandwidth suits the data."""
    squares, l1, dots = truth.base_values(x, y)
    s = float(np.sqrt(np.median(squares))) * draw.power(rng, -0.3, 1)
    s = s if s > 0 else 1.0
    kernels: tuple[Callable[[], fd.Kernel], ...] = (
        lambda: fd.RBF(s),
        lambda: fd.Laplacian(float(np.median(l1)) or 1.0),
        lambda: fd.Matern(0.5, s),
        lambda: fd.Matern(1.5, s),
        lambda: fd.Matern(2.5, s),
        lambda: fd.RationalQuadratic(draw.power(rng, -1, 2), s),
        lambda: fd.InverseMultiquadric(s * s),
        lambda: fd.Energy(float(rng.uniform(0.3, 1.9))),
        lambda: fd.Linear(),
        lambda: fd.Polynomial(2, gamma=1.0 / (float(np.abs(dots).max()) or 1.0)),
    )
    return kernels[rng.integers(len(kernels))]()


def mmd2(rng: np.random.Generator, dtype: type) -> Outcome:
    estimator = str(rng.choice(["unbiased", "biased", "paired"]))
    x, y = draw.pair(rng, dtype, matched=estimator == "paired")
    kernel = any_kernel(rng, x, y)
    u, v = np.ones(len(x)), np.ones(len(y))
    options = {}
    if rng.random() < 0.4 and not isinstance(kernel, fd.Linear):
        u, v = draw.weights(rng, len(x)), draw.weights(rng, len(y))
        options = {"x_weights": u, "y_weights": v}
    got = fd.mmd2(x, y, kernel, estimator=estimator, **options)
    means, absolute = truth.mmd_means(kernel, x, y, u, v, estimator)
    bound = absolute[0] + absolute[1] + 2 * absolute[2]
    expected = means[0] + means[1] - 2 * means[2]
    what = f"{kernel}, {estimator}, {sorted(options)}"
    return outcome(what, x.shape[1], got, expected, bound, CONTRACT[dtype])


def energy_distance(rng: np.random.Generator, dtype: type) -> Outcome:
    x, y = draw.pair(rng, dtype)
    kernel = fd.Energy(1.0)
    means, absolute = truth.mmd_means(kernel, x, y, np.ones(len(x)), np.ones(len(y)), "biased")
    expected = means[0] + means[1] - 2 * means[2]
    got = fd.energy_distance(x, y)
    return outcome("", x.shape[1], got, expected, absolute.sum(), CONTRACT[dtype])


def witness(rng: np.random.Generator, dtype: type) -> Outcome:
    x, y = draw.pair(rng, dtype)
    at = y[: rng.integers(1, len(y) + 1)]
    kernel = any_kernel(rng, x, y)
    to_x, to_y = (truth.kernel_values(kernel, at, rows) for rows in (x, y))
    bound = abs(to_x).mean(axis=1) + abs(to_y).mean(axis=1)
    bound = bound + bound.mean()  # a row of tiny values beside others
    expected = to_x.mean(axis=1) - to_y.mean(axis=1)
    got = fd.witness(x, y, at, kernel)
    return outcome(str(kernel), x.shape[1], got, expected, bound, CONTRACT[dtype])


def gradients(rng: np.random.Generator, dtype: type) -> Outcome:
    """Compare float32 with float64. Far from the origin, values of `Polynomial` cancel."""
    x, y = draw.pair(rng, dtype)
    kernel = any_kernel(rng, x, y)
    while isinstance(kernel, fd.Polynomial):
        kernel = any_kernel(rng, x, y)
    _, got = fd.mmd2_and_grad(x, y, kernel, wrt="x")
    _, expected = fd.mmd2_and_grad(x.astype(np.float64), y.astype(np.float64), kernel, wrt="x")
    largest = np.abs(expected).max()
    return outcome(str(kernel), x.shape[1], got, expected, largest, 20 * CONTRACT[dtype])


def median_distance(rng: np.random.Generator, dtype: type) -> Outcome:
    x, y = draw.pair(rng, dtype)
    metric = str(rng.choice(["euclidean", "cityblock"]))
    pooled = np.concatenate([x, y])
    squares, l1, _ = truth.base_values(pooled, pooled)
    values = (np.sqrt(squares) if metric == "euclidean" else l1)[np.triu_indices(len(pooled), 1)]
    # The median of an even number of distances is their mean, or one of the two in the middle.
    low, high = np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]]
    got = fd.median_distance(x, y, metric=metric)
    expected = min(max(truth.long(got), low), high)
    return outcome(metric, x.shape[1], got, expected, high, CONTRACT[dtype])


def groups_of_rows(rng: np.random.Generator, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    x, y = draw.pair(rng, dtype)
    pooled = np.concatenate([x, y])
    k = int(rng.integers(2, min(5, len(pooled) - 1) + 1))
    labels = rng.permutation(np.arange(len(pooled)) % k)
    return pooled, labels


def permanova(rng: np.random.Generator, dtype: type) -> Outcome:
    x, groups = groups_of_rows(rng, dtype)
    got = fd.permanova(x, groups, n_resamples=9, rng=0).ss_within
    expected = truth.within_groups(x, groups, 2.0)
    return outcome("", x.shape[1], got, expected, expected, CONTRACT[dtype])


def disco(rng: np.random.Generator, dtype: type) -> Outcome:
    x, groups = groups_of_rows(rng, dtype)
    exponent = float(rng.uniform(0.3, 2.0))
    got = fd.disco(x, groups, exponent=exponent, n_resamples=9, rng=0).within
    expected = truth.within_groups(x, groups, exponent)
    return outcome(f"exponent {exponent}", x.shape[1], got, expected, expected, CONTRACT[dtype])


def wcss(rng: np.random.Generator, dtype: type) -> Outcome:
    x, labels = groups_of_rows(rng, dtype)
    w = draw.weights(rng, len(x)) if rng.random() < 0.5 else np.ones(len(x))
    got = fd.wcss(x, labels, sample_weight=w)
    expected = truth.scatter(x, labels, w)
    return outcome("", x.shape[1], got, expected, expected, CONTRACT[dtype])


def kl_diagonal(rng: np.random.Generator, dtype: type) -> Outcome:
    d = draw.shape(rng)[2]
    spread = draw.power(rng, -4, 1)
    means = rng.normal(size=(2, d)).astype(dtype)
    logs = rng.normal(size=d) * 2 + rng.normal(size=(2, d)) * spread
    name = str(rng.choice(["std", "var", "logstd", "logvar"]))
    parameters = (np.exp(logs) if name in ("std", "var") else logs).astype(dtype)
    values = truth.long(parameters)
    log_var = np.log(values) if name in ("std", "var") else values
    log_var = log_var * 2 if name.endswith("std") else log_var
    p, q = (fd.Gaussian(m, **{name: s}) for m, s in zip(means, parameters, strict=True))
    expected = truth.diagonal_kl(means[0], log_var[0], means[1], log_var[1])
    return outcome(name, d, fd.kl(p, q), expected, expected, CONTRACT[dtype])


def kl_matrix(rng: np.random.Generator, dtype: type) -> Outcome:
    d = int(rng.integers(1, 12))
    name = str(rng.choice(["std", "logvar", "cov", "scale_tril", "precision"]))

    def batch(n: int) -> fd.Gaussian:
        mean = rng.normal(size=(n, d)).astype(dtype)
        if name in ("std", "logvar"):
            logs = rng.normal(size=(n, d)) * draw.power(rng, -2, 0.5)
            return fd.Gaussian(
                mean, **{name: (np.exp(logs) if name == "std" else logs).astype(dtype)}
            )
        a = rng.normal(size=(n, d, d)) / np.sqrt(d) * 10.0 ** rng.uniform(-1, 1, size=(n, 1, d))
        if name == "scale_tril":
            return fd.Gaussian(mean, scale_tril=(np.tril(a) + 2 * np.eye(d)).astype(dtype))
        matrix = a @ a.swapaxes(1, 2) + 0.5 * np.eye(d)
        return fd.Gaussian(mean, **{name: matrix.astype(dtype)})

    p, q = batch(3), batch(4)
    expected = np.array([[fd.kl(p[i], q[j]) for j in range(4)] for i in range(3)])
    bound = expected + d * CONTRACT[dtype]
    return outcome(name, d, fd.kl_matrix(p, q), expected, bound, 20 * CONTRACT[dtype])


def categorical_kl(rng: np.random.Generator, dtype: type) -> Outcome:
    k = int(rng.integers(2, 300))
    logits = (rng.normal(size=(2, k)) * draw.power(rng, -3, 2)).astype(dtype)
    logs = truth.long(logits)
    logs = logs - logs.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    terms = np.exp(logs[0]) * (logs[0] - logs[1])
    got = fd.kl(fd.Categorical(logits=logits[0]), fd.Categorical(logits=logits[1]))
    allowed = 10 * CONTRACT[dtype]
    return outcome("", k, got, terms.sum(), terms.sum() + allowed * 1e-3, allowed)


def same_bits(rng: np.random.Generator, dtype: type) -> Outcome:
    """Compare numbers of threads, and weights times a power of two."""
    x, y = draw.pair(rng, dtype)
    kernel = any_kernel(rng, x, y)
    u, v = draw.weights(rng, len(x)), draw.weights(rng, len(y))
    factor = 2.0 ** int(rng.integers(-40, 40))
    expected = fd.mmd2(x, y, kernel, x_weights=u, y_weights=v, n_threads=1)
    got = [
        fd.mmd2(x, y, kernel, x_weights=u, y_weights=v, n_threads=3),
        fd.mmd2(x, y, kernel, x_weights=u * factor, y_weights=v),
    ]
    return outcome(str(kernel), x.shape[1], got, expected, abs(expected), 0.0)


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        mmd2,
        energy_distance,
        witness,
        gradients,
        median_distance,
        permanova,
        disco,
        wcss,
        kl_diagonal,
        kl_matrix,
        categorical_kl,
        same_bits,
    )
}

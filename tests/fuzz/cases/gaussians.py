"""Gaussians, and the Kullback-Leibler divergence between them."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.draw import normals
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import normals as truth
from fuzz.truth.pairs import Long, long

EPS = float(np.finfo(np.float64).eps)


def dimension(rng: Rng) -> int:
    """Return a number of dimensions for which 60 digits do not take long."""
    return int(rng.choice([1, 2, 3, 4, 6]))


def change(
    p: normals.Drawn, q: normals.Drawn, value: Any, whole: Any, allowed: float, more: float = 0
) -> Long:
    """
    Return how far off a divergence may be, in units of what is allowed.

    Factors of a matrix of condition c are off by δ, about c ε relative to themselves. A divergence
    ½‖v‖², with ‖v‖² up to twice `whole`, then changes by √(2 value whole) δ + whole δ². The
    eigenvalues of Σ_q⁻¹ Σ_p have `more` to lose, the root of their own condition.
    """
    condition = p.condition + q.condition
    if condition == 0:
        return long(truth.extended(value))  # diagonal: no matrix is factored
    off = 4 * p.given.dim * EPS * (condition + more)
    v, w = long(truth.extended(value)), long(truth.extended(whole))
    return np.asarray(v + (np.sqrt(2 * v * w) * off + w * off * off) / allowed)


@case("kl", "Gaussian", "jeffreys", "cross_entropy", "Gaussian.entropy")
def kl(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    p, q = normals.two(rng, dtype, d)
    a, b = p.truth, q.truth
    what = f"{p.name} {p.condition:.0e}, {q.name} {q.condition:.0e}"
    allowed = CONTRACT[dtype]
    values, bounds = [], []
    for left, right, t, u in ((p, q, a, b), (q, p, b, a)):
        value = truth.kl(t, u)
        whole = truth.trace_of_ratio(t, u) + u.square(t.mean) + d
        values.append(truth.extended(value))
        bounds.append(change(left, right, value, whole, allowed))
        if not value < 1e290:
            return
    got = fd.kl(p.given, q.given)
    yield compare("kl: Gaussian", d, got, values[0], bounds[0], allowed, what)
    got = fd.jeffreys(p.given, q.given)
    yield compare("jeffreys: Gaussian", d, got, sum(values), sum(bounds), allowed, what)
    yield holds("kl: equal", d, fd.kl(p.given, p.given) == 0, what)
    # Entropies are sums of logarithms of the factor's diagonal, each off by c ε at most.
    logs = d + sum(abs(np.log(truth.extended(a.factor[i, i]))) for i in range(d))
    terms = logs + d * p.condition * EPS / allowed
    got = p.given.entropy()
    yield compare("Gaussian.entropy", d, got, truth.extended(a.entropy), terms, allowed, what)
    got = fd.cross_entropy(p.given, q.given)
    expected = truth.extended(a.entropy + truth.kl(a, b))
    yield compare("cross_entropy: Gaussian", d, got, expected, terms + bounds[0], allowed, what)


@case()
def kl_diagonal(rng: Rng, dtype: type) -> Outcomes:
    """Try many features, and distributions that are nearly equal."""
    d = draw.shape(rng)[2]
    spread = draw.power(rng, -4, 1)
    means = rng.normal(size=(2, d)).astype(dtype)
    logs = rng.normal(size=d) * 2 + rng.normal(size=(2, d)) * spread
    name = str(rng.choice(normals.DIAGONAL))
    parameters = (np.exp(logs) if name in ("std", "var") else logs).astype(dtype)
    values = long(parameters)
    log_var = np.log(values) if name in ("std", "var") else values
    log_var = log_var * 2 if name.endswith("std") else log_var
    p, q = (fd.Gaussian(m, **{name: s}) for m, s in zip(means, parameters, strict=True))
    expected = truth.diagonal_kl(means[0], log_var[0], means[1], log_var[1])
    yield compare("kl: diagonal", d, fd.kl(p, q), expected, expected, CONTRACT[dtype], name)


def batch(rng: Rng, dtype: type, d: int, shape: tuple[int, ...], name: str) -> fd.Gaussian:
    """Draw a batch of Gaussians in one parametrisation."""
    items = [normals.normal(rng, dtype, d, (name,)) for _ in range(int(np.prod(shape)))]
    mean = np.stack([item.mean for item in items]).astype(dtype)
    parameter = np.stack([item.parameter for item in items]).astype(dtype)
    event = parameter.shape[1:]
    mean, parameter = mean.reshape(*shape, d), parameter.reshape(*shape, *event)
    return fd.Gaussian(mean, **{name: draw.layout(rng, parameter, exact=True)})


@case("kl_matrix")
def batches(rng: Rng, dtype: type) -> Outcomes:
    """Compare batches, masks, means and matrices of divergences with single ones."""
    d = dimension(rng)
    name = str(rng.choice(normals.DIAGONAL + normals.FULL))
    p, q = batch(rng, dtype, d, (3, 1), name), batch(rng, dtype, d, (1, 4), name)
    single = np.array([[fd.kl(p[i, 0], q[0, j]) for j in range(4)] for i in range(3)])
    got = fd.kl(p, q, n_threads=3)
    yield compare("kl: batch", d, got, single, single, CONTRACT[dtype], name)
    mask = rng.random((3, 4)) < 0.6
    mask[0, 0] = True
    got = fd.kl(p, q, where=mask)
    yield compare("kl: where", d, got, np.where(mask, single, 0), single, CONTRACT[dtype], name)
    for reduce in ("sum", "mean"):
        got, expected = fd.kl(p, q, where=mask, reduce=reduce), getattr(single[mask], reduce)()
        yield compare(f"kl: {reduce}", d, got, expected, expected, CONTRACT[dtype], name)
    got = fd.kl_matrix(p[:, 0], q[0])
    # Where kl depends on the condition number, the two may differ by as much.
    bound = single + d * CONTRACT[dtype] * (name in normals.FULL)
    allowed = (20 if name in normals.FULL else 2) * CONTRACT[dtype]
    yield compare("kl_matrix", d, got, single, bound, allowed, name)


@case("Gaussian.log_prob", "Gaussian.cov", "Gaussian.scale_tril", "Gaussian.sample")
def densities(rng: Rng, dtype: type) -> Outcomes:
    d = dimension(rng)
    p = normals.normal(rng, dtype, d)
    t, given = p.truth, p.given
    what = f"{p.name} {p.condition:.0e}"
    allowed = CONTRACT[dtype]
    lost = 4 * d * p.condition * EPS / allowed
    draws = given.sample(200, rng=int(rng.integers(2**31)))
    x = draws[:2].astype(np.float64)
    squares = long([truth.extended(t.square(truth.column(row))) for row in x])
    expected = long([truth.extended(t.log_prob(row)) for row in x])
    logs = d + sum(abs(np.log(truth.extended(t.factor[i, i]))) for i in range(d))
    bound = logs * (1 + lost) + squares * (1 + lost)
    yield compare("Gaussian.log_prob", d, given.log_prob(x), expected, bound, allowed, what)
    cov, factor = truth.array(t.cov), truth.array(t.factor)
    for method, value in (("cov", cov), ("scale_tril", factor)):
        whole = np.abs(value).max() * (p.name in normals.FULL)
        bound = np.abs(value) + whole * (1 + lost)
        got = getattr(given, method)()
        yield compare(f"Gaussian.{method}", d, got, value, bound, allowed, what)
    if p.condition < 1e6:
        # The squares of whitened draws are χ² with d degrees of freedom; ten standard errors.
        white = np.linalg.solve(factor.astype(float), (draws - np.asarray(given.mean, float)).T)
        mean = (white**2).sum(axis=0).mean()
        rounded = (np.abs(long(given.mean)) / np.sqrt(np.diag(cov))).max() * np.finfo(dtype).eps
        fine = abs(mean - d) < 10 * np.sqrt(2 * d / 200) or rounded > 1e-3
        yield holds("Gaussian.sample: squares", d, fine, what)


@case("fit_gaussian", "Gaussian.standard")
def fit(rng: Rng, dtype: type) -> Outcomes:
    n, m, d = draw.shape(rng)
    x = draw.sample(rng, n + m, min(d, 150), dtype)
    ddof = int(rng.integers(2))
    fitted = fd.fit_gaussian(x, ddof=ddof)
    moved = long(x) - long(x)[0]
    offset = moved.mean(axis=0)
    mean = long(x)[0] + offset
    moved = moved - offset
    cov = moved.T @ moved / (len(x) - ddof)
    largest = np.abs(long(x)).max(axis=0)
    yield compare("fit_gaussian: mean", x.shape[1], fitted.mean, mean, largest, 1e-14, f"{ddof=}")
    scale = np.sqrt(np.diag(cov))
    bound = scale[:, None] * scale
    yield compare("fit_gaussian: cov", x.shape[1], fitted.cov(), cov, bound, 1e-12, f"{ddof=}")
    d = int(rng.integers(1, 9))
    p = fd.Gaussian.standard(d)
    yield holds("Gaussian.standard", d, fd.kl(p, fd.Gaussian(np.zeros(d), std=1.0)) == 0)

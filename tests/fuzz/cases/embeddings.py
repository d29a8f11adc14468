"""Distances between embeddings and latents, and matching of samples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.pairs import any_kernel
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import pairs as truth


def unit_rows(x: Any, dtype: type) -> Any:
    lengths = np.sqrt((truth.long(x) ** 2).sum(axis=1, keepdims=True))
    return (truth.long(x) / np.where(lengths > 0, lengths, 1)).astype(dtype)


@case("cmmd")
def cmmd(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype, matched=rng.random() < 0.3, least=1)
    normalize = rng.random() < 0.5
    a, b = truth.long(x), truth.long(y)
    if normalize:
        norms = [np.sqrt((rows**2).sum(axis=1, keepdims=True)) for rows in (a, b)]
        if min(norm.min() for norm in norms) == 0:
            return
        a, b = a / norms[0], b / norms[1]
    elif rng.random() < 0.8:
        x, y = unit_rows(x, dtype), unit_rows(y, dtype)
        a, b = truth.long(x), truth.long(y)
    terms = [np.expm1(-truth.base_values(*rows)[0] / 200) for rows in ((a, a), (b, b), (a, b))]
    means = [np.mean(term) for term in terms]
    expected = 1000 * (means[0] + means[1] - 2 * means[2])
    # Rounded unit rows are off by the precision of the dtype, before any distance is taken.
    lengths = float(np.mean([1.0, *map(abs, means)])) if normalize else 0.0
    bound = 1000 * (-means[0] - means[1] - 2 * means[2]) + 1e-2 * lengths
    # The documented error is 1e-6. Squares of differences leave the range of float32 far below it.
    bound = bound + 1e-25 * (dtype == np.float32)
    got = fd.cmmd(x, y, normalize=normalize)
    yield compare("cmmd", x.shape[1], got, expected, bound, CONTRACT[dtype], f"{normalize=}")


@case("kid", "KID")
def kid(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype)
    d = x.shape[1]
    degree = int(rng.integers(1, 5))
    coef0 = float(rng.choice([0.0, 1.0, 0.3]))
    largest = float((truth.long(x) ** 2).sum(axis=1).max())
    if largest < 1e-290:
        return  # products that float64 cannot hold
    gamma = None if rng.random() < 0.3 else 1 / largest
    kernel = fd.Polynomial(degree, gamma=1 / d if gamma is None else gamma, coef0=coef0)
    options = {"degree": degree, "gamma": gamma, "coef0": coef0, "n_subsets": 5}
    size = int(rng.integers(2, min(len(x), len(y)) + 1))
    seed = int(rng.integers(2**31))
    means, absolute = truth.mmd_means(kernel, x, y, np.ones(len(x)), np.ones(len(y)), "unbiased")
    if not absolute.max() < np.finfo(dtype).max / 1e6:
        return
    result = fd.kid(x, y, **options, subset_size=size, rng=seed)
    expected = means[0] + means[1] - 2 * means[2]
    bound, allowed = absolute.sum(), CONTRACT[dtype]
    what = f"{options}, {size=}"
    yield compare("kid: value", d, result.value, expected, bound, allowed, what)
    subsets = truth.long(result.subset_values)
    spread = float(np.abs(subsets).max()) + np.finfo(float).tiny
    yield compare("kid: mean", d, result.mean, subsets.mean(), spread, 1e-12, what)
    yield compare("kid: std", d, result.std, subsets.std(), spread, 1e-12, what)
    again = fd.kid(x, y, **options, subset_size=size, rng=seed, full_sample=False)
    largest = max(truth.kernel_values(kernel, a, b).max() for a, b in ((x, x), (y, y), (x, y)))
    yield compare("kid: subsets", d, again.subset_values, subsets, 4 * largest, allowed, what)
    if len(x) == len(y):
        whole = fd.kid(x, y, **options, subset_size=len(x), rng=seed).subset_values
        yield compare("kid: all rows", d, whole, np.full(5, expected), bound, allowed, what)


@case("wae_mmd", "wae_kernel")
def wae(rng: Rng, dtype: type) -> Outcomes:
    z, prior_rows = draw.pair(rng, dtype)
    n, m, d = len(z), len(prior_rows), z.shape[1]
    name, prior = str(rng.choice(["imq", "rbf"])), str(rng.choice(["normal", "sphere", "uniform"]))
    sigma2 = draw.power(rng, -3, 3)
    options = {"kernel": name, "prior": prior, "sigma2_p": sigma2}
    what = str(options)
    kernel = fd.wae_kernel(z, prior_rows, **options)
    if name == "imq":
        base = {"normal": 2 * d * sigma2, "sphere": 2.0, "uniform": float(d)}[prior]
        constants = [part.c for part in kernel.kernels]  # type: ignore[attr-defined]
        scales = base * np.array([0.1, 0.2, 0.5, 1, 2, 5, 10])
        yield compare("wae_kernel: imq", d, sorted(constants), scales, scales, 1e-14, what)
    else:
        within = -np.sort(-truth.base_values(z, z)[0].ravel())[n * (n - 1) // 2 - 1]
        between = -np.sort(-truth.base_values(z, prior_rows)[0].ravel())
        variance = within + between[n * (m - 1) // 2 - 1]
        got = kernel.bandwidth**2  # type: ignore[attr-defined]
        yield compare("wae_kernel: rbf", d, got, variance, variance, 2 * CONTRACT[dtype], what)
    means, absolute = truth.mmd_means(kernel, z, prior_rows, np.ones(n), np.ones(m), "unbiased")
    got = fd.wae_mmd(z, prior_rows, **options)
    expected = means[0] + means[1] - 2 * means[2]
    yield compare("wae_mmd", d, got, expected, absolute.sum(), CONTRACT[dtype], what)


@case("kernel_mean_matching", "KernelMeanMatching")
def matching(rng: Rng, dtype: type) -> Outcomes:
    """Recompute MMD² and the gap of the weights found, in extended precision."""
    x, y = draw.pair(rng, dtype)
    x, y = x[:25], y[:25]
    n, d = len(x), x.shape[1]
    kernel = any_kernel(rng, x, y)
    limit = None if rng.random() < 0.5 else float(rng.choice([1.0, 1.5, 3.0, 100.0]))
    if isinstance(kernel, (fd.Linear, fd.Polynomial)) and d > n and rng.random() < 0.5:
        return  # slow to converge
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # `converged` is False then
        result = fd.kernel_mean_matching(x, y, kernel, bound=limit, max_iter=2000)
    w = truth.long(result.weights)
    what = f"{kernel}, bound {limit}"
    yield holds("kernel_mean_matching: w >= 0", d, w >= 0, what)
    yield compare("kernel_mean_matching: sum", d, w.sum(), 1.0, 1.0, 1e-12, what)
    if limit is not None:
        yield holds("kernel_mean_matching: bound", d, w <= limit / n * (1 + 1e-12), what)
    k_xx, k_xy = truth.kernel_values(kernel, x, x), truth.kernel_values(kernel, x, y)
    k_yy = truth.kernel_values(kernel, y, y)
    to_y = k_xy.mean(axis=1)
    terms = (w @ k_xx @ w, w @ to_y, k_yy.mean())
    largest = max(map(abs, (*terms, k_xx.mean(), k_xy.mean())))
    expected = terms[0] - 2 * terms[1] + terms[2]
    yield compare("kernel_mean_matching: mmd2", d, result.mmd2, expected, largest, 1e-11, what)
    g = k_xx @ w - to_y
    order = np.sort(g)
    if limit is None:
        least = order[0]
    else:  # as much weight as permitted on the least entries
        shares = np.minimum(limit / n, np.maximum(0, 1 - np.arange(n) * (limit / n)))
        least = (order * shares).sum()
    gap = 2 * (w @ g - least)
    scale = abs(k_xx).max() + abs(k_xy).max()
    yield compare("kernel_mean_matching: gap", d, result.gap, gap, scale, 1e-11, what)
    equal = k_xx.mean() - 2 * k_xy.mean() + k_yy.mean()
    if result.converged:
        fine = result.gap <= max(1e-3 * equal, 2e-14 * largest) * (1 + 1e-9)
        yield holds("kernel_mean_matching: converged", d, fine, what)

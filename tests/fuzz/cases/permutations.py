"""Permutation tests: statistics of given reorderings, and p-values counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.pairs import ESTIMATORS, any_kernel
from fuzz.registry import CONTRACT, Outcome, Outcomes, Rng, case, compare, holds
from fuzz.truth import clusters as groups_truth
from fuzz.truth import pairs as truth


def counted(name: str, width: int, result: Any, slack: Any, what: str) -> Outcome:
    """Count the p-value among the statistics that the result holds. Those within slack may tie."""
    t, null = result.statistic, result.null_distribution
    shift = slack if np.isfinite(t) else 0.0  # an infinite F, of groups of equal rows
    least, most = (np.count_nonzero(null >= t + by) for by in (shift, -shift))
    count = result.pvalue * (1 + len(null)) - 1
    fine = least <= round(count) <= most and abs(count - round(count)) < 1e-9
    return holds(f"{name}: p-value", width, fine, what)


@case("mmd_test", "TwoSampleResult")
def mmd_test(rng: Rng, dtype: type) -> Outcomes:
    estimator = str(rng.choice(ESTIMATORS))
    x, y = draw.pair(rng, dtype, matched=estimator == "paired")
    n, m, d = len(x), len(y), x.shape[1]
    kernel = any_kernel(rng, x, y)
    what = f"{kernel}, {estimator}"
    orders = np.array([rng.permutation(n + m) for _ in range(7)])
    options = {"estimator": estimator, "permutations": orders}
    result = fd.mmd_test(x, y, kernel, **options)
    pooled = np.concatenate([truth.long(x), truth.long(y)])
    k = truth.kernel_values(kernel, pooled, pooled)
    values, bounds = [], []
    for order in [np.arange(n + m), *orders]:
        a, b = order[:n], order[n:]
        signed, absolute = [], []
        for rows, columns, skip in (
            (a, a, estimator != "biased"),
            (b, b, estimator != "biased"),
            (a, b, estimator == "paired"),
        ):
            block = k[np.ix_(rows, columns)]
            counts = np.ones(block.shape)
            if skip:
                np.fill_diagonal(counts, 0)
            signed.append((block * counts).sum() / counts.sum())
            absolute.append((abs(block) * counts).sum() / counts.sum())
        values.append(signed[0] + signed[1] - 2 * signed[2])
        bounds.append(absolute[0] + absolute[1] + 2 * absolute[2])
    allowed = CONTRACT[dtype]
    yield compare("mmd_test: statistic", d, result.statistic, values[0], bounds[0], allowed, what)
    null = result.null_distribution
    yield compare("mmd_test: null", d, null, values[1:], bounds[1:], allowed, what)
    slack = 100 * np.finfo(float).eps * abs(result.statistic)
    yield counted("mmd_test", d, result, slack, what)
    again = fd.mmd_test(x, y, kernel, **options, n_threads=3)
    same = again.statistic == result.statistic and np.array_equal(again.null_distribution, null)
    yield holds("mmd_test: threads", d, same, what)
    swapped = fd.mmd_test(x, y, kernel, estimator=estimator, n_resamples=3, rng=5)
    yield holds("mmd_test: equal p-value", d, swapped.statistic == result.statistic, what)


def groups_of_rows(rng: Rng, dtype: type) -> tuple[Any, Any]:
    n, m, d = draw.shape(rng)
    x = draw.sample(rng, n + m, d, dtype)
    return x, draw.labels(rng, len(x))


TIE = 200 * np.finfo(float).eps
"""Relative difference of sums within groups that may count as a tie."""


def ratios(result: Any, parts: Any, n: int, k: int) -> tuple[Any, Any, Any]:
    """Return the ratios F of a result, those from the sums given, and their bounds."""
    total, within = (truth.long([part[i] for part in parts]) for i in (0, 1))
    with np.errstate(divide="ignore"):
        f = ((total - within) / (k - 1)) / (within / (n - k))
        # The difference loses digits where the groups are alike.
        bound = f + total / within * (n - k) / (k - 1)
    got = np.array([result.statistic, *result.null_distribution])
    finite = within > 0
    return np.where(finite, got, 0), np.where(finite, f, 0), np.where(finite, bound, np.inf)


@case("permanova", "PermanovaResult")
def permanova(rng: Rng, dtype: type) -> Outcomes:
    x, groups = groups_of_rows(rng, dtype)
    n, d, k = len(x), x.shape[1], len(np.unique(groups))
    metric = str(rng.choice(["euclidean", "sqeuclidean", "cityblock"]))
    orders = np.array([rng.permutation(n) for _ in range(5)])
    result = fd.permanova(x, groups, metric=metric, permutations=orders)
    squares, l1, _ = truth.base_values(x, x)
    powers = {"euclidean": squares, "sqeuclidean": squares**2, "cityblock": l1**2}[metric]
    allowed = 4 * CONTRACT[dtype] if metric == "sqeuclidean" else 2 * CONTRACT[dtype]
    relabelled = [groups, *(regrouped(groups, order) for order in orders)]
    parts = [groups_truth.group_sums(powers, labels) for labels in relabelled]
    total, within = parts[0]
    yield compare("permanova: ss_total", d, result.ss_total, total, total, allowed, metric)
    yield compare("permanova: ss_within", d, result.ss_within, within, within, allowed, metric)
    r2 = (total - within) / total
    yield compare("permanova: r2", d, result.r2, r2, 1.0, 2 * allowed, metric)
    got, f, bounds = ratios(result, parts, n, k)
    yield compare("permanova: F", d, got, f, bounds, 2 * allowed, metric)
    yield counted("permanova", d, result, TIE * bounds[0], metric)


def regrouped(groups: Any, order: Any) -> Any:
    """Give the group of row i to row order[i]."""
    labels = np.empty_like(groups)
    labels[order] = groups
    return labels


@case("disco", "DiscoResult")
def disco(rng: Rng, dtype: type) -> Outcomes:
    x, groups = groups_of_rows(rng, dtype)
    n, d, k = len(x), x.shape[1], len(np.unique(groups))
    exponent = float(rng.choice([1.0, 2.0, rng.uniform(0.3, 2.0)]))
    orders = np.array([rng.permutation(n) for _ in range(5)])
    result = fd.disco(x, groups, exponent=exponent, permutations=orders)
    powers = truth.base_values(x, x)[0] ** (truth.long(exponent) / 2)
    allowed, what = CONTRACT[dtype], f"exponent {exponent}"
    relabelled = [groups, *(regrouped(groups, order) for order in orders)]
    parts = [groups_truth.group_sums(powers, labels) for labels in relabelled]
    total, within = parts[0]
    yield compare("disco: total", d, result.total, total, total, allowed, what)
    yield compare("disco: within", d, result.within, within, within, allowed, what)
    yield compare("disco: between", d, result.between, total - within, total, 2 * allowed, what)
    got, f, bounds = ratios(result, parts, n, k)
    yield compare("disco: F", d, got, f, bounds, 2 * allowed, what)
    yield counted("disco", d, result, TIE * bounds[0], what)

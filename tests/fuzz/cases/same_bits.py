"""Results that have the same bits: for any number of threads, order of rows, and power of two."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz import draw
from fuzz.cases.arguments import numbers
from fuzz.cases.pairs import any_kernel
from fuzz.registry import CONTRACT, Outcomes, Rng, case, compare, holds
from fuzz.truth import pairs as truth


@case()
def same_bits(rng: Rng, dtype: type) -> Outcomes:
    """Compare numbers of threads, and weights times a power of two."""
    x, y = draw.pair(rng, dtype)
    kernel = any_kernel(rng, x, y)
    u, v = draw.weights(rng, len(x)), draw.weights(rng, len(y))
    factor = 2.0 ** int(rng.integers(-40, 40))
    options = {"x_weights": u, "y_weights": v}
    expected = fd.mmd2(x, y, kernel, **options, n_threads=1)
    got = fd.mmd2(x, y, kernel, **options, n_threads=3)
    yield holds("same bits: threads", x.shape[1], got == expected, str(kernel))
    got = fd.mmd2(x, y, kernel, x_weights=u * factor, y_weights=v)
    yield holds("same bits: scaled weights", x.shape[1], got == expected, str(kernel))
    if x.shape[1] > 10**5:
        return  # gradients of so many features take more memory than a try has
    one = fd.mmd2_and_grad(x, y, kernel, **options, n_threads=1)
    many = fd.mmd2_and_grad(x, y, kernel, **options, n_threads=3)
    same = all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    yield holds("same bits: gradients", x.shape[1], same, str(kernel))


@case()
def scaled_data(rng: Rng, dtype: type) -> Outcomes:
    """Scale data and bandwidth by a power of two, which rounds nothing."""
    x, y = draw.pair(rng, dtype)
    s = float(truth.long(x).std()) or 1.0
    factor = 2.0 ** int(rng.integers(-8, 8))
    if not 1e-20 < s < 1e20 or x.dtype.kind != "f" or x.dtype.itemsize < 4 or x.dtype != y.dtype:
        return
    a, b = (np.asarray(rows * dtype(factor)) for rows in (x, y))
    if not (np.array_equal(a / factor, x) and np.array_equal(b / factor, y)):
        return  # subnormal numbers
    for kernel, scaled in (
        (fd.RBF(s), fd.RBF(s * factor)),
        (fd.Laplacian(s), fd.Laplacian(s * factor)),
        (fd.Matern(1.5, s), fd.Matern(1.5, s * factor)),
    ):
        got, expected = fd.mmd2(a, b, scaled), fd.mmd2(x, y, kernel)
        bound = 4.0
        allowed = CONTRACT[dtype]
        yield compare("scaled data", x.shape[1], got, expected, bound, allowed, str(kernel))


def threaded_calls(rng: Rng, x: Any, y: Any) -> dict[str, Callable[..., Any]]:
    """Return calls that take a number of threads."""
    labels = draw.labels(rng, len(x)) if len(x) > 2 else np.arange(len(x))
    weights = rng.uniform(0.1, 1.0, size=len(x))
    p = fd.Gaussian(np.asarray(x, float), std=1.5)
    logs = np.clip(np.asarray(x, float), -50, 50)
    b, first = fd.Categorical(logits=logs), fd.Categorical(logits=logs[:1])
    return {
        "energy_distance": lambda **o: fd.energy_distance(x, y, **o),
        "median_distance": lambda **o: fd.median_distance(x, y, **o),
        "cmmd": lambda **o: fd.cmmd(x, y, **o),
        "witness": lambda **o: fd.witness(x, y, y, fd.RBF(3.0), **o),
        "mmd_test": lambda **o: fd.mmd_test(x, y, fd.RBF(3.0), n_resamples=9, rng=0, **o),
        "permanova": lambda **o: fd.permanova(x, labels, n_resamples=9, rng=0, **o),
        "disco": lambda **o: fd.disco(x, labels, n_resamples=9, rng=0, **o),
        "cluster_dispersion": lambda **o: fd.cluster_dispersion(
            x, labels, sample_weight=weights, pairs=True, **o
        ),
        "geometric_median": lambda **o: fd.geometric_median(x, labels, **o),
        "silhouette_samples": lambda **o: fd.silhouette_samples(x, labels, **o),
        "dunn_index": lambda **o: fd.dunn_index(x, labels, **o),
        "kl_knn": lambda **o: fd.kl_knn(x, y, 1, **o),
        "kl": lambda **o: fd.kl(p, p[:1], **o),
        "kl_matrix": lambda **o: fd.kl_matrix(p, p, **o),
        "jensen_shannon": lambda **o: fd.jensen_shannon(b, first, **o),
        "Categorical.entropy": lambda **o: b.entropy(**o),
        "kl_from_log_probs": lambda **o: fd.kl_from_log_probs(logs, logs * 0.9, **o),
    }


@case()
def any_number_of_threads(rng: Rng, dtype: type) -> Outcomes:
    x, y = draw.pair(rng, dtype)
    calls = threaded_calls(rng, x, y)
    name = str(rng.choice(list(calls)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a tolerance that is not reached
        one, many = (list(numbers(calls[name](n_threads=n))) for n in (1, 3))
    same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, many, strict=True))
    yield holds(f"{name}: same bits", x.shape[1], same)


@case()
def order_of_rows(rng: Rng, dtype: type) -> Outcomes:
    """Shuffle the rows. A median and neighbours have the same bits, and sums the same digits."""
    x, y = draw.pair(rng, dtype)
    kernel = any_kernel(rng, x, y)
    a, b = (np.asarray(rows)[rng.permutation(len(rows))] for rows in (x, y))
    d, allowed = x.shape[1], CONTRACT[dtype]
    same = fd.median_distance(a, b) == fd.median_distance(x, y)
    yield holds("median_distance: order of rows", d, same)
    got, expected = fd.mmd2(a, b, kernel), fd.mmd2(x, y, kernel)
    ones = np.ones(len(x)), np.ones(len(y))
    _, absolute = truth.mmd_means(kernel, x, y, *ones, "unbiased")
    bound = absolute.sum()
    yield compare("mmd2: order of rows", d, got, expected, bound, 2 * allowed, str(kernel))
    back = fd.mmd2(y, x, kernel)
    yield compare("mmd2: symmetry", d, back, expected, bound, 2 * allowed, str(kernel))

"""Inputs larger than any block that the package computes at a time, so that it needs several."""

from __future__ import annotations

from functools import partial

import numpy as np

import fastdiv
from fastdiv import (
    RBF,
    Callback,
    Categorical,
    Gaussian,
    GaussianMixture,
    Laplacian,
    Linear,
    Polynomial,
)

from . import inputs
from .encode import Cases, case


def _ramp(n: int, d: int, dtype: str = "float64", key: object = "ramp") -> np.ndarray:
    """Return many rows, quickly."""
    return inputs.generator(n, d, key).random((n, d)).astype(dtype)


def samples(small: bool) -> Cases:
    """Read, scale, subsample and sum in several blocks."""
    if small:
        return
    x, y = inputs.pair(601, 601, 129)
    for dtype in ("float64", "float32"):
        one, other = x.astype(dtype), y.astype(dtype)
        yield case(f"mmd2, {dtype}", fastdiv.mmd2, one, other, [RBF(10.0), Laplacian(50.0)])
        yield case(f"mmd2_and_grad, {dtype}", fastdiv.mmd2_and_grad, one, other, RBF(10.0))
        yield case(f"mmd_test, {dtype}", fastdiv.mmd_test, one, other, n_resamples=50, rng=0)
    for dtype in ("float64", "float32"):
        one, other = (inputs.rows(300, 769, dtype, key) for key in "xy")
        family = [RBF(30.0), Linear(), Polynomial()]
        yield case(f"769 features, {dtype}", fastdiv.mmd2, one, other, family, estimator="biased")
        yield case(f"769 features L1, {dtype}", fastdiv.mmd2, one, other, Laplacian())
        yield case(
            f"769 features, gradients, {dtype}", fastdiv.mmd2_and_grad, one, other, RBF(30.0)
        )
        w = inputs.weights(300, "unequal")
        for estimator in ("unbiased", "biased", "paired"):
            gradient = partial(fastdiv.mmd2_and_grad, estimator=estimator, x_weights=w)
            yield case(f"weights, {estimator} {dtype}", gradient, one, other, family)
        many, wide = _ramp(9000, 2, dtype), _ramp(900, 1500, dtype)
        rest = _ramp(1500, 2, dtype, "rest")
        yield case(f"10 500 rows, {dtype}", fastdiv.median_distance, many, rest)
        yield case(
            f"10 500 rows L1, {dtype}", fastdiv.median_distance, many, rest, metric="cityblock"
        )
        doubled = np.concatenate([many, many[:3000]])
        yield case(f"12 000 rows, repeated, {dtype}", fastdiv.median_distance, doubled)
        yield case(f"12 000 rows, backwards, {dtype}", fastdiv.median_distance, doubled[::-1])
        yield case(
            f"1500 features weighted, {dtype}",
            fastdiv.mmd2,
            wide,
            wide[:20] + 1,
            Linear(),
            x_weights=w.repeat(3),
        )
        yield case(f"quantised, {dtype}", fastdiv.quantize_rows, wide, symmetric=False)
    quantised = [fastdiv.quantize_rows(_ramp(6000, 3, key=key), symmetric=False) for key in "xy"]
    yield case("12 000 quantised rows", fastdiv.median_distance, *quantised)
    x, y = inputs.pair(700, 650, 3)
    for estimator in ("unbiased", "biased"):
        options = {"estimator": estimator}
        yield case(
            f"Callback, {estimator}", fastdiv.mmd2, x, y, Callback(inputs.callback), **options
        )
        test = partial(fastdiv.mmd_test, n_resamples=9, rng=0, **options)
        yield case(f"Callback test, {estimator}", test, x, y, Callback(inputs.callback))
    multiply = partial(fastdiv.hybrid_matmul, _ramp(300, 700) - 0.5)
    yield case("products", multiply, fastdiv.quantize_rows(_ramp(400, 700, key="w") - 0.5))
    late = _ramp(2_200_000, 2, "float32")
    late[2_150_000, 1] = late[2_199_999, 0] = np.nan
    yield case("a late NaN", fastdiv.quantize_rows, late)
    yield case("a late NaN of clusters", fastdiv.wcss, late, np.arange(len(late)) % 2)
    omit = {"nan_policy": "omit"}
    yield case("a late NaN dropped", fastdiv.wcss, late, np.arange(len(late)) % 2, **omit)


def clusters(small: bool) -> Cases:
    """Sum clusters over several blocks of rows."""
    if small:
        return
    for dtype in ("float64", "float32"):
        x = _ramp(150_000, 2, dtype)
        codes = (x[:, 0] * 3).astype(int)
        yield case(f"cluster_dispersion, {dtype}", fastdiv.cluster_dispersion, x, codes)
        medians = partial(fastdiv.cluster_dispersion, centers="geometric_median")
        yield case(f"geometric medians, {dtype}", medians, x, codes)
        yield case(f"geometric_median, {dtype}", fastdiv.geometric_median, x, tolerance=1e-12)
        for name in ("calinski_harabasz_score", "davies_bouldin_score"):
            yield case(f"{name}, {dtype}", getattr(fastdiv, name), x, codes)
        squared = partial(fastdiv.silhouette_samples, metric="sqeuclidean")
        yield case(f"silhouettes, {dtype}", squared, x, codes)
    x = inputs.rows(900, 5)
    yield case("pairs", fastdiv.cluster_dispersion, x, inputs.labels(900, 4), pairs=True)
    yield case("silhouettes", fastdiv.silhouette_samples, x, inputs.labels(900, 40))
    yield case("permanova", fastdiv.permanova, x, inputs.labels(900, 4), n_resamples=100, rng=0)


def distributions(small: bool) -> Cases:
    """Evaluate large batches, and gradients of what they share."""
    if small:
        return
    for dtype in ("float64", "float32"):
        mean, std = _ramp(300_000, 2, dtype), 0.5 + _ramp(300_000, 2, dtype, "std")
        many = Gaussian(mean, std=std)
        shared = Gaussian(np.array([0.5, 0.25], dtype), logstd=np.array([0.25, 0.5], dtype))
        full = Gaussian(np.zeros(2, dtype), cov=np.array([[2.0, 0.5], [0.5, 1.0]], dtype))
        for name, q in (("shared", shared), ("full", full)):
            yield case(f"kl, {name} {dtype}", fastdiv.kl, many, q, reduce="mean")
            yield case(f"kl_and_grad, {name} {dtype}", fastdiv.kl_and_grad, many, q)
            yield case(f"kl_and_grad turned, {name} {dtype}", fastdiv.kl_and_grad, q, many)
            yield case(f"renyi, {name} {dtype}", fastdiv.renyi, many, q, 0.5)
        yield case(f"entropy, {dtype}", many.entropy)
        yield case(f"log_prob, {dtype}", shared.log_prob, mean)
        yield case(f"log_prob full, {dtype}", full.log_prob, mean)
        yield case(f"log_prob of many, {dtype}", many.log_prob, mean[::-1])
        yield case(f"fit_gaussian, {dtype}", fastdiv.fit_gaussian, _ramp(1_100_000, 2, dtype))
        for k, rows in ((10, 9000), (200_000, 12)):
            logits, others = (4 * _ramp(rows, k, dtype, key) for key in "pq")
            p, q = Categorical(logits=logits), Categorical(logits=others)
            key = f"{rows} x {k} {dtype}"
            yield case(f"categorical sample, {key}", p.sample, 3, rng=0)
            yield case(f"categorical kl_and_grad, {key}", fastdiv.kl_and_grad, p, q)
            first = Categorical(logits=others[0])
            yield case(f"categorical kl_and_grad shared, {key}", fastdiv.kl_and_grad, p, first)
    p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=2.0)
    mixture = GaussianMixture([0.5, 0.5], Gaussian([[0.0], [3.0]], std=1.0))
    for estimator in ("k1", "k3"):
        estimate = partial(fastdiv.kl_monte_carlo, estimator=estimator, rng=0)
        yield case(f"kl_monte_carlo, {estimator}", estimate, p, mixture, 600_001)
    log_p, log_q = (_ramp(300_001, 2, key=key) for key in "pq")
    yield case("kl_from_log_probs", fastdiv.kl_from_log_probs, log_p, log_q)
    yield case("coupled_kl_monte_carlo", fastdiv.coupled_kl_monte_carlo, p, q, 0.2, 600_001, rng=0)
    names = ("z_p", "mean_p", "logstd_p", "logstd_q")
    flow = {name: _ramp(9, 60_000, key=name).reshape(9, 60, 1000) for name in names}
    yield case("kl_flow_and_grad", fastdiv.kl_flow_and_grad, **flow)
    means = _ramp(1200, 3)
    near = Gaussian(means, std=np.full(3, 1e-7))
    yield case("kl_matrix, recomputed", fastdiv.kl_matrix, near, near[:900])


ROOMS = {"large samples": samples, "large clusters": clusters, "large distributions": distributions}

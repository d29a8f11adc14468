"""Tests by permutations, gradients, matching; threads, and what is reported of progress."""

from __future__ import annotations

from functools import partial

import numpy as np

import fastdiv
from fastdiv import RBF, Callback, Energy, Laplacian, Linear, Matern, Sum

from . import inputs
from .calls import halves
from .encode import Cases, case
from .samples import ESTIMATORS

WRT = ("x", "y", "x_weights", "y_weights", "bandwidth")


def orderings(n: int, times: int) -> np.ndarray:
    """Return random orderings of n rows, the first of them the identity."""
    drawn = [inputs.generator(n, i).permutation(n) for i in range(times)]
    return np.stack([np.arange(n), *drawn[1:]])


def tests(small: bool) -> Cases:
    """Draw or give the orderings of every test."""
    shapes = [(9, 14, 2), (24, 24, 3)] + ([] if small else [(61, 84, 5), (301, 299, 17)])
    for n, m, d in shapes:
        for dtype in ("float64", "float32"):
            x, y = inputs.pair(n, m, d, dtype)
            groups = inputs.labels(n)
            given = orderings(n + m, 13)
            sources = {
                "rng 0": {"rng": 0, "n_resamples": 29},
                "rng of NumPy": {"rng": np.int64(7), "n_resamples": 1},
                "permutations": {"permutations": given},
                "permutations int8": {"permutations": given[:3].astype("int16"), "n_resamples": 3},
                "permutations list": {"permutations": given[2:4].tolist()},
            }
            for source, options in sources.items():
                key = f"{source}, {n} {m} x {d} {dtype}"
                for kernel in (RBF(), Laplacian(1.5), Energy(), [RBF(1.0), Linear(), Matern()]):
                    name = f"{kernel}"
                    for estimator in ESTIMATORS:
                        full = f"mmd_test {estimator}, {name}, {key}"
                        test = partial(fastdiv.mmd_test, estimator=estimator, **options)
                        yield case(full, test, x, y, kernel)
                of_groups = dict(options)
                if "permutations" in of_groups:
                    of_groups["permutations"] = orderings(n, 5)
                    of_groups.pop("n_resamples", None)
                for k in (2, 3, 5):
                    some = inputs.labels(n, k)
                    words = np.array(["b", "a", "c", "é", "e"])[some]
                    for metric in ("euclidean", "sqeuclidean", "cityblock", "manhattan"):
                        test = partial(fastdiv.permanova, metric=metric, **of_groups)
                        yield case(f"permanova {metric} {k}, {key}", test, x, some)
                    for exponent in (0.5, 1, 2.0):
                        test = partial(fastdiv.disco, exponent=exponent, **of_groups)
                        yield case(f"disco {exponent} {k}, {key}", test, x, words)
            key = f"{n} {m} x {d} {dtype}"
            yield case(f"one generator, {key}", _two_draws, x, y)
            yield case(f"disco default, {key}", fastdiv.disco, x, groups, rng=0)
            for subset_size in (2, n // 2, n, n + 1):
                for full in (True, False):
                    options = {"subset_size": subset_size, "full_sample": full, "rng": 5}
                    kid = partial(fastdiv.kid, n_subsets=11, **options)
                    yield case(f"kid {subset_size} {full}, {key}", kid, x, y)
            kid = partial(fastdiv.kid, n_subsets=1, subset_size=3, rng=5, full_sample=False)
            yield case(f"kid one by one, {key}", kid, x, y, degree=2, gamma=0.5, coef0=0.0)
    for kind, (x, y) in inputs.quantized(24, 24, 4).items():
        yield case(f"kid, {kind}", fastdiv.kid, x, y, n_subsets=5, subset_size=4, rng=0)
        for metric in ("euclidean", "sqeuclidean", "cityblock"):
            options = {"metric": metric, "n_resamples": 9, "rng": 0}
            yield case(
                f"permanova {metric}, {kind}", fastdiv.permanova, x, np.arange(24) % 3, **options
            )


def counts(small: bool) -> Cases:
    """Cross the edges of what is done at once: resamples, groups, neighbours, subsets."""
    x, y = inputs.pair(33, 30, 3)
    groups = inputs.labels(33)
    some = (1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 999, 1000)
    for n_resamples in some[:8] if small else some:
        options = {"n_resamples": n_resamples, "rng": 0}
        for dtype in ("float64", "float32"):
            one, other = x.astype(dtype), y.astype(dtype)
            for kernel in (RBF(1.0), Laplacian(1.0), [RBF(1.0), Energy(), Linear()]):
                full = f"mmd_test {n_resamples}, {kernel}, {dtype}"
                yield case(full, fastdiv.mmd_test, one, other, kernel, **options)
            yield case(
                f"permanova {n_resamples}, {dtype}", fastdiv.permanova, one, groups, **options
            )
            yield case(
                f"disco two {n_resamples}, {dtype}", fastdiv.disco, one, groups > 0, **options
            )
            kid = partial(fastdiv.kid, n_subsets=n_resamples, subset_size=9, rng=0)
            yield case(f"kid {n_resamples}, {dtype}", kid, one, other)
    x, y = inputs.pair(70 if small else 150, 130, 4)
    for k in (1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33, 63, 64):
        for dtype in ("float64", "float32"):
            one, other = x.astype(dtype), y.astype(dtype)
            yield case(f"kl_knn {k}, {dtype}", fastdiv.kl_knn, one, other, k)
            rows = [fastdiv.quantize_rows(a) for a in (one, other)]
            yield case(f"kl_knn {k}, quantised {dtype}", fastdiv.kl_knn, *rows, k)
            codes = np.arange(len(one)) % (k + 1)
            for metric in ("euclidean", "sqeuclidean", "cityblock"):
                silhouettes = partial(fastdiv.silhouette_samples, metric=metric)
                yield case(f"silhouettes {metric} {k}, {dtype}", silhouettes, one, codes)
            test = partial(fastdiv.permanova, n_resamples=9, rng=0)
            yield case(f"permanova of {k + 1}, {dtype}", test, one, codes)
            yield case(f"dunn_index {k}, {dtype}", fastdiv.dunn_index, one, np.sort(codes))
            family = [RBF(0.5 + 0.1 * i) for i in range(k)]
            yield case(f"mmd2 of {k} kernels, {dtype}", fastdiv.mmd2, one, other, family)
            both = partial(fastdiv.mmd2_and_grad, wrt=("x", "bandwidth"))
            yield case(f"gradients of {k} kernels, {dtype}", both, one, other, family)


def _two_draws(x: np.ndarray, y: np.ndarray) -> object:
    rng = np.random.default_rng(3)
    results = [fastdiv.mmd_test(x, y, RBF(1.0), n_resamples=5, rng=rng) for _ in range(2)]
    return results, rng.integers(1 << 30)


def gradients(small: bool) -> Cases:
    """Differentiate by everything, with every kernel, estimator and weights."""
    shapes = [(13, 13, 3, "float64"), (13, 13, 3, "float32")]
    if not small:
        shapes += [(50, 50, 1, "float64"), (49, 49, 20, "float32"), (150, 150, 5, "float64")]
    for n, m, d, dtype in shapes:
        x, y = inputs.pair(n, m, d, dtype)
        u, v = inputs.weights(n, "unequal"), inputs.weights(m, "some zero")
        for name in inputs.SMOOTH:
            kernel = inputs.kernels(d)[name]
            wrt = WRT if name in inputs.WITH_BANDWIDTHS else WRT[:4]
            for estimator in ESTIMATORS:
                gradient = partial(fastdiv.mmd2_and_grad, estimator=estimator, wrt=wrt)
                key = f"{estimator}, {name}, {n} x {d} {dtype}"
                yield case(f"all {key}", gradient, x, y, kernel)
                yield case(f"weights {key}", gradient, x, y, kernel, x_weights=u, y_weights=v)
                if small or n > 20:
                    continue
                for one in wrt:
                    alone = partial(fastdiv.mmd2_and_grad, estimator=estimator, wrt=one)
                    yield case(f"{one} {key}", alone, x, y, kernel)
                    yield case(f"{one} weights {key}", alone, x, y, kernel, x_weights=u)
    x, y = inputs.pair(12, 12, 4)
    for kind in inputs.WEIGHTS:
        for estimator in ESTIMATORS:
            gradient = partial(fastdiv.mmd2_and_grad, estimator=estimator, wrt=WRT)
            for name in ("RBF 0.7", "Laplacian median", "Sum"):
                w = inputs.weights(12, kind)
                key = f"{kind}, {estimator}, {name}"
                yield case(key, gradient, x, y, inputs.kernels(4)[name], x_weights=w)
                yield case(f"y {key}", gradient, x, y, inputs.kernels(4)[name], y_weights=w)
    for name in ("Linear", "Polynomial", "Energy"):
        options = {"x_weights": inputs.weights(12, "one dominates"), "wrt": ("y", "x_weights")}
        for estimator in ESTIMATORS:
            gradient = partial(fastdiv.mmd2_and_grad, estimator=estimator, **options)
            yield case(
                f"one dominates, {name}, {estimator}", gradient, x, y, inputs.kernels(4)[name]
            )
    order = ("bandwidth", "y_weights", "x")
    yield case("order of wrt", fastdiv.mmd2_and_grad, x, y, wrt=order)
    yield case("list of wrt", fastdiv.mmd2_and_grad, x, y, wrt=["y"])
    shaped = x.reshape(12, 2, 2), y.reshape(12, 4)
    yield case("shapes are kept", fastdiv.mmd2_and_grad, *shaped)


def matching(small: bool) -> Cases:
    """Match means with every bound and tolerance."""
    n, m = (12, 9) if small else (40, 55)
    for dtype in ("float64", "float32"):
        x, y = inputs.pair(n, m, 3, dtype)
        for bound in (None, 1, 1.5, 4.0, n, 1e6):
            for tolerance in (0.1, 1e-3, 1e-6):
                for kernel in (RBF(1.0), Laplacian(), Energy(), Linear()):
                    options = {"bound": bound, "tolerance": tolerance, "max_iter": 1000}
                    match = partial(fastdiv.kernel_mean_matching, **options)
                    yield case(f"{bound}, {tolerance}, {kernel}, {dtype}", match, x, y, kernel)
        match = partial(fastdiv.kernel_mean_matching, max_iter=1)
        yield case(f"one step, {dtype}", match, x, y)
        indefinite = Sum([RBF(1.0), RBF(2.0)], weights=[1.0, -5.0])
        yield case(f"indefinite, {dtype}", fastdiv.kernel_mean_matching, x, y, indefinite)
    for kind, (x, y) in inputs.quantized(n, n, 3).items():
        match = partial(fastdiv.kernel_mean_matching, max_iter=400)
        yield case(f"{kind}", match, x, y, RBF(1.0), bound=3)
        yield case(f"{kind}, Callback", match, x, y, Callback(inputs.callback))


def products(small: bool) -> Cases:
    """Quantise, and multiply in integers."""
    for n, m, d in ((1, 1, 1), (3, 5, 2), (7, 16, 33), (48, 49, 65), (64, 100, 300)):
        for dtype in ("float64", "float32", "int8"):
            x, w = inputs.rows(n, d, key="p"), inputs.rows(m, d, key="w")
            x, w = (3 * x).astype(dtype), (3 * w).astype(dtype)
            for symmetric in (True, False):
                quantise = partial(fastdiv.quantize_rows, symmetric=symmetric)
                key = f"{symmetric}, {n} {m} {d} {dtype}"
                yield case(f"rows {key}", quantise, x)
                for threads in (1, 2):
                    multiply = partial(fastdiv.hybrid_matmul, n_threads=threads)
                    yield case(f"product {key} {threads}", multiply, x, quantise(w))
    values = np.array(
        [[0.0, 0, 0], [1e-45, 0, 0], [1e-30, -1e-30, 0], [127.5, 0.5, 1.5], [-3, 1, 2]]
    )
    for symmetric in (True, False):
        for dtype in ("float64", "float32"):
            quantise = partial(fastdiv.quantize_rows, symmetric=symmetric)
            yield case(f"special rows, {symmetric} {dtype}", quantise, values.astype(dtype))
            for scale in (1e-38, 1e30, 1e38, 1e300):
                yield case(f"times {scale}, {symmetric} {dtype}", quantise, values * scale)


def threads(small: bool) -> Cases:
    """Compute with several numbers of threads, set in every way."""
    n, m, d = (30, 20, 3) if small else (301, 255, 19)
    for dtype in ("float64", "float32"):
        x, y = inputs.pair(n, m, d, dtype)
        w, groups = inputs.weights(n, "unequal"), inputs.labels(n)
        family = list(inputs.kernels(d)["tuple of kinds"])
        calls = {
            "mmd2": partial(fastdiv.mmd2, x, y, family, estimator="biased"),
            "mmd2 weights": partial(fastdiv.mmd2, x, y, family, x_weights=w),
            "energy_distance": partial(fastdiv.energy_distance, x, y),
            "witness": partial(fastdiv.witness, x, y, y, family),
            "median_distance": partial(fastdiv.median_distance, x, y, metric="cityblock"),
            "mmd_test": partial(fastdiv.mmd_test, x, y, family, n_resamples=21, rng=0),
            "mmd2_and_grad": partial(fastdiv.mmd2_and_grad, x, y, RBF(), wrt=WRT),
            "kid": partial(fastdiv.kid, x, y, subset_size=9, n_subsets=5, rng=0),
            "cmmd": partial(fastdiv.cmmd, x, y),
            "wae_mmd": partial(fastdiv.wae_mmd, x, y, kernel="rbf"),
            "kl_knn": partial(fastdiv.kl_knn, x, y, 3),
            "permanova": partial(fastdiv.permanova, x, groups, n_resamples=15, rng=0),
            "disco": partial(fastdiv.disco, x, groups, n_resamples=15, rng=0),
            "cluster_dispersion": partial(
                fastdiv.cluster_dispersion, x, groups, pairs=True, sample_weight=w
            ),
            "geometric_median": partial(fastdiv.geometric_median, x, groups),
            "silhouette_samples": partial(fastdiv.silhouette_samples, x, groups, sample_weight=w),
            "dunn_index": partial(fastdiv.dunn_index, x, groups),
        }
        for name, call in calls.items():
            for n_threads in (1, 2, 3, 7):
                yield case(f"{name}, {n_threads}, {dtype}", call, n_threads=n_threads)
            yield case(f"{name}, set to 3, {dtype}", _with_setting, call, 3)


def _with_setting(call: object, n: int) -> object:
    before = fastdiv.get_num_threads()
    fastdiv.set_num_threads(n)
    try:
        return call(), fastdiv.get_num_threads()
    finally:
        fastdiv.set_num_threads(before)


def progress(small: bool) -> Cases:
    """Report progress: every report where these do not depend on time, else the last ones."""
    n, m, d = 40, 30, 3
    x, y = inputs.pair(n, m, d)
    groups = inputs.labels(n)
    p, q = (fastdiv.Gaussian(inputs.rows(50, 2, key=i), std=1.0 + i) for i in (0, 1))
    calls = {
        "mmd2": partial(fastdiv.mmd2, x, y),
        "mmd2 Callback": partial(fastdiv.mmd2, x, y, Callback(inputs.callback)),
        "mmd2 weights": partial(fastdiv.mmd2, x, y, x_weights=inputs.weights(n, "unequal")),
        "energy_distance": partial(fastdiv.energy_distance, x, y),
        "witness": partial(fastdiv.witness, x, y, y),
        "witness Callback": partial(fastdiv.witness, x, y, y, Callback(inputs.callback)),
        "median_distance": partial(fastdiv.median_distance, x, y),
        "mmd_test": partial(fastdiv.mmd_test, x, y, n_resamples=9, rng=0),
        "mmd_test Callback": partial(
            fastdiv.mmd_test, x, y, Callback(inputs.callback), n_resamples=9, rng=0
        ),
        "mmd2_and_grad": partial(fastdiv.mmd2_and_grad, x, y, wrt=WRT),
        "kid": partial(fastdiv.kid, x, y, n_subsets=4, subset_size=5, rng=0),
        "kid one by one": partial(
            fastdiv.kid, x, y, n_subsets=4, subset_size=5, rng=0, full_sample=False
        ),
        "cmmd": partial(fastdiv.cmmd, x, y),
        "wae_mmd": partial(fastdiv.wae_mmd, x, y),
        "kernel_mean_matching": partial(fastdiv.kernel_mean_matching, x, y, tolerance=1e-6),
        "kl_knn": partial(fastdiv.kl_knn, x, y),
        "permanova": partial(fastdiv.permanova, x, groups, n_resamples=9, rng=0),
        "disco": partial(fastdiv.disco, x, groups, n_resamples=9, rng=0),
        "cluster_dispersion": partial(fastdiv.cluster_dispersion, x, groups, pairs=True),
        "cluster_dispersion medians": partial(
            fastdiv.cluster_dispersion, x, groups, centers="geometric_median"
        ),
        "wcss": partial(fastdiv.wcss, x, groups),
        "wcss pairwise": partial(fastdiv.wcss, x, groups, method="pairwise"),
        "geometric_median": partial(fastdiv.geometric_median, x, groups),
        "gap_statistic": partial(fastdiv.gap_statistic, x, halves, [1, 2], n_references=3, rng=0),
        "silhouette_samples": partial(fastdiv.silhouette_samples, x, groups),
        "silhouette_score": partial(fastdiv.silhouette_score, x, groups, metric="sqeuclidean"),
        "dunn_index": partial(fastdiv.dunn_index, x, groups),
        "kl": partial(fastdiv.kl, p, q),
        "kl_matrix": partial(fastdiv.kl_matrix, p, q),
        "jensen_shannon": partial(
            fastdiv.jensen_shannon, *2 * [fastdiv.Categorical(probs=[[0.5, 0.5], [0.25, 0.75]])]
        ),
        "kl_monte_carlo": partial(fastdiv.kl_monte_carlo, p, q, 10_000, rng=0),
        "coupled_kl_monte_carlo": partial(fastdiv.coupled_kl_monte_carlo, p, q, 0.1, 10_000, rng=0),
    }
    for name, call in calls.items():
        yield case(f"{name}, reports", _reports, call)
        yield case(f"{name}, bar", _with_bar, call)
        yield case(f"{name}, False", call, progress=False)
        yield case(f"{name}, an error", call, progress=_refuse)


def _reports(call: object) -> object:
    reports: list[tuple[int, int]] = []
    result = call(progress=lambda done, total: reports.append((done, total)))
    return str(reports), result


def _with_bar(call: object) -> None:
    call(progress=True)


def _refuse(done: int, total: int) -> None:
    raise LookupError(f"stop at {done} of {total}")


ROOMS = {
    "tests": tests,
    "counts": counts,
    "gradients": gradients,
    "matching": matching,
    "products": products,
    "threads": threads,
    "progress": progress,
}

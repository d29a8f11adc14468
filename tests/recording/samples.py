"""Two samples: sizes, kinds of input, kernels, weights, quantised rows, missing values."""

from __future__ import annotations

from functools import partial

import fastdiv
from fastdiv import (
    RBF,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Matern,
    Polynomial,
    RationalQuadratic,
)

from . import inputs
from .calls import ALL, PAIRS, SINGLES
from .encode import Cases, case

ESTIMATORS = ("unbiased", "biased", "paired")
OF_ALL_SIZES = (
    *("mmd2", "mmd2 RBF", "mmd2 Laplacian", "mmd2 family biased", "mmd2 family weighted"),
    *("energy_distance", "mmd_test", "mmd2_and_grad weighted", "silhouette_samples weighted"),
    *("median_distance cityblock", "witness family", "mmd2_and_grad", "kl_knn", "permanova"),
    *("cluster_dispersion all", "silhouette_samples", "dunn_index", "hybrid_matmul"),
)


def sizes(small: bool) -> Cases:
    """Cross every edge of tiles: rows, features and both dtypes."""
    for n in inputs.SIZES:
        for d in inputs.FEATURES:
            if n * d > (49 * 65 if small else inputs.LARGEST) or (small and n > 145):
                continue
            for dtype in ("float32", "float64"):
                x, y = inputs.pair(n, n + n % 3, d, dtype)
                names = OF_ALL_SIZES if n * d > 49 * 17 else ALL
                for name in names:
                    yield case(f"{name}, {n} x {d} {dtype}", ALL[name], x, y)
    for n, m, d in ((1, 300, 3), (300, 1, 17), (2, 289, 5), (47, 145, 16), (146, 49, 33)):
        for dtype in ("float32", "float64"):
            x, y = inputs.pair(n, m, d, dtype)
            for name in ALL:
                yield case(f"{name}, {n} {m} x {d} {dtype}", ALL[name], x, y)
    for n, d in ((5, 4097), (3, 9000)):
        for dtype in ("float32", "float64"):
            x, y = inputs.pair(n, n, d, dtype)
            for name in ALL:
                if name not in ("fit_gaussian", "gap_statistic pca"):
                    yield case(f"{name}, {n} x {d} {dtype}", ALL[name], x, y)


def quantized_sizes(small: bool) -> Cases:
    """Cross the edges of tiles of int8."""
    floating = ("mmd2_and_grad", "mmd2_and_grad weighted", "hybrid_matmul")
    names = [name for name in OF_ALL_SIZES if name not in floating]
    for n in inputs.SIZES[1:6] if small else inputs.SIZES[1:]:
        for d in (1, 3, 65) if small else inputs.FEATURES:
            if n * d > inputs.LARGEST:
                continue
            for kind in ("symmetric", "zero points"):
                x, y = inputs.quantized(n, n + n % 3, d)[kind]
                for name in names:
                    yield case(f"{name}, {kind} {n} x {d}", ALL[name], x, y)
    for kind in ("symmetric", "zero points"):
        x, y = inputs.quantized(4, 6, 4097)[kind]
        for name in names:
            yield case(f"{name}, {kind} 4 6 x 4097", ALL[name], x, y)


def kinds(small: bool) -> Cases:
    """Give every function every dtype, layout and scale."""
    n, m = (23, 23) if small else (50, 50)
    groups = {
        "layout": inputs.layouts(n, m, 6),
        "layout float32": inputs.layouts(n, m + 1, 6, "float32"),
        "dtype": inputs.dtypes(n, m, 5),
        "float64": inputs.scales(n, m, 4, "float64"),
        "float32": inputs.scales(n, m, 4, "float32"),
        "float32, 20 features": inputs.scales(n, m, 20, "float32"),
        "quantised": inputs.quantized(n, m, 6),
        "many, float32": inputs.scales(30 if small else 150, m, 17, "float32"),
        "many, float64": inputs.scales(30 if small else 150, m, 17, "float64"),
        "float32, 129 features": inputs.scales(n, m, 129, "float32"),
        "missing": inputs.missing(n, m, 3),
        "missing float32": inputs.missing(n, m, 3, "float32"),
    }
    for group, found in groups.items():
        for kind, (x, y) in found.items():
            for name, call in ALL.items():
                yield case(f"{name}, {group}, {kind}", call, x, y)


def kernels(small: bool) -> Cases:
    """Give every kernel to every function that takes one."""
    shapes = [(23, 19, 3, "float64"), (23, 19, 3, "float32")]
    if not small:
        shapes += [(60, 77, 1, "float64"), (60, 77, 40, "float32"), (130, 130, 9, "float64")]
    for n, m, d, dtype in shapes:
        x, y = inputs.pair(n, m, d, dtype)
        at = inputs.rows(11, d, dtype, "at")
        for name, kernel in inputs.kernels(d).items():
            key = f"{name}, {n} {m} x {d} {dtype}"
            for estimator in ESTIMATORS:
                options = {"estimator": estimator}
                one, other = (x[:m], y[:n]) if estimator == "paired" else (x, y)
                yield case(f"mmd2 {estimator}, {key}", fastdiv.mmd2, one, other, kernel, **options)
                options |= {"n_resamples": 19, "rng": 3}
                test = fastdiv.mmd_test
                yield case(f"mmd_test {estimator}, {key}", test, one, other, kernel, **options)
            yield case(f"witness, {key}", fastdiv.witness, x, y, at, kernel)
            matching = partial(fastdiv.kernel_mean_matching, max_iter=300)
            yield case(f"kernel_mean_matching, {key}", matching, x, y, kernel)


def parameters(small: bool) -> Cases:
    """Give the parameters of kernels every value from tiny to huge."""
    widths = (1e-160, 1e-30, 1e-14, 1e-6, 1e-3, 0.5, 1, 3.0, 1e3, 1e10, 1e150, 1e300)
    found: dict[str, fastdiv.Kernel] = {}
    for s in widths:
        found |= {
            f"RBF {s}": RBF(s),
            f"Laplacian {s}": Laplacian(s),
            f"RBF one of two {s}": RBF([s, 1.0, 1.0]),
            f"InverseMultiquadric {s}": InverseMultiquadric(s),
            f"RationalQuadratic {s}": RationalQuadratic(1.5, s),
        }
        found |= {f"Matern {nu} {s}": Matern(nu, s) for nu in (0.5, 1.5, 2.5)}
    for alpha in (1e-300, 1e-9, 0.01, 0.5, 1, 2, 7.5, 1e6, 1e11, 1e13, 1e19, 1e21, 1e300):
        found[f"RationalQuadratic alpha {alpha}"] = RationalQuadratic(alpha, 0.8)
    for degree in (1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 31, 100):
        for gamma, coef0 in ((None, 1.0), (1e-3, 0.0), (2.5, 1e3), (1e-150, 1.0), (1e100, 1)):
            found[f"Polynomial {degree} {gamma} {coef0}"] = Polynomial(degree, gamma, coef0)
    for exponent in (1e-300, 1e-3, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 1.999999):
        found[f"Energy {exponent}"] = Energy(exponent)
    for dtype in ("float64", "float32"):
        x, y = inputs.pair(21, 21, 3, dtype)
        x[3], y[5] = x[2], x[2]  # pairs at distance 0
        rows = [fastdiv.quantize_rows(a, symmetric=False) for a in (x, y)]
        for name, kernel in found.items():
            key = f"{name}, {dtype}"
            yield case(f"mmd2, {key}", fastdiv.mmd2, x, y, kernel, estimator="biased")
            yield case(f"mmd2 quantised, {key}", fastdiv.mmd2, *rows, kernel)
            yield case(f"witness, {key}", fastdiv.witness, x, y, y, kernel)
            wrt = ("x", "y_weights", *(["bandwidth"] if hasattr(kernel, "bandwidth") else []))
            gradient = partial(fastdiv.mmd2_and_grad, wrt=wrt, estimator="paired")
            yield case(f"gradients, {key}", gradient, x, y, kernel)
            test = partial(fastdiv.mmd_test, n_resamples=5, rng=0)
            yield case(f"mmd_test, {key}", test, x, y, kernel)


def weighted(small: bool) -> Cases:
    """Weigh the rows in every way."""
    n, m, d = (14, 14, 3) if small else (53, 53, 3)
    some = ("RBF median", "Laplacian 1.3", "Linear", "Polynomial", "Sum nested", "Sum Callback")
    for dtype in ("float64", "float32"):
        x, y = inputs.pair(n, m, d, dtype)
        chosen = {name: inputs.kernels(d)[name] for name in (*some, "tuple of kinds")}
        for kind in inputs.WEIGHTS:
            u, v = inputs.weights(n, kind), inputs.weights(m, "unequal")
            for which, both in (("x", (u, None)), ("y", (None, u)), ("both", (u, v))):
                given = dict(zip(("x_weights", "y_weights"), both, strict=True))
                key = f"{kind} of {which}, {dtype}"
                for estimator in ESTIMATORS:
                    options = {"estimator": estimator, **given}
                    for name, kernel in chosen.items():
                        full = f"mmd2 {estimator}, {name}, {key}"
                        yield case(full, fastdiv.mmd2, x, y, kernel, **options)
                    full = f"energy_distance {estimator}, {key}"
                    yield case(full, fastdiv.energy_distance, x, y, **options)
                for name, kernel in chosen.items():
                    full = f"witness, {name}, {key}"
                    yield case(full, fastdiv.witness, x, y, y[:7], kernel, **given)


def quantized(small: bool) -> Cases:
    """Take quantised rows with every kernel, estimator and weights."""
    n, d = (14, 3) if small else (53, 5)
    for kind, (x, y) in inputs.quantized(n, n, d).items():
        if kind == "chosen rows":
            y = y[inputs.generator(kind).integers(0, len(y), n)]
        for name, kernel in inputs.kernels(d).items():
            for estimator in ESTIMATORS:
                key = f"{estimator}, {name}, {kind}"
                options = {"estimator": estimator}
                yield case(f"mmd2 {key}", fastdiv.mmd2, x, y, kernel, **options)
                given = options | {"x_weights": inputs.weights(n, "unequal")}
                yield case(f"mmd2 {key}, weights", fastdiv.mmd2, x, y, kernel, **given)
                options |= {"n_resamples": 9, "rng": 3}
                yield case(f"mmd_test {key}", fastdiv.mmd_test, x, y, kernel, **options)
            yield case(f"witness {name}, {kind}", fastdiv.witness, x, y, y, kernel)
        yield case(f"text, {kind}", _texts, x, y)
        yield case(f"dequantize, {kind}", lambda x: (x.dequantize(), x.dequantize("f8")), x)


def _texts(x: object, y: object) -> object:
    estimate = fastdiv.mmd2(x, y, RBF(1.0))
    return f"{estimate:.3f} {estimate}", float(estimate), repr(x), len(x), x.shape


def omitted(small: bool) -> Cases:
    """Drop rows with missing values."""
    n, m, d = 26, 26, 3
    options = {"nan_policy": "omit"}
    for dtype in ("float64", "float32"):
        for kind, (x, y) in inputs.missing(n, m, d, dtype).items():
            key = f"{kind}, {dtype}"
            u, v = inputs.weights(n, "unequal"), inputs.weights(m, "some zero")
            groups = inputs.labels(n)
            for estimator in ESTIMATORS:
                given = options | {"estimator": estimator}
                full = f"{estimator}, {key}"
                yield case(f"mmd2 {full}", fastdiv.mmd2, x, y, **given)
                yield case(f"mmd2 weights {full}", fastdiv.mmd2, x, y, x_weights=u, **given)
                energy = partial(fastdiv.energy_distance, x_weights=u, y_weights=v)
                yield case(f"energy_distance {full}", energy, x, y, **given)
                gradients = partial(fastdiv.mmd2_and_grad, wrt=("x", "y", "x_weights"))
                yield case(f"mmd2_and_grad {full}", gradients, x, y, **given)
                yield case(f"mmd2_and_grad weights {full}", gradients, x, y, x_weights=v, **given)
                test = partial(fastdiv.mmd_test, n_resamples=9, rng=1)
                yield case(f"mmd_test {full}", test, x, y, **given)
            two = {
                "witness": partial(fastdiv.witness, at=x[:2], kernel=Laplacian(1.0)),
                "median_distance": fastdiv.median_distance,
                "kl_knn": fastdiv.kl_knn,
                "cmmd": fastdiv.cmmd,
                "kid": partial(fastdiv.kid, n_subsets=3, subset_size=5, rng=2),
            }
            for name, function in two.items():
                yield case(f"{name} {key}", function, x, y, **options)
            one = {
                "permanova": partial(fastdiv.permanova, n_resamples=9, rng=1),
                "disco": partial(fastdiv.disco, n_resamples=9, rng=1),
                "cluster_dispersion": partial(fastdiv.cluster_dispersion, pairs=True),
                "wcss": fastdiv.wcss,
                "wcss weights": partial(fastdiv.wcss, sample_weight=u),
                "geometric_median": fastdiv.geometric_median,
                "silhouette_score": fastdiv.silhouette_score,
                "calinski_harabasz_score": fastdiv.calinski_harabasz_score,
                "davies_bouldin_score": fastdiv.davies_bouldin_score,
                "dunn_index": fastdiv.dunn_index,
            }
            for name, function in one.items():
                yield case(f"{name} {key}", function, x, groups, **options)
            noise = [-1 if v != v else 0 for v in x.sum(axis=1).tolist()]
            for name in ("silhouette_samples", "dunn_index", "cluster_dispersion"):
                with_noise = partial(getattr(fastdiv, name), noise_label=-1)
                yield case(f"{name} noise {key}", with_noise, x, _two_clusters(noise))


def _two_clusters(noise: list[int]) -> list[int]:
    return [label if label < 0 else i % 2 for i, label in enumerate(noise)]


ROOMS = {
    "sizes": sizes,
    "quantised sizes": quantized_sizes,
    "kinds": kinds,
    "kernels": kernels,
    "parameters": parameters,
    "weighted": weighted,
    "quantised": quantized,
    "omitted": omitted,
}
assert PAIRS.keys().isdisjoint(SINGLES)

"""Gaussians in every parametrisation, mixtures of them, and coupled distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import numpy as np

import fastdiv
from fastdiv import CoupledNormal, Gaussian, GaussianMixture

from . import inputs
from .encode import Cases, case

PARAMETRISATIONS = ("std", "var", "logstd", "logvar", "cov", "scale_tril", "precision")
Functions = Mapping[str, Callable[..., object]]
METHODS = (
    *("variational", "variational_upper", "product", "product_lower", "product_upper"),
    *("convex_upper", "moment_matching"),
)
ENGINE = {
    "kl": fastdiv.kl,
    "cross_entropy": fastdiv.cross_entropy,
    "kl_and_grad": fastdiv.kl_and_grad,
    "kl mean": partial(fastdiv.kl, reduce="mean"),
}
"""Functions of two Gaussians that are compiled, at least for some parametrisations."""

OTHERS = {
    "jeffreys": fastdiv.jeffreys,
    "renyi 0.3": partial(fastdiv.renyi, alpha=0.3),
    "renyi 1": partial(fastdiv.renyi, alpha=1),
    "renyi 1.5": partial(fastdiv.renyi, alpha=1.5),
    "renyi 40": partial(fastdiv.renyi, alpha=40.0),
    "bhattacharyya": fastdiv.bhattacharyya,
    "hellinger": fastdiv.hellinger,
    "hellinger2": fastdiv.hellinger2,
    "wasserstein2": fastdiv.wasserstein2,
    "kl_and_grad p": partial(fastdiv.kl_and_grad, wrt="p"),
    "kl_and_grad q p": partial(fastdiv.kl_and_grad, wrt=("q", "p")),
    "coupled_kl 0.2": partial(fastdiv.coupled_kl, kappa=0.2),
    "coupled_kl 0": partial(fastdiv.coupled_kl, kappa=0.0),
    "coupled_kl -0.05": partial(fastdiv.coupled_kl, kappa=-0.05),
    "coupled_cross_entropy 0.3": partial(fastdiv.coupled_cross_entropy, kappa=0.3),
    "coupled_cross_entropy -0.05": partial(fastdiv.coupled_cross_entropy, kappa=-0.05, alpha=2),
    "kl sum": partial(fastdiv.kl, reduce="sum"),
    "kl_mixture": fastdiv.kl_mixture,
}
TWO = ENGINE | OTHERS


@lru_cache(maxsize=64)
def gaussian(
    name: str,
    batch: tuple[int, ...] = (),
    d: int = 3,
    dtype: str = "float64",
    key: object = "p",
) -> Gaussian:
    """Return Gaussians in a parametrisation, the same ones in all."""
    rng = inputs.generator(batch, d, key)
    mean = rng.standard_normal((*batch, d))
    std = rng.uniform(0.5, 2.0, (*batch, d))
    lower = np.tril(rng.standard_normal((*batch, d, d)) / d, -1)
    lower += std[..., None] * np.eye(d)
    values: dict[str, Callable[[], np.ndarray]] = {
        "std": lambda: std,
        "var": lambda: std * std,
        "logstd": lambda: np.log(std),
        "logvar": lambda: 2 * np.log(std),
        "cov": lambda: np.einsum("...ik,...jk->...ij", lower, lower),  # not @: no other library
        "scale_tril": lambda: lower,
    }
    values["precision"] = values["cov"]
    return Gaussian(mean.astype(dtype), **{name: values[name]().astype(dtype)})


def pairs(functions: Functions, small: bool) -> Cases:
    """Compare every parametrisation with every other one."""
    shapes = [((), 1), ((), 3), ((4,), 2), ((2, 3), 3)]
    if not small:
        shapes += [((5,), 9), ((3,), 17), ((2,), 33)]
    for batch, d in shapes:
        for dtype in ("float64", "float32"):
            for one in PARAMETRISATIONS:
                for other in PARAMETRISATIONS:
                    p = gaussian(one, batch, d, dtype)
                    q = gaussian(other, batch, d, dtype, "q")
                    for name, function in functions.items():
                        yield case(f"{name}, {one} {other}, {batch} {d} {dtype}", function, p, q)


def sizes(small: bool) -> Cases:
    """Cross the edges of blocks: dimensions, and items that are computed together."""
    if small:
        return
    for d in (4, 5, 8, 47, 48, 49, 64, 65, 97, 130, 256, 257, 300):
        for n in (1, 2, 7, 8, 9, 17) if d < 66 else (1, 3):
            for dtype in ("float64", "float32"):
                for one, other in (
                    *(("std", "logvar"), ("logstd", "var"), ("cov", "cov"), ("scale_tril", "cov")),
                    *(("precision", "scale_tril"), ("std", "precision"), ("cov", "logstd")),
                ):
                    if d > 130 and n > 1 and "cov" in (one, other):
                        continue
                    p, q = gaussian(one, (n,), d, dtype), gaussian(other, (n,), d, dtype, "q")
                    key = f"{one} {other}, {n} {d} {dtype}"
                    yield case(f"kl, {key}", fastdiv.kl, p, q)
                    yield case(f"kl of one, {key}", fastdiv.kl, p, q[0], n_threads=1)
                    if d < 131 or one in PARAMETRISATIONS[:4]:
                        yield case(f"kl_and_grad, {key}", fastdiv.kl_and_grad, p, q)
                        yield case(f"kl_matrix, {key}", fastdiv.kl_matrix, p, q)


def matrices(small: bool) -> Cases:
    """Compare all Gaussians of one batch with all of another."""
    for n, m, d in ((1, 1, 1), (3, 5, 2), (7, 4, 5), (0, 3, 2)) + (() if small else ((50, 33, 8),)):
        for dtype in ("float64", "float32"):
            for one in PARAMETRISATIONS:
                for other in PARAMETRISATIONS:
                    p = gaussian(one, (n,), d, dtype)
                    q = gaussian(other, (m,), d, dtype, "q")
                    for threads in (1, 2):
                        kl_matrix = partial(fastdiv.kl_matrix, n_threads=threads)
                        key = f"{one} {other} {n} {m} {d} {dtype} {threads}"
                        yield case(key, kl_matrix, p, q)
    near = Gaussian([[0.0, 1.0], [1e-9, 1.0], [1e6, 1.0]], std=[[1.0, 2.0]])
    far = Gaussian([[1e8, 0.0], [0.0, 1.0]], logstd=[[-30.0, 1.0], [0.0, 300.0]])
    full = Gaussian([[1e3, 0.0]], cov=np.eye(2) + 0.999)
    for name, p in (("near", near), ("far", far), ("full", full)):
        for other, q in (("near", near), ("far", far), ("full", full)):
            yield case(f"{name} {other}", fastdiv.kl_matrix, p, q)


def shared(functions: Functions, small: bool) -> Cases:
    """Broadcast batches and scalars, and mix dtypes."""
    for one in PARAMETRISATIONS:
        for other in ("std", "logvar", "cov", "precision"):
            cases = {
                "p shared": (gaussian(one, (), 3), gaussian(other, (4, 2), 3, key="q")),
                "q shared": (gaussian(one, (4, 2), 3), gaussian(other, (), 3, key="q")),
                "crossed": (gaussian(one, (4, 1), 3), gaussian(other, (1, 2), 3, key="q")),
                "standard": (gaussian(one, (4,), 3), Gaussian.standard(3)),
                "standard float32": (gaussian(one, (4,), 3, "float32"), Gaussian.standard(3)),
                "standard p": (Gaussian.standard(3), gaussian(one, (4,), 3, "float32")),
                "dtypes": (gaussian(one, (4,), 3, "float32"), gaussian(other, (4,), 3, key="q")),
                "empty": (gaussian(one, (0,), 3), gaussian(other, (0,), 3, key="q")),
                "do not fit": (gaussian(one, (4,), 3), gaussian(other, (3,), 3, key="q")),
                "dimensions": (gaussian(one, (4,), 3), gaussian(other, (4,), 2, key="q")),
                "part": (gaussian(one, (4, 2), 3)[1:, 0], gaussian(other, (3,), 3, key="q")[::-1]),
                "equal": (gaussian(one, (4,), 3), gaussian(one, (4,), 3)),
            }
            for kind, (p, q) in cases.items():
                for name, function in functions.items():
                    yield case(f"{name}, {one} {other}, {kind}", function, p, q)


def masked(small: bool) -> Cases:
    """Give scalars as parameters, and leave out padding."""
    for name in PARAMETRISATIONS[:4]:
        p = Gaussian([[0.0, 1.0], [2.0, 3.0]], **{name: 0.5})
        yield case(f"a scalar {name}", lambda p: (p, p.entropy(), p.cov(), fastdiv.kl(p, p)), p)
        gradient = partial(fastdiv.kl_and_grad, q=gaussian("var", (2,), 2))
        yield case(f"gradient of a scalar {name}", gradient, p)
    masks = {
        "some": np.array([True, False, True, True]),
        "all": np.ones(4, bool),
        "none": np.zeros(4, bool),
        "a number": np.True_,
        "integers": np.ones(4, int),
        "wrong shape": np.ones(3, bool),
        "more axes": np.ones((2, 4), bool),
    }
    for one in PARAMETRISATIONS:
        p, q = gaussian(one, (4,), 2), gaussian("logvar", (4,), 2, key="q")
        mean, parameter = p.mean.copy(), p.parameter.copy()
        mean[1] = parameter[1] = np.nan
        padded = Gaussian(mean, **{one: parameter}, where=masks["some"])
        for kind, where in masks.items():
            yield case(f"where {kind}, Gaussian {one}", _with_where, p, one, where)
            for reduce in ("none", "sum", "mean"):
                kl = partial(fastdiv.kl, where=where, reduce=reduce)
                yield case(f"where {kind} {reduce}, {one}", kl, p, q)
                yield case(f"where {kind} {reduce}, {one} padded", kl, padded, q)
            yield case(f"gradient where {kind}, {one}", fastdiv.kl_and_grad, p, q, where=where)
            yield case(f"gradient where {kind} padded, {one}", fastdiv.kl_and_grad, q, padded)
        for name, function in TWO.items():
            yield case(f"{name}, {one} padded", function, padded, q)
            yield case(f"{name}, {one} padded q", function, q, padded)
        yield case(f"methods, {one} padded", _methods, padded)


def _with_where(p: Gaussian, name: str, where: object) -> object:
    return Gaussian(p.mean, **{name: p.parameter}, where=where)


def _methods(p: Gaussian) -> object:
    points = inputs.rows(5, p.dim, key="points").reshape(5, *(1,) * len(p.batch_shape), p.dim)
    return {
        "p": p,
        "entropy": p.entropy(),
        "log_prob": p.log_prob(points),
        "sample": p.sample(4, rng=0),
        "cov": p.cov(),
        "scale_tril": p.scale_tril(),
        "is_diagonal": p.is_diagonal,
    }


def alone(small: bool) -> Cases:
    """Evaluate, draw from and fit single batches."""
    for name in PARAMETRISATIONS:
        for batch, d in (((), 1), ((), 4), ((3,), 2), ((2, 3), 5), ((0,), 2), ((2,), 20)):
            for dtype in ("float64", "float32", "float16"):
                p = partial(gaussian, name, batch, d, dtype)
                yield case(f"{name}, {batch} {d} {dtype}", lambda p: _methods(p()), p)
        p = gaussian(name, (3, 2), 4)
        for index in (0, -1, slice(1, None), (0, 1), ..., [0, 2], np.array([True, False, True]), 5):
            yield case(f"{name}[{index}]", lambda p, i: _methods(p[i]), p, index)
        negative = gaussian("scale_tril", (2,), 3)
        lower = negative.parameter * np.array([1.0, -1.0, 1.0])
        yield case(
            f"negative diagonal, {name}",
            lambda lo: _methods(Gaussian([0.0] * 3, scale_tril=lo)),
            lower,
        )
    for kind, (x, _) in (inputs.layouts(30, 20, 4) | inputs.dtypes(30, 20, 3)).items():
        for ddof in (0, 1, 29, 30):
            yield case(f"fit_gaussian {ddof}, {kind}", fastdiv.fit_gaussian, x, ddof=ddof)
    fits = {
        "a stack": inputs.rows(24, 4).reshape(2, 3, 4, 4),
        "few rows": inputs.rows(3, 5),
        "collinear": inputs.rows(9, 2) @ np.array([[1.0, 0, 1], [0, 1, 1]]),
        "constant feature": np.where(np.arange(3) == 1, 2.0, inputs.rows(9, 3)),
        "far from 0": inputs.rows(50, 3) + 1e6,
        "one row": inputs.rows(1, 3),
        "huge": inputs.rows(9, 2) * 1e200,
        "nearly collinear": inputs.rows(9, 3) * [1.0, 1e-8, 1e8],
    }
    for kind, x in fits.items():
        for dtype in ("float64", "float32"):
            fitted = partial(_fitted, inputs.cast(x, dtype))
            for name in ("fit", "entropy", "log_prob", "kl", "kl_matrix", "wasserstein2", "sample"):
                yield case(f"{name}, {kind} {dtype}", fitted, name)


def _fitted(x: np.ndarray, name: str) -> object:
    p = fastdiv.fit_gaussian(x)
    q = Gaussian(np.zeros(p.dim), std=1.0)
    calls = {
        "fit": lambda: p,
        "entropy": p.entropy,
        "log_prob": lambda: p.log_prob(np.zeros(p.dim)),
        "kl": lambda: (fastdiv.kl(q, p), fastdiv.kl_and_grad(p, q)),
        "kl_matrix": lambda: fastdiv.kl_matrix(p, p),
        "wasserstein2": lambda: fastdiv.wasserstein2(p, q),
        "sample": lambda: p.sample(3, rng=1),
    }
    return calls[name]()


def extremes(functions: Functions, small: bool) -> Cases:
    """Go to the ends of floating point."""
    scales = {
        "tiny": {"std": 1e-150},
        "huge": {"std": 1e150},
        "very tiny": {"logstd": -720.0},
        "very huge": {"logvar": 1400.0},
        "beyond": {"logstd": -1e300},
        "tiny factor": {"scale_tril": 1e-150 * np.eye(2)},
        "huge factor": {"scale_tril": 1e200 * np.eye(2)},
        "tiny cov": {"cov": 1e-300 * np.eye(2)},
        "ill-conditioned": {"cov": np.array([[1.0, 1 - 1e-12], [1 - 1e-12, 1.0]])},
        "ill precision": {"precision": np.array([[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]])},
        "unequal": {"var": [1e-200, 1e200]},
        "one": {"std": 1.0},
        "near one": {"std": 1 + 1e-9},
        "float32 huge": {"logstd": np.float32([100.0, 80.0])},
        "float32 tiny": {"var": np.float32([1e-44, 1.0])},
    }
    made = {}
    for name, scale in scales.items():
        for shift in (0.0, 1e-9, 1e6, 1e200):
            dtype = "float32" if name.startswith("float32") else "float64"
            mean = inputs.cast(np.array([shift, 0.0]), dtype)
            made[f"{name} {shift}"] = partial(Gaussian, mean, **scale)
    for name, p in made.items():
        if functions is ENGINE:
            yield from _each_method(name, p)
        if small and "1e" in name.split()[-1]:
            continue
        for other in (
            "one 0.0",
            "tiny 0.0",
            "huge factor 0.0",
            "ill-conditioned 1e-09",
            "beyond 0.0",
        ):
            for word, function in functions.items():
                full = f"{word}, {name}, {other}"
                yield case(full, lambda f, p, q: f(p(), q()), function, p, made[other])
                if other == "one 0.0":
                    full += ", turned"
                    yield case(full, lambda f, p, q: f(q(), p()), function, p, made[other])


def _each_method(name: str, p: Callable[[], Gaussian]) -> Cases:
    yield case(f"{name}", lambda p: _methods(p()), p)
    for part in ("entropy", "cov", "scale_tril"):
        yield case(f"{part}, {name}", lambda p, part: getattr(p(), part)(), p, part)
    yield case(f"log_prob, {name}", lambda p: p().log_prob([[0.0, 1.0], [1e200, 0.0]]), p)
    yield case(f"sample, {name}", lambda p: p().sample(3, rng=0), p)


def mixtures(small: bool) -> Cases:
    """Bound and approximate divergences of mixtures."""
    for one in PARAMETRISATIONS:
        for dtype in ("float64", "float32"):
            p = GaussianMixture([0.2, 0.5, 0.3], gaussian(one, (3,), 2, dtype))
            q = GaussianMixture([[0.5, 0.5]] * 4, gaussian("logvar", (4, 2), 2, dtype, "q"))
            key = f"{one} {dtype}"
            for method in METHODS:
                kl = partial(fastdiv.kl_mixture, method=method)
                for name, sides in (("p q", (p, q)), ("q p", (q, p)), ("p p", (p, p))):
                    yield case(f"{method}, {name}, {key}", kl, *sides)
                yield case(f"{method}, Gaussian, {key}", kl, gaussian(one, (4,), 2, dtype), q)
            points = inputs.rows(7, 2, key="points")
            for name, mixture in (("p", p), ("q", q)):
                yield case(f"{name}, {key}", lambda m: m, mixture)
                yield case(f"log_prob {name}, {key}", mixture.log_prob, points[:, None])
                yield case(f"sample {name}, {key}", mixture.sample, 9, rng=1)
                yield case(f"moments {name}, {key}", lambda m: (m.mean(), m.cov()), mixture)
    zero = GaussianMixture([1.0, 0.0], gaussian("cov", (2,), 2))
    far = GaussianMixture([0.5, 0.5], Gaussian([[0.0, 0.0], [1e200, 0.0]], std=1.0))
    for method in METHODS:
        for name, sides in (
            ("zero weight", (zero, zero)),
            ("far", (far, zero)),
            ("far q", (zero, far)),
        ):
            yield case(f"{method}, {name}", partial(fastdiv.kl_mixture, method=method), *sides)


def coupled(small: bool) -> Cases:
    """Couple logarithms, exponentials, entropies and divergences."""
    x = np.array([0.0, 1e-300, 0.1, 1.0, 2.0, 1e10, np.inf])
    y = np.array([-np.inf, -1e5, -1.0, 0.0, 1e-9, 2.0, 800.0, np.inf])
    for kappa in (-0.9, -0.4, -1e-9, 0, 1e-12, 0.5, 3, 100.0):
        for dim in (0, 1, 2, 5):
            for name, function, values in (
                ("coupled_log", fastdiv.coupled_log, x),
                ("coupled_exp", fastdiv.coupled_exp, y),
            ):
                key = f"{name}, {kappa}, {dim}"
                yield case(key, function, values, kappa, dim=dim)
                yield case(f"{key}, some", function, values[1:-2], kappa, dim=dim)
                yield case(f"{key}, float32", function, np.float32([0.5, 2.0]), kappa, dim=dim)
    points = inputs.rows(5, 2, key="points")
    for name in PARAMETRISATIONS:
        base = gaussian(name, (3,), 2)
        for kappa in (-0.4, -0.1, 0.0, 0.2, 2.0):
            for alpha in (0.5, 1, 2, 3.5):
                p = partial(
                    CoupledNormal, base.mean, **{name: base.parameter}, kappa=kappa, alpha=alpha
                )
                key = f"{name}, {kappa}, {alpha}"
                yield case(f"{key}", p)
                yield case(f"log_prob, {key}", lambda p: p().log_prob(points[:, None]), p)
                yield case(f"sample, {key}", lambda p: p().sample(4, rng=0), p)
                for order in dict.fromkeys((kappa, 0.1, 0.0, -0.05)):
                    options = {"kappa": order, "alpha": alpha}
                    entropy = partial(fastdiv.coupled_entropy, **options)
                    yield case(f"entropy {order}, {key}", lambda f, p: f(p()), entropy, p)
                    for function in ("coupled_kl", "coupled_cross_entropy"):
                        call = partial(getattr(fastdiv, function), **options)
                        q = gaussian("std", (3,), 2, key="q")
                        other = CoupledNormal(q.mean, std=q.parameter, kappa=kappa, alpha=alpha)
                        full = f"{function} {order}, {key}"
                        yield case(full, lambda f, p, q: f(p(), q), call, p, other)
                        yield case(f"{full}, Gaussian", lambda f, p, q: f(p(), q), call, p, q)
                        yield case(f"{full}, of a Gaussian", lambda f, p, q: f(q, p()), call, p, q)
    for kappa in (-0.3, 0.0, 0.7):
        for alpha in (1, 2):
            options = {"kappa": kappa, "alpha": alpha}
            yield case(
                f"entropy, {options}", fastdiv.coupled_entropy, gaussian("cov", (2,)), **options
            )


def drawn(small: bool) -> Cases:
    """Estimate from draws of distributions of this package and of others."""
    p, q = gaussian("std", (2,), 2), gaussian("cov", (3, 1), 2, key="q")
    mixture = GaussianMixture([0.4, 0.6], gaussian("logvar", (2,), 2))
    student = CoupledNormal([0.0, 1.0], std=[1.0, 2.0], kappa=0.2)
    bounded = CoupledNormal([0.0, 1.0], std=[9.0, 9.0], kappa=-0.2)
    discrete = fastdiv.Categorical(probs=[[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    uniform = fastdiv.Categorical(logits=np.zeros(3))
    own = _Laplace(1.5)
    sides = {
        "p q": (p, q),
        "q p": (q, p),
        "mixture": (mixture, p),
        "of a mixture": (q, mixture),
        "student": (student, mixture),
        "bounded": (bounded, p),
        "of bounded": (p, bounded),
        "discrete": (discrete, uniform),
        "of discrete": (uniform, discrete),
        "discrete and continuous": (discrete, p),
        "own": (own, _Laplace(0.5)),
        "own and Gaussian": (own, Gaussian([0.0], std=1.0)),
        "padding": (Gaussian([[0.0], [1.0]], std=1.0, where=[True, False]), p),
        "no distribution": (3, p),
        "no log density": (p, object),
        "batches": (p, gaussian("std", (5,), 2)),
        "dimensions": (p, gaussian("std", (2,), 3)),
    }
    for kind, (one, other) in (sides | _scipy()).items():
        for n in (2, 50, 5000):
            for estimator in ("k1", "k2", "k3"):
                estimate = partial(fastdiv.kl_monte_carlo, estimator=estimator, rng=0)
                yield case(f"{estimator} {n}, {kind}", estimate, one, other, n)
        for kappa in (0.3, 0.0, -0.1, -0.3):
            for alpha in (2, 1.0):
                for name in ("coupled_kl_monte_carlo", "coupled_cross_entropy_monte_carlo"):
                    estimate = partial(getattr(fastdiv, name), alpha=alpha, rng=1)
                    yield case(f"{name} {kappa} {alpha}, {kind}", estimate, one, other, kappa, 300)
    estimate = fastdiv.kl_monte_carlo(p, q, 100, rng=0)
    for level in (0.5, 0.95, 0.999999, np.float32(0.9)):
        yield case(f"confidence interval {level!r}", estimate.confidence_interval, level)


class _Laplace:
    """A distribution that someone else wrote."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.laplace(scale=self.scale, size=(n, 1))

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        return (-np.abs(x) / self.scale - np.log(2 * self.scale))[..., 0]


def _scipy() -> dict[str, tuple[object, object]]:
    try:
        from scipy import stats
    except ImportError:
        return {}
    p, q = stats.norm([0.0, 1.0], 1.0), stats.t(5)
    full = stats.multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])
    new = stats.Normal(mu=1.0)
    return {
        "scipy": (p, q),
        "scipy multivariate": (full, gaussian("std", (2,), 2)),
        "of scipy multivariate": (gaussian("std", (2,), 2), full),
        "scipy discrete": (stats.poisson(2.0), stats.poisson(3.0)),
        "scipy discrete and continuous": (stats.poisson(2.0), q),
        "scipy new": (new, stats.Normal(mu=0.0, sigma=2.0)),
        "scipy support": (stats.uniform(0, 1), stats.uniform(0, 0.5)),
        "scipy of support": (stats.uniform(0, 0.5), stats.uniform(0, 1)),
    }


ROOMS = {
    "Gaussian pairs": partial(pairs, ENGINE),
    "Gaussian sizes": sizes,
    "Gaussian matrices": matrices,
    "Gaussian batches": partial(shared, ENGINE),
    "Gaussian padding": masked,
    "Gaussian alone": alone,
    "Gaussian extremes": partial(extremes, ENGINE),
    "drawn": drawn,
}
ONCE = {
    "Gaussian overlaps": partial(pairs, OTHERS),
    "Gaussian overlaps of batches": partial(shared, OTHERS),
    "Gaussian overlaps at extremes": partial(extremes, OTHERS),
    "mixtures": mixtures,
    "coupled": coupled,
}

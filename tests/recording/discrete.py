"""Categorical distributions, gradients through draws, flows, simplex, estimates from densities."""

from __future__ import annotations

from functools import partial

import numpy as np

import fastdiv
from fastdiv import Categorical

from . import inputs
from .encode import Cases, case

TWO = {
    "kl": fastdiv.kl,
    "kl sum": partial(fastdiv.kl, reduce="sum"),
    "jensen_shannon": fastdiv.jensen_shannon,
    "jensen_shannon mean": partial(fastdiv.jensen_shannon, reduce="mean"),
    "cross_entropy": fastdiv.cross_entropy,
    "jeffreys": fastdiv.jeffreys,
    "kl_and_grad": fastdiv.kl_and_grad,
    "kl_and_grad q": partial(fastdiv.kl_and_grad, wrt="q"),
}


def categorical(
    name: str, batch: tuple[int, ...], k: int, dtype: str = "float64", key: object = "p"
) -> Categorical:
    """Return distributions by probabilities or logits, some of them with zeros."""
    logits = 2 * inputs.generator(batch, k, key).standard_normal((*batch, k))
    if key == "zeros":
        logits[..., ::3] = -np.inf
        logits[..., -1] = 0.5
    probs = np.exp(logits)
    probs /= probs.sum(axis=-1, keepdims=True)
    values = {"probs": probs, "logits": logits}
    return Categorical(**{name: values[name].astype(dtype)})


def _methods(p: Categorical) -> object:
    index = inputs.generator("index").integers(0, p.n_categories, (5, *p.batch_shape))
    return {
        "p": p,
        "entropy": p.entropy(),
        "log_prob": p.log_prob(index),
        "probs": p.probs(),
        "logits": p.logits(),
        "sample": p.sample(6, rng=0),
    }


def categoricals(small: bool) -> Cases:
    """Compare probabilities and logits of every size."""
    for batch, k in (
        ((), 1),
        ((), 5),
        ((3,), 2),
        ((2, 3), 16),
        ((4,), 17),
        ((5,), 300),
        ((0,), 3),
        ((9,), 513),
        ((3,), 1100),
    ):
        for dtype in ("float64", "float32", "float16"):
            made = {
                f"{name} {key}": partial(categorical, name, batch, k, dtype, key)
                for name in ("probs", "logits")
                for key in ("p", "zeros")
            }
            for one, p in made.items():
                key = f"{one}, {batch} {k} {dtype}"
                yield case(f"methods, {key}", lambda p: _methods(p()), p)
                for other in ("p", "q", "zeros"):
                    for name in ("probs", "logits"):
                        q = partial(categorical, name, batch, k, dtype, other)
                        for word, function in TWO.items():
                            full = f"{word}, {key}, {name} {other}"
                            yield case(full, lambda f, p, q: f(p(), q()), function, p, q)
    yield from _batches_of_categoricals()
    yield from _special_categoricals()


def _batches_of_categoricals() -> Cases:
    for one in ("probs", "logits"):
        for other in ("probs", "logits"):
            sides = {
                "p shared": (categorical(one, (), 4), categorical(other, (3, 2), 4, key="q")),
                "q shared": (categorical(one, (3, 2), 4), categorical(other, (2,), 4, key="q")),
                "crossed": (categorical(one, (3, 1), 4), categorical(other, (1, 2), 4, key="q")),
                "dtypes": (categorical(one, (3,), 4, "float32"), categorical(other, (3,), 4)),
                "categories": (categorical(one, (3,), 4), categorical(other, (3,), 5)),
                "do not fit": (categorical(one, (3,), 4), categorical(other, (2,), 4)),
                "Gaussian": (categorical(one, (3,), 4), fastdiv.Gaussian([0.0] * 4, std=1.0)),
            }
            for kind, (p, q) in sides.items():
                for word, function in TWO.items():
                    yield case(f"{word}, {kind}, {one} {other}", function, p, q)
                    yield case(f"{word} turned, {kind}, {one} {other}", function, q, p)
        p, q = categorical(one, (3,), 4), categorical("logits", (3,), 4, key="q")
        values = p.parameter.copy()
        values[1] = np.nan
        padded = partial(Categorical, **{one: values}, where=np.array([True, False, True]))
        for kind, where in (
            ("some", [True, False, True]),
            ("none", [False] * 3),
            ("ints", [1] * 3),
        ):
            for word in ("kl", "kl sum", "jensen_shannon", "kl_and_grad"):
                function = partial(TWO[word], where=np.array(where))
                yield case(f"{word} where {kind}, {one}", function, p, q)
        yield case(f"methods, {one} padded", lambda p: _methods(p()), padded)
        for word, function in TWO.items():
            yield case(f"{word}, {one} padded", lambda f, p, q: f(p(), q), function, padded, q)
            yield case(f"{word}, {one} padded q", lambda f, p, q: f(q, p()), function, padded, q)


def _special_categoricals() -> Cases:
    special: dict[str, dict[str, object]] = {
        "integers": {"probs": [0, 1, 0]},
        "nearly 1": {"probs": [0.5, 0.5 + 1e-9]},
        "not 1": {"probs": [0.5, 0.6]},
        "float32 nearly 1": {"probs": np.float32([0.5, 0.5001])},
        "huge logits": {"logits": [1e308, 1e308, -1e308]},
        "far logits": {"logits": [0.0, 800.0, -800.0]},
        "float32 logits": {"logits": np.float32([1e38, 3e38])},
        "no category": {"logits": [-np.inf, -np.inf]},
        "strided": {"logits": inputs.rows(6, 8)[::2, ::-2]},
        "broadcast": {"logits": np.broadcast_to([0.0, 1.0], (4, 2))},
        "subnormal": {"probs": [1e-320, 1.0]},
    }
    for name, given in special.items():
        p = partial(Categorical, **given)
        yield case(f"methods, {name}", lambda p: _methods(p()), p)
        for word, function in TWO.items():
            yield case(f"{word}, {name}", lambda f, p: f(p(), p()), function, p)


def relaxations(small: bool) -> Cases:
    """Differentiate through draws."""
    for batch, k in (((), 3), ((4,), 2), ((2, 3), 5), ((1,), 1)):
        for dtype in ("float64", "float32"):
            logits = inputs.rows(1, 60, dtype).ravel()[: int(np.prod(batch, dtype=int)) * k]
            logits = logits.reshape(*batch, k)
            f_values = inputs.rows(1, k, key="f")[0]
            key = f"{batch} {k} {dtype}"
            for temperature in (1e-305, 1e-3, 0.5, 1, 100.0):
                for hard in (False, True):
                    full = f"gumbel_softmax {temperature} {hard}, {key}"
                    yield case(full, _relaxed, logits, temperature, hard)
            gradient = partial(fastdiv.enumeration_grad, logits)
            yield case(f"enumeration_grad, {key}", gradient, f_values)
            yield case(f"enumeration_grad float32, {key}", gradient, f_values.astype(np.float32))
            for n in (2, 3, 200):
                score = partial(fastdiv.score_function_grad, logits, n_samples=n, rng=3)
                yield case(f"score_function_grad {n}, {key}", score, f=lambda z: z * z - 1.0)
                yield case(f"score_function_grad {n} constant, {key}", score, f=np.ones_like)
                huge = partial(score, f=lambda z: 1e307 * (z + 1.0))
                yield case(f"score_function_grad {n} huge, {key}", huge)
    for values in ([1.7e308, -1.7e308, -1.7e308], [np.nan, 0, 0], [0.0]):
        yield case(f"enumeration_grad {values}", fastdiv.enumeration_grad, [0.0, 0.0, 0.0], values)
    wrong = {
        "too few": lambda z: z[0],
        "text": lambda z: "a",
        "infinite": lambda z: np.full(z.shape, np.inf),
        "complex": lambda z: 1j * z,
        "None": lambda z: None,
    }
    for name, f in wrong.items():
        score = fastdiv.score_function_grad
        yield case(f"score_function_grad of {name}", score, [0.0, 1.0], f, 5, rng=0)


def _relaxed(logits: np.ndarray, temperature: float, hard: bool) -> object:
    drawn = fastdiv.gumbel_softmax(logits, temperature, hard=hard, rng=1)
    return drawn, drawn.vjp(np.cos(np.arange(logits.size)).reshape(logits.shape))


def simplices(small: bool) -> Cases:
    """Project onto simplices, and measure energies."""
    for shape in ((1,), (3,), (4, 7), (2, 3, 5), (3, 100)):
        v = inputs.generator(shape).standard_normal(shape)
        d = shape[-1]
        r = inputs.rows(d, d, key="r")
        for name, scaled in (
            ("v", v),
            ("huge", 5e307 * np.clip(v, -3, 3)),
            ("tiny", 1e-300 * v),
            ("shift", v + 1e15),
        ):
            key = f"{name}, {shape}"
            yield case(f"project_simplex {key}", fastdiv.project_simplex, scaled)
            yield case(f"project_simplex float32 {key}", fastdiv.project_simplex, v.astype("f4"))
            energy = partial(fastdiv.quadratic_energy_and_grad, r, scaled)
            yield case(f"energy {key}", energy)
            yield case(f"energy c {key}", energy, np.arange(d))
            yield case(f"energy scalar c {key}", energy, 2)
            yield case(f"energy wrong c {key}", energy, np.arange(d + 1))
    for v in ([0.5, 0.75, 2.0], [1, 1], [[1.0, 1.0], [0.25, 0.0]], [0, 0, 0, 0], [-5, -5.5]):
        yield case(f"project_simplex {v}", fastdiv.project_simplex, v)


def flows(small: bool) -> Cases:
    """Take every estimator, reduction, mask and log-determinant of a flow."""
    shape = (3, 2, 5)
    for dtype in ("float64", "float32", "float16"):
        rng = inputs.generator("flow")
        names = ("z_p", "mean_p", "logstd_p", "logstd_q", "noise_q")
        given = {name: rng.standard_normal(shape).astype(dtype) for name in names}
        noise = given.pop("noise_q")
        mask = rng.uniform(size=(3, 1, 5)) < 0.7
        masks = {
            "none": None,
            "bool": mask,
            "floats": mask.astype(float),
            "an item less": mask & (np.arange(3) != 1)[:, None, None],
            "empty": np.zeros((3, 1, 5), bool),
            "fractions": np.full((3, 1, 5), 0.5),
            "wrong shape": np.ones((3, 5), bool),
            "text": np.full((3, 1, 5), "a"),
        }
        dets = {
            "0": 0,
            "number": 1.5,
            "items": np.array([0.5, -1.0, 2.0]).astype(dtype),
            "frames": rng.standard_normal((3, 1, 5)).astype(dtype),
            "zeros": np.zeros(3),
            "wrong": np.zeros(4),
            "nan": np.array([0.0, np.nan, 0.0]),
        }
        for estimator in ("hybrid", "k1"):
            given["noise_q"] = noise if estimator == "k1" else None
            for reduce in ("per_frame", "per_element", "per_item", "none", "mean"):
                for mask_kind, m in masks.items():
                    for det_kind, log_det in dets.items():
                        options = {"estimator": estimator, "reduce": reduce}
                        options |= {"mask": m, "log_det": log_det, **given}
                        key = f"{estimator} {reduce}, {mask_kind}, {det_kind}, {dtype}"
                        yield case(f"kl_flow {key}", fastdiv.kl_flow, **options)
                        yield case(f"gradients {key}", fastdiv.kl_flow_and_grad, **options)
        given["noise_q"] = None
        for name in ("z_p", "logstd_p", "logstd_q"):
            for value in (np.nan, np.inf, -1e300, 1e300):
                wrong = {
                    **given,
                    name: np.where(np.arange(5) == 2, value, given[name].astype(float)),
                }
                yield case(f"{name} {value}, {dtype}", fastdiv.kl_flow, **wrong)
                yield case(f"{name} {value}, gradients, {dtype}", fastdiv.kl_flow_and_grad, **wrong)
                wrong["mask"] = np.arange(5)[None, None] != np.array([2, 2, 2])[:, None, None]
                yield case(f"{name} {value}, padding, {dtype}", fastdiv.kl_flow, **wrong)


def densities(small: bool) -> Cases:
    """Estimate from log densities, and bound from critics."""
    for shape, axis in (
        ((2,), 0),
        ((100,), 0),
        ((50, 3), 0),
        ((3, 50), 1),
        ((3, 50, 2), -2),
        ((4097,), 0),
        ((129, 33), 0),
        ((9000, 64), 0),
    ):
        for dtype in ("float64", "float32", "float16"):
            log_p = inputs.generator(shape).standard_normal(shape).astype(dtype)
            log_q = log_p + inputs.generator(shape, "q").standard_normal(shape).astype(dtype)
            changed = {"as drawn": log_q}
            for name, value in (("-inf", -np.inf), ("nan", np.nan), ("inf", np.inf), ("far", 1e3)):
                other = log_q.copy()
                other.flat[1] = value
                changed[name] = other
            for estimator in ("k1", "k2", "k3"):
                for kind, q in changed.items():
                    for threads in (None, 1, 2):
                        options = {"estimator": estimator, "axis": axis, "n_threads": threads}
                        estimate = partial(fastdiv.kl_from_log_probs, **options)
                        key = f"{estimator} {kind}, {shape} {axis} {dtype} {threads}"
                        yield case(key, estimate, log_p, q)
                        yield case(f"{key}, turned", estimate, q, log_p)
    names = ("kl", "reverse_kl", "jensen_shannon", "pearson", "squared_hellinger", "gan", "other")
    for shape in ((2,), (30,), (30, 2), (1,)):
        t_p, t_q = (inputs.generator(shape, key).standard_normal(shape) for key in "pq")
        for name in names:
            for kind, change in (("T", lambda t: t), ("negative", lambda t: -np.exp(t) - 1e-9)):
                for dtype in ("float64", "float32"):
                    on_p, on_q = (change(t).astype(dtype) for t in (t_p, t_q))
                    key = f"{name} {kind}, {shape} {dtype}"
                    bound = fastdiv.f_divergence_bound
                    yield case(f"bound {key}", bound, on_p, on_q, name)
                    yield case(
                        f"bound, more rows, {key}", bound, on_p, np.concatenate([on_q, on_q]), name
                    )
                    yield case(f"bound huge {key}", bound, on_p, 1e3 * on_q, name)


ROOMS = {"categoricals": categoricals, "densities": densities}
ONCE = {"relaxations": relaxations, "simplices": simplices, "flows": flows}

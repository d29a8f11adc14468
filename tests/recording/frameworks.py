"""`fastdiv.torch` and `fastdiv.jax`: values and gradients of the same calls in both."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import fastdiv
from fastdiv import RBF, Callback, Energy, Laplacian, Linear, Matern, Polynomial, Sum

from . import inputs
from .encode import Cases, case
from .gaussians import PARAMETRISATIONS, gaussian
from .samples import ESTIMATORS

KERNELS = {
    "RBF median": RBF(),
    "RBF": RBF(1.5),
    "RBF per feature": RBF([1.0, 2.0, 0.5]),
    "Laplacian": Laplacian(),
    "Matern": Matern(2.5, 1.0),
    "Polynomial": Polynomial(),
    "Linear": Linear(),
    "Energy": Energy(1.5),
    "Sum": Sum([RBF(), Laplacian(2.0)], [0.5, 2.0]),
}
FLOW = ("z_p", "mean_p", "logstd_p", "logstd_q", "noise_q")
Named = Mapping[str, Any]


class Torch:
    """Make tensors and take gradients in torch."""

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.functions = importlib.import_module("fastdiv.torch")
        self.torch.set_num_threads(1)

    def tensor(self, value: object, dtype: str) -> Any:
        if dtype == "bfloat16":
            return self.torch.tensor(np.asarray(value)).to(self.torch.bfloat16)
        return self.torch.tensor(np.asarray(value).astype(dtype))

    def gradients(self, call: Callable[..., Any], given: Named) -> object:
        """Return the value and the gradient by everything that can have one."""
        leaves = {
            name: t.clone().requires_grad_(t.is_floating_point() or t.is_complex())
            for name, t in given.items()
        }
        value = call(**leaves)
        weights = self.torch.cos(self.torch.arange(value.numel()).reshape(value.shape))
        (value * weights.to(value.dtype)).sum().backward()
        return value, {name: t.grad for name, t in leaves.items() if t.requires_grad}


class Jax:
    """Make arrays and take gradients in JAX."""

    def __init__(self) -> None:
        self.jax = importlib.import_module("jax")
        self.functions = importlib.import_module("fastdiv.jax")
        self.jit = False

    def tensor(self, value: object, dtype: str) -> Any:
        return self.jax.numpy.asarray(np.asarray(value), dtype=dtype)

    def gradients(self, call: Callable[..., Any], given: Named) -> object:
        """Return the value and the gradient by everything that can have one."""
        jnp = self.jax.numpy
        names = [
            name for name, a in given.items() if a.dtype.kind in "fcV" or a.dtype == "bfloat16"
        ]
        others = {name: a for name, a in given.items() if name not in names}

        def total(wrt: Named) -> Any:
            value = call(**wrt, **others)
            weights = jnp.cos(jnp.arange(value.size).reshape(value.shape))
            return (value * weights).sum(), value

        differentiate = self.jax.value_and_grad(total, has_aux=True)
        if self.jit:
            differentiate = self.jax.jit(differentiate)
        (_, value), found = differentiate({name: given[name] for name in names})
        return value, found


def frameworks() -> dict[str, Torch | Jax]:
    """Return the frameworks that can be imported."""
    found: dict[str, Torch | Jax] = {}
    for name, kind in (("torch", Torch), ("jax", Jax)):
        try:
            found[name] = kind()
        except ImportError:
            continue
    return found


def eager(small: bool) -> Cases:
    """Call every function of both, with gradients."""
    for name, framework in frameworks().items():
        for key, call, given in _calls(framework, small):
            yield case(f"{name}, {key}", call, **given)
            yield case(f"{name}, {key}, gradients", framework.gradients, call, given)


def _calls(framework: Torch | Jax, small: bool) -> Any:
    yield from _sample_calls(framework, small)
    yield from _gaussian_calls(framework)
    yield from _categorical_calls(framework)
    yield from _flow_calls(framework)


def _sample_calls(framework: Torch | Jax, small: bool) -> Any:
    functions, tensor = framework.functions, framework.tensor
    n, m = (9, 9) if small else (50, 50)
    for dtype in ("float32", "float64", "float16", "bfloat16", "int32", "complex64", "complex128"):
        x, y = (tensor(a, dtype) for a in inputs.pair(n, m, 3))
        given = {"x": x, "y": y}
        weights = {
            f"{name}_weights": tensor(inputs.weights(n, "unequal"), "float64") for name in "xy"
        }
        for name, kernel in KERNELS.items():
            for estimator in ESTIMATORS:
                mmd2 = partial(functions.mmd2, kernel=kernel, estimator=estimator)
                yield f"mmd2 {name} {estimator}, {dtype}", mmd2, given
                if dtype in ("float32", "float64"):
                    yield f"mmd2 {name} {estimator} weights, {dtype}", mmd2, given | weights
        for convention in ("torch", "jax", "numpy"):
            for estimator in ESTIMATORS:
                options = {"grad_convention": convention, "estimator": estimator}
                energy = partial(functions.energy_distance, exponent=0.8, **options)
                yield f"energy_distance {convention} {estimator}, {dtype}", energy, given
        for kernel in ("imq", "rbf", "other"):
            for prior in ("normal", "sphere", "uniform"):
                options = {"kernel": kernel, "prior": prior, "sigma2_p": 2.0}
                wae = partial(functions.wae_mmd, **options)
                yield f"wae_mmd {kernel} {prior}, {dtype}", wae, {"z": x, "z_prior": y}
    mixed = {"x": tensor(inputs.rows(5, 2), "float32"), "y": tensor(inputs.rows(4, 2), "float64")}
    yield "mmd2 of two dtypes", functions.mmd2, mixed
    for shape in ((6,), (6, 2, 2)):
        x = tensor(inputs.rows(6, 4).ravel()[: int(np.prod(shape))].reshape(shape), "float32")
        yield f"mmd2 of shape {shape}", functions.mmd2, {"x": x, "y": x + 1}
    for threads in (1, 2):
        mmd2 = partial(functions.mmd2, kernel=RBF(1.0), n_threads=threads)
        x, y = (tensor(a, "float32") for a in inputs.pair(90, 70, 5))
        yield f"mmd2, {threads} threads", mmd2, {"x": x, "y": y}


def _gaussian_calls(framework: Torch | Jax) -> Any:
    kl, tensor = framework.functions.kl, framework.tensor
    for dtype in ("float32", "float64", "bfloat16"):
        for one in PARAMETRISATIONS:
            p = gaussian(one, (4,), 3)
            given = {"mean": tensor(p.mean, dtype), one: tensor(p.parameter, dtype)}
            masks = {"none": {}, "some": {"where": tensor([True, False, True, True], "bool")}}
            for mask, where in masks.items():
                for reduce in ("none", "sum", "mean") if dtype == "float32" else ("none", "mean"):
                    reduced = partial(kl, reduce=reduce)
                    yield f"kl {one} {reduce} {mask}, {dtype}", reduced, given | where
                    for other in ("std", "logvar", "cov", "precision"):
                        q = gaussian(other, (), 3, key="q")
                        named = {"q_mean": tensor(q.mean, dtype)}
                        named[f"q_{other}"] = tensor(q.parameter, dtype)
                        key = f"kl {one} {other} {reduce} {mask}, {dtype}"
                        yield key, reduced, given | named | where
    scalar = partial(kl, logvar=0.5, q_std=2.0)
    yield (
        "kl of scalars",
        scalar,
        {"mean": tensor(np.ones((2, 3)), "float32"), "q_mean": tensor(np.zeros(3), "float32")},
    )


def _categorical_calls(framework: Torch | Jax) -> Any:
    categorical_kl, tensor = framework.functions.categorical_kl, framework.tensor
    logits, others = inputs.rows(4, 5), inputs.rows(4, 5, key="q")
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    zeros = np.array([[0.5, 0.5, 0.0, 0.0, 0.0]] * 4)
    for dtype in ("float32", "float64"):
        sides = {
            "probs": {"probs": tensor(probs, dtype)},
            "zeros": {"probs": tensor(zeros, dtype)},
            "logits": {"logits": tensor(logits, dtype)},
        }
        q_sides = {
            "logits": {"q_logits": tensor(others, dtype)},
            "shared": {"q_logits": tensor(others[0], dtype)},
            "zeros": {"q_probs": tensor(zeros[:, ::-1].copy(), dtype)},
        }
        where = {"where": tensor([True, False, True, True], "bool")}
        for one, p in sides.items():
            for other, q in q_sides.items():
                for reduce in ("none", "sum", "mean"):
                    call = partial(categorical_kl, reduce=reduce)
                    yield f"categorical_kl {one} {other} {reduce}, {dtype}", call, p | q
                    yield (
                        f"categorical_kl {one} {other} {reduce} where, {dtype}",
                        call,
                        p | q | where,
                    )


def _flow_calls(framework: Torch | Jax) -> Any:
    kl_flow, tensor = framework.functions.kl_flow, framework.tensor
    rng = inputs.generator("flows")
    values = {name: rng.standard_normal((3, 2, 5)) for name in FLOW}
    for dtype in ("float32", "float64"):
        given = {name: tensor(a, dtype) for name, a in values.items()}
        noise = given.pop("noise_q")
        dets = {"0": {}, "items": {"log_det": tensor([0.5, 1.0, -1.0], dtype)}}
        masks = {"none": {}, "some": {"mask": tensor(rng.uniform(size=(3, 1, 5)) < 0.7, "bool")}}
        for reduce in ("per_frame", "per_element", "per_item", "none"):
            for det, log_det in dets.items():
                for mask, m in masks.items():
                    key = f"kl_flow {reduce} {det} {mask}, {dtype}"
                    named = given | log_det | m
                    yield key, partial(kl_flow, reduce=reduce), named
                    k1 = partial(kl_flow, reduce=reduce, estimator="k1")
                    yield f"{key}, k1", k1, named | {"noise_q": noise}


def transformed(small: bool) -> Cases:
    """Compile, batch and trace; refuse second derivatives."""
    found = frameworks()
    if "torch" in found:
        yield from _compiled(found["torch"])
    if "jax" in found:
        yield from _traced(found["jax"])


def _some_calls(framework: Torch | Jax) -> Any:
    skipped = ("float16", "bfloat16", "int32", "biased", "sum", "precision", "scale_tril", "var ")
    for index, (key, call, given) in enumerate(_calls(framework, True)):
        if not any(word in key for word in skipped) and index % 5 == 0:
            yield key, call, given


def _compiled(framework: Torch) -> Cases:
    torch = framework.torch
    for key, call, given in list(_some_calls(framework))[::4]:
        yield case(f"torch.compile, {key}", _compile, framework, call, given)
    x = framework.tensor(inputs.rows(5, 2), "float64").requires_grad_()
    y = framework.tensor(inputs.rows(4, 2, key="y"), "float64")
    mmd2 = partial(framework.functions.mmd2, y=y, kernel=RBF(1.0))
    yield case("torch, second derivative", _second_derivative, torch, mmd2, x)
    yield case("torch, no_grad", _without_gradients, torch, mmd2, x)
    yield case("torch, torch.func.grad", lambda: torch.func.grad(lambda x: mmd2(x))(x.detach()))
    views = {
        "transposed": framework.tensor(inputs.rows(2, 6), "float32").T,
        "strided": framework.tensor(inputs.rows(12, 4), "float32")[::2, ::2],
        "expanded": framework.tensor(inputs.rows(1, 2), "float32").expand(6, 2),
        "conjugated": framework.tensor(inputs.rows(6, 2) + 1j, "complex64").conj(),
        "negated": framework.tensor(inputs.rows(6, 2) + 1j, "complex64").conj().imag,
        "permuted": framework.tensor(inputs.rows(6, 4).reshape(2, 6, 2), "float64").permute(
            1, 0, 2
        ),
    }
    for name, view in views.items():
        yield case(
            f"torch, {name}",
            framework.gradients,
            framework.functions.mmd2,
            {"x": view, "y": view + 1},
        )
    yield from _tensors_of_the_package(torch)


def _tensors_of_the_package(torch: Any) -> Cases:
    """Give tensors to the functions for arrays."""
    x, y = (torch.tensor(a) for a in inputs.pair(12, 12, 2))
    p = torch.distributions.Normal(torch.tensor([0.0, 1.0]), 1.0)
    kinds = {
        "float64": (x, y),
        "float32": (x.float(), y.float()),
        "bfloat16": (x.bfloat16(), y.bfloat16()),
        "half and double": (x.half(), y),
        "int8": ((4 * x).to(torch.int8), y),
        "complex": (torch.complex(x, y), y),
        "conjugated": (torch.complex(x, y).conj(), y),
        "requires grad": (x.clone().requires_grad_(), y),
        "meta": (torch.empty(12, 2, device="meta"), y),
        "sparse": (x.to_sparse(), y),
        "strided": (x.T.contiguous().T, y[:, [1, 0]]),
        "bool": (x > 0, y),
    }
    for name, (one, other) in kinds.items():
        for function in ("mmd2", "energy_distance", "kl_knn", "mmd2_and_grad", "median_distance"):
            yield case(f"tensors, {function}, {name}", getattr(fastdiv, function), one, other)
        yield case(f"tensors, quantize_rows, {name}", fastdiv.quantize_rows, one)
        yield case(f"tensors, Gaussian, {name}", lambda m: fastdiv.Gaussian(m, std=1.0), one)
    q = fastdiv.Gaussian([0.5], std=1.0)
    uniform = torch.distributions.Categorical(torch.ones(3))
    for name, sides in (
        ("torch", (p, torch.distributions.Normal(0.0, 2.0))),
        (
            "torch, then ours",
            (torch.distributions.Independent(p, 1), fastdiv.Gaussian([0.0, 1.0], std=2.0)),
        ),
        (
            "ours, then torch",
            (
                q,
                torch.distributions.Independent(torch.distributions.Normal(torch.zeros(1), 1.0), 1),
            ),
        ),
        ("discrete", (uniform, fastdiv.Categorical(probs=[0.5, 0.25, 0.25]))),
        ("discrete and continuous", (uniform, q)),
    ):
        for estimator in ("k1", "k3"):
            estimate = partial(fastdiv.kl_monte_carlo, n_samples=50, rng=0, estimator=estimator)
            yield case(f"draws, {name}, {estimator}", estimate, *sides)
    yield case("a bandwidth that requires grad", RBF, torch.tensor(1.0, requires_grad=True))
    yield case("a bandwidth", RBF, torch.tensor([1.0, 2.0]))


def _compile(framework: Torch, call: Callable[..., Any], given: Named) -> object:
    framework.torch.compiler.reset()
    compiled = framework.torch.compile(call, backend="aot_eager", fullgraph=True)
    return framework.gradients(compiled, given)


def _second_derivative(torch: Any, call: Callable[..., Any], x: Any) -> object:
    (gradient,) = torch.autograd.grad(call(x), x, create_graph=True)
    return torch.autograd.grad(gradient.sum(), x)


def _without_gradients(torch: Any, call: Callable[..., Any], x: Any) -> object:
    with torch.no_grad():
        return call(x)


def _traced(framework: Jax) -> Cases:
    jax = framework.jax
    jitted = Jax()
    jitted.jit = True
    for key, call, given in _some_calls(framework):
        yield case(f"jax.jit, {key}", jitted.gradients, call, given)
    x = framework.tensor(inputs.rows(20, 2).reshape(4, 5, 2), "float64")
    y = framework.tensor(inputs.rows(6, 2, key="y"), "float64")
    functions = {
        f"mmd2 {name}": partial(framework.functions.mmd2, y=y, kernel=kernel)
        for name, kernel in (KERNELS | {"RBF per feature": RBF([1.0, 2.0])}).items()
    }
    functions |= {
        "energy_distance": partial(framework.functions.energy_distance, y=y),
        "wae_mmd": lambda x: framework.functions.wae_mmd(x, y),
        "wae_mmd rbf": lambda x: framework.functions.wae_mmd(x, y, kernel="rbf"),
        "kl": lambda x: framework.functions.kl(x, std=0.5),
        "kl mean": lambda x: framework.functions.kl(x, logvar=x, reduce="mean"),
        "categorical_kl": lambda x: framework.functions.categorical_kl(logits=x, q_logits=x[::-1]),
    }
    for name, function in functions.items():
        yield case(f"jax.vmap, {name}", jax.vmap(function), x)
        summed = partial(_summed, function)
        yield case(f"jax.vmap of grad, {name}", jax.vmap(jax.grad(summed)), x)
        yield case(f"jax.jit of vmap, {name}", jax.jit(jax.vmap(function)), x)
        yield case(f"jax, second derivative, {name}", jax.hessian(summed), x[0])
        yield case(f"jax, an item with nan, {name}", jax.vmap(function), x.at[2, 1].set(np.nan))
    large = framework.tensor(inputs.rows(2000, 64).reshape(2, 1000, 64), "float32")
    of_large = jax.vmap(lambda x: framework.functions.mmd2(x, x[:900] + 1, RBF(9.0)))
    yield case("jax.vmap of large items", of_large, large)
    for function in ("mmd2", "kl_knn", "median_distance"):
        yield case(
            f"arrays, {function}",
            getattr(fastdiv, function),
            x[0],
            x[1],
            *([2] if function == "kl_knn" else []),
        )
        traced = partial(getattr(fastdiv, function), y=x[1])
        yield case(f"traced, {function}", jax.jit(traced), x[0])


def _summed(function: Callable[..., Any], x: Any) -> Any:
    return function(x).sum()


class _Other:
    """No tensor."""


def refused(small: bool) -> Cases:
    """Refuse what is no tensor, or no argument."""
    for name, framework in frameworks().items():
        functions, tensor = framework.functions, framework.tensor
        x = tensor(inputs.rows(6, 2), "float32")
        flow = {word: tensor(np.zeros((1, 2, 3)), "float32") for word in FLOW[:4]}
        calls = {
            "mmd2": (functions.mmd2, {"x": x, "y": x + 1, "kernel": RBF(1.0)}),
            "energy_distance": (functions.energy_distance, {"x": x, "y": x, "exponent": 1.0}),
            "wae_mmd": (
                functions.wae_mmd,
                {"z": x, "z_prior": x, "kernel": "imq", "sigma2_p": 1.0},
            ),
            "kl": (functions.kl, {"mean": x, "std": x * x + 1, "reduce": "none"}),
            "kl of two": (functions.kl, {"mean": x, "std": 1.0, "q_mean": x, "q_std": 1.0}),
            "categorical_kl": (functions.categorical_kl, {"logits": x, "q_logits": x}),
            "kl_flow": (functions.kl_flow, {**flow, "log_det": 0, "mask": None}),
        }
        wrong: dict[str, object] = {
            **{
                "None": None,
                "text": "text",
                "list": [1.0, 2.0],
                "number": 1.5,
                "nan": float("nan"),
            },
            **{"other": _Other, "array": inputs.rows(6, 2), "scalar": tensor(1.0, "float32")},
            **{
                "bool": tensor(np.ones((6, 2)), "bool"),
                "complex": tensor(inputs.rows(6, 2), "complex64"),
            },
            **{"one row": x[:1], "no rows": x[:0], "no features": x[:, :0], "features": x[:, :1]},
            **{
                "with nan": x * np.nan,
                "huge": x * np.float32(3e38),
                "Callback": Callback(inputs.callback),
            },
            **{
                "sequence": [RBF(1.0)],
                "Linear": Linear(),
                "class": RBF,
                "integer": 2,
                "True": True,
            },
            **{"estimator": "paired", "kernel": Sum([RBF(1.0), Callback(inputs.callback)])},
        }
        for function, (call, right) in calls.items():
            yield case(f"{name} {function}, right", call, **right)
            for option in (
                "n_threads",
                "estimator",
                "grad_convention",
                "reduce",
                "where",
                "colour",
            ):
                for kind, value in wrong.items():
                    given = {**right, option: value}
                    yield case(f"{name} {function}, {option} {kind}", call, **given)
            for argument in (key for key in right if key != "reduce"):
                rest = {key: value for key, value in right.items() if key != argument}
                yield case(f"{name} {function}, no {argument}", call, **rest)
                for kind, value in wrong.items():
                    given = {**right, argument: value}
                    yield case(f"{name} {function}, {argument} {kind}", call, **given)


ROOMS = {"frameworks": eager}
ONCE = {"frameworks, transformed": transformed, "frameworks, refused": refused}

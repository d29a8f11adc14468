"""The interface itself: signatures, fields, representations, pickles, and settings."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import os
import pickle
import subprocess
import sys

import numpy as np

import fastdiv
from fastdiv import RBF, Categorical, CoupledNormal, Gaussian, GaussianMixture, Kernel

from . import inputs
from .calls import halves
from .encode import Cases, case

MODULES = {
    "fastdiv.kernels": [
        name
        for name in fastdiv.__all__
        if inspect.isclass(getattr(fastdiv, name)) and issubclass(getattr(fastdiv, name), Kernel)
    ],
    "fastdiv.plots": ["clusters", "draw", "gap", "require", "save"],
    "fastdiv.torch": ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"],
    "fastdiv.jax": ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"],
}
"""Public names of public modules."""


def signatures(small: bool) -> Cases:
    """Describe every public name."""
    yield case("__all__", lambda: sorted(fastdiv.__all__))
    for name in fastdiv.__all__:
        yield case(name, _described, getattr(fastdiv, name))
    for module, names in MODULES.items():
        for name in names:
            yield case(f"{module}.{name}", _described_in, module, name)
    yield case("an unknown name", lambda: fastdiv.mmd3)


def _described_in(module: str, name: str) -> object:
    """Describe a name of a module, or say that it is that of the package."""
    value = getattr(importlib.import_module(module), name)
    return "that of fastdiv" if value is getattr(fastdiv, name, None) else _described(value)


def _described(value: object) -> object:
    if not callable(value):
        return type(value).__name__
    if not inspect.isclass(value):
        return _signature(value)
    members = {}
    for name, member in inspect.getmembers(value):
        if isinstance(member, property):
            members[name] = "property"
        elif callable(member) and not name.startswith("_") and not hasattr(tuple, name):
            members[name] = _signature(member)
    fields = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    public = [name for name in fields if not name.startswith("_")]
    bases = [base.__name__ for base in value.__mro__[1:] if base.__name__ in fastdiv.__all__]
    return {"call": _signature(value), "members": members, "fields": public, "bases": bases}


def _signature(function: object) -> str:
    """Return parameters, kinds and defaults, without the words for types."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return "no signature"
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature([p for p in plain if not p.name.startswith("_")]))


def objects() -> dict[str, object]:
    """Return one of every public class."""
    x, y = inputs.pair(12, 14, 2)
    codes = inputs.labels(12)
    rows = fastdiv.quantize_rows(x, symmetric=False)
    p = Gaussian([[0.0, 1.0], [2.0, 3.0]], logvar=[0.0, 1.0], where=[True, False])
    found: dict[str, object] = {
        f"kernel {name}": kernel
        for name, kernel in inputs.kernels(2).items()
        if isinstance(kernel, fastdiv.Kernel) and "Callback" not in name
    }
    return found | {
        "TwoSampleResult": fastdiv.mmd_test(x, y, n_resamples=5, rng=0),
        "PermanovaResult": fastdiv.permanova(x, codes, n_resamples=5, rng=0),
        "DiscoResult": fastdiv.disco(x, codes, n_resamples=5, rng=0),
        "KID": fastdiv.kid(x, y, n_subsets=3, subset_size=4, rng=0),
        "KernelMeanMatching": fastdiv.kernel_mean_matching(x, y),
        "QuantizedRows": rows,
        "QuantizedEstimate": fastdiv.mmd2(rows, rows[3:], RBF(1.0)),
        "HybridProduct": fastdiv.hybrid_matmul(x, rows),
        "ClusterDispersion": fastdiv.cluster_dispersion(x, codes),
        "GeometricMedian": fastdiv.geometric_median(x, codes),
        "GapStatistic": fastdiv.gap_statistic(x, halves, [1, 2], n_references=2, rng=0),
        "Gaussian": p,
        "Gaussian fitted": fastdiv.fit_gaussian(x),
        "Gaussian standard": Gaussian.standard(3),
        "GaussianMixture": GaussianMixture([0.25, 0.75], Gaussian([[0.0], [1.0]], std=1.0)),
        "CoupledNormal": CoupledNormal([0.0, 1.0], var=2.0, kappa=0.1, alpha=1),
        "Categorical": Categorical(logits=[[0.0, 1.0], [2.0, 3.0]]),
        "Estimate": fastdiv.kl_from_log_probs([0.0, 1.0], [0.5, 0.75]),
        "GradientEstimate": fastdiv.score_function_grad([0.0, 1.0], np.sqrt, 5, rng=0),
        "RelaxedSample": fastdiv.gumbel_softmax([0.0, 1.0], 0.5, rng=0),
    }


def classes(small: bool) -> Cases:
    """Copy, pickle, compare, print and change one of every class."""
    for name, value in objects().items():
        yield case(f"{name}, itself", lambda v: v, value)
        yield case(f"{name}, text", lambda v: (repr(v), str(v)), value)
        yield case(f"{name}, pickled", lambda v: pickle.loads(pickle.dumps(v)), value)
        yield case(f"{name}, copied", copy.copy, value)
        yield case(f"{name}, copied deeply", copy.deepcopy, value)
        yield case(f"{name}, equal to itself", lambda v: v == v, value)
        yield case(f"{name}, equal to a copy", _equals_copy, value)
        yield case(f"{name}, has a hash", _has_hash, value)
        yield case(f"{name}, is frozen", _changed, value)
        yield case(f"{name}, truth", bool, value)
        yield case(f"{name}, length", len, value)


def _equals_copy(value: object) -> object:
    return value == copy.copy(value)


def _has_hash(value: object) -> bool:
    return isinstance(hash(value), int)


def _changed(value: object) -> None:
    changed = copy.copy(value)
    name = next(iter(vars(changed)), "anything")
    setattr(changed, name, None)


def settings(small: bool) -> Cases:
    """Set threads, and show the configuration."""
    yield case("get_num_threads", fastdiv.get_num_threads)
    yield case("set and get", _set_and_get)
    yield case("keys", lambda: list(fastdiv.show_config(mode="dict")))
    for key in ("backend", "isa", "isa_available", "n_threads"):
        yield case(f"config {key}", lambda key: fastdiv.show_config("dict").get(key), key)
    yield case(
        "types", lambda: {k: type(v).__name__ for k, v in fastdiv.show_config("dict").items()}
    )
    yield case("printed", _printed_config)


def _set_and_get() -> object:
    seen = []
    for n in (1, 5, 1024, 2):
        fastdiv.set_num_threads(n)
        seen.append(fastdiv.get_num_threads())
    return seen


def _printed_config() -> object:
    code = "import fastdiv; print(fastdiv.show_config())"
    lines = _python(code, {})[1].splitlines()
    return [line.split(":")[0] for line in lines]


def environments(small: bool) -> Cases:
    """Choose backend, level and threads by the environment, in new processes."""
    import_it = "import fastdiv; print(fastdiv.kl(*2 * [fastdiv.Gaussian([0.0], std=1.0)]))"
    level = "import fastdiv; c = fastdiv.show_config('dict'); print(c['backend'], c.get('isa'))"
    threads = "import fastdiv; print(fastdiv.get_num_threads())"
    late = (
        "import sys, fastdiv; print({'torch', 'jax', 'matplotlib', 'pyarrow'} & set(sys.modules))"
    )
    for code in (import_it, level):
        for name, values in (
            ("FASTDIV_ISA", ("baseline", "v2", "x86-64-v3", "v9", "", "V3")),
            ("FASTDIV_BACKEND", ("core", "reference", "other", "")),
        ):
            for value in values:
                yield case(f"{name}={value}, {code == level}", _python, code, {name: value})
    for value in ("1", "3", "0", "many", "2,3", ""):
        yield case(f"OMP_NUM_THREADS={value}", _python, threads, {"OMP_NUM_THREADS": value})
    yield case("imported late", _python, late, {})
    for name in ("torch", "jax"):
        code = f"import sys; sys.modules[{name!r}] = None; import fastdiv.{name}"
        yield case(f"without {name}", _python, code, {})
    code = "import sys, fastdiv.plots; sys.modules['matplotlib.figure'] = None"
    code += "; fastdiv.plots.require()"
    yield case("without matplotlib", _python, code, {})


def _python(code: str, environment: dict[str, str]) -> tuple[int, str, str]:
    """Return status, output and the last line of the errors of a new interpreter."""
    changed = {k: v for k, v in os.environ.items() if not k.startswith("FASTDIV_")} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=changed, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, "".join(done.stderr.splitlines()[-1:])


ONCE = {
    "signatures": signatures,
    "classes": classes,
    "settings": settings,
    "environments": environments,
}

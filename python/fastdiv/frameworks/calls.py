"""
Hold a call, and describe it by text and numbers.

torch.compile records a program and runs it later. It can record text and numbers, but no kernel.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from fastdiv import _inputs, kernels
from fastdiv.distributions.estimates.flow import kl_flow
from fastdiv.frameworks.arguments import NUMBERS
from fastdiv.kernels import Callback, Kernel, Sum
from fastdiv.kernels.arguments import as_kernels
from fastdiv.mmd.wae import wae_kernel

Options: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of one of `evaluation.FUNCTIONS`, but for the values of its arrays."""

    function: str
    names: tuple[str, ...]  # of the arrays
    options: Options


def call_of(function: str, names: Iterable[str], options: Options) -> Call:
    """Return a call whose options are constants."""
    for name, value in options.items():
        require_constant(value, name)
    return Call(function, tuple(names), options)


def require_constant(value: object, name: str) -> None:
    """Refuse everything but words, finite numbers, kernels of fastdiv, and containers of these."""
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, NUMBERS):
        if value - value != 0:
            raise ValueError(f"{name} must be finite; got {value}")
    elif isinstance(value, Kernel):
        _require_own(value, name)
        if isinstance(value, Sum):
            require_constant(value.kernels, "kernels")
    elif isinstance(value, (tuple, list)):
        for item in value:
            require_constant(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            require_constant(item, key)
    else:
        raise TypeError(
            f"{name} must be made of plain Python numbers and words, not of arrays or traced "
            f"values; got {type(value).__name__}"
        )


def _require_own(kernel: Kernel, name: str) -> None:
    """Refuse a `Callback`, and kernels that are not of fastdiv."""
    if isinstance(kernel, Callback):
        raise TypeError(
            f"{name} must have a gradient; got a Callback, which only fastdiv.mmd2 can evaluate"
        )
    if getattr(kernels, type(kernel).__name__, None) is not type(kernel):
        raise TypeError(
            f"{name} must be one of fastdiv.kernels; got {type(kernel).__name__}, which only "
            "fastdiv.mmd2 and fastdiv.mmd2_and_grad take"
        )


def encode(value: object, numbers: list[float], name: str = "call") -> str:
    """
    Write a value as a literal with a placeholder for each number, and append the numbers.

    torch.compile traces this function, and may know a number as a symbol alone.
    """
    if isinstance(value, (tuple, list)):
        return "(" + "".join([encode(item, numbers, name) + ", " for item in value]) + ")"
    if isinstance(value, dict):
        items = [f"{key!r}: {encode(item, numbers, key)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, Kernel):
        _require_own(value, name)
        parameters = {field.name: getattr(value, field.name) for field in fields(value)}
        return encode((type(value).__name__, parameters), numbers, name)
    require_constant(value, name)
    if value is None or isinstance(value, (str, bool)):
        return repr(value).replace("%", "%%")
    number: Any = value.item() if isinstance(value, (np.integer, np.floating)) else value
    numbers.append(number)
    return "%d" if isinstance(number, int) else "%r"


def described(function: str, names: Iterable[str], options: Options) -> tuple[str, list[float]]:
    """Describe a call as text and numbers."""
    numbers: list[float] = []
    return encode((function, tuple(names), dict(options)), numbers), numbers


def require_kernel(value: object) -> None:
    """Refuse everything but a single kernel."""
    if isinstance(value, (tuple, list)):
        raise TypeError("kernel must be a single kernel: a loss is one number. Use Sum to add them")
    if not isinstance(value, Kernel):
        as_kernels(value)


@lru_cache(maxsize=256)
def decode(text: str, numbers: tuple[float, ...]) -> Call:
    """Return the call that is described."""
    function, names, options = ast.literal_eval(text % tuple(map(float, numbers)))
    if isinstance(options.get("kernel"), tuple):
        options["kernel"] = _decoded_kernel(*options["kernel"])
    return Call(function, names, MappingProxyType(options))


def _decoded_kernel(name: str, parameters: dict[str, Any]) -> Kernel:
    cls = getattr(kernels, name)
    if cls is Sum:
        parameters["kernels"] = [_decoded_kernel(*encoded) for encoded in parameters["kernels"]]
    built: Kernel = cls(**parameters)
    return built


def value_shape(call: Call, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of the value of a call."""
    first = shapes[0]
    if call.function == "kl":
        return first[:-1]
    if call.function == "kl_flow":
        return {"per_item": first[:1], "none": first}.get(call.options["reduce"], ())
    return ()


def rehearse(
    call: Call, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]
) -> None:
    """
    Refuse a call that is invalid whatever its arrays hold, with the errors of NumPy's functions.

    `arguments.expanded` has checked the shapes of distributions before.
    """
    function, options = call.function, call.options
    arrays: Options = {
        name: np.broadcast_to(np.array(name != "log_det", dtype), shape)
        for name, dtype, shape in zip(call.names, dtypes, shapes, strict=True)
    }
    if function == "kl_flow":
        kl_flow(**arrays, **options)
        return
    _inputs.threads(options["n_threads"])
    if function == "kl":
        if "where" in arrays:
            _inputs.mask(arrays["where"], "where", arrays["where"].shape)
    elif function == "wae_mmd":
        # The bandwidth of "rbf" depends on the values.
        form = "imq" if options["kernel"] == "rbf" else options["kernel"]
        wae_kernel(**arrays, **{**options, "kernel": form})
    else:
        estimator = _inputs.choice(options["estimator"], _inputs.ESTIMATORS, "estimator")
        weights = (arrays.get("x_weights"), arrays.get("y_weights"))
        x, *_ = _inputs.weighted_samples(
            arrays["x"], arrays["y"], *weights, _inputs.ALWAYS_RAISE, estimator
        )
        options["kernel"]._resolve(x.shape[1], lambda _: 1.0)

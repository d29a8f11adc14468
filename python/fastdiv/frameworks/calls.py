"""
What `fastdiv.torch` and `fastdiv.jax` share: a call as text and numbers, and its evaluation.

Both frameworks record a program and run it later, so a call has to be described by values that
they can record; a kernel is not one. From text, numbers and arrays `evaluate` then computes the
value and those gradients that are wanted, in one pass. It knows neither framework.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs, kernels
from fastdiv._engine.blocks import GATHERED, row_blocks
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.categorical import Categorical
from fastdiv.distributions.divergences import kl
from fastdiv.distributions.estimates.flow import kl_flow, kl_flow_and_grad
from fastdiv.distributions.gaussian import DIAGONAL, FULL, Gaussian
from fastdiv.distributions.gradients import kl_and_grad
from fastdiv.frameworks import batches as _batches
from fastdiv.kernels import Callback, Kernel, Sum
from fastdiv.mmd.estimate import mmd2
from fastdiv.mmd.gradients import mmd2_and_grad
from fastdiv.mmd.wae import wae_kernel, wae_mmd

Arrays: TypeAlias = dict[str, NDArray[Any]]
Options: TypeAlias = Mapping[str, Any]
Result: TypeAlias = "tuple[Values | float, Mapping[str, Matrix]]"
Function: TypeAlias = Callable[[Arrays, tuple[str, ...], Options], Result]

GRAD_CONVENTIONS = ("torch", "jax")
SCALES = (*DIAGONAL, *FULL)
NUMBERS = (int, float, np.integer, np.floating)


# --- calls as text and numbers ---------------------------------------------------------


def encode(value: object, numbers: list[float], name: str = "call") -> str:
    """
    Write a value as a literal with a placeholder for each number, and append the numbers.

    Only what torch.compile can trace: it may know a number as a symbol alone.
    """
    if value is None or isinstance(value, (str, bool)):
        return repr(value).replace("%", "%%")
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, (int, float)):
        if value - value != 0:
            raise ValueError(f"{name} must be finite; got {value}")
        numbers.append(value)
        return "%d" if isinstance(value, int) else "%r"
    if isinstance(value, (tuple, list)):
        return "(" + "".join([encode(each, numbers, name) + ", " for each in value]) + ")"
    if isinstance(value, dict):
        items = [f"{key!r}: {encode(each, numbers, key)}" for key, each in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, Callback):
        raise TypeError(
            f"{name} must have a gradient; got a Callback, which only fastdiv.mmd2 can evaluate"
        )
    if isinstance(value, Kernel):
        if type(value).__module__ != "fastdiv":
            raise TypeError(
                f"{name} must be one of fastdiv.kernels; got {type(value).__name__}, which only "
                "fastdiv.mmd2 and fastdiv.mmd2_and_grad take"
            )
        parameters = {each.name: getattr(value, each.name) for each in fields(value)}
        return encode((type(value).__name__, parameters), numbers, name)
    raise TypeError(
        f"{name} must be made of plain Python numbers and words, not of arrays or traced values; "
        f"got {type(value).__name__}"
    )


def described(
    function: str, names: Iterable[str], options: Mapping[str, object]
) -> tuple[str, list[float]]:
    """Describe a call as text and numbers."""
    numbers: list[float] = []
    return encode((function, tuple(names), dict(options)), numbers), numbers


def selected(values: Sequence[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return the values that belong to required gradients."""
    return [value for value, required in zip(values, wrt, strict=True) if required]


def placed(gradients: Iterable[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return a gradient or None for each array, from the gradients that are required."""
    remaining = iter(gradients)
    return [next(remaining) if required else None for required in wrt]


def kernel(value: object) -> Kernel:
    """Return a single kernel."""
    if isinstance(value, (tuple, list)):
        raise TypeError("kernel must be a single kernel: a loss is one number. Use Sum to add them")
    if not isinstance(value, Kernel):
        kernels.as_kernels(value)
    assert isinstance(value, Kernel)
    return value


@lru_cache(maxsize=256)
def decode(text: str, numbers: tuple[float, ...]) -> tuple[str, tuple[str, ...], Options]:
    """Return the function, the names of its arrays and its options."""
    function, names, options = ast.literal_eval(text % tuple(map(float, numbers)))
    if isinstance(options.get("kernel"), tuple):
        options["kernel"] = _decoded_kernel(*options["kernel"])
    return function, names, MappingProxyType(options)


def _decoded_kernel(name: str, parameters: dict[str, Any]) -> Kernel:
    cls = getattr(kernels, name)
    if cls is Sum:
        parameters["kernels"] = [_decoded_kernel(*each) for each in parameters["kernels"]]
    built: Kernel = cls(**parameters)
    return built


# --- arguments -------------------------------------------------------------------------


def gaussian_arguments(
    mean: object, scales: Sequence[object], q_mean: object, q_scales: Sequence[object]
) -> dict[str, object]:
    """Return the arguments of `kl` that were given, by name; scales are in the order of SCALES."""
    of_p = dict(zip(SCALES, scales, strict=True))
    of_q = dict(zip([f"q_{name}" for name in SCALES], q_scales, strict=True))
    given = {"mean": mean, **_given(of_p)}
    if len(given) != 2:
        raise TypeError(_exactly_one(of_p, given))
    q_given = _given({"q_mean": q_mean, **of_q})
    if q_given and ("q_mean" not in q_given or len(q_given) != 2):
        raise TypeError("with q_mean, " + _exactly_one(of_q, q_given))
    return given | q_given


def categorical_arguments(
    parameters: Mapping[str, object], q_parameters: Mapping[str, object]
) -> dict[str, object]:
    """Return the arguments of `categorical_kl` that were given, by name."""
    for each in (parameters, q_parameters):
        if len(_given(each)) != 1:
            raise TypeError(_exactly_one(each, _given(each)))
    return _given(parameters) | _given(q_parameters)


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value is not None}


def _exactly_one(names: Mapping[str, object], given: Mapping[str, object]) -> str:
    return (
        f"exactly one of {', '.join(names)} must be given; "
        f"got {' and '.join([name for name in given if name != 'mean']) or 'none'}"
    )


def expanded(
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """Return the batch shape of all arguments, and the shape that each takes in it."""
    events: dict[str, tuple[int, ...]] = {}
    batches: dict[str, tuple[int, ...]] = {}
    leading: tuple[str, tuple[int, ...]] = ("", ())  # the argument that says how many dimensions
    sizes = []
    for name, given in shapes.items():
        shape, parametrisation = tuple(given), name.removeprefix("q_")
        if parametrisation in (*DIAGONAL, *FULL):
            event = leading[1][-1:] * (2 if parametrisation in FULL else 1)
            if parametrisation in DIAGONAL and not shape:
                shape = event
            if shape[-len(event) :] != event:
                raise ValueError(
                    f"{name} must have shape (..., {', '.join([str(d) for d in event])}) for a "
                    f"{leading[0]} of shape {leading[1]}; got shape {shape}"
                )
        else:
            leading, event = (name, shape), shape[-1:]
            if not shape or shape[-1] == 0:
                d = "d" if parametrisation == "mean" else "k"
                raise ValueError(
                    f"{name} must have shape (..., {d}) with {d} >= 1; got shape {shape}"
                )
            sizes.append(shape[-1])
        events[name], batches[name] = event, shape[: len(shape) - len(event)]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        what = "dimension" if "mean" in shapes else "number of categories"
        raise ValueError(f"p and q must have the same {what}; got {sizes[0]} and {sizes[1]}")
    batch = _broadcast(batches)
    return batch, {name: batch + event for name, event in events.items()}


def require_rows(shape: tuple[int, ...], name: str) -> None:
    """Refuse a complex scalar, whose real and imaginary parts would pass for rows."""
    if not shape:
        raise ValueError(f"{name} must be an array of rows, shape (n,) or (n, ...); got a scalar")


def require_batch(shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """Refuse a mask that does not broadcast to the batch."""
    fits = len(shape) <= len(batch) and all(
        [a in (1, b) for a, b in zip(shape, batch[len(batch) - len(shape) :], strict=True)]
    )
    if not fits:
        raise ValueError(f"where must broadcast to the batch shape {batch}; got {tuple(shape)}")


def reduced(values: Any, mask: Any, reduce: str) -> Any:
    """Reduce the values of a batch, arrays of either framework, of which a mask may choose some."""
    if reduce == "none":
        return values
    if 0 in values.shape:
        raise ValueError(f"reduce={reduce!r} needs at least one item; the batch is empty")
    if reduce == "sum":
        return values.sum()
    return values.mean() if mask is None else values.sum() / mask.sum()


def _broadcast(batches: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    # Not np.broadcast_shapes: sizes may be symbols of torch.compile.
    ndim = max([len(batch) for batch in batches.values()])
    sizes = [1] * ndim
    for batch in batches.values():
        for axis, size in enumerate(batch, ndim - len(batch)):
            if size != 1 and sizes[axis] not in (1, size):
                raise ValueError(
                    f"the batch shapes of {' and '.join(batches)} must broadcast; "
                    f"got {' and '.join([str(each) for each in batches.values()])}"
                )
            if size != 1:
                sizes[axis] = size
    return tuple(sizes)


def value_shape(
    text: str, numbers: Sequence[float], shapes: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    """Return the shape of the value of a call."""
    function, _, options = decode(text, tuple(numbers))
    first = shapes[0]
    if function == "kl":
        return first[:-1]
    if function == "kl_flow":
        return {"per_item": first[:1], "none": first}.get(options["reduce"], ())
    return ()


def rehearse(
    text: str,
    numbers: Sequence[float],
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[np.dtype[Any]],
) -> None:
    """
    Refuse a call that no values of its arrays can make right, with the words of NumPy's functions.

    The shapes of distributions are those that `expanded` has checked.
    """
    function, names, options = decode(text, tuple(numbers))
    arrays: Options = {
        name: np.broadcast_to(np.array(name != "log_det", dtype), shape)
        for name, dtype, shape in zip(names, dtypes, shapes, strict=True)
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


# --- evaluation ------------------------------------------------------------------------


def evaluate(
    text: str,
    numbers: Sequence[float],
    arrays: Sequence[NDArray[Any]],
    wrt: Sequence[bool],
    ndims: Sequence[int] | None = None,
) -> list[Matrix]:
    """
    Return the value, then the gradient with respect to each array that is wanted.

    The value has the wider dtype of the floating-point arrays, gradients shape and dtype of
    theirs. `ndims` says how many axes each array has by itself; what it has more, in front, is a
    batch of calls, whose results are stacked.
    """
    function, names, options = decode(text, tuple(numbers))
    by_name = dict(zip(names, arrays, strict=True))
    wanted = tuple(name for name, each in zip(names, wrt, strict=True) if each)
    own = {name: a.ndim for name, a in by_name.items()}
    own.update(zip(names, ndims or (), strict=False))
    value, gradients = _batched(function, by_name, own, wanted, options)
    dtype = np.result_type(*[a.dtype for a in arrays if a.dtype.kind == "f"])
    return [
        _typed(np.asarray(value), dtype, "the value"),
        *(_typed(gradients[name], by_name[name].dtype, "a gradient") for name in wanted),
    ]


def _renamed(error: ValueError, names: Mapping[str, str]) -> ValueError:
    """Return an error with the name that its argument has here."""
    name, space, rest = str(error).partition(" ")
    return ValueError(names.get(name, name) + space + rest)


def _batched(
    function: str, arrays: Arrays, ndims: dict[str, int], wanted: tuple[str, ...], options: Options
) -> Result:
    leading = {name: a.shape[: a.ndim - ndims[name]] for name, a in arrays.items()}
    batch = np.broadcast_shapes(*leading.values())
    if not batch:
        return FUNCTIONS[function](arrays, wanted, options)
    whole = {
        name: np.broadcast_to(a, batch + a.shape[len(leading[name]) :])
        for name, a in arrays.items()
    }
    if function in ITEMWISE:
        if "where" in whole:
            own_axes = tuple(range(len(batch), whole["where"].ndim))
            if not whole["where"].any(axis=own_axes).all():
                raise ValueError("where must select at least one item; got an empty mask")
        return FUNCTIONS[function](whole, wanted, options)
    size = sum([a[(0,) * len(batch)].size for a in whole.values()])
    parts = []
    # Blocks, because a stack holds a copy for each call of what the batch shares.
    for calls in row_blocks(int(np.prod(batch)), size, GATHERED):
        index = np.unravel_index(np.arange(calls.start, calls.stop), batch)
        stacks = {name: a[index] for name, a in whole.items()}
        value, gradients = _stacked(function, stacks, wanted, options, calls.start)
        parts.append([value, *[gradients[name] for name in wanted]])
    value, *found = (
        np.concatenate(each).reshape(batch + each[0].shape[1:]) for each in zip(*parts, strict=True)
    )
    return value, dict(zip(wanted, found, strict=True))


def _stacked(
    function: str, stacks: Arrays, wanted: tuple[str, ...], options: Options, first: int
) -> Result:
    """
    Evaluate a stack of calls, the first of them at this place of the batch.

    A call that is wrong says so in its own words. Where it is the stack alone that cannot be
    computed, as with medians at the end of float64's range, the calls go one after the other.
    """
    with suppress(ValueError, OverflowError):
        return _batches.STACKED[function](stacks, wanted, options)
    results = []
    for i in range(len(next(iter(stacks.values())))):
        try:
            call = {name: a[i] for name, a in stacks.items()}
            results.append(FUNCTIONS[function](call, wanted, options))
        except (ValueError, OverflowError) as error:
            raise type(error)(f"{error} (call {first + i} of the batch)") from None
    gradients = {name: np.stack([of[name] for _, of in results]) for name in wanted}
    return np.stack([np.asarray(value) for value, _ in results]), gradients


def _typed(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> Matrix:
    with np.errstate(over="ignore"):
        typed: Matrix = np.ascontiguousarray(values, dtype).reshape(values.shape)
    if (np.isinf(typed) & np.isfinite(values)).any():
        raise OverflowError(f"{name} is too large for {dtype}; rescale, or pass float64")
    return typed


def _mmd2(arrays: Arrays, wanted: tuple[str, ...], options: Options) -> Result:
    arguments: Options = {**arrays, **options, "nan_policy": _inputs.ALWAYS_RAISE}
    if not wanted:
        return float(mmd2(**arguments)), {}
    value, *gradients = mmd2_and_grad(**arguments, wrt=wanted)
    return value, dict(zip(wanted, gradients, strict=True))


def _wae_mmd(arrays: Arrays, wanted: tuple[str, ...], options: Options) -> Result:
    z, z_prior = arrays.values()
    if not wanted:
        return wae_mmd(z, z_prior, **options), {}
    chosen = wae_kernel(z, z_prior, **options)
    names = ["x" if name == "z" else "y" for name in wanted]
    value, *gradients = mmd2_and_grad(z, z_prior, chosen, wrt=names, n_threads=options["n_threads"])
    return value, dict(zip(wanted, gradients, strict=True))


def _kl(arrays: Arrays, wanted: tuple[str, ...], options: Options) -> Result:
    parts: tuple[Arrays, Arrays] = ({}, {})
    for name, a in arrays.items():
        if name != "where":
            parts[name.startswith("q_")][name.removeprefix("q_")] = a
    where = arrays.get("where")
    cls: Any = Gaussian if "mean" in parts[0] else Categorical
    p = cls(**parts[0], where=where)
    try:
        q = cls(**parts[1], where=where) if parts[1] else Gaussian.standard(p.dim)
    except ValueError as error:
        raise _renamed(error, {name: f"q_{name}" for name in parts[1]}) from error
    if not wanted:
        return kl(p, q, **options), {}
    of_q = [name.startswith("q_") for name in wanted]
    sides = [side for side, each in (("p", not all(of_q)), ("q", any(of_q))) if each]
    value, *found = kl_and_grad(p, q, wrt=sides, **options)
    return value, {
        f"q_{name}" if side == "q" else name: gradient
        for side, gradients in zip(sides, found, strict=True)
        for name, gradient in gradients.items()
    }


def _kl_flow(arrays: Arrays, wanted: tuple[str, ...], options: Options) -> Result:
    arguments: Options = {**arrays, **options}
    return kl_flow_and_grad(**arguments) if wanted else (kl_flow(**arguments), {})


FUNCTIONS: dict[str, Function] = {
    "mmd2": _mmd2,
    "wae_mmd": _wae_mmd,
    "kl": _kl,
    "kl_flow": _kl_flow,
}
ITEMWISE = ("kl",)
"""Functions that give a value for each batch index: a batch of calls is one call."""

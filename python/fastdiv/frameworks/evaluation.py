"""Evaluate calls on NumPy arrays: the value and the required gradients, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import GATHERED, row_blocks
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import zero_unselected
from fastdiv.distributions.categorical import Categorical
from fastdiv.distributions.divergences import kl
from fastdiv.distributions.estimates.flow import kl_flow, kl_flow_and_grad
from fastdiv.distributions.gaussian import DIAGONAL, Gaussian
from fastdiv.distributions.gradients import diagonal_kl_and_grad, kl_and_grad
from fastdiv.distributions.pair import diagonal_kl, standard_like
from fastdiv.frameworks import batches
from fastdiv.frameworks.calls import Call, Options
from fastdiv.mmd.estimate import mmd2
from fastdiv.mmd.gradients import mmd2_and_grad
from fastdiv.mmd.wae import wae_kernel, wae_mmd

Arrays: TypeAlias = dict[str, NDArray[Any]]
Result: TypeAlias = "tuple[Values | float, Mapping[str, Matrix]]"
Function: TypeAlias = Callable[[Arrays, tuple[str, ...], Options], Result]


def only_required(values: Sequence[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return the values that belong to required gradients."""
    return [value for value, required in zip(values, wrt, strict=True) if required]


def placed(gradients: Iterable[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return a gradient or None for each array, from the gradients that are required."""
    remaining = iter(gradients)
    return [next(remaining) if required else None for required in wrt]


def evaluate(
    call: Call,
    arrays: Sequence[NDArray[Any]],
    wrt: Sequence[bool],
    ndims: Sequence[int] | None = None,
) -> list[Matrix]:
    """
    Return the value, then the gradient with respect to each array that `wrt` marks.

    The value has the wider dtype of the floating-point arrays, gradients shape and dtype of
    theirs. `ndims` says how many axes each array has by itself; what it has more, in front, is a
    batch of calls, whose results are stacked.
    """
    by_name = dict(zip(call.names, arrays, strict=True))
    required = tuple(only_required(call.names, wrt))
    if ndims is None:
        value, gradients = FUNCTIONS[call.function](by_name, required, call.options)
    else:
        value, gradients = _batched(call, by_name, ndims, required)
    dtype = max([a.dtype for a in arrays if a.dtype.kind == "f"])
    return [
        _typed(np.asarray(value), dtype, "the value"),
        *[_typed(gradients[name], by_name[name].dtype, "a gradient") for name in required],
    ]


def _renamed(error: ValueError, names: Mapping[str, str]) -> ValueError:
    """Return an error with another name of its argument, its first word."""
    name, space, remaining = str(error).partition(" ")
    return ValueError(names.get(name, name) + space + remaining)


def _batched(call: Call, arrays: Arrays, ndims: Sequence[int], required: tuple[str, ...]) -> Result:
    """Evaluate a batch of calls, whose axes stand before those of a call."""
    function, options = call.function, call.options
    leading = {
        name: a.shape[: a.ndim - ndim]
        for (name, a), ndim in zip(arrays.items(), ndims, strict=True)
    }
    batch = np.broadcast_shapes(*leading.values())
    if not batch:
        return FUNCTIONS[function](arrays, required, options)
    whole = {
        name: np.broadcast_to(a, batch + a.shape[len(leading[name]) :])
        for name, a in arrays.items()
    }
    if function in ITEMWISE:
        if "where" in whole:
            item_axes = tuple(range(len(batch), whole["where"].ndim))
            if not whole["where"].any(axis=item_axes).all():
                raise ValueError("where must select at least one item; got an empty mask")
        return FUNCTIONS[function](whole, required, options)
    size = sum([a[(0,) * len(batch)].size for a in whole.values()])
    parts = []
    # Blocks, because a stack copies shared arguments for each call.
    for calls in row_blocks(int(np.prod(batch)), size, GATHERED):
        index = np.unravel_index(np.arange(calls.start, calls.stop), batch)
        stacks = {name: a[index] for name, a in whole.items()}
        value, gradients = _stacked(function, stacks, required, options, calls.start)
        parts.append([value, *[gradients[name] for name in required]])
    value, *results = (
        np.concatenate(part).reshape(batch + part[0].shape[1:]) for part in zip(*parts, strict=True)
    )
    return value, dict(zip(required, results, strict=True))


def _stacked(
    function: str, stacks: Arrays, required: tuple[str, ...], options: Options, first: int
) -> Result:
    """
    Evaluate a stack of calls, of which the first is call number `first` of the batch.

    If the stack cannot be computed, its calls are evaluated one after the other. An invalid call
    then raises its own error. The others succeed, for example with medians at the end of
    float64's range.
    """
    with suppress(ValueError, OverflowError):
        return batches.STACKED[function](stacks, required, options)
    results = []
    for i in range(len(next(iter(stacks.values())))):
        try:
            call = {name: a[i] for name, a in stacks.items()}
            results.append(FUNCTIONS[function](call, required, options))
        except (ValueError, OverflowError) as error:
            raise type(error)(f"{error} (call {first + i} of the batch)") from None
    gradients = {name: np.stack([grads[name] for _, grads in results]) for name in required}
    return np.stack([np.asarray(value) for value, _ in results]), gradients


def _typed(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> Matrix:
    """Return values in a dtype, unless they overflow in it."""
    if values.dtype == dtype and values.flags.c_contiguous:
        return values
    with np.errstate(over="ignore"):
        typed: Matrix = np.ascontiguousarray(values, dtype).reshape(values.shape)
    if not np.isfinite(typed).all() and (np.isinf(typed) & np.isfinite(values)).any():
        raise OverflowError(f"{name} is too large for {dtype}; rescale, or pass float64")
    return typed


def _mmd2(arrays: Arrays, required: tuple[str, ...], options: Options) -> Result:
    arguments: Options = {**arrays, **options, "nan_policy": _inputs.ALWAYS_RAISE}
    if not required:
        return float(mmd2(**arguments)), {}
    value, *gradients = mmd2_and_grad(**arguments, wrt=required)
    return value, dict(zip(required, gradients, strict=True))


def _wae_mmd(arrays: Arrays, required: tuple[str, ...], options: Options) -> Result:
    z, z_prior = arrays.values()
    if not required:
        return wae_mmd(z, z_prior, **options), {}
    chosen = wae_kernel(z, z_prior, **options)
    names = ["x" if name == "z" else "y" for name in required]
    value, *gradients = mmd2_and_grad(z, z_prior, chosen, wrt=names, n_threads=options["n_threads"])
    return value, dict(zip(required, gradients, strict=True))


def _kl(arrays: Arrays, required: tuple[str, ...], options: Options) -> Result:
    if (at_once := _diagonal_kl(arrays, required, options)) is not None:
        return at_once
    parts: tuple[dict[str, object], dict[str, object]] = ({}, {})
    options = dict(options)
    halves = options.pop("halves", {})
    for name, a in arrays.items():
        if name != "where":
            given = _inputs.Widened(a, halves[name]) if name in halves else a
            parts[name.startswith("q_")][name.removeprefix("q_")] = given
    where = arrays.get("where")
    cls: Any = Gaussian if "mean" in parts[0] else Categorical
    p = cls(**parts[0], where=where)
    try:
        q = cls(**parts[1], where=where) if parts[1] else Gaussian.standard(p.dim)
    except ValueError as error:
        raise _renamed(error, {name: f"q_{name}" for name in parts[1]}) from error
    if not required:
        return kl(p, q, **options), {}
    from_q = [name.startswith("q_") for name in required]
    sides = [side for side, used in (("p", not all(from_q)), ("q", any(from_q))) if used]
    value, *side_gradients = kl_and_grad(p, q, wrt=sides, **options)
    return value, {
        f"q_{name}" if side == "q" else name: gradient
        for side, gradients in zip(sides, side_gradients, strict=True)
        for name, gradient in gradients.items()
    }


def _diagonal_kl(arrays: Arrays, required: tuple[str, ...], options: Options) -> Result | None:
    """Compute divergences of diagonal Gaussians of one dtype, or return None to look closer."""
    parameters = {name: a for name, a in arrays.items() if name != "where"}
    where = arrays.get("where")
    _, name, *of_q = parameters
    q_name = of_q[-1][2:] if of_q else name
    if name not in DIAGONAL or q_name not in DIAGONAL:
        return None
    if where is not None and (where.dtype != np.bool_ or not where.any()):
        return None
    mean, parameter, *q = [_inputs.array(a, name) for name, a in parameters.items()]
    if any([a.dtype != mean.dtype for a in (parameter, *q)]):
        return None
    p = mean, name, parameter
    lowered = p, (q[0], q_name, q[1]) if q else standard_like(*p)
    threads = _inputs.threads(options["n_threads"])
    if required:
        q_gradient = any([wanted.startswith("q_") for wanted in required])
        found = diagonal_kl_and_grad(
            lowered, q_gradient=q_gradient, as_given=True, n_threads=threads
        )
    else:
        values = diagonal_kl(lowered, threads)
        found = None if values is None else (values, {})
    if found is None or where is None:
        return found
    values, gradients = found
    chosen = where[..., None]
    kept = {name: np.where(chosen, a, a.dtype.type(0)) for name, a in gradients.items()}
    return zero_unselected(values, where), kept


def _kl_flow(arrays: Arrays, required: tuple[str, ...], options: Options) -> Result:
    arguments: Options = {**arrays, **options}
    return kl_flow_and_grad(**arguments) if required else (kl_flow(**arguments), {})


FUNCTIONS: dict[str, Function] = {
    "mmd2": _mmd2,
    "wae_mmd": _wae_mmd,
    "kl": _kl,
    "kl_flow": _kl_flow,
}
ITEMWISE = ("kl",)
"""Functions that give a value for each batch index: a batch of calls is one call."""

"""Evaluate calls on NumPy arrays: the value, and the gradients that are wanted, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import GATHERED, row_blocks
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.categorical import Categorical
from fastdiv.distributions.divergences import kl
from fastdiv.distributions.estimates.flow import kl_flow, kl_flow_and_grad
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.gradients import kl_and_grad
from fastdiv.frameworks import batches
from fastdiv.frameworks.calls import Options, decode
from fastdiv.mmd.estimate import mmd2
from fastdiv.mmd.gradients import mmd2_and_grad
from fastdiv.mmd.wae import wae_kernel, wae_mmd

Arrays: TypeAlias = dict[str, NDArray[Any]]
Result: TypeAlias = "tuple[Values | float, Mapping[str, Matrix]]"
Function: TypeAlias = Callable[[Arrays, tuple[str, ...], Options], Result]


def selected(values: Sequence[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return the values that belong to required gradients."""
    return [value for value, required in zip(values, wrt, strict=True) if required]


def placed(gradients: Iterable[Any], wrt: Sequence[bool]) -> list[Any]:
    """Return a gradient or None for each array, from the gradients that are required."""
    remaining = iter(gradients)
    return [next(remaining) if required else None for required in wrt]


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
        return batches.STACKED[function](stacks, wanted, options)
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

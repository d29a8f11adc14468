"""Check the kernels that a caller passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from fastdiv import _inputs
from fastdiv.kernels.base import Kernel


def as_kernels(
    kernel: object, name: str = "kernel", *, samples: Mapping[str, object] | None = None
) -> tuple[tuple[Kernel, ...], bool]:
    """
    Return the kernels as a tuple, and whether a single one was given.

    Their parameters that have names are brought into the order of the columns of samples.
    """
    kernels, single = _as_tuple(kernel, name)
    if samples is not None:
        kernels = tuple([each._in_columns_of(samples) for each in kernels])
    return kernels, single


def _as_tuple(kernel: object, name: str) -> tuple[tuple[Kernel, ...], bool]:
    if _is_kernel(kernel):
        return (kernel,), True
    if not isinstance(kernel, (list, tuple)):
        raise TypeError(_not_a_kernel(kernel, name))
    if not kernel:
        raise ValueError(f"{name} must hold at least one kernel; got an empty sequence")
    for item in kernel:
        if not _is_kernel(item):
            raise TypeError(_not_a_kernel(item, name))
    return tuple(kernel), False


def _is_kernel(value: object) -> TypeGuard[Kernel]:
    return isinstance(value, Kernel) and type(value) is not Kernel


def _not_a_kernel(value: object, name: str) -> str:
    hint = ""
    if value is Kernel or isinstance(value, Kernel):
        hint = ", the base class of all kernels"
    elif isinstance(value, type) and issubclass(value, Kernel):
        hint = f"; did you mean {value.__name__}()?"
    elif callable(value):
        hint = "; wrap a Python function as Callback(f)"
    return (
        f"{name} must be a fastdiv kernel such as RBF(), or a list or tuple of them; "
        f"got {_inputs.shown(value)}{hint}"
    )

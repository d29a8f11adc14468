"""Check the parameters of kernels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.types import Values

Bandwidth: TypeAlias = "float | str"


def scalar_bandwidth(value: object) -> float | str:
    """Return one number > 0, or "median"."""
    if isinstance(value, str):
        if value != "median":
            raise ValueError(
                f"bandwidth must be a number > 0 or 'median'; got {_inputs.shown(value)}"
            )
        return value
    if not is_scalar(value):
        shape = _inputs.plain_array(value, "bandwidth").shape
        raise ValueError(
            f"bandwidth of this kernel must be one number; got shape {shape}: for several "
            "bandwidths pass a list with one kernel for each, which gives one value each, or a Sum"
        )
    return _inputs.positive(value, "bandwidth")


def is_scalar(bandwidth: object) -> bool:
    """Tell whether a bandwidth is one number or a word. Refuse one that is differentiated."""
    plain = isinstance(bandwidth, str) or _inputs.is_plain_number(bandwidth)
    if not plain and _inputs.is_differentiated(bandwidth):
        raise TypeError(
            "bandwidth must be made of concrete numbers: the parameters of kernels are constants "
            "in fastdiv.torch and fastdiv.jax too, but fastdiv.mmd2_and_grad(wrt='bandwidth') "
            f"returns the gradient by it; got {type(bandwidth).__name__}"
        )
    return plain or _inputs.plain_array(bandwidth, "bandwidth").ndim == 0


def vector_bandwidth(value: object) -> tuple[float, ...]:
    """Return one number > 0 per feature."""
    a = positive_array(value, "bandwidth")
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"bandwidth must be one number or have shape (d,); got shape {a.shape}")
    with np.errstate(over="ignore"):
        in_range(1.0 / a, value, "bandwidth")  # the features are divided by it
    return tuple(a.tolist())


def in_range(derived: Values, value: object, name: str) -> Values:
    """Return numbers derived from a parameter, finite and > 0."""
    if not (np.isfinite(derived) & (derived > 0)).all():
        raise ValueError(
            f"{name} must not lie at the end of float64's range; got {_inputs.shown(value)}"
        )
    return derived


def positive_array(value: object, name: str) -> Values:
    """Return a parameter as finite float64 numbers > 0."""
    a = _inputs.plain_array(value, name)
    if a.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be made of real numbers; got dtype {a.dtype}")
    a = a.astype(np.float64)
    if not (np.isfinite(a) & (a > 0)).all():
        raise ValueError(f"{name} must be finite and > 0; got {_inputs.shown(value)}")
    return a


def number(value: object) -> float:
    """Return a parameter that `_resolve` has made a number."""
    assert isinstance(value, float)
    return value

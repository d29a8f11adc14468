"""Check the parameters of kernels."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.types import Values

Bandwidth: TypeAlias = "float | str"


class NamedBandwidth(tuple[float, ...]):
    """Bandwidths of the columns of these names, from an index."""

    columns: list[Hashable]
    order: _inputs.Order | None

    def __new__(cls, values: Iterable[float], columns: Iterable[Hashable] = ()) -> NamedBandwidth:
        """Take one value per name."""
        self = super().__new__(cls, values)
        self.columns, self.order = list(columns), None
        return self

    def in_columns_of(self, samples: Mapping[str, object]) -> NamedBandwidth:
        """Return them in the order of the first sample that has names. None may have any."""
        names = {name: _inputs.feature_names(value, name) for name, value in samples.items()}
        order = _inputs.name_orders({**names, "bandwidth": self.columns}).get("bandwidth")
        if order is None:
            return self
        matched = NamedBandwidth((self[i] for i in order), (self.columns[i] for i in order))
        matched.order = order
        return matched

    def restored(self, per_feature: Values) -> Values:
        """Return values of the features in the order in which the bandwidths were given."""
        return _inputs.restored(per_feature, self.order, -1)


def named_like(a: Values, value: object) -> Values | NamedBandwidth:
    """Return bandwidths derived from a parameter, with the names that it has."""
    names = value.columns if isinstance(value, NamedBandwidth) else _inputs.keys(value)
    return a if names is None or a.ndim != 1 else NamedBandwidth(a.tolist(), names)


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
    with np.errstate(over="ignore"):
        in_range(1.0 / a, value, "bandwidth")  # the features are divided by it
    bandwidths = named_like(a, value)
    return bandwidths if isinstance(bandwidths, NamedBandwidth) else tuple(a.tolist())


def in_range(derived: Values, value: object, name: str) -> Values:
    """Return numbers derived from a parameter, finite and > 0."""
    if not (np.isfinite(derived) & (derived > 0)).all():
        raise ValueError(
            f"{name} must not lie at the end of float64's range; got {_inputs.shown(value)}"
        )
    return derived


def positive_array(value: object, name: str) -> Values:
    """Return a parameter as finite float64 numbers > 0: one, or one per feature."""
    a = _inputs.plain_array(value, name)
    if a.ndim > 1 or a.size == 0:
        raise ValueError(f"{name} must be one number or have shape (d,); got shape {a.shape}")
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

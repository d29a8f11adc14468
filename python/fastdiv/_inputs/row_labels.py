"""Check row labels, and number them 0, 1, ... in ascending order."""

from __future__ import annotations

import datetime
from functools import partial
from numbers import Integral, Number, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.blocks import DRAWN, row_blocks
from fastdiv._engine.patience import patiently
from fastdiv._inputs.arrays import plain_array, refuse_without_values
from fastdiv._inputs.frames import from_arrow, only_column
from fastdiv._inputs.half_types import viewed
from fastdiv._inputs.messages import shown

_COUNTERS_PER_ROW = 2
_FREE_COUNTERS = 1000
"""Counters of labels that may be allocated, per row and beside. Memory stays O(n)."""

_KINDS = {
    "b": "booleans",
    **dict.fromkeys("iuf", "numbers"),
    "U": "text",
    "S": "bytes",
    "M": "times",
    "m": "time spans",
}
_OBJECTS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bytes, "bytes"),
    (datetime.date, "times"),
    (datetime.timedelta, "time spans"),
)


def codes(
    labels: object, name: str, n: int, noise_label: object = None
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """
    Return the number of each row's label, and the distinct labels in ascending order.

    Labels may be integers, floats that are integers, booleans, times or text, in anything NumPy
    can view, or a frame with one column of them. Categoricals of pandas and enums of polars keep
    the order of their categories. Rows with `noise_label` get -1, and it is not among the distinct
    labels. None stands for no such label.
    """
    refuse_without_values(labels, name)
    labels = only_column(labels, name)
    category_numbers = _category_numbers(labels)
    if category_numbers is None:
        a = _array(labels, name)
        _refuse_shape(a, name, n)
        numbers, distinct = _numbered(a, name)
    else:
        numbers, distinct = _from_categories(category_numbers, labels, name, n)
    if noise_label is None:
        return numbers, distinct
    noise = _equal(distinct, noise_label, name)
    if noise.all():
        raise ValueError(
            f"{name} must hold a label besides the noise label {shown(noise_label)}; "
            "all rows have it"
        )
    renumbered = np.cumsum(~noise) - 1
    renumbered[noise] = -1
    return renumbered[numbers], distinct[~noise]


def missing(a: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which labels are missing: None, NaN, NaT and the NA of pandas."""
    if a.dtype.kind in "OT":
        flags = (_is_missing(value) for value in a.astype(object).flat)
        return np.fromiter(flags, np.bool_, a.size).reshape(a.shape)
    result: NDArray[np.bool_] = a != a if a.dtype.kind in "fMm" else np.zeros(a.shape, np.bool_)
    return result


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (Number, np.generic)) and bool(value != value)


def _category_numbers(labels: Any) -> NDArray[np.intp] | None:
    """Return the numbers of the categories of rows, -1 for none, or None if they have no order."""
    dtype = getattr(labels, "dtype", None)
    if getattr(dtype, "categories", None) is None:
        return None
    if type(dtype).__name__ == "Enum":  # of polars, whose other categoricals have the order of text
        absent = np.asarray(labels.is_null())
        return np.where(absent, -1, np.asarray(labels.to_physical())).astype(np.intp)
    numbers = getattr(getattr(labels, "cat", labels), "codes", None)  # of pandas
    return None if numbers is None else np.asarray(numbers).astype(np.intp)


def _from_categories(
    numbers: NDArray[np.intp], labels: Any, name: str, n: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the numbers and labels of categories: an array, an index or a series."""
    _refuse_shape(numbers, name, n)
    if numbers.min() < 0:
        raise ValueError(f"{name} must not be missing; got nan at row {int(numbers.argmin())}")
    distinct = _array(labels.dtype.categories, name)
    _refuse_fractions(distinct[numbers], name)
    present = np.bincount(numbers, minlength=len(distinct)) > 0
    return (np.cumsum(present) - 1)[numbers], distinct[present]


def _refuse_shape(a: NDArray[Any], name: str, n: int) -> None:
    if a.shape != (n,):
        raise ValueError(f"{name} must have one label per row, shape ({n},); got shape {a.shape}")


def _array(labels: object, name: str) -> NDArray[Any]:
    """View labels as an array of one label per row."""
    if labels is None or isinstance(labels, (str, bytes, dict, set, frozenset)):
        raise TypeError(
            f"{name} must be an array with one label per row; got {type(labels).__name__}"
        )
    if isinstance(labels, np.ma.MaskedArray) and np.ma.is_masked(labels):
        raise TypeError(f"{name} is a masked array with masked entries; give those rows a label")
    try:
        a = viewed(from_arrow(labels, name))
    except ValueError as error:
        raise ValueError(f"{name} must be an array with one label per row: {error}") from error
    except Exception as error:
        raise TypeError(
            f"{name} cannot be viewed as a NumPy array; got {type(labels).__name__}: {error}"
        ) from error
    if a.dtype.kind in "US" and not hasattr(labels, "__array__"):
        # NumPy turns a whole list into text if it holds any, and NaN into the label "nan".
        given = np.array(labels, dtype=object)
        if any(not isinstance(value, (str, bytes)) for value in given.flat):
            a = given
    if a.dtype.kind in "cV":
        raise TypeError(f"{name} must hold integers or text; got dtype {a.dtype}")
    return _plain(a.astype(object), name) if a.dtype.kind in "OT" else a


def _plain(a: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert Python numbers to a numeric dtype, and refuse missing labels."""
    is_list = [isinstance(value, (list, tuple, np.ndarray)) for value in a.flat]
    if any(is_list):
        raise TypeError(
            f"{name} must hold one label per row; got a list at row {is_list.index(True)}"
        )
    absent = missing(a)
    if absent.any():
        row = int(absent.argmax())
        raise ValueError(f"{name} must not be missing; got {shown(a.flat[row])} at row {row}")
    kinds = set(map(type, a.flat))
    try:
        if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
            return a.astype(np.bool_)
        if all(issubclass(kind, (Integral, np.bool_)) for kind in kinds):
            return a.astype(np.int64)
        if all(issubclass(kind, (Real, np.bool_)) for kind in kinds):
            return a.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"{name} must fit 64 bits: {error}") from error
    return a


def _refuse_fractions(a: NDArray[Any], name: str) -> None:
    """Refuse floats that are not integers."""
    if a.dtype.kind == "f":
        bad = ~(np.isfinite(a) & (a == np.floor(a)))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(f"{name} must be integers or text; got {a[row]} at row {row}")


def _numbered(a: NDArray[Any], name: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the number of each label, and the distinct labels in ascending order."""
    _refuse_fractions(a, name)
    if a.dtype.kind in "Mm" and np.isnat(a).any():
        row = int(np.isnat(a).argmax())
        raise ValueError(f"{name} must not be missing; got NaT at row {row}")
    if a.dtype.kind in "iu":
        least, most = int(a.min()), int(a.max())
        # Counting is many times faster than the sort of numpy.unique.
        if most - least <= _COUNTERS_PER_ROW * len(a) + _FREE_COUNTERS and most < 2**63:
            shifted = a.astype(np.intp) - least
            present = np.bincount(shifted) > 0
            distinct = (np.flatnonzero(present) + least).astype(a.dtype)
            if not present.all():
                shifted = (np.cumsum(present) - 1)[shifted]
            return shifted, distinct
    try:
        # Text is compared character by character.
        distinct, numbers = patiently(partial(_unique, a), a.size * max(8, a.itemsize))
    except TypeError as error:
        raise TypeError(f"{name} must be all numbers or all text: {error}") from error
    return numbers, distinct


def _unique(a: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct labels in ascending order, and the number of each label."""
    # Objects are compared under the lock of Python, which other threads get between blocks.
    blocks = list(row_blocks(a.size, 1, DRAWN))
    if len(blocks) == 1:
        distinct, numbers = np.unique(a, return_inverse=True)
        return distinct, numbers.reshape(a.shape)
    distinct = np.unique(np.concatenate([np.unique(a[rows]) for rows in blocks]))
    return distinct, np.concatenate([np.searchsorted(distinct, a[rows]) for rows in blocks])


def _equal(distinct: NDArray[Any], noise_label: Any, name: str) -> NDArray[np.bool_]:
    """Tell which label is the noise label, which must be of the same kind."""
    given = plain_array(noise_label, "noise_label")
    if given.ndim != 0:
        raise TypeError(f"noise_label must be one label or None; got {shown(noise_label)}")
    if _is_missing(noise_label):
        raise ValueError(f"noise_label must not be missing; got {shown(noise_label)}")
    noise = _array(given.reshape(1), "noise_label")
    kind, required = _kind(noise), _kind(distinct)
    if kind != required:
        raise TypeError(
            f"noise_label must be of the kind of {name}, which are {required}; "
            f"got {shown(noise_label)}"
        )
    if distinct.dtype.kind in "Mm":
        return np.asarray(distinct == noise.astype(distinct.dtype.kind + "8"), dtype=np.bool_)
    (value,) = noise.tolist()
    return np.array([label == value for label in distinct.tolist()], dtype=np.bool_)


def _kind(a: NDArray[Any]) -> str:
    """Name what the labels are, for messages."""
    if a.dtype.kind != "O":
        return _KINDS[a.dtype.kind]
    first = a.flat[0]
    named = (word for base, word in _OBJECTS if isinstance(first, base))
    return next(named, type(first).__name__)

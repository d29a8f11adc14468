"""Labels of rows: checked, and numbered 0, 1, ... in the order of the distinct ones."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def codes(
    labels: object, name: str, n: int, noise_label: object = None
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """
    Return the number of each row's label, and the distinct labels in ascending order.

    Labels may be integers, floats that are integers, booleans, times or text, in anything NumPy
    can view. Rows with `noise_label` get -1, and it is not among the distinct labels; None stands
    for no such label.
    """
    a = _array(labels, name)
    if a.shape != (n,):
        raise ValueError(f"{name} must have one label per row, shape ({n},); got shape {a.shape}")
    if np.ndim(noise_label) != 0:  # type: ignore[arg-type]
        raise TypeError(f"noise_label must be one label or None; got {noise_label!r}")
    numbers, distinct = _numbered(a, name)
    if noise_label is None:
        return numbers, distinct
    noise = np.array([label == noise_label for label in distinct.tolist()], dtype=np.bool_)
    if noise.all():
        raise ValueError(
            f"{name} must hold a label besides the noise label {noise_label!r}; all rows have it"
        )
    renumbered = np.cumsum(~noise) - 1
    renumbered[noise] = -1
    return renumbered[numbers], distinct[~noise]


def _array(labels: object, name: str) -> NDArray[Any]:
    if labels is None or isinstance(labels, (str, bytes, dict, set, frozenset)):
        raise TypeError(
            f"{name} must be an array with one label per row; got {type(labels).__name__}"
        )
    if isinstance(labels, np.ma.MaskedArray) and np.ma.is_masked(labels):
        raise TypeError(f"{name} is a masked array with masked entries; give those rows a label")
    try:
        a = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{name} must be an array with one label per row: {error}") from error
    except Exception as error:
        raise TypeError(
            f"{name} cannot be viewed as a NumPy array; got {type(labels).__name__}: {error}"
        ) from error
    if a.dtype.kind in "cV":
        raise TypeError(f"{name} must hold integers or text; got dtype {a.dtype}")
    return _plain(a, name) if a.dtype.kind == "O" else a


def _plain(a: NDArray[Any], name: str) -> NDArray[Any]:
    """Give Python numbers a dtype of their own, and refuse what stands for a missing label."""
    missing = next((row for row, value in enumerate(a.flat) if _is_missing(value)), None)
    if missing is not None:
        raise ValueError(f"{name} must not be missing; got {a.flat[missing]!r} at row {missing}")
    kinds = set(map(type, a.flat))
    try:
        if all(issubclass(kind, (Integral, np.bool_)) for kind in kinds):
            return a.astype(np.int64)
        if all(issubclass(kind, (Real, np.bool_)) for kind in kinds):
            return a.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"{name} must fit 64 bits: {error}") from error
    return a


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value


def _numbered(a: NDArray[Any], name: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    if a.dtype.kind == "f":
        bad = ~(np.isfinite(a) & (a == np.floor(a)))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(f"{name} must be integers or text; got {a[row]} at row {row}")
    if a.dtype.kind in "Mm" and np.isnat(a).any():
        row = int(np.isnat(a).argmax())
        raise ValueError(f"{name} must not be missing; got NaT at row {row}")
    if a.dtype.kind in "iu":
        least, most = int(a.min()), int(a.max())
        # Counting is many times faster than the sort of numpy.unique.
        if most - least <= 2 * len(a) + 1000 and most < 2**63:
            shifted = a.astype(np.intp) - least
            present = np.bincount(shifted) > 0
            distinct = (np.flatnonzero(present) + least).astype(a.dtype)
            if not present.all():
                shifted = (np.cumsum(present) - 1)[shifted]
            return shifted, distinct
    try:
        distinct, numbers = np.unique(a, return_inverse=True)
    except TypeError as error:
        raise TypeError(f"{name} must be all numbers or all text: {error}") from error
    return numbers.reshape(a.shape), distinct

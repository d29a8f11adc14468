"""Check samples: rows of finite numbers, with one dtype and number of features per call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine import backend
from fastdiv._engine.blocks import GATHERED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Matrix, Sample
from fastdiv._inputs.arrays import any_array, array, filled, row_parts
from fastdiv._inputs.frames import Order, aligned, column_orders, from_arrow
from fastdiv._inputs.options import ALWAYS_RAISE, least_rows, omits

_CLEAN = "clean the data"
_OMIT = "pass nan_policy='omit' to drop such rows"
CLEAN_OR_OMIT = f"{_CLEAN} or {_OMIT}"


def sample(value: object, name: str) -> Sample:
    """Return `value` unchanged if its rows are quantised, otherwise as a `matrix`."""
    return alike({name: value})[0]


def alike(values: dict[str, object]) -> list[Sample]:
    """
    Like `sample`, but for the samples of one call.

    The columns of frames are put in the order of the first frame. If one sample is complex, all
    become real, with a last axis of real and imaginary parts.
    """
    for value in values.values():
        if type(value) is not np.ndarray or value.dtype.kind == "c":
            break
    else:
        return [matrix(value, name) for name, value in values.items()]
    given = _from_frames(values)
    arrays = {name: any_array(value, name) for name, value in given.items()}
    if any(a.dtype.kind == "c" for a in arrays.values()):
        arrays = {name: _parts(a, name) for name, a in arrays.items()}
    rows = {name: matrix(a, name) for name, a in arrays.items()}
    checked = {name: rows.get(name, cast(Sample, value)) for name, value in values.items()}
    for name, order in column_orders(values | given).items():
        checked[name] = in_order(checked[name], order)
    return list(checked.values())


def _from_frames(values: dict[str, object]) -> dict[str, object]:
    """Return what is not quantised, with frames of Arrow as something that NumPy can view."""
    return {
        name: from_arrow(value, name)
        for name, value in values.items()
        if not isinstance(value, QuantizedRows)
    }


@overload
def in_order(a: Matrix, order: Order) -> Matrix: ...
@overload
def in_order(a: Sample, order: Order) -> Sample: ...
def in_order(a: Sample, order: Order) -> Sample:
    """Return a sample with its columns in another order, where a column may be several numbers."""
    if isinstance(a, QuantizedRows):
        return a._in_order(order)
    parts = (
        a[rows].reshape(-1, len(order), a.shape[1] // len(order))[:, order].reshape(-1, a.shape[1])
        for rows in row_parts(a)
    )
    return filled(a.shape, a.dtype, parts)


def _parts(a: NDArray[Any], name: str) -> NDArray[Any]:
    """Return real and imaginary parts side by side, as a view of complex numbers."""
    _require_rows(a, name)
    if a.dtype.kind == "c":
        return a[..., None].view(a.real.dtype)
    real = array(a, name)
    return np.stack((real, np.zeros_like(real)), axis=-1)


def matrix(value: object, name: str) -> Matrix:
    """Return `value` as a 2-D float32 or float64 array, without a copy where possible."""
    a = array(value, name)
    if a.ndim == 2 and a.size > 0:
        return a
    _require_rows(a, name)
    if a.shape[0] == 0:
        raise ValueError(f"{name} has no rows: shape {a.shape}")
    if a.size == 0:
        raise ValueError(f"{name} has 0 features: shape {a.shape}")
    return a.reshape(a.shape[0], -1)


def _require_rows(a: NDArray[Any], name: str) -> None:
    """Refuse a scalar."""
    if a.ndim == 0:
        raise ValueError(f"{name} must be an array of rows, shape (n,) or (n, ...); got a scalar")


def samples(
    x: object,
    y: object,
    nan_policy: object,
    estimator: str = "biased",
    names: tuple[str, str] = ("x", "y"),
) -> tuple[Sample, Sample]:
    """
    Return both samples with one type and dtype, equal d, and enough rows, all finite.

    Pairs are rows of the same key where both samples have an index. `nan_policy` is ALWAYS_RAISE
    where the caller offers no other.
    """
    x_name, y_name = names
    if estimator == "paired":
        x, y = aligned({x_name: x, y_name: y})
    a, b = alike({x_name: x, y_name: y})
    return checked_samples(a, b, nan_policy, estimator, names)


def checked_samples(
    a: Sample,
    b: Sample,
    nan_policy: object,
    estimator: str,
    names: tuple[str, str] = ("x", "y"),
) -> tuple[Sample, Sample]:
    """Like `samples`, but of what `alike` returned."""
    x_name, y_name = names
    a, b = same_space({x_name: a, y_name: b})
    omit = omits(nan_policy)
    advice = _CLEAN if nan_policy is ALWAYS_RAISE else CLEAN_OR_OMIT
    if estimator == "paired":
        same_length(a, b)
        if omit and not isinstance(a, QuantizedRows) and not isinstance(b, QuantizedRows):
            keep = finite_mask(a) & finite_mask(b)
            a, b = chosen(a, keep), chosen(b, keep)
    a = finite(a, x_name, omit=omit, advice=advice)
    b = finite(b, y_name, omit=omit, advice=advice)
    least = least_rows(estimator)
    if len(a) < least or len(b) < least:
        name, rows = (x_name, a) if len(a) < least else (y_name, b)
        after = " after dropping rows with NaN or infinite values" if omit else ""
        raise ValueError(
            f"{name} must have at least {least} row{'s' if least > 1 else ''} for "
            f"estimator={estimator!r}; got {len(rows)}{after}"
        )
    return a, b


def same_length(a: Sample, b: Sample) -> None:
    """Refuse paired samples of different length."""
    if a.shape[-2] != b.shape[-2]:
        raise ValueError(
            "x and y must have the same number of rows for estimator='paired'; "
            f"got {a.shape[-2]} and {b.shape[-2]}"
        )


def same_space(arrays: dict[str, Sample]) -> list[Sample]:
    """Check that all samples have the same number of features, and give them one dtype."""
    (first, a), *others = arrays.items()
    is_quantized = isinstance(a, QuantizedRows)
    for name, b in others:
        if isinstance(b, QuantizedRows) != is_quantized:
            one, other = (first, name) if is_quantized else (name, first)
            raise TypeError(
                f"{one} is quantised and {other} is not; quantise both, with "
                f"fastdiv.quantize_rows({other}), or pass {one}.dequantize()"
            )
        if a.shape[1] != b.shape[1]:
            raise ValueError(
                f"{first} and {name} must have the same number of features; "
                f"got {a.shape[1]} and {b.shape[1]}"
            )
    dtypes = {getattr(rows, "dtype", None) for rows in arrays.values()}
    return list(arrays.values() if len(dtypes) == 1 else map(in_float64, arrays.values()))


@overload
def finite(a: Matrix, name: str, *, omit: bool = ..., advice: str = ...) -> Matrix: ...
@overload
def finite(a: Sample, name: str, *, omit: bool = ..., advice: str = ...) -> Sample: ...
def finite(
    a: Sample,
    name: str,
    *,
    omit: bool = False,
    advice: str = CLEAN_OR_OMIT,
) -> Sample:
    """Return `a` if all values are finite. Otherwise drop the rows that are not, or raise."""
    if isinstance(a, QuantizedRows):
        return a
    first = backend.current().first_nonfinite(a)
    if first < 0:
        return a
    if omit:
        return chosen(a, finite_mask(a))
    count = sum(np.count_nonzero(~np.isfinite(a[rows])) for rows in row_parts(a))
    row, column = divmod(first, a.shape[1])
    raise nonfinite(name, int(count), row, column, advice)


def nonfinite(name: str, count: int, row: int, column: int, advice: str) -> ValueError:
    """Return the error for NaN or infinity, of which the first is at this row and column."""
    return ValueError(
        f"{name} holds {count} NaN or infinite value{'s' if count > 1 else ''}, the first at "
        f"row {row}, column {column}; {advice}"
    )


def finite_rows(a: Sample) -> NDArray[np.bool_] | None:
    """Tell which rows are finite, or return None if all are."""
    if isinstance(a, QuantizedRows) or backend.current().first_nonfinite(a) < 0:
        return None
    return finite_mask(a)


def finite_mask(a: Sample) -> NDArray[np.bool_]:
    """Tell which rows are finite."""
    if isinstance(a, QuantizedRows):
        return np.ones(len(a), dtype=np.bool_)
    parts = (np.isfinite(a[rows]).all(axis=1) for rows in row_parts(a))
    return filled((len(a),), np.dtype(np.bool_), parts)


@overload
def chosen(a: Matrix, rows: NDArray[Any]) -> Matrix: ...
@overload
def chosen(a: Sample, rows: NDArray[Any]) -> Sample: ...
def chosen(a: Sample, rows: NDArray[Any]) -> Sample:
    """Return the rows that a mask selects, or those of the numbers given."""
    if isinstance(a, QuantizedRows):
        return a[rows]
    numbers = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    blocks = row_blocks(len(numbers), a.shape[1], GATHERED)
    return filled((len(numbers), a.shape[1]), a.dtype, (a[numbers[block]] for block in blocks))


def pool(parts: Sequence[Sample]) -> Sample:
    """Concatenate samples of one type and dtype. A single one is not copied."""
    return parts[0] if len(parts) == 1 else joined(parts, _concatenated)


def joined(parts: Sequence[Sample], join: Callable[[list[NDArray[Any]]], NDArray[Any]]) -> Sample:
    """Make one sample of several, where `join` makes one array of several."""
    quantized = [part for part in parts if isinstance(part, QuantizedRows)]
    if not quantized:
        return join(cast("list[Matrix]", parts))
    symmetric = all(part.zero_point is None for part in quantized)
    return QuantizedRows(
        join([part.values for part in quantized]),
        join([part.scale for part in quantized]),
        None if symmetric else join([zero_points(part) for part in quantized]),
    )


def _concatenated(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate arrays along their first axis, block by block."""
    shape = (sum(map(len, arrays)), *arrays[0].shape[1:])
    return filled(shape, arrays[0].dtype, (a[rows] for a in arrays for rows in row_parts(a)))


def zero_points(x: QuantizedRows) -> NDArray[np.int8]:
    """Return the zero points, or zeros for symmetric rows."""
    return np.zeros(len(x), np.int8) if x.zero_point is None else x.zero_point

"""Handle arrays of batched distributions: masks, names, repeated entries, blocks, overflow."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.blocks import BATCHED, blockwise, row_blocks
from fastdiv._engine.types import Matrix, Values

_Kind = TypeVar("_Kind")


def item(values: Values) -> Values:
    """Return an array of shape () as a NumPy scalar, other arrays unchanged."""
    return values[()]


def broadcast(a: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Broadcast an array. NumPy takes some 5 µs even if it has the shape."""
    return a if a.shape == shape else np.broadcast_to(a, shape)


def blocks(
    batch_shape: tuple[int, ...], size: int
) -> Iterator[tuple[slice, tuple[NDArray[np.intp], ...]]]:
    """Yield blocks of items of `size` values: their slice of the flattened batch, their index."""
    for rows in row_blocks(math.prod(batch_shape), size, BATCHED):
        yield rows, np.unravel_index(np.arange(rows.start, rows.stop), (1, *batch_shape))[1:]


def distinct(a: Matrix, event_ndim: int = 0) -> Matrix:
    """Keep one of the entries that a stride of 0 repeats, but leave the last axes as they are."""
    strides = a.strides[: a.ndim - event_ndim]
    return a[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in strides)]


def checked(values: Values, allowed: NDArray[np.bool_] | bool, name: str) -> Values:
    """Refuse results that overflowed: NaN, and infinities except where they are allowed."""
    bad = blockwise(
        lambda part, may_be: np.isnan(part) | (np.isinf(part) & ~may_be),
        np.asarray(values),
        np.asarray(allowed),
    )
    if bad.any():
        where = at(first_index(bad))
        raise OverflowError(f"{name} is too large for {values.dtype}{where}; rescale")
    return values


def zero_unselected(values: Values, chosen: NDArray[np.bool_] | None) -> Values:
    """Set the values of items that are not chosen to 0."""
    return values if chosen is None else np.where(chosen, values, 0.0)


def rounded(values: Values, dtype: np.dtype[Any], name: str) -> Matrix:
    """Convert results to the type of the parameters. Refuse what overflows."""
    typed: Matrix = values
    if values.dtype != dtype:
        with np.errstate(over="ignore"):
            typed = blockwise(lambda part: part.astype(dtype), values)
    if not blockwise(np.isfinite, typed).all():
        raise OverflowError(f"{name} is too large for {dtype}; rescale")
    return typed


def first_index(condition: NDArray[np.bool_] | np.bool_) -> tuple[int, ...]:
    """Return the first index where a condition is true."""
    condition = np.asarray(condition)
    return tuple(map(int, np.unravel_index(condition.argmax(), condition.shape)))


def at(index: tuple[int, ...]) -> str:
    """Return where in a batch something is, to be appended to an error message."""
    return f" at batch index {index}" if index else ""


def check_range(
    name: str, a: Matrix, where: NDArray[np.bool_] | None, *, positive: bool = False
) -> None:
    """Refuse values that are not finite, or not positive if they have to be, except for padding."""
    if backend.current().first_nonfinite(a, positive, 0) < 0:
        return
    bad = ~np.isfinite(a)
    if positive:
        bad |= ~(a > 0)
    if where is not None:
        bad &= where[..., None]
    if bad.any():
        index = first_index(bad)
        required = "finite and > 0" if positive else "finite"
        raise ValueError(
            f"{name} must be {required}; got {a[index]}{at(index[:-1])}, feature {index[-1]}"
        )


def same_columns(columns: Mapping[str, Sequence[Hashable] | None]) -> None:
    """Refuse features of several sides that have other names, or in another order, where named."""
    named = {side: list(names) for side, names in columns.items() if names is not None}
    for second in list(named)[1:]:
        first = next(iter(named))
        if named[first] != named[second]:
            raise ValueError(
                f"{first} and {second} must have the same columns in the same order; got "
                f"{_inputs.listing(named[first])} and {_inputs.listing(named[second])}: "
                "put the columns of one frame in the order of the other first"
            )


def features(values: Mapping[str, object], square: str = "") -> tuple[Hashable, ...] | None:
    """
    Return the names of the features that arguments of one call have along their last axes.

    Refuse other names, or another order. The rows of the frame `square` are features too.
    """
    names = {name: _inputs.last_axis_names(value, name) for name, value in values.items()}
    if square and names[square] is not None:
        names[f"the index of {square}"] = _inputs.row_names(values[square])
    same_columns(names)
    return next((tuple(given) for given in names.values() if given is not None), None)


def last_axis_aligned(values: Mapping[str, object]) -> list[Matrix]:
    """Return arrays whose last axes are in the order of the first frame, where they are columns."""
    read = {name: _inputs.from_arrow(value, name) for name, value in values.items()}
    orders = _inputs.column_orders(read)
    arrays = {name: _inputs.array(value, name) for name, value in read.items()}
    return [a[..., orders[name]] if name in orders else a for name, a in arrays.items()]


class Named:
    """Base class of distributions whose features and batch may have the names of a frame."""

    columns: tuple[Hashable, ...] | None = None

    _keys: Any = None
    """The index of pandas along a batch of one axis, or None."""

    def _name(
        self, values: Mapping[str, object], batch_shape: tuple[int, ...], square: str = ""
    ) -> Any:
        """
        Keep the names of parameters. Return the index along the last axis of the batch, or None.

        The rows of the frame `square` are features.
        """
        if all([type(value) in (np.ndarray, float, int) for value in values.values()]):
            return None
        self.columns = features(values, square)
        rows = {name: value for name, value in values.items() if name != square}
        return self._name_batch(rows, batch_shape)

    def _name_batch(self, rows: Mapping[str, object], batch_shape: tuple[int, ...]) -> Any:
        """Like `_name`, but of arguments whose last axis is that of the batch."""
        index = last_batch_index(rows, batch_shape)
        self._keys = index if len(batch_shape) == 1 else None
        return index

    def _points(
        self,
        x: object,
        batch_shape: tuple[int, ...],
        dim: int,
        names: tuple[str, str] = ("the distribution", "x"),
    ) -> Matrix:
        """Return points of `dim` features, with the same columns and keys if both have them."""
        x = _inputs.from_arrow(x, names[1])
        if self.columns is not None:
            # The keys of a series name the features of one point.
            is_one_point = len(getattr(x, "shape", ())) == 1 and dim > 1
            read = _inputs.last_axis_names if is_one_point else _inputs.feature_names
            same_columns({names[0]: self.columns, names[1]: read(x, names[1])})
        if _inputs.is_frame(x):
            same_keys({names[0]: self._keys, names[1]: _inputs.row_index(x)})
        return _inputs.points(x, names[1], batch_shape, dim)


def same_names(sides: Mapping[str, object]) -> None:
    """Refuse distributions whose columns or keys are others, or in another order, where named."""
    named = {side: value for side, value in sides.items() if isinstance(value, Named)}
    same_columns({side: value.columns for side, value in named.items()})
    same_keys({side: value._keys for side, value in named.items()})


def same_keys(keys: Mapping[str, Any]) -> None:
    """
    Refuse two batches of one size that have other keys, or in another order, where both have some.

    The index that pandas makes by itself counts only beside its own keys in another order.
    """
    given = {side: index for side, index in keys.items() if index is not None}
    if len(given) < 2:
        return
    (first, one), (second, other) = given.items()
    if len(one) != len(other) or one.equals(other):
        return
    is_default = _inputs.is_default_index(one) or _inputs.is_default_index(other)
    if is_default and set(one) != set(other):
        return
    for row in range(len(one)):
        left, right = one[row : row + 1], other[row : row + 1]
        ((a,), (b,)) = left.tolist(), right.tolist()
        # An index knows its NaN again. Keys know times in other units, and in sets pandas.NA.
        if not left.equals(right) and {a} != {b}:
            raise ValueError(
                f"{first} and {second} must have the same keys in the same order; got "
                f"{_inputs.shown(a)} and {_inputs.shown(b)}{at((row,))}: put the rows of one frame "
                "in the order of the other, or pass arrays to go by position"
            )


def last_batch_index(values: Mapping[str, object], batch_shape: tuple[int, ...]) -> Any:
    """
    Return the index that frames of one call have along the last axis of the batch, or None.

    Refuse indices with other keys, or in another order.
    """
    frames = {name: value for name, value in values.items() if _inputs.is_frame(value)}
    for name in _inputs.row_orders(frames):
        first = next(iter(frames))
        raise ValueError(
            f"{first} and {name} must have the keys of their indices in the same order; "
            f"pass {name}.loc[{first}.index]"
        )
    indices = map(_inputs.row_index, frames.values())
    return next((index for index in indices if (len(index),) == batch_shape[-1:]), None)


def keys_at(keys: Any, index: tuple[Any, ...]) -> Any:
    """Return the keys at an index of the batch that leaves it one axis, or None."""
    if keys is None or _inputs.is_default_index(keys):
        return None
    rows = np.arange(len(keys))[index]
    return keys[rows] if rows.ndim == 1 else None


def mask(where: object, keys: Any, batch_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask broadcast to the batch shape, in the order of the keys of the batch."""
    where = _inputs.in_order_of(keys, "the batch", where, "where")
    return _inputs.mask(where, "where", batch_shape)


def require(kind: type[_Kind], value: object, name: str, advice: str = "") -> _Kind:
    """Return a value of the required kind, or refuse it with some advice."""
    if not isinstance(value, kind):
        given = type(value).__name__
        raise TypeError(f"{name} must be a {kind.__name__}; got {given}{advice}")
    return value

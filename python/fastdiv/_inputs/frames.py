"""Match the columns of frames by name, and rows by the keys of an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._inputs.messages import listing

Order: TypeAlias = "NDArray[np.intp]"


def column_names(value: Any) -> list[Hashable] | None:
    """Return the names of the columns of a frame, or None for anything else."""
    is_arrow = type(value).__module__.startswith("pyarrow")  # whose `columns` are arrays
    names = getattr(value, "column_names" if is_arrow else "columns", None)
    return list(names) if isinstance(names, Iterable) and not callable(names) else None


def column_orders(frames: Mapping[str, object]) -> dict[str, Order]:
    """
    Return the order of columns for each frame whose columns are in another order than the first.

    Values without column names have no part in it.
    """
    return name_orders({name: column_names(value) for name, value in frames.items()})


def name_orders(columns: Mapping[str, list[Hashable] | None]) -> dict[str, Order]:
    """Like `column_orders`, but from the names of columns, or None for what has none."""
    named = {name: names for name, names in columns.items() if names}
    orders: dict[str, Order] = {}
    for name in list(named)[1:]:
        first = next(iter(named))
        _refuse_other_columns(first, named[first], name, named[name])
        if named[name] != named[first]:
            place = {key: index for index, key in enumerate(named[name])}
            orders[name] = np.array([place[key] for key in named[first]], dtype=np.intp)
    return orders


def _refuse_other_columns(
    first: str, expected: list[Hashable], name: str, names: list[Hashable]
) -> None:
    """Refuse frames that do not have the same columns, each once."""
    sides = {first: expected, name: names}
    twice = {side: _repeated(columns) for side, columns in sides.items()}
    if any(twice.values()):
        raise ValueError(
            f"{first} and {name} must have different names for their columns, which are matched by "
            f"name; repeated in {first}: {listing(twice[first])}; in {name}: {listing(twice[name])}"
        )
    if set(expected) != set(names):
        only = {side: _without(columns, *sides.values()) for side, columns in sides.items()}
        raise ValueError(
            f"{first} and {name} must have the same columns, which are matched by name; "
            f"only in {first}: {listing(only[first])}; only in {name}: {listing(only[name])}"
        )


def _repeated(names: list[Hashable]) -> list[Hashable]:
    """Return the names that come more than once."""
    return [key for key, count in Counter(names).items() if count > 1]


def _without(names: list[Hashable], *all_names: list[Hashable]) -> list[Hashable]:
    """Return the names that are not in all of the lists."""
    common = set.intersection(*map(set, all_names))
    return [key for key in names if key not in common]


def feature_names(value: object, name: str) -> list[Hashable] | None:
    """Like `column_names`, but read the names of a frame of Arrow that says them only there."""
    names = column_names(value)
    return column_names(from_arrow(value, name)) if names is None else names


def only_column(value: Any, name: str) -> Any:
    """Return the column of a frame that has one, and anything else as it is."""
    if type(value) is np.ndarray or isinstance(value, QuantizedRows):
        return value
    value = from_arrow(value, name)
    names = column_names(value)
    if names is None or len(names) != 1:
        return value
    if hasattr(value, "iloc"):
        return value.iloc[:, 0]
    return value.column(0) if hasattr(value, "column_names") else value[names[0]]


def is_frame(value: object) -> bool:
    """Tell whether this is a frame of pandas, with names for columns and keys for rows."""
    return row_index(value) is not None and column_names(value) is not None


def last_axis_names(value: object, name: str) -> list[Hashable] | None:
    """
    Return the names along the last axis: the columns of a frame, or the keys of a series of pandas.

    The index that pandas makes by itself names nothing.
    """
    names = feature_names(value, name)
    return row_names(value) if names is None else names


def row_names(value: object) -> list[Hashable] | None:
    """Like `keys`, but None for the index that pandas makes by itself."""
    index = row_index(value)
    return None if index is None or is_default_index(index) else list(index)


def keys(value: object) -> list[Hashable] | None:
    """Return the keys of the index of a series of pandas, or None for anything else."""
    index = row_index(value)
    return None if index is None else list(index)


def aligned(values: Mapping[str, object]) -> list[Any]:
    """Return values with one row per observation, in the order of the first that has an index."""
    orders = row_orders(values)
    return [
        _selected(value, orders[name]) if name in orders else value
        for name, value in values.items()
    ]


def _selected(value: Any, order: Order) -> Any:
    return value[order] if isinstance(value, QuantizedRows) else value.iloc[order]


def row_orders(values: Mapping[str, object]) -> dict[str, Order]:
    """
    Return the order of rows for each value whose index has the keys of the first in another order.

    Values without an index have no part in it, nor have those with another number of rows.
    """
    return _index_orders({name: row_index(value) for name, value in values.items()})


def in_order_of(index: Any, owner: str, value: object, name: str) -> Any:
    """Return a value with its rows in the order of the index that `owner` has, if both have one."""
    order = _index_orders({owner: index, name: row_index(value)}).get(name)
    return value if order is None else _selected(value, order)


def _index_orders(given_indices: Mapping[str, Any]) -> dict[str, Order]:
    """Like `row_orders`, but from indices, or None for what has none."""
    indices = {name: index for name, index in given_indices.items() if index is not None}
    orders: dict[str, Order] = {}
    for name in list(indices)[1:]:
        first = next(iter(indices))
        expected, given = indices[first], indices[name]
        if len(given) == len(expected) and not given.equals(expected):
            _refuse_other_keys(first, expected, name, given)
            orders[name] = given.get_indexer(expected)
    return orders


def label_order(value: object, name: str, labels: NDArray[Any]) -> Order | None:
    """
    Return the order that puts the rows of `value` beside the labels that its index holds.

    None stands for the order given: without an index, or with the one that pandas makes by itself.
    """
    index = row_index(value)
    if index is None or is_default_index(index):
        return None
    given, expected = _comparable(np.asarray(index.to_flat_index()), labels)
    rows = range(len(given))
    if labels.dtype.kind in "iuf" and set(expected) <= set(rows) == set(given):
        expected = list(rows)  # of which some may belong to no label
    twice = _repeated(given)
    only_labels, only_given = (_without(side, expected, given) for side in (expected, given))
    if twice or only_labels or only_given:
        raise ValueError(
            f"{name} must have each label once in its index, as its rows are matched by it; "
            f"only in labels: {listing(only_labels)}; only in {name}: {listing(only_given)}; "
            f"repeated in {name}: {listing(twice)}; pass {name}.to_numpy() to go by position"
        )
    place = {key: row for row, key in enumerate(given)}
    return np.array([place[key] for key in expected], dtype=np.intp)


def _comparable(index: NDArray[Any], labels: NDArray[Any]) -> tuple[list[Any], list[Any]]:
    """Return keys and labels as Python objects, times of both in one unit."""
    if index.dtype.kind == labels.dtype.kind and labels.dtype.kind in "Mm":
        unit = np.result_type(index, labels)
        index, labels = index.astype(unit), labels.astype(unit)
    return index.tolist(), labels.tolist()


def is_default_index(index: Any) -> bool:
    """Tell whether this is the index 0, 1, ... of what was made without one."""
    is_range = type(index).__name__ == "RangeIndex"
    return is_range and (index.start, index.step) in ((0, 1), (0, 0))


def row_index(value: Any) -> Any:
    """Return the index of a series or frame of pandas, or of quantised rows of it, or None."""
    if isinstance(value, QuantizedRows):
        return value._index
    if hasattr(value, "__dask_graph__"):  # whose index would be computed; it is refused later on
        return None
    return value.index if hasattr(value, "iloc") and hasattr(value, "index") else None


def last_axis_index(value: Any) -> Any:
    """Return what names the last axis of pandas: the columns of a frame, the index of a series."""
    return None if row_index(value) is None else getattr(value, "axes", [None])[-1]


def _refuse_other_keys(first: str, expected: Any, name: str, given: Any) -> None:
    """Refuse indices that do not hold the same keys, each once."""
    advice = f"pass {name}.to_numpy() to go by position"
    if not (expected.is_unique and given.is_unique):
        twice = {first: expected, name: given}
        keys = {side: index[index.duplicated()].unique() for side, index in twice.items()}
        raise ValueError(
            f"{first} and {name} must have each key of their indices once, as rows are matched by "
            f"it; repeated in {first}: {listing(keys[first])}; in {name}: {listing(keys[name])}; "
            f"{advice}"
        )
    only_first, only_given = expected[~expected.isin(given)], given[~given.isin(expected)]
    if len(only_first) or len(only_given):
        raise ValueError(
            f"{first} and {name} must have the same keys in their indices, as rows are matched by "
            f"them; only in {first}: {listing(only_first)}; only in {name}: {listing(only_given)}; "
            f"{advice}"
        )


def restored(a: NDArray[Any], order: Order | None, axis: int) -> NDArray[Any]:
    """Undo an order along an axis."""
    return a if order is None else np.take(a, np.argsort(order), axis)


def from_arrow(value: Any, name: str) -> Any:
    """
    Return what comes through Arrow as a pyarrow table or array without dictionaries and decimals.

    Anything else is returned as it is, and so is what NumPy can view without pyarrow.
    """
    if type(value).__module__.startswith("pyarrow") and hasattr(value, "__array__"):
        return _decoded(value)
    if hasattr(value, "__array__") or not hasattr(value, "__arrow_c_stream__"):
        return value
    try:
        import pyarrow as pa
    except ImportError as error:
        raise TypeError(
            f"{name} is a {type(value).__name__}, whose columns come through the Arrow interface; "
            "install pyarrow, or pass an array"
        ) from error
    try:
        table = pa.table(value)
    except Exception as error:  # of the library that makes the columns, such as a closed database
        raise TypeError(
            f"{name} cannot be read through the Arrow interface; got "
            f"{type(value).__name__}: {error}"
        ) from error
    return _decoded(table)


def _decoded(value: Any) -> Any:
    """Return a pyarrow table or array without dictionaries and decimals."""
    # NumPy's view of chunks with a dictionary takes a null for the last value, as of pyarrow 26.
    if not hasattr(value, "column_names"):
        plain = _plain_type(value.type)
        return value if plain is None else value.cast(plain)
    for index, field in enumerate(value.schema):
        plain = _plain_type(field.type)
        if plain is not None:
            value = value.set_column(index, field.name, value.column(index).cast(plain))
    return value


def _plain_type(kind: Any) -> Any | None:
    """Return the type of Arrow that has the same values as NumPy knows, or None if it does."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type) or kind.value_type
    return pa.float64() if pa.types.is_decimal(kind) else None

"""Read .csv and .parquet files by pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastdiv.tables.names import refuse_duplicates
from fastdiv.tables.table import Matrix, Table, TableError, first_line


def _arrow(path: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise TableError(
            f"{path}: this format needs pyarrow; run: pip install 'fastdiv[cli]'"
        ) from error
    return pyarrow


def read_csv(path: str) -> Table:
    """Read a .csv file, whose first line holds the names."""
    pa = _arrow(path)
    from pyarrow import csv as reader

    try:
        # Words that stand for missing numbers, such as NA, are missing values of text too.
        options = reader.ConvertOptions(strings_can_be_null=True)
        content = reader.read_csv(path, convert_options=options)
        names = list(content.column_names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"{path} is not a readable CSV file: {first_line(error)}") from error
    notice = ""
    if all(_is_number(name) for name in names):
        # Years and the 0, 1, 2 of pandas are names, but a row of data can look the same. Refusing
        # the line would refuse good files, so a notice tells how it was read.
        if not all(map(str.isdecimal, names)) or len({*names}) < len(names):
            raise TableError(f"{path} has no header: its first line must hold the column names")
        shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        notice = f"{path}: the first line ({shown}) is taken for the column names"
    table = _from_arrow(path, content.schema, content.num_rows, content.select, notice=notice)
    if not table.names and len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise TableError(f"{path}: columns must be separated by commas")
    return table


def read_parquet(path: str) -> Table:
    """Open a .parquet file."""
    pa = _arrow(path)
    from pyarrow import parquet

    def guarded(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(
                f"{path} is not a readable Parquet file: {first_line(error)}"
            ) from error

    file = guarded(lambda: parquet.ParquetFile(path, memory_map=True))
    schema = guarded(lambda: file.schema_arrow)
    index = (schema.pandas_metadata or {}).get("index_columns", [])

    def select(chosen: Sequence[str]) -> Any:
        return guarded(lambda: file.read(columns=list(chosen)))

    index = [name for name in index if isinstance(name, str)]
    return _from_arrow(path, schema, file.metadata.num_rows, select, index)


def _from_arrow(
    path: str,
    schema: Any,
    n_rows: int,
    select: Callable[[Sequence[str]], Any],
    index: Sequence[str] = (),
    notice: str = "",
) -> Table:
    from pyarrow import float64, types

    refuse_duplicates(path, [name for name in schema.names if name])
    unusable = {"": "column without a name", **dict.fromkeys(index, "pandas index")}
    left_out = {}
    numeric = {}
    for column in schema:
        kind = column.type
        if column.name in unusable:
            left_out[column.name] = unusable[column.name]
        elif types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            numeric[column.name] = kind
        else:
            left_out[column.name] = _kind_in_words(kind)

    def load(chosen: Sequence[str]) -> Matrix:
        content = select(chosen)
        single = all(str(numeric[name]) in ("float", "halffloat") for name in chosen)
        out = np.empty((n_rows, len(chosen)), np.float32 if single else np.float64)
        for index, name in enumerate(chosen):
            column = content.column(name)
            if not types.is_floating(numeric[name]):
                column = column.cast(float64(), safe=False)
            out[:, index] = column.to_numpy()
        return out

    def load_any(name: str) -> Matrix:
        column = select([name]).column(name)
        if name in numeric and not column.null_count:
            return np.asarray(column.to_numpy())
        return np.array(column.to_pylist(), dtype=object)

    return Table(path, n_rows, tuple(numeric), load, left_out, notice=notice, load_any=load_any)


def _kind_in_words(kind: Any) -> str:
    from pyarrow import types

    if types.is_null(kind):
        return "no values"
    if str(kind) in ("string", "large_string", "string_view"):
        return "text"
    if types.is_boolean(kind):
        return "true/false"
    if types.is_temporal(kind):
        return "date or time"
    if types.is_dictionary(kind):
        return "categories"
    return str(kind).split("<")[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

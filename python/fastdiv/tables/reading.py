"""Files on disk as numeric columns with names, for the command line.

One row per format in `_READERS`; every reader returns a `Table`, whose values are read by `load`.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastdiv._engine.blocks import COMPUTED, row_blocks

Matrix = npt.NDArray[Any]


class TableError(ValueError):
    """A file, or a pair of files, that cannot be compared; the message is meant for the user."""


@dataclass(frozen=True)
class Table:
    """The numeric columns of one file.

    Attributes
    ----------
    path : str
        The file, as the user wrote it.
    n_rows : int
        Number of rows.
    names : tuple of str
        The numeric columns, in file order.
    load : callable
        ``load(names)`` returns the named columns as a 2-D array of shape (n_rows, len(names)).
        Missing values are NaN.
    unusable : mapping of str to str
        The other columns, and what they hold.
    numbered : bool
        True if the names are only positions 0, 1, 2, …
    notice : str
        Something that the user should know about how the file was read, or "".
    load_any : callable
        ``load_any(name)`` returns the values of one column of any kind, an array of shape
        (n_rows,); None stands for a missing value that is not NaN.
    """

    path: str
    n_rows: int
    names: tuple[str, ...]
    load: Callable[[Sequence[str]], Matrix]
    unusable: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    notice: str = ""
    load_any: Callable[[str], Matrix] = np.array

    def column(self, name: str, option: str) -> Matrix:
        """Load one column of any kind.

        Parameters
        ----------
        name : str
            The column.
        option : str
            The option that names it, for the message.

        Returns
        -------
        ndarray of shape (n_rows,)
            Its values.

        Raises
        ------
        TableError
            If there is no such column.
        """
        if name not in self.names and name not in self.unusable:
            known = [*self.names, *self.unusable]
            listed = ", ".join(map(printable, known[:12]))
            more = f", and {len(known) - 12} more" if len(known) > 12 else ""
            raise TableError(
                f"{option}: {self.path} has no column {name!r}; its columns are: {listed}{more}"
            )
        return self.load_any(name)


def read_table(path: str) -> Table:
    """Open a .npy, .npz, .csv or .parquet file.

    A .npy file is memory-mapped, and only the numeric columns of a .parquet file are ever read.

    Parameters
    ----------
    path : str
        The file; its suffix says the format.

    Returns
    -------
    Table
        Its columns. Integers, floats and decimals are numeric; booleans, dates and text are not.

    Raises
    ------
    TableError
        If the file cannot be read as what its suffix says, or holds no rows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/x.npy", np.arange(6.0).reshape(3, 2))
    ...     table = read_table(folder + "/x.npy")
    >>> table.n_rows, table.names
    (3, ('0', '1'))
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise TableError(f"{path}: unknown format {suffix!r}; use {', '.join(_READERS)}")
    try:
        if os.path.isdir(path):
            raise TableError(f"{path} is a directory, not a file")
        with open(path, "rb") as stream:
            if not stream.read(1):
                raise TableError(f"{path} is empty")
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from error
    table = _READERS[suffix](path)
    if table.n_rows == 0:
        raise TableError(f"{path} has no rows")
    return table


def choose_columns(
    reference: Table, current: Table, wanted: Sequence[str] | None = None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Find the numeric columns that two tables share.

    Parameters
    ----------
    reference, current : Table
        The two tables.
    wanted : sequence of str, optional
        Compare these columns, in this order, and no others.

    Returns
    -------
    names : tuple of str
        The columns to compare, in the order of `reference` or of `wanted`.
    left_out : dict of str to str
        The other columns, and why each is left out. Empty if `wanted` is given.

    Raises
    ------
    TableError
        If there is nothing to compare, or a wanted column is not numeric in both tables.

    Examples
    --------
    >>> a = Table("a.csv", 2, ("u", "v"), load=np.array, unusable={"t": "text"})
    >>> b = Table("b.csv", 2, ("v", "t"), load=np.array)
    >>> choose_columns(a, b)
    (('v',), {'u': 'not in b.csv', 't': 'text in a.csv'})
    """
    if wanted is not None:
        for table in (reference, current):
            for name in wanted:
                _require_column(table, name)
        return tuple(wanted), {}
    if reference.numbered and current.numbered and len(reference.names) != len(current.names):
        raise TableError(
            f"{reference.path} has {len(reference.names)} columns and {current.path} "
            f"{len(current.names)}; both need the same, or choose some with --columns"
        )
    left_out = {}
    names = []
    every = (*reference.names, *reference.unusable, *current.names, *current.unusable)
    for name in dict.fromkeys(every):
        reasons = [_reason(table, name) for table in (reference, current)]
        if not any(reasons):
            names.append(name)
        elif all(reasons) and len({*reasons}) == 1:
            left_out[name] = reasons[0]
        else:
            left_out[name] = ", ".join(
                f"not in {table.path}" if reason == _ABSENT else f"{reason} in {table.path}"
                for table, reason in zip((reference, current), reasons, strict=True)
                if reason
            )
    if not names:
        raise TableError(
            f"no numeric column is common to {reference.path} and {current.path}"
            + (f" ({describe_left_out(left_out)})" if left_out else "")
            + "".join(f"; {table.notice}" for table in (reference, current) if table.notice)
        )
    return tuple(names), left_out


def describe_left_out(left_out: Mapping[str, str], limit: int = 8) -> str:
    """Say in one line which columns are left out and why.

    Parameters
    ----------
    left_out : mapping of str to str
        Column names and reasons, as `choose_columns` returns them.
    limit : int
        Name at most this many columns.

    Returns
    -------
    str
        The line.

    Examples
    --------
    >>> describe_left_out({"island": "text", "sex": "text"})
    'island: text; sex: text'
    """
    shown = [f"{printable(name)}: {why}" for name, why in list(left_out.items())[:limit]]
    more = len(left_out) - len(shown)
    return "; ".join(shown + ([f"and {more} more"] if more else []))


def printable(name: str, width: int | None = None) -> str:
    r"""Escape line ends and other control characters in a column name, and cut it in the middle.

    Parameters
    ----------
    name : str
        Any name.
    width : int, optional
        Longest text to return, in characters.

    Returns
    -------
    str
        The name, safe to print in one line.

    Examples
    --------
    >>> printable("flipper length")
    'flipper length'
    >>> print(printable("two" + chr(10) + "lines"))
    two\nlines
    >>> printable("amount_over_90_days", width=9)
    'amou…days'
    """
    text = name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
    if width is None or len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[len(text) - (width - 1) // 2 :]}"


def data_blocks(x: Matrix) -> Iterator[Matrix]:
    """Walk through the rows of a matrix in blocks of a few megabytes.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Any matrix, for example a memory-mapped one.

    Yields
    ------
    ndarray of shape (block, d)
        A view of the next rows.

    Examples
    --------
    >>> sum(len(block) for block in data_blocks(np.zeros((5, 2))))
    5
    """
    return (x[rows] for rows in row_blocks(len(x), x.shape[1], COMPUTED))


_ABSENT = "absent"


def _reason(table: Table, name: str) -> str:
    """Why a column of this table cannot be compared, or ""."""
    return "" if name in table.names else table.unusable.get(name, _ABSENT)


def _require_column(table: Table, name: str) -> None:
    reason = _reason(table, name)
    if reason == _ABSENT:
        known = ", ".join(printable(known) for known in table.names[:12])
        more = len(table.names) - 12
        known += f", and {more} more" if more > 0 else ""
        raise TableError(
            f"--columns: {table.path} has no column {name!r}; its numeric columns are: {known}"
        )
    if reason:
        raise TableError(f"--columns: column {name!r} of {table.path} is not numeric ({reason})")


def _refuse_duplicates(path: str, names: Sequence[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        listed = ", ".join(printable(name) for name in twice[:8])
        raise TableError(f"{path} has duplicate column names: {listed}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


# ---------------------------------------------------------------- NumPy files


def _read_numpy(path: str) -> Table:
    try:
        arrays = _load_arrays(path)
    except MemoryError:
        raise
    except Exception as error:  # a broken file can make NumPy raise almost anything
        text = str(error)
        if "pickle" in text.lower() or "python objects" in text.lower():
            raise TableError(
                f"{path} is not a plain NumPy file (it is broken, or it holds Python objects, "
                "which are never loaded)"
            ) from error
        raise TableError(f"{path} is not a readable NumPy file: {_first_line(error)}") from error
    if not arrays:
        raise TableError(f"{path} holds no array")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TableError(f"{path} is not a readable NumPy file: {name!r} is not an array")
    if len(arrays) == 1:
        return _from_array(path, next(iter(arrays.values())))
    return _from_arrays(path, arrays)


def _load_arrays(path: str) -> dict[str, Matrix]:
    with warnings.catch_warnings(), open(path, "rb") as stream:
        warnings.simplefilter("ignore")
        zipped = stream.read(2) == b"PK"
        stream.seek(0)
        if not zipped:
            return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
        loaded = np.load(stream, allow_pickle=False)
        return {name: loaded[name] for name in loaded.files}


def _from_array(path: str, array: Matrix) -> Table:
    """One array, whose columns are numbered from 0."""
    if array.ndim == 0:
        raise TableError(f"{path} holds a single number, not a sample of rows")
    if not _is_numeric(array):
        raise TableError(
            f"{path} holds {array.dtype} values; integers, or floats of up to 64 bits, are needed"
        )
    matrix = _as_matrix(array)
    if matrix.shape[1] == 0:
        raise TableError(f"{path} has no columns (shape {array.shape})")
    notice = ""
    if array.ndim > 2:
        notice = f"{path}: each row of shape {array.shape[1:]} is flattened to {matrix.shape[1]}"
    names = tuple(map(str, range(matrix.shape[1])))

    def load(wanted: Sequence[str]) -> Matrix:
        return matrix if tuple(wanted) == names else matrix[:, [int(name) for name in wanted]]

    def load_any(name: str) -> Matrix:
        return matrix[:, int(name)]

    return Table(path, len(matrix), names, load, {}, True, notice, load_any)


def _from_arrays(path: str, arrays: Mapping[str, Matrix]) -> Table:
    """Several arrays: a vector is the column NAME, a matrix NAME.0, NAME.1 and so on."""
    scalars = [name for name, array in arrays.items() if array.ndim == 0]
    if scalars:
        raise TableError(f"{path}: array {scalars[0]!r} is a single number, not a column of rows")
    rows = {name: len(array) for name, array in arrays.items()}
    if len({*rows.values()}) > 1:
        listed = ", ".join(f"{printable(name)} {n}" for name, n in list(rows.items())[:8])
        raise TableError(f"{path} holds arrays of different numbers of rows: {listed}")
    unusable = {name: str(array.dtype) for name, array in arrays.items() if not _is_numeric(array)}
    parts = [
        (name if array.ndim == 1 else f"{name}.{index}", part)
        for name, array in arrays.items()
        if name not in unusable
        for index, part in enumerate(_as_matrix(array).T)
    ]
    _refuse_duplicates(path, [*unusable, *(name for name, _ in parts)])
    columns = dict(parts)

    def load(wanted: Sequence[str]) -> Matrix:
        return np.column_stack([columns[name] for name in wanted])

    def load_any(name: str) -> Matrix:
        column = columns[name] if name in columns else arrays[name]
        if column.ndim != 1:
            raise TableError(f"{path}: array {name!r} of shape {column.shape} is not one column")
        return column

    n_rows = next(iter(rows.values()))
    return Table(path, n_rows, tuple(columns), load, unusable, load_any=load_any)


def _is_numeric(array: Matrix) -> bool:
    return array.dtype.kind in "iuf" and array.dtype.itemsize <= 8


def _as_matrix(array: Matrix) -> Matrix:
    return array.reshape(len(array), int(np.prod(array.shape[1:], dtype=np.int64)))


# ---------------------------------------------------------------- CSV and Parquet


def _arrow(path: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise TableError(
            f"{path}: this format needs pyarrow; run: pip install 'fastdiv[cli]'"
        ) from error
    return pyarrow


def _read_csv(path: str) -> Table:
    pa = _arrow(path)
    from pyarrow import csv as reader

    try:
        # Words that are missing numbers in a column of numbers are missing in one of text too.
        options = reader.ConvertOptions(strings_can_be_null=True)
        content = reader.read_csv(path, convert_options=options)
        names = list(content.column_names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"{path} is not a readable CSV file: {_first_line(error)}") from error
    notice = ""
    if all(_is_number(name) for name in names):
        # Years, and the 0, 1, 2 of pandas, are names; a row of data can look the same. Refusing
        # it would refuse good files, so say what was done with the line.
        if not all(map(str.isdecimal, names)) or len({*names}) < len(names):
            raise TableError(f"{path} has no header: its first line must hold the column names")
        shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        notice = f"{path}: the first line ({shown}) is taken for the column names"
    table = _from_arrow(path, content.schema, content.num_rows, content.select, notice=notice)
    if not table.names and len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise TableError(f"{path}: columns must be separated by commas")
    return table


def _read_parquet(path: str) -> Table:
    pa = _arrow(path)
    from pyarrow import parquet

    def guarded(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(
                f"{path} is not a readable Parquet file: {_first_line(error)}"
            ) from error

    file = guarded(lambda: parquet.ParquetFile(path, memory_map=True))
    schema = guarded(lambda: file.schema_arrow)
    index = (schema.pandas_metadata or {}).get("index_columns", [])

    def select(wanted: Sequence[str]) -> Any:
        return guarded(lambda: file.read(columns=list(wanted)))

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

    _refuse_duplicates(path, [name for name in schema.names if name])
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

    def load(wanted: Sequence[str]) -> Matrix:
        content = select(wanted)
        single = all(str(numeric[name]) in ("float", "halffloat") for name in wanted)
        out = np.empty((n_rows, len(wanted)), np.float32 if single else np.float64)
        for index, name in enumerate(wanted):
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


def parse_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of column names; quotes protect a comma within a name.

    Parameters
    ----------
    text : str
        What the user gave to ``--columns`` and the like.

    Returns
    -------
    tuple of str
        The names, in order.

    Raises
    ------
    TableError
        If a name is empty or given twice.

    Examples
    --------
    >>> parse_names('age,"height, cm"')
    ('age', 'height, cm')
    """
    names = next(csv.reader(io.StringIO(text), skipinitialspace=True), [])
    if not names or not all(names):
        raise TableError(f"{text!r} holds an empty name; give NAME,NAME,…")
    _refuse_duplicates(repr(text), names)
    return tuple(names)


_READERS: dict[str, Callable[[str], Table]] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}

"""Read .npy and .npz files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from fastdiv.tables.names import printable, refuse_duplicates
from fastdiv.tables.table import Matrix, Table, TableError, first_line


def read_numpy(path: str) -> Table:
    """Read a .npy or .npz file. Its content says which."""
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
        raise TableError(f"{path} is not a readable NumPy file: {first_line(error)}") from error
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
    """Return one array as a table, whose columns are numbered from 0."""
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

    def load(chosen: Sequence[str]) -> Matrix:
        return matrix if tuple(chosen) == names else matrix[:, [int(name) for name in chosen]]

    def load_any(name: str) -> Matrix:
        return matrix[:, int(name)]

    return Table(path, len(matrix), names, load, {}, True, notice, load_any)


def _from_arrays(path: str, arrays: Mapping[str, Matrix]) -> Table:
    """Return arrays as a table: a vector is the column NAME, a matrix NAME.0, NAME.1, …."""
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
    refuse_duplicates(path, [*unusable, *(name for name, _ in parts)])
    columns = dict(parts)

    def load(chosen: Sequence[str]) -> Matrix:
        return np.column_stack([columns[name] for name in chosen])

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

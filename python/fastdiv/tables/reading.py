"""Read files on disk as tables, by one reader per format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fastdiv.tables.arrow_files import read_csv, read_parquet
from fastdiv.tables.numpy_files import read_numpy
from fastdiv.tables.table import Table, TableError

_READERS: dict[str, Callable[[str], Table]] = {
    ".npy": read_numpy,
    ".npz": read_numpy,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def read_table(path: str) -> Table:
    """
    Open a file in the format that its suffix says.

    A .npy file is memory-mapped, and only the required columns of a .parquet file are ever read.
    Integers, floats and decimals are numeric; booleans, dates and text are not. Raise TableError
    if the file cannot be read or holds no rows.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
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

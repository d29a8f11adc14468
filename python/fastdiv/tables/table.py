"""Hold the columns of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastdiv._engine.blocks import COMPUTED, row_blocks

Matrix = npt.NDArray[Any]


class TableError(ValueError):
    """A file that cannot be read or compared. The message is meant for the user."""


@dataclass(frozen=True)
class Table:
    """
    The numeric columns of one file.

    ``load(names)`` returns numeric columns as an array of shape (n_rows, len(names)) in which NaN
    is a missing value. ``load_any(name)`` returns one column of any kind, where None stands for a
    missing value that is not NaN.
    """

    path: str  # as the user wrote it
    n_rows: int
    names: tuple[str, ...]  # of the numeric columns, in the order of the file
    load: Callable[[Sequence[str]], Matrix]
    unusable: Mapping[str, str] = field(default_factory=dict)  # the others, and what they hold
    numbered: bool = False  # the names are only the positions 0, 1, 2, …
    notice: str = ""  # how the file was read, where the user should know
    load_any: Callable[[str], Matrix] = np.array


def data_blocks(x: Matrix) -> Iterator[Matrix]:
    """
    Walk through the rows of a matrix, possibly a memory-mapped one, in blocks.

    Examples
    --------
    >>> sum(len(block) for block in data_blocks(np.zeros((5, 2))))
    5
    """
    return (x[rows] for rows in row_blocks(len(x), x.shape[1], COMPUTED))


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__

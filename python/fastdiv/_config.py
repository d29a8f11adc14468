"""Set the number of threads, and describe this installation."""

from __future__ import annotations

import platform
from typing import Literal, overload

import numpy as np

from fastdiv import _inputs
from fastdiv._engine import backend


def set_num_threads(n: int) -> None:
    """
    Set the number of threads used by calls that do not say ``n_threads=``.

    Order of precedence: ``n_threads=`` of a call, this setting, ``OMP_NUM_THREADS``,
    the limit set by `threadpoolctl`, all cores. The number of threads never changes a
    result, not in the last bit.

    Parameters
    ----------
    n : int
        Number of threads, at least 1.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an integer from 1 to 1024.

    Examples
    --------
    >>> import fastdiv
    >>> before = fastdiv.get_num_threads()
    >>> fastdiv.set_num_threads(1)
    >>> fastdiv.get_num_threads()
    1
    >>> fastdiv.set_num_threads(before)
    """
    backend.current().set_num_threads(_inputs.thread_count(n, "n"))


def get_num_threads() -> int:
    """
    Return the number of threads that a call without ``n_threads=`` uses.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> import fastdiv
    >>> fastdiv.get_num_threads() >= 1
    True
    """
    return backend.current().get_num_threads()


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> dict[str, object]: ...


def show_config(mode: Literal["stdout", "dict"] = "stdout") -> dict[str, object] | None:
    """
    Print, or return, how this installation computes.

    Parameters
    ----------
    mode : {"stdout", "dict"}, default "stdout"
        Print one line per entry, or return a dictionary.

    Returns
    -------
    dict or None
        With ``mode="dict"``: backend, instruction set in use and available ones, number
        of threads, OpenMP runtime, compiler and versions.

    Raises
    ------
    ValueError
        If `mode` is neither of the two.

    Examples
    --------
    >>> import fastdiv
    >>> sorted(fastdiv.show_config(mode="dict"))[:3]
    ['backend', 'compiler', 'isa']
    """
    word = _inputs.choice(mode, ("stdout", "dict"), "mode")
    entries: dict[str, object] = {
        **backend.current().config(),
        "backend": backend.current_name(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    if word == "dict":
        return entries
    for name, value in entries.items():
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        print(f"{name + ':':15} {shown}")
    return None

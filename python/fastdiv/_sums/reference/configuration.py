"""Hold the number of threads, and describe the backend."""

from __future__ import annotations

import os
import platform

_n_threads = 1


def set_num_threads(n: int) -> None:
    """Remember a number of threads. The reference itself has one."""
    global _n_threads
    _n_threads = n


def get_num_threads() -> int:
    """Return the remembered number of threads."""
    return _n_threads


def config() -> dict[str, object]:
    """Return the keys of the compiled core's description, with the reference's values."""
    return {
        "version": "reference",
        "isa": "numpy",
        "isa_available": ["numpy"],
        "n_threads": _n_threads,
        "openmp": "none",
        "compiler": f"{platform.python_implementation()} on {os.name}",
    }

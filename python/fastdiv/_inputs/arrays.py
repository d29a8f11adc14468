"""Turn anything NumPy can view into an array of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.blocks import READ, copy_blockwise, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix
from fastdiv._inputs.frames import column_names, from_arrow
from fastdiv._inputs.half_types import readable, viewed
from fastdiv._inputs.messages import shown

_FLOATS: tuple[np.dtype[Any], ...] = (np.dtype(np.float32), np.dtype(np.float64))
_CPU_DEVICES = (1, 3)  # kDLCPU and kDLCUDAHost of the DLPack standard

_HINTS = {
    "b": "cast it with .astype(float) if 0 and 1 are meant",
    "c": "pass the real and imaginary parts as separate features",
    "f": "cast it with .astype(numpy.float64)",
    "O": "make every column numeric, for example with .astype(float)",
    "S": "encode text as numbers first",
    "U": "encode text as numbers first",
    "T": "encode text as numbers first",
    "M": "subtract a reference time and divide by a unit to get numbers",
    "m": "divide by a unit such as numpy.timedelta64(1, 's') to get numbers",
    "V": "pass a plain 2-D array of numbers, one column per feature",
}


def any_array(value: object, name: str) -> NDArray[Any]:
    """Return `value` as an array of any dtype and shape, without a copy where possible."""
    return value if type(value) is np.ndarray else _to_array(value, name)


def array(value: object, name: str) -> Matrix:
    """Return `value` as a float32 or float64 array of any shape, without a copy where possible."""
    a = value if type(value) is np.ndarray else _to_array(value, name)
    return a if a.dtype in _FLOATS and a.flags.aligned else _to_float(a, name)


def plain_array(value: object, name: str) -> NDArray[Any]:
    """Return a number or a list of numbers as an array of any dtype."""
    if type(value) is np.ndarray and value.dtype.kind != "V":  # as bfloat16 is
        return value
    if is_differentiated(value):
        raise TypeError(
            f"{name} must be made of concrete numbers: it is a constant, by which nothing is "
            f"differentiated; got {type(value).__name__}"
        )
    refuse_without_values(value, name)
    try:
        return viewed(value)
    except ValueError as error:
        raise ValueError(f"{name} must not be ragged; got {shown(value)}") from error
    except (TypeError, RuntimeError) as error:  # for example a list of tensors with gradients
        kind = type(value).__name__
        raise TypeError(f"{name} must be made of concrete numbers; got {kind}: {error}") from error


def is_differentiated(value: object) -> bool:
    """Tell whether this is a tensor that requires grad, or traced by JAX."""
    return bool(getattr(value, "requires_grad", False)) or _is_traced(value)


def _to_array(value: Any, name: str) -> NDArray[Any]:
    """View anything but a plain array as a NumPy array, or say why it cannot be."""
    if isinstance(value, QuantizedRows):
        raise TypeError(f"{name} must not be quantised here; pass {name}.dequantize()")
    refuse_without_values(value, name)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise TypeError(
                f"{name} is a masked array with masked entries; pass "
                f"{name}.filled(numpy.nan) with nan_policy='omit', or drop those rows"
            )
        return np.asarray(value.data)
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if value is None or isinstance(value, (str, bytes, dict, set, frozenset, Iterator)):
        raise TypeError(
            f"{name} must be an array of numbers with one row per observation; "
            f"got {type(value).__name__}"
        )
    value = readable(value)
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return cast("NDArray[Any]", np.from_dlpack(value))
        a: NDArray[Any] = np.asarray(from_arrow(value, name))
        if a.dtype.kind == "O" and _is_nullable_numeric(value):
            a = value.to_numpy(dtype=np.float64, na_value=np.nan)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array of numbers; got {type(value).__name__}: {error}"
        ) from error
    except Exception as error:
        raise TypeError(
            f"{name} cannot be viewed as a NumPy array; got {type(value).__name__}: {error}"
        ) from error
    if a.dtype.kind == "O":
        _refuse_lists(a, value, name)
    return a


def refuse_without_values(value: Any, name: str) -> None:
    """Refuse what has no values in CPU memory, or not all of them, or may not fit there."""
    if hasattr(value, "nnz") and (hasattr(value, "toarray") or hasattr(value, "todense")):
        way = "toarray" if hasattr(value, "toarray") else "todense"
        raise TypeError(f"{name} is a sparse matrix; pass {name}.{way}()")
    if hasattr(value, "todense") and hasattr(value, "nse"):
        raise TypeError(f"{name} is a sparse array of JAX; pass {name}.todense()")
    if (kind := _lazy_kind(value)) is not None:
        way = "collect" if kind == "lazy frame" else "compute"
        raise TypeError(
            f"{name} is a {kind}, whose values are not computed yet and may not fit in memory; "
            f"pass {name}.{way}() if they do"
        )
    if _is_traced(value):
        raise TypeError(
            f"{name} is traced by JAX and has no values yet; call the function of fastdiv.jax if "
            "there is one, such as fastdiv.jax.mmd2, or call this one outside of jax.jit, jax.grad "
            "and jax.vmap"
        )
    if not _on_cpu(value):
        raise TypeError(f"{name} is not in CPU memory; copy it first, for example {name}.cpu()")
    if getattr(value, "requires_grad", False):
        raise TypeError(f"{name} requires grad, which is not tracked here; pass {name}.detach()")


def _lazy_kind(value: Any) -> str | None:
    """Name a collection of dask, or a lazy frame, whose values are not computed yet."""
    graph = getattr(value, "__dask_graph__", None)
    if graph is not None and not isinstance(value, type) and graph() is not None:
        return f"dask {type(value).__name__.lower()}"
    is_lazy = hasattr(value, "collect_schema") and not hasattr(value, "__array__")
    return "lazy frame" if is_lazy else None


def _refuse_lists(a: NDArray[Any], value: Any, name: str) -> None:
    """Refuse columns whose entries are lists, and say how to make rows of them."""
    holds_list = (isinstance(entry, (list, tuple, np.ndarray)) for entry in a.flat)
    at = next((index for index, is_list in enumerate(holds_list) if is_list), None)
    if at is None:
        return
    names = column_names(value)
    column = "" if names is None or a.ndim != 2 else f"[{names[at % a.shape[1]]!r}]"
    way = ".to_pylist()" if hasattr(value, "to_pylist") else ""
    raise TypeError(
        f"{name} must hold real numbers; {name}{column} holds lists: "
        f"pass np.vstack({name}{column}{way})"
    )


def _on_cpu(value: Any) -> bool:
    """Tell whether DLPack places this in CPU memory, or does not know it."""
    device = getattr(value, "__dlpack_device__", None)
    try:
        return device is None or device()[0] in _CPU_DEVICES
    except ValueError:  # DLPack does not know the device, for example torch's meta
        return False
    except TypeError:  # pyarrow 16 says no more of arrays with nulls, which it keeps on the CPU
        return True


def _is_traced(value: object) -> bool:
    """Tell whether this is a tracer of JAX, without importing JAX."""
    return any(
        base.__name__ == "Tracer" and base.__module__.startswith("jax")
        for base in type(value).__mro__
    )


def _is_nullable_numeric(value: Any) -> bool:
    """Tell whether this is a pandas object whose columns all are (nullable) numbers."""
    if not hasattr(value, "to_numpy"):
        return False
    dtypes = getattr(value, "dtypes", None)  # one per column of a frame, or one alone
    columns = list(cast(Any, dtypes)) if hasattr(dtypes, "__iter__") else [dtypes]
    return all(getattr(dtype, "kind", "O") in "iuf" for dtype in columns)


def _to_float(a: NDArray[Any], name: str) -> Matrix:
    """Convert an array of real numbers to float32 or float64."""
    kind, size = a.dtype.kind, a.dtype.itemsize
    target: np.dtype[Any]
    if a.dtype.name == "bfloat16" or (kind == "f" and size <= 4):
        target = np.dtype(np.float32)
    elif kind in "iu" or (kind == "f" and size == 8):
        target = np.dtype(np.float64)
    else:
        raise TypeError(
            f"{name} must hold real numbers (float16, bfloat16, float32, float64 or integers); "
            f"got dtype {a.dtype}: {_HINTS.get(kind, 'convert it with .astype(numpy.float64)')}"
        )
    return converted(a, target)


def converted(a: NDArray[Any], dtype: np.dtype[Any]) -> Matrix:
    """Return a copy of another dtype, made part by part, so that Ctrl-C is heard in between."""
    out = np.empty(a.shape, dtype)
    copy_blockwise(a, out)
    return out


def filled(shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterable[Any]) -> NDArray[Any]:
    """Fill an array part by part, so that Ctrl-C is heard in between."""
    out = np.empty(shape, dtype)
    start = 0
    for part in parts:
        out[start : start + len(part)] = part
        start += len(part)
    return out


def row_parts(a: NDArray[Any]) -> Iterator[slice]:
    """Cut an array along its first axis, so that Ctrl-C is heard in between."""
    return row_blocks(len(a), math.prod(a.shape[1:]), READ)

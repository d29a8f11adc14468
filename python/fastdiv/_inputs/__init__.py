"""The one door: everything a caller passes is checked and converted here, before any work."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeGuard, cast, overload

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine import backend
from fastdiv._engine.backend import Matrix, Sample, Values
from fastdiv._engine.quantized_rows import QuantizedRows

ESTIMATORS = ("unbiased", "biased", "paired")
NAN_POLICIES = ("raise", "omit")
ALWAYS_RAISE = object()
MAX_THREADS = 1024
MAX_RESAMPLES = 10**9
DEFAULT_RESAMPLES = 999

_CLEAN = "clean the data"
_OMIT = "pass nan_policy='omit' to drop such rows"
CLEAN_OR_OMIT = f"{_CLEAN} or {_OMIT}"

_AT_ONCE = 1 << 22
"""Values read or copied before Ctrl-C is heard again: some 20 ms."""

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


# --- samples ---------------------------------------------------------------------------


def sample(value: object, name: str) -> Sample:
    """Return `value` as it is if its rows are quantised, or else as a `matrix` of real numbers."""
    return alike({name: value})[0]


def alike(values: dict[str, object]) -> list[Sample]:
    """
    Return each value as it is if its rows are quantised, or else as a `matrix` of real numbers.

    If one is complex, all are taken as real numbers with an axis more, of real and imaginary parts.
    """
    arrays = {
        name: any_array(value, name)
        for name, value in values.items()
        if not isinstance(value, QuantizedRows)
    }
    if any(a.dtype.kind == "c" for a in arrays.values()):
        arrays = {name: _parts(a, name) for name, a in arrays.items()}
    return [
        value if isinstance(value, QuantizedRows) else matrix(arrays[name], name)
        for name, value in values.items()
    ]


def _parts(a: NDArray[Any], name: str) -> NDArray[Any]:
    """Return real and imaginary parts side by side; those of complex numbers are a view."""
    _require_rows(a, name)
    if a.dtype.kind == "c":
        return a[..., None].view(a.real.dtype)
    real = array(a, name)
    return np.stack((real, np.zeros_like(real)), axis=-1)


def matrix(value: object, name: str) -> Matrix:
    """Return `value` as a 2-D float32 or float64 array, without a copy where possible."""
    a = array(value, name)
    _require_rows(a, name)
    if a.shape[0] == 0:
        raise ValueError(f"{name} has no rows: shape {a.shape}")
    if a.size == 0:
        raise ValueError(f"{name} has 0 features: shape {a.shape}")
    return a if a.ndim == 2 else a.reshape(a.shape[0], -1)


def _require_rows(a: NDArray[Any], name: str) -> None:
    if a.ndim == 0:
        raise ValueError(f"{name} must be an array of rows, shape (n,) or (n, ...); got a scalar")


def any_array(value: object, name: str) -> NDArray[Any]:
    """Return `value` as an array of any dtype and shape, without a copy where possible."""
    return value if type(value) is np.ndarray else _to_array(value, name)


def array(value: object, name: str) -> Matrix:
    """Return `value` as a float32 or float64 array of any shape, without a copy where possible."""
    a = any_array(value, name)
    return a if a.dtype in _FLOATS and a.flags.aligned else _to_float(a, name)


def samples(
    x: object,
    y: object,
    nan_policy: object,
    estimator: str = "biased",
    names: tuple[str, str] = ("x", "y"),
) -> tuple[Sample, Sample]:
    """
    Return both samples with one type and dtype, equal d, finite rows, and enough of them.

    `nan_policy` is ALWAYS_RAISE where the caller has no other choice.
    """
    x_name, y_name = names
    a, b = same_space(dict(zip(names, alike({x_name: x, y_name: y}), strict=True)))
    omit = _omits(nan_policy)
    advice = _CLEAN if nan_policy is ALWAYS_RAISE else CLEAN_OR_OMIT
    if estimator == "paired":
        _same_length(a, b)
        if omit and not isinstance(a, QuantizedRows) and not isinstance(b, QuantizedRows):
            keep = _finite_rows(a) & _finite_rows(b)
            a, b = chosen(a, keep), chosen(b, keep)
    a, b = (
        finite(rows, name, omit=omit, advice=advice) for rows, name in ((a, x_name), (b, y_name))
    )
    least = 1 if estimator == "biased" else 2
    if len(a) < least or len(b) < least:
        name, rows = (x_name, a) if len(a) < least else (y_name, b)
        after = " after dropping rows with NaN or infinite values" if omit else ""
        raise ValueError(
            f"{name} must have at least {least} row{'s' if least > 1 else ''} for "
            f"estimator={estimator!r}; got {len(rows)}{after}"
        )
    return a, b


def _omits(nan_policy: object) -> bool:
    if nan_policy is ALWAYS_RAISE:
        return False
    return choice(nan_policy, NAN_POLICIES, "nan_policy") == "omit"


def plain_samples(
    x: object,
    y: object,
    nan_policy: object,
    estimator: str = "biased",
    names: tuple[str, str] = ("x", "y"),
) -> tuple[Matrix, Matrix]:
    """Return both samples as `samples` does; rows of int8 are refused."""
    plain = matrix(x, names[0]), matrix(y, names[1])
    a, b = samples(*plain, nan_policy, estimator, names)
    return cast(Matrix, a), cast(Matrix, b)


def _same_length(a: Sample, b: Sample) -> None:
    if a.shape[-2] != b.shape[-2]:
        raise ValueError(
            "x and y must have the same number of rows for estimator='paired'; "
            f"got {a.shape[-2]} and {b.shape[-2]}"
        )


def weighted_samples(
    x: object, y: object, x_weights: object, y_weights: object, nan_policy: object, estimator: str
) -> tuple[Sample, Sample, Values | None, Values | None]:
    """
    Return both samples as `samples` does, and the weights of their rows, the largest 1.

    Rows of weight 0 are left out, and equal weights are None.
    """
    a, b = alike({"x": x, "y": y})
    u = weights(x_weights, "x_weights", len(a), estimator)
    v = weights(y_weights, "y_weights", len(b), estimator)
    if u is None and v is None:
        return *samples(a, b, nan_policy, estimator), None, None
    keep_x, keep_y = rows_kept(a, b, u, v, nan_policy, estimator)
    a, u = _kept(a, u, keep_x)
    b, v = _kept(b, v, keep_y)
    a, b = samples(a, b, ALWAYS_RAISE if nan_policy is ALWAYS_RAISE else "raise", estimator)
    for name, w in (("x_weights", u), ("y_weights", v)):
        if w is not None:
            enough_weight(w, name, estimator)
    return a, b, u, v


def rows_kept(
    a: Sample, b: Sample, u: Values | None, v: Values | None, nan_policy: object, estimator: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Tell which rows of two samples, or stacks of them, are not left out for weights or for NaN.

    "paired" keeps a row for the sake of its partner: both go if both weigh 0, or one holds NaN.
    """
    keep_x, keep_y = (
        np.ones(rows.shape[:-1], dtype=np.bool_) if w is None else w > 0
        for rows, w in ((a, u), (b, v))
    )
    if estimator == "paired":
        _same_length(a, b)
        keep_x = keep_y = keep_x | keep_y
    if _omits(nan_policy):
        keep_x, keep_y = keep_x & _finite_rows(a), keep_y & _finite_rows(b)
        if estimator == "paired":
            keep_x = keep_y = keep_x & keep_y
    return keep_x, keep_y


def counted(a: Sample, w: Values | None) -> Sample:
    """Return the rows that count by themselves, for example in a median: those of weight > 0."""
    return a if w is None or w.all() else chosen(a, w > 0)


def _kept(a: Sample, w: Values | None, keep: NDArray[np.bool_]) -> tuple[Sample, Values | None]:
    """Return the chosen rows and their weights, the largest 1; None if all are equal."""
    if not keep.all():
        a = chosen(a, keep)
        w = None if w is None else w[keep]
    if w is None or not w.any():
        return a, w
    return a, None if (w == w[0]).all() else w / w.max()


def weights(value: object, name: str, rows: int, estimator: str) -> Values | None:
    """Return one finite weight >= 0 per row in float64; None for None."""
    if value is None:
        return None
    a = array(value, name)
    if a.shape != (rows,):
        raise ValueError(
            f"{name} must have one weight per row, shape ({rows},); got shape {a.shape}"
        )
    w = a.astype(np.float64)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name} must be finite and >= 0; got {w[at]} at row {at}")
    if not w.any():
        raise ValueError(f"{name} must not be 0 for all rows")
    enough_weight(w, name, estimator)
    return w


def enough_weight(w: Values, name: str, estimator: str) -> None:
    """Refuse weights of which too few are > 0."""
    least = 1 if estimator == "biased" else 2
    if np.count_nonzero(w) < least:
        raise ValueError(
            f"{name} must be > 0 for at least {least} row{'s' if least > 1 else ''} for "
            f"estimator={estimator!r}; got {np.count_nonzero(w)}"
        )


def same_space(arrays: dict[str, Sample]) -> list[Sample]:
    """Check that all have the same number of features and give them one dtype."""
    (first, a), *others = arrays.items()
    for name, b in others:
        if isinstance(a, QuantizedRows) != isinstance(b, QuantizedRows):
            one, other = (first, name) if isinstance(a, QuantizedRows) else (name, first)
            raise TypeError(
                f"{one} is quantised and {other} is not; quantise both, with "
                f"fastdiv.quantize_rows({other}), or pass {one}.dequantize()"
            )
    for name, b in others:
        if a.shape[1] != b.shape[1]:
            raise ValueError(
                f"{first} and {name} must have the same number of features; "
                f"got {a.shape[1]} and {b.shape[1]}"
            )
    plain = [each for each in arrays.values() if not isinstance(each, QuantizedRows)]
    if all(b.dtype == plain[0].dtype for b in plain):
        return list(arrays.values())
    return [
        each if each.dtype == np.float64 else _converted(each, np.dtype(np.float64))
        for each in plain
    ]


@overload
def finite(a: Matrix, name: str, *, omit: bool = ..., advice: str = ...) -> Matrix: ...
@overload
def finite(a: Sample, name: str, *, omit: bool = ..., advice: str = ...) -> Sample: ...


def finite(
    a: Sample,
    name: str,
    *,
    omit: bool = False,
    advice: str = CLEAN_OR_OMIT,
) -> Sample:
    """Return `a` if all values are finite; otherwise drop the rows or raise."""
    if isinstance(a, QuantizedRows):
        return a
    first = _first_nonfinite(a)
    if first < 0:
        return a
    if omit:
        return chosen(a, _finite_rows(a))
    count = sum(np.count_nonzero(~np.isfinite(a[rows])) for rows in _row_parts(a))
    row, column = divmod(first, a.shape[1])
    raise nonfinite(name, int(count), row, column, advice)


def nonfinite(name: str, count: int, row: int, column: int, advice: str) -> ValueError:
    """Return the error that tells of NaN or infinity; the row and column are those of the first."""
    return ValueError(
        f"{name} holds {count} NaN or infinite value{'s' if count > 1 else ''}, the first at "
        f"row {row}, column {column}; {advice}"
    )


def finite_rows(a: Sample) -> NDArray[np.bool_] | None:
    """Tell which rows are finite; None if all are."""
    if isinstance(a, QuantizedRows) or _first_nonfinite(a) < 0:
        return None
    return _finite_rows(a)


def _first_nonfinite(a: Matrix) -> int:
    for rows in _row_parts(a):
        first = backend.current().first_nonfinite(a[rows])
        if first >= 0:
            index: int = rows.start * a.shape[1] + first
            return index
    return -1


def _row_parts(a: NDArray[Any]) -> Iterator[slice]:
    step = max(1, _AT_ONCE * len(a) // max(1, a.size))
    return (slice(start, start + step) for start in range(0, len(a), step))


def pool(parts: Sequence[Sample]) -> Sample:
    """Concatenate samples of one type and dtype; a single one is not copied."""
    if len(parts) == 1:
        return parts[0]
    quantized = [part for part in parts if isinstance(part, QuantizedRows)]
    if quantized:
        zeros = [zero_points(part) for part in quantized]
        symmetric = all(part.zero_point is None for part in quantized)
        return QuantizedRows(
            _pooled([part.values for part in quantized]),
            np.concatenate([part.scale for part in quantized]),
            None if symmetric else np.concatenate(zeros),
        )
    return _pooled(cast("list[Matrix]", parts))


def _pooled(parts: list[NDArray[Any]]) -> NDArray[Any]:
    shape = (sum(map(len, parts)), parts[0].shape[1])
    return _filled(shape, parts[0].dtype, (part[r] for part in parts for r in _row_parts(part)))


def zero_points(x: QuantizedRows) -> NDArray[np.int8]:
    """Return the zero points, which are 0 where there are none."""
    return np.zeros(len(x), np.int8) if x.zero_point is None else x.zero_point


def _finite_rows(a: Sample) -> NDArray[np.bool_]:
    if isinstance(a, QuantizedRows):
        return np.ones(len(a), dtype=np.bool_)
    parts = (np.isfinite(a[rows]).all(axis=1) for rows in _row_parts(a))
    return _filled((len(a),), np.dtype(np.bool_), parts)


@overload
def chosen(a: Matrix, keep: NDArray[np.bool_]) -> Matrix: ...
@overload
def chosen(a: Sample, keep: NDArray[np.bool_]) -> Sample: ...


def chosen(a: Sample, keep: NDArray[np.bool_]) -> Sample:
    """Return the rows of a mask."""
    if isinstance(a, QuantizedRows):
        return a[keep]
    shape = (int(np.count_nonzero(keep)), a.shape[1])
    return _filled(shape, a.dtype, (a[rows][keep[rows]] for rows in _row_parts(a)))


def _converted(a: NDArray[Any], dtype: np.dtype[Any]) -> Matrix:
    return _filled(a.shape, dtype, (a[rows] for rows in _row_parts(a)))


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterable[Any]) -> NDArray[Any]:
    """Return an array of these rows, one part after the other, so that Ctrl-C is heard."""
    out = np.empty(shape, dtype)
    start = 0
    for part in parts:
        out[start : start + len(part)] = part
        start += len(part)
    return out


def _to_array(value: Any, name: str) -> NDArray[Any]:
    if isinstance(value, QuantizedRows):
        raise TypeError(f"{name} must not be quantised here; pass {name}.dequantize()")
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
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray()")
    if hasattr(value, "todense") and hasattr(value, "nse"):
        raise TypeError(f"{name} is a sparse array of JAX; pass {name}.todense()")
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
    if str(getattr(value, "dtype", None)) == "torch.bfloat16":
        value = value.float()
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return cast("NDArray[Any]", np.from_dlpack(value))
        a: NDArray[Any] = np.asarray(value)
        if a.dtype.kind == "O" and _is_nullable_numeric(value):
            a = value.to_numpy(dtype=np.float64, na_value=np.nan)
        return a
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array of numbers; got {type(value).__name__}: {error}"
        ) from error
    except Exception as error:
        raise TypeError(
            f"{name} cannot be viewed as a NumPy array; got {type(value).__name__}: {error}"
        ) from error


def _on_cpu(value: Any) -> bool:
    device = getattr(value, "__dlpack_device__", None)
    try:
        return device is None or device()[0] in _CPU_DEVICES
    except ValueError:  # DLPack does not know the device, for example torch's meta
        return False


def _is_traced(value: object) -> bool:
    """Tell whether this is a tracer, without importing JAX."""
    return any(
        each.__name__ == "Tracer" and each.__module__.startswith("jax")
        for each in type(value).__mro__
    )


def is_differentiated(value: object) -> bool:
    """Tell whether this is a tensor that requires grad, or traced by JAX."""
    return bool(getattr(value, "requires_grad", False)) or _is_traced(value)


def _is_nullable_numeric(value: Any) -> bool:
    """Tell whether this is a pandas object whose columns all are (nullable) numbers."""
    if not hasattr(value, "to_numpy"):
        return False
    dtypes = getattr(value, "dtypes", None)  # one per column of a frame, or one alone
    columns = list(cast(Any, dtypes)) if hasattr(dtypes, "__iter__") else [dtypes]
    return all(getattr(dtype, "kind", "O") in "iuf" for dtype in columns)


def _to_float(a: NDArray[Any], name: str) -> Matrix:
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
    return _converted(np.atleast_1d(a), target).reshape(a.shape)


# --- distributions ---------------------------------------------------------------------


def mask(value: object, name: str, batch_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a boolean mask broadcast to a batch shape."""
    a = plain_array(value, name)
    if a.dtype != np.bool_:
        raise TypeError(f"{name} must be a boolean mask; got dtype {a.dtype}")
    try:
        return np.broadcast_to(a, batch_shape)
    except ValueError:
        raise ValueError(
            f"{name} must broadcast to the batch shape {batch_shape}; got shape {a.shape}"
        ) from None


def points(value: object, name: str, batch_shape: tuple[int, ...], dim: int) -> Matrix:
    """Return finite points of `dim` features whose leading axes fit a batch shape."""
    a = array(value, name)
    if a.ndim == 0 or a.shape[-1] != dim:
        raise ValueError(f"{name} must have shape (..., {dim}); got shape {a.shape}")
    broadcast_batches({name: a.shape[:-1], "the distribution": batch_shape})
    if not np.isfinite(a).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    return a


def broadcast_batches(shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the broadcast of named batch shapes."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(
            f"the batch shapes of {' and '.join(shapes)} must broadcast; "
            f"got {' and '.join(map(str, shapes.values()))}"
        ) from None


# --- options ---------------------------------------------------------------------------


def choice(value: object, accepted: tuple[str, ...], name: str) -> str:
    """Return `value` if it is one of the accepted words."""
    if isinstance(value, str) and value in accepted:
        return value
    raise ValueError(f"{name} must be one of {', '.join(map(repr, accepted))}; got {value!r}")


def flag(value: object, name: str) -> bool:
    """Return `value` if it is True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} must be True or False; got {value!r}")


def integer(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return `value` as an int within [least, most]."""
    wanted = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"
    try:
        number = operator.index(cast(Any, value))
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {wanted}; got {value!r}")
    if number < least or (most is not None and number > most):
        shown = f"{number}" if number.bit_length() <= 64 else f"one of {number.bit_length()} bits"
        raise ValueError(f"{name} must be {wanted}; got {shown}")
    return number


def plain_array(value: object, name: str) -> NDArray[Any]:
    """Return a number or a list of numbers as an array of any dtype."""
    if is_differentiated(value):
        raise TypeError(
            f"{name} must be made of concrete numbers: it is a constant, by which nothing is "
            f"differentiated; got {type(value).__name__}"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must not be ragged; got {value!r}") from error
    except (TypeError, RuntimeError) as error:  # for example a list of tensors with gradients
        kind = type(value).__name__
        raise TypeError(f"{name} must be made of concrete numbers; got {kind}: {error}") from error


def is_plain_number(value: object) -> TypeGuard[float]:
    """Tell whether this needs no NumPy to be looked at, whose arrays torch.compile cannot trace."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def real(value: object, name: str) -> float:
    """Return a finite real number as a float."""
    if is_plain_number(value):
        number = float(value)
    else:
        a = plain_array(value, name)
        if a.ndim != 0 or a.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be a real number; got {value!r}")
        number = float(a)
    if number - number != 0:  # not math.isfinite, which torch.compile cannot trace
        raise ValueError(f"{name} must be finite; got {value!r}")
    return number


def positive(value: object, name: str) -> float:
    """Return a finite real number > 0 as a float."""
    number = real(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be > 0; got {value!r}")
    return number


def thread_count(value: object, name: str = "n_threads") -> int:
    """Return a number of threads."""
    return integer(value, name, 1, MAX_THREADS)


def threads(n_threads: object) -> int:
    """Return the backends' form of `n_threads`: 0 stands for the default."""
    return 0 if n_threads is None else thread_count(n_threads)


def generator(rng: object) -> np.random.Generator:
    """Return the generator that `rng` stands for."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    try:
        return np.random.default_rng(integer(rng, "rng", 0))
    except TypeError:
        raise TypeError(
            "rng must be None, an integer >= 0 or a numpy.random.Generator; "
            f"got {type(rng).__name__}"
        ) from None


def orderings(
    permutations: object, n_resamples: object, n_rows: int, rows: str = "n + m"
) -> tuple[NDArray[np.integer[Any]] | None, int]:
    """Return the caller's (B, n_rows) orderings, if any, and B; `rows` is what n_rows is called."""
    n = integer(n_resamples, "n_resamples", 1, MAX_RESAMPLES)
    if permutations is None:
        return None, n
    try:
        a = np.asarray(permutations)
    except ValueError as error:
        raise ValueError(f"permutations must be a (B, {rows}) integer array: {error}") from error
    if a.dtype.kind not in "iu":
        raise TypeError(f"permutations must hold integers; got dtype {a.dtype}")
    if a.ndim != 2 or len(a) == 0 or a.shape[1] != n_rows:
        raise ValueError(
            f"permutations must have shape (B, {rows}) = (B, {n_rows}) with B >= 1; "
            f"got shape {a.shape}"
        )
    identity = np.arange(n_rows)
    for index, row in enumerate(a):
        if not np.array_equal(np.sort(row), identity):
            raise ValueError(
                f"permutations: row {index} is not an ordering of 0, 1, ..., {n_rows - 1}"
            )
    if n not in (DEFAULT_RESAMPLES, len(a)):
        raise ValueError(
            f"n_resamples must be left out or equal the {len(a)} rows of permutations; got {n}"
        )
    return a, len(a)

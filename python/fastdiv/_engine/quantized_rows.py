"""Hold samples as int8. `fastdiv.quantized` makes them and computes with them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv._docs import documented
from fastdiv._engine.blocks import copy_blockwise
from fastdiv._engine.results import ReadOnly

Index: TypeAlias = "slice | NDArray[Any]"


@documented
@dataclass(frozen=True, eq=False, repr=False)
class QuantizedRows(ReadOnly):
    """
    Sample of int8 values with a scale, and possibly a zero point, per row.

    Row i stands for x̂ᵢ = sᵢ (qᵢ − zᵢ). All samples of a call must be quantised, or none.

    These functions compare such rows: `mmd2`, `mmd_test`, `energy_distance`, `witness`,
    `median_distance`, `kid`, `cmmd`, `wae_mmd`, `wae_kernel`, `kernel_mean_matching`, `kl_knn`,
    `permanova`, `disco`, `dunn_index`, `silhouette_samples` and `silhouette_score`. These sum
    them: `fit_gaussian`, `cluster_dispersion`, `wcss`, `geometric_median`,
    `calinski_harabasz_score` and `davies_bouldin_score`. Others refuse them, such as
    `mmd2_and_grad` and `gap_statistic`. Pass ``rows.dequantize()`` to those.

    They take a quarter of the memory of float32, also during a call. Products are taken between
    integers. Kernels that need single features convert the rows of one tile at a time, which takes
    up to twice the time of float32. These are `Laplacian`, and `RBF` with a bandwidth per feature.
    Functions that sum rows convert a few at a time.

    Parameters
    ----------
    values : ndarray of int8, shape (n, d)
        q, which is not copied. The attributes are read-only views of what is given.
    scale : ndarray of float32, shape (n,)
        s, in the units of the data. Finite and at least 1.2e-38, the least normal number of
        float32.
    zero_point : ndarray of int8 or int32, shape (n,), optional
        z, from −128 to 127. 0 by default.

    Attributes
    ----------
    columns : tuple or None
        Names of the features, if `quantize_rows` read them from a frame. Features are matched by
        them. An index of pandas is kept too: labels, weights and pairs are matched by its keys.

    {Raises: invalid}

    See Also
    --------
    quantize_rows : Make them from floating-point rows.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import QuantizedRows, median_distance
    >>> rows = QuantizedRows(np.int8([[0, 3], [4, 0]]), np.float32([2.0, 2.0]))
    >>> rows
    QuantizedRows(shape=(2, 2), symmetric=True)
    >>> rows.dequantize().tolist()
    [[0.0, 6.0], [8.0, 0.0]]
    >>> median_distance(rows)
    10.0
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int8] | None = None
    columns: tuple[Hashable, ...] | None = field(default=None, init=False)
    _index: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        values = _viewed(self.values, "values")
        if values.dtype != np.int8:
            raise TypeError(
                f"values must have dtype int8; got {values.dtype}: "
                "fastdiv.quantize_rows(x) makes them from floating-point rows"
            )
        if values.ndim != 2 or values.size == 0:
            raise ValueError(
                f"values must have shape (n, d) with n, d >= 1; got shape {values.shape}"
            )
        scale = _per_row(self.scale, "scale", ("float32",), len(values))
        if not (np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny)).all():
            raise ValueError("scale must be finite and >= 1.2e-38 in every row")
        zero = None
        if self.zero_point is not None:
            zero = _per_row(self.zero_point, "zero_point", ("int8", "int32"), len(values))
            if (zero < -128).any() or (zero > 127).any():
                raise ValueError(
                    f"zero_point must be from -128 to 127; got {zero.min()} to {zero.max()}"
                )
            zero = zero.astype(np.int8, copy=False)
        self.__setstate__({"values": values, "scale": scale, "zero_point": zero})

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Index) -> QuantizedRows:
        """Return the rows of a slice, or of an array of indices or booleans."""
        if not isinstance(index, (slice, np.ndarray)):
            raise TypeError(f"rows are selected by a slice or an array; got {type(index).__name__}")
        zero = None if self.zero_point is None else self.zero_point[index]
        rows = QuantizedRows(self.values[index], self.scale[index], zero)
        return rows._named(self.columns, None if self._index is None else self._index[index])

    def _named(self, columns: tuple[Hashable, ...] | None, index: Any = None) -> QuantizedRows:
        """Set the names of the features and the keys of the rows of what was just made."""
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_index", index)
        return self

    def _in_order(self, order: NDArray[np.intp]) -> QuantizedRows:
        """Return the rows with their features in another order."""
        columns = None if self.columns is None else tuple(self.columns[i] for i in order)
        rows = QuantizedRows(self.values[:, order], self.scale, self.zero_point)
        return rows._named(columns, self._index)

    def __iter__(self) -> NoReturn:
        raise TypeError("QuantizedRows are not iterable; go over the rows of .dequantize()")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("QuantizedRows are no array; pass .dequantize()")

    def __repr__(self) -> str:
        return f"QuantizedRows(shape={self.shape}, symmetric={self.zero_point is None})"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features, (n, d)."""
        n, d = self.values.shape
        return n, d

    def dequantize(self, dtype: Any = np.float32) -> NDArray[Any]:
        """
        Return the rows as floating-point numbers.

        Parameters
        ----------
        dtype : numpy.float32 or numpy.float64, default numpy.float32
            Type of the result, which is exact in float64.

        Returns
        -------
        ndarray, shape (n, d)
            s (q − z).

        Raises
        ------
        TypeError
            If `dtype` is neither of the two.

        Examples
        --------
        >>> import fastdiv
        >>> fastdiv.quantize_rows([[1.0, -127.0]]).dequantize().tolist()
        [[1.0, -127.0]]
        """
        rows = self.values.astype(_float_dtype(dtype))
        if self.zero_point is not None:
            rows -= self.zero_point[:, None]
        rows *= self.scale[:, None]
        return rows


def _float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64 as the dtype that it is."""
    try:
        given: np.dtype[Any] | None = np.dtype(dtype)
    except TypeError:
        given = None
    if given is None or given not in (np.float32, np.float64):
        kind = type(dtype).__name__ if given is None else given
        raise TypeError(f"dtype must be numpy.float32 or numpy.float64; got {kind}")
    return given


def in_float64(rows: NDArray[Any] | QuantizedRows) -> NDArray[np.float64]:
    """Return the rows in float64, exactly. Pass a few rows of a large sample at a time."""
    if isinstance(rows, QuantizedRows):
        return rows.dequantize(np.float64)
    if rows.dtype == np.float64:
        return rows
    wide = np.empty_like(rows, np.float64)
    copy_blockwise(rows, wide)
    return wide


def feature(rows: NDArray[Any] | QuantizedRows, k: int) -> NDArray[Any]:
    """Return column k, dequantised exactly where the rows are quantised."""
    if isinstance(rows, QuantizedRows):
        return replace(rows, values=rows.values[:, k : k + 1]).dequantize(np.float64)[:, 0]
    return rows[:, k]


def _viewed(value: Any, name: str) -> NDArray[Any]:
    """View an argument as an array, or say why it cannot be."""
    try:
        return np.asarray(value)
    except Exception as error:  # of NumPy about ragged lists, or of a tensor that requires grad
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{name} must be an array; got {type(value).__name__}: {error}") from error


def _per_row(value: Any, name: str, dtypes: tuple[str, ...], n: int) -> NDArray[Any]:
    """Return one number per row, of one of these dtypes."""
    a = _viewed(value, name)
    if a.dtype.name not in dtypes:
        raise TypeError(f"{name} must have dtype {' or '.join(dtypes)}; got {a.dtype}")
    if a.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one per row; got shape {a.shape}")
    return np.ascontiguousarray(a)

"""Rows quantised to int8, and products with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Values

_BLOCK = 1 << 16
"""Values converted at a time."""

_FLOAT32 = np.finfo(np.float32)


def quantize_rows(x: object, *, symmetric: bool = True) -> QuantizedRows:
    """
    Quantise every row of a sample to int8.

    Symmetric: q = x/s, rounded half away from zero and clamped to ±127, with s = max|x|/127 of
    the row. Asymmetric: q = x/s + z, rounded and clamped to −128 … 127, where the range of the row,
    extended to hold 0, is divided into 255 steps s, and z stands for 0; this is finer where a
    row's values lie mostly on one side of 0. A row of zeros has s = 1. No value moves by more
    than s/2. Beyond the result a few hundred KiB are used.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Sample; trailing axes are flattened to d features.
    symmetric : bool, default True
        Whether to do without zero points.

    Returns
    -------
    QuantizedRows
        Values (n, d), float32 scales (n,) in the units of x and, unless symmetric, zero points
        (n,).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, x holds NaN or infinite values, or values too large
        for a float32 scale.

    References
    ----------
    B. Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR (2018), equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import quantize_rows
    >>> rows = quantize_rows([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
    >>> rows.values.tolist()
    [[64, -127, 32], [0, 0, 0]]
    >>> rows.scale.tolist() == [float(np.float32(2 / 127)), 1.0]
    True
    >>> skewed = quantize_rows([[0.0, 10.0, 25.5]], symmetric=False)
    >>> skewed.values.tolist(), skewed.zero_point.tolist()
    ([[-128, -28, 127]], [-128])
    """
    a = _inputs.finite(_inputs.matrix(x, "x"), "x", advice="clean the data first")
    if not isinstance(symmetric, (bool, np.bool_)):
        raise TypeError(f"symmetric must be True or False; got {symmetric!r}")
    return _symmetric(a) if symmetric else _asymmetric(a)


def _symmetric(a: Matrix) -> QuantizedRows:
    values, scale = np.empty(a.shape, np.int8), np.empty(len(a), np.float32)
    for rows, block in _blocks(a):
        scale[rows] = _scales(np.abs(block).max(axis=1), 127)
        block /= scale[rows, None]
        values[rows] = np.clip(_half_away(block), -127, 127)
    return QuantizedRows(values, scale)


def _asymmetric(a: Matrix) -> QuantizedRows:
    values, scale = np.empty(a.shape, np.int8), np.empty(len(a), np.float32)
    zero = np.empty(len(a), np.int8)
    for rows, block in _blocks(a):
        low, high = np.minimum(block.min(axis=1), 0.0), np.maximum(block.max(axis=1), 0.0)
        with np.errstate(over="ignore"):
            reach = high - low
        scale[rows] = _scales(reach, 255)
        # 255 steps have to hold the range, or its end would move by more than half a step.
        short = scale[rows] * 255.0 < reach
        scale[rows] = np.where(short, np.nextafter(scale[rows], np.float32(np.inf)), scale[rows])
        zero_point = _half_away(-low / scale[rows]) - 128
        zero[rows] = zero_point
        block /= scale[rows, None]
        values[rows] = np.clip(_half_away(block) + zero_point[:, None], -128, 127)
    return QuantizedRows(values, scale, zero)


def _blocks(a: Matrix) -> Iterator[tuple[slice, Values]]:
    """Yield rows as float64 copies, a few at a time."""
    step = max(1, _BLOCK // a.shape[1])
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        yield rows, a[rows].astype(np.float64)


def _scales(reach: Values, steps: int) -> NDArray[np.float32]:
    scale = np.where(reach > 0, np.maximum(reach / steps, _FLOAT32.tiny), 1.0)
    if (scale > 0.999 * _FLOAT32.max).any():
        raise ValueError("x holds values too large for a float32 scale; scale the data")
    return scale.astype(np.float32)


def _half_away(a: Values) -> Values:
    size = np.abs(a)
    whole = np.floor(size)
    return np.asarray(np.copysign(whole + (size - whole >= 0.5), a))


@dataclass(frozen=True, eq=False)
class QuantizedEstimate:
    """
    A statistic of quantised samples, and how far quantisation may have moved it.

    Attributes
    ----------
    value : float, or ndarray of float64
        The statistic of the rows as quantised. Where it is one number, ``float(estimate)`` is this
        number, to compare or to compute with, and ``f"{estimate:.3f}"`` prints it.
    bound : float, or ndarray of float64
        The statistic of the rows before quantisation is within this of the value, provided that
        no entry of a row was moved by more than half its scale, as `quantize_rows` promises.
        Rounding in the computation itself is not part of it. Infinite for a `Callback`.

    Examples
    --------
    >>> from fastdiv import RBF, QuantizedEstimate, mmd2, quantize_rows
    >>> x, y = [[0.0, 0.1], [1.0, 0.2]], [[2.0, 1.1], [3.0, 1.0]]
    >>> estimate = mmd2(quantize_rows(x), quantize_rows(y), RBF(1.0))
    >>> isinstance(estimate, QuantizedEstimate)
    True
    >>> abs(mmd2(x, y, RBF(1.0)) - float(estimate)) <= estimate.bound
    True
    >>> f"{estimate:.2f}"
    '0.91'
    """

    value: float | Values
    bound: float | Values

    def __float__(self) -> float:
        if np.ndim(self.value) > 0:
            raise TypeError(
                f"the estimate holds {np.size(self.value)} values, one per kernel; take one of "
                "its .value"
            )
        return float(self.value)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)


class HybridProduct(NamedTuple):
    """
    A product computed in integers, and how far off it may be.

    Attributes
    ----------
    values : ndarray of float32, shape (n, m)
        The product.
    bound : ndarray of float32, shape (n, m)
        Each value is within its bound of the exact product.

    Examples
    --------
    >>> from fastdiv import HybridProduct, hybrid_matmul, quantize_rows
    >>> isinstance(hybrid_matmul([[1.0]], quantize_rows([[2.0]])), HybridProduct)
    True
    """

    values: NDArray[np.float32]
    bound: NDArray[np.float32]


def hybrid_matmul(x: object, weights: object, *, n_threads: int | None = None) -> HybridProduct:
    """
    Multiply floating-point rows by quantised weights, x Wᵀ, in integer arithmetic.

    The rows of x are quantised on the fly, symmetrically; the entry of row i of x and row j of W
    is sᵢ tⱼ (qᵢ · pⱼ), an exact integer product rescaled to float32 by the scales s of x and t
    of W: no scale of the output is needed.

    Every entry comes with a certified bound of its distance to the product of x with the weights
    *before* their quantisation, provided that this moved none of them by more than t/2
    (`quantize_rows` does not). With K features and the quantised rows x̂ = s q and ŵ = t p,

        |x·w − x̂·ŵ| ≤ (s/2) ‖ŵ‖₁ + (t/2) ‖x̂‖₁ + K s t / 4,

    because x = x̂ + e and w = ŵ + f with |e| ≤ s/2 and |f| ≤ t/2, so the difference is
    e·ŵ + x̂·f + e·f. The bound covers the rounding of the result to float32 too.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Activations; trailing axes are flattened to K features.
    weights : QuantizedRows, shape (m, K)
        W, one row per output, with or without zero points.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.

    Returns
    -------
    HybridProduct
        values and bound, float32 of shape (n, m), in the units of x times those of W.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    OverflowError
        If a value or its bound is too large for float32.

    References
    ----------
    R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference: a
    whitepaper", arXiv:1806.08342 (2018), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import hybrid_matmul, quantize_rows
    >>> x = np.array([[1.0, 2.0], [-1.0, 0.5]])
    >>> w = np.array([[0.5, -1.0], [2.0, 2.0], [0.0, 1.0]])
    >>> values, bound = hybrid_matmul(x, quantize_rows(w))
    >>> values.shape
    (2, 3)
    >>> bool((np.abs(x @ w.T - values) <= bound).all())
    True
    """
    if not isinstance(weights, QuantizedRows):
        raise TypeError(
            f"weights must be QuantizedRows; got {type(weights).__name__}: "
            "pass fastdiv.quantize_rows(weights)"
        )
    a = _inputs.matrix(x, "x")
    if a.shape[1] != weights.shape[1]:
        raise ValueError(
            "x and weights must have the same number of features; "
            f"got {a.shape[1]} and {weights.shape[1]}"
        )
    rows = quantize_rows(a)
    threads = _inputs.threads(n_threads)
    with np.errstate(over="ignore"):
        values = backend.current().quantized_products(rows, weights, threads)
        bound = _product_bound(rows, weights, values)
    if not np.isfinite(bound).all():
        raise OverflowError("a product is too large for float32; scale x or the weights")
    return HybridProduct(values, bound)


def _product_bound(
    x: QuantizedRows, weights: QuantizedRows, values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """
    Bound the error of each product, from above also in its last bit.

    In integers: (s/2) t‖p‖₁ + (t/2) s‖q‖₁ + K s t / 4 = s t (‖p‖₁ + ‖q‖₁ + K/2) / 2. The
    quotients x/s are rounded before they become integers and the scale of a row to float32, so
    |e| may exceed s/2 by some ε s of float64; rounding the value to float32 moves it by ε/2 of
    float32, or by half the least number where it is subnormal.
    """
    s, t = (0.5 * (1 + 1e-9)) * x.scale.astype(np.float64), weights.scale.astype(np.float64)
    left = np.column_stack((s * (absolute_sums(x) + 0.5 * x.shape[1]), s))
    right = np.stack((t, t * absolute_sums(weights)))
    bound = np.empty(values.shape, np.float32)
    step = max(1, _BLOCK // len(weights))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        error = left[rows] @ right
        error += np.abs(values[rows]) * (_FLOAT32.eps / 2)
        error += float(_FLOAT32.smallest_subnormal)
        bound[rows] = np.nextafter(error.astype(np.float32), np.float32(np.inf))
    return bound


def absolute_sums(x: QuantizedRows) -> Values:
    """
    Sum |q − z| over each row.

    Parameters
    ----------
    x : QuantizedRows, shape (n, d)
        Sample.

    Returns
    -------
    ndarray of float64, shape (n,)
        Exact integers.
    """
    return np.concatenate([np.abs(block).sum(axis=1) for block in _steps(x)])


def norms(x: QuantizedRows) -> Values:
    """
    Compute the Euclidean norm of each row.

    Parameters
    ----------
    x : QuantizedRows, shape (n, d)
        Sample.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the units of the data.
    """
    squares = np.concatenate([np.square(block).sum(axis=1) for block in _steps(x)])
    return np.asarray(x.scale * np.sqrt(squares))


def _steps(x: QuantizedRows) -> Iterator[Values]:
    """Yield q − z of a few rows at a time."""
    step = max(1, _BLOCK // x.shape[1])
    for start in range(0, len(x), step):
        block = x.values[start : start + step].astype(np.float64)
        if x.zero_point is not None:
            block -= x.zero_point[start : start + step, None]
        yield block

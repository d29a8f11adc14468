"""Multiply rows by quantised weights, in integers."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import CACHED, row_blocks
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.results import equal, hashable, read_only
from fastdiv.quantized.norms import absolute_sums
from fastdiv.quantized.quantize import quantized

_FLOAT32 = np.finfo(np.float32)


class _Fields(NamedTuple):
    values: NDArray[np.float32]
    bound: NDArray[np.float32]


class HybridProduct(_Fields):
    """
    A product computed in integers, and a bound of its error.

    Attributes
    ----------
    values : ndarray of float32, shape (n, m)
        The product. Both arrays are read-only.
    bound : ndarray of float32, shape (n, m)
        Each value is within its bound of the exact product.

    Examples
    --------
    >>> from fastdiv import HybridProduct, hybrid_matmul, quantize_rows
    >>> isinstance(hybrid_matmul([[1.0]], quantize_rows([[2.0]])), HybridProduct)
    True
    """

    __slots__ = ()

    def __new__(cls, values: NDArray[np.float32], bound: NDArray[np.float32]) -> Self:
        """Take views that cannot be written to."""
        return super().__new__(cls, read_only(values), read_only(bound))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HybridProduct) and all(map(equal, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(map(hashable, self)))


@documented
def hybrid_matmul(x: object, weights: object, *, n_threads: int | None = None) -> HybridProduct:
    """
    Multiply floating-point rows by quantised weights, x Wᵀ, in integer arithmetic.

    The rows of x are quantised on the fly, symmetrically. The entry of row i of x and row j of W is
    sᵢ tⱼ (qᵢ · pⱼ), an exact integer product. The scales s of x and t of W rescale it to float32.

    The bound of an entry is the largest distance to the product of x with the weights *before*
    quantisation. It holds if quantisation moved no weight by more than t/2, as `quantize_rows`
    promises. With K features and the quantised rows x̂ = s q and ŵ = t p,

        |x·w − x̂·ŵ| ≤ (s/2) ‖ŵ‖₁ + (t/2) ‖x̂‖₁ + K s t / 4.

    The reason is that x = x̂ + e and w = ŵ + f with |e| ≤ s/2 and |f| ≤ t/2, so the difference is
    e·ŵ + x̂·f + e·f. The bound also covers the rounding of the result to float32.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Activations. Trailing axes are flattened to K features.
    weights : QuantizedRows, shape (m, K)
        W, one row per output, with or without zero points. Features of frames go by name.
    {n_threads}

    Returns
    -------
    HybridProduct
        values and bound, float32 of shape (n, m), in the units of x times those of W.

    {Raises: invalid}
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
    x = _inputs.from_arrow(x, "x")  # once, as a reader of Arrow has its rows only once
    a = _inputs.finite(_inputs.matrix(x, "x"), "x", advice="clean the data first")
    if a.shape[1] != weights.shape[1]:
        raise ValueError(
            "x and weights must have the same number of features; "
            f"got {a.shape[1]} and {weights.shape[1]}"
        )
    order = _inputs.column_orders({"x": x, "weights": weights}).get("weights")
    if order is not None:
        weights = weights._in_order(order)
    rows = quantized(a, symmetric=True)  # tiny ones too: the bound tells what they lose
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
    """Bound the error of each product, from above also in its last bit."""
    # In integers the bound is (s/2) t‖p‖₁ + (t/2) s‖q‖₁ + K s t / 4 = s t (‖p‖₁ + ‖q‖₁ + K/2) / 2.
    # The quotients x/s and the scales are rounded too, so |e| may exceed s/2 by ε s of float64.
    # Rounding the value to float32 moves it by ε/2 of float32, or half the least subnormal number.
    s, t = (0.5 * (1 + 1e-9)) * x.scale.astype(np.float64), weights.scale.astype(np.float64)
    left = np.column_stack((s * (absolute_sums(x) + 0.5 * x.shape[1]), s))
    right = np.stack((t, t * absolute_sums(weights)))
    bound = np.empty(values.shape, np.float32)
    for rows in row_blocks(len(x), len(weights), CACHED):
        error = left[rows] @ right
        error += np.abs(values[rows]) * (_FLOAT32.eps / 2)
        error += float(_FLOAT32.smallest_subnormal)
        bound[rows] = np.nextafter(error.astype(np.float32), np.float32(np.inf))
    return bound

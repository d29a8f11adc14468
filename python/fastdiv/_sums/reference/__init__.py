"""
The definition of every reduction, in plain NumPy.

Short and dense, O(n²) memory, float64 throughout. The compiled core has the same
functions with the same signatures and is tested against this module.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Codes, KernelGroup, Matrix, Progress, Sample, Values
from fastdiv.kernels import FORMULAS, SLOPES

_n_threads = 1


def pair_sums(
    x: Sample,
    y: Sample,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum every kernel within x, within y and between them.

    Parameters
    ----------
    x, y : ndarray or QuantizedRows, shapes (n, d) and (m, d)
        Samples of one dtype, float32 or float64, or both quantised; so everywhere below.
    kernels : list of (base, scale, terms)
        Kernels grouped by what they read; see `fastdiv.kernels`.
    n_outputs : int
        Rows of the result.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (n_outputs, 3)
        Sums over ordered pairs i != j of x, over i != j of y, and over all pairs of x and y.
    """
    x, y = _exact(x), _exact(y)
    sums = [
        _off_diagonal(_kernel_matrix(x, x, kernels, n_outputs)).sum(axis=(1, 2)),
        _off_diagonal(_kernel_matrix(y, y, kernels, n_outputs)).sum(axis=(1, 2)),
        _kernel_matrix(x, y, kernels, n_outputs).sum(axis=(1, 2)),
    ]
    _report(progress)
    return np.stack(sums, axis=-1)


def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute the three sums of `pair_sums` for many ways to split the pooled rows.

    Kernel values are rounded to a power of two so fine that all sums are exact in int64:
    splittings that see equal kernel values give equal bits, whatever the order. Kernel
    values that overflow give NaN.

    Parameters
    ----------
    z : ndarray, shape (N, d)
        Pooled rows.
    labels : ndarray of uint8, shape (B, N)
        1 where the row belongs to the x group, 0 where it belongs to y.
    kernels, n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, B, 3)
        Within x, within y and between them, per splitting.
    """
    z = _exact(z)
    members = labels.astype(np.int64)
    result = np.empty((n_outputs, len(labels), 3))
    for k, out in zip(_off_diagonal(_kernel_matrix(z, z, kernels, n_outputs)), result, strict=True):
        peak = np.abs(k).max()
        if not np.isfinite(peak):
            out[:] = np.nan
            continue
        exponent = int(np.frexp(peak)[1]) + 2 * len(z).bit_length() - 62
        whole = np.rint(np.ldexp(k, -exponent)).astype(np.int64)
        q = ((members @ whole) * members).sum(axis=1)
        s = members @ whole.sum(axis=1)
        out[:] = np.ldexp(np.stack([q, whole.sum() - 2 * s + q, s - q], axis=1), exponent)
    _report(progress)
    return result


def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum every kernel over the rows of x, seen from each row of `at`.

    Parameters
    ----------
    at, x : ndarray, shapes (n_at, d) and (n, d)
        Points of view, and sample.
    weights : ndarray of float64, shape (n,), or None
        Of the rows of x; None stands for 1.
    kernels, n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, n_at)
        Sum over j of w_j k(at_i, x_j).
    """
    k = _kernel_matrix(_exact(at), _exact(x), kernels, n_outputs)
    sums: Values = k.sum(axis=2) if weights is None else k @ weights
    _report(progress)
    return sums


def label_sums(
    x: Sample,
    weights: Values | None,
    sizes: NDArray[np.int64],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum every kernel over the other rows of each label, seen from each row.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Sample, its rows in the order of their labels.
    weights : ndarray of float64, shape (n,), or None
        Of the rows: from 0 to about 1; None stands for 1.
    sizes : ndarray of int64, shape (k,)
        Rows with label 0, 1, ...; their sum is n.
    kernels : list of (base, scale, terms)
        Kernels of a distance, as in `pair_sums`.
    n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, k, n)
        Sum over the rows j != i with each label of w_j k(x_i, x_j).
    """
    if any(base == "dot" for base, _, _ in kernels):
        raise ValueError("sums by label take kernels of a distance")
    w = np.ones(len(x)) if weights is None else weights
    of_label = _sorted_labels(x, sizes) == np.arange(len(sizes))[:, None]
    rows = _exact(x)
    sums: Values = (of_label * w) @ _off_diagonal(_kernel_matrix(rows, rows, kernels, n_outputs))
    _report(progress)
    return sums


def label_extremes(
    x: Sample,
    metric: str,
    sizes: NDArray[np.int64],
    n_threads: int,
    progress: Progress | None,
) -> tuple[float, float]:
    """
    Find the largest distance within labels, and the smallest between them.

    Parameters
    ----------
    x, sizes, n_threads, progress
        As in `label_sums`.
    metric : {"euclidean", "cityblock"}
        L2 or L1.

    Returns
    -------
    within, between : float
        0 and infinity where there is no such pair.
    """
    labels, rows = _sorted_labels(x, sizes), _exact(x)
    values = base_values("sqdist" if metric == "euclidean" else "l1", rows[:, None], rows[None])
    distances = np.sqrt(values) if metric == "euclidean" else values
    same = labels[:, None] == labels
    _report(progress)
    return (
        float(distances[same].max(initial=0.0)),
        float(distances[~same].min(initial=np.inf)),
    )


def weighted_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    factors: Values,
    scales: Values | None,
    row_sums: bool,
    x_gradient: bool,
    y_gradient: bool,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """
    Sum every kernel over weighted pairs; find the gradient of a combination of the sums.

    Both samples are stacks of b items, computed each by itself.

    Parameters
    ----------
    x, y : ndarray, shapes (b n, d) and (b m, d)
        Samples of one dtype, float32 or float64, item after item; or, for b = 1, quantised rows,
        without gradients.
    x_weights, y_weights : ndarray of float64, shapes (b n,) and (b m,)
        Of the rows: from 0 to about 1.
    factors : ndarray of float64, shape (b, 3)
        The gradients are those of factors @ (xx, yy, xy).
    scales : ndarray of float64, shape (b,), optional
        What the rows of every item are multiplied by in the kernels.
    row_sums, x_gradient, y_gradient : bool
        What is wanted beside the sums; the rest comes back with no rows.
    kernels, n_outputs, n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    sums : ndarray of float64, shape (b, n_outputs, 3)
        xx = sum over i != j of w_i w_j k(x_i, x_j), yy alike, xy over all pairs of x and y.
    x_sums, y_sums : ndarrays of float64, shapes (2, b, n_outputs, n) and (2, b, n_outputs, m)
        At each row, the weighted sums over the other rows of its sample and over the other
        sample.
    x_gradients, y_gradients : ndarrays, shapes (b, n_outputs, n, d) and (b, n_outputs, m, d)
        By the rows of x and of y, in their dtype.
    """
    x, y = _exact(x), _exact(y)
    _report(progress)
    wanted = (row_sums, x_gradient, y_gradient)
    stacks = (a.reshape(len(factors), -1, *a.shape[1:]) for a in (x, y, x_weights, y_weights))
    d = x.shape[1]
    results = [
        _weighted_sums((a, b), (u, v), three, wanted, _scaled(kernels, scale, d), n_outputs)
        for a, b, u, v, three, scale in zip(
            *stacks, factors, np.ones(len(factors)) if scales is None else scales, strict=True
        )
    ]
    sums, x_sums, y_sums, by_x, by_y = zip(*results, strict=True)
    of_rows = np.stack(x_sums, axis=1), np.stack(y_sums, axis=1)
    return np.stack(sums), *of_rows, np.stack(by_x), np.stack(by_y)


def log_slope_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum `kernel_log_slopes` over weighted pairs.

    Parameters
    ----------
    x, y, x_weights, y_weights, kernels, n_outputs, n_threads, progress
        As in `weighted_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, 3)
        Over the pairs of x, of y and between them, as the first result of `weighted_sums`.
    """
    x, y = _exact(x), _exact(y)
    _report(progress)

    def total(a: Matrix, b: Matrix, a_weights: Values, b_weights: Values) -> Values:
        slopes = kernel_log_slopes(a[:, None], b[None], kernels, n_outputs)
        if a is b:
            _off_diagonal(slopes)
        of_pairs: Values = slopes @ b_weights @ a_weights
        return of_pairs

    (u, v) = (x_weights, y_weights)
    return np.stack([total(x, x, u, u), total(y, y, v, v), total(x, y, u, v)], axis=-1)


def paired_values(
    x: Sample, y: Sample, kernels: Sequence[KernelGroup], n_outputs: int, n_threads: int
) -> Values:
    """
    Evaluate every kernel at matching rows.

    Parameters
    ----------
    x, y : ndarray, shape (n, d)
        Row i of x goes with row i of y.
    kernels, n_outputs, n_threads
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, n)
        k(x_i, y_i).
    """
    return kernel_values(_exact(x), _exact(y), kernels, n_outputs)


def ranked_distances(
    x: Sample,
    y: Sample | None,
    items: int,
    metric: str,
    rank: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Find the distance of a rank among those between two samples, or within one, for every item.

    Parameters
    ----------
    x, y : ndarray, shapes (items n, d) and (items m, d); y may be None
        Samples, item after item. Without y, the pairs are the rows i < j of x.
    items : int
        1 for quantised rows.
    metric : {"euclidean", "cityblock"}
        L2 or L1.
    rank : int
        From 0, in ascending order.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (items,)
        The distances.
    """
    if items < 1 or any(len(a) % items for a in (x, y) if a is not None):
        raise ValueError("a stack needs equally many rows in each item")
    x = _exact(x)
    of_x = x.reshape(items, -1, x.shape[1])
    of_y = [None] * items if y is None else _exact(y).reshape(items, -1, x.shape[1])
    _report(progress)
    found = []
    for a, b in zip(of_x, of_y, strict=True):
        values = _distances(a, b, metric)
        if rank >= values.size:
            raise ValueError("a ranked distance needs a metric and a pair of that rank")
        found.append(np.partition(values, rank)[rank])
    return np.array(found)


def median_distances(
    x: Sample,
    sizes: NDArray[np.int64],
    metric: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute the median distance between rows of distinct index, for every item.

    Parameters
    ----------
    x : ndarray, shape (N, d)
        The rows of all items, one item after the other.
    sizes : ndarray of int64, shape (b,)
        How many rows each item has: at least two. One item for quantised rows.
    metric : {"euclidean", "cityblock"}
        L2 or L1.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (b,)
        Medians of n(n-1)/2 values; the mean of the middle two if their number is even.
    """
    if sizes.sum() != len(x):
        raise ValueError("the sizes of a stack must add up to its rows")
    _report(progress)
    items = np.split(_exact(x), np.cumsum(sizes)[:-1])
    return np.array([np.median(_distances(item, None, metric)) for item in items])


def kth_distances(
    at: Sample, x: Sample, k: int, exclude_self: bool, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute the distances to the k-th nearest neighbours.

    Parameters
    ----------
    at, x : ndarray, shapes (n_at, d) and (n, d)
        Points of view, and sample.
    k : int
        From 1 to 64, and no more than there are neighbours.
    exclude_self : bool
        `at` is x, and row i is no neighbour of itself.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_at,)
        Euclidean distance from row i of `at` to the k-th nearest row of x.
    """
    squares = base_values("sqdist", _exact(at)[:, None], _exact(x)[None])
    if exclude_self:
        np.fill_diagonal(squares, np.inf)
    _report(progress)
    return np.asarray(np.sqrt(np.partition(squares, k - 1, axis=1)[:, k - 1]))


def quantized_products(x: QuantizedRows, w: QuantizedRows, n_threads: int) -> NDArray[np.float32]:
    """
    Multiply quantised rows with each other.

    Parameters
    ----------
    x, w : QuantizedRows, shapes (n, d) and (m, d)
        Rows.
    n_threads
        As in `pair_sums`.

    Returns
    -------
    ndarray of float32, shape (n, m)
        x_i · w_j, the exact value rounded to float64 and then to float32; infinite beyond its
        range.
    """
    integers = [
        rows.values - np.int64(0 if rows.zero_point is None else rows.zero_point[:, None])
        for rows in (x, w)
    ]
    scales = np.multiply.outer(x.scale.astype(np.float64), w.scale.astype(np.float64))
    with np.errstate(over="ignore"):
        return np.asarray(scales * (integers[0] @ integers[1].T), dtype=np.float32)


def first_nonfinite(x: Matrix) -> int:
    """
    Find the first NaN or infinity.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Any values.

    Returns
    -------
    int
        Index into the flattened array (row by row), or -1.
    """
    bad = ~np.isfinite(x)
    return int(bad.argmax()) if bad.any() else -1


def set_num_threads(n: int) -> None:
    """
    Remember a number of threads; the reference itself has one.

    Parameters
    ----------
    n : int
        At least 1.
    """
    global _n_threads
    _n_threads = n


def get_num_threads() -> int:
    """
    Return the remembered number of threads.

    Returns
    -------
    int
        At least 1.
    """
    return _n_threads


def config() -> dict[str, object]:
    """
    Describe the backend.

    Returns
    -------
    dict
        The keys of the compiled core's description.
    """
    return {
        "version": "reference",
        "isa": "numpy",
        "isa_available": ["numpy"],
        "n_threads": _n_threads,
        "openmp": "none",
        "compiler": f"{platform.python_implementation()} on {os.name}",
    }


def _exact(x: Sample) -> Matrix:
    return x.dequantize(np.float64) if isinstance(x, QuantizedRows) else x


def kernel_values(x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int) -> Values:
    """
    Evaluate every kernel at rows that broadcast against each other.

    Parameters
    ----------
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    kernels, n_outputs
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ...)
        Weighted sum of the terms of each output.
    """
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape[:-1], y.shape[:-1])))
    for base, scale, terms in kernels:
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * FORMULAS[name](values, *params)
    return result


def kernel_gradients(
    x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int
) -> Values:
    """
    Find the gradients of k(x, y) by x, at rows that broadcast against each other.

    Parameters
    ----------
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    kernels, n_outputs
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ..., d)
        Weighted sum of the terms of each output; 0 where rows coincide at a cusp.
    """
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape, y.shape)))
    for base, scale, terms in kernels:
        unit = np.float64(1.0) if scale is None else scale
        if base == "dot":
            of_base = np.broadcast_to(wide_y * unit**2, result.shape[1:])
        elif base == "l1":
            of_base = np.sign(wide_x - wide_y) * unit
        else:
            of_base = 2.0 * (wide_x - wide_y) * unit**2
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * SLOPES[name](values, *params)[..., None] * of_base
    return result


def kernel_log_slopes(
    x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int
) -> Values:
    """
    Compute t f'(t), where the kernel is f(t) of a squared or L1 distance or a dot product t.

    Parameters
    ----------
    x, y, kernels, n_outputs
        As in `kernel_gradients`.

    Returns
    -------
    ndarray of float64, shape (n_outputs, ...)
        Weighted sum of the terms of each output: what it changes by with log t.
    """
    result = np.zeros((n_outputs, *np.broadcast_shapes(x.shape[:-1], y.shape[:-1])))
    for base, scale, terms in kernels:
        values = base_values(base, x, y, scale)
        for name, params, weight, output in terms:
            result[output] += weight * values * SLOPES[name](values, *params)
    return result


def base_values(base: str, x: Matrix, y: Matrix, scale: Values | None = None) -> Values:
    """
    Compute what a kernel reads at rows that broadcast against each other.

    Parameters
    ----------
    base : {"sqdist", "l1", "dot"}
        Squared Euclidean distance, L1 distance or inner product.
    x, y : ndarray, shape (..., d)
        Rows; the leading axes broadcast.
    scale : ndarray, shape (d,), optional
        Factor > 0 per feature.

    Returns
    -------
    ndarray of float64, shape (...)
        One value per pair of rows.
    """
    combine = _BASES[base]
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    factor = np.ones(x.shape[-1]) if scale is None else scale
    total = np.zeros(np.broadcast_shapes(x.shape[:-1], y.shape[:-1]))
    for k, s in enumerate(factor):
        total += combine(x[..., k], y[..., k], s)
    return total


_BASES: dict[str, Callable[[Values, Values, float], Values]] = {
    "sqdist": lambda a, b, s: ((a - b) * s) ** 2,
    "l1": lambda a, b, s: np.abs((a - b) * s),
    "dot": lambda a, b, s: (a * s) * (b * s),
}


def gaussian_kl(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute Kullback-Leibler divergences between Gaussians.

    Parameters
    ----------
    p_mean, q_mean : ndarray, shape (..., d)
        Means of one dtype and one shape.
    p_name, q_name : str
        What the parameters are: an argument of `fastdiv.Gaussian`.
    p_parameter, q_parameter : ndarray, shape (..., d) or (..., d, d)
        Parameters of the same dtype and batch shape.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        With M = L_q⁻¹ L_p and z = L_q⁻¹ (mean_p − mean_q):
        ½ (Σᵢ (Mᵢᵢ² − 1 − 2 log Mᵢᵢ) + Σ_{i>j} Mᵢⱼ² + |z|²); NaN where a matrix is not positive
        definite.
    """
    l_p, l_q = _factors(p_name, p_parameter), _factors(q_name, q_parameter)
    m = np.tril(np.linalg.inv(l_q) @ l_p)
    z = np.linalg.inv(l_q) @ (p_mean.astype(np.float64) - q_mean)[..., None]
    log_det = np.log(np.diagonal(m, axis1=-2, axis2=-1)).sum(axis=-1)
    twice = (m**2).sum(axis=(-2, -1)) - m.shape[-1] - 2 * log_det + (z**2).sum(axis=(-2, -1))
    _report(progress)
    return np.asarray(twice / 2)


def diagonal_gradients(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    of_q: bool,
    n_threads: int,
) -> tuple[Values, Values, Values]:
    """
    Differentiate the divergences between diagonal Gaussians.

    Parameters
    ----------
    p_mean, p_name, p_parameter, q_mean, q_name, q_parameter, n_threads
        As in `gaussian_kl`, all of shape (..., d).
    of_q : bool
        Whether the last result is wanted; else it is empty.

    Returns
    -------
    ndarrays of float64, shape (..., d)
        By the means of p, by the parameters of p, and by those of q. With
        z = (mean_p − mean_q)/σ_q they are z/σ_q, (σ_p²/σ_q² − 1) d log σ_p/dp and
        −(σ_p²/σ_q² − 1 + z²) d log σ_q/dq.
    """
    log_p, log_q = _log_std(p_name, p_parameter), _log_std(q_name, q_parameter)
    inverse = np.exp(-log_q)
    z = (p_mean.astype(np.float64) - q_mean) * inverse
    ratio_less_1 = np.expm1(2 * (log_p - log_q))
    by_p = ratio_less_1 * _chain(p_name, log_p)
    by_q = -(ratio_less_1 + z * z) * _chain(q_name, log_q)
    return z * inverse, by_p, by_q if of_q else np.empty(0)


def _log_std(name: str, parameter: Matrix) -> Values:
    values = parameter.astype(np.float64)
    if name.startswith("log"):
        return values if name == "logstd" else values / 2
    return np.log(values) if name == "std" else np.log(values) / 2


def _chain(name: str, log_std: Values) -> Values:
    """Return d log σ / d parameter."""
    half = 0.5 if name.endswith("var") else 1.0
    return np.full_like(log_std, half) if name.startswith("log") else half * np.exp(-log_std / half)


def kl_from_products(
    a: Matrix,
    b: Matrix,
    a_offset: Values,
    b_offset: Values,
    tolerance: float,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Halve the products of all pairs of rows, plus their offsets.

    Parameters
    ----------
    a, b : ndarray of float64, shapes (n, k) and (m, k)
        Features.
    a_offset, b_offset : ndarray of float64, shapes (n,) and (m,)
        Added to the product of row i of a and row j of b.
    tolerance : float
        Relative error to keep.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (n, m)
        (aᵢ·bⱼ + offsets)/2; NaN where rounding may exceed the tolerance.
    """
    twice = a @ b.T + a_offset[:, None] + b_offset
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    terms = norms + np.abs(a_offset)[:, None] + np.abs(b_offset)
    _report(progress)
    error = np.finfo(np.float64).eps / tolerance * (4 + np.sqrt(a.shape[1]))
    return np.where(twice > error * terms, twice / 2, np.nan)


def cluster_sums(
    x: Sample,
    codes: Codes,
    weights: Values | None,
    centers: Values,
    offsets: Values | None,
    name: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum over the rows x of each cluster, seen from its centre c.

    Parameters
    ----------
    x : ndarray or QuantizedRows, shape (n, d)
        Rows, float32, float64 or int8.
    codes : ndarray of int32 or int64, shape (n,)
        Cluster of each row, from 0 to k − 1; negative where the row is left out.
    weights : ndarray of float64, shape (n,), or None
        Of the rows; None stands for 1.
    centers : ndarray of float64, shape (k, d)
        Centre of each cluster.
    offsets : ndarray of float64, shape (k, d), or None
        Added to the centres, without the rounding of their sum; None stands for 0.
    name : {"squares", "euclidean", "manhattan", "directions"}
        The distance D, or what is summed instead; "squares" has D = 0.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (k, 4 + d)
        Number of rows, Σ w, Σ w ‖x − c‖², Σ w D(x, c), and the vector Σ w (x − c). For
        "directions": number of rows x = c, Σ w/‖x − c‖ over the others, Σ w over those x = c,
        Σ w ‖x − c‖, and the vector Σ w (x − c)/‖x − c‖ over the others.
    """
    k = len(centers)
    kept = codes >= 0
    of = codes[kept]
    w = np.ones(len(of)) if weights is None else weights[kept]
    v = in_float64(x[kept]) - centers[of]
    if offsets is not None:
        v -= offsets[of]
    squares = (v**2).sum(axis=1)
    distances = np.abs(v).sum(axis=1) if name == "manhattan" else np.sqrt(squares)
    sums = np.zeros((k, 4 + x.shape[1]))
    if name == "directions":
        away = distances > 0
        pull = np.divide(w, distances, out=np.zeros_like(w), where=away)
        columns = [~away, pull, w * ~away, w * distances, *(pull[:, None] * v).T]
    else:
        columns = [np.ones_like(w), w, w * squares, w * distances, *(w[:, None] * v).T]
        if name == "squares":
            columns[3] = np.zeros_like(w)
    for j, column in enumerate(columns):
        sums[:, j] = np.bincount(of, weights=column, minlength=k)
    _report(progress)
    return sums


def center_squares(
    x: Sample, anchors: Values, offsets: Values, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute the squared Euclidean distances of all rows to centres.

    Parameters
    ----------
    x : ndarray or QuantizedRows, shape (n, d)
        Rows, float32, float64 or int8.
    anchors, offsets : ndarray of float64, shape (k, d)
        Centres are their sums: where rows lie far from the origin, that has too few digits.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (k, n)
        ‖x − anchor − offset‖².
    """
    rows = in_float64(x)
    squares = np.empty((len(anchors), len(rows)))
    for row, anchor, offset in zip(squares, anchors, offsets, strict=True):
        row[:] = ((rows - anchor - offset) ** 2).sum(axis=1)
    _report(progress)
    return squares


def first_rows(codes: Codes, n_clusters: int) -> NDArray[np.int64]:
    """
    Find the first row of each cluster.

    Parameters
    ----------
    codes : ndarray of int32 or int64, shape (n,)
        Cluster of each row, below `n_clusters`; negative where the row is left out.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    ndarray of int64, shape (n_clusters,)
        −1 for a cluster without rows.
    """
    first = np.full(n_clusters, -1)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows  # of several the last counts: the first row
    return first


def log_ratio_moments(log_p: Matrix, log_q: Matrix, estimator: str, n_threads: int) -> Values:
    """
    Compute mean and spread of the estimates that draws of p give of KL(p ‖ q).

    Parameters
    ----------
    log_p, log_q : ndarray, shape (n, m)
        Log densities at the draws in each column, of one dtype.
    estimator : {"k1", "k2", "k3"}
        With l = log q − log p: −l, l²/2 or exp(l) − 1 − l.
    n_threads : int
        0 is the default. One thread serves here.

    Returns
    -------
    ndarray of float64, shape (2, m)
        Mean, and sum of squared deviations from it (infinite beside an infinite mean). NaN in a
        column where a log p is not finite or a log q is NaN or +∞.
    """
    p, q = log_p.astype(np.float64), log_q.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        values = LOG_RATIOS[estimator](q - p)
        values[~np.isfinite(p) | np.isnan(q) | (q == np.inf)] = np.nan
        mean = values.mean(axis=0)
        m2 = ((values - mean) ** 2).sum(axis=0)
    return np.stack([mean, np.where(np.isinf(mean), np.inf, m2)])


def _exp_less_1(a: Values) -> Values:
    """Return exp(a) − 1 − a; near 0, where it would cancel, by the Taylor series."""
    series = np.zeros_like(a)
    for n in range(20, 1, -1):
        series = (series * np.where(np.abs(a) < 1, a, 0.0) + 1.0) / n
    return np.where(np.abs(a) < 1, series * a * a, np.expm1(a) - a)


LOG_RATIOS: dict[str, Callable[[Values], Values]] = {
    "k1": np.negative,
    "k2": lambda a: 0.5 * a * a,
    "k3": _exp_less_1,
}


def categorical_normalisers(
    values: Matrix, name: str, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute what turns the parameters of categorical distributions into probabilities.

    Parameters
    ----------
    values : ndarray, shape (..., k)
        Probabilities or logits, float32 or float64.
    name : {"probs", "logits"}
        What they are.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (..., 2)
        Of logits the largest, and `rest` with Σ exp(logits) = exp(largest) (1 + rest); of
        probabilities the smallest or 0, whatever is less, and their sum. The second is NaN if a
        value is NaN, and where a value is infinite, one of them is not finite.
    """
    a = np.sort(values.astype(np.float64), axis=-1)
    with np.errstate(invalid="ignore"):
        if name == "logits":
            extreme = a[..., -1]
            # NaN is sorted to the end.
            rest = np.exp(a[..., :-1] - extreme[..., None]).sum(axis=-1) + (extreme - extreme)
        else:
            extreme, rest = np.minimum(a[..., 0], 0.0), a.sum(axis=-1)
    _report(progress)
    return np.stack([extreme, rest], axis=-1)


def categorical_entropy(
    values: Matrix, name: str, normalisers: Values, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute entropies of categorical distributions.

    Parameters
    ----------
    values : ndarray, shape (..., k)
        Probabilities or logits, float32 or float64.
    name : {"probs", "logits"}
        What they are.
    normalisers : ndarray, shape (..., 2)
        See `categorical_normalisers`.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        −Σ p log p.
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(values, name, normalisers)
        p = np.exp(log_p)
        terms = np.where(p > 0, -p * log_p, 0.0)
    _report(progress)
    return np.asarray(terms.sum(axis=-1))


def categorical_kl(
    p_values: Matrix,
    p_name: str,
    p_normalisers: Values,
    q_values: Matrix,
    q_name: str,
    q_normalisers: Values,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute Kullback-Leibler divergences between categorical distributions.

    Parameters
    ----------
    p_values, q_values : ndarray, shape (..., k)
        Parameters of one dtype and one shape.
    p_name, q_name : {"probs", "logits"}
        What they are.
    p_normalisers, q_normalisers : ndarray, shape (..., 2)
        See `categorical_normalisers`.
    n_threads : int
        0 is the default. One thread serves here.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    ndarray of float64, shape (...)
        With l = log q − log p: Σ p (exp(l) − 1 − l).
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(p_values, p_name, p_normalisers)
        log_q = _log_probs(q_values, q_name, q_normalisers)
        values = _kl_from_logs(log_p, log_q, log_q - log_p)
    _report(progress)
    return values


def categorical_jensen_shannon(
    p_values: Matrix,
    p_name: str,
    p_normalisers: Values,
    q_values: Matrix,
    q_name: str,
    q_normalisers: Values,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Compute Jensen-Shannon divergences between categorical distributions.

    Parameters
    ----------
    p_values, p_name, p_normalisers, q_values, q_name, q_normalisers, n_threads, progress
        As in `categorical_kl`.

    Returns
    -------
    ndarray of float64, shape (...)
        ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q).
    """
    with np.errstate(all="ignore"):
        log_p = _log_probs(p_values, p_name, p_normalisers)
        log_q = _log_probs(q_values, q_name, q_normalisers)
        log_m = np.logaddexp(log_p, log_q) - np.log(2.0)
        of_p = _kl_from_logs(log_p, log_m, np.log1p(np.expm1(log_q - log_p) / 2))
        of_q = _kl_from_logs(log_q, log_m, np.log1p(np.expm1(log_p - log_q) / 2))
        values = (of_p + of_q) / 2
    _report(progress)
    return values


def matrix_status(matrices: Matrix, name: str, n_threads: int) -> NDArray[np.uint8]:
    """
    Say what is wrong with the parameter matrices of Gaussians.

    Parameters
    ----------
    matrices : ndarray, shape (..., d, d)
        Parameters.
    name : {"cov", "scale_tril", "precision"}
        What they are.
    n_threads : int
        0 is the default. One thread serves here.

    Returns
    -------
    ndarray of uint8, shape (...)
        0 for nothing, 1 not finite, 2 not symmetric, 3 not positive definite, 4 not lower
        triangular, 5 a zero on the diagonal.
    """
    status = np.zeros(matrices.shape[:-2], dtype=np.uint8)
    tolerance = 2.0**-11 if matrices.dtype == np.float32 else 2.0**-26
    for index in np.ndindex(status.shape):
        a = matrices[index].astype(np.float64)
        diagonal = np.abs(np.diagonal(a))
        if not np.isfinite(a).all():
            status[index] = 1
        elif name == "scale_tril":
            status[index] = 4 if np.triu(a, 1).any() else 5 * (not diagonal.all())
        elif (np.abs(a - a.T) > tolerance * diagonal.max()).any():
            status[index] = 2
        else:
            status[index] = 3 * bool(np.isnan(_cholesky(a)).any())
    return status


def _factors(name: str, parameter: Matrix) -> Values:
    """Return lower triangular L with Σ = L Lᵀ and a positive diagonal; NaN where there is none."""
    a = parameter.astype(np.float64)
    if name in ("cov", "precision"):
        sigma = a if name == "cov" else np.linalg.inv(a)
        return np.array([_cholesky(each) for each in sigma.reshape(-1, *a.shape[-2:])]).reshape(
            a.shape
        )
    if name == "scale_tril":
        return np.asarray(a * np.sign(np.diagonal(a, axis1=-2, axis2=-1))[..., None, :])
    std = {"std": a, "var": np.sqrt(a)}.get(name)
    if std is None:
        std = np.exp(a if name == "logstd" else a / 2)
    return np.asarray(std[..., None] * np.eye(a.shape[-1]))


def _log_probs(values: Matrix, name: str, normalisers: Values) -> Values:
    extreme, rest = normalisers[..., :1], normalisers[..., 1:]
    a = values.astype(np.float64)
    return (a - extreme) - np.log1p(rest) if name == "logits" else np.log(a / rest)


def _kl_from_logs(log_p: Values, log_q: Values, log_ratio: Values) -> Values:
    p = np.exp(log_p)
    terms = np.where(p > 0, p * (np.expm1(log_ratio) - log_ratio), np.exp(log_q))
    terms[(log_q == -np.inf) & (log_p > -np.inf)] = np.inf
    return np.asarray(terms.sum(axis=-1))


def _cholesky(a: Values) -> Values:
    """Return the factor, or NaN if a pivot is not positive beyond rounding."""
    try:
        factor = np.asarray(np.linalg.cholesky(a), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan)
    noise = len(a) * 2.0**-52 * np.diagonal(a)
    return factor if (np.diagonal(factor) ** 2 > noise).all() else np.full(a.shape, np.nan)


def _distances(x: Sample, y: Sample | None, metric: str) -> Values:
    """Return the distances between rows i < j of x, or between the rows of x and of y."""
    a, b = _exact(x), _exact(x if y is None else y)
    values = base_values("sqdist" if metric == "euclidean" else "l1", a[:, None], b[None])
    of_pairs = values[np.triu_indices(len(a), 1)] if y is None else values.ravel()
    return np.sqrt(of_pairs) if metric == "euclidean" else of_pairs


def _kernel_matrix(x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int) -> Values:
    return kernel_values(x[:, None], y[None], kernels, n_outputs)


def _sorted_labels(x: Sample, sizes: NDArray[np.int64]) -> NDArray[np.intp]:
    if (sizes < 0).any() or sizes.sum() != len(x):
        raise ValueError("the sizes of the labels must be >= 0 and add up to the rows")
    return np.repeat(np.arange(len(sizes)), sizes)


def _scaled(kernels: Sequence[KernelGroup], factor: float, d: int) -> list[KernelGroup]:
    """Return the kernels for rows that are multiplied by a factor first."""
    return [
        (base, factor * (np.ones(d) if scale is None else scale), terms)
        for base, scale, terms in kernels
    ]


def _weighted_sums(
    samples: tuple[Matrix, Matrix],
    weights: tuple[Values, Values],
    factors: Values,
    wanted: tuple[bool, bool, bool],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
) -> tuple[Values, Values, Values, Matrix, Matrix]:
    """Compute `weighted_sums` for one item; `wanted` are row sums and the two gradients."""
    (x, y), (x_weights, y_weights) = samples, weights
    row_sums, x_gradient, y_gradient = wanted
    xx = _off_diagonal(_kernel_matrix(x, x, kernels, n_outputs)) @ x_weights
    yy = _off_diagonal(_kernel_matrix(y, y, kernels, n_outputs)) @ y_weights
    between = _kernel_matrix(x, y, kernels, n_outputs)
    xy, yx = between @ y_weights, between.swapaxes(1, 2) @ x_weights
    sums = np.stack([xx @ x_weights, yy @ y_weights, xy @ x_weights], axis=-1)

    def gradient(a: Matrix, b: Matrix, a_weights: Values, b_weights: Values) -> Values:
        of_pairs = kernel_gradients(a[:, None], b[None], kernels, n_outputs)
        result: Values = np.einsum("oijk,i,j->oik", of_pairs, a_weights, b_weights)
        return result

    gradients = []
    for is_wanted, factor, a, a_weights, b, b_weights in (
        (x_gradient, factors[0], x, x_weights, y, y_weights),
        (y_gradient, factors[1], y, y_weights, x, x_weights),
    ):
        if not is_wanted:
            gradients.append(np.empty((n_outputs, 0, a.shape[1]), a.dtype))
            continue
        within = 2.0 * factor * gradient(a, a, a_weights, a_weights)
        # the pairs (i, i), which do not count
        itself = kernel_gradients(a, a, kernels, n_outputs) * (a_weights**2)[:, None]
        within -= 2.0 * factor * itself
        both = within + factors[2] * gradient(a, b, a_weights, b_weights)
        gradients.append(both.astype(a.dtype))
    x_sums, y_sums = np.stack([xx, xy]), np.stack([yy, yx])
    if not row_sums:
        x_sums = y_sums = np.empty((2, n_outputs, 0))
    return sums, x_sums, y_sums, gradients[0], gradients[1]


def _off_diagonal(k: Values) -> Values:
    diagonal = np.arange(k.shape[1])
    k[:, diagonal, diagonal] = 0.0
    return k


def _report(progress: Progress | None) -> None:
    if progress is not None:
        progress(1, 1)

"""Sums of kernels over pairs of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import KernelGroup, Matrix, Progress, Sample, Values
from fastdiv._sums.reference.rows import exact, report
from fastdiv.kernels.evaluation import (
    kernel_values,
)


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
    x, y = exact(x), exact(y)
    sums = [
        without_diagonal(kernel_matrix(x, x, kernels, n_outputs)).sum(axis=(1, 2)),
        without_diagonal(kernel_matrix(y, y, kernels, n_outputs)).sum(axis=(1, 2)),
        kernel_matrix(x, y, kernels, n_outputs).sum(axis=(1, 2)),
    ]
    report(progress)
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
    z = exact(z)
    members = labels.astype(np.int64)
    kernel_matrices = without_diagonal(kernel_matrix(z, z, kernels, n_outputs))
    result = np.empty((n_outputs, len(labels), 3))
    for k, out in zip(kernel_matrices, result, strict=True):
        peak = np.abs(k).max()
        if not np.isfinite(peak):
            out[:] = np.nan
            continue
        exponent = int(np.frexp(peak)[1]) + 2 * len(z).bit_length() - 62
        whole = np.rint(np.ldexp(k, -exponent)).astype(np.int64)
        q = ((members @ whole) * members).sum(axis=1)
        s = members @ whole.sum(axis=1)
        out[:] = np.ldexp(np.stack([q, whole.sum() - 2 * s + q, s - q], axis=1), exponent)
    report(progress)
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
    k = kernel_matrix(exact(at), exact(x), kernels, n_outputs)
    sums: Values = k.sum(axis=2) if weights is None else k @ weights
    report(progress)
    return sums


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
    return kernel_values(exact(x), exact(y), kernels, n_outputs)


def kernel_matrix(x: Matrix, y: Matrix, kernels: Sequence[KernelGroup], n_outputs: int) -> Values:
    return kernel_values(x[:, None], y[None], kernels, n_outputs)


def without_diagonal(k: Values) -> Values:
    diagonal = np.arange(k.shape[1])
    k[:, diagonal, diagonal] = 0.0
    return k

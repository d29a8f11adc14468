"""Define sums of kernels over pairs of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Kernels, Matrix, Pairs, Progress, Sample, Values
from fastdiv._sums.pair_means import pair_counts
from fastdiv._sums.reference.rows import report
from fastdiv.kernels.evaluation import kernel_values


def pair_sums(
    x: Sample,
    y: Sample,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    pairs: Pairs = "distinct",
) -> Values:
    """Sum every kernel over the ordered pairs within x, y and between them, (n_outputs, 3)."""
    x, y = in_float64(x), in_float64(y)
    sums = [
        counted(kernel_matrix(a, b, kernels, n_outputs), pairs, within).sum(axis=(1, 2))
        for a, b, within in ((x, x, True), (y, y, True), (x, y, False))
    ]
    report(progress)
    return np.stack(sums, axis=-1)


def mmd2(
    x: Sample,
    y: Sample,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    pairs: Pairs = "distinct",
) -> Values:
    """Estimate MMD² for every kernel, (n_outputs,)."""
    xx, yy, xy = pair_sums(x, y, kernels, n_outputs, n_threads, progress, pairs).T
    of_x, of_y, of_both = pair_counts(len(x), len(y), pairs)
    with np.errstate(over="ignore", invalid="ignore"):
        values: Values = xx / of_x + yy / of_y - 2.0 * (xy / of_both)
    return values


def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    each_sum: bool = False,
    pairs: Pairs = "distinct",
) -> Values:
    """
    Like `pair_sums`, but for many ways to split the rows of z, (n_outputs, B, 3).

    A label is 1 where a row belongs to x, and 0 where it belongs to y. Kernel values are cut into
    integers whose sums are exact in int64. Splittings that see equal kernel values thus give equal
    bits, whatever the order. Every sum is accurate by itself, also without `each_sum`. Kernel
    values that overflow give NaN. Labels match no rows, so `pairs` must not be "off_diagonal".
    """
    z = in_float64(z)
    members = labels.astype(np.int64)
    kernel_matrices = counted(kernel_matrix(z, z, kernels, n_outputs), pairs, True)
    result = np.empty((n_outputs, len(labels), 3))
    for k, out in zip(kernel_matrices, result, strict=True):
        out[:] = 0 if np.isfinite(k).all() else np.nan
        remaining = np.where(np.isfinite(k).all(), k, 0.0)
        while peak := np.abs(remaining).max():
            exponent = int(np.frexp(peak)[1]) + 2 * len(z).bit_length() - 62
            rounded = np.rint(np.ldexp(remaining, -exponent))
            remaining -= np.ldexp(rounded, exponent)
            whole = rounded.astype(np.int64)
            q = ((members @ whole) * members).sum(axis=1)
            s = members @ whole.sum(axis=1)
            out += np.ldexp(np.stack([q, whole.sum() - 2 * s + q, s - q], axis=1), exponent)
    report(progress)
    return result


def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Kernels,
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Sum w_j k(at_i, x_j) over the rows of x, (n_outputs, n_at). Take missing weights as 1."""
    k = kernel_matrix(in_float64(at), in_float64(x), kernels, n_outputs)
    sums: Values = k.sum(axis=2) if weights is None else k @ weights
    report(progress)
    return sums


def paired_values(x: Sample, y: Sample, kernels: Kernels, n_outputs: int, n_threads: int) -> Values:
    """Return k(x_i, y_i), (n_outputs, n)."""
    return kernel_values(in_float64(x), in_float64(y), kernels, n_outputs)


def kernel_matrix(x: Matrix, y: Matrix, kernels: Kernels, n_outputs: int) -> Values:
    """Return k(x_i, y_j), (n_outputs, n, m)."""
    return kernel_values(x[:, None], y[None], kernels, n_outputs)


def counted(k: Values, pairs: Pairs, within: bool) -> Values:
    """Set the values of pairs that do not count, within a sample or between two, to 0, in place."""
    leaves_out = pairs != "all" if within else pairs == "off_diagonal"
    return without_diagonal(k) if leaves_out else k


def without_diagonal(k: Values) -> Values:
    """Set the values of the pairs (i, i) to 0, in place."""
    diagonal = np.arange(k.shape[1])
    k[:, diagonal, diagonal] = 0.0
    return k

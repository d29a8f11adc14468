"""Compute the kernel inception distance: MMD² of a polynomial kernel over random subsets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.moments import mean_and_deviation
from fastdiv._engine.progress import reporter
from fastdiv._engine.results import Result
from fastdiv._engine.types import Progress, Sample, Values
from fastdiv._sums import reductions
from fastdiv._sums.pair_means import finite_values, pair_counts, statistic
from fastdiv.kernels import Polynomial
from fastdiv.kernels.lowering import lower
from fastdiv.mmd.estimate import checked_mmd2

_MOST_LABELS = 1 << 26
"""Bytes of labels in one pass over all pairs. More subsets are computed one by one."""


@dataclass(frozen=True, eq=False)
class KID(Result):
    """
    Kernel inception distance.

    Attributes
    ----------
    mean : float
        Mean of the unbiased MMD² over the subsets. May be negative.
    std : float
        Standard deviation of these, with ``ddof=0``. It is the spread of subsets of this size, and
        not a standard error of `mean` or `value`.
    value : float or None
        Unbiased MMD² of all rows, or None if it was not asked for.
    subset_values : ndarray of float64, shape (n_subsets,)
        MMD² of each pair of subsets, in the order drawn. Read-only.
    subset_size : int
        Rows of each subset.

    Examples
    --------
    >>> from fastdiv import kid
    >>> kid([[0.0], [1.0]], [[2.0], [3.0]], n_subsets=1, subset_size=2, rng=0)
    KID(mean=297.5, std=0.0, value=297.5, subset_size=2)
    """

    mean: float
    std: float
    value: float | None
    subset_values: NDArray[np.float64] = field(repr=False)
    subset_size: int


@documented
def kid(
    x: object, y: object, *, degree: int = 3, gamma: float | None = None, coef0: float = 1.0,
    n_subsets: int = 100, subset_size: int = 1000, full_sample: bool = True, rng: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> KID:  # fmt: skip
    """
    Compute the kernel inception distance between two sets of embeddings.

    It is the unbiased MMD² of the kernel (γ x·y + c₀)^degree. `mean` and `std` are those of random
    subsets of both samples, as in torch-fidelity and torchmetrics. Each subset is drawn anew,
    without replacement, and the standard deviation has ``ddof=0``. `value` is the MMD² of all rows,
    which the mean estimates with more noise. The embeddings are neither centred nor scaled,
    because a polynomial kernel knows the origin.

    With `full_sample` everything comes from one pass over the pairs of rows, if the labels of all
    subsets fit into 64 MB. With 10 000 rows of x and of y this costs about as much as 100 subsets
    of 1000 rows, and less with fewer rows. With more rows ``full_sample=False`` is faster, which
    leaves `value` out and computes the subsets one by one. Memory is O(n + m) for each subset, and
    one copy of x and y.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Embeddings, as in `mmd2`. Usually these are the 2048 pooled features of Inception-v3.
    degree, gamma, coef0
        As in `Polynomial`. γ is 1/d by default.
    n_subsets : int, default 100
        Number of subsets, from 1 to 10⁶.
    subset_size : int, default 1000
        Rows of each subset, at least 2. It is reduced to the smaller of n and m if that is less.
    full_sample : bool, default True
        Whether to compute `value`.
    {rng}
        Equal seeds give equal subsets, and equal bits for any number of threads.
    nan_policy, n_threads
        As in `mmd2`.
    progress : bool or callable, optional
        As in `mmd2`. If subsets are computed one by one, it counts subsets.

    Returns
    -------
    KID
        Mean, standard deviation and full-sample value, in the units of the kernel.

    Warns
    -----
    UserWarning
        If `subset_size` is reduced. Values of other subset sizes are not comparable.

    {Raises: invalid, kernel_overflow}

    {References: binkowski_2018}
    Section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import kid
    >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 8))
    >>> result = kid(x, y + 0.5, subset_size=100, rng=1)
    >>> round(result.mean, 3), round(result.std, 3), round(result.value, 3)
    (1.274, 0.248, 1.271)
    """
    kernel = Polynomial(degree, gamma, coef0)
    times = _inputs.integer(n_subsets, "n_subsets", 1, 10**6)
    size = _inputs.integer(subset_size, "subset_size", 2)
    full = _inputs.flag(full_sample, "full_sample")
    a, b = _inputs.samples(x, y, nan_policy, "unbiased")
    size = _at_most_rows(size, len(a), len(b))
    generator = _inputs.generator(rng)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    if kernel.gamma is None:
        kernel = replace(kernel, gamma=1.0 / a.shape[1])
    subsets = (
        (_draw(generator, len(a), size), _draw(generator, len(b), size)) for _ in range(times)
    )
    rows = len(a) + len(b)
    value: float | None = None
    if (full or times * (2 * size) ** 2 >= rows**2) and 3 * times * rows <= _MOST_LABELS:
        values, whole = _in_one_pass(a, b, list(subsets), kernel, threads, report)
        value = whole if full else None
    else:
        values = np.empty(times)
        for index, (i, j) in enumerate(subsets):
            values[index] = checked_mmd2(a[i], b[j], [kernel], "distinct", threads, None)[0]
            if report is not None:
                report(index + 1, times)
        if full:
            value = float(checked_mmd2(a, b, [kernel], "distinct", threads, report)[0])
    mean, std = finite_values(np.array(mean_and_deviation(values))).tolist()
    return KID(mean, std, value, values, size)


def _at_most_rows(subset_size: int, n: int, m: int) -> int:
    """Return a subset size that both samples have the rows for, with a warning if it is smaller."""
    least = min(n, m)
    if subset_size <= least:
        return subset_size
    warnings.warn(
        f"subset_size={_inputs.shown(subset_size)} is reduced to {least}, as x has {n} rows and "
        f"y has {m}; compare only values of equal subset_size",
        UserWarning,
        stacklevel=3,
    )
    return least


def _draw(rng: np.random.Generator, n: int, size: int) -> NDArray[np.int64]:
    """Draw a subset of n rows."""
    return rng.choice(n, size, replace=False, shuffle=False)


def _in_one_pass(
    x: Sample,
    y: Sample,
    subsets: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    kernel: Polynomial,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Values, float]:
    """Return the MMD² of every pair of subsets, and of all rows."""
    # With indicators s and t of the subsets and K over the pooled rows, the sums within the subsets
    # are sᵀKs and tᵀKt. The sum between them is half of (s + t)ᵀK(s + t) − sᵀKs − tᵀKt.
    n, m = len(x), len(y)
    pooled = _inputs.pool([x, y])
    labels = np.zeros((3 * len(subsets) + 1, n + m), dtype=np.uint8)
    for index, (i, j) in enumerate(subsets):
        labels[3 * index, i] = 1
        labels[3 * index + 1, n + j] = 1
        labels[3 * index + 2] = labels[3 * index] + labels[3 * index + 1]
    labels[-1, :n] = 1
    kernels = lower([kernel])
    sums = reductions.quad_forms(pooled, labels, kernels, True, n_threads, progress)[0]
    with np.errstate(over="ignore", invalid="ignore"):
        within_x, within_y, union = sums[:-1, 0].reshape(-1, 3).T
        triples = np.stack([within_x, within_y, (union - within_x - within_y) / 2], axis=-1)
    size = len(subsets[0][0])
    values = statistic(triples, pair_counts(size, size, "distinct"))
    return values, float(statistic(sums[-1], pair_counts(n, m, "distinct")))

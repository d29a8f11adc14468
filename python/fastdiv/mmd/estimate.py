"""Estimate the maximum mean discrepancy, the energy distance and the witness function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack, overload

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Pairs, Progress, Sample, Values
from fastdiv._sums import reductions
from fastdiv._sums.pair_means import finite_values
from fastdiv.kernels import Energy, Kernel
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.lowering import lower
from fastdiv.kernels.radial import DEFAULT_KERNEL
from fastdiv.mmd import centre, far_rows
from fastdiv.mmd.bandwidth import resolve
from fastdiv.quantized.bounds import QuantizedEstimate, bounds

if TYPE_CHECKING:
    from fastdiv.mmd.call_options import EstimateOptions


@overload
def mmd2(  # type: ignore[overload-overlap]
    x: QuantizedRows,
    y: QuantizedRows,
    kernel: Kernel | Sequence[Kernel] = ...,
    **options: Unpack[EstimateOptions],
) -> QuantizedEstimate: ...
@overload
def mmd2(
    x: object, y: object, kernel: Kernel = ..., **options: Unpack[EstimateOptions]
) -> float: ...
@overload
def mmd2(
    x: object, y: object, kernel: Sequence[Kernel], **options: Unpack[EstimateOptions]
) -> Values: ...


@documented
def mmd2(
    x: object, y: object, kernel: Kernel | Sequence[Kernel] = DEFAULT_KERNEL, *,
    estimator: str = "unbiased", x_weights: object = None, y_weights: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> float | Values | QuantizedEstimate:  # fmt: skip
    """
    Estimate the squared maximum mean discrepancy between two samples.

    The estimators combine sums over pairs: XX = Σ_{i≠j} k(xᵢ, xⱼ), YY alike, and
    XY = Σ_{i,j} k(xᵢ, yⱼ).

    - ``"unbiased"``: XX/(n(n−1)) + YY/(m(m−1)) − 2 XY/(nm). It may be negative.
    - ``"biased"``: like "unbiased", but with the diagonals k(xᵢ, xᵢ) and k(yⱼ, yⱼ), and divided by
      n², m² and nm. It is never negative, up to rounding.
    - ``"paired"``: (XX + YY − 2 Σ_{i≠j} k(xᵢ, yⱼ))/(n(n−1)), for n = m.

    Weights u of x and v of y, scaled to Σu = Σv = 1, give weighted means. Within a sample these are
    Σ_{i≠j} uᵢuⱼ k(xᵢ, xⱼ)/(1 − Σuᵢ²) for "unbiased" and "paired", and Σ_{i,j} uᵢuⱼ k(xᵢ, xⱼ) for
    "biased". Between the samples it is Σ uᵢvⱼ k(xᵢ, yⱼ), which "paired" takes over i ≠ j and
    divides by 1 − Σuᵢvᵢ. A row of weight 0 is left out, from the median bandwidth too. With unequal
    weights, "unbiased" and "paired" are not invariant to translation for `Linear`.

    Time is O((n+m)² d), memory O(n+m). Results do not depend on the number of threads.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Samples. Trailing axes are flattened to d features, and 1-D means scalars. float32 stays
        float32 unless the other sample is float64. float16 and bfloat16 become float32, integers
        float64. Both samples are quantised, or none. Complex samples (complex64, complex128) have
        twice as many real features, the real and imaginary parts. These are not copied if features
        are contiguous. A real sample beside a complex one has imaginary parts of 0. Then ‖x − y‖ is
        the distance of complex vectors, and x·y the real part of their inner product. The L1
        distance of `Laplacian` is that of all parts. The columns of two frames, such as those of
        pandas, polars, pyarrow or DuckDB, are matched by name. With "paired", rows of pandas are
        matched by the keys of their indices.
    kernel : Kernel, or list or tuple of Kernel, default RBF()
        Kernel(s) of `fastdiv.kernels`. A sequence gives one value each, in one pass.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        See above. They need 2, 1 and 2 rows in each sample.
    x_weights, y_weights : array_like, shapes (n,) and (m,), optional
        Finite weights >= 0 of the rows, on any scale. None stands for equal weights. An index of
        pandas must have the keys of the sample's, and is matched with it.
    nan_policy : {"raise", "omit"}, default "raise"
        Refuse NaN and infinite values, or drop the rows that hold them. "paired" drops both rows
        of the pair.
    {n_threads}
    {progress}
        The function is called on the calling thread. Every pass over the pairs counts from 0.

    Returns
    -------
    float or ndarray of float64, shape (len(kernel),)
        MMD² in the units of the kernel. Quantised samples give a `QuantizedEstimate`, whose value
        and bound are such numbers or arrays. The MMD² of the rows before quantisation, with the
        same kernel, is within the bound of the value. A median bandwidth is that of the quantised
        rows.

    {kernel_errors}

    {References: gretton_2012}
    Equations 3 to 5.

    Examples
    --------
    >>> from fastdiv import RBF, mmd2
    >>> x, y = [[0.0, 0.0], [1.0, 0.0]], [[2.0, 1.0], [3.0, 1.0]]
    >>> round(mmd2(x, y, RBF(1.0)), 6)
    0.943668
    >>> mmd2(x, y, [RBF(1.0), RBF(2.0)], estimator="biased").round(6)
    array([1.337137, 0.814583])
    """
    estimator = _inputs.choice(estimator, _inputs.ESTIMATORS, "estimator")
    kernels, single = as_kernels(kernel, samples={"x": x, "y": y})
    a, b, wx, wy = _inputs.weighted_samples(x, y, x_weights, y_weights, nan_policy, estimator)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    counted = [_inputs.positive_rows(a, wx), _inputs.positive_rows(b, wy)]
    resolved = resolve(kernels, counted, threads, report)
    pairs = _inputs.PAIRS_OF[estimator]
    values = checked_mmd2(a, b, resolved, pairs, threads, report, wx, wy)
    if isinstance(a, QuantizedRows) and isinstance(b, QuantizedRows):
        moved = bounds(resolved, a, b, pairs, wx, wy)
        if single:
            return QuantizedEstimate(float(values[0]), float(moved[0]))
        return QuantizedEstimate(values, moved)
    return float(values[0]) if single else values


def checked_mmd2(
    x: Sample,
    y: Sample,
    kernels: Sequence[Kernel],
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
    x_weights: Values | None = None,
    y_weights: Values | None = None,
) -> Values:
    """Return MMD² of checked samples with resolved kernels."""
    middle = centre.origin(kernels, [x, y], [x_weights, y_weights])
    lowered = lower(kernels, middle)
    a, b = far_rows.widened(kernels, x, y, middle)
    if x_weights is None and y_weights is None:
        return finite_values(reductions.mmd2(a, b, lowered, pairs, n_threads, progress))
    u = np.ones(len(x)) if x_weights is None else x_weights
    v = np.ones(len(y)) if y_weights is None else y_weights
    values = reductions.weighted_mmd2(a, b, u, v, lowered, pairs, n_threads, progress)
    return finite_values(values)


@overload
def energy_distance(  # type: ignore[overload-overlap]
    x: QuantizedRows, y: QuantizedRows, *, exponent: float = ..., **options: Unpack[EstimateOptions]
) -> QuantizedEstimate: ...
@overload
def energy_distance(
    x: object, y: object, *, exponent: float = ..., **options: Unpack[EstimateOptions]
) -> float: ...


@documented
def energy_distance(
    x: object, y: object, *, exponent: float = 1.0, estimator: str = "biased",
    x_weights: object = None, y_weights: object = None, nan_policy: str = "raise",
    n_threads: int | None = None, progress: object = None,
) -> float | QuantizedEstimate:  # fmt: skip
    """
    Estimate the energy distance 2E‖X − Y‖^β − E‖X − X'‖^β − E‖Y − Y'‖^β.

    It is the MMD² of the kernel `Energy`. Some libraries return its square root, or half of it.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Samples, as in `mmd2`. Complex samples have the usual distance |x − y|.
    exponent : float, default 1.0
        β in the open interval (0, 2).
    estimator : {"biased", "unbiased", "paired"}, default "biased"
        As in `mmd2`. The literature uses "biased", the V-statistic.
    x_weights, y_weights, nan_policy, n_threads, progress
        As in `mmd2`.

    Returns
    -------
    float
        Energy distance, in the units of the data to the power β. Quantised samples give a
        `QuantizedEstimate`, as in `mmd2`.

    {Raises: invalid}

    {References: szekely_2013}

    Examples
    --------
    >>> from fastdiv import energy_distance
    >>> energy_distance([0.0, 1.0], [2.0, 3.0])
    3.0
    """
    return mmd2(
        x,
        y,
        Energy(exponent),
        estimator=estimator,
        x_weights=x_weights,
        y_weights=y_weights,
        nan_policy=nan_policy,
        n_threads=n_threads,
        progress=progress,
    )


@documented
def witness(
    x: object, y: object, at: object, kernel: Kernel | Sequence[Kernel] = DEFAULT_KERNEL, *,
    x_weights: object = None, y_weights: object = None, nan_policy: str = "raise",
    n_threads: int | None = None, progress: object = None,
) -> Values:  # fmt: skip
    """
    Evaluate the witness function, which shows where two samples differ.

    The function f(t) = (1/n) Σᵢ k(t, xᵢ) − (1/m) Σⱼ k(t, yⱼ) is positive where x is denser. Weights
    give weighted means.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Samples, as in `mmd2`.
    at : array_like or QuantizedRows, shape (n_at, ...)
        Points t with the features of x and y, quantised if these are. They must be finite, also
        for ``nan_policy="omit"``.
    kernel : Kernel, or list or tuple of Kernel, default RBF()
        As in `mmd2`. A median bandwidth is that of the pooled x and y.
    x_weights, y_weights : array_like, shapes (n,) and (m,), optional
        As in `mmd2`.
    nan_policy : {"raise", "omit"}, default "raise"
        As in `mmd2`, for x and y.
    n_threads, progress
        As in `mmd2`.

    Returns
    -------
    ndarray of float64, shape (n_at,) or (len(kernel), n_at)
        f at each point, in the units of the kernel.

    {kernel_errors}

    {References: gretton_2012}
    Section 2.3.

    Examples
    --------
    >>> from fastdiv import RBF, witness
    >>> witness([0.0, 1.0], [2.0, 3.0], at=[0.5, 1.5, 2.5], kernel=RBF(1.0)).round(6)
    array([ 0.698202,  0.      , -0.698202])
    """
    kernels, single = as_kernels(kernel, samples={"x": x, "y": y, "at": at})
    x, y, x_weights, y_weights = _inputs.aligned_weights(x, y, x_weights, y_weights, "biased")
    first, second, points = _inputs.alike({"x": x, "y": y, "at": at})
    a, b, wx, wy = _inputs.weighted_samples(
        first, second, x_weights, y_weights, nan_policy, "biased"
    )
    points = _inputs.finite(points, "at", advice="leave out such points")
    a, b, points = _inputs.same_space({"x": a, "y": b, "at": points})
    threads, report = _inputs.threads(n_threads), reporter(progress)
    resolved = resolve(kernels, [a, b], threads, report)
    lowered = lower(resolved)
    if far_rows.check_points(resolved, points, a, b):
        a, b, points = in_float64(a), in_float64(b), in_float64(points)
    from_x = reductions.row_sums(points, a, wx, lowered, threads, report)
    from_y = reductions.row_sums(points, b, wy, lowered, threads, report)
    x_total = len(a) if wx is None else wx.sum()
    y_total = len(b) if wy is None else wy.sum()
    with np.errstate(over="ignore", invalid="ignore"):
        values = finite_values(from_x / x_total - from_y / y_total)
    return values[0] if single else values

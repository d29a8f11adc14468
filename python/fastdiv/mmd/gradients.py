"""Differentiate the maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Pairs, Progress, Values
from fastdiv._sums import pair_weights
from fastdiv._sums.pair_means import statistic
from fastdiv.kernels import Callback, Kernel, Sum
from fastdiv.kernels.arguments import as_kernels
from fastdiv.kernels.lowering import lower
from fastdiv.kernels.parameters import NamedBandwidth
from fastdiv.kernels.radial import DEFAULT_KERNEL
from fastdiv.mmd import one_pass
from fastdiv.mmd.bandwidth import resolve

_WRT = ("x", "y", "x_weights", "y_weights", "bandwidth")


@documented
def mmd2_and_grad(
    x: object, y: object, kernel: Kernel | Sequence[Kernel] = DEFAULT_KERNEL, *,
    wrt: str | Sequence[str] = ("x", "y"), estimator: str = "unbiased", x_weights: object = None,
    y_weights: object = None, nan_policy: str = "raise", n_threads: int | None = None,
    progress: object = None,
) -> tuple[Any, ...]:  # fmt: skip
    """
    Estimate MMD² and its gradients, in one pass over the pairs and O(n d) memory.

    `Energy`, `Matern` with ν = 1/2 and `Laplacian` have a cusp at equal rows or values, which
    contribute the subgradient 0.

    Parameters
    ----------
    x, y : array_like, shapes (n, ...) and (m, ...)
        Like `x, y` of `mmd2`, but neither quantised nor complex. Rows of weight 0 may hold NaN,
        unless the gradient with respect to their weights is required.
    kernel : Kernel, or list or tuple of Kernel, default RBF()
        Like `kernel` of `mmd2`, but no `Callback`. A median bandwidth is held constant.
    wrt : str or sequence of str, default ("x", "y")
        Arguments to differentiate with respect to, each once: "x", "y", "x_weights", "y_weights"
        or "bandwidth". For "bandwidth" every kernel must have one.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        As in `mmd2`.
    x_weights, y_weights : array_like, shapes (n,) and (m,), optional
        As in `mmd2`. MMD² does not depend on their scale, so their gradient is orthogonal to
        them. None stands for 1/n and 1/m.
    nan_policy : {"raise", "omit"}, default "raise"
        As in `mmd2`. Dropped rows and their weights have the gradient 0. They are not among the n
        and m above.
    n_threads, progress
        As in `mmd2`.

    Returns
    -------
    value : float, or ndarray of float64 of shape (len(kernel),)
        MMD², equal to that of `mmd2` up to rounding.
    *gradients
        One for each name in `wrt`, in its order. For "x" and "y" it has the shape of the sample,
        and float32 if both samples have, else float64. For weights it is float64 of shape (n,) or
        (m,). For a sequence of kernels these have one more axis in front. For "bandwidth" it is a
        float, or an ndarray of shape (d,) for a bandwidth per feature. A `Sum` gives a tuple of
        these, one per summand, and a sequence a list of those.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, a kernel is a `Callback`, or a kernel has no bandwidth although
        `wrt` names it.
    OverflowError
        If kernel values or gradients are too large for their floating-point type.

    See Also
    --------
    kl_and_grad : The same for the Kullback–Leibler divergence.

    Notes
    -----
    With the squared distance t and k(x, y) = f(t), the gradient is ∂k/∂x = 2 f'(t) (x − y). Its
    sums over the rows y are products of tiles of slopes f' with rows. The derivative with respect
    to σ is the MMD² of ∂k/∂σ = −(2/σ) t f'(t), which takes a pass of its own.

    Gradients with respect to rows have errors of some 1e-5 of the largest entry in float32, and
    1e-12 in float64. They are ten times that for clusters far apart. This holds far from the origin
    too, but for `Polynomial`, whose values cancel there. Derivatives with respect to a bandwidth
    are as accurate as MMD². Derivatives with respect to one bandwidth per feature come from
    gradients of rows in float64. They lose as many digits as rows are farther apart than the
    bandwidth.

    {References: gretton_2012}
    Equations 3 to 5, whose derivatives these are.

    Examples
    --------
    >>> from fastdiv import RBF, mmd2_and_grad
    >>> value, x_grad = mmd2_and_grad([0.0, 1.0], [2.0, 3.0], RBF(1.0), wrt="x")
    >>> round(value, 6), x_grad.round(6)
    (0.768906, array([ 0.454532, -1.045131]))
    """
    estimator = _inputs.choice(estimator, _inputs.ESTIMATORS, "estimator")
    kernels, single = as_kernels(kernel, samples={"x": x, "y": y})
    names = _inputs.choices(wrt, _WRT, "wrt")
    _check_parts(kernels, "bandwidth" in names)
    arguments = {"x": x, "y": y, "x_weights": x_weights, "y_weights": y_weights}
    x, y, x_weights, y_weights = _inputs.aligned_weights(x, y, x_weights, y_weights, estimator)
    given = {"x": _differentiable(x, "x"), "y": _differentiable(y, "y")}
    columns = _inputs.column_orders({"x": x, "y": y})
    for name, order in columns.items():
        given[name] = _inputs.in_order(given[name], order)
    rows = _moved_rows(arguments, {"x": x, "y": y, "x_weights": x_weights, "y_weights": y_weights})
    sides = _sides(given, {"x": x_weights, "y": y_weights}, names, nan_policy, estimator)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    counted = [_inputs.positive_rows(s.rows, s.weights) for s in sides.values()]
    resolved = resolve(kernels, counted, threads, report)

    samples = _stack(sides)
    pairs = _inputs.PAIRS_OF[estimator]
    result = one_pass.run(samples, resolved, names, pairs, threads, report)

    def one_or_all(per_kernel: Any) -> Any:
        return per_kernel[0] if single else per_kernel

    gradients: list[Any] = []
    for name in names:
        if name == "bandwidth":
            counts = result.counts[0]
            per_kernel = _bandwidth_gradients(sides, resolved, counts, pairs, threads, report)
            gradients.append(one_or_all(per_kernel))
        elif name in sides:
            kept = one_pass.finite_gradient(one_or_all(result.row_gradients[name][0]))
            gradient = _inputs.restored(sides[name].scattered(kept, -2), columns.get(name), -1)
            gradient = _inputs.restored(gradient, rows.get(name), -2)
            gradients.append(gradient.reshape(gradient.shape[:-2] + given[name].shape))
        else:
            side = name.removesuffix("_weights")
            relative = one_pass.weight_gradient(side, samples, result, pairs)[0]
            kept = one_or_all(sides[side].by_weights(one_pass.finite_gradient(relative), name))
            gradient = sides[side].scattered(kept, -1)
            gradients.append(_inputs.restored(gradient, rows.get(name), -1))
    values = one_or_all(result.values[0])
    return (float(values) if single else values, *gradients)


def _moved_rows(
    given: dict[str, object], aligned: dict[str, object]
) -> dict[str, NDArray[np.intp]]:
    """Return the order of rows for each argument that was not aligned as given."""
    pairs = (
        {"aligned": aligned[name], name: value}
        for name, value in given.items()
        if aligned[name] is not value
    )
    return {name: order for pair in pairs for name, order in _inputs.row_orders(pair).items()}


def _differentiable(value: object, name: str) -> Matrix:
    """Return a sample that can be differentiated with respect to every entry."""
    if isinstance(value, QuantizedRows):
        raise TypeError(
            f"{name} must not be quantised: int8 values have no gradient; pass {name}.dequantize()"
        )
    a = _inputs.any_array(value, name)
    if a.dtype.kind == "c":
        raise TypeError(
            f"{name} must be real, as there are two conventions of gradients by complex numbers; "
            f"got dtype {a.dtype}: use fastdiv.torch.mmd2 or fastdiv.jax.mmd2, whose "
            "grad_convention selects one, or pass real and imaginary parts as features"
        )
    return _inputs.array(a, name)


class _Side(NamedTuple):
    """The rows of a sample that count, and their weights over a power of two."""

    rows: Matrix
    weights: Values
    exponent: NDArray[np.int_] | None  # of that power, or None for equal weights of 1/n
    kept: NDArray[np.bool_]  # which rows these are

    def by_weights(self, gradient: Values, name: str) -> Values:
        """Return the gradient with respect to the given weights, from that for normalised ones."""
        if self.exponent is None:
            return gradient / (1.0 / len(self.weights))
        return _inputs.times_powers(gradient, -self.exponent, name, "the gradient")

    def scattered(self, gradient: Matrix, axis: int) -> Matrix:
        """Return the gradient for all rows, along an axis: 0 for the rows left out."""
        if self.kept.all():
            return gradient
        shape = list(gradient.shape)
        shape[axis] = len(self.kept)
        whole = np.zeros(shape, gradient.dtype)
        np.moveaxis(whole, axis, 0)[self.kept] = np.moveaxis(gradient, axis, 0)
        return whole


def _sides(
    given: dict[str, Matrix],
    weights: dict[str, object],
    names: Sequence[str],
    nan_policy: object,
    estimator: str,
) -> dict[str, _Side]:
    """Check samples and weights, and leave out rows whose weight is 0 and not differentiated."""
    rows = {name: _inputs.matrix(sample, name) for name, sample in given.items()}
    row_weights = {
        name: _inputs.weights(weights[name], f"{name}_weights", len(sample), estimator)
        for name, sample in rows.items()
    }
    u, v = (None if f"{name}_weights" in names else w for name, w in row_weights.items())
    keep_x, keep_y = _inputs.rows_kept(rows["x"], rows["y"], u, v, nan_policy, estimator)
    x_kept, u = _inputs.kept(rows["x"], u, keep_x)
    y_kept, v = _inputs.kept(rows["y"], v, keep_y)
    checked = _inputs.checked_samples(x_kept, y_kept, nan_policy, estimator)
    a, b = cast("tuple[Matrix, Matrix]", checked)
    sides = {}
    for name, sample, keep in (("x", a, keep_x), ("y", b, keep_y)):
        w, exponent, argument = np.ones(len(sample)), None, f"{name}_weights"
        if (all_weights := row_weights[name]) is not None:
            w, exponent = _inputs.normalized(all_weights[keep], argument)
        _inputs.enough_weight(w, argument, estimator)
        sides[name] = _Side(sample, w, exponent, keep)
    return sides


def _stack(sides: dict[str, _Side]) -> one_pass.Samples:
    """Return a stack of one pair of samples."""
    (x, u, *_), (y, v, *_) = sides.values()
    return one_pass.Samples(x[None], y[None], u[None], v[None])


def _bandwidth_gradients(
    sides: dict[str, _Side],
    resolved: Sequence[Kernel],
    counts: Values,
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> list[Any]:
    """Return the gradients with respect to bandwidths: numbers, arrays or tuples of these."""
    (x, u, *_), (y, v, *_) = sides.values()
    x, y = pair_weights.wide_enough(x, u, v), pair_weights.wide_enough(y, u, v)
    parts = [
        (w, part, vars(part)["bandwidth"]) for kernel in resolved for w, part in kernel._parts()
    ]
    scalar = [part for _, part, bandwidth in parts if not isinstance(bandwidth, tuple)]
    kernels = lower(scalar)
    sums = backend.current().log_slope_sums(
        *(x, y, u, v, kernels.groups, kernels.n_outputs, n_threads, progress),
        pairs,
    )
    log_slopes = iter(one_pass.finite_gradient(statistic(sums, counts)))
    part_gradients: list[float | Values] = []
    for weight, part, bandwidth in parts:
        if isinstance(bandwidth, tuple):
            gradient = _feature_bandwidth_gradient(sides, part, pairs, n_threads, progress)
            part_gradients.append(weight * gradient)
        else:
            power = 1.0 if part._term().base == "l1" else 2.0
            part_gradients.append(float(weight * next(log_slopes) * -power / bandwidth))
    remaining = iter(part_gradients)
    return [
        tuple(next(remaining) for _ in kernel._parts())
        if isinstance(kernel, Sum)
        else next(remaining)
        for kernel in resolved
    ]


def _feature_bandwidth_gradient(
    sides: dict[str, _Side],
    kernel: Kernel,
    pairs: Pairs,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Differentiate with respect to one bandwidth per feature: σ ∂/∂σ = −Σ rows · gradients."""
    wide = {name: side._replace(rows=side.rows.astype(np.float64)) for name, side in sides.items()}
    names = ("x", "y")
    result = one_pass.run(_stack(wide), [kernel], names, pairs, n_threads, progress)
    # Gradients add up to 0, so any centre will do. Few rows are far from the median.
    centre = np.median(wide["x"].rows, axis=0)
    products = [
        np.einsum("nd,nd->d", side.rows - centre, result.row_gradients[name][0, 0])
        for name, side in wide.items()
    ]
    log_slopes = one_pass.finite_gradient(products[0] + products[1])
    bandwidth = vars(kernel)["bandwidth"]
    gradient: Values = log_slopes / -np.array(bandwidth)
    return bandwidth.restored(gradient) if isinstance(bandwidth, NamedBandwidth) else gradient


def _check_parts(kernels: Sequence[Kernel], need_bandwidth: bool) -> None:
    """Refuse kernels that cannot be differentiated as required."""
    for kernel in kernels:
        for _, part in kernel._parts():
            if isinstance(part, Callback):
                raise TypeError(
                    "kernel must not be a Callback: the derivative of a Python function is unknown"
                )
            if need_bandwidth and not hasattr(part, "bandwidth"):
                raise ValueError(
                    "wrt='bandwidth' needs kernels with a bandwidth; "
                    f"{_inputs.shown(part)} has none"
                )

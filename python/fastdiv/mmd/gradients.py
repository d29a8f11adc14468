"""Maximum mean discrepancy with its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv.kernels import RBF, Callback, Kernel, Laplacian, Sum, as_kernels, lower
from fastdiv.kernels.evaluation import kernel_log_slopes
from fastdiv.mmd import bandwidth as distances
from fastdiv.mmd import one_pass
from fastdiv.mmd.estimate import statistic

_WRT = ("x", "y", "x_weights", "y_weights", "bandwidth")
_DEFAULT = RBF()


def mmd2_and_grad(
    x: object,
    y: object,
    kernel: Kernel | Sequence[Kernel] = _DEFAULT,
    *,
    wrt: str | Sequence[str] = ("x", "y"),
    estimator: str = "unbiased",
    x_weights: object = None,
    y_weights: object = None,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> tuple[Any, ...]:
    """
    Estimate MMD² and its gradients, in one pass over the pairs and O(n d) memory.

    Where a kernel has a cusp (`Energy`, `Matern` with ν = 1/2, `Laplacian`), coincident rows
    or values contribute the subgradient 0.

    Parameters
    ----------
    x, y : array_like, shapes (n, ...) and (m, ...)
        Samples, as in `mmd2`, but neither quantised nor complex. Rows of weight 0 need not be
        finite, unless their weights are differentiated by or, for "paired", the partner counts.
    kernel : Kernel, or list or tuple of Kernel, default RBF()
        As in `mmd2`, but no `Callback`. A median bandwidth is taken as a constant.
    wrt : str or sequence of str, default ("x", "y")
        What to differentiate by, each once: "x", "y", "x_weights", "y_weights", "bandwidth".
        For "bandwidth" every kernel must have one.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        As in `mmd2`.
    x_weights, y_weights : array_like, shapes (n,) and (m,), optional
        As in `mmd2`. MMD² does not depend on their scale, so their gradient is orthogonal to
        them. None stands for 1/n and 1/m.
    nan_policy : {"raise", "omit"}, default "raise"
        As in `mmd2`. Rows that are dropped have the gradient 0, by their weights too, and are not
        among the n and m above.
    n_threads, progress
        As in `mmd2`.

    Returns
    -------
    value : float, or ndarray of float64 of shape (len(kernel),)
        MMD², equal to that of `mmd2` up to rounding.
    *gradients
        One for each name in `wrt`, in its order. By "x" and "y": the shape of the sample, in
        float32 if both samples are, else float64. By weights: float64, shape (n,) or (m,).
        For a sequence of kernels these have one more axis in front. By "bandwidth": a float,
        or an ndarray of shape (d,) for a bandwidth per feature; a tuple of them for a `Sum`,
        one per summand; a list of those for a sequence.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, a kernel is a `Callback`, or has no bandwidth where
        it is differentiated by it.
    OverflowError
        If kernel values or gradients are too large for their floating-point type.

    See Also
    --------
    kl_and_grad : The same for the Kullback–Leibler divergence.

    Notes
    -----
    With t the squared distance and k(x, y) = f(t), ∂k/∂x = 2 f'(t) (x − y): the sums over j
    are products of tiles of slopes with the rows, f' (x y), as k itself is. The gradient by σ is
    the MMD² of ∂k/∂σ = −(2/σ) t f'(t), which takes a pass of its own.

    Gradients by rows are good to some 1e-5 of the largest entry in float32, to 1e-12 in float64,
    also far from the origin, where only `Polynomial` cancels, as its values do; to ten times that
    for clusters far apart. Those by a bandwidth are as good as MMD²; those by one bandwidth per
    feature, taken in float64 from gradients by rows, lose as many digits as rows are farther
    apart than the bandwidth.

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", JMLR 13 (2012) 723–773, equations 3 to 5, whose derivatives these are.

    Examples
    --------
    >>> from fastdiv import RBF, mmd2_and_grad
    >>> value, of_x = mmd2_and_grad([0.0, 1.0], [2.0, 3.0], RBF(1.0), wrt="x")
    >>> round(value, 6), of_x.round(6)
    (0.768906, array([ 0.454532, -1.045131]))
    """
    estimator = _inputs.choice(estimator, _inputs.ESTIMATORS, "estimator")
    kernels, single = as_kernels(kernel)
    names = _names(wrt)
    by_bandwidth = "bandwidth" in names
    _check_parts(kernels, by_bandwidth)
    given = {"x": _differentiable(x, "x"), "y": _differentiable(y, "y")}
    sides = _sides(given, {"x": x_weights, "y": y_weights}, names, nan_policy, estimator)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    counted = [_inputs.counted(s.rows, s.weights) for s in sides.values()]
    median = distances.median_bandwidth(counted, threads, report)
    d = sides["x"].rows.shape[1]
    resolved = [each._resolve(d, median) for each in kernels]

    samples = _stack(sides)
    found = one_pass.run(samples, resolved, names, estimator, threads, report)

    def one_or_all(by_kernel: Any) -> Any:
        return by_kernel[0] if single else by_kernel

    gradients: list[Any] = []
    for name in names:
        if name == "bandwidth":
            counts = found.counts[0]
            by_bandwidths = _by_bandwidth(sides, resolved, counts, estimator, threads, report)
            gradients.append(one_or_all(by_bandwidths))
        elif name in sides:
            by_rows = one_pass.finite(one_or_all(found.by_rows[name][0]))
            by_rows = sides[name].scattered(by_rows, -2)
            gradients.append(by_rows.reshape(by_rows.shape[:-2] + given[name].shape))
        else:
            own = name.removesuffix("_weights")
            with np.errstate(over="ignore"):
                of_own = one_pass.by_weights(own, samples, found, estimator)[0]
                by_weights = of_own / sides[own].largest
            by_weights = one_pass.finite(one_or_all(by_weights))
            gradients.append(sides[own].scattered(by_weights, -1))
    values = one_or_all(found.values[0])
    return (float(values) if single else values, *gradients)


def _differentiable(value: object, name: str) -> Matrix:
    """Return a sample that has a gradient by every entry."""
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
    """The rows of a sample that count, and their weights over the largest of them."""

    rows: Matrix
    weights: Values
    largest: float
    kept: NDArray[np.bool_]  # which rows these are

    def scattered(self, by_rows: Matrix, axis: int) -> Matrix:
        """Return gradients for all rows, which are on an axis, 0 for those left out."""
        if self.kept.all():
            return by_rows
        shape = list(by_rows.shape)
        shape[axis] = len(self.kept)
        whole = np.zeros(shape, by_rows.dtype)
        np.moveaxis(whole, axis, 0)[self.kept] = np.moveaxis(by_rows, axis, 0)
        return whole


def _sides(
    given: dict[str, Matrix],
    weights: dict[str, object],
    names: Sequence[str],
    nan_policy: object,
    estimator: str,
) -> dict[str, _Side]:
    """Check samples and weights; rows of weight 0 are left out, unless it is differentiated by."""
    rows = {name: _inputs.matrix(sample, name) for name, sample in given.items()}
    of_rows = {
        name: _inputs.weights(weights[name], f"{name}_weights", len(own), estimator)
        for name, own in rows.items()
    }
    u, v = (None if f"{name}_weights" in names else w for name, w in of_rows.items())
    keep_x, keep_y = _inputs.rows_kept(rows["x"], rows["y"], u, v, nan_policy, estimator)
    kept = {"x": keep_x, "y": keep_y}
    for name, keep in kept.items():
        if not keep.all():
            rows[name] = _inputs.chosen(rows[name], keep)
    a, b = _inputs.plain_samples(rows["x"], rows["y"], nan_policy, estimator)
    sides = {}
    for name, own in (("x", a), ("y", b)):
        w, largest = np.ones(len(own)), 1.0 / len(own)
        if (of_all := of_rows[name]) is not None:
            w = of_all[kept[name]]
            largest = float(w.max()) or 1.0
            w = w / largest
        _inputs.enough_weight(w, f"{name}_weights", estimator)
        sides[name] = _Side(own, w, largest, kept[name])
    return sides


def _stack(sides: dict[str, _Side]) -> one_pass.Samples:
    (x, u, *_), (y, v, *_) = sides.values()
    return one_pass.Samples(x[None], y[None], u[None], v[None])


def _by_bandwidth(
    sides: dict[str, _Side],
    resolved: Sequence[Kernel],
    counts: Values,
    estimator: str,
    n_threads: int,
    progress: Progress | None,
) -> list[Any]:
    """Differentiate by bandwidths: a number for each kernel, one per feature, or a tuple."""
    (x, u, *_), (y, v, *_) = sides.values()
    parts = [(w, part, vars(part)["bandwidth"]) for each in resolved for w, part in each._parts()]
    scalar = [part for _, part, bandwidth in parts if not isinstance(bandwidth, tuple)]
    kernels = lower(scalar, for_mmd=True)
    sums = backend.current().log_slope_sums(
        x, y, u, v, kernels.groups, kernels.n_outputs, n_threads, progress
    )
    if estimator == "paired":
        for rows in one_pass.gradient_blocks(x[None]):
            slopes = kernel_log_slopes(x[rows], y[rows], kernels.groups, len(scalar))
            sums[:, 2] -= slopes @ (u * v)[rows]
    of_logs = iter(one_pass.finite(statistic(sums, counts)))
    by_part: list[float | Values] = []
    for weight, part, bandwidth in parts:
        if isinstance(bandwidth, tuple):
            by_part.append(weight * _by_features(sides, part, estimator, n_threads, progress))
        else:
            power = 1.0 if isinstance(part, Laplacian) else 2.0
            by_part.append(float(weight * next(of_logs) * -power / bandwidth))
    rest = iter(by_part)
    return [
        tuple(next(rest) for _ in each._parts()) if isinstance(each, Sum) else next(rest)
        for each in resolved
    ]


def _by_features(
    sides: dict[str, _Side],
    kernel: Kernel,
    estimator: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """Differentiate by bandwidths per feature: σ ∂/∂σ = −Σ rows · gradients, as k sees rows/σ."""
    wide = {name: side._replace(rows=side.rows.astype(np.float64)) for name, side in sides.items()}
    names = ("x", "y")
    found = one_pass.run(_stack(wide), [kernel], names, estimator, n_threads, progress)
    # Gradients add up to 0, so that any centre will do; from the median few rows are far.
    centre = np.median(wide["x"].rows, axis=0)
    products = [
        np.einsum("nd,nd->d", side.rows - centre, found.by_rows[name][0, 0])
        for name, side in wide.items()
    ]
    of_logs = one_pass.finite(products[0] + products[1])
    by_features: Values = of_logs / -np.array(vars(kernel)["bandwidth"])
    return by_features


def _names(wrt: object) -> tuple[str, ...]:
    """Return what to differentiate by."""
    names = (wrt,) if isinstance(wrt, str) else wrt
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"wrt must be a name or a list or tuple of names; got {wrt!r}")
    if not names:
        raise ValueError("wrt must name at least one argument; got none")
    for name in names:
        _inputs.choice(name, _WRT, "wrt")
    if len(set(names)) < len(names):
        raise ValueError(f"wrt must name each argument once; got {wrt!r}")
    return tuple(names)


def _check_parts(kernels: Sequence[Kernel], by_bandwidth: bool) -> None:
    for each in kernels:
        for _, part in each._parts():
            if isinstance(part, Callback):
                raise TypeError(
                    "kernel must not be a Callback: the derivative of a Python function is unknown"
                )
            if by_bandwidth and not hasattr(part, "bandwidth"):
                raise ValueError(
                    f"wrt='bandwidth' needs kernels with a bandwidth; {part!r} has none"
                )

"""
Evaluate batches of calls: stacks of arguments make stacks of results.

Each function does for every item what its namesake of `fastdiv.frameworks.evaluation.FUNCTIONS`
does. Shapes and options are valid already. One call of the engine serves the pairs of rows of
all items, for all bandwidths that are numbers. The median distance and the median L1 distance take
one call more each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.types import Matrix, Pairs, Values
from fastdiv.distributions.estimates.flow import kl_flow_of_calls
from fastdiv.kernels import RBF, Kernel, Sum
from fastdiv.mmd import bandwidth, one_pass
from fastdiv.mmd.wae import wae_bandwidths, wae_kernel

Stacks = Mapping[str, NDArray[Any]]
Results = tuple[Values, dict[str, Matrix]]

_INVALID = "an item is invalid"


class Scaled(NamedTuple):
    """A kernel of bandwidth 1 for rows over their bandwidths, or any kernel without bandwidths."""

    kernel: Kernel
    bandwidths: Values | None  # (b,)


def mmd2(stacks: Stacks, required: Sequence[str], options: Mapping[str, Any]) -> Results:
    """Compute MMD² and its gradients."""
    estimator, threads = options["estimator"], _inputs.threads(options["n_threads"])
    names = {"x": "x_weights", "y": "y_weights"}
    rows = _rows(stacks["x"], stacks["y"])
    weights = {name: _weights(stacks, names[name], rows[name].shape[:2]) for name in names}
    counted = {name: w > 0 for name, w in weights.items()}
    for name, counts in counted.items():
        if names[name] not in required and not counts.all():
            first = np.take_along_axis(rows[name], counts.argmax(axis=1)[:, None, None], axis=1)
            rows[name] = np.where(counts[..., None], rows[name], first)
    _require_finite(rows)
    least = _inputs.least_rows(estimator)
    if any((rows_counted.sum(axis=1) < least).any() for rows_counted in counted.values()):
        raise ValueError(_INVALID)

    def medians(metric: str) -> Values:
        items = [[rows[name][i][counted[name][i]] for name in names] for i in range(len(rows["x"]))]
        return bandwidth.median_bandwidths(items, metric, threads, None)

    kernels = _scaled(options["kernel"], rows["x"].shape[2], medians)
    normalized = {name: _inputs.normalized(w, names[name]) for name, w in weights.items()}
    over = {name: w for name, (w, _) in normalized.items()}
    pairs = _inputs.PAIRS_OF[estimator]
    values, gradients = _combined(rows, over, kernels, required, pairs, threads)
    for name, weight in names.items():
        if weight in required:
            exponents = normalized[name][1][:, None]
            gradients[weight] = _inputs.times_powers(
                gradients[weight], -exponents, weight, "the gradient"
            )
    return values, _shaped(gradients, stacks)


def wae_mmd(stacks: Stacks, required: Sequence[str], options: Mapping[str, Any]) -> Results:
    """Compute the penalty of Wasserstein auto-encoders and its gradients."""
    z, z_prior = stacks.values()
    threads = _inputs.threads(options["n_threads"])
    rows = _rows(z, z_prior)
    _require_finite(rows)
    if options["kernel"] == "rbf":
        latents, draws = (a.reshape(-1, a.shape[2]) for a in rows.values())
        kernels = [Scaled(RBF(1.0), wae_bandwidths(latents, draws, len(z), threads))]
    else:
        kernels = [Scaled(wae_kernel(z[0], z_prior[0], **options), None)]
    weights = {name: np.ones(a.shape[:2]) for name, a in rows.items()}
    names = {"z": "x", "z_prior": "y"}
    values, gradients = _combined(
        rows, weights, kernels, [names[name] for name in required], "distinct", threads
    )
    return values, _shaped({name: gradients[names[name]] for name in required}, stacks)


def kl_flow(stacks: Stacks, required: Sequence[str], options: Mapping[str, Any]) -> Results:
    """Compute the divergence of a posterior and a prior behind a flow, and its gradients."""
    calls, b, *_ = stacks["z_p"].shape
    arguments: dict[str, Any] = {**stacks, **options}
    number_per_call = stacks["log_det"].ndim == 1
    if number_per_call:
        arguments["log_det"] = np.repeat(stacks["log_det"][:, None], b, axis=1)
    for name in stacks:
        a = arguments[name]
        arguments[name] = a.reshape(calls * b, *a.shape[2:])
    values, gradients = kl_flow_of_calls(calls, arguments, gradients=bool(required))
    results = {
        name: gradients[name].reshape(calls, b, *gradients[name].shape[1:]) for name in required
    }
    if number_per_call and "log_det" in required:
        results["log_det"] = results["log_det"].sum(axis=1)
    if options["reduce"] in ("per_item", "none"):
        values = values.reshape(calls, b, *values.shape[1:])
    return values, results


STACKED = {"mmd2": mmd2, "wae_mmd": wae_mmd, "kl_flow": kl_flow}


def _rows(x: NDArray[Any], y: NDArray[Any]) -> dict[str, Matrix]:
    """Return stacks of rows, of one dtype."""
    dtype = np.result_type(x, y)
    return {
        name: np.ascontiguousarray(a, dtype).reshape(*a.shape[:2], -1)
        for name, a in (("x", x), ("y", y))
    }


def _require_finite(rows: Mapping[str, Matrix]) -> None:
    if not all(np.isfinite(a).all() for a in rows.values()):
        raise ValueError(_INVALID)


def _weights(stacks: Stacks, name: str, shape: tuple[int, ...]) -> Values:
    if name not in stacks:
        return np.ones(shape)
    w: Values = stacks[name].astype(np.float64)
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(_INVALID)
    return w


def _scaled(kernel: Kernel, d: int, medians: Callable[[str], Values]) -> list[Scaled]:
    """
    Split a kernel into parts whose bandwidths are numbers, or the median of a metric.

    A kernel with the median as its bandwidth is one of bandwidth 1 for the rows over the median.
    """
    parts: dict[str | None, list[tuple[float, Kernel]]] = {}
    for weight, part in kernel._parts():
        resolved = part._resolve(d, lambda _: 1.0)
        parts.setdefault(part._metric_of_median(), []).append((weight, resolved))
    scaled = []
    for metric, weighted in parts.items():
        weights, kernels = zip(*weighted, strict=True)
        scaled.append(Scaled(Sum(kernels, weights), medians(metric) if metric else None))
    return scaled


def _combined(
    rows: Mapping[str, Matrix],
    weights: Mapping[str, Values],
    kernels: Sequence[Scaled],
    required: Sequence[str],
    pairs: Pairs,
    n_threads: int,
) -> Results:
    """Add values and gradients of kernels. Weights are relative to the largest."""
    values = np.zeros(len(rows["x"]))
    gradients: dict[str, Any] = dict.fromkeys(required, 0.0)
    for kernel, bandwidths in kernels:
        x, y, u, v = rows["x"], rows["y"], weights["x"], weights["y"]
        samples = one_pass.Samples(x, y, u, v, bandwidths)
        result = one_pass.run(samples, [kernel], required, pairs, n_threads, None)
        values += result.values[:, 0]
        for name in required:
            if name in rows:
                gradients[name] = gradients[name] + result.row_gradients[name][:, 0]
            else:
                side = name.removesuffix("_weights")
                weight_gradient = one_pass.weight_gradient(side, samples, result, pairs)
                gradients[name] = gradients[name] + weight_gradient[:, 0]
    return values, {name: one_pass.finite_gradient(gradients[name]) for name in required}


def _shaped(gradients: Mapping[str, Matrix], stacks: Stacks) -> dict[str, Matrix]:
    """Give gradients the shapes of the arguments."""
    return {name: a.reshape(stacks[name].shape) for name, a in gradients.items()}

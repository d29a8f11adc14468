"""
Batches of calls: every function takes stacks of arguments and gives stacks of results.

Each computes what its namesake of `fastdiv.frameworks.calls.FUNCTIONS` does for every item, whose
shapes and options are known to be right; the pairs of rows of all items are one call of the engine,
for kernels of all bandwidths that are numbers, of the median, and of that of the L1 metric each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.estimates.flow import kl_flow_of_calls
from fastdiv.kernels import RBF, Kernel, Sum
from fastdiv.mmd import bandwidth, one_pass
from fastdiv.mmd.wae import wae_bandwidths, wae_kernel

Stacks = Mapping[str, NDArray[Any]]
Results = tuple[Values, dict[str, Matrix]]

_BAD = "an item is not as it has to be"


class Scaled(NamedTuple):
    """A kernel of bandwidth 1 of the rows over their bandwidths; or one as it is, without."""

    kernel: Kernel
    bandwidths: Values | None  # (b,)


def mmd2(stacks: Stacks, wanted: Sequence[str], options: Mapping[str, Any]) -> Results:
    """Compute MMD² and its gradients."""
    estimator, threads = options["estimator"], _inputs.threads(options["n_threads"])
    names = {"x": "x_weights", "y": "y_weights"}
    rows = _rows(stacks["x"], stacks["y"])
    weights = {name: _weights(stacks, names[name], rows[name].shape[:2]) for name in names}
    counted = {name: w > 0 for name, w in weights.items()}
    u, v = (None if names[name] in wanted else w for name, w in weights.items())
    keep = _inputs.rows_kept(rows["x"], rows["y"], u, v, _inputs.ALWAYS_RAISE, estimator)
    for name, kept in zip(names, keep, strict=True):
        if not kept.all():
            first = np.take_along_axis(rows[name], kept.argmax(axis=1)[:, None, None], axis=1)
            rows[name] = np.where(kept[..., None], rows[name], first)
    _require_finite(rows)
    least = 1 if estimator == "biased" else 2
    if any((each.sum(axis=1) < least).any() for each in counted.values()):
        raise ValueError(_BAD)

    def medians(metric: str) -> Values:
        items = [[rows[name][i][counted[name][i]] for name in names] for i in range(len(rows["x"]))]
        return bandwidth.median_bandwidths(items, metric, threads, None)

    kernels = _scaled(options["kernel"], rows["x"].shape[2], medians)
    largest = {name: w.max(axis=1) for name, w in weights.items()}
    over = {name: w / largest[name][:, None] for name, w in weights.items()}
    found = _combined(rows, over, kernels, wanted, estimator, threads)
    for name, own in names.items():
        if own in wanted:
            found[1][own] = one_pass.finite(found[1][own] / largest[name][:, None])
    return _shaped(found, stacks)


def wae_mmd(stacks: Stacks, wanted: Sequence[str], options: Mapping[str, Any]) -> Results:
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
        rows, weights, kernels, [names[name] for name in wanted], "unbiased", threads
    )
    return _shaped((values, {name: gradients[names[name]] for name in wanted}), stacks)


def kl_flow(stacks: Stacks, wanted: Sequence[str], options: Mapping[str, Any]) -> Results:
    """Compute the divergence of a posterior and a prior behind a flow, and its gradients."""
    calls, b, *_ = stacks["z_p"].shape
    arguments: dict[str, Any] = {**stacks, **options}
    of_calls = stacks["log_det"].ndim == 1  # a number for every call
    if of_calls:
        arguments["log_det"] = np.repeat(stacks["log_det"][:, None], b, axis=1)
    for name in stacks:
        a = arguments[name]
        arguments[name] = a.reshape(calls * b, *a.shape[2:])
    values, gradients = kl_flow_of_calls(calls, arguments, gradients=bool(wanted))
    found = {name: gradients[name].reshape(calls, b, *gradients[name].shape[1:]) for name in wanted}
    if of_calls and "log_det" in wanted:
        found["log_det"] = found["log_det"].sum(axis=1)
    if options["reduce"] in ("per_item", "none"):
        values = values.reshape(calls, b, *values.shape[1:])
    return values, found


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
        raise ValueError(_BAD)


def _weights(stacks: Stacks, name: str, shape: tuple[int, ...]) -> Values:
    if name not in stacks:
        return np.ones(shape)
    w: Values = stacks[name].astype(np.float64)
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(_BAD)
    return w


def _scaled(kernel: Kernel, d: int, medians: Callable[[str], Values]) -> list[Scaled]:
    """
    Split a kernel by what its bandwidths are: numbers, or the median of a metric.

    With the median as its bandwidth a kernel is that of bandwidth 1 of the rows over the median.
    """
    parts: dict[str | None, list[tuple[float, Kernel]]] = {}
    for weight, part in kernel._parts():
        resolved = part._resolve(d, lambda _: 1.0)
        parts.setdefault(part._metric_of_median(), []).append((weight, resolved))
    scaled = []
    for metric, of_metric in parts.items():
        weights, kernels = zip(*of_metric, strict=True)
        scaled.append(Scaled(Sum(kernels, weights), medians(metric) if metric else None))
    return scaled


def _combined(
    rows: Mapping[str, Matrix],
    weights: Mapping[str, Values],
    kernels: Sequence[Scaled],
    wanted: Sequence[str],
    estimator: str,
    n_threads: int,
) -> Results:
    """Add up values and gradients of kernels, by weights relative to the largest."""
    values = np.zeros(len(rows["x"]))
    gradients: dict[str, Any] = dict.fromkeys(wanted, 0.0)
    for kernel, bandwidths in kernels:
        x, y, u, v = rows["x"], rows["y"], weights["x"], weights["y"]
        samples = one_pass.Samples(x, y, u, v, bandwidths)
        found = one_pass.run(samples, [kernel], wanted, estimator, n_threads, None)
        values += found.values[:, 0]
        for name in wanted:
            if name in rows:
                gradients[name] = gradients[name] + found.row_gradients[name][:, 0]
            else:
                own = name.removesuffix("_weights")
                of_weights = one_pass.weight_gradient(own, samples, found, estimator)
                gradients[name] = gradients[name] + of_weights[:, 0]
    return values, {name: one_pass.finite(gradients[name]) for name in wanted}


def _shaped(found: Results, stacks: Stacks) -> Results:
    values, gradients = found
    return values, {name: a.reshape(stacks[name].shape) for name, a in gradients.items()}

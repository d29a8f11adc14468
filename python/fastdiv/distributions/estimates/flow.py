"""Compute the VITS loss, the divergence of a Gaussian posterior and a prior behind a flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.blocks import FLOWED, row_blocks
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import first_index

ESTIMATORS = ("hybrid", "k1")
REDUCTIONS = ("per_frame", "per_element", "per_item", "none")

Gradients: TypeAlias = dict[str, Matrix]


@documented
def kl_flow(
    z_p: object, *, mean_p: object, logstd_p: object, logstd_q: object, log_det: object = 0,
    mask: object = None, noise_q: object = None, estimator: str = "hybrid",
    reduce: str = "per_frame",
) -> Values:  # fmt: skip
    """
    Estimate KL(q ‖ p) of a Gaussian posterior q and a prior p behind a flow f, from one draw.

    The prior is that of z with f(z) ~ N(mean_p, exp(logstd_p)²), so for a draw z of
    q = N(mean_q, exp(logstd_q)²) and z_p = f(z),

        log p(z) = log N(z_p; mean_p, exp(logstd_p)²) + log|det ∂f/∂z|.

    ``"hybrid"``, the loss of VITS, takes the exact entropy of q, and the cross entropy by that one
    draw. It is the sum over the valid elements of

        kl = logstd_p − logstd_q − ½ + ½ (z_p − mean_p)² exp(−2 logstd_p)

    less `log_det`. ``"k1"`` takes both by the draw, log q(z) − log p(z): with the noise
    ε = (z − mean_q) exp(−logstd_q), ½ becomes ½ ε². Both are unbiased. k1 has the smaller variance
    where p and q are close, 0 for q = p, and needs `noise_q`.

    **The value may be negative**, though the divergence is not: a lucky draw z_p near mean_p makes
    the drawn cross entropy smaller than the entropy. Its mean over draws is right. The absolute
    value, or a clamp at 0, would bias the loss upwards. The gradient would push the posterior away
    from the prior exactly where they agree (abs), or vanish there (clamp).

    Parameters
    ----------
    z_p : array_like, shape (b, h, t)
        The draw behind the flow: b items of t frames of h channels.
    mean_p, logstd_p : array_like, shape (b, h, t)
        Means of the prior and natural logarithms of its standard deviations.
    logstd_q : array_like, shape (b, h, t)
        Natural logarithms of the standard deviations of the posterior.
    log_det : float or array_like, shape (b,) or (b, 1, t), default 0
        log|det ∂f/∂z| of each item, or its part from each frame. A number is that of every item.
        0 for a flow that preserves volume, as those of VITS do.
    mask : array_like, shape (b, 1, t), optional
        Valid frames are True or 1. Padding is False or 0 and may hold anything, NaN included. All
        frames are valid by default.
    noise_q : array_like, shape (b, h, t), optional
        (z − mean_q) exp(−logstd_q), the standard normal noise behind the draw. Only for
        ``estimator="k1"``, which needs it.
    estimator : {"hybrid", "k1"}, default "hybrid"
        See above.
    reduce : {"per_frame", "per_element", "per_item", "none"}, default "per_frame"
        "per_frame" is Σ (kl · mask) / Σ mask, in nats per valid frame, summed over the channels:
        the loss of VITS. "per_element" is that divided by h, "per_item" the sum of each item.
        "none" is kl element by element, 0 in the padding, and takes no log_det other than 0.

    Returns
    -------
    ndarray of float64, shape (), (b,) for "per_item" or (b, h, t) for "none"
        Divergences in nats. An item without a valid frame has 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, the mask is empty, or a valid element is not finite. Nothing is
        broadcast. The message tells the index.
    OverflowError
        If a value is too large for float64.

    {References: kim_2021}

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import kl_flow
    >>> rng = np.random.default_rng(0)
    >>> zeros = np.zeros((2, 4, 50))
    >>> mask = np.arange(50) < np.array([[[50]], [[30]]])
    >>> noise = rng.normal(size=zeros.shape)
    >>> z_p = 0.3 + np.exp(-0.5) * noise  # the flow is the identity
    >>> round(float(kl_flow(z_p, mean_p=zeros, logstd_p=zeros, logstd_q=zeros - 0.5, mask=mask)), 3)
    0.894
    >>> round(4 * (0.5 - 0.5 + 0.5 * (0.6065**2 + 0.3**2)), 3)  # in the mean over draws
    0.916
    """
    problem = _Problem.of(
        z_p, mean_p, logstd_p, logstd_q, log_det, mask, noise_q, estimator, reduce
    )
    return problem.value(None)


def kl_flow_and_grad(
    z_p: object, *, mean_p: object, logstd_p: object, logstd_q: object, log_det: object = 0,
    mask: object = None, noise_q: object = None, estimator: str = "hybrid",
    reduce: str = "per_frame",
) -> tuple[Values, Gradients]:  # fmt: skip
    """
    Compute `kl_flow` and its gradient with respect to each argument.

    The arguments count as independent. The effect of logstd_q on z_p, through z = mean_q +
    exp(logstd_q) ε and the flow, is left to the caller's own back-propagation.

    Parameters
    ----------
    z_p, mean_p, logstd_p, logstd_q, log_det, mask, noise_q, estimator, reduce
        As in `kl_flow`.

    Returns
    -------
    value : ndarray of float64
        As `kl_flow`.
    gradients : dict of str to ndarray
        Gradients by argument: "z_p", "mean_p", "logstd_p", "logstd_q", "log_det" and, with it,
        "noise_q", each with the shape and dtype of the argument (float64 for integers) and 0 in
        the padding. With ``reduce="per_item"`` or ``"none"`` each element belongs to one value, and
        has the derivative of that one. A number for log_det belongs to all, whose derivatives add
        up.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `kl_flow`.

    References
    ----------
    As `kl_flow`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import kl_flow_and_grad
    >>> zeros = np.zeros((1, 1, 2))
    >>> value, grad = kl_flow_and_grad(
    ...     [[[1.0, -2.0]]], mean_p=zeros, logstd_p=zeros, logstd_q=zeros
    ... )
    >>> float(value), grad["z_p"], grad["logstd_q"]
    (0.75, array([[[ 0.5, -1. ]]]), array([[[-0.5, -0.5]]]))
    """
    problem = _Problem.of(
        z_p, mean_p, logstd_p, logstd_q, log_det, mask, noise_q, estimator, reduce
    )
    gradients = problem.zeros()
    return problem.value(gradients), gradients


def kl_flow_of_calls(
    calls: int, arguments: Mapping[str, Any], *, gradients: bool
) -> tuple[Values, Gradients]:
    """
    Compute `kl_flow` of several calls, each with its own mean over frames or elements.

    The b items of each call lie one after the other in arrays of shape (calls b, ...). There,
    log_det is an array too, and has to be 0 for "none". Return values of shape (calls,), (calls b,)
    for "per_item" or (calls b, h, t) for "none", and the gradient with respect to every array, or
    {}.
    """
    given: dict[str, Any] = {"mask": None, "noise_q": None, **arguments}
    problem = _Problem.of(**given, calls=calls)
    grads = problem.zeros() if gradients else None
    return problem.value(grads), grads or {}


@dataclass(frozen=True)
class _Problem:
    """Checked arguments. The work is done on some items at a time."""

    arrays: dict[str, Matrix]  # (b, h, t) each, and log_det
    mask: NDArray[np.bool_]  # (b, t)
    reduce: str
    calls: int | None  # with equally many items each, None for a call by itself

    @classmethod
    def of(
        cls,
        z_p: object,
        mean_p: object,
        logstd_p: object,
        logstd_q: object,
        log_det: object,
        mask: object,
        noise_q: object,
        estimator: str,
        reduce: str,
        calls: int | None = None,
    ) -> _Problem:
        word = _inputs.choice(estimator, ESTIMATORS, "estimator")
        _inputs.choice(reduce, REDUCTIONS, "reduce")
        if (noise_q is None) == (word == "k1"):
            raise TypeError(
                "estimator='k1' needs noise_q, the noise behind the draw"
                if word == "k1"
                else f"noise_q is for estimator='k1'; got estimator={word!r}"
            )
        given = {"z_p": z_p, "mean_p": mean_p, "logstd_p": logstd_p, "logstd_q": logstd_q}
        if noise_q is not None:
            given["noise_q"] = noise_q
        arrays = {name: _inputs.array(value, name) for name, value in given.items()}
        shape = arrays["z_p"].shape
        if len(shape) != 3 or 0 in shape:
            raise ValueError(f"z_p must have shape (b, h, t), none of them 0; got shape {shape}")
        for name, a in arrays.items():
            if a.shape != shape:
                raise ValueError(f"{name} must have the shape {shape} of z_p; got shape {a.shape}")
        b, _, t = shape
        arrays["log_det"] = _log_det(log_det, b, t)
        # In a stack of calls, numbers come as an array with one for each item.
        is_zero = not arrays["log_det"].any() and (calls or arrays["log_det"].ndim == 0)
        if reduce == "none" and not is_zero:
            raise ValueError(
                "log_det belongs to items or frames, not to elements: reduce='none' needs log_det=0"
            )
        return cls(arrays, _mask(mask, b, t, calls or 1), reduce, calls)

    def zeros(self) -> Gradients:
        """Return arrays for the gradients."""
        return {name: np.zeros(a.shape, a.dtype) for name, a in self.arrays.items()}

    def value(self, gradients: Gradients | None) -> Values:
        """
        Return one value per call, item or element, and write the gradients if they are given.

        Padding is computed with as if it were 0, whatever it holds, and then left out.
        """
        b, h, t = self.arrays["z_p"].shape
        calls = self.calls or 1
        frames = self.mask.reshape(calls, -1).sum(axis=1)
        counts = {"per_frame": frames, "per_element": h * frames}
        call_weights = 1.0 / counts.get(self.reduce, np.ones(calls))
        weights = np.repeat(call_weights, b // calls)
        sums = np.zeros(b)
        elements = np.zeros(self.arrays["z_p"].shape if self.reduce == "none" else 0)
        for items in row_blocks(b, h * t, FLOWED):
            with np.errstate(over="ignore", invalid="ignore"):
                step = partial(self._elements, items, weights[items], gradients)
                kl, totals = patiently(step, PASSES * (items.stop - items.start) * h * t)
                sums[items] = totals - self._log_dets(items, weights[items], gradients)
            if not np.isfinite(sums[items]).all():
                self._refuse(items.start + int(np.isfinite(sums[items]).argmin()))
            if self.reduce == "none":
                elements[items] = kl
        if self.reduce == "none":
            return elements
        if self.reduce == "per_item":
            return sums
        with np.errstate(over="ignore", invalid="ignore"):
            values: Values = call_weights * sums.reshape(calls, -1).sum(axis=1)
        if not np.isfinite(values).all():
            raise OverflowError("the sum over the items overflows: is log_det a logarithm?")
        return values if self.calls else values[0]

    def _elements(
        self, items: slice, weights: Values, gradients: Gradients | None
    ) -> tuple[Values, Values]:
        """Return the elements of some items, (items, h, t), and their sums."""
        valid = self.mask[items, None]
        v = {
            name: np.where(valid, a[items], 0).astype(np.float64)
            for name, a in self.arrays.items()
            if name != "log_det"
        }
        precision = np.exp(-v["logstd_p"])
        score = (v["z_p"] - v["mean_p"]) * precision
        square = score * score
        noise = v.get("noise_q")
        entropy = 1.0 if noise is None else noise * noise
        if gradients is not None:
            parts: dict[str, Values | float] = {
                "z_p": score * precision,
                "mean_p": -score * precision,
                "logstd_p": 1.0 - square,
                "logstd_q": -1.0,
            }
            if noise is not None:
                parts["noise_q"] = -noise
            for name, part in parts.items():
                gradients[name][items] = np.where(valid, weights[:, None, None] * part, 0)
                if not np.isfinite(gradients[name][items]).all():
                    finite = np.isfinite(gradients[name][items]).all(axis=(1, 2))
                    self._refuse(items.start + int(finite.argmin()), "the gradient")
        kl = np.where(valid, v["logstd_p"] - v["logstd_q"] + 0.5 * (square - entropy), 0.0)
        return kl, kl.sum(axis=(1, 2))

    def _log_dets(self, items: slice, weights: Values, gradients: Gradients | None) -> Values:
        """Return the log-determinants of some items, 0 for those without a frame."""
        log_det = self.arrays["log_det"]
        valid = self.mask[items]
        counted = valid[:, None] if log_det.ndim == 3 else valid.any(axis=1)
        given = log_det[items] if log_det.ndim else log_det
        if gradients is not None:
            shares = np.where(counted, weights.reshape(-1, *[1] * (counted.ndim - 1)), 0)
            if log_det.ndim:
                gradients["log_det"][items] = -shares
            else:
                gradients["log_det"] -= shares.sum()
        parts = np.where(counted, given, 0).reshape(len(weights), -1)
        total: Values = parts.sum(axis=1, dtype=np.float64)
        return total

    def _refuse(self, i: int, what: str = "the divergence") -> None:
        """Say what is not finite in the arrays of an item, or that it overflows."""
        valid = self.mask[i]
        for name, a in self.arrays.items():
            shown = np.broadcast_to(valid, a[i].shape) if a.ndim == 3 else np.True_
            values = a[i] if a.ndim else a
            bad = ~np.isfinite(values) & shown
            if bad.any():
                inner = first_index(bad)
                index = (i, *inner) if a.ndim else ()
                raise ValueError(
                    f"{name} must be finite where it is not padding; got {values[inner]}"
                    + (f" at index {index}" if index else "")
                )
        raise OverflowError(f"{what} overflows at item {i}: is logstd_p a logarithm?")


def _log_det(value: object, b: int, t: int) -> Matrix:
    a = _inputs.array(value, "log_det")
    if a.shape not in ((), (b,), (b, 1, t)):
        raise ValueError(
            f"log_det must be a number or have shape (b,) = ({b},) or (b, 1, t) = {(b, 1, t)}; "
            f"got shape {a.shape}"
        )
    return a


def _mask(value: object, b: int, t: int, calls: int) -> NDArray[np.bool_]:
    if value is None:
        return np.ones((b, t), dtype=np.bool_)
    a = _inputs.plain_array(value, "mask")
    if a.dtype.kind not in "biuf":
        raise TypeError(f"mask must be boolean or hold 0 and 1; got dtype {a.dtype}")
    if a.shape != (b, 1, t):
        raise ValueError(f"mask must have shape (b, 1, t) = {(b, 1, t)}; got shape {a.shape}")
    valid: NDArray[np.bool_] = a[:, 0] != 0
    if (a[:, 0] != valid).any():
        index = first_index(a != (a != 0))
        raise ValueError(f"mask must hold 0 and 1 only; got {a[index]} at index {index}")
    if not valid.reshape(calls, -1).any(axis=1).all():
        raise ValueError("mask must select at least one frame; got an empty mask")
    return valid

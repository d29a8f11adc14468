"""Gradients of divergences with respect to the parameters of the distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._backend import Matrix, Values
from fastdiv._pair import Pair, own_index
from fastdiv.discrete import CategoricalPair
from fastdiv.divergences import pair_of
from fastdiv.gaussian import Gaussian, apply, blocks, factor_and_whitener, item, log_std, rounded

Gradient: TypeAlias = dict[str, Matrix]
"""One array for "mean" and one for the parameter, each under its name and in its shape."""


def kl_and_grad(
    p: object,
    q: object,
    *,
    wrt: str | Sequence[str] = ("p", "q"),
    where: object = None,
    n_threads: int | None = None,
) -> tuple[Any, ...]:
    """
    Compute KL(p ‖ q) and the gradients of its sum over the batch.

    With respect to the parameters as they were given: the means, and std, logvar, cov, scale_tril
    or whatever else, or probs or logits, in the shapes that were given. Where a mean or parameter
    was broadcast, its gradient is summed over the items that share it. Gradients with respect to
    cov and precision are symmetric (dKL = ⟨G, dΣ⟩ for symmetric dΣ), those with respect to
    scale_tril lower triangular. Those of categorical distributions are, with the normalised
    probabilities P and Q and l = log Q − log P,

        ∂KL/∂logits_p = −P (l + KL),            ∂KL/∂logits_q = Q − P,
        ∂KL/∂probs_p = −(l + KL) / Σ probs_p,   ∂KL/∂probs_q = (1 − P/Q) / Σ probs_q.

    Parameters
    ----------
    p, q : Gaussian or Categorical
        As in `kl`.
    wrt : str or sequence of str, default ("p", "q")
        Whose parameters to differentiate by: "p", "q" or both, each once.
    where : array_like of bool, optional
        As in `kl`; items that it leaves out have gradient 0.
    n_threads : int, optional
        Number of threads for the values; see `set_num_threads`.

    Returns
    -------
    values : ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        As `kl`.
    *gradients : dict of str to ndarray
        One for each name in `wrt`, in its order. Keys are "mean" (not for categorical
        distributions) and the name of the parametrisation; float64, those of categorical
        distributions in the dtype of the parameter. With respect to probs_p it is −inf where
        P = 0 < Q, and 0 where P = Q = 0.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `kl`; ValueError if a divergence is infinite, OverflowError if a gradient is too large
        for float64.

    References
    ----------
    K. B. Petersen, M. S. Pedersen, "The Matrix Cookbook" (2012), sections 2 and 8; G. Hinton,
    O. Vinyals, J. Dean, "Distilling the knowledge in a neural network" (2015), arXiv:1503.02531,
    equation (2), for the logits of q.

    Examples
    --------
    >>> from fastdiv import Gaussian, kl_and_grad
    >>> p, q = Gaussian([1.0], logvar=[0.0]), Gaussian([0.0], std=2.0)
    >>> value, grad_p, grad_q = kl_and_grad(p, q)
    >>> grad_p
    {'mean': array([0.25]), 'logvar': array([-0.375])}
    >>> grad_q
    {'mean': array([-0.25]), 'std': array(0.25)}
    """
    sides = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    if not sides or len({*sides}) != len(sides) or not {*sides} <= {"p", "q"}:
        raise ValueError(f"wrt must hold 'p', 'q' or both, each once; got {wrt!r}")
    pair = pair_of(p, q)
    chosen = pair.mask(where)
    values = pair.kl(_inputs.threads(n_threads), None, chosen)
    if isinstance(pair, CategoricalPair):
        gradients = dict(zip("pq", pair.gradients(values, chosen), strict=True))
    else:
        gradients = _gradients(pair, chosen, sides)
    return item(values), *(gradients[side] for side in sides)


def _gradients(
    pair: Pair, chosen: NDArray[np.bool_] | None, sides: tuple[str, ...]
) -> dict[str, Gradient]:
    """Return the gradients of the sum over the chosen items, in blocks with small temporaries."""
    p, q, batch = pair.p, pair.q, pair.batch_shape
    # Two of everything; where a number takes few operations, in temporaries that caches hold.
    compute, size = (_diagonal, 32 * p.dim) if pair.is_diagonal else (_full, 2 * p.dim**2)
    both = {"p": p, "q": q}
    sums = {
        side: [
            _Sum(given, event_ndim, batch)
            for given, event_ndim in zip(
                both[side]._given_shapes, (1, 1 if both[side].is_diagonal else 2), strict=True
            )
        ]
        for side in sides
    }
    for place, index in blocks(batch, size):
        rows: slice | NDArray[np.intp] = place
        if chosen is not None:
            keep = chosen[index]
            rows = place.start + np.flatnonzero(keep)
            index = tuple(axis[keep] for axis in index)
        part = Pair(p[own_index(p, index)], q[own_index(q, index)], ())
        with np.errstate(over="ignore", invalid="ignore"):
            means, scales_p, scales_q = compute(part)
        of = {"p": (means, scales_p), "q": (-means, scales_q)}
        for side in sides:
            for each, values in zip(sums[side], of[side], strict=True):
                each.add(rows, index, values)
    return {
        side: {"mean": mean.as_given(), both[side].parametrisation: parameter.as_given()}
        for side, (mean, parameter) in sums.items()
    }


class _Sum:
    """The gradient with respect to an array of shape `given`, added up over the batch."""

    def __init__(self, given: tuple[int, ...], event_ndim: int, batch_shape: tuple[int, ...]):
        own, event = given[:-event_ndim], given[-event_ndim:] or (1,)  # of a scalar, (1,)
        n = math.prod(own)
        self._given, shared = given, own != batch_shape
        self._rows = np.broadcast_to(np.arange(n).reshape(own), batch_shape) if shared else None
        self._sum = np.zeros((n, *event))

    def add(
        self, rows: slice | NDArray[np.intp], index: tuple[NDArray[np.intp], ...], values: Values
    ) -> None:
        """Add the values of rows of the flattened batch, at this index of the batch."""
        if not self._given:  # a scalar serves every feature
            values = values.sum(axis=-1, keepdims=True)
        if self._rows is None:
            self._sum[rows] = values
            return
        own = np.atleast_1d(self._rows[index])
        order = np.argsort(own, kind="stable")
        own, starts = np.unique(own[order], return_index=True)
        values = np.broadcast_to(values, (len(order), *self._sum.shape[1:]))
        self._sum[own] += np.add.reduceat(values[order], starts, axis=0)

    def as_given(self) -> Values:
        """Return the sums, and refuse what overflowed."""
        return rounded(self._sum.reshape(self._given), self._sum.dtype, "a gradient")


def _diagonal(pair: Pair) -> tuple[Values, Values, Values]:
    """Return the gradients with respect to mean_p and to both parameters."""
    p, q = pair.p, pair.q
    log_p, log_q = log_std(p), log_std(q)
    difference = p.mean.astype(np.float64) - q.mean
    inverse = np.exp(-log_q)
    z = difference * inverse
    ratio_less_1 = np.expm1(2 * (log_p - log_q))
    # d KL / d log σ_p = σ_p²/σ_q² − 1, and d KL / d log σ_q is that with the sign turned, less z².
    return (
        z * inverse,
        ratio_less_1 * _chain(p, log_p),
        -(ratio_less_1 + z * z) * _chain(q, log_q),
    )


def _chain(g: Gaussian, log: Values) -> Values:
    """Return d log σ / d parameter."""
    if g.parametrisation == "std":
        return np.exp(-log)
    if g.parametrisation == "var":
        return 0.5 * np.exp(-2 * log)
    return np.full_like(log, 1.0 if g.parametrisation == "logstd" else 0.5)


def _full(pair: Pair) -> tuple[Values, Values, Values]:
    p, q = pair.p, pair.q
    (l_p, w_p), (l_q, w_q) = factor_and_whitener(p), factor_and_whitener(q)
    z = apply(w_q, p.mean.astype(np.float64) - q.mean)
    # With M = L_q⁻¹ L_p = I + N, M Mᵀ − I and Mᵀ M − I are 0 for equals and cancel for none.
    n = w_q @ (l_p - l_q)
    both = n + _transposed(n)
    outer = z[..., :, None] * z[..., None, :]
    wrt_cov_p = 0.5 * _transposed(w_p) @ (both + _transposed(n) @ n) @ w_p
    wrt_cov_q = -0.5 * _transposed(w_q) @ (both + n @ _transposed(n) + outer) @ w_q
    means = apply(_transposed(w_q), z)
    return means, _from_cov(p, l_p, wrt_cov_p), _from_cov(q, l_q, wrt_cov_q)


def _from_cov(g: Gaussian, lower: Values, wrt_cov: Values) -> Values:
    """Turn a gradient with respect to Σ into one with respect to the parameter."""
    if g.is_diagonal:
        log = log_std(g)
        diagonal = np.diagonal(wrt_cov, axis1=-2, axis2=-1)
        return 2 * np.exp(2 * log) * diagonal * _chain(g, log)
    if g.parametrisation == "cov":
        return wrt_cov
    if g.parametrisation == "scale_tril":
        return np.asarray(np.tril(2 * wrt_cov @ g.parameter.astype(np.float64)))
    cov = lower @ _transposed(lower)
    return np.asarray(-cov @ wrt_cov @ cov)


def _transposed(a: Values) -> Values:
    return np.swapaxes(a, -1, -2)

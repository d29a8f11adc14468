"""Gradients of divergences with respect to the parameters of the distributions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from fastdiv import _inputs
from fastdiv._backend import Matrix, Values
from fastdiv._pair import Pair
from fastdiv.discrete import CategoricalPair
from fastdiv.divergences import pair_of
from fastdiv.gaussian import Gaussian, apply, factor, item, log_std, whitener

Gradient: TypeAlias = dict[str, Matrix]
"""One array for "mean" and one for the parameter, each under its name and in its shape."""


def kl_and_grad(
    p: object, q: object, *, where: object = None, n_threads: int | None = None
) -> tuple[Values, Gradient, Gradient]:
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
    where : array_like of bool, optional
        As in `kl`; items that it leaves out have gradient 0.
    n_threads : int, optional
        Number of threads for the values; see `set_num_threads`.

    Returns
    -------
    values : ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        As `kl`.
    grad_p, grad_q : dict of str to ndarray
        Keys are "mean" (not for categorical distributions) and the name of the parametrisation;
        float64, those of categorical distributions in the dtype of the parameter. With respect to
        probs_p it is −inf where P = 0 < Q, and 0 where P = Q = 0.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `kl`; and ValueError if a divergence is infinite.

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
    pair = pair_of(p, q)
    chosen = pair.mask(where)
    values = pair.kl(_inputs.threads(n_threads), None, chosen)
    if isinstance(pair, CategoricalPair):
        return item(values), *pair.gradients(values, chosen)
    filled = Pair(pair.p._filled(), pair.q._filled(), pair.batch_shape)
    means, scale_p, scale_q = (_diagonal if pair.is_diagonal else _full)(filled)
    grad_p = _as_given(pair.p, means, scale_p, chosen, pair.batch_shape)
    grad_q = _as_given(pair.q, -means, scale_q, chosen, pair.batch_shape)
    return item(values), grad_p, grad_q


def _diagonal(pair: Pair) -> tuple[Values, Values, Values]:
    """Return the gradients with respect to mean_p and to both parameters."""
    p, q = pair.p, pair.q
    log_p, log_q = log_std(p), log_std(q)
    difference = p.mean.astype(np.float64) - q.mean
    z2 = (difference * np.exp(-log_q)) ** 2
    ratio_less_1 = np.expm1(2 * (log_p - log_q))
    # d KL / d log σ_p = σ_p²/σ_q² − 1, and d KL / d log σ_q is that with the sign turned, less z².
    return (
        difference * np.exp(-2 * log_q),
        ratio_less_1 * _chain(p, log_p),
        -(ratio_less_1 + z2) * _chain(q, log_q),
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
    w_p, w_q, l_p = whitener(p), whitener(q), factor(p)
    z = apply(w_q, p.mean.astype(np.float64) - q.mean)
    # With M = L_q⁻¹ L_p = I + N, M Mᵀ − I and Mᵀ M − I are 0 for equals and cancel for none.
    n = w_q @ (l_p - factor(q))
    both = n + _transposed(n)
    outer = z[..., :, None] * z[..., None, :]
    wrt_cov_p = 0.5 * _transposed(w_p) @ (both + _transposed(n) @ n) @ w_p
    wrt_cov_q = -0.5 * _transposed(w_q) @ (both + n @ _transposed(n) + outer) @ w_q
    means = apply(_transposed(w_q), z)
    return means, _from_cov(p, wrt_cov_p), _from_cov(q, wrt_cov_q)


def _from_cov(g: Gaussian, wrt_cov: Values) -> Values:
    """Turn a gradient with respect to Σ into one with respect to the parameter."""
    if g.is_diagonal:
        log = log_std(g)
        diagonal = np.diagonal(wrt_cov, axis1=-2, axis2=-1)
        return 2 * np.exp(2 * log) * diagonal * _chain(g, log)
    if g.parametrisation == "cov":
        return wrt_cov
    if g.parametrisation == "scale_tril":
        return np.asarray(np.tril(2 * wrt_cov @ g.parameter.astype(np.float64)))
    lower = factor(g)
    cov = lower @ _transposed(lower)
    return np.asarray(-cov @ wrt_cov @ cov)


def _transposed(a: Values) -> Values:
    return np.swapaxes(a, -1, -2)


def _as_given(
    g: Gaussian,
    means: Values,
    scales: Values,
    chosen: Matrix | None,
    batch_shape: tuple[int, ...],
) -> Gradient:
    scale_event = 1 if g.is_diagonal else 2
    mean_shape, scale_shape = g._given_shapes
    return {
        "mean": _summed(means, 1, chosen, batch_shape, mean_shape),
        g.parametrisation: _summed(scales, scale_event, chosen, batch_shape, scale_shape),
    }


def _summed(
    values: Values,
    event_ndim: int,
    chosen: Matrix | None,
    batch_shape: tuple[int, ...],
    given: tuple[int, ...],
) -> Values:
    """Undo the broadcast of an array of shape `given` to the whole batch."""
    full = np.broadcast_to(values, batch_shape + values.shape[values.ndim - event_ndim :])
    if chosen is not None:
        full = np.where(chosen.reshape(chosen.shape + (1,) * event_ndim), full, 0.0)
    extra = full.ndim - len(given)
    repeated = [extra + k for k, size in enumerate(given) if size == 1]
    return np.asarray(full.sum(axis=(*range(extra), *repeated))).reshape(given)

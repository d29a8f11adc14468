"""Differentiate divergences with respect to the parameters of the distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.patience import patiently
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import blocks, item, rounded
from fastdiv.distributions.divergences import pair_of
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.linear_algebra import factor_and_whitener, log_std, matvec
from fastdiv.distributions.pair import Lowered, Pair, side_index

Gradient: TypeAlias = dict[str, Matrix]
"""Arrays by name, "mean" and the parametrisation, in the shapes that were given."""


@documented
def kl_and_grad(
    p: object, q: object, *, wrt: str | Sequence[str] = ("p", "q"), where: object = None,
    n_threads: int | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """
    Compute KL(p ‖ q) and the gradients of its sum over the batch.

    Gradients are with respect to the parameters as given, in the shapes that were given. Items
    that share a broadcast mean or parameter add up to its gradient. Gradients with respect to cov
    and precision are symmetric (dKL = ⟨G, dΣ⟩ for symmetric dΣ), those with respect to scale_tril
    lower triangular. Those of categorical distributions are, with the normalised probabilities P
    and Q and l = log Q − log P,

        ∂KL/∂logits_p = −P (l + KL),            ∂KL/∂logits_q = Q − P,
        ∂KL/∂probs_p = −(l + KL) / Σ probs_p,   ∂KL/∂probs_q = (1 − P/Q) / Σ probs_q.

    Parameters
    ----------
    p, q : Gaussian or Categorical
        As in `kl`.
    wrt : str or sequence of str, default ("p", "q")
        Distributions with respect to whose parameters to differentiate, each once.
    where : array_like of bool, optional
        As in `kl`. Items that it leaves out have gradient 0.
    n_threads : int, optional
        Number of threads for the values. See `set_num_threads`.

    Returns
    -------
    values : ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        As `kl`, up to rounding.
    *gradients : dict of str to ndarray
        One for each name in `wrt`, in its order. Keys are "mean" and the name of the
        parametrisation, values are float64. Those of categorical distributions have no "mean",
        and the dtype of the parameter. With respect to probs_p they are −inf where P = 0 < Q, and
        0 where P = Q = 0.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `kl`. ValueError if a divergence is infinite, OverflowError if a gradient is too large
        for its type.

    References
    ----------
    K. B. Petersen, M. S. Pedersen, "The Matrix Cookbook" (2012), sections 2 and 8.
    {hinton_2015}
    Equation (2), for the logits of q.

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
    sides, threads = _inputs.choices(wrt, ("p", "q"), "wrt"), _inputs.threads(n_threads)
    pair = pair_of(p, q)
    chosen = pair.mask(where)
    if isinstance(pair, Pair) and (whole := _at_once(pair, chosen, sides, threads)) is not None:
        values, gradients = whole
    else:
        values = pair.kl(threads, None, chosen)
        if isinstance(pair, Pair):
            gradients = _gradients(pair, chosen, sides, threads)
        else:
            gradients = pair.gradients(values, chosen, sides)
    return item(values), *(gradients[side] for side in sides)


def diagonal_kl_and_grad(
    lowered: Lowered, *, q_gradient: bool, as_given: bool, n_threads: int
) -> tuple[Matrix, dict[str, Matrix]] | None:
    """
    Compute divergences of diagonal Gaussians and their gradients in one pass over the parameters.

    Parameters need not be checked. None says that one is invalid, or that a result is not finite.
    Gradients have the names of `fastdiv.torch.kl`. They and the values have the dtype of the
    parameters if `as_given`, else float64.
    """
    values, means, by_p, by_q, sound = backend.current().diagonal_kl_and_gradients(
        *lowered, q_gradient, as_given, n_threads
    )
    if not sound:
        return None
    gradients = {"mean": means, lowered[0][1]: by_p}
    if q_gradient:
        gradients |= {"q_mean": -means, f"q_{lowered[1][1]}": by_q}
    return values, gradients


def _at_once(
    pair: Pair, chosen: NDArray[np.bool_] | None, sides: tuple[str, ...], n_threads: int
) -> tuple[Values, dict[str, Gradient]] | None:
    """Return values and gradients if parameters of one dtype serve one item each."""
    both, q_gradient = {"p": pair.p, "q": pair.q}, "q" in sides
    shape = (*pair.batch_shape, pair.p.dim)
    if (
        chosen is not None
        or not pair.is_diagonal
        or pair.common_dtype is None
        or (q_gradient and pair.q._is_standard)  # whose values come from the parametrisation of p
        or any([given != shape for side in sides for given in both[side]._given_shapes])
    ):
        return None
    whole = diagonal_kl_and_grad(
        pair.lowered(), q_gradient=q_gradient, as_given=False, n_threads=n_threads
    )
    if whole is None:
        return None
    values, named = whole
    gradients = {"p": {name: named[name] for name in ("mean", pair.p.parametrisation)}}
    if q_gradient:
        name = pair.q.parametrisation
        gradients["q"] = {"mean": named["q_mean"], name: named[f"q_{name}"]}
    return values, gradients


def _gradients(
    pair: Pair, chosen: NDArray[np.bool_] | None, sides: tuple[str, ...], n_threads: int
) -> dict[str, Gradient]:
    """Return the gradients of the sum over the chosen items."""
    both, batch = {"p": pair.p, "q": pair.q}, pair.batch_shape

    def compute(part: Pair) -> dict[str, tuple[Values, Values]]:
        with np.errstate(over="ignore", invalid="ignore"):
            if not part.is_diagonal:
                products = math.prod(part.batch_shape) * part.p.dim**3
                return patiently(partial(_full, part, sides), products)
            _, means, scales_p, scales_q, _ = backend.current().diagonal_kl_and_gradients(
                *part.lowered(as_given="q" in sides), "q" in sides, False, n_threads
            )
            p_part = {"p": (means, scales_p)}
            return p_part | {"q": (-means, scales_q)} if "q" in sides else p_part

    sums = {
        side: [
            _Sum(given, event_ndim, batch)
            for given, event_ndim in zip(
                both[side]._given_shapes, (1, 1 if both[side].is_diagonal else 2), strict=True
            )
        ]
        for side in sides
    }
    # Work in blocks of the values of both sides, so that temporaries stay small.
    size = 2 * (pair.p.dim if pair.is_diagonal else pair.p.dim**2)
    for place, index in blocks(batch, size):
        rows = np.arange(place.start, place.stop)
        if chosen is not None:
            keep = chosen[index]
            rows, index = rows[keep], tuple(axis[keep] for axis in index)
        p, q = (side._at(side_index(side, index)) for side in (pair.p, pair.q))
        part = compute(Pair(p, q, (len(rows),)))
        for side in sides:
            for total, values in zip(sums[side], part[side], strict=True):
                total.add(rows, index, values)
    return {side: _as_given(both[side], *(part.total for part in sums[side])) for side in sides}


def _as_given(g: Gaussian, mean: Values, parameter: Values) -> Gradient:
    """Return gradients in the shapes that were given, and refuse what overflowed."""
    names = ("mean", g.parametrisation)
    return {
        name: rounded(values.reshape(given), values.dtype, "a gradient")
        for name, values, given in zip(names, (mean, parameter), g._given_shapes, strict=True)
    }


class _Sum:
    """The gradient with respect to an array of shape `given`, added up over the batch."""

    def __init__(self, given: tuple[int, ...], event_ndim: int, batch_shape: tuple[int, ...]):
        leading = given[:-event_ndim]
        self._event = given[-event_ndim:] or (1,)  # (1,) for a scalar
        n = math.prod(leading)
        self._given, shared = given, leading != batch_shape
        self._rows = np.broadcast_to(np.arange(n).reshape(leading), batch_shape) if shared else None
        self.total = np.zeros((n, *self._event))

    def add(
        self, rows: NDArray[np.intp], index: tuple[NDArray[np.intp], ...], values: Values
    ) -> None:
        """Add the values of rows of the flattened batch, at this index of the batch."""
        if not self._given:  # a scalar serves every feature
            values = values.sum(axis=-1, keepdims=True)
        if self._rows is None:
            self.total[rows] = values
            return
        targets = np.atleast_1d(self._rows[index])
        order = np.argsort(targets, kind="stable")
        targets, starts = np.unique(targets[order], return_index=True)
        values = np.broadcast_to(values, (len(order), *self._event))
        self.total[targets] += np.add.reduceat(values[order], starts, axis=0)


def _chain(g: Gaussian, log: Values) -> Values:
    """Return d log σ / d parameter."""
    if g.parametrisation == "std":
        return np.exp(-log)
    if g.parametrisation == "var":
        return 0.5 * np.exp(-2 * log)
    return np.full_like(log, 1.0 if g.parametrisation == "logstd" else 0.5)


def _full(pair: Pair, sides: tuple[str, ...]) -> dict[str, tuple[Values, Values]]:
    """Return the gradients with respect to the mean and the parameter of each side."""
    p, q = pair.p, pair.q
    (l_p, w_p), (l_q, w_q) = factor_and_whitener(p), factor_and_whitener(q)
    z = matvec(w_q, p.mean.astype(np.float64) - q.mean)
    # With M = L_q⁻¹ L_p = I + N, M Mᵀ − I and Mᵀ M − I are computed without cancellation.
    n = w_q @ (l_p - l_q)
    symmetric = n + _transposed(n)
    means = matvec(_transposed(w_q), z)
    gradients = {}
    if "p" in sides:
        wrt_cov = 0.5 * _transposed(w_p) @ (symmetric + _transposed(n) @ n) @ w_p
        gradients["p"] = means, _from_cov(p, l_p, wrt_cov)
    if "q" in sides:
        outer = z[..., :, None] * z[..., None, :]
        wrt_cov = -0.5 * _transposed(w_q) @ (symmetric + n @ _transposed(n) + outer) @ w_q
        gradients["q"] = -means, _from_cov(q, l_q, wrt_cov)
    return gradients


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

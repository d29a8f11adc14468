"""Compute variational lower bounds of f-divergences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.blocks import blockwise
from fastdiv._engine.moments import mean_and_deviation
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import first_index, item, last_axis_aligned
from fastdiv.distributions.estimates.estimate import Estimate


@dataclass(frozen=True)
class _Conjugate:
    """The convex conjugate f*, its domain t < below, and a factor on the bound."""

    function: Callable[[Values], Values]
    below: float = math.inf
    domain: str = ""
    factor: float = 1.0


def _log1mexp(t: Values) -> Values:
    """Return log(1 − exp(t)) for t < 0."""
    near = t > -math.log(2)
    return np.where(near, np.log(-np.expm1(np.where(near, t, -1.0))), np.log1p(-np.exp(t)))


_CONJUGATES = {
    "kl": _Conjugate(lambda t: np.exp(t - 1)),
    "reverse_kl": _Conjugate(lambda t: -1 - np.log(-t), 0.0, "negative"),
    "jensen_shannon": _Conjugate(
        lambda t: -np.log1p(-np.expm1(t)), math.log(2), "less than log 2", 0.5
    ),
    "pearson": _Conjugate(lambda t: t * t / 4 + t),
    "squared_hellinger": _Conjugate(lambda t: t / (1 - t), 1.0, "less than 1"),
    "gan": _Conjugate(lambda t: -_log1mexp(t), 0.0, "negative"),
}


def f_divergence_bound(t_p: object, t_q: object, divergence: str = "kl") -> Estimate:
    """
    Estimate the variational lower bound of an f-divergence that a critic T attains.

    For every function T with values in the domain of the convex conjugate f*,

        D_f(p ‖ q) = ∫ q f(p/q) ≥ E_p[T] − E_q[f*(T)],

    with equality for T = f'(p/q):

    ===================== ======================= ================ ========== ==================
    divergence            D                       f*(t)            domain     optimal T
    ===================== ======================= ================ ========== ==================
    ``kl``                ∫ p log(p/q)            exp(t − 1)       all        1 + log(p/q)
    ``reverse_kl``        ∫ q log(q/p)            −1 − log(−t)     t < 0      −q/p
    ``jensen_shannon``    ½ ∫ p log(p/m)          −log(2 − exp(t)) t < log 2  log(p/m)
                          + ½ ∫ q log(q/m)
    ``pearson``           ∫ (p − q)²/q            t²/4 + t         all        2 (p/q − 1)
    ``squared_hellinger`` ∫ (√p − √q)²            t/(1 − t)        t < 1      1 − √(q/p)
    ``gan``               2 JS − log 4            −log(1 − exp(t)) t < 0      log(p/(p + q))
    ===================== ======================= ================ ========== ==================

    with m = (p + q)/2. For ``jensen_shannon`` the bound is half of E_p[T] − E_q[f*(T)], so that it
    is one of the usual divergence, between 0 and log 2. ``squared_hellinger`` is 2 H², with H as
    in most textbooks.

    T is the critic's output after an activation with the right range, and no narrower one. A
    sigmoid on T caps the estimate, whatever p and q are: with T in (0, 1) the bound of ``kl``
    cannot pass 1 − 1/e = 0.632 nats. For an unbounded output v, take T = v for ``kl`` and
    ``pearson``, −exp(v) for ``reverse_kl`` and 1 − exp(−v) for ``squared_hellinger``. Take
    log 2 − log(1 + exp(−v)) for ``jensen_shannon`` and −log(1 + exp(−v)) for ``gan``.

    Parameters
    ----------
    t_p, t_q : array_like, shapes (n, ...) and (m, ...)
        T at n draws of p and m draws of q, at least two each. Further axes are a batch of critics,
        the same for both. Columns of frames go by name.
    divergence : str, default "kl"
        A name from the table.

    Returns
    -------
    Estimate
        Bounds in the shape of the batch, in nats, but without unit for ``pearson`` and
        ``squared_hellinger``. The expectation is no larger than the divergence if the critic was
        trained on other draws. On the draws of its training it may be larger. The variance is the
        sum of those of the two means. A bound may be negative: T is then a bad one.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid or not finite, or T is outside the domain. The message tells the
        index.
    OverflowError
        If f*(T) or the standard error overflows.

    References
    ----------
    S. Nowozin, B. Cseke, R. Tomioka, "f-GAN: training generative neural samplers using variational
    divergence minimization", NeurIPS 2016, equation (4) and tables 1 and 2. X. Nguyen,
    M. J. Wainwright, M. I. Jordan, "Estimating divergence functionals and the likelihood ratio by
    convex risk minimization", IEEE Trans. Inf. Theory 56 (2010) 5847–5861.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import Gaussian, f_divergence_bound
    >>> p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=1.0)  # KL = 0.5
    >>> x, y = p.sample(100_000, rng=0), q.sample(100_000, rng=1)
    >>> best = [1 + p.log_prob(z) - q.log_prob(z) for z in (x, y)]
    >>> round(float(f_divergence_bound(*best, "kl").value), 2)
    0.5
    >>> capped = [1 / (1 + np.exp(-t)) for t in best]
    >>> round(float(f_divergence_bound(*capped, "kl").value), 2)
    0.09
    """
    word = _inputs.choice(divergence, tuple(_CONJUGATES), "divergence")
    conjugate = _CONJUGATES[word]
    given = zip(("t_p", "t_q"), last_axis_aligned({"t_p": t_p, "t_q": t_q}), strict=True)
    on_p, on_q = (_critic(t, name, word) for name, t in given)
    if on_p.shape[1:] != on_q.shape[1:]:
        raise ValueError(
            "t_p and t_q must have the same shape after the first axis; "
            f"got {on_p.shape} and {on_q.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        starred = blockwise(conjugate.function, on_q)
        mean_p, deviation_p = mean_and_deviation(on_p, ddof=1)
        mean_q, deviation_q = mean_and_deviation(starred, ddof=1)
        value = conjugate.factor * (mean_p - mean_q)
        errors = deviation_p / np.sqrt(len(on_p)), deviation_q / np.sqrt(len(on_q))
        stderr = conjugate.factor * np.hypot(*errors)
    if not np.isfinite(value).all():
        raise OverflowError(f"f*(t_q) overflows for divergence={word!r}; the critic is too large")
    if not np.isfinite(stderr).all():
        raise OverflowError(
            f"the standard error overflows for divergence={word!r}; the critic is too large"
        )
    return Estimate(item(value), item(stderr), len(on_p) + len(on_q), "lower bound")


def _critic(value: object, name: str, divergence: str) -> Values:
    t = _inputs.converted(_inputs.array(value, name), np.dtype(np.float64))
    if t.ndim == 0 or len(t) < 2:
        raise ValueError(f"{name} must have at least 2 values along its first axis; got {t.shape}")
    conjugate = _CONJUGATES[divergence]
    inside = blockwise(lambda part: np.isfinite(part) & (part < conjugate.below), t)
    if not inside.all():
        index = first_index(~inside)
        required = "finite" + (f" and {conjugate.domain}" if conjugate.domain else "")
        raise ValueError(
            f"{name} must be {required} for divergence={divergence!r}; "
            f"got {t[index]} at index {index}"
        )
    return t

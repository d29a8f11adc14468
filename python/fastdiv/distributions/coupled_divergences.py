"""Compute entropies and divergences of the coupled family, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import checked, item
from fastdiv.distributions.coupled import CoupledNormal, coupling, exponent, scaled_expm1
from fastdiv.distributions.linear_algebra import less_log, whitened
from fastdiv.distributions.overlaps import renyi_from_one
from fastdiv.distributions.pair import Pair


@documented
def coupled_entropy(p: object, kappa: float, *, alpha: float = 2) -> Values:
    """
    Compute the coupled entropy H(p) = H(p, p) of `coupled_cross_entropy`.

    With r = ακ/(1 + dκ), H(p) = expm1(−log ∫ p^{1+r}) / (ακ), where

        −log ∫ p^{1+r} = r log Z + log(1 + dκ)       for a `CoupledNormal` of the same κ and α,
        −log ∫ p^{1+r} = r log Z + (d/2) log(1 + r)  for a Gaussian.

    Elsewhere `coupled_cross_entropy_monte_carlo` of p and p estimates it from draws.

    Parameters
    ----------
    p : Gaussian or CoupledNormal
        Gaussian without a mask `where`, for any κ > −1/(d + α), or coupled with this κ and α. For
        others ∫ p^{1+r} diverges, or there is no closed form.
    kappa : float
        Coupling κ of the entropy, with 1 + dκ > 0, up to 1e100. |κ| below 1e-300 counts as 0, for
        which it is the differential entropy.
    {alpha}

    Returns
    -------
    ndarray of float64, shape batch_shape of p
        Entropies, in nats for κ = 0. They may be negative.

    {raises_overflow}

    {References: nelson_2017}

    Examples
    --------
    >>> from fastdiv import CoupledNormal, coupled_entropy
    >>> coupled_entropy(CoupledNormal([0.0], std=[[1.0], [3.0]], kappa=0.5), 0.5).round(6)
    array([2.      , 5.240251])
    """
    member = CoupledNormal._of(p, "p")
    order = Order.of(kappa, alpha, member.dim)
    return item(_coupled_expm1(_self_term(member, order), order, 0.0, "the entropy"))


@documented
def coupled_cross_entropy(p: object, q: object, kappa: float, *, alpha: float = 2) -> Values:
    """
    Compute the coupled cross entropy H(p, q) = (1/α) ∫ P_κ ln_κ(q^{−α}).

    Here P_κ = p^{1+r} / ∫ p^{1+r}, r = ακ/(1 + dκ), is the escort density of p, and ln_κ is
    `coupled_log` with dim = d. H(p, q) is the sum of `coupled_entropy` and `coupled_kl`. Without a
    closed form, `coupled_cross_entropy_monte_carlo` estimates it from draws.

    Parameters
    ----------
    p, q : Gaussian or CoupledNormal
        As in `coupled_kl`.
    {kappa}
        For κ = 0 it is `cross_entropy`.
    {alpha}

    Returns
    -------
    {value_per_pair}
        Cross entropies, in nats for κ = 0; +∞ where the integral diverges.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `coupled_kl`.

    {References: nelson_2017}

    Examples
    --------
    >>> from fastdiv import CoupledNormal, coupled_cross_entropy
    >>> p = CoupledNormal([0.0], std=1.0, kappa=0.5)
    >>> q = CoupledNormal([1.0], std=2.0, kappa=0.5)
    >>> round(float(coupled_cross_entropy(p, q, 0.5)), 6)
    2.968503
    """
    order, self_term, excess = _terms(p, q, kappa, alpha)
    return item(_coupled_expm1(self_term + excess, order, 0.0, "the cross entropy"))


@documented
def coupled_kl(p: object, q: object, kappa: float, *, alpha: float = 2) -> Values:
    """
    Compute the coupled divergence D(p ‖ q) = H(p, q) − H(p, p) of `coupled_cross_entropy`.

    Let r = ακ/(1 + dκ) and a = 1 + r. With the Rényi divergence R_a = log(∫ p^a q^{1−a}) / (a − 1),

        D = expm1(r R_a) / (ακ ∫ p^a).

    It is in closed form for

    - Gaussian p and q, with S = a Σ_q + (1 − a) Σ_p and Δ the difference of the means:
      1/∫ p^a = (2π)^{dr/2} |Σ_p|^{r/2} a^{d/2} and
      R_a = (a/2) Δᵀ S⁻¹ Δ − log(|S| / (|Σ_p|^{1−a} |Σ_q|^a)) / (2 (a − 1)),
      +∞ where S is not positive definite;
    - p and q both a `CoupledNormal` of this κ > 0, and α = 2:
      D = [Z_q^r (1 + κ (tr Σ_q⁻¹ Σ_p + Δᵀ Σ_q⁻¹ Δ)) − Z_p^r (1 + dκ)] / (2κ).

    Both are computed from the eigenvalues of Σ_q⁻¹ Σ_p − I as sums of terms that are never
    negative, each without cancellation. Equal distributions give 0, close ones keep their digits,
    and κ → 0 gives `kl`. Elsewhere `coupled_kl_monte_carlo` estimates it from draws, with a
    standard error.

    Parameters
    ----------
    p, q : Gaussian or CoupledNormal
        Distributions of the same dimension, without a mask `where`, for which there is a closed
        form. Their batch shapes broadcast.
    kappa : float
        Coupling κ up to 1e100, with 1 + dκ > 0, and 1 + (d + α) κ > 0 for Gaussians. |κ| below
        1e-300 counts as 0.
    {alpha}

    Returns
    -------
    {value_per_pair}
        Divergences, in nats for κ = 0; +∞ where the integral diverges.

    {raises_overflow}

    {References: nelson_2017, gil_2013}

    Examples
    --------
    >>> from fastdiv import CoupledNormal, Gaussian, coupled_kl
    >>> p, q = Gaussian([0.0], std=1.0), Gaussian([[0.0], [1.0]], std=2.0)
    >>> coupled_kl(p, q, 0.5).round(6)
    array([0.705397, 1.004943])
    >>> t = CoupledNormal([0.0], std=1.0, kappa=0.5)
    >>> round(float(coupled_kl(t, CoupledNormal([1.0], std=2.0, kappa=0.5), 0.5)), 6)
    0.968503
    """
    order, self_term, excess = _terms(p, q, kappa, alpha)
    return item(_coupled_expm1(excess, order, order.r * self_term, "the divergence"))


# With g = log(∫ P_κ p^{−r}) / r and R = log(∫ P_κ q^{−r}) / r − g, which is the Rényi divergence,
# H(p, q) = expm1(r (g + R)) / (ακ) and D = exp(r g) expm1(r R) / (ακ).


@dataclass(frozen=True)
class Order:
    """The parameters κ, α, d and r = ακ/(1 + dκ) of a divergence."""

    kappa: float
    alpha: float
    dim: int
    r: float

    @classmethod
    def of(cls, kappa: object, alpha: object, dim: int) -> Order:
        """Check that κ and α are in their ranges."""
        k, a = coupling(kappa, dim), exponent(alpha)
        return cls(k, a, dim, a * k / (1 + dim * k))

    def belongs_to(self, p: CoupledNormal) -> bool:
        """Tell whether p is the family's member of this κ and α."""
        return (p.kappa, p.alpha) == (self.kappa, self.alpha)


def _terms(p: object, q: object, kappa: object, alpha: object) -> tuple[Order, Values, Values]:
    """Return the order, g and R."""
    sides = CoupledNormal._of(p, "p"), CoupledNormal._of(q, "q")
    pair = Pair.of(sides[0].base, sides[1].base)
    order = Order.of(kappa, alpha, pair.p.dim)
    if all((side.kappa, side.alpha) == (0.0, 2.0) for side in sides):
        self_term = _self_term(sides[0], order)
        excess = np.asarray(renyi_from_one(pair.p, pair.q, 1 + order.r, order.r))
    elif order.kappa > 0 and order.alpha == 2 and all(map(order.belongs_to, sides)):
        self_term = _self_term(sides[0], order)
        excess = _same_coupling(pair, order)
    else:
        raise ValueError(
            "there is a closed form for two Gaussians, and for two coupled distributions whose "
            "kappa > 0 and alpha = 2 are those of the divergence; elsewhere use "
            "coupled_kl_monte_carlo or coupled_cross_entropy_monte_carlo; got "
            + " and ".join(
                f"{name} with kappa={side.kappa}, alpha={side.alpha}"
                for name, side in zip("pq", sides, strict=True)
            )
            + f" for kappa={order.kappa}, alpha={order.alpha}"
        )
    return order, self_term, excess


def _self_term(p: CoupledNormal, order: Order) -> Values:
    """Return g = −log(∫ p^{1+r}) / r, for κ = 0 the entropy."""
    d, r = order.dim, order.r
    if p.kappa == 0:
        if r <= -1:
            raise ValueError(
                f"kappa must be > -1/(d + alpha) = {-1 / (d + order.alpha):.6g} for a Gaussian "
                f"p, or p^(1+r) has no integral; got {order.kappa}"
            )
        return p._log_normaliser() + d / p.alpha * _log1p_ratio(r)
    if order.belongs_to(p):
        slope = 1 + d * order.kappa
        return p._log_normaliser() + slope * d / order.alpha * _log1p_ratio(d * order.kappa)
    raise ValueError(
        "there is a closed form for a Gaussian p, and for a coupled p whose kappa and alpha are "
        "those of the entropy; elsewhere use coupled_cross_entropy_monte_carlo(p, p, ...); got "
        f"kappa={p.kappa}, alpha={p.alpha} of p for kappa={order.kappa}, alpha={order.alpha}"
    )


def _same_coupling(pair: Pair, order: Order) -> Values:
    """Return R of coupled distributions: a mean's logarithm less the mean of logarithms."""
    c, remaining = 0.5 * order.r, 1 / (1 + order.dim * order.kappa)  # c d + remaining = 1

    def compute(block: Pair) -> Values:
        return backend.current().gaussian_coupling(*block.lowered(), c, remaining, 0)

    return pair.factored(compute, lambda block: _spread(block, c, remaining)) / order.r


def _spread(pair: Pair, c: float, remaining: float) -> Values:
    """Return that difference from eigenvalues, with NaN for what overflows."""
    with np.errstate(all="ignore"):
        e, log, z, _ = whitened(pair)
        excess = c * e.sum(axis=-1, keepdims=True)
        small = excess < -0.5  # where 1 + excess would cancel
        values = np.exp(log)
        mean = np.where(small, c * values.sum(axis=-1, keepdims=True) + remaining, 1 + excess)
        log_mean = np.where(small, np.log(mean), np.log1p(excess))
        beyond = np.where(small, values / mean - 1, (e - excess) / mean)
        spread = c * less_log(beyond, log - log_mean).sum(axis=-1, keepdims=True)
        spread += remaining * less_log(-excess / mean, -log_mean)
        spread += np.log1p(c * (z * z).sum(axis=-1, keepdims=True) / mean)
    return np.where(np.isfinite(spread), spread, np.nan)[..., 0]


def _coupled_expm1(value: Values, order: Order, shift: Values | float, name: str) -> Values:
    """Return exp(shift) expm1(r value) / (ακ), in the limit exp(shift) value for κ = 0."""
    infinite = np.isinf(value)
    scaled, log_scale = scaled_expm1(np.where(infinite, 0.0, value), order.r)
    with np.errstate(over="ignore", invalid="ignore"):
        half = np.exp(0.5 * (log_scale + shift))  # twice: its square may overflow alone
        result = scaled / (1 + order.dim * order.kappa) * half * half
    return checked(np.where(infinite, np.inf, result), infinite, name)


def _log1p_ratio(t: float) -> float:
    """Return log(1 + t) / t."""
    return math.log1p(t) / t if t else 1.0

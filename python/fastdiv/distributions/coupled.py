"""The coupled family: Student-t and compact-support normals, and their entropies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.gaussian import (
    Gaussian,
    apply,
    checked,
    factor,
    half_log_det,
    item,
    log_std,
    whiten,
)
from fastdiv.distributions.overlaps import less_log, renyi, whitened
from fastdiv.distributions.pair import Pair


def coupled_log(x: object, kappa: float, *, dim: int = 1) -> Values:
    """
    Compute the coupled logarithm ln_κ(x) = (x^{κ/(1 + dκ)} − 1) / κ, the natural one for κ = 0.

    Parameters
    ----------
    x : array_like
        Numbers ≥ 0, of any shape.
    kappa : float
        Coupling κ, with 1 + dim · κ > 0.
    dim : int, default 1
        Dimension d of the variable whose density x is; 0 gives (x^κ − 1) / κ.

    Returns
    -------
    ndarray of float64, shape of x
        Values; at x = 0 they are −1/κ for κ > 0 and −∞ otherwise, at ∞ they are −1/κ for κ < 0.

    Raises
    ------
    TypeError, ValueError
        If x is negative or NaN, or kappa or dim is not as described.
    OverflowError
        If a value is too large for float64.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43.

    Examples
    --------
    >>> from fastdiv import coupled_log
    >>> coupled_log([0.0, 1.0, 4.0], 1.0)
    array([-1.,  0.,  1.])
    """
    a = _inputs.array(x, "x").astype(np.float64)
    if not (a >= 0).all():
        raise ValueError(f"x must be >= 0; got {a[~(a >= 0)][0]}")
    d = _inputs.integer(dim, "dim", 0)
    k = _coupling(kappa, d)
    with np.errstate(divide="ignore", over="ignore"):
        log = np.log(a)
        values = np.expm1(k / (1 + d * k) * log) / k if k else log
    return item(checked(values, (a == 0) | np.isinf(a), "the coupled logarithm"))


def coupled_exp(x: object, kappa: float, *, dim: int = 1) -> Values:
    """
    Compute the coupled exponential exp_κ(x) = (1 + κx)^{(1 + dκ)/κ}, the natural one for κ = 0.

    It is the inverse of `coupled_log`.

    Parameters
    ----------
    x : array_like
        Numbers, of any shape.
    kappa : float
        Coupling κ, with 1 + dim · κ > 0.
    dim : int, default 1
        Dimension d, at least 0; see `coupled_log`.

    Returns
    -------
    ndarray of float64, shape of x
        Values; where 1 + κx ≤ 0 they are 0 for κ > 0 and ∞ for κ < 0.

    Raises
    ------
    TypeError, ValueError
        If x is NaN, or kappa or dim is not as described.
    OverflowError
        If a value at a finite x with 1 + κx > 0 is too large for float64.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43.

    Examples
    --------
    >>> from fastdiv import coupled_exp
    >>> coupled_exp([-1.0, 0.0, 1.0], 1.0)
    array([0., 1., 4.])
    """
    a = _inputs.array(x, "x").astype(np.float64)
    if np.isnan(a).any():
        raise ValueError("x must be a number everywhere; got NaN")
    d = _inputs.integer(dim, "dim", 0)
    k = _coupling(kappa, d)
    with np.errstate(divide="ignore", over="ignore"):
        excess = np.maximum(k * a, -1.0) if k else np.zeros(a.shape)
        values = np.exp((1 + d * k) * (np.log1p(excess) / k if k else a))
    return item(checked(values, np.isinf(a) | (excess == -1), "the coupled exponential"))


class CoupledNormal:
    """
    Coupled normal distributions: Student-t, Gaussian or of compact support, one per batch index.

    With m = ‖L⁻¹ (x − mean)‖, where Σ = L Lᵀ is given as for `Gaussian`, the density is

        p(x) = (1 + κ m^α)^{−(1 + dκ)/(ακ)} / Z,

    0 where the parenthesis is negative, and the limit exp(−m^α/α) / Z for κ = 0. For α = 2 this
    is the multivariate Student-t with ν = 1/κ degrees of freedom and scale matrix Σ (κ > 0), the
    Gaussian (κ = 0), or a Pearson type II distribution on the ellipsoid m ≤ 1/√−κ (κ < 0). Only
    for κ = 0 is Σ the covariance. With h = d/α, x = 1/(ακ) and the unit sphere's surface S,

        Z = |Σ|^{1/2} S κ^{−h} B(h, x) / α                  (κ > 0),
        Z = |Σ|^{1/2} S |κ|^{−h} B(h, 1 − x − h) / α        (κ < 0).

    Parameters
    ----------
    mean : array_like, shape (..., d)
        Centres.
    std, var, logstd, logvar, cov, scale_tril, precision : array_like
        Exactly one of them, as for `Gaussian`.
    kappa : float
        Coupling κ, with 1 + dκ > 0.
    alpha : float, default 2
        Exponent α > 0 of the radius.

    Attributes
    ----------
    base : Gaussian
        The Gaussian with this centre and Σ.
    kappa, alpha : float
        As given.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it and the batch index.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43.

    Examples
    --------
    >>> from fastdiv import CoupledNormal
    >>> t = CoupledNormal([0.0, 0.0], std=[1.0, 2.0], kappa=0.25)
    >>> t
    CoupledNormal(batch_shape=(), dim=2, kappa=0.25, alpha=2.0, parametrisation='std', \
dtype=float64)
    >>> round(float(t.log_prob([0.0, 0.0])), 6)
    -2.531024
    """

    base: Gaussian
    kappa: float
    alpha: float

    _no_closed_form = (
        "; for coupled distributions there are the closed forms of coupled_kl, and kl_monte_carlo "
        "for KL"
    )

    def __init__(
        self,
        mean: object,
        *,
        std: object = None,
        var: object = None,
        logstd: object = None,
        logvar: object = None,
        cov: object = None,
        scale_tril: object = None,
        precision: object = None,
        kappa: float,
        alpha: float = 2,
    ) -> None:
        base = Gaussian(
            mean,
            std=std,
            var=var,
            logstd=logstd,
            logvar=logvar,
            cov=cov,
            scale_tril=scale_tril,
            precision=precision,
        )
        self._set(base, _coupling(kappa, base.dim), _inputs.positive(alpha, "alpha"))

    def _set(self, base: Gaussian, kappa: float, alpha: float) -> None:
        self.base, self.kappa, self.alpha = base, kappa, alpha

    @classmethod
    def _of(cls, value: object, name: str) -> CoupledNormal:
        """Return a distribution as a member of the family."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, Gaussian):
            raise TypeError(
                f"{name} must be a Gaussian or a CoupledNormal; got {type(value).__name__}; for "
                "others there are coupled_kl_monte_carlo and coupled_cross_entropy_monte_carlo"
            )
        if value.where is not None:
            raise ValueError(f"{name} must have no padding; got a Gaussian with where=")
        self = cls.__new__(cls)
        self._set(value, 0.0, 2.0)
        return self

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the batch: () for a single distribution."""
        return self.base.batch_shape

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return self.base.dim

    @property
    def dtype(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """Type of the parameters, float32 or float64."""
        return self.base.dtype

    def __repr__(self) -> str:
        return (
            f"CoupledNormal(batch_shape={self.batch_shape}, dim={self.dim}, kappa={self.kappa}, "
            f"alpha={self.alpha}, parametrisation={self.base.parametrisation!r}, "
            f"dtype={self.dtype})"
        )

    def log_prob(self, x: object) -> Values:
        """
        Return the log densities −log Z − (1 + dκ)/(ακ) log(1 + κ m^α).

        Parameters
        ----------
        x : array_like, shape (..., d)
            Points; their leading axes broadcast against the batch shape.

        Returns
        -------
        ndarray of float64, shape ``np.broadcast_shapes(x.shape[:-1], batch_shape)``
            Log densities in nats; −∞ outside the support, which only κ < 0 bounds.

        Raises
        ------
        TypeError, ValueError
            If x does not fit or is not finite.
        OverflowError
            If a value is too large for float64.

        Examples
        --------
        >>> from fastdiv import CoupledNormal
        >>> CoupledNormal([0.0], std=1.0, kappa=-0.25).log_prob([[0.0], [1.9], [2.0]]).round(6)
        array([-0.857048, -4.348902,      -inf])
        """
        points = _inputs.points(x, "x", self.batch_shape, self.dim)
        k, alpha = self.kappa, self.alpha
        with np.errstate(divide="ignore", over="ignore"):
            radius = np.hypot.reduce(whiten(self.base, points), axis=-1)
            energy = np.asarray(radius**alpha)
            if k:
                log = np.log1p(np.maximum(k * energy, -1.0))
                far = np.isinf(log) & (k > 0)  # κ m^α overflows, its logarithm does not
                energy = np.where(far, math.log(abs(k)) + alpha * np.log(radius), log) / k
        values = -(1 + self.dim * k) / alpha * energy - self._log_normaliser()
        return item(checked(values, np.full(values.shape, k < 0), "the log density"))

    def sample(self, n: int, *, rng: object = None) -> Matrix:
        """
        Draw n points from every distribution.

        Parameters
        ----------
        n : int
            Points per distribution, at least 1.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness.

        Returns
        -------
        ndarray of `dtype`, shape (n, *batch_shape, d)
            mean + m L u, with u uniform on the unit sphere and the radius m from its exact law:
            κ m^α is a ratio of Gamma(d/α) and Gamma(1/(ακ)) variables for κ > 0, |κ| m^α is
            Beta(d/α, (1 + dκ)/(α|κ|) + 1) for κ < 0, m^α/α is Gamma(d/α) for κ = 0.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        OverflowError
            If a draw is too large for `dtype`, as happens when κ is some tens or more.

        Examples
        --------
        >>> from fastdiv import CoupledNormal
        >>> CoupledNormal([[0.0], [5.0]], std=0.1, kappa=0.5).sample(3, rng=0).shape
        (3, 2, 1)
        """
        count, generator = _inputs.integer(n, "n", 1), _inputs.generator(rng)
        shape = (count, *self.batch_shape)
        k, alpha, h = self.kappa, self.alpha, self.dim / self.alpha

        def log_gamma(a: float) -> Values:
            # Gamma(a) is Gamma(a + 1) U^{1/a}; the logarithm does not underflow for small a.
            return cast(
                Values,
                np.log(generator.standard_gamma(a + 1, shape))
                - generator.standard_exponential(shape) / a,
            )

        z = generator.standard_normal((*shape, self.dim))
        z /= np.sqrt((z * z).sum(axis=-1, keepdims=True))
        log_power = log_gamma(h)
        if k > 0:
            log_power -= log_gamma(1 / (alpha * k)) + math.log(k)
        elif k < 0:
            log_power -= np.logaddexp(log_power, log_gamma(_beta_shape(k, alpha, h)))
            log_power -= math.log(-k)
        else:
            log_power += math.log(alpha)
        with np.errstate(over="ignore", invalid="ignore"):
            z *= np.exp(log_power / alpha)[..., None]
            if self.base.is_diagonal:
                z *= np.exp(log_std(self.base))
            else:
                z = apply(factor(self.base), z)
            z += self.base.mean
            z = z.astype(self.dtype, copy=False)
        if not np.isfinite(z).all():
            raise OverflowError(f"a draw is too large for {self.dtype}; kappa = {k} is too heavy")
        return z

    def _log_normaliser(self) -> Values:
        return half_log_det(self.base) + _log_unit(self.kappa, self.alpha, self.dim)


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
        Gaussian without a mask `where`, for any κ > −1/(d + α), or coupled with this κ and α.
    kappa : float
        Coupling κ of the entropy, with 1 + dκ > 0. For κ = 0 it is the differential entropy.
    alpha : float, default 2
        Exponent α > 0.

    Returns
    -------
    ndarray of float64, shape batch_shape of p
        Entropies, in nats for κ = 0; they may be negative.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or ∫ p^{1+r} diverges.
    OverflowError
        If an entropy is too large for float64.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43.

    Examples
    --------
    >>> from fastdiv import CoupledNormal, coupled_entropy
    >>> coupled_entropy(CoupledNormal([0.0], std=[[1.0], [3.0]], kappa=0.5), 0.5).round(6)
    array([2.      , 5.240251])
    """
    member = CoupledNormal._of(p, "p")
    order = Order.of(kappa, alpha, member.dim)
    return item(_curved(_self_term(member, order), order, 0.0, "the entropy"))


def coupled_cross_entropy(p: object, q: object, kappa: float, *, alpha: float = 2) -> Values:
    """
    Compute the coupled cross entropy H(p, q) = (1/α) ∫ P_κ ln_κ(q^{−α}).

    Here P_κ = p^{1+r} / ∫ p^{1+r}, r = ακ/(1 + dκ), is the escort density of p, and ln_κ is
    `coupled_log` with dim = d. H(p, q) is the sum of `coupled_entropy` and `coupled_kl`. Where they
    have no closed form, `coupled_cross_entropy_monte_carlo` estimates it from draws.

    Parameters
    ----------
    p, q : Gaussian or CoupledNormal
        As in `coupled_kl`.
    kappa : float
        Coupling κ, with 1 + dκ > 0. For κ = 0 it is `cross_entropy`.
    alpha : float, default 2
        Exponent α > 0.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Cross entropies, in nats for κ = 0; +∞ where the integral diverges.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `coupled_kl`.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43.

    Examples
    --------
    >>> from fastdiv import CoupledNormal, coupled_cross_entropy
    >>> p = CoupledNormal([0.0], std=1.0, kappa=0.5)
    >>> q = CoupledNormal([1.0], std=2.0, kappa=0.5)
    >>> round(float(coupled_cross_entropy(p, q, 0.5)), 6)
    2.968503
    """
    order, own, excess = _terms(p, q, kappa, alpha)
    return item(_curved(own + excess, order, 0.0, "the cross entropy"))


def coupled_kl(p: object, q: object, kappa: float, *, alpha: float = 2) -> Values:
    """
    Compute the coupled divergence D(p ‖ q) = H(p, q) − H(p, p) of `coupled_cross_entropy`.

    With r = ακ/(1 + dκ), a = 1 + r and R_a = log(∫ p^a q^{1−a}) / (a − 1), the Rényi divergence,

        D = expm1(r R_a) / (ακ ∫ p^a).

    It is in closed form for

    - Gaussian p and q, with S = a Σ_q + (1 − a) Σ_p and Δ the difference of the means:
      1/∫ p^a = (2π)^{dr/2} |Σ_p|^{r/2} a^{d/2} and
      R_a = (a/2) Δᵀ S⁻¹ Δ − log(|S| / (|Σ_p|^{1−a} |Σ_q|^a)) / (2 (a − 1)),
      +∞ where S is not positive definite;
    - p and q both a `CoupledNormal` of this κ > 0, and α = 2:
      D = [Z_q^r (1 + κ (tr Σ_q⁻¹ Σ_p + Δᵀ Σ_q⁻¹ Δ)) − Z_p^r (1 + dκ)] / (2κ).

    Both are computed from the eigenvalues of Σ_q⁻¹ Σ_p − I as sums of terms that are never
    negative, each without cancellation, so equal distributions give 0, close ones keep their
    digits, and κ → 0 gives `kl`. Elsewhere `coupled_kl_monte_carlo` estimates it from draws, with a
    standard error.

    Parameters
    ----------
    p, q : Gaussian or CoupledNormal
        Distributions of the same dimension, without a mask `where`; their batch shapes broadcast.
    kappa : float
        Coupling κ, with 1 + dκ > 0; for Gaussians, 1 + (d + α) κ > 0.
    alpha : float, default 2
        Exponent α > 0.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``
        Divergences, in nats for κ = 0; +∞ where the integral diverges.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or there is no closed form.
    OverflowError
        If a divergence is finite but too large for float64.

    References
    ----------
    K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
    coupling", Physica A 468 (2017) 30–43. M. Gil, F. Alajaji, T. Linder, "Rényi divergence
    measures for commonly used univariate continuous distributions", Information Sciences 249
    (2013) 124–131.

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
    order, own, excess = _terms(p, q, kappa, alpha)
    return item(_curved(excess, order, order.r * own, "the divergence"))


# --- the terms of the closed forms --------------------------------------------------------
#
# With g = log(∫ P_κ p^{−r}) / r and R = log(∫ P_κ q^{−r}) / r − g, which is the Rényi divergence,
# H(p, q) = expm1(r (g + R)) / (ακ) and D = exp(r g) expm1(r R) / (ακ).


@dataclass(frozen=True)
class Order:
    """
    The parameters of a divergence.

    Attributes
    ----------
    kappa, alpha : float
        Coupling κ and exponent α.
    dim : int
        Number of dimensions d.
    r : float
        ακ/(1 + dκ).
    """

    kappa: float
    alpha: float
    dim: int
    r: float

    @classmethod
    def of(cls, kappa: object, alpha: object, dim: int) -> Order:
        """
        Check the parameters.

        Parameters
        ----------
        kappa, alpha : object
            As given by the caller.
        dim : int
            Number of dimensions.

        Returns
        -------
        Order
            Parameters with 1 + dκ > 0 and α > 0.

        Raises
        ------
        TypeError, ValueError
            If they are not.
        """
        k, a = _coupling(kappa, dim), _inputs.positive(alpha, "alpha")
        return cls(k, a, dim, a * k / (1 + dim * k))

    def belongs_to(self, p: CoupledNormal) -> bool:
        """
        Tell whether p is the family's member of this κ and α.

        Parameters
        ----------
        p : CoupledNormal
            A member of the family.

        Returns
        -------
        bool
            Whether both are the same.
        """
        return (p.kappa, p.alpha) == (self.kappa, self.alpha)


def _terms(p: object, q: object, kappa: object, alpha: object) -> tuple[Order, Values, Values]:
    """Return the order, g and R."""
    both = CoupledNormal._of(p, "p"), CoupledNormal._of(q, "q")
    pair = Pair.of(both[0].base, both[1].base)
    order = Order.of(kappa, alpha, pair.p.dim)
    if all((each.kappa, each.alpha) == (0.0, 2.0) for each in both):
        own = _self_term(both[0], order)
        excess = np.asarray(renyi(pair.p, pair.q, 1 + order.r))
    elif order.kappa > 0 and order.alpha == 2 and all(map(order.belongs_to, both)):
        own = _self_term(both[0], order)
        excess = pair.map(lambda block: _same_coupling(block, order))
    else:
        raise ValueError(
            "there is a closed form for two Gaussians, and for two coupled distributions whose "
            "kappa > 0 and alpha = 2 are those of the divergence; elsewhere use "
            "coupled_kl_monte_carlo or coupled_cross_entropy_monte_carlo; got "
            + " and ".join(
                f"{name} with kappa={each.kappa}, alpha={each.alpha}"
                for name, each in zip("pq", both, strict=True)
            )
            + f" for kappa={order.kappa}, alpha={order.alpha}"
        )
    return order, own, excess


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
    c, rest = 0.5 * order.r, 1 / (1 + order.dim * order.kappa)  # c d + rest = 1
    with np.errstate(all="ignore"):
        e, log, z = whitened(pair)
        excess = c * e.sum(axis=-1, keepdims=True)
        mean, log_mean = 1 + excess, np.log1p(excess)
        spread = c * less_log((e - excess) / mean, log - log_mean).sum(axis=-1, keepdims=True)
        spread += rest * less_log(-excess / mean, -log_mean)
        spread += np.log1p(c * (z * z).sum(axis=-1, keepdims=True) / mean)
    return np.where(np.isfinite(spread), spread / order.r, np.nan)[..., 0]  # NaN: overflow


def _curved(value: Values, order: Order, shift: Values | float, name: str) -> Values:
    """Return exp(shift) expm1(r value) / (ακ), in the limit exp(shift) value for κ = 0."""
    infinite = np.isinf(value)
    t = order.r * np.where(infinite, 0.0, value)
    ratio = np.divide(-np.expm1(-np.abs(t)), np.abs(t), out=np.ones(t.shape), where=t != 0)
    with np.errstate(over="ignore", invalid="ignore"):
        half = np.exp(0.5 * (np.maximum(t, 0.0) + shift))  # twice: its square may overflow alone
        result = value * ratio / (1 + order.dim * order.kappa) * half * half
    return checked(np.where(infinite, np.inf, result), infinite, name)


def _log_unit(kappa: float, alpha: float, d: int) -> float:
    """Return log Z for Σ = I."""
    h = d / alpha
    value = math.log(2) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)
    value += (h - 1) * math.log(alpha) + math.lgamma(h)
    if kappa > 0:
        return value - _log_gamma_ratio(1 / (alpha * kappa), h)
    if kappa < 0:
        ratio = _log_gamma_ratio(_beta_shape(kappa, alpha, h), h)
        return value - ratio - h * math.log1p((d - alpha) * kappa)
    return value


def _beta_shape(kappa: float, alpha: float, h: float) -> float:
    """Return b: |κ| m^α is Beta(h, b) for κ < 0."""
    return -1 / (alpha * kappa) - h + 1


def _log_gamma_ratio(x: float, h: float) -> float:
    """Return log(Γ(x + h) / (Γ(x) x^h)), which is about h (h − 1) / (2x) for large x."""
    if x < 32:
        return math.lgamma(x + h) - math.lgamma(x) - h * math.log(x)
    t = h / x
    log = math.log1p(t)
    return (
        (h - 0.5) * log
        - x * float(less_log(np.float64(t), np.float64(log)))
        + (_stirling(x + h) - _stirling(x))
    )


def _stirling(y: float) -> float:
    """Return log Γ(y) − (y − ½) log y + y − ½ log 2π for y >= 32."""
    v = 1 / (y * y)
    return (1 / 12 - v * (1 / 360 - v * (1 / 1260 - v / 1680))) / y


def _log1p_ratio(t: float) -> float:
    """Return log(1 + t) / t."""
    return math.log1p(t) / t if t else 1.0


def _coupling(kappa: object, d: int) -> float:
    k = _inputs.real(kappa, "kappa")
    if 1 + d * k <= 0:
        raise ValueError(f"kappa must be > -1/d = {-1 / d:.6g}; got {kappa!r}")
    return k

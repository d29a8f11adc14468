"""Define the coupled family: Student-t and compact-support normals, one per batch index."""

from __future__ import annotations

import math
from functools import partial
from typing import cast

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.blocks import DRAWN, blockwise, copy_blockwise, drawn_in_pieces, row_blocks
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import Named, checked, item
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.linear_algebra import half_log_det, less_log, unwhitener, whiten

MOST_COUPLING, LEAST_COUPLING = 1e100, 1e-300
"""Largest κ, and the smallest |κ| that is not taken for 0. 1/(ακ) is finite in between."""

LEAST_EXPONENT, MOST_EXPONENT = 1e-6, 1e6
"""Range of α. Γ(d/α) and m^α have no digits left far beyond."""

_STIRLING_FROM = 32
"""Least argument of Stirling's series. Its first term left out, 1/(1188 y⁹), is below 2.4e-17."""


_MOST_DIMENSIONS = 2**53
"""Largest d that float64 holds, whatever it is."""

_TINY = 1e-17
"""A number t below which log(1 + t) is t."""


@documented
def coupled_log(x: object, kappa: float, *, dim: int = 1) -> Values:
    """
    Compute the coupled logarithm ln_κ(x) = (x^{κ/(1 + dκ)} − 1) / κ, the natural one for κ = 0.

    Parameters
    ----------
    x : array_like
        Numbers ≥ 0, of any shape.
    kappa : float
        Coupling κ, with 1 + dim · κ > 0, up to 1e100. |κ| below 1e-300 counts as 0.
    dim : int, default 1
        Dimension d of the variable whose density x is. 0 gives (x^κ − 1) / κ.

    Returns
    -------
    ndarray of float64, shape of x
        Values. At x = 0 they are −1/κ for κ > 0 and −∞ otherwise. At ∞ they are −1/κ for κ < 0.

    {raises_overflow}

    {References: nelson_2017}

    Examples
    --------
    >>> from fastdiv import coupled_log
    >>> coupled_log([0.0, 1.0, 4.0], 1.0)
    array([-1.,  0.,  1.])
    """
    a = in_float64(_inputs.array(x, "x"))
    if not (a >= 0).all():
        raise ValueError(f"x must be >= 0; got {a[~(a >= 0)][0]}")
    d = _inputs.integer(dim, "dim", 0, _MOST_DIMENSIONS)
    k = coupling(kappa, d)
    slope = 1 + d * k

    def values(part: Values) -> Values:
        log = np.log(part)
        if not k:
            return log
        t = k / slope * log
        return np.where(np.abs(t) < 1, log / slope * expm1_over(t), np.expm1(t) / k)

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        logs = blockwise(values, a)
    infinite = blockwise(lambda part: (part == 0) | np.isinf(part), a)
    return item(checked(logs, infinite, "the coupled logarithm"))


@documented
def coupled_exp(x: object, kappa: float, *, dim: int = 1) -> Values:
    """
    Compute the coupled exponential exp_κ(x) = (1 + κx)^{(1 + dκ)/κ}, the natural one for κ = 0.

    It is the inverse of `coupled_log`.

    Parameters
    ----------
    x : array_like
        Numbers, of any shape, not NaN.
    kappa : float
        Coupling κ, with 1 + dim · κ > 0, up to 1e100. |κ| below 1e-300 counts as 0.
    dim : int, default 1
        Dimension d, at least 0. See `coupled_log`.

    Returns
    -------
    ndarray of float64, shape of x
        Values. For 1 + κx ≤ 0 they are 0 if κ > 0 and ∞ if κ < 0.

    {raises_overflow}

    {References: nelson_2017}

    Examples
    --------
    >>> from fastdiv import coupled_exp
    >>> coupled_exp([-1.0, 0.0, 1.0], 1.0)
    array([0., 1., 4.])
    """
    a = in_float64(_inputs.array(x, "x"))
    if np.isnan(a).any():
        raise ValueError("x must be a number everywhere; got NaN")
    d = _inputs.integer(dim, "dim", 0, _MOST_DIMENSIONS)
    k = coupling(kappa, d)

    def values(part: Values) -> Values:
        if not k:
            return np.exp(part)
        excess = np.maximum(k * part, -1.0)
        log = np.log1p(excess)
        far = np.isinf(excess) & np.isfinite(part)  # κx overflows, its logarithm does not
        log = np.where(far, np.log(np.abs(part)) + math.log(abs(k)), log)
        near = np.abs(excess) < _TINY
        return np.exp((1 + d * k) * np.where(near, part, log / k))

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        powers = blockwise(values, a)
        allowed = blockwise(lambda part: np.isinf(part) | (k * part <= -1), a)
    return item(checked(powers, allowed, "the coupled exponential"))


@documented
class CoupledNormal(Named):
    """
    Coupled normal distributions: Student-t, Gaussian or of compact support, one per batch index.

    With m = ‖L⁻¹ (x − mean)‖, where Σ = L Lᵀ is given as for `Gaussian`, the density is

        p(x) = (1 + κ m^α)^{−(1 + dκ)/(ακ)} / Z,

    0 where the parenthesis is negative, and the limit exp(−m^α/α) / Z for κ = 0. For α = 2 and
    κ > 0 this is the multivariate Student-t with ν = 1/κ degrees of freedom and scale matrix Σ.
    For κ = 0 it is the Gaussian. For κ < 0 it is a Pearson type II distribution on the ellipsoid
    m ≤ 1/√−κ. Only for κ = 0 is Σ the covariance.

    With h = d/α, x = 1/(ακ) and the unit sphere's surface S,

        Z = |Σ|^{1/2} S κ^{−h} B(h, x) / α                  (κ > 0),
        Z = |Σ|^{1/2} S |κ|^{−h} B(h, 1 − x − h) / α        (κ < 0).

    Parameters
    ----------
    mean : array_like, shape (..., d)
        Centres.
    std, var, logstd, logvar, cov, scale_tril, precision : array_like
        Exactly one of them, as for `Gaussian`.
    {kappa}
    alpha : float, default 2
        Exponent α of the radius, from 1e-6 to 1e6.

    Attributes
    ----------
    base : Gaussian
        The Gaussian with this centre and Σ.
    kappa, alpha : float
        As given.
    columns : tuple or None
        Names of the features, those of the base.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid. The message names it and the batch index.

    {References: nelson_2017}

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
        self, mean: object, *, std: object = None, var: object = None, logstd: object = None,
        logvar: object = None, cov: object = None, scale_tril: object = None,
        precision: object = None, kappa: float, alpha: float = 2,
    ) -> None:  # fmt: skip
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
        self._set(base, coupling(kappa, base.dim), exponent(alpha))

    def _set(self, base: Gaussian, kappa: float, alpha: float) -> None:
        self.base, self.kappa, self.alpha = base, kappa, alpha
        self.columns, self._keys = base.columns, base._keys

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

    @documented
    def log_prob(self, x: object) -> Values:
        """
        Return the log densities −log Z − (1 + dκ)/(ακ) log(1 + κ m^α).

        They are −∞ outside the support, which only κ < 0 bounds.

        {log_densities}

        Examples
        --------
        >>> from fastdiv import CoupledNormal
        >>> CoupledNormal([0.0], std=1.0, kappa=-0.25).log_prob([[0.0], [1.9], [2.0]]).round(6)
        array([-0.857048, -4.348902,      -inf])
        """
        points = self._points(x, self.batch_shape, self.dim)
        values = self.base._by_blocks(self._log_prob_of_block, points)
        return item(checked(values, self.kappa < 0, "the log density"))

    def _log_prob_of_block(self, base: Gaussian, points: Matrix) -> Values:
        k, alpha = self.kappa, self.alpha
        with np.errstate(divide="ignore", over="ignore"):
            radius = np.hypot.reduce(whiten(base, points), axis=-1)
            energy = np.asarray(radius**alpha)
            if k:
                log = np.log1p(np.maximum(k * energy, -1.0))
                far = np.isinf(log) & (k > 0)  # κ m^α overflows, its logarithm does not
                energy = np.where(far, math.log(abs(k)) + alpha * np.log(radius), log) / k
        normaliser = half_log_det(base) + _log_unit(k, alpha, self.dim)
        return np.asarray(-(1 + self.dim * k) / alpha * energy - normaliser)

    @documented
    def sample(self, n: int, *, rng: object = None) -> Matrix:
        """
        Draw n points from every distribution.

        {number_of_draws}

        Returns
        -------
        ndarray of `dtype`, shape (n, *batch_shape, d)
            mean + m L u, with u uniform on the unit sphere and the radius m from its exact law.
            κ m^α is a ratio of Gamma(d/α) and Gamma(1/(ακ)) variables for κ > 0. |κ| m^α is
            Beta(d/α, (1 + dκ)/(α|κ|) + 1) for κ < 0. m^α/α is Gamma(d/α) for κ = 0.

        {raises_draws}
            This happens when κ is some tens or more.

        Examples
        --------
        >>> from fastdiv import CoupledNormal
        >>> CoupledNormal([[0.0], [5.0]], std=0.1, kappa=0.5).sample(3, rng=0).shape
        (3, 2, 1)
        """
        count, generator = _inputs.draws(n, "n", 1), _inputs.generator(rng)
        unwhiten = unwhitener(self.base)
        x = np.empty((count, *self.batch_shape, self.dim), self.dtype)
        for rows in row_blocks(count, math.prod(x.shape[1:]), DRAWN):
            with np.errstate(over="ignore", invalid="ignore"):
                draws = unwhiten(self._spherical(x[rows].shape[:-1], generator))
                copy_blockwise(draws, x[rows])
            if not blockwise(np.isfinite, x[rows]).all():
                raise OverflowError(
                    f"a draw is too large for {self.dtype}; kappa = {self.kappa}, "
                    f"alpha = {self.alpha} is too heavy"
                )
        return x

    def _spherical(self, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
        """Draw points of mean 0 and Σ = I, (*shape, d)."""
        k, alpha, h = self.kappa, self.alpha, self.dim / self.alpha

        def log_gamma(a: float) -> Values:
            # Gamma(a) is Gamma(a + 1) U^{1/a}. The logarithm does not underflow for small a.
            return cast(
                Values,
                blockwise(
                    lambda gamma, exponential: np.log(gamma) - exponential / a,
                    drawn_in_pieces(partial(generator.standard_gamma, a + 1), shape),
                    drawn_in_pieces(generator.standard_exponential, shape),
                ),
            )

        z = drawn_in_pieces(generator.standard_normal, (*shape, self.dim))
        z = blockwise(
            lambda part: part / np.sqrt((part * part).sum(axis=-1, keepdims=True)), z, event_ndim=1
        )
        log_power = log_gamma(h)
        if k > 0:
            log_power -= log_gamma(1 / (alpha * k)) + math.log(k)
        elif k < 0:
            others = log_gamma(_beta_shape(k, alpha, h))
            log_power -= blockwise(np.logaddexp, log_power, others)
            log_power -= math.log(-k)
        else:
            log_power += math.log(alpha)
        return blockwise(
            lambda part, log: part * np.exp(log / alpha), z, log_power[..., None], event_ndim=1
        )

    def _log_normaliser(self) -> Values:
        return half_log_det(self.base) + _log_unit(self.kappa, self.alpha, self.dim)


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
    if x < _STIRLING_FROM:
        return math.lgamma(x + h) - math.lgamma(x) - h * math.log(x)
    t = h / x
    log = math.log1p(t)
    return (
        (h - 0.5) * log
        - x * float(less_log(np.float64(t), np.float64(log)))
        + (_stirling(x + h) - _stirling(x))
    )


def _stirling(y: float) -> float:
    """Return log Γ(y) − (y − ½) log y + y − ½ log 2π for y >= _STIRLING_FROM."""
    v = 1 / (y * y)
    return (1 / 12 - v * (1 / 360 - v * (1 / 1260 - v / 1680))) / y


def coupling(kappa: object, d: int) -> float:
    """Return κ, with 1 + dκ > 0, and 0 for one that is too small to matter."""
    k = _inputs.real(kappa, "kappa")
    if 1 + d * k <= 0:
        raise ValueError(f"kappa must be > -1/d = {-1 / d:.6g}; got {_inputs.shown(kappa)}")
    if k > MOST_COUPLING:
        raise ValueError(f"kappa must be <= {MOST_COUPLING:g}; got {_inputs.shown(kappa)}")
    return k if abs(k) >= LEAST_COUPLING else 0.0


def exponent(alpha: object) -> float:
    """Return α."""
    return _inputs.between(alpha, "alpha", LEAST_EXPONENT, MOST_EXPONENT)


def scaled_expm1(x: Values, r: float) -> tuple[Values, Values]:
    """Return expm1(r x) / r, x for r = 0, as values and logarithms of their scales."""
    if r == 0:
        return x, np.zeros_like(x)
    with np.errstate(over="ignore", invalid="ignore"):
        t = r * x
        near, far = x * expm1_over(-np.abs(t)), np.expm1(-np.abs(t)) / r
    return np.where(np.abs(t) < 1, near, np.copysign(far, x)), np.maximum(t, 0.0)


def expm1_over(t: Values) -> Values:
    """Return expm1(t) / t, 1 for t = 0."""
    return np.divide(np.expm1(t), t, out=np.ones(np.shape(t)), where=t != 0)

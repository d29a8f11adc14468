"""Define mixtures of Gaussians, and approximate the divergence between them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import blockwise, drawn_in_pieces
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.results import ReadOnly
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import (
    Named,
    at,
    checked,
    first_index,
    item,
    require,
    rounded,
    same_keys,
    same_names,
)
from fastdiv.distributions.divergences import kl
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.linear_algebra import covariance, factor, log_std

SUM_TOLERANCE = 1e-6
"""Largest distance from 1 of the sum of weights: more is a mistake, less is rounding."""


class GaussianMixture(ReadOnly, Named):
    """
    Mixtures Σₐ wₐ N(meanₐ, Σₐ) of k Gaussians, one mixture per batch index.

    Parameters
    ----------
    weights : array_like, shape (..., k)
        Probabilities of the components, 0 included. Their sum must be 1 within 1e-6, that of half
        types within √ε as for `Categorical`, and rounding errors of it are removed. A larger
        difference is an error: nothing is normalised unasked. The index of a Series, or the
        columns of a frame, must be the keys of the components if they have some. The index of a
        frame gives the keys of the mixtures.
    components : Gaussian, batch shape (..., k)
        The components, in any parametrisation. The leading axes of weights and components
        broadcast to the batch shape. k must be the same.

    Attributes
    ----------
    weights : ndarray of float64, shape (..., k)
        As given, with the sum 1, read-only.
    components : Gaussian
        As given.
    columns : tuple or None
        Names of the features, those of the components.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid. The message names the batch index.

    Examples
    --------
    >>> from fastdiv import Gaussian, GaussianMixture
    >>> p = GaussianMixture([0.75, 0.25], Gaussian([[0.5, 2.0], [9.0, 9.0]], std=[1.0, 2.0]))
    >>> p
    GaussianMixture(batch_shape=(), n_components=2, dim=2)
    >>> p.mean()
    array([2.625, 3.75 ])
    """

    weights: Values
    components: Gaussian

    _no_closed_form = (
        "; mixtures have no closed form: for KL use kl_mixture, for bounds and approximations "
        "(its methods are variational, product, convex_upper, moment_matching and others), or "
        "kl_monte_carlo"
    )

    def __init__(self, weights: object, components: Gaussian) -> None:
        require(Gaussian, components, "components")
        if not components.batch_shape or components.batch_shape[-1] == 0:
            raise ValueError(
                "components must have batch shape (..., k), k >= 1; "
                f"got batch shape {components.batch_shape}"
            )
        if components.where is not None and not components.where.all():
            raise ValueError("components must not hold padding; got a where that leaves some out")
        k = components.batch_shape[-1]
        w = in_float64(_inputs.array(weights, "weights"))
        half = _inputs.half_type(weights)
        tolerance = _inputs.ROOT_EPSILON[half] if half else SUM_TOLERANCE
        if w.ndim == 0 or w.shape[-1] != k:
            raise ValueError(f"weights must have shape (..., {k}); got shape {w.shape}")
        self._batch_shape = _inputs.broadcast_batches(
            {"weights": w.shape[:-1], "components": components.batch_shape[:-1]}
        )
        for is_bad, required in (
            (lambda rows: ~np.isfinite(rows).all(axis=-1), "be finite"),
            (lambda rows: (rows < 0).any(axis=-1), "not be negative"),
            (
                lambda rows: np.abs(rows.sum(axis=-1) - 1) > tolerance,
                f"have the sum 1 within {tolerance:g}",
            ),
        ):
            bad = blockwise(is_bad, w, event_ndim=1)
            if bad.any():
                index = first_index(bad)
                raise ValueError(f"weights must {required}; got {w[index]}{at(index)}")
        self.weights = blockwise(_normalised, w, event_ndim=1)
        self.components = components
        same_keys({"weights": _inputs.last_axis_index(weights), "components": components._keys})
        self.columns = components.columns
        self._name_batch({"weights": weights}, self._batch_shape)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the batch: () for a single mixture."""
        return self._batch_shape

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return self.components.dim

    @property
    def n_components(self) -> int:
        """Number of components k."""
        return self.components.batch_shape[-1]

    def __repr__(self) -> str:
        return (
            f"GaussianMixture(batch_shape={self.batch_shape}, n_components={self.n_components}, "
            f"dim={self.dim})"
        )

    @documented
    def log_prob(self, x: object) -> Values:
        """
        Return the log densities log Σₐ wₐ N(x; meanₐ, Σₐ), which do not underflow.

        {log_densities}

        Examples
        --------
        >>> from fastdiv import Gaussian, GaussianMixture
        >>> p = GaussianMixture([0.5, 0.5], Gaussian([[-1.0], [1.0]], std=1.0))
        >>> p.log_prob([[0.0], [100.0]]).round(3)
        array([-1.419000e+00, -4.902112e+03])
        """
        points = self._points(x, self.batch_shape, self.dim)
        values = _log_mix(self.weights, self.components._log_prob(points[..., None, :]))
        return item(checked(values, False, "the log density"))

    @documented
    def sample(self, n: int, *, rng: object = None) -> Matrix:
        """
        Draw n points from every mixture.

        {number_of_draws}

        Returns
        -------
        ndarray of the components' dtype, shape (n, *batch_shape, d)
            Independent draws.

        {raises_draws}

        Examples
        --------
        >>> from fastdiv import Gaussian, GaussianMixture
        >>> p = GaussianMixture([0.5, 0.5], Gaussian([[-9.0], [9.0]], std=0.1))
        >>> p.sample(4, rng=0).round(1).ravel()
        array([ 8.9, -9. , -8.9, -8.9])
        """
        count, generator = _inputs.draws(n, "n", 1), _inputs.generator(rng)
        c, k, d = self.components, self.n_components, self.dim
        which = drawn_in_pieces(generator.random, (count, *self.batch_shape))
        x = drawn_in_pieces(generator.standard_normal, (count, *self.batch_shape, d))
        means = np.broadcast_to(c.mean, (*self.batch_shape, k, d))
        event = (d,) if c.is_diagonal else (d, d)
        with np.errstate(over="ignore"):
            factors = blockwise(np.exp, log_std(c)) if c.is_diagonal else factor(c)
        scales = np.broadcast_to(factors, (*self.batch_shape, k, *event))
        thresholds = blockwise(_distribution_function, self.weights, event_ndim=1)
        thresholds = np.broadcast_to(thresholds, (*self.batch_shape, k))

        def move(index: Any) -> None:
            """Turn the standard normal draws of one mixture into draws of their components."""
            place = (slice(None), *index)
            chosen = np.searchsorted(thresholds[index], which[place], side="right")
            for j in np.unique(chosen):
                rows, component = (chosen == j, *index), (*index, j)
                z, scale = x[rows], scales[component]
                with np.errstate(over="ignore", invalid="ignore"):
                    x[rows] = means[component] + (z * scale if c.is_diagonal else z @ scale.T)

        for index in np.ndindex(self.batch_shape):  # a product of some rows has other bits
            patiently(partial(move, index), count * math.prod(event) * PASSES)
        return rounded(x, c.dtype, "a draw")

    def mean(self) -> Values:
        """
        Return the means Σₐ wₐ meanₐ.

        Returns
        -------
        ndarray of float64, shape (*batch_shape, d)
            Means of the mixtures.

        Examples
        --------
        >>> from fastdiv import Gaussian, GaussianMixture
        >>> GaussianMixture([0.5, 0.5], Gaussian([[-1.0], [3.0]], std=1.0)).mean()
        array([1.])
        """
        return blockwise(
            lambda weights, means: (weights * means).sum(axis=-2),
            self.weights[..., None],
            self.components.mean,
            event_ndim=2,
        )

    def cov(self) -> Values:
        """
        Return the covariance matrices Σₐ wₐ (Σₐ + (meanₐ − mean)(meanₐ − mean)ᵀ).

        Returns
        -------
        ndarray of float64, shape (*batch_shape, d, d)
            Covariances of the mixtures: within the components and between them.

        Raises
        ------
        OverflowError
            If a covariance is too large for float64.

        Examples
        --------
        >>> from fastdiv import Gaussian, GaussianMixture
        >>> GaussianMixture([0.5, 0.5], Gaussian([[-1.0], [3.0]], std=1.0)).cov()
        array([[5.]])
        """
        numbers = math.prod(self.batch_shape) * self.n_components * self.dim**2
        with np.errstate(over="ignore", invalid="ignore"):
            total = patiently(self._cov, PASSES * numbers)
        return np.asarray(rounded(total, total.dtype, "a covariance"), dtype=np.float64)

    def _cov(self) -> Values:
        c = self._counted().components
        mean, name, parameter = c.mean, c.parametrisation, c.parameter
        if name in ("scale_tril", "precision"):
            mean, name, parameter = in_float64(mean), "cov", covariance(c)
        batch, event = (*self.batch_shape, self.n_components), parameter.shape[len(c.batch_shape) :]
        return backend.current().mixture_covariances(
            np.broadcast_to(self.weights, batch).reshape(-1, self.n_components),
            np.broadcast_to(self.mean(), (*self.batch_shape, self.dim)),
            np.broadcast_to(mean, (*batch, self.dim)),
            name,
            np.broadcast_to(parameter, (*batch, *event)),
            0,
        )

    def _counted(self) -> GaussianMixture:
        """Return the same mixtures, with the heaviest component in place of those of weight 0."""
        w = self.weights
        if w.all():
            return self
        used = np.where(w > 0, np.arange(w.shape[-1]), w.argmax(axis=-1)[..., None])
        leading = np.indices(self.components.batch_shape[:-1], sparse=True)
        counted = copy.copy(self)
        counted.components = self.components[(*(axis[..., None] for axis in leading), used)]
        return counted


@documented
def kl_mixture(p: object, q: object, *, method: str = "variational") -> Values:
    """
    Bound or approximate the Kullback-Leibler divergence KL(p ‖ q) between Gaussian mixtures.

    It has no closed form. `kl_monte_carlo` estimates it from draws, with a standard error. With
    p = Σₐ πₐ fₐ, q = Σ_b ω_b g_b, D the exact divergences between components, H the entropies and
    t(f, g) = ∫ f g = N(mean_f; mean_g, Σ_f + Σ_g):

    ===================== ===================================================== ==========
    method                value                                                 it is
    ===================== ===================================================== ==========
    ``variational``       Σₐ πₐ log(Σ_a' π_a' exp(−D(fₐ‖f_a'))                  neither
                          / Σ_b ω_b exp(−D(fₐ‖g_b)))
    ``variational_upper`` min over φ, ψ of Σ_ab φ_ab log(φ_ab/ψ_ab)             an upper
                          + Σ_ab φ_ab D(fₐ‖g_b), Σ_b φ_ab = πₐ, Σₐ ψ_ab = ω_b   bound
    ``product``           Σₐ πₐ log(Σ_a' π_a' t(fₐ, f_a') / Σ_b ω_b t(fₐ, g_b)) neither
    ``product_lower``     Σₐ πₐ log(Σ_a' π_a' exp(−D(fₐ‖f_a'))                  a lower
                          / Σ_b ω_b t(fₐ, g_b)) − Σₐ πₐ H(fₐ)                   bound
    ``product_upper``     Σₐ πₐ log(Σ_a' π_a' t(fₐ, f_a')                       an upper
                          / Σ_b ω_b exp(−D(fₐ‖g_b))) + Σₐ πₐ H(fₐ)              bound
    ``convex_upper``      Σ_ab πₐ ω_b D(fₐ‖g_b)                                 an upper
                                                                                bound
    ``moment_matching``   D between the Gaussians with the moments of p and q   neither
    ===================== ===================================================== ==========

    ``variational``, ``product``, ``variational_upper`` and ``moment_matching`` are 0 for p = q;
    ``variational``, ``variational_upper``, ``convex_upper`` and ``moment_matching`` are exact for
    one component each. ``variational_upper`` comes from an iteration from ``convex_upper``, each
    step of which is a bound. ``product_lower`` and ``product_upper`` join those halves of
    ``variational`` and ``product`` that err in one direction. The lower bound and the
    approximations may be negative.

    Parameters
    ----------
    p, q : GaussianMixture or Gaussian
        Distributions of the same dimension. Their batch shapes broadcast. A Gaussian is a mixture
        of one component.
    method : str, default "variational"
        A name from the table.

    Returns
    -------
    {value_per_pair}
        Divergences in nats.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is invalid, or as `kl`.

    {References: hershey_2007}
    All but the two bounds by products.
    J.-L. Durrieu, J.-Ph. Thiran, F. Kelly, "Lower and upper bounds for approximation of the
    Kullback-Leibler divergence between Gaussian mixture models", ICASSP 2012 (product_lower and
    product_upper).

    Examples
    --------
    >>> from fastdiv import Gaussian, GaussianMixture, kl_mixture, kl_monte_carlo
    >>> p = GaussianMixture([0.5, 0.5], Gaussian([[-2.0], [2.0]], std=1.0))
    >>> q = GaussianMixture([0.2, 0.8], Gaussian([[-2.0], [1.0]], std=1.5))
    >>> round(float(kl_monte_carlo(p, q, 200_000, rng=0).value), 3)
    0.207
    >>> for method in ("product_lower", "variational", "variational_upper", "convex_upper"):
    ...     print(method, kl_mixture(p, q, method=method).round(3))
    product_lower 0.03
    variational 0.242
    variational_upper 0.462
    convex_upper 1.372
    """
    word = _inputs.choice(method, tuple(_METHODS), "method")
    f, g = _as_mixture(p, "p")._counted(), _as_mixture(q, "q")._counted()
    if f.dim != g.dim:
        raise ValueError(f"p and q must have the same dimension; got {f.dim} and {g.dim}")
    same_names({"p": f, "q": g})
    batch = _inputs.broadcast_batches({"p": f.batch_shape, "q": g.batch_shape})
    if word != "moment_matching":
        f.components._require_definite()
        g.components._require_definite()
    values = np.broadcast_to(_METHODS[word](f, g), batch)
    return item(checked(values, False, "the result"))


def _as_mixture(value: object, name: str) -> GaussianMixture:
    if isinstance(value, GaussianMixture):
        return value
    if isinstance(value, Gaussian):
        if value.where is not None and not value.where.all():
            raise ValueError(f"{name} must have no padding; got a Gaussian with where=")
        value._require_definite()
        mixture = GaussianMixture([1.0], value[..., None])
        mixture._keys = value._keys
        return mixture
    raise TypeError(f"{name} must be a GaussianMixture or a Gaussian; got {type(value).__name__}")


def _sides(f: GaussianMixture, g: GaussianMixture) -> tuple[Gaussian, Gaussian]:
    """Return the components with batch shapes (..., a, 1) and (..., 1, b)."""
    return f.components[..., None], g.components[..., None, :]


def _divergences(f: GaussianMixture, g: GaussianMixture) -> Values:
    """Return D(fₐ‖g_b), shape (..., a, b)."""
    try:
        return np.asarray(kl(*_sides(f, g)))
    except OverflowError:  # its index would be that of a pair of components
        message = "the divergence between two components overflows; use float64 or rescale"
        raise OverflowError(message) from None


def _log_overlaps(f: GaussianMixture, g: GaussianMixture) -> Values:
    """Return log t(fₐ, g_b), shape (..., a, b)."""
    a, b = _sides(f, g)
    name = "the sum of two covariances"
    if a.is_diagonal and b.is_diagonal:
        with np.errstate(over="ignore"):
            var = np.exp(2 * log_std(a)) + np.exp(2 * log_std(b))
        return Gaussian(b.mean, var=rounded(var, var.dtype, name))._log_prob(a.mean)
    with np.errstate(over="ignore"):
        cov = covariance(a) + covariance(b)
    return Gaussian(b.mean, cov=rounded(cov, cov.dtype, name))._log_prob(a.mean)


def _normalised(weights: Values) -> Values:
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _distribution_function(weights: Values) -> Values:
    sums = np.cumsum(weights, axis=-1)
    return np.asarray(sums / sums[..., -1:])


def _log_weights(weights: Values) -> Values:
    with np.errstate(divide="ignore"):
        return blockwise(np.log, weights)


def _log_sum_exp(values: Values, axis: int = -1) -> Values:
    """Return log Σ exp(values), which is −∞ if all of them are."""
    peak = values.max(axis=axis, keepdims=True)
    finite = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - finite).sum(axis=axis, keepdims=True)) + finite
    return np.asarray(total.squeeze(axis))


def _log_mix(weights: Values, values: Values) -> Values:
    """Return log Σ weights · exp(values) over the last axis."""
    return blockwise(
        lambda logs, part: _log_sum_exp(logs + part), _log_weights(weights), values, event_ndim=1
    )


def _mean_log(f: GaussianMixture, g: GaussianMixture, exponents: Values) -> Values:
    """Return Σₐ πₐ log Σ_b ω_b exp(exponents[a, b])."""
    logs = _log_mix(g.weights[..., None, :], exponents)
    total: Values = (f.weights * np.where(f.weights > 0, logs, 0.0)).sum(axis=-1)
    return total


def _mean_entropy(f: GaussianMixture) -> Values:
    total: Values = (f.weights * f.components.entropy()).sum(axis=-1)
    return total


def _variational(f: GaussianMixture, g: GaussianMixture) -> Values:
    return _mean_log(f, f, -_divergences(f, f)) - _mean_log(f, g, -_divergences(f, g))


def _product(f: GaussianMixture, g: GaussianMixture) -> Values:
    return _mean_log(f, f, _log_overlaps(f, f)) - _mean_log(f, g, _log_overlaps(f, g))


def _product_lower(f: GaussianMixture, g: GaussianMixture) -> Values:
    self_term = _mean_log(f, f, -_divergences(f, f)) - _mean_entropy(f)
    return self_term - _mean_log(f, g, _log_overlaps(f, g))


def _product_upper(f: GaussianMixture, g: GaussianMixture) -> Values:
    self_term = _mean_log(f, f, _log_overlaps(f, f)) + _mean_entropy(f)
    return self_term - _mean_log(f, g, -_divergences(f, g))


def _convex_upper(f: GaussianMixture, g: GaussianMixture) -> Values:
    weights = f.weights[..., :, None] * g.weights[..., None, :]
    total: Values = (weights * _divergences(f, g)).sum(axis=(-2, -1))
    return total


def _variational_upper(f: GaussianMixture, g: GaussianMixture) -> Values:
    d = _divergences(f, g)
    log_pi = _log_weights(f.weights)[..., :, None]
    log_omega = _log_weights(g.weights)[..., None, :]
    start = log_pi + log_omega
    unused = np.broadcast_to(np.isneginf(start), np.broadcast_shapes(start.shape, d.shape))

    def masked(values: Values) -> Values:
        return np.where(unused, -np.inf, values)

    log_phi = masked(start + np.zeros_like(d))
    best = np.inf * np.ones(log_phi.shape[:-2])
    with np.errstate(invalid="ignore"):
        for _ in range(_STEPS):
            total = _log_sum_exp(log_phi, axis=-2)[..., None, :]
            log_psi = masked(log_omega + log_phi - total)
            terms = np.exp(log_phi) * (log_phi - log_psi + d)
            bound = np.where(unused, 0.0, terms).sum(axis=(-2, -1))
            if (best - bound <= _TOLERANCE * (1 + np.abs(bound))).all():
                break
            best = np.minimum(best, bound)
            weighted = log_psi - d
            log_phi = masked(log_pi + weighted - _log_sum_exp(weighted)[..., :, None])
    return np.asarray(np.minimum(best, bound))


_STEPS, _TOLERANCE = 1000, 1e-12
"""Most steps of the iteration to the upper bound, and the relative change that ends it."""


def _moment_matching(f: GaussianMixture, g: GaussianMixture) -> Values:
    return kl(Gaussian(f.mean(), cov=f.cov()), Gaussian(g.mean(), cov=g.cov()))


_METHODS: dict[str, Callable[[GaussianMixture, GaussianMixture], Values]] = {
    "variational": _variational,
    "variational_upper": _variational_upper,
    "product": _product,
    "product_lower": _product_lower,
    "product_upper": _product_upper,
    "convex_upper": _convex_upper,
    "moment_matching": _moment_matching,
}

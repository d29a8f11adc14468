"""Estimate the coupled divergence and cross entropy from draws, for any distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from fastdiv._docs import documented
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import checked, item
from fastdiv.distributions.coupled import CoupledNormal, scaled_expm1
from fastdiv.distributions.coupled_divergences import Order
from fastdiv.distributions.estimates.draws import LOG_DENSITIES, Draws, refuse
from fastdiv.distributions.estimates.estimate import Estimate
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.mixture import GaussianMixture


@documented
def coupled_kl_monte_carlo(
    p: object, q: object, kappa: float, n_samples: int, *, alpha: float = 2, rng: object = None,
    progress: object = None,
) -> Estimate:  # fmt: skip
    """
    Estimate the coupled divergence D(p ‖ q) of `coupled_kl` from draws of p.

    With r = ακ/(1 + dκ), where d is the number of coordinates of a draw,

        D = (E_p[(p/q)^r] − 1) / (ακ E_p[p^r]) = E_p[a] / E_p[b],
        a = expm1(r (log p − log q)) / (ακ),  b = p^r,

    and the estimate is the mean of a over draws of p divided by the mean of b at the same draws.
    For κ = 0 it is ``k1`` of `kl_monte_carlo`. It may be negative though the divergence is not.

    The delta method gives the standard error √(Var(a − D b) / n) / E[b]. As a ratio of means the
    estimate is biased, by (D Var b − Cov(a, b)) / (n E[b]²) to leading order. The bias is smaller
    than the standard error by a factor of the order of √n. For κ = 0 there is none.

    If q = 0 at a draw of p, (p/q)^r is infinite for κ > 0 and 0 for κ < 0. For κ ≥ 0 value and
    standard error are +∞, as the divergence is. For κ < 0 both are finite.

    No number of draws shows all of the tails. The standard error means nothing if the variance of
    a or b is infinite, that is if ∫ p^{1+2r} q^{−2r} or ∫ p^{1+2r} is. Between Gaussians this is so
    for κ > 0 if (1 + 2r) Σ_q − 2r Σ_p is not positive definite, and for κ ≤ −1/(d + 2α). D itself
    may be +∞ though q > 0 everywhere, as for κ > 0, a Student-t p and a Gaussian q. The estimate is
    then a finite number that grows with n.

    Parameters
    ----------
    p, q : CoupledNormal, Gaussian, GaussianMixture or other distribution
        As in `kl_monte_carlo`, also of SciPy or torch. Their batch shapes broadcast.
    kappa : float
        Coupling κ of the divergence, with 1 + dκ > 0, up to 1e100. It need not be that of p or
        q. |κ| below 1e-300 counts as 0.
    n_samples : int
        Draws of each distribution of the batch, at least 2.
    {alpha}
    {rng}
    {progress}

    Returns
    -------
    Estimate
        Divergences in the shape of the batch, in nats for κ = 0. Memory is that of
        `kl_monte_carlo`.

    Raises
    ------
    TypeError, ValueError
        As `kl_monte_carlo`. If p is a distribution of this package and ∫ p^{1+r} diverges, which
        for Gaussians and mixtures means κ ≤ −1/(d + α).
    OverflowError
        If an estimate is finite but too large for float64.

    {References: nelson_2017}
    W. G. Cochran, "Sampling Techniques" (1977), chapter 6, for the ratio of means.

    Examples
    --------
    >>> from fastdiv import CoupledNormal, Gaussian, coupled_kl, coupled_kl_monte_carlo
    >>> p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=2.0)
    >>> estimate = coupled_kl_monte_carlo(p, q, 0.5, 100_000, rng=0)
    >>> round(float(estimate.value), 3), round(float(estimate.stderr), 3)
    (1.005, 0.002)
    >>> round(float(coupled_kl(p, q, 0.5)), 3)
    1.005
    >>> t = CoupledNormal([0.0], std=1.0, kappa=0.2)  # no closed form
    >>> estimate = coupled_kl_monte_carlo(p, t, 0.5, 100_000, rng=0)
    >>> round(float(estimate.value), 3), round(float(estimate.stderr), 3)
    (0.065, 0.001)
    """
    return _estimate(p, q, kappa, n_samples, alpha, rng, progress, cross=False)


@documented
def coupled_cross_entropy_monte_carlo(
    p: object, q: object, kappa: float, n_samples: int, *, alpha: float = 2, rng: object = None,
    progress: object = None,
) -> Estimate:  # fmt: skip
    """
    Estimate the coupled cross entropy H(p, q) of `coupled_cross_entropy` from draws of p.

    With q = p it is an estimate of the entropy, H(p). With r = ακ/(1 + dκ), where d is the number
    of coordinates of a draw,

        H = (E_p[p^r q^{−r}] / E_p[p^r] − 1) / (ακ) = E_p[a] / E_p[b],
        a = p^r expm1(−r log q) / (ακ),  b = p^r,

    and the estimate is the mean of a over draws of p divided by the mean of b at the same draws.
    `coupled_kl_monte_carlo` describes its bias, its standard error, and the meaning of q = 0 at a
    draw of p. The difference of two of these estimates would vary more than its estimate of the
    divergence.

    Parameters
    ----------
    p, q, kappa, n_samples, alpha, rng, progress
        As in `coupled_kl_monte_carlo`.

    Returns
    -------
    Estimate
        Cross entropies in the shape of the batch, in nats for κ = 0.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `coupled_kl_monte_carlo`.

    {References: nelson_2017}

    Examples
    --------
    >>> from fastdiv import CoupledNormal, coupled_cross_entropy, coupled_cross_entropy_monte_carlo
    >>> p = CoupledNormal([0.0], std=1.0, kappa=0.5)
    >>> q = CoupledNormal([1.0], std=2.0, kappa=0.5)
    >>> estimate = coupled_cross_entropy_monte_carlo(p, q, 0.5, 100_000, rng=0)
    >>> round(float(estimate.value), 3), round(float(estimate.stderr), 3)
    (2.972, 0.003)
    >>> round(float(coupled_cross_entropy(p, q, 0.5)), 3)
    2.969
    """
    return _estimate(p, q, kappa, n_samples, alpha, rng, progress, cross=True)


def _estimate(
    p: object,
    q: object,
    kappa: object,
    n_samples: object,
    alpha: object,
    rng: object,
    progress: object,
    *,
    cross: bool,
) -> Estimate:
    draws = Draws.of(p, q, n_samples, rng, progress)
    order = Order.of(kappa, alpha, math.prod(draws.event_shape))
    _check_escort(p, order)
    total = _Ratio(math.prod(draws.batch_shape))
    unbounded = np.zeros(draws.batch_shape, dtype=bool)
    for log_p, log_q, place in draws.blocks():
        refuse(log_p, log_q, LOG_DENSITIES, place)
        at_p, at_q = log_p.astype(np.float64), log_q.astype(np.float64)
        if order.r >= 0:
            nowhere = np.isneginf(at_q)
            unbounded |= nowhere.any(axis=0)
            at_q = np.where(nowhere, 0.0, at_q)
        escort = order.r * at_p
        if cross:
            a, scale = scaled_expm1(-at_q, order.r)
            total.add(a, scale + escort, escort)
        else:
            a, scale = scaled_expm1(at_p - at_q, order.r)
            total.add(a, scale, escort)
    slope = 1 + order.dim * order.kappa  # ακ = r slope
    value, stderr = (
        np.where(unbounded, np.inf, part.reshape(draws.batch_shape) / slope)
        for part in total.estimate()
    )
    for part in (value, stderr):
        checked(part, unbounded, "the estimate")
    return Estimate(item(value), item(stderr), draws.n, "biased" if order.r else "unbiased")


def _check_escort(p: object, order: Order) -> None:
    """Refuse p if the integral of p^{1+r} is known to diverge, which no draws would show."""
    a, d = 1 + order.r, order.dim
    if isinstance(p, CoupledNormal) and p.kappa > 0:  # the tail is that of ‖x‖^{−d − 1/κ_p}
        integrable = a * (1 + d * p.kappa) > d * p.kappa
    elif isinstance(p, CoupledNormal) and p.kappa < 0:  # a power of the distance to the edge
        integrable = a * (1 + d * p.kappa) > p.alpha * p.kappa
    else:
        integrable = a > 0 or not isinstance(p, (CoupledNormal, Gaussian, GaussianMixture))
    if not integrable:
        raise ValueError(
            f"kappa={order.kappa} with alpha={order.alpha} is too negative for p, a "
            f"{type(p).__name__} in {d} dimensions: p^(1+r), r = {order.r:.6g}, has no integral"
        )


@dataclass
class _Ratio:
    """
    The ratio of the means of a and b > 0, whose draws come in blocks.

    The state is the means and co-moments of a − c b and of b, with the ratio c in the first block.
    The variance of a − ratio · b then keeps its digits if a is nearly proportional to b. Both are
    in units of the largest scale so far, exp(top), so that nothing overflows.
    """

    size: int
    n: int = 0
    sign: Values = field(init=False)  # c = sign · exp(log_c)
    log_c: Values = field(init=False)
    top: Matrix = field(init=False)  # [which, batch]
    mean: Matrix = field(init=False)
    m2: Matrix = field(init=False)  # [one, other, batch]

    def __post_init__(self) -> None:
        self.top = np.full((2, self.size), -np.inf)
        self.mean, self.m2 = np.zeros((2, self.size)), np.zeros((2, 2, self.size))

    def add(self, a: Matrix, log_scale: Matrix, log_b: Matrix) -> None:
        """Add the draws a · exp(log_scale) and exp(log_b), each of shape (draws, *batch)."""
        n = len(a)
        a, log_scale, log_b = (values.reshape(n, self.size) for values in (a, log_scale, log_b))
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            if not self.n:
                top_a, top_b = log_scale.max(axis=0), log_b.max(axis=0)
                mean_a = (a * np.exp(log_scale - top_a)).mean(axis=0)
                mean_b = np.exp(log_b - top_b).mean(axis=0)
                self.sign = np.sign(mean_a)
                self.log_c = np.log(np.abs(mean_a) / mean_b) + (top_a - top_b)
            log_cb = self.log_c + log_b
            log_unit = np.maximum(log_scale, log_cb)
            remainder = a * np.exp(log_scale - log_unit) - self.sign * np.exp(log_cb - log_unit)

            x = np.stack([log_unit, log_b])
            top = np.maximum(self.top, x.max(axis=1))
            old = np.exp(self.top - top)
            self.mean *= old
            self.m2 *= old * old[:, None]
            x -= top[:, None]
            np.exp(x, out=x)
            x[0] *= remainder
            mean = x.mean(axis=1)
            x -= mean[:, None]
            delta, share = mean - self.mean, n / (self.n + n)
            self.m2 += np.einsum("inb,jnb->ijb", x, x) + delta * delta[:, None] * (self.n * share)
            self.mean += delta * share
        self.top, self.n = top, self.n + n

    def estimate(self) -> tuple[Values, Values]:
        """Return the ratio of the means, and its standard error by the delta method."""
        with np.errstate(over="ignore", invalid="ignore"):
            excess = self.mean[0] / self.mean[1]  # by which the ratio exceeds c
            m2 = self.m2[0, 0] - 2 * excess * self.m2[0, 1] + excess**2 * self.m2[1, 1]
            stderr = np.sqrt(np.maximum(m2, 0.0) / (self.n - 1) / self.n) / self.mean[1]
            half = np.exp(0.5 * (self.top[0] - self.top[1]))  # twice: its square may overflow alone
            return self.sign * np.exp(self.log_c) + excess * half * half, stderr * half * half

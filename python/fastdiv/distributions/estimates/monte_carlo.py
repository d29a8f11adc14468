"""Estimate divergences from draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import COMPUTED, DRAWN, blockwise, even_blocks, row_blocks
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import checked, item, last_axis_aligned
from fastdiv.distributions.estimates.draws import LOG_DENSITIES, Draws, Place, refuse
from fastdiv.distributions.estimates.estimate import Estimate

ESTIMATORS = {"k1": "unbiased", "k2": "biased", "k3": "unbiased"}
"""Estimators of the Kullback-Leibler divergence from log densities, and their bias."""


@documented
def kl_from_log_probs(
    log_p: object, log_q: object, *, estimator: str = "k1", axis: int = 0,
    n_threads: int | None = None,
) -> Estimate:  # fmt: skip
    """
    Estimate the Kullback-Leibler divergence KL(p ‖ q) from log densities at draws of p.

    With l = log q(x) − log p(x) at a draw x of p, the estimators are the means over draws of

    ========= =============== ========== ===================================================
    estimator one draw        bias       for unit Gaussians shifted by μ, KL = μ²/2
    ========= =============== ========== ===================================================
    ``k1``    −l              unbiased   variance of a draw μ²
    ``k2``    l²/2            biased     expectation μ²/2 + μ⁴/8, too large by KL · μ²/4;
                                         variance μ⁴/2 + μ⁶/4
    ``k3``    exp(l) − 1 − l  unbiased   variance exp(μ²) − 1 − μ², about μ⁴/2 for small μ
    ========= =============== ========== ===================================================

    ``k1`` may be negative even though the divergence is not. Clamping it would bias it. ``k2``
    and ``k3`` are never negative and vary far less when p and q are close. ``k3`` is unbiased if q
    has no mass where p has none. Otherwise its expectation is KL(p ‖ q) less that mass. Its
    variance is infinite if ∫ q²/p is, as when q has the heavier tails.

    If q = 0 at a draw of p (log_q = −∞), all three are +∞, as the divergence is. The standard error
    is then infinite too. Nothing else gives ∞: ``k3`` is too large for float64 beyond l = 709.

    Parameters
    ----------
    log_p, log_q : array_like of one shape
        Natural logarithms of the normalised densities (or probabilities) of p and q at draws of
        p. Columns of frames go by name, and rows by the keys of an index of pandas.
    estimator : {"k1", "k2", "k3"}, default "k1"
        See above.
    axis : int, default 0
        Axis of the draws, at least two. The other axes are the batch.
    {n_threads}

    Returns
    -------
    Estimate
        Value and stderr in nats, in the shape of the batch. The standard error is that of a mean
        of independent draws. Draws of a Markov chain need another.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, if log_p is NaN or infinite (a draw of p where p = 0), or if
        log_q is NaN or +∞. The message tells the index.
    OverflowError
        If q > 0 at all draws, and a value or its standard error is too large for float64.

    References
    ----------
    J. Schulman, "Approximating KL divergence" (2020), http://joschu.net/blog/kl-approx.html,
    for the names.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import Gaussian, kl_from_log_probs
    >>> p, q = Gaussian([0.0], std=1.0), Gaussian([0.1], std=1.0)  # KL = 0.005
    >>> x = p.sample(10_000, rng=0)
    >>> for name in ("k1", "k2", "k3"):
    ...     estimate = kl_from_log_probs(p.log_prob(x), q.log_prob(x), estimator=name)
    ...     print(name, round(estimate.value, 5), round(estimate.stderr, 5), estimate.bias)
    k1 0.00437 0.001 unbiased
    k2 0.00499 7e-05 biased
    k3 0.00498 7e-05 unbiased
    """
    word = _inputs.choice(estimator, tuple(ESTIMATORS), "estimator")
    log_p, log_q = _inputs.aligned({"log_p": log_p, "log_q": log_q})
    p, q = last_axis_aligned({"log_p": log_p, "log_q": log_q})
    if p.shape != q.shape:
        raise ValueError(f"log_p and log_q must have the same shape; got {p.shape} and {q.shape}")
    if p.ndim == 0:
        raise ValueError("log_p must be an array with an axis of draws; got a scalar")
    along = _inputs.integer(axis, "axis", -p.ndim, p.ndim - 1) % p.ndim
    n = p.shape[along]
    if n < 2:
        raise ValueError(f"log_p must have at least 2 draws along axis {axis}; got {n}")
    p, q = np.moveaxis(p, along, 0), np.moveaxis(q, along, 0)
    total = _Moments(p.shape[1:], word, _inputs.threads(n_threads))

    def place(draw: int, index: tuple[int, ...]) -> str:
        return f" at index {(*index[:along], draw, *index[along:])}"

    for rows in even_blocks(n, math.prod(p.shape[1:]), DRAWN):
        total.add(p[rows], q[rows], ("log_p", "log_q"), place)
    return total.estimate()


@documented
def kl_monte_carlo(
    p: object, q: object, n_samples: int, *, estimator: str = "k1", rng: object = None,
    n_threads: int | None = None, progress: object = None,
) -> Estimate:  # fmt: skip
    """
    Estimate the Kullback-Leibler divergence KL(p ‖ q) from draws of p.

    `kl_from_log_probs` describes the estimators ``k1``, ``k2`` and ``k3``, their biases and
    variances, and the meaning of q = 0 at a draw of p.

    p and q may be of different libraries, if the draws of one are points for the other:

    - Distributions of this package, and any object with ``sample(n, rng=generator)``, which
      returns n draws along the first axis, with ``log_prob(x)``, and with ``batch_shape`` if
      there is a batch.
    - Distributions of `scipy.stats`: frozen ones, with ``rvs`` and ``logpdf`` or ``logpmf``, and
      objects such as ``scipy.stats.Normal(mu=1.0)``, with ``sample`` and both.
    - Distributions of `torch` on the CPU, with ``sample((n,))``, ``log_prob(x)`` and
      ``batch_shape``. The log density of q counts as −∞ at draws that fail the check of its
      support, whatever its ``validate_args``, and at those whose probability is 0, which torch
      raises to the ε of the number type. The support of ``VonMises`` is [−π, π], where it draws.

    Only the log density of q is used. Every distribution in p's batch has draws of its own. Those
    that only q's batch tells apart share them, so their values are correlated.

    Torch draws from a global generator. It is seeded for each block by a number drawn from `rng`,
    and has its state back afterwards. Do not use torch in other threads meanwhile.

    Memory is that of a block of 2¹⁸ numbers, or of one draw of the whole batch if that is larger.
    The work of ``sample`` and ``log_prob`` on it comes on top.

    Parameters
    ----------
    p, q : Gaussian, GaussianMixture or other distribution
        See above. Their batch shapes broadcast.
    n_samples : int
        Draws of each distribution of the batch, at least 2.
    estimator : {"k1", "k2", "k3"}, default "k1"
        See `kl_from_log_probs`.
    {rng}
    n_threads : int, optional
        Number of threads of the reduction. See `set_num_threads`.
    {progress}

    Returns
    -------
    Estimate
        Value and stderr in nats, in the shape of the batch.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or one of p and q is discrete and the other continuous. If log
        densities do not have the shape of the draws, are NaN or +∞, or −∞ for p at its own draws.
        A float32 distribution draws the edge of its support now and then, where p may be 0.
    OverflowError
        If q > 0 at all draws, and a value or its standard error is too large for float64.

    {References: hershey_2007}

    Examples
    --------
    >>> from fastdiv import Gaussian, kl, kl_monte_carlo
    >>> p, q = Gaussian([[0.0], [1.0]], std=1.0), Gaussian([0.5], std=2.0)
    >>> estimate = kl_monte_carlo(p, q, 100_000, rng=0)
    >>> estimate.value.round(3), estimate.stderr.round(3)
    (array([0.348, 0.349]), array([0.002, 0.002]))
    >>> kl(p, q).round(3)
    array([0.349, 0.349])
    """
    word = _inputs.choice(estimator, tuple(ESTIMATORS), "estimator")
    draws = Draws.of(p, q, n_samples, rng, progress)
    total = _Moments(draws.batch_shape, word, _inputs.threads(n_threads))
    for log_p, log_q, place in draws.blocks():
        total.add(log_p, log_q, LOG_DENSITIES, place)
    return total.estimate()


@dataclass
class _Moments:
    """Mean and sum of squared deviations of draws in blocks, merged by Chan's formula."""

    batch_shape: tuple[int, ...]
    estimator: str
    n_threads: int
    n: int = 0
    mean: Values = field(init=False)
    m2: Values = field(init=False)
    unbounded: NDArray[np.bool_] = field(init=False)  # q = 0 at a draw

    def __post_init__(self) -> None:
        size = math.prod(self.batch_shape)
        self.mean, self.m2 = np.zeros(size), np.zeros(size)
        self.unbounded = np.zeros(size, dtype=bool)

    def add(
        self,
        log_p: Matrix,
        log_q: Matrix,
        names: tuple[str, str],
        place: Place,
    ) -> None:
        """Add the draws of one block, shape (draws, *batch)."""
        n, dtype = len(log_p), np.result_type(log_p, log_q)
        p, q = (a.astype(dtype, copy=False).reshape(n, -1) for a in (log_p, log_q))
        if p.size == 0:
            self.n += n
            return
        for items in row_blocks(p.shape[1], n, COMPUTED):
            mean, m2 = backend.current().log_ratio_moments(
                p[:, items], q[:, items], self.estimator, self.n_threads
            )
            if not np.isfinite(mean).all():
                refuse(log_p, log_q, names, place)
                self.unbounded[items] |= np.isneginf(q[:, items]).any(axis=0)
            self._merge(mean, m2, n, items)
        self.n += n

    def _merge(self, mean: Values, m2: Values, n: int, items: slice) -> None:
        """Add the moments of n draws of some items of the batch, which may have overflowed."""
        total = self.n + n
        with np.errstate(invalid="ignore", over="ignore"):
            delta = mean - self.mean[items] if self.n else np.zeros_like(mean)
            self.m2[items] += m2 + delta * delta * (self.n / total * n)
            self.mean[items] = (self.n * self.mean[items] + n * mean) / total

    def estimate(self) -> Estimate:
        """Return the mean and its standard error."""
        unbounded = self.unbounded.reshape(self.batch_shape)

        def within(part: Values, infinite: NDArray[np.bool_]) -> Values:
            return np.where(infinite, np.inf, part)

        value = blockwise(within, self.mean.reshape(self.batch_shape), unbounded)
        checked(value, unbounded, "the estimate")
        m2 = blockwise(within, self.m2.reshape(self.batch_shape), unbounded)
        stderr = blockwise(lambda part: np.sqrt(part / (self.n - 1) / self.n), m2)
        too_large = blockwise(lambda part, known: ~np.isfinite(part) & ~known, stderr, unbounded)
        if too_large.any():
            raise OverflowError(
                "a standard error is too large: squares of draws overflow in float64"
            )
        return Estimate(item(value), item(stderr), self.n, ESTIMATORS[self.estimator])

"""Differentiate expectations over a categorical distribution, ∇ E_{z ~ Cat(logits)} f(z)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.blocks import blockwise, drawn_in_pieces
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.results import Result
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import rounded
from fastdiv.distributions.categorical import Categorical


@dataclass(frozen=True, eq=False)
class GradientEstimate(Result):
    """
    An unbiased Monte-Carlo estimate of a gradient.

    Attributes
    ----------
    gradient : ndarray of float64
        The estimate.
    stderr : ndarray of float64
        Its standard error, entry by entry.
    n_samples : int
        Number of draws behind each.

    Examples
    --------
    >>> from fastdiv import score_function_grad
    >>> estimate = score_function_grad([0.0, 0.0], lambda z: 1.0 * (z == 1), 1000, rng=0)
    >>> bool((abs(estimate.gradient - [-0.25, 0.25]) < 4 * estimate.stderr + 1e-9).all())
    True
    """

    gradient: Values
    stderr: Values
    n_samples: int


@dataclass(frozen=True, eq=False)
class RelaxedSample(Result):
    """
    A draw of `gumbel_softmax`, with the way back to the logits.

    Attributes
    ----------
    sample : ndarray, shape (..., k)
        Points of the simplex, one-hot if `hard`.
    temperature : float
        Temperature of the relaxation.
    hard : bool
        Whether `sample` is one-hot and `vjp` straight-through.

    Examples
    --------
    >>> from fastdiv import gumbel_softmax
    >>> gumbel_softmax([0.0, 0.0, 0.0], 0.5, hard=True, rng=0).biased
    True
    """

    sample: Matrix
    temperature: float
    hard: bool
    _soft: Values

    @property
    def biased(self) -> bool:
        """
        Tell whether `vjp` is not the derivative of `sample`.

        True if hard: a one-hot sample has derivative 0 almost everywhere, and that of the relaxed
        sample stands in for it. If not hard, `vjp` is exact, and unbiased for the relaxed
        objective E f(sample), which becomes E f(z) only as the temperature goes to 0.
        """
        return self.hard

    def vjp(self, cotangent: object) -> Matrix:
        """
        Return the vector-Jacobian product with respect to the logits.

        With y the relaxed sample, y = softmax((logits + g) / temperature),

            vjp(c) = y ⊙ (c − c·y) / temperature.

        Parameters
        ----------
        cotangent : array_like, shape (..., k)
            ∂f/∂sample, in the shape of `sample`.

        Returns
        -------
        ndarray, shape (..., k)
            ∂f/∂logits, in the dtype of `sample`. Each row sums to 0.

        Raises
        ------
        TypeError, ValueError
            If the cotangent has another shape or does not hold finite numbers.
        OverflowError
            If a product is too large for the dtype.

        Examples
        --------
        >>> from fastdiv import gumbel_softmax
        >>> gumbel_softmax([0.0, 0.0], 0.5, rng=0).vjp([1.0, 1.0]).round(6) + 0.0
        array([0., 0.])
        """
        c = _inputs.array(cotangent, "cotangent")
        if c.shape != self.sample.shape:
            raise ValueError(
                f"cotangent must have the shape of the sample, {self.sample.shape}; got {c.shape}"
            )
        if not np.isfinite(c).all():
            raise ValueError("cotangent must be finite; got NaN or infinity")
        y = self._soft
        with np.errstate(over="ignore", invalid="ignore"):
            centred = c - (c * y).sum(axis=-1, keepdims=True)
            product = np.asarray(y * centred / self.temperature)
        return rounded(product, self.sample.dtype, "the product")


@documented
def score_function_grad(
    logits: object, f: Callable[[NDArray[np.int64]], object], n_samples: int, *,
    rng: object = None,
) -> GradientEstimate:  # fmt: skip
    """
    Estimate ∇ E_{z ~ Cat(logits)} f(z) with respect to the logits by REINFORCE.

    With n draws zᵢ, the leave-one-out baselines bᵢ = Σ_{j≠i} f(zⱼ) / (n − 1) and the score
    ∇ log p(z) = onehot(z) − p,

        gradient = 1/n Σᵢ (f(zᵢ) − bᵢ) (onehot(zᵢ) − p),

    unbiased, because bᵢ does not depend on zᵢ. f need not be differentiable.

    Parameters
    ----------
    logits : array_like, shape (..., k)
        As in `Categorical`.
    f : callable
        Takes categories, an integer array of shape (n_samples, ...), and returns the value of each
        in the same shape. Batch item i is in column i.
    n_samples : int
        Draws per batch item, at least 2.
    {rng}

    Returns
    -------
    GradientEstimate
        `gradient` and `stderr` have the shape of logits. The standard error is that of a mean of n
        independent terms, which is right to first order in 1/n. Few draws can miss it, and for
        draws that are all equal it is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument, or what f returns, is invalid.
    OverflowError
        If a gradient or standard error is too large for float64.

    References
    ----------
    R. J. Williams, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", Machine Learning 8 (1992) 229–256; the baseline: W. Kool, H. van Hoof,
    M. Welling, "Buy 4 REINFORCE samples, get a baseline for free!" (2019), equation (8).

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import enumeration_grad, score_function_grad
    >>> reward = np.array([1.0, 2.0, 4.0])
    >>> estimate = score_function_grad([0.0, 0.0, 1.0], lambda z: reward[z], 10_000, rng=0)
    >>> exact = enumeration_grad([0.0, 0.0, 1.0], reward)
    >>> bool((abs(estimate.gradient - exact) < 4 * estimate.stderr).all())
    True
    """
    distribution = Categorical(logits=logits)
    n = _inputs.draws(n_samples, "n_samples", 2)
    if not callable(f):
        raise TypeError(f"f must be callable; got {type(f).__name__}")
    z = distribution.sample(n, rng=rng)
    values = _inputs.array(f(z), "f(z)").astype(np.float64)
    if values.shape != z.shape:
        raise ValueError(f"f must return one value per draw, shape {z.shape}; got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("f must return finite values; got NaN or infinity")
    return patiently(partial(_from_draws, distribution, z, values), PASSES * z.size)


def _from_draws(
    distribution: Categorical, z: NDArray[np.int64], values: Values
) -> GradientEstimate:
    """Estimate the gradient from draws and the values of f there."""
    n = len(z)
    # Take a power of two near the largest value as the unit, so that squares do not overflow.
    unit = np.frexp(np.abs(values).max(axis=0))[1]
    values = np.ldexp(values, -unit)
    # fᵢ − bᵢ = n/(n − 1) (fᵢ − mean), and these sum to 0, so the term with p drops out of the mean.
    weights = (values - values.mean(axis=0)) * (n / (n - 1))
    k = distribution.n_categories
    gradient = _sums_per_category(z, weights, k) / n
    # Sum (wᵢ (onehot(zᵢ) − p))² category by category.
    squares = _sums_per_category(z, weights**2, k)
    p = np.exp(distribution._log_probs())
    sum_of_squares = (1 - 2 * p) * squares + p**2 * squares.sum(axis=-1, keepdims=True)
    variance = np.maximum(sum_of_squares - n * gradient**2, 0.0) / (n - 1)
    with np.errstate(over="ignore"):
        gradient = np.ldexp(gradient, unit[..., None])
        stderr = np.ldexp(np.sqrt(variance / n), unit[..., None])
    return GradientEstimate(
        rounded(gradient, gradient.dtype, "the gradient"),
        rounded(stderr, stderr.dtype, "the standard error"),
        n,
    )


@documented
def gumbel_softmax(
    logits: object, temperature: float, *, hard: bool = False, rng: object = None
) -> RelaxedSample:
    """
    Draw relaxed one-hot vectors y = softmax((logits + g) / temperature), g standard Gumbel.

    As the temperature goes to 0, y becomes a one-hot draw of Cat(logits). Gradients through y
    estimate ∇ E f(z). Their bias vanishes then, and their variance grows like 1 / temperature.

    Parameters
    ----------
    logits : array_like, shape (..., k)
        As in `Categorical`, one draw per row. Broadcast them for more, and add up the results of
        `vjp`.
    temperature : float
        Temperature > 0.
    hard : bool, default False
        Return the one-hot vector of the largest entry, an exact draw of Cat(logits). Then `vjp` is
        straight-through: that of the relaxed y, a biased stand-in, as `biased` says.
    {rng}

    Returns
    -------
    RelaxedSample
        `sample`, in the shape and dtype of logits, and `vjp(cotangent)`.

    {Raises: invalid}

    References
    ----------
    E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax" (2017),
    equation (2) and section 2.2; C. J. Maddison, A. Mnih, Y. W. Teh, "The concrete distribution"
    (2017).

    Examples
    --------
    >>> from fastdiv import gumbel_softmax
    >>> drawn = gumbel_softmax([[0.0, 1.0, -1.0]], 0.5, rng=0)
    >>> round(float(drawn.sample.sum()), 6)
    1.0
    >>> drawn.vjp([[1.0, 0.0, 0.0]]).shape
    (1, 3)
    """
    a = Categorical(logits=logits).parameter
    tau = _inputs.positive(temperature, "temperature")
    is_hard = _inputs.flag(hard, "hard")
    gumbel = drawn_in_pieces(_inputs.generator(rng).gumbel, a.shape)

    def below_largest(logits: Matrix, noise: Values) -> Values:
        x = logits + noise
        x -= x.max(axis=-1, keepdims=True)
        with np.errstate(over="ignore"):  # to −∞, which softmax makes 0
            x /= tau
        return x

    def normalised_exp(x: Values) -> Values:
        y: Values = np.exp(x)
        y /= y.sum(axis=-1, keepdims=True)
        return y

    x = blockwise(below_largest, a, gumbel, event_ndim=1)
    y = blockwise(normalised_exp, x, event_ndim=1)
    sample: Matrix = y.astype(a.dtype, copy=False)
    if is_hard:
        sample = np.zeros_like(sample)
        np.put_along_axis(sample, x.argmax(axis=-1)[..., None], 1, axis=-1)
    return RelaxedSample(sample, tau, is_hard, y)


@documented
def enumeration_grad(logits: object, f_values: object) -> Values:
    """
    Compute ∇ E_{z ~ Cat(logits)} f(z) with respect to the logits exactly: p ⊙ (f − p·f).

    Parameters
    ----------
    logits : array_like, shape (..., k)
        As in `Categorical`.
    f_values : array_like, shape (..., k)
        f of every category, which broadcasts against logits. Frames and Series must have the same
        names, and frames the same keys, in the same order.

    Returns
    -------
    ndarray of float64, shape ``np.broadcast_shapes(logits.shape, f_values.shape)``
        Gradients. Each sums to 0.

    {raises_overflow}

    References
    ----------
    S. Mohamed, M. Rosca, M. Figurnov, A. Mnih, "Monte Carlo gradient estimation in machine
    learning", JMLR 21 (2020), section 4.

    Examples
    --------
    >>> from fastdiv import enumeration_grad
    >>> enumeration_grad([0.0, 0.0], [1.0, 3.0])
    array([-0.5,  0.5])
    """
    distribution = Categorical(logits=logits)
    names = ("logits", "f_values")
    f = distribution._points(f_values, distribution.batch_shape, distribution.n_categories, names)
    p = blockwise(np.exp, distribution._log_probs())
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = blockwise(
            lambda p, f: p * (f - (p * f).sum(axis=-1, keepdims=True)), p, f, event_ndim=1
        )
    return rounded(gradient, gradient.dtype, "the gradient")


def _sums_per_category(z: NDArray[np.int64], weights: Values, k: int) -> Values:
    """Sum weights of shape (n, *batch) by category: shape (*batch, k)."""
    batch = z.shape[1:]
    rows = np.arange(z[0].size).reshape(batch)
    sums = np.bincount((rows * k + z).ravel(), weights.ravel(), minlength=rows.size * k)
    return np.asarray(sums.reshape(*batch, k))

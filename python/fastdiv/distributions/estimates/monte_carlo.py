"""Estimates of divergences from draws, for where there is no closed form."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import DRAWN, even_blocks
from fastdiv._engine.progress import reporter
from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv.distributions.arrays import at, first_index, item
from fastdiv.distributions.categorical import ILL_DEFINED, Categorical
from fastdiv.distributions.coupled import CoupledNormal
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.mixture import GaussianMixture

ESTIMATORS = {"k1": "unbiased", "k2": "biased", "k3": "unbiased"}
"""Estimators of the Kullback-Leibler divergence from log densities, and their bias."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """
    An estimate with its standard error, for each distribution of a batch.

    Attributes
    ----------
    value : ndarray of float64, shape batch_shape
        Estimates in nats.
    stderr : ndarray of float64, shape batch_shape
        Standard errors of the values; infinite beside an infinite value.
    n_samples : int
        Number of draws behind each value, of both samples together if there are two.
    bias : {"unbiased", "biased", "lower bound"}
        Whether the expectation of the value is the divergence, may lie on either side of it,
        or is never above it. The function that made the estimate says by how much.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import Estimate
    >>> estimate = Estimate(np.float64(0.5), np.float64(0.1), 100, "unbiased")
    >>> low, high = estimate.confidence_interval()
    >>> round(float(low), 3), round(float(high), 3)
    (0.304, 0.696)
    """

    value: Values
    stderr: Values
    n_samples: int
    bias: str

    def confidence_interval(self, level: float = 0.95) -> tuple[Values, Values]:
        """
        Return the normal confidence interval value ± z · stderr.

        It covers the expectation of the estimate: add the bias, where there is one, in mind.
        Few draws from a heavy-tailed distribution are not normal, and the interval is then too
        short.

        Parameters
        ----------
        level : float, default 0.95
            Probability between 0 and 1.

        Returns
        -------
        low, high : ndarray of float64, shape batch_shape
            Ends of the intervals; (−∞, ∞) where the standard error is infinite.

        Raises
        ------
        TypeError, ValueError
            If level is not a number between 0 and 1.

        Examples
        --------
        >>> from fastdiv import kl_from_log_probs
        >>> estimate = kl_from_log_probs([-1.0, -1.5, -0.5], [-2.0, -1.5, -1.0])
        >>> low, high = estimate.confidence_interval(level=0.9)
        >>> bool(low < estimate.value < high)
        True
        """
        probability = _inputs.real(level, "level")
        if not 0 < probability < 1:
            raise ValueError(f"level must be between 0 and 1; got {level!r}")
        half = NormalDist().inv_cdf(0.5 + probability / 2) * np.asarray(self.stderr)
        low = np.subtract(
            self.value, half, where=np.isfinite(half), out=np.full_like(half, -np.inf)
        )
        return item(low), item(self.value + half)


# --- Monte Carlo ------------------------------------------------------------------------


@documented
def kl_from_log_probs(
    log_p: object,
    log_q: object,
    *,
    estimator: str = "k1",
    axis: int = 0,
    n_threads: int | None = None,
) -> Estimate:
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

    ``k1`` may be negative even though the divergence is not; clamping it would bias it. ``k2``
    and ``k3`` are never negative and vary far less when p and q are close. ``k3`` is unbiased
    if q has no mass where p has none (else its expectation is KL(p ‖ q) less that mass), and its
    variance is infinite where ∫ q²/p is: where q has the heavier tails.

    Where q = 0 at a draw of p (log_q = −∞) all three are +∞, as the divergence is. ``k3`` also
    overflows to +∞ beyond l = 709. The standard error is then infinite too.

    Parameters
    ----------
    log_p, log_q : array_like of one shape
        Natural logarithms of the normalised densities (or probabilities) of p and q at draws of
        p.
    estimator : {"k1", "k2", "k3"}, default "k1"
        See above.
    axis : int, default 0
        Axis of the draws, at least two; the other axes are the batch.
    {n_threads}

    Returns
    -------
    Estimate
        In nats; value and stderr have the shape of the batch. The standard error is that of a
        mean of independent draws; draws of a Markov chain need another.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, if log_p is NaN or infinite (a draw of p where p = 0),
        or if log_q is NaN or +∞; the message tells the index.

    References
    ----------
    J. Schulman, "Approximating KL divergence" (2020), http://joschu.net/blog/kl-approx.html;
    the names are from there.

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
    p, q = _inputs.array(log_p, "log_p"), _inputs.array(log_q, "log_q")
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
    p: object,
    q: object,
    n_samples: int,
    *,
    estimator: str = "k1",
    rng: object = None,
    n_threads: int | None = None,
    progress: object = None,
) -> Estimate:
    """
    Estimate the Kullback-Leibler divergence KL(p ‖ q) from draws of p.

    The estimators ``k1``, ``k2`` and ``k3``, their biases and variances, and what q = 0 at a draw
    of p means are described at `kl_from_log_probs`.

    p and q may be of different libraries, if the draws of one are points for the other:

    - distributions of this package, and any object with ``sample(n, rng=generator)``, which
      returns n draws along the first axis, with ``log_prob(x)``, and with ``batch_shape`` if
      there is a batch;
    - distributions of `scipy.stats`: frozen ones, with ``rvs`` and ``logpdf`` or ``logpmf``, and
      objects such as ``scipy.stats.Normal(mu=1.0)``, with ``sample`` and both;
    - distributions of `torch` on the CPU, with ``sample((n,))``, ``log_prob(x)`` and
      ``batch_shape``. One as q that does not have all of p's support needs
      ``validate_args=False``, or torch raises an error at such a draw.

    Of q only the log density is used. Every distribution in p's batch has draws of its own; those
    that only q's batch tells apart share them, so their values are correlated.

    Torch draws from a global generator. It is seeded for each block by a number drawn from `rng`,
    and has its state back afterwards; torch is not to be used in other threads meanwhile.

    Memory is that of a block of 2¹⁸ numbers, or of one draw of the
    whole batch if that is larger, and of what ``sample`` and ``log_prob`` need for it.

    Parameters
    ----------
    p, q : Gaussian, GaussianMixture or other distribution
        See above; their batch shapes broadcast.
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
        In nats; value and stderr have the shape of the batch.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, if one of p and q is discrete and the other
        continuous, if log densities do not have the shape of the draws, or if they are NaN, +∞ or,
        those of p at its own draws, −∞.

    References
    ----------
    J. R. Hershey, P. A. Olsen, "Approximating the Kullback Leibler divergence between Gaussian
    mixture models", ICASSP 2007.

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


LOG_DENSITIES = ("the log density of p", "the log density of q")
"""What the log densities at draws are called in errors."""

Place: TypeAlias = Callable[[int, tuple[int, ...]], str]
LogProb: TypeAlias = Callable[[NDArray[Any]], Matrix]
Sampler: TypeAlias = Callable[[int, np.random.Generator], NDArray[Any]]


@dataclass(frozen=True)
class Draws:
    """Draws of p in blocks, with the log densities of p and q at them."""

    n: int
    batch_shape: tuple[int, ...]
    event_shape: tuple[int, ...]
    _sides: dict[str, tuple[int, ...]]
    _draw: Sampler
    _log_p: LogProb
    _log_q: LogProb
    _generator: np.random.Generator
    _report: Progress | None

    @classmethod
    def of(cls, p: object, q: object, n_samples: object, rng: object, progress: object) -> Draws:
        """Check the arguments of `kl_monte_carlo`, and draw nothing yet."""
        n = _inputs.integer(n_samples, "n_samples", 2)
        for name, value in (("p", p), ("q", q)):
            mask = getattr(value, "where", None)
            if isinstance(mask, np.ndarray) and not mask.all():
                raise ValueError(f"{name} must have no padding; got a where that leaves some out")
        generator = _inputs.generator(rng)
        report = reporter(progress)
        if {_is_discrete(p), _is_discrete(q)} == {False, True}:
            kinds = " and ".join(type(each).__name__ for each in (p, q))
            raise TypeError(
                f"p and q must both be discrete or both continuous; got {kinds}. {ILL_DEFINED}"
            )
        sides = {"p": _batch_shape(p, "p"), "q": _batch_shape(q, "q")}
        batch = _inputs.broadcast_batches(sides)
        draw, log_p, log_q = _sampler(p, sides["p"]), _log_prob(p, "p"), _log_prob(q, "q")
        event = draw(2, np.random.default_rng(0)).shape[1 + len(sides["p"]) :]
        return cls(n, batch, event, sides, draw, log_p, log_q, generator, report)

    def blocks(self) -> Iterator[tuple[Matrix, Matrix, Place]]:
        """
        Draw, and evaluate the log densities, by blocks of about `DRAWN` numbers.

        Yield log densities of p and of q, of shape (draws, *batch_shape), which may be anything.
        With them comes a function that says in an error where a draw of the block is.
        """
        batch, event, of_p = self.batch_shape, self.event_shape, self._sides["p"]
        # More axes of q's batch stand between those of the draws and those of p's batch.
        between = (1,) * (len(self._sides["q"]) - len(of_p))
        for rows in even_blocks(self.n, math.prod(batch) * math.prod(event), DRAWN):
            count = rows.stop - rows.start
            x = self._draw(count, self._generator)
            if x.shape != (count, *of_p, *event):
                raise ValueError(
                    f"p.sample({count}) must return {count} draws along the first axis; "
                    f"got shape {x.shape}"
                )
            wide = x.reshape(count, *between, *x.shape[1:])
            at_p = _of_shape(self._log_p(x), "p", (count, *of_p))
            at_p = at_p.reshape(wide.shape[: 1 + len(batch)])
            full = (count, *batch)
            at_q = _of_shape(self._log_q(wide), "q", full)

            def place(draw: int, index: tuple[int, ...], first: int = rows.start) -> str:
                return f" at draw {first + draw} of p{at(index).replace(' at', ',')}"

            yield np.broadcast_to(at_p, full), at_q, place
            if self._report is not None:
                self._report(rows.stop, self.n)


def _is_torch(value: object) -> bool:
    """Tell a torch distribution, or one derived from it, without importing torch."""
    return any(each.__module__.startswith("torch.distributions") for each in type(value).__mro__)


def _is_new_scipy(value: object) -> bool:
    """Tell a distribution object of scipy.stats from a frozen one, without importing SciPy."""
    scipy = any(each.__module__.startswith("scipy.stats") for each in type(value).__mro__)
    return scipy and not hasattr(value, "rvs")


def _is_discrete(value: Any) -> bool | None:
    """Tell whether a distribution has probabilities, not a density; None if that is not known."""
    if isinstance(value, Categorical):
        return True
    if isinstance(value, (CoupledNormal, Gaussian, GaussianMixture)):
        return False
    if _is_torch(value):
        try:
            return bool(value.support.is_discrete)
        except (AttributeError, NotImplementedError):  # there need not be a support
            return None
    if _is_new_scipy(value) and hasattr(value, "logpmf"):  # of a density it is −∞ everywhere
        return bool(np.isfinite(value.logpmf(value.sample(rng=np.random.default_rng(0)))).all())
    discrete, continuous = (callable(getattr(value, name, None)) for name in ("pmf", "pdf"))
    return discrete if discrete != continuous else None


def _batch_shape(value: Any, name: str) -> tuple[int, ...]:
    if hasattr(value, "batch_shape"):
        return tuple(value.batch_shape)
    # One draw of each distribution of scipy's batch.
    generator = np.random.default_rng(0)
    if hasattr(value, "rvs"):
        return np.shape(_log_prob(value, name)(value.rvs(random_state=generator)))
    if _is_new_scipy(value):
        return np.shape(value.sample(rng=generator))
    return ()


def _log_prob(value: Any, name: str) -> LogProb:
    log_density = f"the log density of {name}"
    if _is_torch(value):
        as_tensor = sys.modules["torch"].as_tensor
        return lambda x: _inputs.array(value.log_prob(as_tensor(x)).detach(), log_density)
    of_scipy = ("logpmf", "logpdf") if _is_discrete(value) else ("logpdf", "logpmf")
    for method in ("log_prob", *of_scipy):
        function = getattr(value, method, None)
        if callable(function):
            return lambda x: _inputs.array(function(x), log_density)
    raise TypeError(
        f"{name} must have a method log_prob, logpdf or logpmf; got {type(value).__name__}"
    )


def _sampler(p: Any, batch: tuple[int, ...]) -> Sampler:
    if _is_torch(p):
        return lambda n, rng: _torch_draws(p, n, rng)
    if hasattr(p, "rvs"):
        return lambda n, rng: np.asarray(p.rvs(size=(n, *batch), random_state=rng))
    if hasattr(p, "sample"):
        return lambda n, rng: np.asarray(p.sample(n, rng=rng))
    raise TypeError(f"p must have a method sample or rvs; got {type(p).__name__}")


def _torch_draws(p: Any, n: int, rng: np.random.Generator) -> NDArray[Any]:
    generator = sys.modules["torch"].default_generator
    state = generator.get_state()
    try:
        generator.manual_seed(int(rng.integers(1 << 63)))
        return cast("NDArray[Any]", p.sample((n,)).numpy())
    finally:
        generator.set_state(state)


def _of_shape(log_prob: Matrix, name: str, shape: tuple[int, ...]) -> Matrix:
    if log_prob.shape == shape:
        return log_prob
    raise ValueError(
        f"the log densities of {name} must have shape (draws, *batch) = {shape}; got shape "
        f"{log_prob.shape}: are the draws of p points for {name}?"
    )


@dataclass
class _Moments:
    """Mean and sum of squared deviations of draws that come in blocks; merged by Chan's formula."""

    batch_shape: tuple[int, ...]
    estimator: str
    n_threads: int
    n: int = 0
    mean: Values = field(init=False)
    m2: Values = field(init=False)

    def __post_init__(self) -> None:
        size = math.prod(self.batch_shape)
        self.mean, self.m2 = np.zeros(size), np.zeros(size)

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
        mean, m2 = backend.current().log_ratio_moments(p, q, self.estimator, self.n_threads)
        if np.isnan(mean).any():
            refuse(log_p, log_q, names, place)
        total = self.n + n
        with np.errstate(invalid="ignore", over="ignore"):
            delta = mean - self.mean if self.n else np.zeros_like(mean)
            self.m2 += m2 + delta * delta * (self.n / total * n)
            self.mean = (self.n * self.mean + n * mean) / total
        self.m2[np.isinf(self.mean)] = np.inf
        self.n = total

    def estimate(self) -> Estimate:
        """Return what the draws say."""
        value = self.mean.reshape(self.batch_shape)
        variance = self.m2.reshape(self.batch_shape) / (self.n - 1)
        bias = ESTIMATORS[self.estimator]
        return Estimate(item(value), item(np.sqrt(variance / self.n)), self.n, bias)


def refuse(log_p: Matrix, log_q: Matrix, names: tuple[str, str], place: Place) -> None:
    """Refuse log densities of p that are not finite at draws of p, and NaN or +∞ of q."""
    bad_q = np.isnan(log_q) | (log_q == np.inf)
    for name, values, bad, wanted in (
        (names[0], log_p, ~np.isfinite(log_p), "finite at draws of p"),
        (names[1], log_q, bad_q, "finite or -inf"),
    ):
        if bad.any():
            index = first_index(bad)
            where = place(index[0], index[1:])
            raise ValueError(f"{name} must be {wanted}; got {values[index]}{where}")

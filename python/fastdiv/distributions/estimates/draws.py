"""Draw from distributions of this package, SciPy and torch, with log densities."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine.blocks import DRAWN, even_blocks
from fastdiv._engine.progress import reporter
from fastdiv._engine.types import Matrix, Progress
from fastdiv.distributions.arrays import at, first_index, same_names
from fastdiv.distributions.categorical import ILL_DEFINED, Categorical
from fastdiv.distributions.coupled import CoupledNormal
from fastdiv.distributions.estimates.torch_densities import is_torch, log_density, log_prob
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.mixture import GaussianMixture

LOG_DENSITIES = ("the log density of p", "the log density of q")
"""Names of the log densities at draws, for errors."""

_ON_THE_EDGE = (
    "; rounding to float32 puts some draws on the edge of the support, of a uniform distribution "
    "one in some 10⁷: give p parameters of float64"
)

Place: TypeAlias = Callable[[int, tuple[int, ...]], str]

LogProb: TypeAlias = Callable[[NDArray[Any]], Matrix]

# As text, because naming numpy.random would import it.
Sampler: TypeAlias = "Callable[[int, np.random.Generator], NDArray[Any]]"


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
        n = _inputs.draws(n_samples, "n_samples", 2)
        for name, value in (("p", p), ("q", q)):
            mask = getattr(value, "where", None)
            if isinstance(mask, np.ndarray) and not mask.all():
                raise ValueError(f"{name} must have no padding; got a where that leaves some out")
        generator = _inputs.generator(rng)
        report = reporter(progress)
        if {_is_discrete(p), _is_discrete(q)} == {False, True}:
            kinds = f"{type(p).__name__} and {type(q).__name__}"
            raise TypeError(
                f"p and q must both be discrete or both continuous; got {kinds}. {ILL_DEFINED}"
            )
        same_names({"p": p, "q": q})
        sides = {"p": _batch_shape(p, "p"), "q": _batch_shape(q, "q")}
        batch = _inputs.broadcast_batches(sides)
        draw, log_p, log_q = _sampler(p, sides["p"]), _log_prob(p, "p"), _log_prob(q, "q", p)
        event = draw(2, np.random.default_rng(0)).shape[1 + len(sides["p"]) :]
        return cls(n, batch, event, sides, draw, log_p, log_q, generator, report)

    def blocks(self) -> Iterator[tuple[Matrix, Matrix, Place]]:
        """
        Draw, and evaluate the log densities, by blocks of about `DRAWN` numbers.

        Yield log densities of p and of q, of shape (draws, *batch_shape), which may be anything.
        With them comes a function that says in an error where a draw of the block is.
        """
        batch, event, p_batch = self.batch_shape, self.event_shape, self._sides["p"]
        # More axes of q's batch stand between those of the draws and those of p's batch.
        between = (1,) * (len(self._sides["q"]) - len(p_batch))
        for rows in even_blocks(self.n, math.prod(batch) * math.prod(event), DRAWN):
            count = rows.stop - rows.start
            x = self._draw(count, self._generator)
            if x.shape != (count, *p_batch, *event):
                raise ValueError(
                    f"p.sample({count}) must return {count} draws along the first axis; "
                    f"got shape {x.shape}"
                )
            wide = x.reshape(count, *between, *x.shape[1:])
            at_p = _with_shape(self._log_p(x), "p", (count, *p_batch))
            at_p = at_p.reshape(wide.shape[: 1 + len(batch)])
            full = (count, *batch)
            at_q = _with_shape(self._log_q(wide), "q", full)

            def place(draw: int, index: tuple[int, ...], first: int = rows.start) -> str:
                return f" at draw {first + draw} of p{at(index).replace(' at', ',')}"

            yield np.broadcast_to(at_p, full), at_q, place
            if self._report is not None:
                self._report(rows.stop, self.n)


def _is_new_scipy(value: object) -> bool:
    """Tell a distribution object of scipy.stats from a frozen one, without importing SciPy."""
    scipy = any(base.__module__.startswith("scipy.stats") for base in type(value).__mro__)
    return scipy and not hasattr(value, "rvs")


def _is_discrete(value: Any) -> bool | None:
    """Tell whether a distribution has probabilities, not a density, or None if unknown."""
    if isinstance(value, Categorical):
        return True
    if isinstance(value, (CoupledNormal, Gaussian, GaussianMixture)):
        return False
    if is_torch(value):
        try:
            return bool(value.support.is_discrete)
        except (AttributeError, NotImplementedError):  # there need not be a support
            return None
    if _is_new_scipy(value) and hasattr(value, "logpmf"):  # −∞ everywhere for a density
        return bool(np.isfinite(value.logpmf(value.sample(rng=np.random.default_rng(0)))).all())
    discrete, continuous = (callable(getattr(value, name, None)) for name in ("pmf", "pdf"))
    return discrete if discrete != continuous else None


def _batch_shape(value: Any, name: str) -> tuple[int, ...]:
    if hasattr(value, "batch_shape"):
        return tuple(value.batch_shape)
    # Take one draw of each distribution of SciPy's batch.
    generator = np.random.default_rng(0)
    if hasattr(value, "rvs"):
        return np.shape(_log_prob(value, name)(value.rvs(random_state=generator)))
    if _is_new_scipy(value):
        return np.shape(value.sample(rng=generator))
    return ()


def _log_prob(value: Any, name: str, drawn_from: object = None) -> LogProb:
    """Return the function that gives log densities at points, which may be draws of another."""
    what = f"the log density of {name}"
    if is_torch(value):
        as_tensor = sys.modules["torch"].as_tensor

        def at_points(x: NDArray[Any]) -> Matrix:
            points = as_tensor(x)
            if name == "p":  # in the support, unless rounding put them on its edge
                return _inputs.array(log_prob(value, points).detach(), what)
            return _inputs.array(log_density(value, points, drawn_from).detach(), what)

        return at_points
    scipy_names = ("logpmf", "logpdf") if _is_discrete(value) else ("logpdf", "logpmf")
    for method in ("log_prob", *scipy_names):
        function = getattr(value, method, None)
        if callable(function):
            return lambda x: _inputs.array(function(x), what)
    raise TypeError(
        f"{name} must have a method log_prob, logpdf or logpmf; got {type(value).__name__}"
    )


def _sampler(p: Any, batch: tuple[int, ...]) -> Sampler:
    if is_torch(p):
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


def _with_shape(log_prob: Matrix, name: str, shape: tuple[int, ...]) -> Matrix:
    if log_prob.shape == shape:
        return log_prob
    raise ValueError(
        f"the log densities of {name} must have shape (draws, *batch) = {shape}; got shape "
        f"{log_prob.shape}: are the draws of p points for {name}?"
    )


def refuse(log_p: Matrix, log_q: Matrix, names: tuple[str, str], place: Place) -> None:
    """Refuse log densities of p that are not finite at draws of p, and NaN or +∞ of q."""
    bad_q = np.isnan(log_q) | (log_q == np.inf)
    for name, values, bad, required in (
        (names[0], log_p, ~np.isfinite(log_p), "finite at draws of p"),
        (names[1], log_q, bad_q, "finite or -inf"),
    ):
        if bad.any():
            index = first_index(bad)
            where = place(index[0], index[1:])
            on_edge = values is log_p and values[index] == -np.inf and values.dtype == np.float32
            advice = _ON_THE_EDGE if on_edge else ""
            raise ValueError(f"{name} must be {required}; got {values[index]}{where}{advice}")

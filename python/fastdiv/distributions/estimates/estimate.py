"""Hold an estimate from draws, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.results import Result
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import item


@dataclass(frozen=True, eq=False)
class Estimate(Result):
    """
    An estimate with its standard error, for each distribution of a batch.

    Attributes
    ----------
    value : ndarray of float64, shape batch_shape
        Estimates in nats.
    stderr : ndarray of float64, shape batch_shape
        Standard errors of the values, infinite beside an infinite value.
    n_samples : int
        Number of draws behind each value, of both samples together if there are two.
    bias : {"unbiased", "biased", "lower bound"}
        Whether the expectation of the value is the divergence, may lie on either side of it,
        or is never above it. The function that made the estimate tells the size of the bias.

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

        It covers the expectation of the estimate, which differs from the divergence by the bias.
        The interval is too short for few draws from a heavy-tailed distribution.

        Parameters
        ----------
        level : float, default 0.95
            Probability between 0 and 1.

        Returns
        -------
        low, high : ndarray of float64, shape batch_shape
            Ends of the intervals, (−∞, ∞) for an infinite standard error.

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
            raise ValueError(f"level must be between 0 and 1; got {_inputs.shown(level)}")
        from statistics import NormalDist  # whose import takes milliseconds

        half = NormalDist().inv_cdf(0.5 + probability / 2) * np.asarray(self.stderr)
        low = np.subtract(
            self.value, half, where=np.isfinite(half), out=np.full_like(half, -np.inf)
        )
        return item(low), item(self.value + half)

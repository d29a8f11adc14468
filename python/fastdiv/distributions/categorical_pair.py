"""Set two categorical distributions side by side, with divergences and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.types import Matrix, Progress, Values
from fastdiv.distributions.arrays import (
    at,
    broadcast,
    distinct,
    first_index,
    require,
    same_names,
    zero_unselected,
)
from fastdiv.distributions.categorical import ILL_DEFINED, Categorical, index_blocks
from fastdiv.distributions.pair import SideBySide


class CategoricalPair(SideBySide[Categorical]):
    """Categorical distributions over the same categories."""

    @classmethod
    def of(cls, p: object, q: object) -> CategoricalPair:
        """Check that p and q fit."""
        a = require(Categorical, p, "p", f". {ILL_DEFINED}")
        b = require(Categorical, q, "q", f". {ILL_DEFINED}")
        if a.n_categories != b.n_categories:
            raise ValueError(
                "p and q must have the same number of categories; "
                f"got {a.n_categories} and {b.n_categories}"
            )
        same_names({"p": a, "q": b})
        batch_shape = _inputs.broadcast_batches({"p": a.batch_shape, "q": b.batch_shape})
        return cls(a, b, batch_shape)

    def kl(
        self, n_threads: int, progress: Progress | None, chosen: NDArray[np.bool_] | None
    ) -> Values:
        """Return KL(p || q) of the chosen items and 0 elsewhere."""
        values = backend.current().categorical_kl(*self.lowered(), n_threads, progress)
        return zero_unselected(values, chosen)

    def jensen_shannon(
        self, n_threads: int, progress: Progress | None, chosen: NDArray[np.bool_] | None
    ) -> Values:
        """Return the Jensen-Shannon divergence of the chosen items and 0 elsewhere."""
        values = backend.current().categorical_jensen_shannon(*self.lowered(), n_threads, progress)
        values = np.minimum(values, math.log(2))  # where probabilities sum to 1 within rounding
        return zero_unselected(values, chosen)

    def gradients(
        self, values: Values, chosen: NDArray[np.bool_] | None, sides: tuple[str, ...]
    ) -> dict[str, dict[str, Matrix]]:
        """Return the gradients of the sum of the divergences `values`, as `kl_and_grad` does."""
        if np.isinf(values).any():
            index = first_index(np.isinf(values))
            raise ValueError(
                "the divergence must be finite to have a gradient; q = 0 < p in a category"
                f"{at(index)}"
            )
        both = {"p": self.p, "q": self.q}
        sums = {name: _Gradient(both[name], self.batch_shape) for name in sides}
        both_numbers = [_row_numbers(side, self.batch_shape) for side in both.values()]
        with np.errstate(all="ignore"):  # impossible categories have infinite logits
            for block in index_blocks(values.size, 2 * self.p.n_categories):  # both sides
                rows = block if chosen is None else block[chosen.ravel()[block]]
                i, j = (numbers[rows] for numbers in both_numbers)
                log_p, log_q = self.p._rows(i), self.q._rows(j)
                if "p" in sums:
                    parts = _wrt_p(log_p, log_q, values.ravel()[rows, None])
                    sums["p"].add(i, *parts, np.isinf(log_p))
                if "q" in sums:
                    sums["q"].add(j, *_wrt_q(log_p, log_q))
        return {name: total.as_given() for name, total in sums.items()}

    def lowered(self) -> tuple[Matrix, str, Values, Matrix, str, Values]:
        """Return the arguments of the backends: arrays of one dtype and batch shape."""
        p, q = self.p, self.q
        narrow = p.dtype == q.dtype and not (p._is_far() or q._is_far())
        dtype: np.dtype[Any] = p.dtype if narrow else np.dtype(np.float64)
        return (*self._broadcast(p, dtype), *self._broadcast(q, dtype))

    def _broadcast(self, side: Categorical, dtype: np.dtype[Any]) -> tuple[Matrix, str, Values]:
        values = side.parameter
        if values.dtype != dtype:
            values = np.broadcast_to(_inputs.converted(distinct(values, 1), dtype), values.shape)
        return (
            broadcast(values, (*self.batch_shape, side.n_categories)),
            side.parametrisation,
            broadcast(side._normalisers, (*self.batch_shape, 2)),
        )


def _wrt_p(log_p: Values, log_q: Values, divergence: Values) -> tuple[Values, Values]:
    """Return the gradients with respect to probabilities and to logits of p."""
    p, log_ratio = np.exp(log_p), log_q - log_p
    wrt_probs = np.where(np.isnan(log_ratio), 0.0, -(log_ratio + divergence))
    return wrt_probs, np.where(p > 0, p * wrt_probs, 0.0)


def _wrt_q(log_p: Values, log_q: Values) -> tuple[Values, Values]:
    """Return the gradients with respect to probabilities and to logits of q."""
    q = np.exp(log_q)
    wrt_probs = np.where(log_p > -np.inf, -np.expm1(log_p - log_q), 1.0)
    return wrt_probs, np.where(q > 0, q * wrt_probs, -np.exp(log_p))


def _row_numbers(side: Categorical, batch_shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the number of the distribution of a side for every item of the batch."""
    numbers = np.arange(math.prod(side.batch_shape)).reshape(side.batch_shape)
    return broadcast(numbers, batch_shape).ravel()


class _Gradient:
    """The gradient with respect to one side of a pair, added up row by row."""

    def __init__(self, side: Categorical, batch_shape: tuple[int, ...]) -> None:
        self._side = side
        n = math.prod(side.batch_shape)
        self._normalisers = side._normalisers.reshape(n, 2)
        self._shared = side.batch_shape != batch_shape
        dtype = np.dtype(np.float64) if self._shared else side.dtype
        self._sum: Matrix = np.zeros((n, side.n_categories), dtype)

    def add(
        self,
        rows: NDArray[np.intp],
        wrt_probs: Values,
        wrt_logits: Values,
        infinite: NDArray[np.bool_] | bool = False,
    ) -> None:
        """Add gradients with respect to normalised probabilities or to logits, or refuse them."""
        values = wrt_logits
        if self._side.parametrisation == "probs":
            values = wrt_probs / self._normalisers[rows, 1:]
        bad = ~(np.abs(values) <= np.finfo(self._side.dtype).max) & ~np.asarray(infinite)
        if bad.any():
            index = np.unravel_index(rows[first_index(bad)[0]], self._side.batch_shape)
            raise OverflowError(
                f"a gradient is too large for {self._side.dtype}{at(tuple(map(int, index)))}"
            )
        if self._shared:
            np.add.at(self._sum, rows, values)
        else:
            self._sum[rows] = values

    def as_given(self) -> dict[str, Matrix]:
        """Return it in the shape and dtype of the parameter."""
        parameter = self._side.parameter
        total = self._sum.astype(parameter.dtype, copy=False).reshape(parameter.shape)
        return {self._side.parametrisation: total}

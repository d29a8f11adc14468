"""Define categorical distributions: batched, from probabilities or logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import COMPUTED, DRAWN, blockwise, drawn_in_pieces, row_blocks
from fastdiv._engine.results import ReadOnly
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import (
    Named,
    at,
    broadcast,
    distinct,
    first_index,
    item,
    mask,
    same_keys,
    zero_unselected,
)

ILL_DEFINED = (
    "A divergence between a discrete and a continuous distribution, relaxed ones included, is "
    "ill-defined: one has probabilities, the other a density, and neither has mass where the "
    "other has"
)
"""Reason why a discrete and a continuous distribution have no divergence, for errors."""

_MOST_ROWS = 4096
"""Rows per block. `sample` adds their numbers to running sums, which costs up to 12 bits."""

_FAR = 1e30
"""Largest logits above it are in float64: a row's least, up to −3.4e38, is too far from them."""

_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


@documented
class Categorical(ReadOnly, Named):
    """
    Distributions over k categories, one per batch index.

    Exactly one keyword argument gives the probabilities:

    ========== ======== ==============================================
    name       shape    probability of category i
    ========== ======== ==============================================
    ``probs``  (..., k) probs_i / Σ probs
    ``logits`` (..., k) exp(logits_i) / Σ exp(logits)
    ========== ======== ==============================================

    Nothing is copied. The arrays must not change while the distribution is in use.

    {keys}

    Parameters
    ----------
    probs : array_like, shape (..., k), optional
        Probabilities, 0 included. They must sum to 1 within √ε of their dtype (2⁻⁴ for bfloat16,
        2⁻⁵ for float16, 2⁻¹¹ for float32, 2⁻²⁶ for float64) and are divided by their sum. Half
        types become float32, integers float64.
    logits : array_like, shape (..., k), optional
        Log probabilities up to a constant per distribution: any real numbers. −inf makes a
        category impossible, and must not stand for all of them. In sums, probabilities below
        e⁻⁸⁰ in float32 and e⁻⁷⁰⁰ in float64 count as 0, but KL remains +inf where q alone is 0,
        or so small that its logarithm overflows in float64.
    where : array_like of bool, optional
        Mask that broadcasts to the batch shape. A Series goes by the keys in its index. Items
        that it leaves out are padding: their values may be anything, NaN included. Entropies, log
        probabilities of categories and divergences of padding are 0. Its draws, `probs` and
        `logits` are those of the uniform distribution.

    Attributes
    ----------
    parametrisation : {"probs", "logits"}
        Name of the argument.
    parameter : ndarray, shape (..., k)
        Its values, read-only.
    where : ndarray of bool or None
        The mask, broadcast to the batch shape, read-only.
    columns : tuple or None
        Names of the categories: the columns of a frame or the keys of a pandas Series.

    Raises
    ------
    TypeError, ValueError
        If not exactly one parameter is given or a value is invalid. The message names
        the argument and the batch index.

    Examples
    --------
    >>> from fastdiv import Categorical, kl
    >>> p = Categorical(probs=[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    >>> p
    Categorical(batch_shape=(2,), n_categories=3, parametrisation='probs', dtype=float64)
    >>> kl(p, Categorical(logits=[0.0, 0.0, 0.0])).round(6)
    array([0.405465, 0.068959])
    """

    parametrisation: str
    parameter: Matrix
    where: NDArray[np.bool_] | None

    def __init__(
        self, *, probs: object = None, logits: object = None, where: object = None
    ) -> None:
        given = {
            name: value
            for name, value in (("probs", probs), ("logits", logits))
            if value is not None
        }
        if len(given) != 1:
            raise TypeError(
                f"exactly one of probs, logits must be given; got {' and '.join(given) or 'none'}"
            )
        ((name, value),) = given.items()
        value = _inputs.from_arrow(value, name)
        a = _inputs.array(value, name)
        if a.ndim == 0 or a.shape[-1] == 0:
            raise ValueError(f"{name} must have shape (..., k) with k >= 1; got shape {a.shape}")
        self.parametrisation, self.parameter = name, a
        self._given_dtype = _inputs.half_type(value) or a.dtype.name
        self._sum_tolerance = _inputs.ROOT_EPSILON[self._given_dtype]
        index = self._name({name: value}, self.batch_shape)
        self.where = None if where is None else mask(where, index, self.batch_shape)
        rows = distinct(a, 1)  # a row that a stride of 0 repeats is looked at once
        normalisers = backend.current().categorical_normalisers(rows, name, 0, None)
        self._normalisers = broadcast(normalisers, (*self.batch_shape, 2))
        self._check()

    def _check(self) -> None:
        is_log = self.parametrisation == "logits"
        if is_log and backend.current().first_nonfinite(self._normalisers) < 0:
            return
        good = blockwise(self._is_good, self._normalisers, event_ndim=1)
        if self.where is not None:
            good = good | ~self.where
        if good.all():
            return
        index = first_index(~good)
        raise ValueError(f"{self.parametrisation} must {self._fault(index)}{at(index)}")

    def _is_good(self, normalisers: Values) -> NDArray[np.bool_]:
        extreme, total = normalisers[..., 0], normalisers[..., 1]
        good: NDArray[np.bool_]
        if self.parametrisation == "logits":
            good = np.isfinite(extreme) & np.isfinite(total)
        else:
            good = (extreme >= 0) & (np.abs(total - 1) <= self._sum_tolerance)
        return good

    def _fault(self, index: tuple[int, ...]) -> str:
        row, total = self.parameter[index], self._normalisers[index][1]
        if self.parametrisation == "logits":
            bad = row[np.isnan(row) | (row == np.inf)]
            if bad.size:
                return f"be real numbers or -inf; got {bad[0]}"
            return "not all be -inf: some category has to be possible"
        bad = row[~np.isfinite(row) | (row < 0)]
        if bad.size:
            return f"be finite and >= 0; got {bad[0]}"
        return (
            f"sum to 1 within {self._sum_tolerance:.2g} ({self._given_dtype}); got a sum of "
            f"{total:.9g}"
        )

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the batch: () for a single distribution."""
        return self.parameter.shape[:-1]

    @property
    def n_categories(self) -> int:
        """Number of categories k."""
        k: int = self.parameter.shape[-1]
        return k

    @property
    def dtype(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """Type of the parameter, float32 or float64."""
        return self.parameter.dtype

    def __repr__(self) -> str:
        return (
            f"Categorical(batch_shape={self.batch_shape}, n_categories={self.n_categories}, "
            f"parametrisation={self.parametrisation!r}, dtype={self.dtype})"
        )

    def _is_far(self) -> bool:
        """Tell whether differences of logits could overflow in float32."""
        if self.parametrisation != "logits" or self.dtype != np.float32:
            return False
        return bool((self._normalisers[..., 0] > _FAR).any())

    @documented
    def entropy(self, *, n_threads: int | None = None) -> Values:
        """
        Return the entropies −Σ p log p, with 0 log 0 = 0.

        Parameters
        ----------
        {n_threads}

        Returns
        -------
        ndarray of float64, shape batch_shape
            Entropies in nats, from 0 to log k, 0 for padding.

        Examples
        --------
        >>> from fastdiv import Categorical
        >>> Categorical(probs=[[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]).entropy().round(6)
        array([0.693147, 0.      ])
        """
        values = backend.current().categorical_entropy(
            self.parameter,
            self.parametrisation,
            self._normalisers,
            _inputs.threads(n_threads),
            None,
        )
        return item(zero_unselected(values, self.where))

    def log_prob(self, index: object) -> Values:
        """
        Return the log probabilities of categories.

        Parameters
        ----------
        index : array_like of int
            Categories 0, …, k − 1. Their shape broadcasts against the batch shape. The index of a
            Series, or the columns of a frame, must be the keys of the batch if it has some.

        Returns
        -------
        ndarray of float64, shape ``np.broadcast_shapes(index.shape, batch_shape)``
            Log probabilities in nats, −inf for impossible categories, 0 for padding.

        Raises
        ------
        TypeError, ValueError
            If index holds anything else or does not broadcast.

        Examples
        --------
        >>> from fastdiv import Categorical
        >>> Categorical(probs=[[0.5, 0.5], [0.9, 0.1]]).log_prob([0, 1]).round(6)
        array([-0.693147, -2.302585])
        """
        a = _inputs.plain_array(index, "index")
        if a.dtype.kind not in "iu":
            raise TypeError(
                f"index must hold integers; got dtype {getattr(index, 'dtype', a.dtype)}"
            )
        k = self.n_categories
        if a.size and not (a.min() >= 0 and a.max() < k):
            bad = a[(a < 0) | (a >= k)][0]
            raise ValueError(f"index must hold categories from 0 to {k - 1}; got {bad}")
        shape = _inputs.broadcast_batches({"index": a.shape, "the distribution": self.batch_shape})
        same_keys({"the distribution": self._keys, "index": _inputs.last_axis_index(index)})
        # Read one value per index, without repeating the batch.
        batch = np.indices(shape, sparse=True)[len(shape) - len(self.batch_shape) :]
        rows = tuple(axis % n for axis, n in zip(batch, self.batch_shape, strict=True))
        entries = (*rows, a)
        values = self._log(self.parameter[entries], self._normalisers[rows])
        return item(zero_unselected(values, None if self.where is None else self.where[rows]))

    def probs(self) -> Matrix:
        """
        Return the probabilities.

        Returns
        -------
        ndarray of `dtype`, shape (*batch_shape, k)
            Probabilities of which each distribution's sum to 1.

        Examples
        --------
        >>> from fastdiv import Categorical
        >>> Categorical(logits=[0.0, 0.0, float("-inf")]).probs()
        array([0.5, 0.5, 0. ])
        """
        uniform = 1 / self.n_categories
        if self.parametrisation == "logits":
            return self._converted(lambda *row: np.exp(self._log(*row)), uniform, self.dtype)

        def normalised(values: Matrix, normalisers: Values) -> Values:
            with np.errstate(all="ignore"):  # padding may hold anything
                return np.asarray(values / normalisers[..., 1])

        return self._converted(normalised, uniform, self.dtype)

    def logits(self) -> Matrix:
        """
        Return the log probabilities: logits that are normalised.

        Returns
        -------
        ndarray of `dtype`, shape (*batch_shape, k)
            Logarithms, −inf for impossible categories.

        Examples
        --------
        >>> from fastdiv import Categorical
        >>> Categorical(logits=[5.0, 5.0]).logits().round(6)
        array([-0.693147, -0.693147])
        """
        return self._log_probs(self.dtype)

    def _log_probs(self, dtype: np.dtype[Any] = _DOUBLE) -> Matrix:
        return self._converted(self._log, -math.log(self.n_categories), dtype)

    def _converted(
        self, function: Callable[[Matrix, Values], Values], uniform: float, dtype: np.dtype[Any]
    ) -> Matrix:
        """Apply a function of values and normalisers to all distributions but padding."""

        def convert(values: Matrix, normalisers: Values) -> Matrix:
            return function(values, normalisers[..., None, :]).astype(dtype)

        converted = blockwise(convert, self.parameter, self._normalisers, event_ndim=1)
        return _with_padding(converted, self.where, dtype.type(uniform))

    def _log(self, values: Matrix, normalisers: Values) -> Values:
        """Turn values of the parameter into log probabilities."""
        extreme, total = normalisers[..., 0], normalisers[..., 1]
        values = values.astype(np.float64)
        with np.errstate(all="ignore"):  # padding may hold anything, and tiny values become -inf
            if self.parametrisation == "logits":
                return np.asarray((values - extreme) - np.log1p(total))
            return np.asarray(np.log(values / total))

    @documented
    def sample(self, n: int, *, rng: object = None) -> NDArray[np.int64]:
        """
        Draw n categories from every distribution.

        Parameters
        ----------
        n : int
            Draws per distribution, at least 1.
        {rng}

        Returns
        -------
        ndarray of int64, shape (n, *batch_shape)
            Categories at which the distribution function passes a uniform number, never an
            impossible one.

        Examples
        --------
        >>> from fastdiv import Categorical
        >>> Categorical(probs=[[0.0, 1.0], [1.0, 0.0]]).sample(3, rng=0)
        array([[1, 0],
               [1, 0],
               [1, 0]])
        """
        count, generator = _inputs.draws(n, "n", 1), _inputs.generator(rng)
        uniform = drawn_in_pieces(generator.random, (count, math.prod(self.batch_shape)))
        drawn = np.empty(uniform.shape, dtype=np.int64)
        for rows in index_blocks(uniform.shape[1], self.n_categories):
            part = np.exp(self._rows(rows))
            # Put the distribution functions end to end: that of row i runs from i to i + 1.
            offsets = np.arange(len(part))
            cumulative = part.cumsum(axis=-1)
            cumulative /= cumulative[:, -1:]
            cumulative += offsets[:, None]
            last = self.n_categories - 1 - (part[:, ::-1] > 0).argmax(axis=-1)
            for draws in row_blocks(count, len(part), DRAWN):
                at = uniform[draws, rows] + offsets
                index = np.searchsorted(cumulative.ravel(), at, side="right")
                drawn[draws, rows] = np.minimum(index - offsets * self.n_categories, last)
        return drawn.reshape(count, *self.batch_shape)

    def _rows(self, index: NDArray[np.intp]) -> Values:
        """Return the log probabilities of rows of the flattened batch, in float64."""
        at_rows = np.unravel_index(index, (1, *self.batch_shape))
        log_probs = self._log(
            self.parameter[None][at_rows], self._normalisers[None][at_rows][:, None]
        )
        where = None if self.where is None else self.where[None][at_rows]
        return _with_padding(log_probs, where, -math.log(self.n_categories))


def _with_padding(values: Matrix, where: NDArray[np.bool_] | None, uniform: float) -> Matrix:
    return values if where is None else np.where(where[..., None], values, uniform)


def index_blocks(rows: int, k: int) -> Iterator[NDArray[np.intp]]:
    """
    Cut rows of k categories into blocks, so that temporaries stay small.

    A block has few rows, whatever k. `sample` adds row numbers to running sums, which costs digits.
    """
    return (np.arange(b.start, b.stop) for b in row_blocks(rows, k, COMPUTED, most=_MOST_ROWS))

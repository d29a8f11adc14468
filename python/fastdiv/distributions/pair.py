"""Set two distributions side by side, between the public functions and the backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.blocks import BATCHED, row_blocks
from fastdiv._engine.patience import patiently
from fastdiv._engine.types import GaussianArrays, Matrix, Progress, Values
from fastdiv.distributions.arrays import (
    at,
    blocks,
    broadcast,
    distinct,
    first_index,
    mask,
    require,
    same_columns,
    same_keys,
    zero_unselected,
)
from fastdiv.distributions.categorical import Categorical
from fastdiv.distributions.gaussian import Gaussian

Lowered: TypeAlias = tuple[GaussianArrays, GaussianArrays]
"""Those of p and q, of one dtype and batch shape."""

MOST_FACTORED_DIM = 256
"""Largest dimension of which the engine factors several items at once: its most_factored_dim."""

_Distribution = TypeVar("_Distribution", Gaussian, Categorical)


@dataclass(frozen=True)
class SideBySide(Generic[_Distribution]):
    """Distributions of one kind whose batch shapes broadcast to `batch_shape`."""

    p: _Distribution
    q: _Distribution
    batch_shape: tuple[int, ...]

    def mask(self, where: object) -> NDArray[np.bool_] | None:
        """Return the items to compute: `where`, or all but the padding of p and q."""
        masks = (("p", self.p.where), ("q", self.q.where))
        given = [
            (name, broadcast(used, self.batch_shape)) for name, used in masks if used is not None
        ]
        if where is None:
            chosen = np.logical_and.reduce([used for _, used in given]) if given else None
        else:
            chosen = mask(where, self._keys, self.batch_shape)
            for name, used in given:
                if (chosen & ~used).any():
                    index = first_index(chosen & ~used)
                    raise ValueError(f"where selects padding of {name}{at(index)}")
        if chosen is not None and not chosen.any():
            raise ValueError("where must select at least one item; got an empty mask")
        return chosen

    @property
    def _keys(self) -> Any:
        """The keys of the batch: those of p or q that pandas did not make by itself, if any."""
        given = [side._keys for side in (self.p, self.q) if side._keys is not None]
        of_batch = (index for index in given if (len(index),) == self.batch_shape)
        return min(of_batch, key=_inputs.is_default_index, default=None)


class Pair(SideBySide[Gaussian]):
    """Gaussians of one dimension."""

    @classmethod
    def of(
        cls,
        p: object,
        q: object,
        *,
        together: bool = True,
        names: tuple[str, str] = ("p", "q"),
    ) -> Pair:
        """Check that p and q fit, and their batch shapes if they go `together`."""
        one, other = names
        a = require(Gaussian, p, one, getattr(p, "_no_closed_form", ""))
        b = require(Gaussian, q, other, getattr(q, "_no_closed_form", ""))
        if a.dim != b.dim:
            raise ValueError(
                f"{one} and {other} must have the same dimension; got {a.dim} and {b.dim}"
            )
        same_columns({one: a.columns, other: b.columns})
        if not together:
            return cls(a, b, ())
        same_keys({one: a._keys, other: b._keys})
        shapes = {one: a.batch_shape, other: b.batch_shape}
        return cls(a, b, _inputs.broadcast_batches(shapes))

    def kl(
        self,
        n_threads: int,
        progress: Progress | None,
        chosen: NDArray[np.bool_] | None,
        names: NDArray[np.intp] | None = None,
    ) -> Values:
        """
        Return KL(p || q) of the chosen items and 0 elsewhere.

        Errors call an item by its row of `names`, if given, instead of its batch index.
        """
        self.require_definite()
        engine = backend.current()

        def compute(pair: Pair) -> Values:
            return engine.gaussian_kl(*pair.lowered(), n_threads, progress)

        values = self.computed(compute, chosen)
        if engine.first_nonfinite(values) < 0:
            return values
        if self.common_dtype == np.float32:
            items = np.flatnonzero(~np.isfinite(values))
            for some in row_blocks(len(items), self._size, BATCHED):
                wide = self._in_double(items[some]).lowered()
                values.flat[items[some]] = engine.gaussian_kl(*wide, n_threads, None)
        if not np.isfinite(values).all():
            index = first_index(~np.isfinite(values))
            self.p._check()  # its arrays may have changed
            self.q._check()
            if names is not None:
                index = tuple(map(int, names[index]))
            raise OverflowError(f"the divergence is beyond the range of its terms{at(index)}")
        return values

    def _in_double(self, items: NDArray[np.intp]) -> Pair:
        """Return some of the pairs, counted along the batch, with parameters of float64."""
        index = np.unravel_index(items, (1, *self.batch_shape))[1:]
        p, q = (side._at(side_index(side, index))._in_double() for side in (self.p, self.q))
        return Pair(p, q, (len(items),))

    @property
    def is_diagonal(self) -> bool:
        """Tell whether both are diagonal by parametrisation."""
        return self.p.is_diagonal and self.q.is_diagonal

    @property
    def _size(self) -> int:
        """The number of values that an item has on the larger side."""
        return self.p.dim if self.is_diagonal else self.p.dim**2

    @property
    def common_dtype(self) -> np.dtype[Any] | None:
        """The dtype of both, unless one has to be converted."""
        dtype = self.p.mean.dtype
        return dtype if self.q._is_standard or self.q.mean.dtype == dtype else None

    def require_definite(self) -> None:
        """Refuse fitted covariances that are singular."""
        self.p._require_definite()
        self.q._require_definite()

    def computed(
        self, compute: Callable[[Pair], Values], chosen: NDArray[np.bool_] | None
    ) -> Values:
        """Return what the engine computes of the chosen items, and 0 elsewhere."""
        if self.common_dtype is None:  # convert block by block
            with np.errstate(all="ignore"):  # padding may hold anything
                values = self.map(compute)
        else:
            values = compute(self)
        return zero_unselected(values, chosen)

    def factored(
        self, compute: Callable[[Pair], Values], function: Callable[[Pair], Values]
    ) -> Values:
        """
        Return what the engine computes from small triangular factors, without eigenvalues.

        A function of the eigenvalues of blocks of pairs computes the others: diagonal Gaussians,
        large matrices, and items of which the engine makes NaN because products overflow.
        """
        if self.is_diagonal or self.p.dim > MOST_FACTORED_DIM:
            return self.map(function)
        values = self.computed(compute, self.mask(None))
        items = np.flatnonzero(np.isnan(values))
        for some in row_blocks(len(items), self._size, BATCHED):
            values.flat[items[some]] = _patiently(function, self._in_double(items[some]))
        return values

    def map(self, function: Callable[[Pair], Values]) -> Values:
        """
        Apply a function to flat blocks of pairs, so that its temporaries stay small.

        The function sees N(0, I) for padding, whose results are then set to 0.
        """
        chosen = self.mask(None)
        flat = np.empty(math.prod(self.batch_shape))
        size = self._size
        for rows, index in blocks(self.batch_shape, size):
            p, q = (side._at(side_index(side, index))._filled() for side in (self.p, self.q))
            flat[rows] = _patiently(function, Pair(p, q, (rows.stop - rows.start,)))
        return zero_unselected(flat.reshape(self.batch_shape), chosen)

    def lowered(self, *, as_given: bool = False) -> Lowered:
        """
        Return the arguments of the backends: arrays of one dtype and batch shape.

        A standard normal q gets the parametrisation of p, unless its own parameters matter.
        """
        p, q = self.p, self.q
        common = self.common_dtype
        dtype = np.dtype(np.float64) if common is None else common
        of_p = self._lowered(p, dtype)
        if q._is_standard and p.is_diagonal and not as_given:
            # A small divergence keeps its digits, and none is converted.
            return of_p, standard_like(*of_p)
        return of_p, self._lowered(q, dtype)

    def _lowered(self, side: Gaussian, dtype: np.dtype[Any]) -> GaussianArrays:
        """Return the mean, the parametrisation and the parameter of one side."""
        mean, parameter, batch = side.mean, side.parameter, side.batch_shape
        if batch != self.batch_shape or mean.dtype != dtype:
            n = len(batch)
            mean, parameter = (self._broadcast(a, n, dtype) for a in (mean, parameter))
        return mean, side.parametrisation, parameter

    def _broadcast(self, a: Matrix, n: int, dtype: np.dtype[Any]) -> Matrix:
        """Convert an array, and broadcast its first n axes, without repeating entries."""
        if a.dtype != dtype:
            a = np.broadcast_to(_inputs.converted(distinct(a), dtype), a.shape)
        return broadcast(a, self.batch_shape + a.shape[n:])


def _patiently(function: Callable[[Pair], Values], block: Pair) -> Values:
    products = 0 if block.is_diagonal else block.batch_shape[0] * block.p.dim**3
    return patiently(partial(function, block), products)


def diagonal_kl(lowered: Lowered, n_threads: int) -> Values | None:
    """
    Return divergences of diagonal Gaussians whose parameters nobody has checked.

    None says that a parameter is invalid, or a divergence not finite.
    """
    engine = backend.current()
    for mean, name, parameter in lowered:
        if engine.first_nonfinite(mean, False, n_threads) >= 0:
            return None
        if engine.first_nonfinite(parameter, name in ("std", "var"), n_threads) >= 0:
            return None
    with np.errstate(over="ignore", invalid="ignore"):
        values = engine.gaussian_kl(*lowered, n_threads, None)
    return values if engine.first_nonfinite(values) < 0 else None


def standard_like(mean: Matrix, name: str, parameter: Matrix) -> GaussianArrays:
    """Return N(0, I) in shape, dtype and parametrisation of diagonal Gaussians, in no memory."""
    means = _repeated(np.zeros(1, mean.dtype), mean.shape)
    ones = means if name.startswith("log") else _repeated(np.ones(1, mean.dtype), mean.shape)
    return means, name, ones


def _repeated(number: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Like `np.broadcast_to`, in a tenth of its time."""
    return np.ndarray(shape, number.dtype, number, strides=(0,) * len(shape))


def side_index(side: Gaussian, index: tuple[NDArray[np.intp], ...]) -> tuple[Any, ...]:
    """Turn an index of the common batch into one of a batch that broadcasts to it."""
    last = index[len(index) - len(side.batch_shape) :]
    return tuple(
        axis if size > 1 else np.zeros(1, np.intp)
        for axis, size in zip(last, side.batch_shape, strict=True)
    )

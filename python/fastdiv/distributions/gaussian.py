"""Define Gaussian distributions: batched, in the parametrisation they were given."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.blocks import (
    BATCHED,
    DRAWN,
    blockwise,
    boxes,
    copy_blockwise,
    drawn_in_pieces,
    row_blocks,
)
from fastdiv._engine.patience import patiently
from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.results import ReadOnly
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import (
    Named,
    at,
    broadcast,
    check_range,
    checked,
    distinct,
    first_index,
    item,
    keys_at,
    mask,
    rounded,
    zero_unselected,
)
from fastdiv.distributions.linear_algebra import (
    covariance,
    factor,
    half_log_det,
    unwhitener,
    whiten,
)

DIAGONAL = ("std", "var", "logstd", "logvar")

FULL = ("cov", "scale_tril", "precision")

LOG_2PI = math.log(2 * math.pi)

MATRIX_STATUS = {
    1: "must be finite; got NaN or infinity",
    2: "must be symmetric",
    3: "must be positive definite",
    4: "must be lower triangular",
    5: "must not have zeros on its diagonal",
}
"""Complaints about a matrix, by the number that `matrix_status` of the backends returns."""


@documented
class Gaussian(ReadOnly, Named):
    """
    Gaussian distributions N(mean, Σ), one per batch index.

    Exactly one of the keyword arguments gives Σ, in the words of the field:

    ============== ==================== ===================================
    name           shape                Σ
    ============== ==================== ===================================
    ``std``        (..., d) or scalar   diag(std²)
    ``var``        (..., d) or scalar   diag(var)
    ``logstd``     (..., d) or scalar   diag(exp(2 logstd))
    ``logvar``     (..., d) or scalar   diag(exp(logvar))
    ``cov``        (..., d, d)          cov
    ``scale_tril`` (..., d, d)          scale_tril scale_trilᵀ
    ``precision``  (..., d, d)          precision⁻¹
    ============== ==================== ===================================

    The batch shapes of mean and parameter broadcast as in NumPy; their last axes must agree
    (a scalar parameter serves every feature). Nothing is copied or converted: diagonal
    distributions stay diagonal.

    {keys}

    Parameters
    ----------
    mean : array_like, shape (..., d)
        Means. float32 stays float32 if the other parameter is float32 too. Half types become
        float32, integers float64.
    std, var : array_like, optional
        Positive standard deviations or variances.
    logstd, logvar : array_like, optional
        Natural logarithms of standard deviations or variances.
    cov, precision : array_like, optional
        Positive definite matrices, symmetric up to √ε of the largest diagonal entry (ε of the
        dtype). One of the triangles is used.
    scale_tril : array_like, optional
        Lower triangular factors. Entries of the diagonal may be negative, but not 0: turning the
        sign of a column changes no covariance. `scale_tril()` returns the factor with a positive
        diagonal.
    where : array_like of bool, optional
        Mask that broadcasts to the batch shape. A Series goes by the keys in its index. Items
        that it leaves out are padding: their values are not looked at and may be anything, NaN
        included. Entropies, log densities and divergences of padding are 0. Its draws, covariances
        and factors are those of N(0, I).

    Attributes
    ----------
    mean : ndarray, shape (..., d)
        Means, broadcast to the batch shape, read-only.
    parametrisation : str
        Name of the argument that gave Σ.
    parameter : ndarray, shape (..., d) or (..., d, d)
        Its values, broadcast to the batch shape, read-only.
    where : ndarray of bool or None
        The mask, broadcast to the batch shape, read-only.
    columns : tuple or None
        Names of the features: the columns of a frame or the keys of a pandas Series in `mean` or
        the parameter, or the columns of the frame that `fit_gaussian` read. A default index is
        none. All that is named must have the same names in the same order.

    Raises
    ------
    TypeError, ValueError
        If not exactly one parameter is given, shapes do not fit, or a value is invalid.
        The message names the argument and the batch index.

    Examples
    --------
    >>> from fastdiv import Gaussian, kl
    >>> q = Gaussian([[0.0, 0.0], [1.0, 2.0]], logvar=[[0.0, 0.0], [0.5, -0.5]])
    >>> q
    Gaussian(batch_shape=(2,), dim=2, parametrisation='logvar', dtype=float64)
    >>> kl(q, Gaussian.standard(2)).round(6)
    array([0.      , 2.627626])
    """

    mean: Matrix
    parametrisation: str
    parameter: Matrix
    where: NDArray[np.bool_] | None = None

    _is_standard = False
    _singular: NDArray[np.bool_] | None = None

    def __init__(
        self, mean: object, *, std: object = None, var: object = None, logstd: object = None,
        logvar: object = None, cov: object = None, scale_tril: object = None,
        precision: object = None, where: object = None,
    ) -> None:  # fmt: skip
        parameters = {
            "std": std,
            "var": var,
            "logstd": logstd,
            "logvar": logvar,
            "cov": cov,
            "scale_tril": scale_tril,
            "precision": precision,
        }
        given = [name for name, value in parameters.items() if value is not None]
        if len(given) != 1:
            raise TypeError(
                f"exactly one of {', '.join(parameters)} must be given; "
                f"got {' and '.join(given) or 'none'}"
            )
        (name,) = given
        m, value = _inputs.from_arrow(mean, "mean"), _inputs.from_arrow(parameters[name], name)
        self._set(m, name, value)
        square = "" if name in DIAGONAL else name
        index = self._name({"mean": m, name: value}, self.batch_shape, square)
        if where is not None:
            self.where = mask(where, index, self.batch_shape)
        self._check()

    def _set(self, mean: object, name: str, value: object) -> None:
        m, parameter = _inputs.array(mean, "mean"), _inputs.array(value, name)
        if m.ndim == 0 or m.shape[-1] == 0:
            raise ValueError(
                f"mean must have shape (..., d) with d >= 1; got shape {m.shape}"
                + ("; pass [mean] for one feature" if m.ndim == 0 else "")
            )
        d = m.shape[-1]
        event = (d,) if name in DIAGONAL else (d, d)
        self._given_shapes = (m.shape, parameter.shape)
        if parameter.ndim == 0 and name in DIAGONAL:
            parameter = np.broadcast_to(parameter, event)
        if parameter.shape[-len(event) :] != event:
            dims = ", ".join(map(str, event))
            raise ValueError(
                f"{name} must have shape (..., {dims}) for a mean of shape {m.shape}; "
                f"got shape {parameter.shape}"
            )
        if name in ("cov", "precision") and (half := _inputs.half_type(value)):
            tolerance = _inputs.ROOT_EPSILON[half]
            parameter = blockwise(lambda part: _symmetric(part, tolerance), parameter, event_ndim=2)
        batch = _inputs.broadcast_batches(
            {"mean": m.shape[:-1], name: parameter.shape[: -len(event)]}
        )
        if m.dtype != parameter.dtype:
            m, parameter = in_float64(m), in_float64(parameter)
        self.mean = broadcast(m, (*batch, d))
        self.parametrisation = name
        self.parameter = broadcast(parameter, (*batch, *event))

    def _check(self) -> None:
        name, parameter = self.parametrisation, self.parameter
        check_range("mean", self.mean, self.where)
        if name in DIAGONAL:
            check_range(name, parameter, self.where, positive=name in ("std", "var"))
            return
        matrices = distinct(parameter, 2)
        status = np.broadcast_to(
            backend.current().matrix_status(matrices, name, 0), self.batch_shape
        )
        bad = status != 0 if self.where is None else (status != 0) & self.where
        if bad.any():
            index = first_index(bad)
            raise ValueError(f"{name} {MATRIX_STATUS[int(status[index])]}{at(index)}")

    @classmethod
    def standard(cls, d: int) -> Gaussian:
        """
        Return the standard Gaussian N(0, I), with empty batch shape.

        Parameters
        ----------
        d : int
            Number of dimensions, from 1 to 10⁹.

        Returns
        -------
        Gaussian
            Float32 in the company of float32 distributions.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> round(Gaussian.standard(2).entropy().item(), 6)
        2.837877
        """
        shape = (_inputs.integer(d, "d", 1, 10**9),)
        self = cls(np.broadcast_to(np.float32(0), shape), std=np.ones((), np.float32))
        self._is_standard = True
        return self

    @classmethod
    def _fitted(
        cls,
        mean: Matrix,
        cov: Matrix,
        singular: NDArray[np.bool_],
        columns: tuple[Hashable, ...] | None,
    ) -> Gaussian:
        """Return Gaussians with semidefinite covariances, some of them singular."""
        self = cls.__new__(cls)
        self._set(mean, "cov", cov)
        self._singular = singular
        self.columns = columns
        return self

    def _require_definite(self) -> None:
        if self._singular is not None and self._singular.any():
            index = first_index(self._singular)
            raise ValueError(
                f"the fitted cov is singular{at(index)}: it has no density. Fit more rows than "
                "features, and leave out features that are constant or follow from others"
            )

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the batch: () for a single distribution."""
        return self.mean.shape[:-1]

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        d: int = self.mean.shape[-1]
        return d

    @property
    def dtype(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """Type of the parameters, float32 or float64."""
        return self.mean.dtype

    @property
    def is_diagonal(self) -> bool:
        """Tell whether the features are independent by parametrisation."""
        return self.parametrisation in DIAGONAL

    def __repr__(self) -> str:
        return (
            f"Gaussian(batch_shape={self.batch_shape}, dim={self.dim}, "
            f"parametrisation={self.parametrisation!r}, dtype={self.dtype})"
        )

    def __getitem__(self, index: Any) -> Gaussian:
        """
        Return the distributions at an index of the batch, as NumPy indexes arrays.

        Keys are kept if the index leaves one axis: a slice, an array of integers or a mask.
        """
        batch = index if isinstance(index, tuple) else (index,)
        part = self._at(batch)
        part._keys = keys_at(self._keys, batch)
        return part

    def _at(self, batch: tuple[Any, ...]) -> Gaussian:
        """Return the distributions at an index of the batch, without keys."""
        features = (slice(None),)
        part = copy.copy(self)
        part.mean = self.mean[batch + features]
        part.parameter = self.parameter[batch + features * (1 if self.is_diagonal else 2)]
        part.where = None if self.where is None else np.asarray(self.where[batch])
        part._singular = None if self._singular is None else np.asarray(self._singular[batch])
        part._keys = None
        part._given_shapes = (part.mean.shape, part.parameter.shape)
        return part

    def _filled(self) -> Gaussian:
        """Return the same distributions with N(0, I) for padding."""
        if self.where is None or self.where.all():
            return self
        name, chosen, one = self.parametrisation, self.where[..., None], self.dtype.type(1)
        filled = copy.copy(self)
        filled.mean = blockwise(np.where, chosen, self.mean, np.asarray(0 * one))
        if self.is_diagonal:
            identity = np.asarray(0 * one if name.startswith("log") else one)
            filled.parameter = blockwise(np.where, chosen, self.parameter, identity)
        else:
            eye = np.eye(self.dim, dtype=self.dtype)
            filled.parameter = blockwise(
                np.where, chosen[..., None], self.parameter, eye, event_ndim=2
            )
        return filled

    def _in_double(self) -> Gaussian:
        """Return the same distributions with parameters of float64."""
        wide = copy.copy(self)
        wide.mean, wide.parameter = in_float64(self.mean), in_float64(self.parameter)
        return wide

    def entropy(self) -> Values:
        """
        Return the differential entropies ½ d (1 + log 2π) + ½ log|Σ|.

        Returns
        -------
        ndarray of float64, shape batch_shape
            Entropies in nats.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([0.0], var=[[1.0], [4.0]]).entropy().round(6)
        array([1.418939, 2.112086])
        """
        values = 0.5 * self.dim * (1 + LOG_2PI) + half_log_det(self._filled())
        return item(zero_unselected(values, self.where))

    @documented
    def log_prob(self, x: object) -> Values:
        """
        Return the log densities −½ (d log 2π + log|Σ| + (x − mean)ᵀ Σ⁻¹ (x − mean)).

        {log_densities}

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([0.0, 0.0], cov=[[2.0, 0.0], [0.0, 1.0]]).log_prob([[0.0, 0.0], [2.0, 0.0]])
        array([-2.18445066, -3.18445066])
        """
        points = self._points(x, self.batch_shape, self.dim)
        return item(checked(self._log_prob(points), False, "the log density"))

    def _log_prob(self, points: Matrix) -> Values:
        """Return the log densities by blocks, with −∞ or NaN for what overflows."""
        return self._by_blocks(Gaussian._log_prob_of_block, points)

    def _by_blocks(self, function: Callable[[Gaussian, Matrix], Values], points: Matrix) -> Values:
        """Apply a function to blocks of the batch with their points, as these broadcast."""
        shape = np.broadcast_shapes(points.shape[:-1], self.batch_shape)
        n_items = math.prod(self.batch_shape)
        if len(shape) > len(self.batch_shape) and n_items > max(1, BATCHED // self.dim):
            # The first axis counts points of all: cut the batch itself first.
            values = np.empty(shape)
            points = np.broadcast_to(points, (*shape, self.dim))
            extra = (slice(None),) * (len(shape) - len(self.batch_shape))
            for box in boxes(self.batch_shape, max(1, BATCHED // self.dim)):
                place = (*extra, *box)
                values[place] = self._at(box)._by_blocks(function, points[place])
            return values
        n = shape[0] if shape else 1
        cuts_self, cuts_points = (
            len(leading) == len(shape) and leading[:1] == shape[:1]
            for leading in (self.batch_shape, points.shape[:-1])
        )
        # Every block factors the matrices it needs: with d rows that costs no more than the rows.
        least = 1 if self.is_diagonal or cuts_self else self.dim
        blocks = list(row_blocks(n, math.prod(shape[1:]) * self.dim, BATCHED, least=least))
        if len(blocks) <= 1:
            return self._patiently(function, points)
        values = np.empty(shape)
        for rows in blocks:
            part = self._at((rows,)) if cuts_self else self
            values[rows] = part._patiently(function, points[rows] if cuts_points else points)
        return values

    def _patiently(self, function: Callable[[Gaussian, Matrix], Values], points: Matrix) -> Values:
        """Apply a function that decomposes the matrices, and multiplies the points by them."""
        vectors = points.size + self.parameter.size
        return patiently(
            partial(function, self, points), 0 if self.is_diagonal else vectors * self.dim
        )

    def _log_prob_of_block(self, points: Matrix) -> Values:
        filled = self._filled()
        with np.errstate(over="ignore", invalid="ignore"):
            z = whiten(filled, points)
            values = -0.5 * (self.dim * LOG_2PI + (z * z).sum(axis=-1)) - half_log_det(filled)
        return zero_unselected(values, self.where)

    @documented
    def sample(self, n: int, *, rng: object = None) -> Matrix:
        """
        Draw n points from every distribution.

        {number_of_draws}

        Returns
        -------
        ndarray of `dtype`, shape (n, *batch_shape, d)
            mean + L z, with z standard normal and L the factor of `scale_tril`.

        {raises_draws}

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([[0.0], [5.0]], std=0.1).sample(3, rng=0).shape
        (3, 2, 1)
        """
        count, generator = _inputs.draws(n, "n", 1), _inputs.generator(rng)
        unwhiten = unwhitener(self._filled())
        shape = (*self.batch_shape, self.dim)
        x = np.empty((count, *shape), self.dtype)
        for rows in row_blocks(count, math.prod(shape), DRAWN):
            z = drawn_in_pieces(generator.standard_normal, (rows.stop - rows.start, *shape))
            with np.errstate(over="ignore", invalid="ignore"):
                z = unwhiten(z)
            copy_blockwise(rounded(z, self.dtype, "a draw"), x[rows])
        return x

    @documented
    def cov(self) -> Matrix:
        """
        Return the covariance matrices Σ.

        {dense_matrices}

        Raises
        ------
        OverflowError
            If a covariance is too large for `dtype`.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([0.0, 0.0], std=[1.0, 3.0]).cov()
        array([[1., 0.],
               [0., 9.]])
        """
        with np.errstate(over="ignore", invalid="ignore"):
            cov = patiently(lambda: covariance(self._filled()), self.mean.size * self.dim**2)
        return rounded(cov, self.dtype, "a covariance")

    @documented
    def scale_tril(self) -> Matrix:
        """
        Return the Cholesky factors L: lower triangular, Σ = L Lᵀ, with a positive diagonal.

        {dense_matrices}

        Raises
        ------
        ValueError
            If a fitted covariance is singular.
        OverflowError
            If a factor is too large for `dtype`.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([0.0, 0.0], cov=[[4.0, 2.0], [2.0, 2.0]]).scale_tril()
        array([[2., 0.],
               [1., 1.]])
        """
        with np.errstate(over="ignore", invalid="ignore"):
            lower = patiently(lambda: factor(self._filled()), self.mean.size * self.dim**2)
        return rounded(lower, self.dtype, "a factor")


def _symmetric(matrices: Matrix, tolerance: float) -> Matrix:
    """Make matrices symmetric whose triangles differ by rounding to a half type, no others."""
    lower: Matrix = np.tril(matrices)
    symmetric = lower + np.tril(lower, -1).swapaxes(-1, -2)
    with np.errstate(invalid="ignore"):
        difference = np.abs(matrices - symmetric).max(axis=(-2, -1), keepdims=True)
        largest = np.abs(np.diagonal(matrices, axis1=-2, axis2=-1)).max(axis=-1)[..., None, None]
        return np.where(difference <= tolerance * largest, symmetric, matrices)

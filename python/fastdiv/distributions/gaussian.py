"""Gaussian distributions: batched, in the parametrisation they were given."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.quantized_rows import QuantizedRows, in_float64
from fastdiv._engine.types import Matrix, Sample, Values

DIAGONAL = ("std", "var", "logstd", "logvar")
FULL = ("cov", "scale_tril", "precision")

LOG_2PI = math.log(2 * math.pi)

_BLOCK = 1 << 19
"""Numbers at a time where NumPy computes: 4 MB for each temporary."""

_VALUES = 1 << 21
"""Values of a sample centred at a time by `fit_gaussian`, in each batch item."""


class Gaussian:
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

    Parameters
    ----------
    mean : array_like, shape (..., d)
        Means. float32 stays float32 if the other parameter is float32 too; half types become
        float32, integers float64.
    std, var : array_like, optional
        Positive standard deviations or variances.
    logstd, logvar : array_like, optional
        Natural logarithms of standard deviations or variances.
    cov, precision : array_like, optional
        Symmetric positive definite matrices. Symmetric up to √ε of the largest diagonal entry
        (ε of the dtype); one of the triangles is used.
    scale_tril : array_like, optional
        Lower triangular factors. Entries of the diagonal may be negative (the factor is as
        valid as the one with the sign of that column turned, which `scale_tril()` returns),
        but not 0.
    where : array_like of bool, optional
        Mask that broadcasts to the batch shape. What it leaves out is padding: its values are
        not looked at and may be anything, NaN included. Entropies, log densities and divergences
        of padding are 0; draws, covariances and factors are those of N(0, I). See `kl`.

    Attributes
    ----------
    mean : ndarray, shape (..., d)
        Means, broadcast to the batch shape; read-only.
    parametrisation : str
        Name of the argument that gave Σ.
    parameter : ndarray, shape (..., d) or (..., d, d)
        Its values, broadcast to the batch shape; read-only.
    where : ndarray of bool or None
        The mask, broadcast to the batch shape.

    Raises
    ------
    TypeError, ValueError
        If not exactly one parameter is given, shapes do not fit, or a value is not as described;
        the message names the argument and the batch index.

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
    where: NDArray[np.bool_] | None

    def __init__(
        self,
        mean: object,
        *,
        std: object = None,
        var: object = None,
        logstd: object = None,
        logvar: object = None,
        cov: object = None,
        scale_tril: object = None,
        precision: object = None,
        where: object = None,
    ) -> None:
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
        self._set(mean, name, parameters[name], where)
        self._check()

    def _set(self, mean: object, name: str, value: object, where: object = None) -> None:
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
        batch = _inputs.broadcast_batches(
            {"mean": m.shape[:-1], name: parameter.shape[: -len(event)]}
        )
        if m.dtype != parameter.dtype:
            m, parameter = m.astype(np.float64), parameter.astype(np.float64)
        self.mean = np.broadcast_to(m, (*batch, d))
        self.parametrisation = name
        self.parameter = np.broadcast_to(parameter, (*batch, *event))
        self._is_standard = False
        self._singular: NDArray[np.bool_] | None = None
        self.where = None if where is None else _inputs.mask(where, "where", batch)

    def _check(self) -> None:
        name, parameter = self.parametrisation, self.parameter
        # np.min and np.max hand NaN on, read each value once and need no memory.
        _check_range("mean", self.mean, self.where)
        if name in DIAGONAL:
            _check_range(name, parameter, self.where, positive=name in ("std", "var"))
            return
        matrices = distinct(parameter, 2)
        status = np.broadcast_to(
            backend.current().matrix_status(matrices, name, 0), self.batch_shape
        )
        bad = status != 0 if self.where is None else (status != 0) & self.where
        if bad.any():
            index = tuple(map(int, np.argwhere(bad)[0]))
            raise ValueError(f"{name} {MATRIX_STATUS[int(status[index])]}{at(index)}")

    @classmethod
    def standard(cls, d: int) -> Gaussian:
        """
        Return the standard Gaussian N(0, I), with empty batch shape.

        Parameters
        ----------
        d : int
            Number of dimensions, at least 1.

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
        shape = (_inputs.integer(d, "d", 1),)
        self = cls(np.broadcast_to(np.float32(0), shape), std=np.float32(1))
        self._is_standard = True
        return self

    @classmethod
    def _fitted(cls, mean: Matrix, cov: Matrix, singular: NDArray[np.bool_]) -> Gaussian:
        """Return Gaussians whose covariances are semidefinite by construction, maybe singular."""
        self = cls.__new__(cls)
        self._set(mean, "cov", cov)
        self._singular = singular
        return self

    def _require_definite(self) -> None:
        if self._singular is not None and self._singular.any():
            index = tuple(map(int, np.argwhere(self._singular)[0]))
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
        """Whether the features are independent by parametrisation."""
        return self.parametrisation in DIAGONAL

    def __repr__(self) -> str:
        return (
            f"Gaussian(batch_shape={self.batch_shape}, dim={self.dim}, "
            f"parametrisation={self.parametrisation!r}, dtype={self.dtype})"
        )

    def __getitem__(self, index: Any) -> Gaussian:
        """Return the distributions at an index of the batch, as NumPy indexes arrays."""
        batch = index if isinstance(index, tuple) else (index,)
        features = (slice(None),)
        part = copy.copy(self)
        part.mean = self.mean[batch + features]
        part.parameter = self.parameter[batch + features * (1 if self.is_diagonal else 2)]
        part.where = None if self.where is None else np.asarray(self.where[batch])
        part._singular = None if self._singular is None else np.asarray(self._singular[batch])
        part._given_shapes = (part.mean.shape, part.parameter.shape)
        return part

    def _filled(self) -> Gaussian:
        """Return the same distributions with N(0, I) for padding."""
        if self.where is None or self.where.all():
            return self
        name, chosen, one = self.parametrisation, self.where[..., None], self.dtype.type(1)
        filled = copy.copy(self)
        filled.mean = np.where(chosen, self.mean, 0 * one)
        if self.is_diagonal:
            identity = 0 * one if name.startswith("log") else one
            filled.parameter = np.where(chosen, self.parameter, identity)
        else:
            eye = np.eye(self.dim, dtype=self.dtype)
            filled.parameter = np.where(chosen[..., None], self.parameter, eye)
        return filled

    def _chosen(self, values: Values) -> Values:
        """Return values with 0 for padding."""
        return values if self.where is None else np.where(self.where, values, 0.0)

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
        return item(self._chosen(values))

    def log_prob(self, x: object) -> Values:
        """
        Return the log densities −½ (d log 2π + log|Σ| + (x − mean)ᵀ Σ⁻¹ (x − mean)).

        Parameters
        ----------
        x : array_like, shape (..., d)
            Points; their leading axes broadcast against the batch shape.

        Returns
        -------
        ndarray of float64, shape ``np.broadcast_shapes(x.shape[:-1], batch_shape)``
            Log densities in nats.

        Raises
        ------
        TypeError, ValueError
            If x does not fit or is not finite.
        OverflowError
            If a log density is too large for float64.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([0.0, 0.0], cov=[[2.0, 0.0], [0.0, 1.0]]).log_prob([[0.0, 0.0], [2.0, 0.0]])
        array([-2.18445066, -3.18445066])
        """
        points = _inputs.points(x, "x", self.batch_shape, self.dim)
        return item(checked(self._log_prob(points), False, "the log density"))

    def _log_prob(self, points: Matrix) -> Values:
        """Return the log densities, with −∞ or NaN for what overflows, block by block."""
        shape = np.broadcast_shapes(points.shape[:-1], self.batch_shape)
        n = shape[0] if shape else 1
        cuts_self, cuts_points = (
            len(own) == len(shape) and own[:1] == shape[:1]
            for own in (self.batch_shape, points.shape[:-1])
        )
        # Every block factors the matrices it needs: with d rows that costs no more than the rows.
        least = 1 if self.is_diagonal or cuts_self else self.dim
        step = max(least, _BLOCK * n // max(1, math.prod(shape) * self.dim))
        if step >= n:
            return self._log_prob_at_once(points)
        values = np.empty(shape)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            part = self[rows] if cuts_self else self
            values[rows] = part._log_prob_at_once(points[rows] if cuts_points else points)
        return values

    def _log_prob_at_once(self, points: Matrix) -> Values:
        filled = self._filled()
        with np.errstate(over="ignore", invalid="ignore"):
            z = whiten(filled, points)
            values = -0.5 * (self.dim * LOG_2PI + (z * z).sum(axis=-1)) - half_log_det(filled)
        return self._chosen(values)

    def sample(self, n: int, *, rng: object = None) -> Matrix:
        """
        Draw n points from every distribution.

        Parameters
        ----------
        n : int
            Points per distribution, at least 1.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness.

        Returns
        -------
        ndarray of `dtype`, shape (n, *batch_shape, d)
            mean + L z, with z standard normal and L the factor of `scale_tril`.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        OverflowError
            If a draw is too large for `dtype`.

        Examples
        --------
        >>> from fastdiv import Gaussian
        >>> Gaussian([[0.0], [5.0]], std=0.1).sample(3, rng=0).shape
        (3, 2, 1)
        """
        count, generator = _inputs.integer(n, "n", 1), _inputs.generator(rng)
        z = generator.standard_normal((count, *self.batch_shape, self.dim))
        filled = self._filled()
        with np.errstate(over="ignore", invalid="ignore"):
            if self.is_diagonal:
                z *= np.exp(log_std(filled))
            else:
                z = apply(factor(filled), z)
            z += filled.mean
        return rounded(z, self.dtype, "a draw")

    def cov(self) -> Matrix:
        """
        Return the covariance matrices Σ.

        Returns
        -------
        ndarray of `dtype`, shape (*batch_shape, d, d)
            Dense, also for diagonal distributions.

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
        filled = self._filled()
        if self.parametrisation == "cov":
            lower: Matrix = np.tril(filled.parameter)
            symmetric: Matrix = lower + np.tril(lower, -1).swapaxes(-1, -2)
            return symmetric
        with np.errstate(over="ignore", invalid="ignore"):
            if self.is_diagonal:
                cov = _dense(np.exp(2 * log_std(filled)))
            else:
                lower = factor(filled)
                cov = lower @ lower.swapaxes(-1, -2)
        return rounded(cov, self.dtype, "a covariance")

    def scale_tril(self) -> Matrix:
        """
        Return the Cholesky factors L: lower triangular, Σ = L Lᵀ, with a positive diagonal.

        Returns
        -------
        ndarray of `dtype`, shape (*batch_shape, d, d)
            Dense, also for diagonal distributions.

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
            lower = factor(self._filled())
        return rounded(lower, self.dtype, "a factor")


MATRIX_STATUS = {
    1: "must be finite; got NaN or infinity",
    2: "must be symmetric",
    3: "must be positive definite",
    4: "must be lower triangular",
    5: "must not have zeros on its diagonal",
}
"""What `matrix_status` of the backends finds."""


def fit_gaussian(x: object, *, ddof: int = 0) -> Gaussian:
    """
    Fit Gaussians to samples by their mean and covariance: maximum likelihood for ddof = 0.

    Parameters
    ----------
    x : array_like, shape (..., n, d), or QuantizedRows, shape (n, d)
        Samples of n rows; leading axes become the batch shape. Quantised rows become float64 a few
        at a time.
    ddof : int, default 0
        The sums of squares are divided by n − ddof.

    Returns
    -------
    Gaussian
        With float64 parameters. With n ≤ d rows the covariance is singular: `wasserstein2`,
        `mean` and `cov` are defined, densities and divergences are an error.

    Raises
    ------
    TypeError, ValueError
        If x is not as described or not finite, or n ≤ ddof.

    Examples
    --------
    >>> from fastdiv import fit_gaussian
    >>> fit_gaussian([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]).cov().round(3)
    array([[0.667, 0.   ],
           [0.   , 2.   ]])
    """
    a = x if isinstance(x, QuantizedRows) else _inputs.array(x, "x")
    if len(a.shape) < 2:
        raise ValueError(f"x must have shape (..., n, d); got shape {a.shape}; use x[:, None]")
    n, d = a.shape[-2:]
    minus = _inputs.integer(ddof, "ddof", 0)
    if n <= minus or d == 0:
        raise ValueError(f"x must have more than ddof = {minus} rows and d >= 1; got {a.shape}")
    if not isinstance(a, QuantizedRows):
        _check_range("x", a, None)
    batch = a.shape[:-2]
    mean, cov = np.zeros((*batch, d)), np.zeros((*batch, d, d))
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _row_blocks(a):
            mean += block.sum(axis=-2, dtype=np.float64)
        mean /= n
        for block in _row_blocks(a):
            centred = block - mean[..., None, :]
            cov += centred.swapaxes(-1, -2) @ centred
    if not np.isfinite(cov).all():
        raise OverflowError("the covariance of x overflows; scale the data")
    # Of rank n − 1 at most.
    singular = np.ones(batch, dtype=np.bool_) if n <= d else _collinear(cov)
    return Gaussian._fitted(mean, cov / (n - minus), singular)


def _row_blocks(a: Sample) -> Iterator[Matrix]:
    """Yield (..., n, d) some rows at a time."""
    n, d = a.shape[-2:]
    step = max(1, _VALUES // d)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        yield in_float64(a[rows]) if isinstance(a, QuantizedRows) else a[..., rows, :]


def _collinear(cov: Values) -> NDArray[np.bool_]:
    """Tell where features are constant or follow from others, but for rounding."""
    scale = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    constant = (scale == 0).any(axis=-1)
    scale = np.where(scale == 0, 1.0, scale)
    correlation = cov / (scale[..., :, None] * scale[..., None, :])
    # Rounding leaves the eigenvalue 0 of collinear features within some d ε of it.
    noise = 100 * cov.shape[-1] * np.finfo(np.float64).eps
    return np.asarray(constant | (np.linalg.eigvalsh(correlation)[..., 0] <= noise))


# --- what the divergences need of a Gaussian, in float64 --------------------------------


def item(values: Values) -> Values:
    """
    Return an array of shape () as the NumPy scalar that it is, other arrays unchanged.

    Parameters
    ----------
    values : ndarray
        Results, one per batch index.

    Returns
    -------
    ndarray or numpy.float64
        Both have the shape of `values`.
    """
    return values[()]


def log_std(p: Gaussian) -> Values:
    """
    Return the log standard deviations of diagonal Gaussians.

    Parameters
    ----------
    p : Gaussian
        Diagonal.

    Returns
    -------
    ndarray of float64, shape (..., d)
        log σ.
    """
    value = p.parameter.astype(np.float64)
    if p.parametrisation in ("std", "var"):
        value = np.log(value)
    return 0.5 * value if p.parametrisation in ("var", "logvar") else value


def factor(p: Gaussian) -> Values:
    """
    Return the Cholesky factors.

    Parameters
    ----------
    p : Gaussian
        Any.

    Returns
    -------
    ndarray of float64, shape (..., d, d)
        L, lower triangular with a positive diagonal, Σ = L Lᵀ.

    Raises
    ------
    ValueError
        If a matrix is singular.
    """
    if p.is_diagonal:
        return _dense(np.exp(log_std(p)))
    a = p.parameter.astype(np.float64)
    if p.parametrisation == "scale_tril":
        diagonal = np.diagonal(a, axis1=-2, axis2=-1)
        return a * np.sign(diagonal)[..., None, :]
    if p.parametrisation == "cov":
        p._require_definite()
        return cast(Values, np.linalg.cholesky(a))
    return _inverse(_precision_factor(a))


def whitener(p: Gaussian) -> Values:
    """
    Return the inverse Cholesky factors.

    Parameters
    ----------
    p : Gaussian
        Any.

    Returns
    -------
    ndarray of float64, shape (..., d, d)
        L⁻¹, lower triangular.
    """
    if p.is_diagonal:
        return _dense(np.exp(-log_std(p)))
    if p.parametrisation == "precision":
        return _precision_factor(p.parameter.astype(np.float64))
    return _inverse(factor(p))


def factor_and_whitener(p: Gaussian) -> tuple[Values, Values]:
    """
    Return the Cholesky factors and their inverses, from one decomposition.

    Parameters
    ----------
    p : Gaussian
        Any.

    Returns
    -------
    lower, inverse : ndarray of float64, shape (..., d, d)
        As `factor` and `whitener`.
    """
    if p.parametrisation == "precision":
        inverse = whitener(p)
        return _inverse(inverse), inverse
    lower = factor(p)
    return lower, whitener(p) if p.is_diagonal else _inverse(lower)


def _inverse(lower: Values) -> Values:
    return cast(Values, np.tril(np.linalg.inv(lower)))


def whiten(p: Gaussian, x: Matrix) -> Values:
    """
    Return L⁻¹ (x − mean).

    Parameters
    ----------
    p : Gaussian
        Any.
    x : ndarray, shape (..., d)
        Points that broadcast against the batch shape.

    Returns
    -------
    ndarray of float64, shape (..., d)
        Standard normal if x is a draw of p.
    """
    difference = x.astype(np.float64) - p.mean
    if p.is_diagonal:
        return in_units(difference, log_std(p))
    return apply(whitener(p), difference)


def in_units(difference: Values, log_unit: Values) -> Values:
    """
    Divide by units that may be too small for floating point.

    Parameters
    ----------
    difference, log_unit : ndarray of float64
        Numbers, and the logarithms of their units.

    Returns
    -------
    ndarray of float64
        difference · exp(−log_unit); infinite only where that is too large.
    """
    with np.errstate(all="ignore"):
        scale = np.exp(-log_unit)
        values = difference * scale
        if np.isfinite(scale).all():
            return values
        in_logs = np.copysign(np.exp(np.log(np.abs(difference)) - log_unit), difference)
        return np.where(np.isinf(scale), in_logs, values)


def half_log_det(p: Gaussian) -> Values:
    """
    Return ½ log|Σ|.

    Parameters
    ----------
    p : Gaussian
        Any.

    Returns
    -------
    ndarray of float64, shape batch_shape
        Sums of log Lᵢᵢ.
    """
    p._require_definite()
    flat = np.empty(math.prod(p.batch_shape))
    for rows, index in blocks(p.batch_shape, p.dim if p.is_diagonal else p.dim**2):
        flat[rows] = _half_log_det(p[index])
    return flat.reshape(p.batch_shape)


def _half_log_det(p: Gaussian) -> Values:
    if p.is_diagonal:
        return cast(Values, log_std(p).sum(axis=-1))
    lower = whitener(p) if p.parametrisation == "precision" else factor(p)
    log_diagonal = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    return cast(Values, -log_diagonal if p.parametrisation == "precision" else log_diagonal)


def blocks(
    batch_shape: tuple[int, ...], size: int
) -> Iterator[tuple[slice, tuple[NDArray[np.intp], ...]]]:
    """
    Cut a batch into blocks, so that temporaries stay small.

    Parameters
    ----------
    batch_shape : tuple of int
        Shape of the batch.
    size : int
        Numbers per item.

    Yields
    ------
    slice, tuple of ndarray of int
        A block's place in the flattened batch, and its index.
    """
    n, step = math.prod(batch_shape), max(1, _BLOCK // size)
    for start in range(0, n, step):
        rows = slice(start, min(n, start + step))
        yield rows, np.unravel_index(np.arange(rows.start, rows.stop), (1, *batch_shape))[1:]


def apply(matrices: Values, x: Values) -> Values:
    """
    Multiply vectors by the matrices of their batch index.

    Parameters
    ----------
    matrices : ndarray, shape (*batch_shape, d, d)
        One per batch index.
    x : ndarray, shape (..., d)
        Vectors; the leading axes broadcast against the batch shape.

    Returns
    -------
    ndarray, shape (..., d)
        Products.
    """
    batch = matrices.ndim - 2
    extra = x.shape[: max(0, x.ndim - 1 - batch)]
    if not extra:
        return (matrices @ x[..., None])[..., 0]
    rows = np.moveaxis(x.reshape(math.prod(extra), *x.shape[len(extra) :]), 0, -2)
    product = np.moveaxis(rows @ matrices.swapaxes(-1, -2), -2, 0)
    return cast(Values, product.reshape(*extra, *product.shape[1:]))


def distinct(a: Matrix, event_ndim: int = 0) -> Matrix:
    """
    Take the first of what a stride of 0 repeats.

    Parameters
    ----------
    a : ndarray
        Maybe a broadcast view.
    event_ndim : int, default 0
        Last axes to leave as they are.

    Returns
    -------
    ndarray
        A view of as many axes that broadcasts to `a`.
    """
    strides = a.strides[: a.ndim - event_ndim]
    return a[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in strides)]


def checked(values: Values, allowed: NDArray[np.bool_] | bool, name: str) -> Values:
    """
    Refuse what overflowed.

    Parameters
    ----------
    values : ndarray
        Results, one per batch index.
    allowed : ndarray of bool or bool
        Where they may be infinite or NaN.
    name : str
        What they are.

    Returns
    -------
    ndarray
        The values.

    Raises
    ------
    OverflowError
        If another value is infinite or NaN.
    """
    bad = ~(np.isfinite(values) | allowed)
    if bad.any():
        index = tuple(map(int, np.argwhere(bad)[0]))
        raise OverflowError(f"{name} is too large for {values.dtype}{at(index)}; rescale")
    return values


def rounded(values: Values, dtype: np.dtype[Any], name: str) -> Matrix:
    """
    Convert to the type of the parameters, and refuse what overflows.

    Parameters
    ----------
    values : ndarray
        Results.
    dtype : dtype
        float32 or float64.
    name : str
        What they are.

    Returns
    -------
    ndarray of `dtype`
        The values.

    Raises
    ------
    OverflowError
        If a value is too large for `dtype`.
    """
    with np.errstate(over="ignore"):
        typed: Matrix = values.astype(dtype, copy=False)
    if not np.isfinite(typed).all():
        raise OverflowError(f"{name} is too large for {dtype}; rescale")
    return typed


def at(index: tuple[int, ...]) -> str:
    """
    Say where in a batch something is.

    Parameters
    ----------
    index : tuple of int
        Batch index, () for a single distribution.

    Returns
    -------
    str
        To be appended to an error message.
    """
    return f" at batch index {index}" if index else ""


def _precision_factor(precision: Values) -> Values:
    # With U upper triangular and precision = U Uᵀ, Σ = (Uᵀ)⁻¹ (Uᵀ)⁻ᵀ, so Uᵀ is L⁻¹.
    # U is the Cholesky factor with the order of the features reversed.
    reverse = (..., slice(None, None, -1), slice(None, None, -1))
    return cast(Values, np.linalg.cholesky(precision[reverse])[reverse].swapaxes(-1, -2))


def _dense(diagonal: Values) -> Values:
    return diagonal[..., None] * np.eye(diagonal.shape[-1])


def _check_range(
    name: str, a: Matrix, where: NDArray[np.bool_] | None, *, positive: bool = False
) -> None:
    values = distinct(a)
    if values.size == 0:
        return
    low, high = values.min(), values.max()
    if np.isfinite(low) and np.isfinite(high) and (low > 0 or not positive):
        return
    for index in _bad_values(a, where, positive):
        wanted = "finite and > 0" if positive else "finite"
        raise ValueError(
            f"{name} must be {wanted}; got {a[index]}{at(index[:-1])}, feature {index[-1]}"
        )


def _bad_values(
    a: Matrix, where: NDArray[np.bool_] | None, positive: bool
) -> Iterator[tuple[int, ...]]:
    bad = ~np.isfinite(a)
    if positive:
        bad |= ~(a > 0)
    if where is not None:
        bad &= where[..., None]
    return (tuple(map(int, index)) for index in np.argwhere(bad))

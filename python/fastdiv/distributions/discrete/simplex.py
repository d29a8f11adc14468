"""Compute quadratic energies of distributions over labels, and project onto the simplex."""

from __future__ import annotations

from functools import partial

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.blocks import CACHED, row_blocks
from fastdiv._engine.patience import PASSES, patiently
from fastdiv._engine.types import Matrix, Values
from fastdiv.distributions.arrays import features, item, last_batch_index


@documented
def quadratic_energy_and_grad(r: object, p: object, c: object = None) -> tuple[Values, Values]:
    """
    Compute a quadratic energy E and its *negative* gradient q, the direction of descent.

        E = −½ pᵀRp − cᵀp,    q = −∂E/∂p = ½(R + Rᵀ)p + c.

    R holds the compatibilities of relaxation labelling and need not be symmetric. q is the support
    that every label gets from the others. A step along +q, brought back by `project_simplex`,
    lowers E if it is short enough. The limit is 2 over the largest eigenvalue of −½(R + Rᵀ). If
    that is not positive, there is no limit.

    Parameters
    ----------
    r : array_like, shape (d, d)
        R.
    p : array_like, shape (..., d)
        One p or a batch of them, with any finite values.
    c : array_like, optional
        Finite values whose shape broadcasts to that of p, usually (d,). 0 by default. Frames and
        Series among r, p and c must have the same names, and p and c the same keys, in the same
        order.

    Returns
    -------
    energy : ndarray of float64, shape (...)
        E.
    q : ndarray of float64, shape (..., d)
        −∂E/∂p.

    {raises_overflow}

    References
    ----------
    R. A. Hummel, S. W. Zucker, "On the foundations of relaxation labeling processes", IEEE Trans.
    Pattern Anal. Mach. Intell. 5 (1983) 267–287.

    Examples
    --------
    Relaxation labelling in two lines. Three neighbours have two labels each. The first is nearly
    sure, and equal labels support each other:

    >>> import numpy as np
    >>> from fastdiv import project_simplex, quadratic_energy_and_grad
    >>> chain = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> r = np.kron(chain, np.eye(2))
    >>> p = np.array([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5]])
    >>> for _ in range(20):
    ...     energy, q = quadratic_energy_and_grad(r, p.ravel())
    ...     p = project_simplex(p + 0.5 * q.reshape(p.shape))
    >>> p
    array([[1., 0.],
           [1., 0.],
           [1., 0.]])
    >>> float(energy)
    -2.0
    """
    r, p, c = (_inputs.from_arrow(a, name) for name, a in (("r", r), ("p", p), ("c", c)))
    matrix = _finite(r, "r")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"r must be a square matrix, shape (d, d); got shape {matrix.shape}")
    points = _finite(p, "p")
    _require_last_axis(points, "p")
    d = len(matrix)
    if points.shape[-1] != d:
        raise ValueError(f"p must have shape (..., {d}), as r has {d} rows; got {points.shape}")
    linear = _finite(0.0 if c is None else c, "c")
    try:
        linear = np.broadcast_to(linear, points.shape)
    except ValueError:
        raise ValueError(
            f"c must broadcast to the shape of p, {points.shape}; got shape {linear.shape}"
        ) from None
    features({"r": r, "p": p, "c": c}, square="r")
    last_batch_index({"p": p, "c": c}, points.shape[:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        energy, q = patiently(partial(_energy_and_grad, points, matrix, linear), points.size * d)
    if not (np.isfinite(energy).all() and np.isfinite(q).all()):
        raise OverflowError("the energy overflows; scale r, p or c")
    return item(energy), q


def _energy_and_grad(points: Values, matrix: Values, linear: Values) -> tuple[Values, Values]:
    from_left, from_right = points @ matrix, points @ matrix.T
    energy = -(points * (0.5 * from_left + linear)).sum(axis=-1)
    return energy, 0.5 * from_left + 0.5 * from_right + linear


@documented
def project_simplex(v: object) -> Values:
    """
    Project onto the probability simplex: the nearest w with w ≥ 0 and Σw = 1.

    w = max(v − θ, 0), with θ from the sorted values, exactly and without iteration. Every row along
    the last axis is projected on its own. A constant added to a row does not change its projection.

    Parameters
    ----------
    v : array_like, shape (..., d)
        Finite values.

    Returns
    -------
    ndarray of float64, shape (..., d)
        Projections. Each sums to 1 up to rounding.

    {Raises: invalid}

    References
    ----------
    M. Held, P. Wolfe, H. P. Crowder, "Validation of subgradient optimization", Math. Program. 6
    (1974) 62–88; J. Duchi, S. Shalev-Shwartz, Y. Singer, T. Chandra, "Efficient projections onto
    the l1-ball for learning in high dimensions", ICML (2008), figure 1.

    Examples
    --------
    >>> from fastdiv import project_simplex
    >>> project_simplex([0.5, 0.75, 2.0])
    array([0., 0., 1.])
    >>> project_simplex([[1.0, 1.0], [0.25, 0.0]])
    array([[0.5  , 0.5  ],
           [0.625, 0.375]])
    """
    values = _inputs.array(v, "v")
    _require_last_axis(values, "v")
    rows = values.reshape(-1, values.shape[-1])
    projections: Values = np.empty(rows.shape)
    for block in row_blocks(*rows.shape, CACHED):
        part = _finite(rows[block], "v")
        projections[block] = patiently(partial(_project_rows, part), PASSES * part.size)
    return projections.reshape(values.shape)


def _project_rows(values: Matrix) -> Matrix:
    """Project some rows."""
    with np.errstate(over="ignore"):  # to -inf, as good as any value below -1
        below = values - values.max(axis=-1, keepdims=True)
    # Only values within 1 of the largest can stay positive. The others must not spoil the sums.
    below = np.maximum(below, -2.0)
    descending = -np.sort(-below, axis=-1)
    counts = np.arange(1, values.shape[-1] + 1)
    thresholds = (descending.cumsum(axis=-1) - 1.0) / counts
    kept = np.count_nonzero(descending > thresholds, axis=-1, keepdims=True)
    theta = np.take_along_axis(thresholds, kept - 1, axis=-1)
    projections: Values = np.maximum(below - theta, 0.0)
    return projections


def _finite(value: object, name: str) -> Matrix:
    a = _inputs.converted(_inputs.array(value, name), np.dtype(np.float64))
    if not np.isfinite(a).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    return a


def _require_last_axis(a: Matrix, name: str) -> None:
    if a.ndim == 0 or a.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., d) with d >= 1; got shape {a.shape}")

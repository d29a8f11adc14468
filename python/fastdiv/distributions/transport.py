"""Compute the optimal transport between Gaussians."""

from __future__ import annotations

import copy
import math

import numpy as np

from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.types import Values
from fastdiv.distributions.arrays import checked, distinct, item
from fastdiv.distributions.gaussian import Gaussian
from fastdiv.distributions.linear_algebra import factor, std_difference
from fastdiv.distributions.pair import Pair


@documented
def wasserstein2(p: object, q: object) -> Values:
    """
    Compute the squared 2-Wasserstein distance W₂² between Gaussians: the FID of their samples.

        W₂² = ‖mean_p − mean_q‖² + tr Σ_p + tr Σ_q − 2 ‖L_pᵀ L_q‖_*

    with Σ = L Lᵀ, and the sum of the singular values of L_pᵀ L_q at the end. It is computed as
    ‖mean_p − mean_q‖² + ‖L_p − L_q U‖², with the rotation U from the singular vectors. This sum of
    squares is never negative and keeps the digits of a small distance. Covariances fitted to fewer
    rows than features are as good as any others.

    The Fréchet inception distance of two sets of embeddings x and y is
    ``wasserstein2(fit_gaussian(x), fit_gaussian(y))``. The published code fits with ``ddof=1``.

    {between_gaussians}
        Squared distances in the squared units of the data, 0 for padding of p or q.

    {raises_overflow}

    References
    ----------
    D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions",
    J. Multivar. Anal. 12 (1982) 450–455; M. Heusel et al., "GANs trained by a two time-scale update
    rule converge to a local Nash equilibrium", NeurIPS 2017 (FID).

    Examples
    --------
    >>> from fastdiv import Gaussian, wasserstein2
    >>> p, q = Gaussian([0.0, 0.0], std=[1.0, 2.0]), Gaussian([3.0, 0.0], std=1.0)
    >>> float(wasserstein2(p, q))
    10.0
    """
    pair = Pair.of(p, q)
    if pair.is_diagonal or not _is_turned_quickly(pair):
        values = pair.map(_wasserstein2)
    elif any(map(_is_singular, (pair.p, pair.q))):
        values = Pair(_by_root(pair.p), _by_root(pair.q), pair.batch_shape).map(_from_factors)
    else:
        values = pair.computed(_from_factors, pair.mask(None))
    return item(checked(values, False, "the squared distance"))


def _is_turned_quickly(pair: Pair) -> bool:
    """
    Tell whether the engine finds singular vectors sooner than LAPACK does.

    It turns as many items at once as a vector has lanes, which take as long as one. Beyond 48
    features, where they leave the cache, it was slower for any number of items. The
    engine's own limit, most_turned_dim, is larger and for the sake of Ctrl-C.
    """
    return pair.p.dim <= 24 or (pair.p.dim <= 48 and math.prod(pair.batch_shape) >= 8)


def _from_factors(pair: Pair) -> Values:
    return backend.current().gaussian_wasserstein2(*pair.lowered(), 0)


def _by_root(p: Gaussian) -> Gaussian:
    """Give semidefinite covariances by other roots than Cholesky factors."""
    if not _is_singular(p):
        return p
    given = copy.copy(p._filled())
    roots = backend.current().covariance_roots(distinct(given.parameter, 2), 0)
    given.parametrisation = "root"
    given.parameter = np.broadcast_to(roots, given.parameter.shape)
    return given


def _is_singular(p: Gaussian) -> bool:
    return p._singular is not None and bool(p._singular.any())


def _wasserstein2(pair: Pair) -> Values:
    """Return squared distances, with infinity or NaN for what overflows."""
    p, q = pair.p, pair.q
    shape: Values
    with np.errstate(over="ignore", invalid="ignore"):
        difference = p.mean.astype(np.float64) - q.mean
        shift: Values = (difference**2).sum(axis=-1)
        if pair.is_diagonal:
            shape = (std_difference(p, q) ** 2).sum(axis=-1)
        else:
            a, b = _semidefinite_factor(p), _semidefinite_factor(q)
            product = b.swapaxes(-1, -2) @ a
            overflows = np.asarray(~np.isfinite(product).all(axis=(-2, -1), keepdims=True))
            left, _, right = np.linalg.svd(np.where(overflows, 0.0, product))
            shape = ((a - b @ (left @ right)) ** 2).sum(axis=(-2, -1))
            # U is the best rotation within rounding. Without it equal factors are at exactly 0.
            shape = np.minimum(shape, ((a - b) ** 2).sum(axis=(-2, -1)))
            shape = np.where(overflows[..., 0, 0], np.nan, shape)
        return shift + shape


def _semidefinite_factor(p: Gaussian) -> Values:
    if not _is_singular(p):
        return factor(p)
    # Instead of a Cholesky factor take V √w from the eigenvalues w. Those within rounding of 0
    # are set to 0, for their roots would be far from it.
    w, v = np.linalg.eigh(p.parameter.astype(np.float64))
    noise = p.dim * np.finfo(np.float64).eps * w[..., -1:]
    root: Values = v * np.sqrt(np.where(w > noise, w, 0.0))[..., None, :]
    return root

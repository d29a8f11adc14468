"""Estimate the divergence between samples from distances to nearest neighbours."""

from __future__ import annotations

import math

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter

MAX_NEIGHBOURS = 64
"""Largest k of `kl_knn`."""


@documented
def kl_knn(
    x: object, y: object, k: int = 5, *, nan_policy: str = "raise", n_threads: int | None = None,
    progress: object = None,
) -> float:  # fmt: skip
    """
    Estimate the Kullback-Leibler divergence KL(p ‖ q) between samples from neighbour distances.

    Let r(i) be the Euclidean distance from row i of x to the k-th nearest of the other rows of x.
    Let s(i) be that to the k-th nearest row of y. Then

        D = (d/n) Σᵢ log(s(i)/r(i)) + log(m/(n−1)).

    The estimate is consistent for densities on ℝᵈ and may be negative. It has no standard error,
    for its terms share neighbours and are not independent. Its bias falls slowly with n when d is
    large, and is often larger than its spread. A larger k has less spread and more bias. Data on a
    surface of fewer dimensions need coordinates on it, for d counts the columns. Unlike the
    divergence, the estimate depends on the units of the features: give them like scales.

    Memory is O(n + m). All pairs are looked at.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Samples of p, at least k + 1 rows, and of q, at least k rows. Trailing axes are flattened to
        d features.
    k : int, default 5
        Rank of the neighbour, from 1 to 64.
    {nan_policy}
    {n_threads}
    {progress}
        It runs twice, for distances within x and from x to y.

    Returns
    -------
    float
        Estimate in nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or a k-th distance is zero. More than k copies of a row in x, or
        k in y, come from a discrete or rounded distribution, which has no density. In float64,
        distances below 1e-154 of the range of the data count as zero.
    OverflowError
        If a distance is too large for float64.

    References
    ----------
    Q. Wang, S. R. Kulkarni, S. Verdú, "Divergence estimation for multidimensional densities via
    k-nearest-neighbor distances", IEEE Trans. Inf. Theory 55 (2009) 2392–2405.

    Examples
    --------
    >>> from fastdiv import Gaussian, kl, kl_knn
    >>> p, q = Gaussian([0.0, 0.0], std=1.0), Gaussian([1.0, 0.0], std=1.0)
    >>> round(kl_knn(p.sample(2000, rng=0), q.sample(2000, rng=1)), 2)
    0.47
    >>> float(kl(p, q))
    0.5
    """
    neighbour = _inputs.integer(k, "k", 1, MAX_NEIGHBOURS)
    a, b = _inputs.samples(x, y, nan_policy)
    for name, rows, least in (("x", a, neighbour + 1), ("y", b, neighbour)):
        if len(rows) < least:
            raise ValueError(
                f"{name} must have at least {least} rows for k = {neighbour}; got {len(rows)}"
            )
    (n, d), m = a.shape, len(b)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    engine = backend.current()
    with np.errstate(over="ignore", invalid="ignore"):
        within = engine.kth_distances(a, a, neighbour, True, threads, report)
        across = engine.kth_distances(a, b, neighbour, False, threads, report)
    for name, distances in (("x", within), ("y", across)):
        zeros = int(np.count_nonzero(distances == 0))
        if zeros:
            raise ValueError(
                f"{zeros} of the {n} rows of x are at distance 0 from their k-th nearest row of "
                f"{name}, k = {neighbour}; repeated rows have no density: take k larger than their "
                "number of copies, or add jitter of the size of the rounding to both samples"
            )
        if not np.isfinite(distances).all():
            raise OverflowError("a distance overflows; scale the data")
    mean = float((np.log(across) - np.log(within)).mean())
    return float(d * mean + math.log(m / (n - 1)))

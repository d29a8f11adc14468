"""Choose the number of clusters by the gap statistic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.blocks import GATHERED, blockwise, row_blocks
from fastdiv._engine.patience import patiently
from fastdiv._engine.progress import reporter
from fastdiv._engine.results import Result
from fastdiv._engine.types import Matrix, Values
from fastdiv.clusters import labelled_rows

_REFERENCES = ("uniform", "pca")
_MOST_REFERENCES = 10**6
"""Most reference sets. A larger number is refused before any is drawn."""


@dataclass(frozen=True, eq=False)
class GapStatistic(Result):
    """
    Gap statistic for several numbers of clusters.

    Attributes
    ----------
    k : int
        Chosen number of clusters. It is the least k with gap(k) ≥ gap(k') − s(k') for the next
        number k', or the largest number tried.
    k_values : ndarray of int64, shape (m,)
        Numbers of clusters tried, in ascending order.
    w_k : ndarray of float64, shape (m,)
        W_k, the WCSS of the data in k clusters, in the squared units of the data.
    gap : ndarray of float64, shape (m,)
        Mean of log W*_k over the reference sets, minus log W_k.
    s_k : ndarray of float64, shape (m,)
        Standard deviation (``ddof=0``) of log W*_k over the B reference sets, times √(1 + 1/B).
    reference_w_k : ndarray of float64, shape (B, m)
        W*_k of each reference set.
    reference : str
        "uniform" or "pca".

    Examples
    --------
    >>> from fastdiv import gap_statistic
    >>> cut = lambda x, k: x[:, 0].argsort().argsort() * k // len(x)
    >>> result = gap_statistic([0.0, 1.0, 19.0, 20.0], cut, [1, 2], rng=0)
    >>> result.k, result.w_k
    (2, array([362.,   1.]))
    """

    k: int
    k_values: NDArray[np.int64]
    w_k: Values
    gap: Values
    s_k: Values
    reference_w_k: Values = field(repr=False)
    reference: str


@documented
def gap_statistic(
    x: object, labels_of: Callable[[Matrix, int], Any], k_range: Iterable[int], *,
    n_references: int = 10, reference: str = "uniform", rng: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> GapStatistic:  # fmt: skip
    """
    Compare the WCSS of a clustering with that of data without clusters, for several k.

    The same clusterer runs on the data and on B reference sets of the same size. These are drawn
    uniformly from a box around the data.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Rows, as in `cluster_dispersion`, but not quantised.
    labels_of : callable
        Function of (x, k) that returns one label per row, k different ones. It gets a read-only
        array of shape (n, d), float32 or float64 as the data. Its own randomness should be seeded.
    k_range : iterable of int
        Numbers of clusters to try, in ascending order. The rule of choice was made for consecutive
        numbers.
    n_references : int, default 10
        B, the number of reference sets.
    reference : {"uniform", "pca"}, default "uniform"
        Box along the features, or along the principal axes of the data.
    {rng}
    nan_policy : {"raise", "omit"}, default "raise"
        As in `cluster_dispersion`.
    {n_threads}
    {progress}
        It counts the calls of `labels_of`.

    Returns
    -------
    GapStatistic
        Curves, and the chosen k.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, `labels_of` does not return k clusters, or a W_k is 0. Then k is
        too large, or the data are constant. Errors of `labels_of` itself are not changed.

    See Also
    --------
    fastdiv.plots.gap : Elbow and gap side by side.

    References
    ----------
    R. Tibshirani, G. Walther, T. Hastie, "Estimating the number of clusters in a data set via
    the gap statistic", J. R. Stat. Soc. B 63 (2001) 411–423, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from fastdiv import gap_statistic
    >>> x = np.random.default_rng(0).normal(size=(90, 2))
    >>> x += np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 30, axis=0)
    >>> def labels_of(x, k):
    ...     return KMeans(k, n_init=3, random_state=0).fit_predict(x)
    >>> gap_statistic(x, labels_of, range(1, 6), rng=0).k
    3
    """
    if not callable(labels_of):
        raise TypeError(f"labels_of must be a function of (x, k); got {type(labels_of).__name__}")
    omit = _inputs.omits(nan_policy)
    a = _inputs.finite(_inputs.matrix(x, "x"), "x", omit=omit)
    ks = _ascending(k_range, len(a))
    b = _inputs.integer(n_references, "n_references", 1, _MOST_REFERENCES)
    reference = _inputs.choice(reference, _REFERENCES, "reference")
    generator = _inputs.generator(rng)
    threads, report = _inputs.threads(n_threads), reporter(progress)

    dispersions = np.empty((1 + b, len(ks)))
    for row, rows in enumerate(_data_and_references(a, reference, b, generator)):
        name = "the data" if row == 0 else f"reference set {row - 1}"
        for column, k in enumerate(ks):
            dispersions[row, column] = _wcss(rows, labels_of, k, name, threads)
            if report is not None:
                report(row * len(ks) + column + 1, dispersions.size)
    logs = np.log(dispersions)
    gap = logs[1:].mean(axis=0) - logs[0]
    s = logs[1:].std(axis=0) * np.sqrt(1 + 1 / b)
    is_enough = np.append(gap[:-1] >= gap[1:] - s[1:], True)
    tried = np.array(ks, dtype=np.int64)
    w_k, reference_w_k = dispersions[0].copy(), dispersions[1:].copy()
    return GapStatistic(ks[int(is_enough.argmax())], tried, w_k, gap, s, reference_w_k, reference)


def _ascending(k_range: object, n: int) -> list[int]:
    """Return the numbers of clusters to try, which must be ascending integers."""
    try:
        given = list(cast("Iterable[object]", k_range))
    except TypeError:
        raise TypeError(
            f"k_range must be an iterable of integers; got {_inputs.shown(k_range)}"
        ) from None
    ks = [_inputs.integer(k, "each of k_range", 1, n) for k in given]
    if not ks or any(a >= b for a, b in itertools.pairwise(ks)):
        raise ValueError(
            f"k_range must hold integers in ascending order; got {_inputs.shown(given)}"
        )
    return ks


def _data_and_references(
    x: Matrix, reference: str, n_references: int, rng: np.random.Generator
) -> Iterator[Matrix]:
    """Yield the data, then each reference set."""
    yield x
    centre: Values = np.zeros(x.shape[1])
    axes: Values | None = None
    scores: Matrix = x
    if reference == "pca":
        centre, axes, scores = patiently(partial(_principal, x), x.size * min(x.shape))
    least, most = (end.astype(np.float64) for end in (scores.min(axis=0), scores.max(axis=0)))
    for _ in range(n_references):
        drawn = np.empty((len(x), len(least)))
        for rows in row_blocks(*drawn.shape, GATHERED):
            drawn[rows] = rng.uniform(least, most, size=drawn[rows].shape)
        if axes is not None:
            drawn = patiently(partial(np.matmul, drawn, axes), drawn.size * len(centre))
        yield blockwise(lambda part: (part + centre).astype(x.dtype), drawn, event_ndim=1)


def _principal(x: Matrix) -> tuple[Values, Values, Values]:
    """Return the centre of rows, their principal axes and their coordinates along these."""
    centre = x.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(x - centre, full_matrices=False)[2]
    return centre, axes, (x - centre) @ axes.T


def _wcss(
    x: Matrix, labels_of: Callable[[Matrix, int], Any], k: int, name: str, n_threads: int
) -> float:
    """Return the WCSS of a clustering, which must not be 0."""
    view = x.view()
    view.flags.writeable = False
    labels = labels_of(view, k)
    try:
        clusters = labelled_rows.read(x, labels, None, None, "raise")
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"labels_of for k = {k} on {name}: {error}") from error
    if len(clusters.labels) != k:
        raise ValueError(
            f"labels_of must return k different labels; got {len(clusters.labels)} for k = {k} "
            f"on {name}"
        )
    wcss = float(labelled_rows.means(clusters, n_threads, None).wcss.sum())
    if wcss == 0:
        raise ValueError(
            f"log(W_k) is undefined: W_k is 0 for k = {k} on {name}. Use a smaller k, or drop "
            "constant data."
        )
    return wcss

"""Permutation tests between several groups of rows: PERMANOVA, and distance components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Codes, KernelGroup, Progress, Sample, Values
from fastdiv._sums import metrics
from fastdiv.clusters import labelled_rows

_LEAST_TOTAL = 1e-300
"""Sums of powers below it may have lost digits to underflow."""

METRICS = ("euclidean", "sqeuclidean", *metrics.CITYBLOCK)


@dataclass(frozen=True)
class PermanovaResult:
    """
    Outcome of a permutational analysis of variance.

    Attributes
    ----------
    statistic : float
        Anderson's pseudo-F, without unit: F of `permanova`. Infinite if the rows of every group
        are equal.
    r2 : float
        Share of the sum of squares that lies between the groups, SS_A / SS_T.
    pvalue : float
        (1 + #{F* ≥ F}) / (1 + B).
    null_distribution : ndarray of float64, shape (B,)
        Pseudo-F of each reordering of the rows, in the order drawn; read-only.
    ss_total, ss_within : float
        Sums of squares SS_T and SS_W, in squared units of the distance.
    n_rows, n_groups : int
        N and k.
    metric : str
        "euclidean", "sqeuclidean" or "cityblock".
    n_resamples : int
        B.

    Examples
    --------
    >>> from fastdiv import permanova
    >>> result = permanova([0.0, 1.0, 2.0, 9.0, 10.0, 11.0], [0, 0, 0, 1, 1, 1], rng=0)
    >>> result.n_groups, result.ss_total, result.ss_within
    (2, 125.5, 4.0)
    """

    statistic: float
    r2: float
    pvalue: float
    null_distribution: NDArray[np.float64] = field(repr=False, compare=False)
    ss_total: float
    ss_within: float
    n_rows: int
    n_groups: int
    metric: str
    n_resamples: int


@dataclass(frozen=True)
class DiscoResult:
    """
    Outcome of an analysis of distance components.

    Attributes
    ----------
    statistic : float
        The ratio F of the components, without unit; infinite if the rows of every group are equal.
    pvalue : float
        (1 + #{F* ≥ F}) / (1 + B).
    null_distribution : ndarray of float64, shape (B,)
        F of each reordering of the rows, in the order drawn; read-only.
    between, within, total : float
        The components S, W and T = S + W, in units of distance^exponent.
    n_rows, n_groups : int
        N and k.
    exponent : float
        α.
    n_resamples : int
        B.

    Examples
    --------
    >>> from fastdiv import disco
    >>> result = disco([0.0, 1.0, 2.0, 9.0, 10.0, 11.0], [0, 0, 0, 1, 1, 1], rng=0)
    >>> round(result.between, 6), round(result.within, 6), round(result.total, 6)
    (12.166667, 2.666667, 14.833333)
    """

    statistic: float
    pvalue: float
    null_distribution: NDArray[np.float64] = field(repr=False, compare=False)
    between: float
    within: float
    total: float
    n_rows: int
    n_groups: int
    exponent: float
    n_resamples: int


def permanova(
    x: object,
    groups: object,
    *,
    metric: str = "euclidean",
    n_resamples: int = _inputs.DEFAULT_RESAMPLES,
    permutations: object = None,
    rng: object = None,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> PermanovaResult:
    """
    Test whether groups of rows have the same distribution, by the variance between them.

    With the distances d between all N rows, and k groups of n_g rows,

        SS_T = Σ_{i<j} d²(i, j) / N,    SS_W = Σ_g Σ_{i<j in g} d²(i, j) / n_g,
        F = ((SS_T − SS_W) / (k − 1)) / (SS_W / (N − k)).

    For Euclidean distances of one feature this is the F of the analysis of variance. Under the null
    hypothesis the rows are exchangeable, so F is compared with F* of B random reorderings of them:
    p = (1 + #{F* ≥ F}) / (1 + B). The test is exact, as `mmd_test` is. It sees a difference of
    location, and one of spread too where the groups have unequal sizes.

    All F* come from one pass over the pairs, and the distances are never stored. Memory is one byte
    for every row, reordering and group (if there are two groups, for every row and reordering).

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (N, ...)
        Sample, as in `mmd2`; trailing axes are flattened to d features. float32 stays float32.
    groups : array_like, shape (N,)
        One label per row: integers, text or a pandas categorical. 2 to N − 1 distinct ones.
    metric : {"euclidean", "sqeuclidean", "cityblock", "manhattan"}, default "euclidean"
        Distance between rows: L2, its square, or L1 under two names. Note that d is squared above.
    n_resamples : int, default 999
        B, from 1 to 10⁹.
    permutations : array_like of int, shape (B, N), optional
        Reorderings to use instead of drawing them: each row holds 0, 1, ..., N−1 in some order, and
        its i-th entry is the row that gets the group of row i.
    rng : None, int or numpy.random.Generator, optional
        Source of the reorderings, ``numpy.random.default_rng(rng)``. The same one gives the same
        bits for any number of threads.
    nan_policy : {"raise", "omit"}, default "raise"
        Refuse NaN and infinite values, or drop the rows that hold them; N is the number of those
        left, also for `permutations`.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.
    progress : bool or callable, optional
        True for a bar on standard error, or a function of (done, total).

    Returns
    -------
    PermanovaResult
        Pseudo-F, R² and p-value.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, all rows are equal, or powers of their distances
        underflow.
    OverflowError
        If powers of the distances are too large for their floating-point type.

    References
    ----------
    M. J. Anderson, "A new method for non-parametric multivariate analysis of variance", Austral
    Ecology 26 (2001) 32–46.

    Examples
    --------
    >>> from fastdiv import permanova
    >>> x = [[0.0, 0.1], [0.2, 0.0], [0.1, 0.3], [2.0, 2.1], [2.2, 2.0], [1.9, 2.3]]
    >>> result = permanova(x, ["a", "a", "a", "b", "b", "b"], rng=0)
    >>> round(result.statistic, 3), round(result.r2, 4), result.pvalue
    (290.167, 0.9864, 0.103)
    """
    name = metrics.metric_name(metric, METRICS)
    kernel = metrics.powers(name, 4.0 if name == "sqeuclidean" else 2.0)
    parts = _components(
        x, groups, kernel, n_resamples, permutations, rng, nan_policy, n_threads, progress
    )
    return PermanovaResult(
        statistic=parts.ratio,
        r2=(parts.total - parts.within) / parts.total,
        pvalue=parts.pvalue,
        null_distribution=parts.null,
        ss_total=parts.total,
        ss_within=parts.within,
        n_rows=parts.n_rows,
        n_groups=parts.n_groups,
        metric=name,
        n_resamples=len(parts.null),
    )


def disco(
    x: object,
    groups: object,
    *,
    exponent: float = 1.0,
    n_resamples: int = _inputs.DEFAULT_RESAMPLES,
    permutations: object = None,
    rng: object = None,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> DiscoResult:
    """
    Test whether groups of rows have the same distribution, by distance components.

    With g(a, b) the mean of ‖x − y‖₂^α over all pairs of a row of group a and one of b, and with k
    groups of n_a rows, N in all,

        S = Σ_{a<b} n_a n_b / (2N) (2 g(a, b) − g(a, a) − g(b, b)),    W = Σ_a n_a / 2 g(a, a),
        F = (S / (k − 1)) / (W / (N − k)).

    S is a weighted sum of the energy distances between groups: for 0 < α < 2 the test sees every
    difference of distribution. S + W is the same for all reorderings, so this is the test by S too,
    the energy test for several samples. For α = 2 it is `permanova`, and with one feature the
    analysis of variance.

    Parameters
    ----------
    x, groups
        As in `permanova`.
    exponent : float, default 1.0
        α, > 0 and at most 2.
    n_resamples, permutations, rng, nan_policy, n_threads, progress
        As in `permanova`.

    Returns
    -------
    DiscoResult
        Components, their ratio and p-value.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, all rows are equal, or powers of their distances
        underflow.
    OverflowError
        If powers of the distances are too large for their floating-point type.

    References
    ----------
    M. L. Rizzo, G. J. Székely, "DISCO analysis: a nonparametric extension of analysis of variance",
    Ann. Appl. Stat. 4 (2010) 1034–1055.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import disco
    >>> x, groups = np.arange(30.0), np.repeat([0, 1, 2], 10)
    >>> disco(x, groups, rng=0).pvalue
    0.001
    """
    alpha = _inputs.positive(exponent, "exponent")
    if alpha > 2:
        raise ValueError(f"exponent must be > 0 and <= 2; got {exponent!r}")
    kernel = metrics.powers("euclidean", alpha)
    parts = _components(
        x, groups, kernel, n_resamples, permutations, rng, nan_policy, n_threads, progress
    )
    return DiscoResult(
        statistic=parts.ratio,
        pvalue=parts.pvalue,
        null_distribution=parts.null,
        between=parts.total - parts.within,
        within=parts.within,
        total=parts.total,
        n_rows=parts.n_rows,
        n_groups=parts.n_groups,
        exponent=alpha,
        n_resamples=len(parts.null),
    )


@dataclass(frozen=True)
class _Components:
    total: float
    within: float
    ratio: float
    null: Values
    pvalue: float
    n_rows: int
    n_groups: int


def _components(
    x: object,
    groups: object,
    kernel: list[KernelGroup],
    n_resamples: object,
    permutations: object,
    rng: object,
    nan_policy: object,
    n_threads: object,
    progress: object,
) -> _Components:
    """Return what both tests consist of; `kernel` is what is summed over pairs."""
    a = _inputs.sample(x, "x")
    codes, distinct, _ = labelled_rows.read_labels(a, groups, None, None, nan_policy, "groups")
    k, n = labelled_rows.require_several(codes, distinct, "groups")
    labelled_rows.refuse_nonfinite(a, codes)
    if n < len(a):
        kept = codes >= 0
        a, codes = a[kept], codes[kept]
    orders, n_resamples = _inputs.orderings(permutations, n_resamples, rng, n, "n")
    threads, report = _inputs.threads(n_threads), reporter(progress)

    members = _members(codes, k, orders, n_resamples)
    total, within = _sums(a, members, np.bincount(codes), kernel, threads, report)
    if total < _LEAST_TOTAL:
        if isinstance(a, QuantizedRows) or (a == a[0]).all():
            raise ValueError("x must not have all rows equal: there is no variance to divide")
        raise ValueError(
            "x must not have differences so small that powers of the distances underflow; "
            "scale the data"
        )
    with np.errstate(divide="ignore"):
        ratios = (total - within) / (k - 1) / (within / (n - k))
    # F falls as the sum within rises, and the latter has no cancellation.
    at_least = int(np.count_nonzero(within[1:] <= within[0] * (1 + _inputs.TIE)))
    null = ratios[1:].copy()
    null.flags.writeable = False
    pvalue = (1 + at_least) / (1 + n_resamples)
    return _Components(total, float(within[0]), float(ratios[0]), null, pvalue, n, k)


def _members(
    codes: Codes, k: int, orders: Iterable[NDArray[Any]], n_resamples: int
) -> NDArray[np.uint8]:
    """
    Return the indicators of the groups, (1 + B, k, n): of the rows as they are, then reordered.

    Of two groups one is enough: a labelling tells the sums within both of its sides.
    """
    # Short codes: a resample costs one scatter of them and one comparison for each group.
    groups = np.arange(1 if k == 2 else k, dtype=np.min_scalar_type(k))[:, None]
    own = codes.astype(groups.dtype)
    members = np.empty((1 + n_resamples, len(groups), len(codes)), dtype=np.bool_)
    np.equal(own, groups, out=members[0])
    moved = np.empty_like(own)
    for index, order in enumerate(orders, start=1):
        moved[order] = own
        np.equal(moved, groups, out=members[index])
    return members.view(np.uint8)


def _sums(
    x: Sample,
    members: NDArray[np.uint8],
    sizes: NDArray[np.intp],
    kernel: list[KernelGroup],
    n_threads: int,
    progress: Progress | None,
) -> tuple[float, Values]:
    """Return Σ_{i<j} over all pairs, by N, and for each labelling Σ_g Σ_{i<j in g}, by n_g."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = backend.current().quad_forms(
            x, members.reshape(-1, len(x)), kernel, 1, n_threads, progress
        )[0]
        own = sums[:, :2] if len(sizes) == 2 else sums[:, 0]
        within = (own.reshape(len(members), -1) / (2.0 * sizes)).sum(axis=1)
        total = float(sums[0] @ [1.0, 1.0, 2.0]) / (2.0 * len(x))
    if not (np.isfinite(total) and np.isfinite(within).all()):
        raise OverflowError("powers of the distances overflow; scale the data")
    return total, within

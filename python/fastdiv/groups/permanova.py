"""Test groups by PERMANOVA, the permutational analysis of variance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine.results import Result
from fastdiv._sums import metrics
from fastdiv.groups.components import components


@dataclass(frozen=True, eq=False)
class PermanovaResult(Result):
    """
    Outcome of a permutational analysis of variance.

    Attributes
    ----------
    statistic : float
        Anderson's pseudo-F, the F of `permanova`, without unit. It is infinite if the rows of every
        group are equal.
    r2 : float
        Share SS_A / SS_T of the sum of squares between the groups.
    pvalue : float or None
        (1 + #{F* ≥ F}) / (1 + B), or None for B = 0.
    null_distribution : ndarray of float64, shape (B,)
        Pseudo-F of each reordering of the rows, in the order drawn. Read-only.
    ss_total, ss_within : float
        Sums of squares SS_T and SS_W, in squared units of the distance.
    n_rows, n_groups : int
        Number N of rows, and k of groups.
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
    pvalue: float | None
    null_distribution: NDArray[np.float64] = field(repr=False)
    ss_total: float
    ss_within: float
    n_rows: int
    n_groups: int
    metric: str
    n_resamples: int


@documented
def permanova(
    x: object, groups: object, *, metric: str = "euclidean",
    n_resamples: int = _inputs.DEFAULT_RESAMPLES, permutations: object = None, rng: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> PermanovaResult:  # fmt: skip
    """
    Test whether groups of rows have the same distribution, by the variance between them.

    With the distances d between all N rows, and k groups of n_g rows, the statistic is F:

        SS_T = Σ_{i<j} d²(i, j) / N,    SS_W = Σ_g Σ_{i<j in g} d²(i, j) / n_g,
        F = ((SS_T − SS_W) / (k − 1)) / (SS_W / (N − k)).

    For Euclidean distances of one feature this is the F of the analysis of variance. Under the null
    hypothesis the rows are exchangeable, so F is compared with F* of B random reorderings of them:
    p = (1 + #{F* ≥ F}) / (1 + B). The test is exact, like `mmd_test`. It detects a difference of
    location. With groups of unequal sizes it detects a difference of spread too.

    All F* come from one pass over the pairs, and the distances are never stored. Memory is one byte
    for every row, reordering and group. Two groups take one byte for every row and reordering.

    Parameters
    ----------
    x : array_like or QuantizedRows, shape (N, ...)
        Sample, as in `mmd2`. Trailing axes are flattened to d features. float32 stays float32.
    groups : array_like, shape (N,)
        One label per row: integers, text, or categories of pandas or polars, also as a frame with
        one column. There must be from 2 to N − 1 distinct labels. Where x and the labels have an
        index of pandas, they are matched by its keys.
    metric : {"euclidean", "sqeuclidean", "cityblock", "manhattan"}, default "euclidean"
        Distance d between rows: L2, its square, or L1 under two names. F has the squares of d.
    n_resamples : int, default 999
        B, the number of reorderings, from 0 to 10⁹. 0 gives the statistic alone, without a
        p-value.
    permutations : array_like of int, shape (B, N), optional
        Reorderings to use instead of random ones. Each row holds 0, 1, ..., N−1 in some order, and
        its i-th entry is the row that gets the group of row i.
    {rng}
        Equal seeds give equal bits, for any number of threads.
    {nan_policy}
        N is the number of remaining rows, also for `permutations`.
    {n_threads}
    {progress}

    Returns
    -------
    PermanovaResult
        Pseudo-F, R² and p-value.

    {Raises: powers_of_distances}

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
    name = metrics.metric_name(metric, metrics.WITH_SQUARES)
    kernel = metrics.powers(name, 4.0 if name == "sqeuclidean" else 2.0)
    parts = components(
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

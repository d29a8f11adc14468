"""Test groups by distance components."""

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
class DiscoResult(Result):
    """
    Outcome of an analysis of distance components.

    Attributes
    ----------
    statistic : float
        Ratio F of the components, without unit. It is infinite if the rows of every group are
        equal.
    pvalue : float or None
        (1 + #{F* ≥ F}) / (1 + B), or None for B = 0.
    null_distribution : ndarray of float64, shape (B,)
        F of each reordering of the rows, in the order drawn. Read-only.
    between, within, total : float
        Components S, W and T = S + W, in units of distance^exponent.
    n_rows, n_groups : int
        Number N of rows, and k of groups.
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
    pvalue: float | None
    null_distribution: NDArray[np.float64] = field(repr=False)
    between: float
    within: float
    total: float
    n_rows: int
    n_groups: int
    exponent: float
    n_resamples: int


@documented
def disco(
    x: object, groups: object, *, exponent: float = 1.0,
    n_resamples: int = _inputs.DEFAULT_RESAMPLES, permutations: object = None, rng: object = None,
    nan_policy: str = "raise", n_threads: int | None = None, progress: object = None,
) -> DiscoResult:  # fmt: skip
    """
    Test whether groups of rows have the same distribution, by distance components.

    Let g(a, b) be the mean of ‖x − y‖₂^α over the rows x of group a and y of group b. With k groups
    of n_a rows, and N rows in all, the statistic is F:

        S = Σ_{a<b} n_a n_b / (2N) (2 g(a, b) − g(a, a) − g(b, b)),    W = Σ_a n_a / 2 g(a, a),
        F = (S / (k − 1)) / (W / (N − k)).

    S is a weighted sum of the energy distances between groups, so for 0 < α < 2 the test detects
    every difference of distribution. S + W is the same for all reorderings, so S gives the same
    p-value. That is the energy test for several samples. For α = 2 the test is `permanova`, and
    with one feature the analysis of variance.

    Parameters
    ----------
    x, groups
        As in `permanova`.
    exponent : float, default 1.0
        α, which is > 0 and at most 2.
    n_resamples, permutations, rng, nan_policy, n_threads, progress
        As in `permanova`.

    Returns
    -------
    DiscoResult
        Components, their ratio, and the p-value.

    {Raises: powers_of_distances}

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
        raise ValueError(f"exponent must be > 0 and <= 2; got {_inputs.shown(exponent)}")
    kernel = metrics.powers("euclidean", alpha)
    parts = components(
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

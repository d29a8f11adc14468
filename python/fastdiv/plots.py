"""
Draw pictures of results. This needs matplotlib (``pip install 'fastdiv[plot]'``).

No function opens a window or touches the state of pyplot.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastdiv.tables.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastdiv.clusters.gap import GapStatistic
    from fastdiv.reports.clusters import ClusterReport
    from fastdiv.reports.comparison import Report

_INK = "#26323d"
_FAINT = "#8794a0"
_NULL = "#c3ccd4"
_ACCENT = "#c8553d"
_DOWN = "#3d6d9e"
_FEATURES_SHOWN = 20
_NAME_WIDTH = 32
_ELBOW_NAME_WIDTH = 16
_STYLE: Any = {  # matplotlib.typing names every key, in new versions only
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}


def require() -> None:
    """
    Import matplotlib, or fail early.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    import matplotlib.figure  # noqa: F401


def draw(report: Report) -> Figure:
    """
    Draw the null distribution with the observed value, and the shift of each feature.

    Parameters
    ----------
    report : Report
        A finished comparison.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the histogram of the permuted statistics and the observed one. Right, the
        Kolmogorov-Smirnov distances of the features that moved most, at most 20 of them. Colours
        show the direction of the mean shift, which is written at the end of each bar.
    """
    n_bars = min(len(report.features), _FEATURES_SHOWN)
    with _panels(n_bars, width_ratios=[1, 1.1]) as (figure, null, shifts):
        _draw_null(null, report)
        _draw_shifts(shifts, report)
    return figure


def gap(result: GapStatistic) -> Figure:
    """
    Draw the elbow and the gap statistic side by side.

    Parameters
    ----------
    result : GapStatistic
        From `gap_statistic`.

    Returns
    -------
    matplotlib.figure.Figure
        Left, W_k over k. Right, gap(k) with bars of s_k to both sides. The chosen k is marked in
        both.

    Examples
    --------
    >>> from fastdiv import gap_statistic, plots
    >>> cut = lambda x, k: x[:, 0].argsort().argsort() * k // len(x)
    >>> figure = plots.gap(gap_statistic([0.0, 1.0, 19.0, 20.0], cut, [1, 2], rng=0))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['W', 'gap']
    """
    with _panels() as (figure, elbow, curve):
        k = result.k_values
        elbow.plot(k, result.w_k, color=_INK, marker="o", markersize=4)
        elbow.set_ylim(0, None)
        elbow.set_ylabel("W")
        elbow.set_title("Within-cluster sum of squares")
        curve.errorbar(
            k, result.gap, result.s_k, color=_INK, ecolor=_FAINT, marker="o", markersize=4
        )
        curve.set_ylabel("gap")
        curve.set_title(
            f"Gap statistic: {result.k} cluster{'s' if result.k != 1 else ''} "
            f"({len(result.reference_w_k)} {result.reference} references)"
        )
        for axes in (elbow, curve):
            axes.axvline(result.k, color=_ACCENT, linewidth=1.5, zorder=0)
            axes.set_xlabel("number of clusters k")
            axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def clusters(report: ClusterReport) -> Figure:
    """
    Draw the clusters of a table side by side.

    Parameters
    ----------
    report : ClusterReport
        A measured table.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the WCSS of each cluster, the largest 20 of them. If the report has an elbow, left is
        the total WCSS of its labellings over their numbers of clusters. The report's is marked.
        Right, the sorted silhouettes of all rows of the same clusters. Without silhouettes, right
        is the mean distance to the centre.
    """
    dispersion = report.dispersion
    shown = np.argsort(-dispersion.wcss, kind="stable")[:_FEATURES_SHOWN]
    shown = np.sort(shown)
    names = [printable(report.names()[c], _NAME_WIDTH) for c in shown.tolist()]
    with _panels(len(shown)) as (figure, squares, right):
        if report.elbow:
            _draw_elbow(squares, report)
        else:
            _draw_bars(squares, dispersion.wcss[shown], names)
            squares.set_xlabel("sum of squared distances to the centre")
            total = len(dispersion.wcss)
            which = f": {len(shown)} of {total} clusters" if total > len(shown) else ""
            squares.set_title(f"WCSS {dispersion.total_wcss:.5g}{which}")
        if report.silhouettes is None:
            _draw_bars(right, (dispersion.sum_dist / dispersion.weights)[shown], names)
            right.set_xlabel(f"mean {dispersion.metric} distance to the centre")
            right.set_title(f"Sum of distances {dispersion.total_sum_dist:.5g}")
        else:
            _draw_silhouettes(right, report, shown.tolist(), names)
    return figure


@contextlib.contextmanager
def _panels(n_bars: int | None = None, **ratios: Any) -> Iterator[tuple[Figure, Any, Any]]:
    """Open a figure of two panels, high enough for bars, in the style of the package."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    height = 3.8 if n_bars is None else max(3.6, 1.5 + 0.27 * n_bars)
    layout = ConstrainedLayoutEngine(wspace=0.06, w_pad=0.1, h_pad=0.1)
    with rc_context(_STYLE):
        figure = Figure(figsize=(10, height), layout=layout)
        left, right = figure.subplots(1, 2, **ratios)
        yield figure, left, right


def _draw_elbow(axes: Axes, report: ClusterReport) -> None:
    k = [point.n_clusters for point in report.elbow]
    axes.plot(k, [point.total_wcss for point in report.elbow], color=_INK, marker="o", markersize=4)
    at = len(report.dispersion.labels), report.dispersion.total_wcss
    axes.plot(*at, color=_ACCENT, marker="o", markersize=8)
    for n_clusters, group in itertools.groupby(report.elbow, lambda point: point.n_clusters):
        points = list(group)  # the first of them is the highest
        axes.annotate(
            "\n".join(printable(point.column, _ELBOW_NAME_WIDTH) for point in points),
            (n_clusters, points[0].total_wcss),
            xytext=(5, 5),
            textcoords="offset points",
            color=_FAINT,
            fontsize=8.5,
        )
    axes.margins(x=0.12)
    axes.set_ylim(0, None)
    axes.set_xlabel("number of clusters")
    axes.set_ylabel("total WCSS")
    axes.locator_params(axis="x", integer=True)
    axes.set_title(
        f"Elbow: WCSS {report.dispersion.total_wcss:.5g} of {printable(report.column, _NAME_WIDTH)}"
    )


def _draw_bars(axes: Axes, values: Any, names: list[str]) -> None:
    rows = np.arange(len(names))
    axes.barh(rows, values, height=0.62, color=_DOWN, alpha=0.85)
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.locator_params(axis="x", nbins=5)


def _draw_silhouettes(
    axes: Axes, report: ClusterReport, shown: list[int], names: list[str]
) -> None:
    values = np.asarray(report.silhouettes)
    ticks, start = [], 0
    for c in shown:
        bars = np.sort(values[report.row_clusters == c])[::-1]
        axes.fill_betweenx(np.arange(start, start + len(bars)), 0, bars, color=_DOWN, step="post")
        ticks.append(start + len(bars) / 2)
        start += len(bars) + max(1, len(values) // 60)
    axes.axvline(float(values.mean()), color=_ACCENT, linewidth=2)
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("silhouette of each row")
    axes.set_title(f"Mean silhouette {values.mean():.3f}")


def save(figure: Figure, path: str) -> None:
    """
    Write a figure as PNG, whatever the suffix of the path.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From `draw`, `gap` or `clusters`.
    path : str
        The file to write.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn in its place
        figure.savefig(path, format="png", dpi=150, facecolor="white")


def _draw_null(axes: Axes, report: Report) -> None:
    result = report.result
    null = np.asarray(result.null_distribution, dtype=np.float64)
    observed = float(result.statistic)
    low, high = float(null.min()), float(null.max())
    left, right = min(low, observed), max(high, observed)
    extent = right - left or abs(left) or 1.0
    step = max((high - low) / np.clip(1.3 * np.sqrt(len(null)), 5, 60), extent / 120)
    count = max(1, int(np.ceil((high - low) / step)))
    start = (low + high - count * step) / 2
    edges = start + step * np.arange(count + 1)
    axes.hist(null, bins=list(edges), histtype="stepfilled", color=_NULL)
    axes.axvline(observed, color=_ACCENT, linewidth=2)
    axes.set_xlim(left - 0.06 * extent, right + 0.06 * extent)
    top = axes.get_ylim()[1]
    axes.set_ylim(0, 1.18 * top)
    on_right = observed < (left + right) / 2
    axes.annotate(
        f"observed\np = {report.pvalue:.3g}",
        (observed, 1.16 * top),
        xytext=(6 if on_right else -6, 0),
        textcoords="offset points",
        ha="left" if on_right else "right",
        va="top",
        color=_ACCENT,
        fontweight="bold",
        linespacing=1.3,
    )
    verdict = "The samples differ" if report.differ else "No evidence of a difference"
    axes.set_title(f"{verdict} (level {report.alpha:g})")
    axes.set_xlabel(f"MMD² under {len(null)} permutation{'s' if len(null) != 1 else ''}")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)


def _draw_shifts(axes: Axes, report: Report) -> None:
    shown = report.features[:_FEATURES_SHOWN]
    rows = np.arange(len(shown))
    ks = np.array([feature.ks for feature in shown])
    colours = [_ACCENT if feature.shift >= 0 else _DOWN for feature in shown]
    axes.barh(rows, ks, height=0.62, color=colours, alpha=0.85)
    for row, feature in enumerate(shown):
        axes.annotate(
            f"{feature.shift:+.2f} SD".replace("-", "\N{MINUS SIGN}"),
            (feature.ks, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_yticks(rows, [printable(feature.name, _NAME_WIDTH) for feature in shown])
    axes.tick_params(axis="y", length=0)
    middle, half = (len(shown) - 1) / 2, max(len(shown), 3) / 2 + 0.1
    axes.set_ylim(middle + half, middle - half)
    axes.set_xlim(0, max(1.22 * float(ks.max()), 0.05))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Kolmogorov-Smirnov distance; label: shift of the mean")
    total = len(report.features)
    which = f": {len(shown)} of {total} features" if total > len(shown) else ""
    axes.set_title(f"What moved most{which}")

"""
Report the objectives of a clustered table as text and as a JSON object.

`fastdiv.cli.wcss` fills in a `ClusterReport`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastdiv.clusters.dispersion import ClusterDispersion
from fastdiv.reports.lines import labelled, number_of, rows_of
from fastdiv.tables.columns import describe_left_out
from fastdiv.tables.names import printable

Vector = npt.NDArray[np.float64]

_CLUSTERS_SHOWN = 50
_NAME_WIDTH = 24
_NUMBER_WIDTH = 12


class ElbowPoint(NamedTuple):
    """
    One labelling of the rows.

    Attributes
    ----------
    column : str
        The column of its labels.
    n_clusters : int
        Number of different labels.
    total_wcss : float
        `ClusterDispersion.total_wcss`.
    """

    column: str
    n_clusters: int
    total_wcss: float


@dataclass(frozen=True, eq=False)
class ClusterReport:
    """
    The measures of a clustered table.

    Attributes
    ----------
    data : str
        The file.
    column : str
        The column of the labels.
    n_features : int
        Columns measured.
    dispersion : ClusterDispersion
        From `cluster_dispersion`.
    centers : str
        "mean" or "geometric_median".
    silhouettes : ndarray of float64, shape (n,), or None
        Silhouettes of the rows that are not noise; None if they were not computed.
    row_clusters : ndarray of int64, shape (n,)
        Clusters of these rows, as places in `dispersion.labels`.
    standardized : bool
        Whether the features were scaled.
    left_out : mapping of str to str
        Columns that are not measured, and why.
    omitted, noise : int
        Rows dropped because of missing values, and rows that are noise.
    elbow : tuple of ElbowPoint
        Labellings of these rows with that of `column`, by their number of clusters; empty
        if there is only one.
    """

    data: str
    column: str
    n_features: int
    dispersion: ClusterDispersion
    centers: str
    silhouettes: Vector | None
    row_clusters: npt.NDArray[np.int64]
    standardized: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    omitted: int = 0
    noise: int = 0
    elbow: tuple[ElbowPoint, ...] = ()

    def names(self) -> list[str]:
        """Return the labels as text, in the order of `dispersion.labels`."""
        return [str(label) for label in self.dispersion.labels.tolist()]

    def columns(self) -> dict[str, Vector]:
        """Return the numbers per cluster that were computed, by heading."""
        d = self.dispersion
        columns = {"WCSS": d.wcss, "MSE": d.mse, "sum of dist.": d.sum_dist}
        if d.pair_sum_sq is not None and d.pair_sum is not None:
            columns |= {"pairs, sq.": d.pair_sum_sq, "pairs": d.pair_sum}
        if self.silhouettes is not None:
            sums = np.bincount(self.row_clusters, self.silhouettes, len(d.sizes))
            columns["silhouette"] = sums / d.sizes
        return columns

    def to_text(self) -> str:
        """Render the report as a table for a person."""
        d = self.dispersion
        noise = f", {number_of(self.noise, 'row')} of noise left out" if self.noise else ""
        about = "means" if self.centers == "mean" else "geometric medians"
        rows = number_of(int(d.sizes.sum()) + self.noise, "row")
        scaled = ", standardised" if self.standardized else ""
        head = labelled(
            ("data", rows_of(self.data, rows, self.omitted)),
            ("features", f"{self.n_features}{scaled}"),
            *([("left out", describe_left_out(self.left_out))] if self.left_out else []),
            ("labels", f"{printable(self.column)}: {number_of(len(d.labels), 'cluster')}{noise}"),
            ("centers", f"{about}; distances {d.metric}"),
        )
        columns = self.columns()
        names = [printable(name, _NAME_WIDTH) for name in self.names()[:_CLUSTERS_SHOWN]]
        width = max(map(len, ["cluster", "total", *names]))
        lines = [_line(width, "cluster", "rows", list(columns))]
        for c, name in enumerate(names):
            numbers = [f"{values[c]:.6g}" for values in columns.values()]
            lines.append(_line(width, name, str(d.sizes[c]), numbers))
        more = len(d.labels) - len(names)
        lines += [f"and {more} more"] if more else []
        numbers = [f"{value:.6g}" for value in self.totals().values()]
        lines.append(_line(width, "total", str(d.sizes.sum()), numbers))
        return "\n".join(
            [
                head,
                "",
                *lines,
                "",
                f"between clusters {d.bcss:.6g}, about the grand mean {d.total_ss:.6g}",
                "",
                "WCSS = sum of squared distances to the center; MSE = WCSS / rows; sum of dist. =",
                'unsquared, which many papers print as "MSE"; pairs = sums over pairs of rows of a',
                "cluster, squared (sq.) and not.",
                "",
            ]
        )

    def totals(self) -> dict[str, float]:
        """Return the last line of the table, by heading: sums over clusters or means over rows."""
        totals = {name: float(values.sum()) for name, values in self.columns().items()}
        totals["MSE"] = self.dispersion.total_mse
        if self.silhouettes is not None:
            totals["silhouette"] = float(self.silhouettes.mean())
        return totals

    def to_json(self) -> dict[str, Any]:
        """
        Render the report as an object that `json.dumps` accepts.

        The fields of `ClusterDispersion` keep their names. `silhouettes` are the means of the
        clusters. Labels that are neither numbers, booleans nor text become text.
        """
        d = self.dispersion

        def listed(values: Vector | None) -> list[float] | None:
            return None if values is None else values.tolist()

        return {
            "labels": [
                label if isinstance(label, bool | int | float | str) else str(label)
                for label in d.labels.tolist()
            ],
            "sizes": d.sizes.tolist(),
            "wcss": listed(d.wcss),
            "mse": listed(d.mse),
            "sum_dist": listed(d.sum_dist),
            "pair_sum_sq": listed(d.pair_sum_sq),
            "pair_sum": listed(d.pair_sum),
            "silhouettes": listed(self.columns().get("silhouette")),
            "silhouette_score": self.totals().get("silhouette"),
            "centers": d.centers.tolist(),
            "total_wcss": d.total_wcss,
            "total_mse": d.total_mse,
            "total_sum_dist": d.total_sum_dist,
            "bcss": d.bcss,
            "total_ss": d.total_ss,
            "elbow": [point._asdict() for point in self.elbow] or None,
            "metric": d.metric,
            "center_kind": self.centers,
            "data": self.data,
            "label_column": self.column,
            "standardized": self.standardized,
            "omitted": self.omitted,
            "noise": self.noise,
            "left_out": dict(self.left_out),
        }


def _line(width: int, name: str, rows: str, numbers: list[str]) -> str:
    return "  ".join([f"{name:<{width}}  {rows:>7}", *(f"{n:>{_NUMBER_WIDTH}}" for n in numbers)])

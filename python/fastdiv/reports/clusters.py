"""What a clustered table looks like: the objectives per cluster, as text and as a JSON object.

`_cli_wcss` fills in a `ClusterReport`; everything here works on plain NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import fastdiv
from fastdiv.clusters.dispersion import ClusterDispersion
from fastdiv.tables.columns import describe_left_out
from fastdiv.tables.names import printable

Vector = npt.NDArray[np.float64]

_CLUSTERS_SHOWN = 50
_NAME_WIDTH = 24
_NUMBER_WIDTH = 12


class ElbowPoint(NamedTuple):
    """One labelling of the rows.

    Attributes
    ----------
    column : str
        The column of its labels.
    n_clusters : int
        How many of them are different.
    total_wcss : float
        `ClusterDispersion.total_wcss`.
    """

    column: str
    n_clusters: int
    total_wcss: float


@dataclass(frozen=True, eq=False)
class ClusterReport:
    """A clustered table, measured.

    Attributes
    ----------
    data : str
        The file.
    column : str
        The column of the labels.
    n_features : int
        Columns measured.
    dispersion : ClusterDispersion
        What `cluster_dispersion` returned.
    centers : str
        "mean" or "geometric_median".
    silhouettes : ndarray of float64, shape (n,), or None
        Of the rows with a label other than noise; None if they were not computed.
    rows_of : ndarray of int64, shape (n,)
        Place of each of these rows' label in `dispersion.labels`.
    standardized : bool
        Whether the features were scaled.
    left_out : mapping of str to str
        Columns that are not measured, and why.
    omitted, noise : int
        Rows dropped because of missing values, and rows that are noise.
    elbow : tuple of ElbowPoint
        Several labellings of these rows, that of `column` among them, by their number of
        clusters; empty if there is only one.
    """

    data: str
    column: str
    n_features: int
    dispersion: ClusterDispersion
    centers: str
    silhouettes: Vector | None
    rows_of: npt.NDArray[np.int64]
    standardized: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    omitted: int = 0
    noise: int = 0
    elbow: tuple[ElbowPoint, ...] = ()

    def names(self) -> list[str]:
        """Return the labels as text.

        Returns
        -------
        list of str
            In the order of `dispersion.labels`.
        """
        return [str(label) for label in self.dispersion.labels.tolist()]

    def columns(self) -> dict[str, Vector]:
        """Return what the table shows per cluster.

        Returns
        -------
        dict of str to ndarray, shape (k,)
            Numbers by heading, without those that were not computed.
        """
        d = self.dispersion
        found = {"WCSS": d.wcss, "MSE": d.mse, "sum of dist.": d.sum_dist}
        if d.pair_sum_sq is not None and d.pair_sum is not None:
            found |= {"pairs, sq.": d.pair_sum_sq, "pairs": d.pair_sum}
        if self.silhouettes is not None:
            sums = np.bincount(self.rows_of, self.silhouettes, len(d.sizes))
            found["silhouette"] = sums / d.sizes
        return found

    def to_text(self) -> str:
        """Render the report as a table for a person.

        Returns
        -------
        str
            Lines of text ending with a newline.
        """
        d = self.dispersion
        dropped = f" ({self.omitted} with missing values dropped)" if self.omitted else ""
        noise = f", {_counted(self.noise, 'row')} of noise left out" if self.noise else ""
        about = "means" if self.centers == "mean" else "geometric medians"
        rows = int(d.sizes.sum()) + self.noise
        scaled = ", standardised" if self.standardized else ""
        head = [
            ("data", f"{printable(self.data)}: {_counted(rows, 'row')}{dropped}"),
            ("features", f"{self.n_features}{scaled}"),
            *([("left out", describe_left_out(self.left_out))] if self.left_out else []),
            ("labels", f"{printable(self.column)}: {_counted(len(d.labels), 'cluster')}{noise}"),
            ("centers", f"{about}; distances {d.metric}"),
        ]
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
                *(f"{label:<10} {text}" for label, text in head),
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
        """Return the last line of the table.

        Returns
        -------
        dict of str to float
            By heading as in `columns`; of the silhouettes the mean over the rows.
        """
        found = {name: float(values.sum()) for name, values in self.columns().items()}
        found["MSE"] = self.dispersion.total_mse
        if self.silhouettes is not None:
            found["silhouette"] = float(self.silhouettes.mean())
        return found

    def to_json(self) -> dict[str, Any]:
        """Render the report as an object that `json.dumps` accepts.

        Returns
        -------
        dict
            The fields of `ClusterDispersion` under their own names, `silhouettes` (the mean of
            each cluster), `silhouette_score` and `elbow`, None if not computed, then the set-up.
            Labels that are neither numbers, booleans nor text are told as text.
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


def silhouettes_of_rows(
    x: npt.NDArray[Any], codes: npt.NDArray[np.int64], metric: str, n_threads: int | None
) -> Vector | None:
    """Return the silhouette of each row; None where it is not defined.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Rows.
    codes : ndarray of int64, shape (n,)
        Their clusters.
    metric : str
        As in `cluster_dispersion`.
    n_threads : int or None
        Number of threads.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        None for one cluster, or as many as rows.
    """
    if not 2 <= len(np.unique(codes)) < len(codes):
        return None
    return fastdiv.silhouette_samples(x, codes, metric=metric, n_threads=n_threads)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _line(width: int, name: str, rows: str, numbers: list[str]) -> str:
    return "  ".join([f"{name:<{width}}  {rows:>7}", *(f"{n:>{_NUMBER_WIDTH}}" for n in numbers)])

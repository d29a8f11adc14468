"""
Run ``fastdiv wcss``: measure the dispersion within the clusters of a table.

Data go through `_complete_rows`, the removal of noise, `cluster_dispersion`, silhouettes and
`_elbow` into a `ClusterReport`, which becomes text, JSON and a picture.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import fastdiv
from fastdiv import _inputs
from fastdiv._sums.metrics import METRICS
from fastdiv.cli.command import (
    UsageError,
    add_columns,
    add_command,
    add_outputs,
    add_threads,
    argument,
    as_number,
    deliver,
    in_option_words,
    open_tables,
    tell_notices,
)
from fastdiv.cli.samples import complete_rows, standardize
from fastdiv.clusters.dispersion import ClusterDispersion
from fastdiv.reports import clusters
from fastdiv.tables.columns import any_column, choose_columns
from fastdiv.tables.names import parse_names, printable
from fastdiv.tables.table import Matrix, Table

_EPILOG = """\
labels:
  Integers, text, booleans, dates or categories. A row without one has a missing value; in a .csv
  file that is an empty cell, NA, NaN, null and the like.

with --json - the table goes to standard error.

examples:
  fastdiv wcss iris.csv --labels species
  fastdiv wcss points.parquet --labels cluster --noise -1 --no-pairs --json result.json
  fastdiv wcss points.csv --labels k3 --elbow k2,k4,k5 --plot elbow.png
"""


def add_to(commands: Any) -> None:
    """Add ``fastdiv wcss`` to the commands."""
    parser = add_command(
        commands,
        "wcss",
        _wcss,
        help="measure the dispersion within the clusters of a table",
        description=(
            "Measure the dispersion within the clusters of a table by every objective that goes\n"
            "by such a name: within-cluster sum of squares (WCSS), MSE, the sum of distances to\n"
            "the centers, sums over pairs, and silhouettes."
        ),
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("data", metavar="DATA", help="table with the labels: .npy .npz .csv .parquet")

    data = parser.add_argument_group("data")
    add = data.add_argument
    add("--labels", metavar="COLUMN", required=True, help="column that holds the cluster of a row")
    add("--noise", metavar="LABEL", help="label of rows to leave out, for example -1")
    add_columns(
        data,
        "measure these columns (default: every numeric column but the labels)",
        "scale each column to mean 0 and deviation 1 over the rows that are not noise",
    )

    measure = parser.add_argument_group("measure")
    add = measure.add_argument
    add(
        "--centers",
        choices=["mean", "geometric_median"],
        default="mean",
        help="measure from the means (the default) or the geometric medians",
    )
    add(
        "--metric",
        choices=METRICS,
        default="euclidean",
        help="of distances that are not squared (default: euclidean; cityblock is manhattan)",
    )
    add(
        "--no-pairs",
        action="store_true",
        help="leave out the sums over pairs and the silhouettes, which take O(n^2) time",
    )
    add_threads(measure)

    output = add_outputs(parser, "draw WCSS per cluster or the elbow, and silhouettes or distances")
    output.add_argument(
        "--elbow",
        metavar="NAME,...",
        type=argument(parse_names),
        default=(),
        help="columns with other labels of the rows: draw total WCSS over the number of clusters",
    )


def _wcss(args: argparse.Namespace) -> int:
    _check_elbow(args)
    (table,) = open_tables(args, args.data)
    tell_notices(table)
    columns = {args.labels: any_column(table, args.labels, "--labels")}
    columns |= {name: any_column(table, name, "--elbow") for name in args.elbow}
    names, left_out = _measured_columns(table, args)
    x, columns = _complete_rows(table, names, columns, args.nan_policy)
    n_complete, labels = len(x), columns[args.labels]
    words = {"labels must": f"--labels: {args.labels} must"}
    with in_option_words(words):
        noise = None if args.noise is None else _noise_label(labels, args)
        codes, _ = _inputs.row_labels.codes(labels, "labels", n_complete, noise)
        counted = codes >= 0
        if not counted.all():
            x, codes = x[counted], codes[counted]
            columns = {name: column[counted] for name, column in columns.items()}
        if args.standardize:
            (x,) = standardize({"DATA": x}, names)
        dispersion = fastdiv.cluster_dispersion(
            x,
            columns[args.labels],
            centers=args.centers,
            metric=args.metric,
            pairs=not args.no_pairs,
            n_threads=args.threads,
        )
        silhouettes = None if args.no_pairs else _silhouettes(x, codes, args)
    report = clusters.ClusterReport(
        data=args.data,
        column=args.labels,
        n_features=len(names),
        dispersion=dispersion,
        centers=args.centers,
        silhouettes=silhouettes,
        row_clusters=codes,
        standardized=args.standardize,
        left_out=left_out,
        omitted=table.n_rows - n_complete,
        noise=n_complete - len(x),
        elbow=_elbow(x, columns, dispersion, args) if args.elbow else (),
    )
    deliver(report, args, lambda plots: plots.clusters(report))
    return 0


def _check_elbow(args: argparse.Namespace) -> None:
    if args.elbow and not (args.plot or args.json):
        raise UsageError("--elbow needs --plot or --json: the table has no elbow")
    if args.labels in args.elbow:
        raise UsageError(f"--elbow: {args.labels} is the column of --labels, which is drawn anyway")


def _complete_rows(
    table: Table, names: tuple[str, ...], columns: dict[str, Matrix], nan_policy: str
) -> tuple[Matrix, dict[str, Matrix]]:
    """Load the features, and refuse or drop rows with a missing value or label."""
    labelled = np.ones(table.n_rows, bool)
    for name, column in columns.items():
        absent = _inputs.row_labels.missing(column)
        if absent.any() and nan_policy == "raise":
            raise UsageError(
                f"{table.path} has missing labels in {np.count_nonzero(absent)} of {table.n_rows} "
                f"rows ({printable(name)}); use --nan-policy omit to drop these rows"
            )
        labelled &= ~absent
    (x,), (keep,) = complete_rows((table,), names, nan_policy)
    if labelled.all():
        return x, {name: column[keep] for name, column in columns.items()}
    if not (keep & labelled).any():
        raise UsageError(f"{table.path}: every row has a missing value or label")
    return x[labelled[keep]], {name: column[keep & labelled] for name, column in columns.items()}


def _elbow(
    x: Matrix, columns: dict[str, Matrix], measured: ClusterDispersion, args: argparse.Namespace
) -> tuple[clusters.ElbowPoint, ...]:
    """Measure the other labellings of the rows like the first, and sort all."""
    points = []
    for name, labels in columns.items():
        dispersion = measured
        if name != args.labels:
            with in_option_words({"labels must": f"--elbow: {name} must"}):
                if args.noise is not None and _written(labels, args.noise):
                    raise UsageError(
                        f"--elbow: {name} has the noise label {args.noise!r} in rows that are no "
                        f"noise in {args.labels}"
                    )
                dispersion = fastdiv.cluster_dispersion(
                    x, labels, centers=args.centers, n_threads=args.threads
                )
        points.append(clusters.ElbowPoint(name, len(dispersion.labels), dispersion.total_wcss))
    return tuple(sorted(points, key=lambda point: (point.n_clusters, -point.total_wcss)))


def _silhouettes(x: Matrix, codes: Matrix, args: argparse.Namespace) -> Matrix | None:
    """Return the silhouette of each row, or None for one cluster or as many clusters as rows."""
    if not 2 <= len(np.unique(codes)) < len(codes):
        return None
    return fastdiv.silhouette_samples(x, codes, metric=args.metric, n_threads=args.threads)


def _measured_columns(
    table: Table, args: argparse.Namespace
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the columns to measure, without labels."""
    labels = (args.labels, *args.elbow)
    if args.columns is not None:
        for name in labels:
            if name in args.columns:
                raise UsageError(f"--columns: {name} holds labels")
        return choose_columns(table, table, args.columns)
    names = tuple(name for name in table.names if name not in labels)
    left_out = {name: why for name, why in table.unusable.items() if name not in labels}
    if not names:
        raise UsageError(f"{table.path} has no numeric column besides the labels")
    return names, left_out


def _noise_label(labels: Matrix, args: argparse.Namespace) -> Any:
    for label in _written(labels, args.noise):
        return label
    raise UsageError(f"--noise: no row has the label {args.noise!r}")


def _written(labels: Matrix, text: str) -> list[Any]:
    """Return the labels that a text writes."""
    number = as_number(text)
    return [
        label
        for label in np.unique(labels).tolist()
        if str(label) == text or (isinstance(label, int | float) and label == number)
    ]

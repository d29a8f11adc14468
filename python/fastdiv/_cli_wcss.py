"""``fastdiv wcss``: measure the dispersion within the clusters of a table.

The way of the data: labels and columns of the table, rows with missing values refused or dropped,
`cluster_dispersion`, silhouettes, then a `cluster_report.ClusterReport` as text, JSON and picture.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import fastdiv
from fastdiv import _labels
from fastdiv import cluster_report as clusters
from fastdiv._cli_command import (
    UsageError,
    add_columns,
    add_command,
    add_outputs,
    add_threads,
    as_number,
    deliver,
    in_option_words,
    open_tables,
    tell_notices,
)
from fastdiv._cli_samples import complete_rows, standardize
from fastdiv._tables import Matrix, Table, choose_columns

_EPILOG = """\
labels:
  Integers, text, booleans, dates or categories; every row needs one.

with --json - the table goes to standard error.

examples:
  fastdiv wcss iris.csv --labels species
  fastdiv wcss points.parquet --labels cluster --noise -1 --no-pairs --json result.json
"""


def add_to(commands: Any) -> None:
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
        "scale each column to mean 0 and deviation 1",
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
        choices=["euclidean", "manhattan"],
        default="euclidean",
        help="of the distances that are not squared (default: euclidean)",
    )
    add(
        "--no-pairs",
        action="store_true",
        help="leave out the sums over pairs and the silhouettes, which take O(n^2) time",
    )
    add_threads(measure)

    add_outputs(parser, "draw WCSS per cluster, and distances or silhouettes")


def _wcss(args: argparse.Namespace) -> int:
    (table,) = open_tables(args, args.data)
    tell_notices(table)
    labels = table.column(args.labels, "--labels")
    names, left_out = _measured_columns(table, args)
    (x,), (keep,) = complete_rows((table,), names, args.nan_policy)
    labels = labels[keep]
    if args.standardize:
        (x,) = standardize({"DATA": x}, names)
    words = {"labels must": f"--labels: {args.labels} must"}
    with in_option_words(words):
        noise = None if args.noise is None else _noise_label(labels, args)
        kept, _ = _labels.codes(labels, "labels", len(x), noise)
        codes = kept[kept >= 0]
        rows = x if len(codes) == len(x) else x[kept >= 0]
        found = fastdiv.cluster_dispersion(
            x,
            labels,
            noise_label=noise,
            centers=args.centers,
            metric=args.metric,
            pairs=not args.no_pairs,
            n_threads=args.threads,
        )
        of_rows = None
        if not args.no_pairs:
            of_rows = clusters.silhouettes(rows, codes, args.metric, args.threads)
    report = clusters.ClusterReport(
        data=args.data,
        column=args.labels,
        n_features=len(names),
        dispersion=found,
        centers=args.centers,
        silhouettes=of_rows,
        rows_of=codes,
        standardized=args.standardize,
        left_out=left_out,
        omitted=table.n_rows - len(x),
        noise=len(x) - len(codes),
    )
    deliver(report, args, lambda plots: plots.clusters(report))
    return 0


def _measured_columns(
    table: Table, args: argparse.Namespace
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the columns to measure: the labels are not among them."""
    if args.columns is not None:
        if args.labels in args.columns:
            raise UsageError(f"--columns: {args.labels} holds the labels")
        return choose_columns(table, table, args.columns)
    names = tuple(name for name in table.names if name != args.labels)
    left_out = {name: why for name, why in table.unusable.items() if name != args.labels}
    if not names:
        raise UsageError(f"{table.path} has no numeric column besides the labels")
    return names, left_out


def _noise_label(labels: Matrix, args: argparse.Namespace) -> Any:
    """Return the label that is written like this."""
    number = as_number(args.noise)
    for label in np.unique(labels).tolist():
        if str(label) == args.noise or (isinstance(label, int | float) and label == number):
            return label
    raise UsageError(f"--noise: no row has the label {args.noise!r}")

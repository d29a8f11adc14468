"""
Run ``fastdiv compare``: test whether two tables come from the same distribution.

Data go through `choose_columns`, `complete_rows`, `mmd_test` and `feature_shifts` into a `Report`,
which becomes text, JSON and a picture.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import fastdiv
from fastdiv import _inputs, kernels
from fastdiv.cli import plan
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
    notice,
    open_tables,
    tell_notices,
    whole,
)
from fastdiv.cli.samples import complete_rows, standardize
from fastdiv.reports.comparison import Report, Samples
from fastdiv.reports.shifts import feature_shifts
from fastdiv.tables.columns import choose_columns
from fastdiv.tables.table import Matrix, Table

EXIT_DIFFERENT = 1

_LONG_RUN = 1.0  # predicted seconds from which the cost is printed
_FEW_ROWS = 40  # reference rows below which a standardised test has a higher level: see _EPILOG
_KERNELS: dict[str, type] = {
    "rbf": kernels.RBF,
    "laplacian": kernels.Laplacian,
    "matern": kernels.Matern,
    "rational-quadratic": kernels.RationalQuadratic,
    "inverse-multiquadric": kernels.InverseMultiquadric,
    "polynomial": kernels.Polynomial,
    "linear": kernels.Linear,
    "energy": kernels.Energy,
}
_IN_OPTIONS = {
    "bandwidth='median' is zero": "the median bandwidth is zero",
    "pass a positive bandwidth, for example RBF(bandwidth=1.0)": "choose a --bandwidth",
    "scale the data or pass a bandwidth": "use --standardize or choose a --bandwidth",
    "pass float64": "store them as float64",
}

_EPILOG = """\
kernels (sigma is --bandwidth):
  rbf                    exp(-|x-y|^2 / (2 sigma^2))
  laplacian              exp(-|x-y|_1 / sigma)
  matern:nu=0.5          nu = 0.5, 1.5 or 2.5
  rational-quadratic:alpha=1
  inverse-multiquadric:c=1
  polynomial:degree=3,gamma=0.1,coef0=1
  linear                 equal means
  energy:exponent=1      the energy distance

columns:
  Integers, floats and decimals are numeric. Booleans, dates, text, a pandas index and columns
  without a name are left out, and named in the report. The first line of a .csv file holds the
  names; whole numbers will do, with a note. The columns of one NumPy array are 0, 1, 2 and so on;
  in an .npz of several arrays they are NAME for a vector and NAME.0, NAME.1 and so on for a matrix.

validity:
  The p-value is exact for any number of rows. With --standardize the scale depends on which rows
  are the reference, and the p-value is approximate: at level 0.05 about 0.10, 0.07 and 0.05 of
  equal samples are found different with 10, 30 and 50 reference rows.

with --json - the table goes to standard error.

examples:
  fastdiv compare train.parquet today.parquet --standardize
  fastdiv compare a.npy b.npy --kernel laplacian --resamples 9999 --json result.json
  fastdiv compare last.csv new.csv --columns age,income --nan-policy omit --exit-code
"""


def add_to(commands: Any) -> None:
    """Add ``fastdiv compare`` to the commands."""
    parser = add_command(
        commands,
        "compare",
        _compare,
        help="test whether two tables come from the same distribution",
        description=(
            "Test whether the rows of two tables come from the same distribution: the maximum\n"
            "mean discrepancy (MMD) with a permutation p-value, and the features that moved most."
        ),
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("reference", metavar="REFERENCE", help="table to compare with: .npy .npz .csv .parquet")
    add("current", metavar="CURRENT", help="table that may have changed; formats may differ")

    data = parser.add_argument_group("data")
    add_columns(
        data,
        "compare these columns (default: every numeric column that both tables have)",
        "scale each column by the mean and standard deviation of REFERENCE",
    )

    test = parser.add_argument_group("test")
    add = test.add_argument
    add(
        "--kernel",
        metavar="NAME[:KEY=VALUE,...]",
        type=argument(_parse_kernel),
        default="rbf",
        help="kernel and its parameters, see below (default: rbf)",
    )
    add(
        "--bandwidth",
        metavar="median|NUMBER",
        type=argument(_parse_bandwidth),
        help="length scale sigma (default: the median distance between pooled rows)",
    )
    add(
        "--estimator",
        choices=["unbiased", "biased", "paired"],
        default="unbiased",
        help="estimator of the squared MMD (default: unbiased)",
    )
    add(
        "--resamples",
        metavar="B",
        type=argument(whole(1, _inputs.MAX_RESAMPLES)),
        default=999,
        help="number of permutations (default: 999)",
    )
    add(
        "--seed",
        metavar="SEED",
        type=argument(whole(0)),
        default=0,
        help="seed of the permutations (default: 0, so that a run can be repeated)",
    )
    add(
        "--alpha",
        metavar="LEVEL",
        type=argument(_parse_alpha),
        default=0.05,
        help="the samples differ if p <= LEVEL (default: 0.05)",
    )
    add_threads(test)

    output = add_outputs(parser, "draw the null distribution and the shifts")
    output.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 1 if the samples differ (an error is always 2)",
    )


def _parse_alpha(text: str) -> float:
    alpha = as_number(text)
    if alpha is None or not 0 < alpha < 1:
        raise ValueError(f"must be a number between 0 and 1, got {text!r}")
    return alpha


def _parse_bandwidth(text: str) -> float | str:
    sigma = as_number(text)
    if text == "median":
        return text
    if sigma is None or not 0 < sigma < np.inf:
        raise ValueError(f"must be 'median' or a positive number, got {text!r}")
    return sigma


def _parse_kernel(text: str) -> Any:
    name, _, parameters = text.partition(":")
    if name not in _KERNELS:
        raise ValueError(f"unknown kernel {name!r}; choose from {', '.join(_KERNELS)}")
    kernel = _KERNELS[name]
    known = [f.name for f in dataclasses.fields(kernel) if f.name != "bandwidth"]
    params: dict[str, float] = {}
    for item in parameters.split(",") if parameters else []:
        key, _, value = item.partition("=")
        number = as_number(value)
        if key not in known:
            takes = ", ".join(known) if known else "none besides --bandwidth"
            raise ValueError(f"kernel {name} has no parameter {key!r}; it takes: {takes}")
        if number is None:
            raise ValueError(f"{item!r}: {key} must be a number")
        params[key] = int(number) if number.is_integer() else number
    missing = [
        f.name
        for f in dataclasses.fields(kernel)
        if f.default is dataclasses.MISSING and f.name not in params
    ]
    if missing:
        raise ValueError(f"kernel {name} needs {name}:{missing[0]}=NUMBER")
    return kernel(**params)


def _with_bandwidth(kernel: Any, bandwidth: float | str | None) -> Any:
    if bandwidth is None:
        return kernel
    if not hasattr(kernel, "bandwidth"):
        raise UsageError(f"--bandwidth: the {type(kernel).__name__} kernel has none")
    return dataclasses.replace(kernel, bandwidth=bandwidth)


def _compare(args: argparse.Namespace) -> int:
    kernel = _with_bandwidth(args.kernel, args.bandwidth)
    reference, current = open_tables(args, args.reference, args.current)
    names, left_out = choose_columns(reference, current, args.columns)
    tell_notices(reference, current)
    (raw_x, raw_y), _ = complete_rows(
        (reference, current), names, args.nan_policy, paired=args.estimator == "paired"
    )
    _check_rows(reference, current, len(raw_x), len(raw_y), args.estimator)
    x, y = _standardize(raw_x, raw_y, names) if args.standardize else (raw_x, raw_y)
    samples = Samples(
        reference=args.reference,
        current=args.current,
        n_x=len(x),
        n_y=len(y),
        n_features=len(names),
        standardized=args.standardize,
        left_out=left_out,
        omitted_reference=reference.n_rows - len(raw_x),
        omitted_current=current.n_rows - len(raw_y),
    )
    report = Report(
        samples=samples,
        result=_test(x, y, kernel, samples, args),
        features=feature_shifts(raw_x, raw_y, names),
        alpha=args.alpha,
        seed=args.seed,
        bandwidth_rule="median" if getattr(kernel, "bandwidth", None) == "median" else "",
    )
    deliver(report, args, lambda plots: plots.draw(report))
    return EXIT_DIFFERENT if args.exit_code and report.differ else 0


def _check_rows(reference: Table, current: Table, n: int, m: int, estimator: str) -> None:
    least = _inputs.least_rows(estimator)
    for table, rows in ((reference, n), (current, m)):
        if rows < least:
            raise UsageError(
                f"{table.path} has {rows} usable row; the {estimator} estimator needs {least}"
            )
    if estimator == "paired" and n != m:
        raise UsageError(f"--estimator paired needs samples of equal size, got {n} and {m} rows")


def _standardize(x: Matrix, y: Matrix, names: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Scale both samples by the mean and standard deviation of the first."""
    if len(x) < 2:
        raise UsageError("--standardize needs at least 2 rows in REFERENCE")
    x, y = standardize({"REFERENCE": x, "CURRENT": y}, names)
    if len(x) < _FEW_ROWS:
        notice(
            f"note: scaled by only {len(x)} reference rows, the p-value is approximate and tends "
            "to be too small"
        )
    return x, y


def _test(x: Matrix, y: Matrix, kernel: Any, samples: Samples, args: argparse.Namespace) -> Any:
    """Run the test. Before a long run, print the samples and the cost on standard error."""
    smallest = 1 / (args.resamples + 1)
    if smallest > args.alpha:
        notice(
            f"with {args.resamples} permutations no p-value can be below {smallest:.3g}; "
            "use more --resamples"
        )
    options: dict[str, Any] = {
        "estimator": args.estimator,
        "n_resamples": args.resamples,
        "n_threads": args.threads,
    }
    with in_option_words(_IN_OPTIONS):
        cost = plan.predict(x, y, kernel, **options)
        if cost.seconds >= _LONG_RUN:
            notice(f"{samples.to_text()}\nplan       {cost}")
        progress = cost.seconds >= _LONG_RUN and sys.stderr.isatty()
        return fastdiv.mmd_test(x, y, kernel, rng=args.seed, progress=progress, **options)

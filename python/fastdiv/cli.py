"""The command line: ``fastdiv compare``, ``fastdiv wcss`` and ``fastdiv info``.

The way of the data in ``compare``: `_tables.read_table` twice, `_tables.choose_columns`, rows with
missing values refused or dropped, `mmd_test`, `report.feature_shifts`, then a `report.Report` as
text, JSON and picture. In ``wcss``: `_tables.read_table`, `cluster_dispersion`, silhouettes, then a
`cluster_report.ClusterReport`. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TextIO

import numpy as np

import fastdiv
from fastdiv import _backend, _inputs, _labels, _plan, kernels
from fastdiv import cluster_report as clusters
from fastdiv._tables import (
    Matrix,
    Table,
    TableError,
    choose_columns,
    parse_names,
    printable,
    read_table,
    row_blocks,
)
from fastdiv.report import Report, Samples, feature_shifts, mean_and_sd

EXIT_DIFFERENT = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141

_LONG_RUN = 1.0  # seconds from which the predicted cost is printed
_FEW_ROWS = 40  # fewer reference rows than this disturb the level of a standardised test
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
_ASCII = str.maketrans({"²": "^2", "≤": "<=", "…": "...", "∞": "inf"})


class UsageError(ValueError):
    """A command that cannot be carried out; the message is meant for the user."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program name; `sys.argv` by default.

    Returns
    -------
    int
        0; 1 if ``--exit-code`` was given and the samples differ; 2 after an error, told in one
        line on standard error; 130 after Ctrl-C.

    Examples
    --------
    >>> main(["compare", "missing.npy", "missing.npy"])
    2
    """
    with _open_streams():
        try:
            return _run(argv)
        except Exception as error:  # left to Python it would exit with 1: "the samples differ"
            if os.environ.get("FASTDIV_TRACEBACK"):
                traceback.print_exc()
            return _fail(f"please report this bug: {type(error).__name__}: {error}")


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = _parser().parse_args(argv)
        _check_installation()
        status: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if sys.stderr.isatty():  # end the line of the progress bar
            print(file=sys.stderr)
        return _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _discard(sys.stdout)
        return EXIT_PIPE_CLOSED
    except (UsageError, TableError) as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"not enough memory: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    return status


@contextlib.contextmanager
def _open_streams() -> Iterator[None]:
    """Stand in for a standard stream that the caller has closed, which Python makes None."""
    with contextlib.ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                stack.callback(setattr, sys, name, None)
                setattr(sys, name, stack.enter_context(open(os.devnull, "w", encoding="utf-8")))
        yield


def _discard(stream: TextIO) -> None:
    """Let what a broken stream still holds go nowhere, so that the exit does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, status: int = EXIT_ERROR) -> int:
    try:
        _say(sys.stderr, "fastdiv: " + " ".join(message.split()))
    except OSError:  # nobody can be told
        _discard(sys.stderr)
    return status


def _say(stream: TextIO, text: str) -> None:
    """Print, in ASCII if the stream can do no better."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    print(text, file=stream, flush=True)


def _notice(text: str) -> None:
    _say(sys.stderr, text)


# ---------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (try '{self.prog} --help')")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastdiv",
        description="Fast, exact divergences and two-sample tests on the CPU.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastdiv {fastdiv.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_compare(commands)
    _add_wcss(commands)
    info = commands.add_parser(
        "info",
        help="show the version, instruction set, threads and libraries in use",
        description="Show the version, instruction set, threads and libraries in use.",
        allow_abbrev=False,
    )
    info.set_defaults(run=_info)
    return parser


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="test whether two tables come from the same distribution",
        description=(
            "Test whether the rows of two tables come from the same distribution: the maximum\n"
            "mean discrepancy (MMD) with a permutation p-value, and the features that moved most."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_compare)
    add = parser.add_argument
    add("reference", metavar="REFERENCE", help="table to compare with: .npy .npz .csv .parquet")
    add("current", metavar="CURRENT", help="table that may have changed; formats may differ")

    data = parser.add_argument_group("data")
    add = data.add_argument
    add(
        "--columns",
        metavar="NAME,...",
        type=_argument(parse_names),
        help="compare these columns (default: every numeric column that both tables have)",
    )
    add(
        "--standardize",
        action="store_true",
        help="scale each column by the mean and standard deviation of REFERENCE",
    )
    add(
        "--nan-policy",
        choices=["raise", "omit"],
        default="raise",
        help="rows with missing or infinite values: refuse (raise, the default) or drop (omit)",
    )

    test = parser.add_argument_group("test")
    add = test.add_argument
    add(
        "--kernel",
        metavar="NAME[:KEY=VALUE,...]",
        type=_argument(_parse_kernel),
        default="rbf",
        help="kernel and its parameters, see below (default: rbf)",
    )
    add(
        "--bandwidth",
        metavar="median|NUMBER",
        type=_argument(_parse_bandwidth),
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
        type=_argument(_whole(1, _inputs.MAX_RESAMPLES)),
        default=999,
        help="number of permutations (default: 999)",
    )
    add(
        "--seed",
        metavar="SEED",
        type=_argument(_whole(0)),
        default=0,
        help="seed of the permutations (default: 0, so that a run can be repeated)",
    )
    add(
        "--alpha",
        metavar="LEVEL",
        type=_argument(_parse_alpha),
        default=0.05,
        help="the samples differ if p <= LEVEL (default: 0.05)",
    )
    add(
        "--threads",
        metavar="N",
        type=_argument(_whole(1, _inputs.MAX_THREADS)),
        help="number of threads (default: OMP_NUM_THREADS or all cores)",
    )

    output = parser.add_argument_group("output")
    add = output.add_argument
    add("--json", metavar="FILE|-", help="write the result as JSON; - is standard output")
    add("--plot", metavar="FILE.png", help="draw the null distribution and the shifts")
    add(
        "--exit-code",
        action="store_true",
        help="exit with 1 if the samples differ (an error is always 2)",
    )


def _add_wcss(commands: Any) -> None:
    parser = commands.add_parser(
        "wcss",
        help="measure the dispersion within the clusters of a table",
        description=(
            "Measure the dispersion within the clusters of a table by every objective that goes\n"
            "by such a name: within-cluster sum of squares (WCSS), MSE, the sum of distances to\n"
            "the centers, sums over pairs, and silhouettes."
        ),
        epilog=_WCSS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_wcss)
    add = parser.add_argument
    add("data", metavar="DATA", help="table with the labels: .npy .npz .csv .parquet")

    data = parser.add_argument_group("data")
    add = data.add_argument
    add("--labels", metavar="COLUMN", required=True, help="column that holds the cluster of a row")
    add("--noise", metavar="LABEL", help="label of rows to leave out, for example -1")
    add(
        "--columns",
        metavar="NAME,...",
        type=_argument(parse_names),
        help="measure these columns (default: every numeric column but the labels)",
    )
    add("--standardize", action="store_true", help="scale each column to mean 0 and deviation 1")
    add(
        "--nan-policy",
        choices=["raise", "omit"],
        default="raise",
        help="rows with missing or infinite values: refuse (raise, the default) or drop (omit)",
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
    add(
        "--threads",
        metavar="N",
        type=_argument(_whole(1, _inputs.MAX_THREADS)),
        help="number of threads (default: OMP_NUM_THREADS or all cores)",
    )

    output = parser.add_argument_group("output")
    add = output.add_argument
    add("--json", metavar="FILE|-", help="write the result as JSON; - is standard output")
    add("--plot", metavar="FILE.png", help="draw WCSS per cluster, and distances or silhouettes")


_WCSS_EPILOG = """\
labels:
  Integers, text, booleans, dates or categories; every row needs one.

with --json - the table goes to standard error.

examples:
  fastdiv wcss iris.csv --labels species
  fastdiv wcss points.parquet --labels cluster --noise -1 --no-pairs --json result.json
"""

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


def _argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse pass on the message of a ValueError as it is."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("--columns: ")) from error

    return convert


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    wanted = f">= {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        with contextlib.suppress(ValueError):
            number = int(text)
            if number >= least and (most is None or number <= most):
                return number
        raise ValueError(f"must be a whole number {wanted}, got {text!r}")

    return parse


def _parse_alpha(text: str) -> float:
    alpha = _number(text)
    if alpha is None or not 0 < alpha < 1:
        raise ValueError(f"must be a number between 0 and 1, got {text!r}")
    return alpha


def _parse_bandwidth(text: str) -> float | str:
    sigma = _number(text)
    if text == "median":
        return text
    if sigma is None or not 0 < sigma < np.inf:
        raise ValueError(f"must be 'median' or a positive number, got {text!r}")
    return sigma


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parse_kernel(text: str) -> Any:
    name, _, rest = text.partition(":")
    if name not in _KERNELS:
        raise ValueError(f"unknown kernel {name!r}; choose from {', '.join(_KERNELS)}")
    kernel = _KERNELS[name]
    known = [f.name for f in dataclasses.fields(kernel) if f.name != "bandwidth"]
    params: dict[str, float] = {}
    for item in rest.split(",") if rest else []:
        key, _, value = item.partition("=")
        number = _number(value)
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


# ---------------------------------------------------------------- commands


def _check_installation() -> None:
    """Load what computes: a wrong FASTDIV_ISA or a broken build is told before any work."""
    try:
        _backend.current().config()
    except (ImportError, ValueError) as error:
        raise UsageError(str(error)) from error


def _info(args: argparse.Namespace) -> int:
    fastdiv.show_config()
    return 0


def _compare(args: argparse.Namespace) -> int:
    kernel = _with_bandwidth(args.kernel, args.bandwidth)
    _check_outputs(args, args.reference, args.current)
    if args.plot:
        _load_plots()
    reference, current = read_table(args.reference), read_table(args.current)
    names, left_out = choose_columns(reference, current, args.columns)
    for table in (reference, current):
        if table.notice:
            _notice(table.notice)
    raw_x, raw_y = _complete_rows(reference, current, names, args)
    _check_rows(reference, current, len(raw_x), len(raw_y), args.estimator)
    x, y = _standardize(raw_x, raw_y, names) if args.standardize else (raw_x, raw_y)
    if args.standardize and len(x) < _FEW_ROWS:
        _notice(
            f"note: scaled by only {len(x)} reference rows, the p-value is approximate and tends "
            "to be too small"
        )
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
    _deliver(report, args, lambda: _load_plots().draw(report))
    return EXIT_DIFFERENT if args.exit_code and report.differ else 0


def _deliver(
    report: Report | clusters.ClusterReport, args: argparse.Namespace, draw: Callable[[], Any]
) -> None:
    """Write the files, all or none, then print."""
    as_json = json.dumps(report.to_json(), indent=2, allow_nan=False) if args.json else ""
    with contextlib.ExitStack() as staged:
        if args.json not in (None, "-"):
            with open(staged.enter_context(_whole_file(args.json)), "w", encoding="utf-8") as file:
                file.write(as_json + "\n")
        if args.plot:
            _load_plots().save(draw(), staged.enter_context(_whole_file(args.plot)))
    if args.json == "-":
        _say(sys.stdout, as_json)
    _say(sys.stderr if args.json == "-" else sys.stdout, report.to_text().rstrip("\n"))


def _wcss(args: argparse.Namespace) -> int:
    _check_outputs(args, args.data)
    if args.plot:
        _load_plots()
    table = read_table(args.data)
    if table.notice:
        _notice(table.notice)
    labels = table.column(args.labels, "--labels")
    names, left_out = _measured_columns(table, args)
    x = table.load(names)
    keep = _finite_rows(x)
    if not keep.all():
        if args.nan_policy == "raise":
            fault = _describe_missing(table, x, keep, names)
            raise UsageError(f"{fault}; use --nan-policy omit to drop these rows")
        if not keep.any():
            raise UsageError(f"{table.path}: every row has a missing value; choose --columns")
        x, labels = x[keep], labels[keep]
    if args.standardize:
        x = _standardized(x, names)
    try:
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
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        message = str(error).replace("labels must", f"--labels: {args.labels} must", 1)
        raise UsageError(message) from error
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
    _deliver(report, args, lambda: _load_plots().clusters(report))
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
    number = _number(args.noise)
    for label in np.unique(labels).tolist():
        if str(label) == args.noise or (isinstance(label, int | float) and label == number):
            return label
    raise UsageError(f"--noise: no row has the label {args.noise!r}")


def _standardized(x: Matrix, names: Sequence[str]) -> Matrix:
    mean, sd = mean_and_sd(x)
    _refuse_wild("DATA", np.isfinite(sd), names)
    sd[sd == 0] = 1.0
    return _scaled(x, mean, sd, "DATA", names)


def _test(x: Matrix, y: Matrix, kernel: Any, samples: Samples, args: argparse.Namespace) -> Any:
    """Run the test; before a long run, say on standard error what is compared at what cost."""
    smallest = 1 / (args.resamples + 1)
    if smallest > args.alpha:
        _notice(
            f"with {args.resamples} permutations no p-value can be below {smallest:.3g}; "
            "use more --resamples"
        )
    options: dict[str, Any] = {
        "estimator": args.estimator,
        "n_resamples": args.resamples,
        "n_threads": args.threads,
    }
    try:
        plan = _plan.predict(x, y, kernel, **options)
        if plan.seconds >= _LONG_RUN:
            _notice(f"{samples.to_text()}\nplan       {plan}")
        progress = plan.seconds >= _LONG_RUN and sys.stderr.isatty()
        return fastdiv.mmd_test(x, y, kernel, rng=args.seed, progress=progress, **options)
    except (ValueError, TypeError, OverflowError) as error:
        message = str(error)
        for words, ours in _IN_OPTIONS.items():
            message = message.replace(words, ours)
        raise UsageError(message) from error


# ---------------------------------------------------------------- samples


def _complete_rows(
    reference: Table, current: Table, names: Sequence[str], args: argparse.Namespace
) -> tuple[Matrix, Matrix]:
    """Load both samples; refuse missing values, or drop their rows."""
    x, y = reference.load(names), current.load(names)
    keep_x, keep_y = _finite_rows(x), _finite_rows(y)
    if args.nan_policy == "raise":
        faults = [
            _describe_missing(table, data, keep, names)
            for table, data, keep in ((reference, x, keep_x), (current, y, keep_y))
            if not keep.all()
        ]
        if faults:
            raise UsageError("; ".join(faults) + "; use --nan-policy omit to drop these rows")
        return x, y
    if args.estimator == "paired" and len(x) == len(y):
        keep_x = keep_y = keep_x & keep_y
    for table, keep in ((reference, keep_x), (current, keep_y)):
        if not keep.any():
            raise UsageError(f"{table.path}: every row has a missing value; choose --columns")
    return x if keep_x.all() else x[keep_x], y if keep_y.all() else y[keep_y]


def _finite_rows(x: Matrix) -> Any:
    if x.dtype.kind in "iu":
        return np.ones(len(x), bool)
    return np.concatenate([np.isfinite(block).all(axis=1) for block in row_blocks(x)])


def _describe_missing(table: Table, x: Matrix, keep: Any, names: Sequence[str]) -> str:
    """Count missing values per column, in words."""
    bad = x[~keep]
    missing, infinite = np.isnan(bad).sum(axis=0), np.isinf(bad).sum(axis=0)
    counts = [
        f"{printable(name)} {number}{kind}"
        for values, kind in ((missing, ""), (infinite, " infinite"))
        for name, number in zip(names, values, strict=True)
        if number
    ]
    more = f" and {len(counts) - 12} more columns" if len(counts) > 12 else ""
    return (
        f"{table.path} has missing values in {len(bad)} of {len(x)} rows "
        f"({', '.join(counts[:12])}{more})"
    )


def _check_rows(reference: Table, current: Table, n: int, m: int, estimator: str) -> None:
    least = 1 if estimator == "biased" else 2
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
    mean, sd = mean_and_sd(x)
    _refuse_wild("REFERENCE", np.isfinite(sd), names)
    flat = sd == 0
    moved = [names[j] for j in np.flatnonzero(flat).tolist() if (y[:, j] != x[0, j]).any()]
    if moved:
        listed = ", ".join(printable(name) for name in moved[:8])
        raise UsageError(
            f"--standardize: constant in REFERENCE but not in CURRENT: {listed}; "
            "choose other --columns"
        )
    sd[flat] = 1.0
    return _scaled(x, mean, sd, "REFERENCE", names), _scaled(y, mean, sd, "CURRENT", names)


def _scaled(x: Matrix, mean: Matrix, sd: Matrix, role: str, names: Sequence[str]) -> Matrix:
    """Scale in the precision of `x`, or in float64 if float32 cannot hold the result."""
    for dtype in (np.float32, np.float64) if x.dtype == np.float32 else (np.float64,):
        out = np.empty(x.shape, dtype)
        finite = np.ones(x.shape[1], bool)
        for block, target in zip(row_blocks(x), row_blocks(out), strict=True):
            with np.errstate(over="ignore"):
                np.divide(block - mean, sd, out=target, casting="same_kind")
            finite &= np.isfinite(target).all(axis=0)
        if finite.all():
            break
    _refuse_wild(role, finite, names)
    return out


def _refuse_wild(role: str, finite: Any, names: Sequence[str]) -> None:
    wild = [printable(names[j]) for j in np.flatnonzero(~finite).tolist()]
    if wild:
        raise UsageError(f"--standardize: values of {role} are too large: {', '.join(wild[:8])}")


# ---------------------------------------------------------------- outputs


def _check_outputs(args: argparse.Namespace, *tables: str) -> None:
    """Refuse outputs that could not be written, before any work."""
    outputs = {
        option: os.path.realpath(path)
        for option, path in (("--json", args.json), ("--plot", args.plot))
        if path is not None and (option, path) != ("--json", "-")
    }
    if args.plot is not None and not args.plot.lower().endswith(".png"):
        raise UsageError(f"--plot: {args.plot} must end in .png")
    inputs = set(map(os.path.realpath, tables))
    for option, path in outputs.items():
        folder = os.path.dirname(path)
        if path in inputs:
            raise UsageError(f"{option}: {path} is one of the tables")
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"{option}: {path} is not a regular file")
        if not os.path.isdir(folder):
            raise UsageError(f"{option}: folder {folder} does not exist")
        if not os.access(folder, os.W_OK):
            raise UsageError(f"{option}: folder {folder} cannot be written to")
    if len({*outputs.values()}) < len(outputs):
        raise UsageError("--json and --plot name the same file")


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[str]:
    """Give a temporary name beside `path`, moved there only if all goes well."""
    path = os.path.realpath(path)
    aside = f"{path}.{os.getpid()}.part"
    try:
        yield aside
        os.replace(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(aside)


def _load_plots() -> Any:
    from fastdiv import plots

    try:
        plots.require()
    except ImportError as error:
        raise UsageError("--plot needs matplotlib; run: pip install 'fastdiv[plot]'") from error
    return plots


if __name__ == "__main__":
    sys.exit(main())

"""Share options, messages and output files between the commands that read tables."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TextIO

from fastdiv import _inputs
from fastdiv.tables.names import parse_names
from fastdiv.tables.reading import read_table
from fastdiv.tables.table import Table

_ASCII = str.maketrans({"²": "^2", "≤": "<=", "…": "...", "∞": "inf"})


class UsageError(ValueError):
    """An invalid command. The message is meant for the user."""


class Findings(Protocol):
    """The result of a command."""

    def to_text(self) -> str:
        """Render the result for a person."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Render the result as an object that `json.dumps` accepts."""
        ...


def say(stream: TextIO, text: str) -> None:
    """Print a text, in ASCII if the stream can do no better."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    print(text, file=stream, flush=True)


def notice(text: str) -> None:
    """Print a line on standard error."""
    say(sys.stderr, text)


# ---------------------------------------------------------------- options


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    **texts: str,
) -> argparse.ArgumentParser:
    """Add a command. `run` carries it out and returns the exit status."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **texts,
    )
    parser.set_defaults(run=run)
    return parser


def add_columns(data: argparse._ArgumentGroup, columns: str, standardize: str) -> None:
    """Add the options that choose columns and rows of a table. A command words two of them."""
    data.add_argument("--columns", metavar="NAME,...", type=argument(parse_names), help=columns)
    data.add_argument("--standardize", action="store_true", help=standardize)
    data.add_argument(
        "--nan-policy",
        choices=["raise", "omit"],
        default="raise",
        help="rows with missing or infinite values: refuse (raise, the default) or drop (omit)",
    )


def add_threads(group: argparse._ArgumentGroup) -> None:
    """Add ``--threads``."""
    group.add_argument(
        "--threads",
        metavar="N",
        type=argument(whole(1, _inputs.MAX_THREADS)),
        help="number of threads (default: OMP_NUM_THREADS or all cores)",
    )


def add_outputs(parser: argparse.ArgumentParser, plot: str) -> argparse._ArgumentGroup:
    """Add the files to write. `plot` says what the picture shows."""
    output = parser.add_argument_group("output")
    add = output.add_argument
    add("--json", metavar="FILE|-", help="write the result as JSON; - is standard output")
    add("--plot", metavar="FILE.png", help=plot)
    return output


def argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser whose ValueError argparse passes on with its message."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers within limits."""
    allowed = f">= {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        with contextlib.suppress(ValueError):
            number = int(text)
            if number >= least and (most is None or number <= most):
                return number
        raise ValueError(f"must be a whole number {allowed}, got {text!r}")

    return parse


def as_number(text: str) -> float | None:
    """Return the number that a text writes, or None."""
    try:
        return float(text)
    except ValueError:
        return None


@contextlib.contextmanager
def in_option_words(words: Mapping[str, str]) -> Iterator[None]:
    """Turn an error of the library into a UsageError in the words of options."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        message = str(error)
        for library_words, option_words in words.items():
            message = message.replace(library_words, option_words, 1)
        raise UsageError(message) from error


# ---------------------------------------------------------------- files


def open_tables(args: argparse.Namespace, *paths: str) -> list[Table]:
    """Open the tables, after refusing outputs that could not be written."""
    _check_outputs(args, *paths)
    if args.plot:
        _load_plots()
    return [read_table(path) for path in paths]


def tell_notices(*tables: Table) -> None:
    """Print how tables were read, where the user should know."""
    for table in tables:
        if table.notice:
            notice(table.notice)


def deliver(report: Findings, args: argparse.Namespace, draw: Callable[[Any], Any]) -> None:
    """Write all files or none, then print. `draw` makes the picture with `fastdiv.plots`."""
    as_json = json.dumps(report.to_json(), indent=2, allow_nan=False) if args.json else ""
    with contextlib.ExitStack() as staged:
        if args.json not in (None, "-"):
            with open(staged.enter_context(_whole_file(args.json)), "w", encoding="utf-8") as file:
                file.write(as_json + "\n")
        if args.plot:
            plots = _load_plots()
            plots.save(draw(plots), staged.enter_context(_whole_file(args.plot)))
    if args.json == "-":
        say(sys.stdout, as_json)
    say(sys.stderr if args.json == "-" else sys.stdout, report.to_text().rstrip("\n"))


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
    """Yield a temporary path, whose file moves to `path` only without an error."""
    path = os.path.realpath(path)
    temporary = f"{path}.{os.getpid()}.part"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


def _load_plots() -> Any:
    from fastdiv import plots

    try:
        plots.require()
    except ImportError as error:
        raise UsageError("--plot needs matplotlib; run: pip install 'fastdiv[plot]'") from error
    return plots

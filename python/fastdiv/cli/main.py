"""
Run ``fastdiv compare``, ``fastdiv wcss`` and ``fastdiv info``.

This file holds the parser, the streams and the exit status of every command. Results go to
standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import NoReturn, TextIO

import fastdiv
from fastdiv._engine import backend
from fastdiv.cli import compare, wcss
from fastdiv.cli.command import UsageError, say
from fastdiv.tables.table import TableError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line and return the exit status.

    The status is 1 if ``--exit-code`` was given and the samples differ. It is 2 after an error,
    told in one line on standard error, 130 after Ctrl-C, and 0 otherwise. `argv` are the arguments
    after the program name, `sys.argv` by default.

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
    """Replace a standard stream that the caller has closed, which Python makes None."""
    with contextlib.ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                stack.callback(setattr, sys, name, None)
                setattr(sys, name, stack.enter_context(open(os.devnull, "w", encoding="utf-8")))
        yield


def _discard(stream: TextIO) -> None:
    """Discard the buffer of a broken stream, so that the exit does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, status: int = EXIT_ERROR) -> int:
    try:
        say(sys.stderr, "fastdiv: " + " ".join(message.split()))
    except OSError:  # nobody can be told
        _discard(sys.stderr)
    return status


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
    for command in (compare, wcss):
        command.add_to(commands)
    info = commands.add_parser(
        "info",
        help="show the version, instruction set, threads and libraries in use",
        description="Show the version, instruction set, threads and libraries in use.",
        allow_abbrev=False,
    )
    info.set_defaults(run=_info)
    return parser


def _check_installation() -> None:
    """Load the engine, so that a wrong FASTDIV_ISA or a broken build is told before any work."""
    try:
        backend.current().config()
    except (ImportError, ValueError) as error:
        raise UsageError(str(error)) from error


def _info(args: argparse.Namespace) -> int:
    fastdiv.show_config()
    return 0

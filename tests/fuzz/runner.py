"""Take turns among the cases, and keep the ledger of errors, refusals and failures."""

from __future__ import annotations

import argparse
import faulthandler
import os
import re
import resource
import secrets
import signal
import time
import traceback
import warnings
import zlib
from collections import Counter, defaultdict
from types import FrameType

import numpy as np

import fastdiv
import fuzz.cases  # noqa: F401, which registers them
from fuzz.registry import CASES, Outcome

DTYPES = (np.float32, np.float64)
MOST_PRINTED = 40
MOST_MESSAGES = 40
"""Different messages of refusals kept for each case."""
PATIENCE = 120
"""Seconds after which a try fails. The slowest take one or two."""

MOST_MEMORY = 6 << 30
"""Bytes beyond which an allocation fails, and with it the try. The largest take some 1.5 GB."""


class TooSlow(Exception):
    """Say that a try took longer than `PATIENCE`."""


def too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"longer than {PATIENCE} s")


def attempt(name: str, index: int, seed: int) -> tuple[str, list[Outcome], Exception | None]:
    """Run one case, and return its element type, its outcomes and what ended it."""
    rng = np.random.default_rng([seed, index, zlib.crc32(name.encode())])
    dtype = DTYPES[rng.integers(2)]
    outcomes: list[Outcome] = []
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for outcome in CASES[name](rng, dtype):
                outcomes.append(outcome)
    except Exception as error:
        return dtype.__name__, outcomes, error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return dtype.__name__, outcomes, None


REFUSALS = re.compile(
    r"overflow|underflow|too large|beyond the range|is below [\d.e-]+ of the"
    r"|be positive.definite|not positive-definite|zeros on its diagonal"
    r"|must be > 0; got 0|must be finite and > 0; got|W_k is 0"
    r"|all rows equal|distinct labels|have no density|tell clusters apart"
    r"|(distances|median|bandwidth).* zero|is zero"
)
"""Refusals of valid input: numbers beyond the range of a function, and data without an answer."""


def refused(error: Exception | None) -> bool:
    """Tell whether an error is a refusal that says what is wrong, and no failure."""
    if isinstance(error, OverflowError):
        return True
    return isinstance(error, ValueError) and REFUSALS.search(str(error)) is not None


def last_line(error: Exception) -> str:
    """Return where an error arose, and its message."""
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" at {os.path.basename(at.filename)}:{at.lineno}" for at in frames)
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())[:300]}"


def column(width: int) -> str:
    return "d <= 64" if width <= 64 else "d <= 512" if width <= 512 else "d > 512"


class Ledger:
    """The worst errors, refusals by message, and failures, in memory that does not grow."""

    def __init__(self, seed: int, log: str | None) -> None:
        self.seed = seed
        self.worst: dict[tuple[str, str, str], Outcome] = {}
        self.refusals: dict[str, Counter[str]] = defaultdict(Counter)
        self.tries: Counter[str] = Counter()
        self.seconds = dict.fromkeys(CASES, 0.0)
        self.longest = dict.fromkeys(CASES, 0.0)
        self.failures: Counter[str] = Counter()
        self.printed: list[str] = []
        self._log = log
        self._now = os.open(f"{log}.now", os.O_CREAT | os.O_WRONLY | os.O_TRUNC) if log else None

    def begin(self, name: str, index: int) -> None:
        """Write down what is tried now, for the case that it ends the process."""
        if self._now is not None:
            line = f"--only {name} --index {index} --seed {self.seed}"
            os.pwrite(self._now, f"{line:<99}\n".encode(), 0)

    def fail(self, name: str, index: int, message: str) -> None:
        self.failures[name] += 1
        line = f"--only {name} --index {index} --seed {self.seed}: {message}"
        if len(self.printed) < MOST_PRINTED and self.failures[name] <= 5:
            self.printed.append(line)
        if self._log:
            with open(self._log, "a", encoding="utf-8") as file:
                print(line, file=file)

    def enter(
        self, name: str, index: int, dtype: str, outcomes: list[Outcome], error: Exception | None
    ) -> None:
        """Enter what a try led to."""
        self.tries[name] += 1
        for result in outcomes:
            key = (result.name, dtype, column(result.width))
            if key not in self.worst or result.error > self.worst[key].error:
                self.worst[key] = result
            if result.error > result.allowed:
                number = f"{result.error:.2e} > {result.allowed:.0e}"
                what = f"{result.name}, d = {result.width}: {number} {result.what}"
                self.fail(name, index, f"{dtype} {what}"[:400])
        if error is not None and not refused(error):
            self.fail(name, index, f"{dtype} {last_line(error)}")
        elif error is not None:
            message = re.sub(r"[\d.e+-]*\d", "#", str(error))[:90]
            known = self.refusals[name]
            known[message if message in known or len(known) < MOST_MESSAGES else "others"] += 1

    def print(self) -> None:
        """Print the table, the refusals and the failures."""
        for (name, dtype, width), result in sorted(self.worst.items()):
            if not result.allowed and not result.error:
                continue  # a fact that held
            allowed = f"{result.allowed:.0e}"
            print(f"{name:42} {dtype:8} {width:9} worst {result.error:8.1e} of {allowed}")
        for name in sorted(CASES):
            if self.tries[name]:
                seconds = f"{self.seconds[name]:6.1f} s, {self.longest[name]:5.2f} s at most"
                print(f"{self.tries[name]:8} tries in {seconds}: {name}")
        for name, messages in sorted(self.refusals.items()):
            for message, count in sorted(messages.items()):
                print(f"refused {count:5} times: {name}: {message}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{peak:.0f} MB of memory at most")
        print(f"{self.failures.total()} failures", dict(self.failures) or "")
        print(*self.printed, sep="\n", flush=True)


def main(description: str) -> int:
    parser = argparse.ArgumentParser(description=description.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default="1", help='a number, or "random", which prints one')
    parser.add_argument("--only", choices=sorted(CASES), nargs="+")
    parser.add_argument("--index", type=int, help="try this input alone")
    parser.add_argument(
        "--log", help="file to which failures are added as they occur; what is tried is in LOG.now"
    )
    arguments = parser.parse_args()
    names = arguments.only or sorted(CASES)
    seed = secrets.randbelow(2**31) if arguments.seed == "random" else int(arguments.seed)
    faulthandler.enable()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    signal.signal(signal.SIGALRM, too_slow)
    level = fastdiv.show_config("dict")["isa"]  # type: ignore[index]
    print(f"level {level}, seed {seed}, {len(names)} cases", flush=True)
    ledger = Ledger(seed, arguments.log)
    if arguments.index is not None:
        for name in names:
            _, outcomes, error = attempt(name, arguments.index, seed)
            print(*outcomes, sep="\n")
            if error is not None:
                traceback.print_exception(error)
            ledger.enter(name, arguments.index, "", outcomes, error)
        return 1 if ledger.failures else 0
    end = time.monotonic() + arguments.seconds
    while (start := time.monotonic()) < end:
        # Whoever has had the least time, so that slow cases do not starve others.
        name = min(names, key=lambda name: ledger.seconds[name])
        index = ledger.tries[name]
        ledger.begin(name, index)
        ledger.enter(name, index, *attempt(name, index, seed))
        seconds = time.monotonic() - start
        ledger.seconds[name] += seconds
        ledger.longest[name] = max(ledger.longest[name], seconds)
    ledger.print()
    return 1 if ledger.failures else 0

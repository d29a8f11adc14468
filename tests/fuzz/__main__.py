"""
Try public functions on random input of every awkward kind, and compare with what is right.

    python tests/fuzz --seconds 60 --seed 1
    python tests/fuzz --only mmd2 --index 1234    # that input again

Prints the worst error for every function, element type and width, and every failure.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import defaultdict

import numpy as np
from cases import CASES, Outcome

import fastdiv

DTYPES = (np.float32, np.float64)
MOST_PRINTED = 20


def run(name: str, index: int, seed: int) -> tuple[str, Outcome | Exception]:
    """Run one case, and return its element type and outcome, or the error that refused it."""
    rng = np.random.default_rng([seed, index, sorted(CASES).index(name)])
    dtype = DTYPES[rng.integers(2)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return dtype.__name__, CASES[name](rng, dtype)
    except (ValueError, OverflowError) as error:  # a refusal, which says what is wrong
        return dtype.__name__, error


def column(width: int) -> str:
    return "d <= 64" if width <= 64 else "d <= 512" if width <= 512 else "d > 512"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(CASES))
    parser.add_argument("--index", type=int)
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else sorted(CASES)
    if arguments.index is not None:
        print(*(run(name, arguments.index, arguments.seed) for name in names), sep="\n")
        return 0

    worst: dict[tuple[str, str, str], tuple[float, Outcome]] = {}
    refusals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    failures: list[str] = []
    tries = 0
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        for name in names:
            dtype, result = run(name, tries, arguments.seed)
            if isinstance(result, Exception):
                refusals[name][str(result)[:60]] += 1
                continue
            key = (name, dtype, column(result.width))
            if key not in worst or result.error > worst[key][0]:
                worst[key] = (result.error, result)
            if result.error > result.allowed:
                failures.append(
                    f"--only {name} --index {tries}: {dtype}, d = {result.width}: "
                    f"{result.error:.2e} > {result.allowed:.0e} {result.what}"
                )
        tries += 1

    level = fastdiv.show_config("dict")["isa"]
    print(f"level {level}, seed {arguments.seed}: {tries} inputs for each of {len(names)} cases")
    for (name, dtype, width), (error, result) in sorted(worst.items()):
        print(f"{name:18} {dtype:8} {width:9} worst {error:8.1e} of {result.allowed:.0e}")
    for name, messages in sorted(refusals.items()):
        for message, count in sorted(messages.items()):
            print(f"refused {count:5} times: {name}: {message}")
    print(f"{len(failures)} failures")
    print(*failures[:MOST_PRINTED], sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Two samples, files of tables, and the rule that refusals follow."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

PENGUINS = Path(__file__).parents[1] / "examples" / "penguins"
COMMAND = [sys.executable, "-m", "fastdiv"]
_RNG = np.random.default_rng(20)
X = _RNG.normal(size=(40, 3))
Y = _RNG.normal(size=(30, 3)) + np.array([0.0, 1.5, 0.0])
LABELS = np.arange(60) % 3
CLUSTERED = np.random.default_rng(4).normal(size=(60, 2)) + 5.0 * LABELS[:, None]


def save(path, array):
    np.save(path, array, allow_pickle=True)
    return str(path)


def write(path, text):
    path.write_text(text)
    return str(path)


def parquet(path, **columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    writer.write_table(pa.table(columns), path)
    return str(path)


def as_json(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def refusal(run: Callable, folder: Path) -> Callable:
    """Return a function that runs a command that must fail, and returns its one line."""

    def refused(*arguments):
        before = sorted(folder.rglob("*"))
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("fastdiv: ")
        assert err.count("\n") == 1
        assert sorted(folder.rglob("*")) == before
        return err

    return refused

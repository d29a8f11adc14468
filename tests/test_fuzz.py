"""The fuzzing session: that it tries every public function, and works at all."""

import inspect

import numpy as np
import pytest

import fastdiv
from fastdiv._engine.backend import Backend

pytest.importorskip("fastdiv._core")

from fuzz import cases  # noqa: F401, which registers them
from fuzz.draw.arguments import CALLS
from fuzz.registry import CASES, COVERED, NOT_COVERED, compare
from fuzz.runner import Ledger, attempt

SETTINGS = {"get_num_threads", "set_num_threads", "config"}


def public_callables():
    """Return public functions, classes, and methods of classes."""
    names = [name for name in fastdiv.__all__ if callable(getattr(fastdiv, name))]
    methods = [
        f"{name}.{method}"
        for name in names
        if inspect.isclass(getattr(fastdiv, name))
        for method, value in vars(getattr(fastdiv, name)).items()
        if not method.startswith("_") and (callable(value) or isinstance(value, classmethod))
    ]
    return {*names, *methods}


def test_every_public_callable_has_a_case_or_a_reason():
    engine = {name for name in COVERED if name.startswith("engine.")}
    assert set(COVERED) - engine | set(NOT_COVERED) == public_callables()
    assert not set(COVERED) & set(NOT_COVERED)
    functions = {name for name in vars(Backend) if not name.startswith("_")} - SETTINGS
    assert engine == {f"engine.{name}" for name in functions}


def test_wrong_arguments_are_tried_with_every_function():
    tried = {name.partition(":")[0] for name in CALLS}
    results = {
        name
        for name in public_callables()
        if inspect.isclass(getattr(fastdiv, name.partition(".")[0])) and name not in tried
    }
    functions = public_callables() - results
    assert functions - tried == {"get_num_threads"}  # which takes none
    for name, (function, arguments) in CALLS.items():
        function(**arguments)
        assert set(arguments) <= set(inspect.signature(function).parameters), name


@pytest.mark.parametrize("name", sorted(CASES))
def test_cases_run(name):
    ledger = Ledger(7, None)
    for index in range(3):
        ledger.enter(name, index, *attempt(name, index, 7))
    assert ledger.printed == []


def test_failures_are_written_as_they_occur(tmp_path):
    log = tmp_path / "failures"
    ledger = Ledger(1, str(log))
    good, bad = (compare("f", 1, value, 1.0, 1.0, 1e-3) for value in (1.0, np.nan))
    ledger.enter("mmd2", 5, "float64", [good, bad], None)
    ledger.enter("mmd2", 6, "float64", [], RuntimeWarning("overflow"))
    ledger.enter("mmd2", 7, "float64", [], OverflowError("too large"))
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"--only mmd2 --index {index} --seed 1" for index in (5, 6)
    ]
    assert ledger.refusals["mmd2"] == {"too large": 1}

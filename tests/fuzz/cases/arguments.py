"""Wrong arguments: a clear refusal, or a valid result where the value was right after all."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz.draw.arguments import CALLS
from fuzz.draw.wrong_values import BAD
from fuzz.registry import Outcomes, Rng, case, holds

MOST_CHARACTERS = 1000
"""Longest message of a refusal, whatever was passed."""

DOCUMENTED = re.compile("subset_size|tolerance|not converge")
"""Warnings that docstrings announce."""


def numbers(value: Any) -> Any:
    """Yield the arrays of floating-point numbers in a result."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, dict):
        yield from numbers(list(value.values()))
    elif isinstance(value, (float, np.floating, np.ndarray)):
        a = np.asarray(value)
        if a.dtype.kind in "fc":
            yield a


@case()
def wrong_arguments(rng: Rng, dtype: type) -> Outcomes:
    name = str(rng.choice(list(CALLS)))
    function, arguments = CALLS[name]
    changed = dict(arguments)
    for _ in range(1 if rng.random() < 0.7 else 2):
        argument = str(rng.choice(list(arguments)))
        number = int(rng.integers(len(BAD)))
        changed[argument] = BAD[number]()
    what = f"{name}({argument}=BAD[{number}])"
    threads = fd.get_num_threads()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # bars of progress
            result = function(**changed)
    except (TypeError, ValueError, OverflowError) as error:
        text = str(error)
        yield holds("wrong arguments: message", 1, 0 < len(text) <= MOST_CHARACTERS, what)
        return
    except Warning as warning:
        if not DOCUMENTED.search(str(warning)):
            raise type(warning)(f"{what}: {warning}") from warning
        return
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}"[:300]) from error
    finally:
        fd.set_num_threads(threads)
    bad = any(np.isnan(a).any() for a in numbers(result))
    # Rows left out have no silhouette.
    yield holds("wrong arguments: NaN", 1, not bad or name == "silhouette_samples", what)

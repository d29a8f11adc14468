"""Check words, switches, numbers, threads and sources of randomness."""

from __future__ import annotations

import operator
from numbers import Integral
from typing import Any, TypeGuard, cast

import numpy as np

from fastdiv._engine.types import Pairs
from fastdiv._inputs.arrays import plain_array
from fastdiv._inputs.messages import shown

PAIRS_OF: dict[str, Pairs] = {"unbiased": "distinct", "biased": "all", "paired": "off_diagonal"}
"""The pairs of rows that each estimator of MMD² counts."""

ESTIMATORS = tuple(PAIRS_OF)
NAN_POLICIES = ("raise", "omit")
ALWAYS_RAISE = object()
"""Stands for "raise" where the caller offers no `nan_policy`. Errors do not advise "omit" then."""

MAX_THREADS = 1024
"""Most threads of a call. A larger number is refused before any thread starts."""


MAX_DRAWS = 2**53
"""Most draws. The means of more would need counts that float64 does not hold exactly."""


def choice(value: object, accepted: tuple[str, ...], name: str) -> str:
    """Return `value` if it is one of the accepted words."""
    if isinstance(value, str) and value in accepted:
        return value
    words = ", ".join(map(repr, accepted))
    raise ValueError(f"{name} must be one of {words}; got {shown(value)}")


def choices(value: object, accepted: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the accepted words of a list or tuple, each once, or one word alone."""
    words = (value,) if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)):
        raise TypeError(f"{name} must be a name or a list or tuple of names; got {shown(value)}")
    if not words:
        raise ValueError(f"{name} must name at least one argument; got none")
    chosen = tuple(choice(word, accepted, name) for word in words)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{name} must name each argument once; got {shown(value)}")
    return chosen


def least_rows(estimator: str) -> int:
    """Return how many rows an estimator needs of each sample."""
    return 1 if estimator == "biased" else 2


def omits(nan_policy: object) -> bool:
    """Tell whether rows that hold NaN are dropped."""
    if nan_policy is ALWAYS_RAISE:
        return False
    return choice(nan_policy, NAN_POLICIES, "nan_policy") == "omit"


def flag(value: object, name: str) -> bool:
    """Return `value` if it is True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} must be True or False; got {shown(value)}")


def integer(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return `value` as an int within [least, most]."""
    required = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"
    try:
        number = operator.index(cast(Any, value))
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {required}; got {shown(value)}")
    if number < least or (most is not None and number > most):
        raise ValueError(f"{name} must be {required}; got {shown(number)}")
    return number


def is_plain_number(value: object) -> TypeGuard[float]:
    """Tell whether this is a Python number, which torch.compile can trace, unlike NumPy arrays."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def real(value: object, name: str) -> float:
    """Return a finite real number as a float."""
    if is_plain_number(value):
        number = float(value)
    else:
        a = plain_array(value, name)
        if a.ndim != 0 or a.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be a real number; got {shown(value)}")
        number = float(a)
    if number - number != 0:  # not math.isfinite, which torch.compile cannot trace
        raise ValueError(f"{name} must be finite; got {shown(value)}")
    return number


def positive(value: object, name: str) -> float:
    """Return a finite real number > 0 as a float."""
    number = real(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be > 0; got {shown(value)}")
    return number


def draws(value: object, name: str, least: int) -> int:
    """Return a number of draws."""
    return integer(value, name, least, MAX_DRAWS)


def between(value: object, name: str, least: float, most: float) -> float:
    """Return a real number within [least, most] as a float."""
    number = real(value, name)
    if not least <= number <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g}; got {shown(value)}")
    return number


def thread_count(value: object, name: str = "n_threads") -> int:
    """Return a number of threads."""
    return integer(value, name, 1, MAX_THREADS)


def threads(n_threads: object) -> int:
    """Return `n_threads` as the engine takes it, where 0 stands for the default."""
    return 0 if n_threads is None else thread_count(n_threads)


def _is_integer(value: object) -> bool:
    """Tell whether this is an integer, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_integers(value: object) -> bool:
    """Tell whether this is a flat sequence or array of integers."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and (value.dtype.kind in "iu" or all(map(_is_integer, value)))
    return isinstance(value, (list, tuple, range)) and all(map(_is_integer, value))


def generator(rng: object) -> np.random.Generator:
    """Return the generator that `rng` stands for: whatever `numpy.random.default_rng` takes."""
    sources = (  # NumPy imports them when they are named first
        np.random.Generator,
        np.random.BitGenerator,
        np.random.RandomState,
        np.random.bit_generator.ISeedSequence,
    )
    # NumPy takes text and booleans for integers, and does not survive what holds itself.
    if not (rng is None or isinstance(rng, sources) or _is_integer(rng) or _are_integers(rng)):
        raise TypeError(_not_a_source(rng))
    try:
        return np.random.default_rng(cast(Any, rng))
    except (TypeError, ValueError) as error:
        required = _not_a_source(rng)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{required} ({error})" if kind is ValueError else required) from error


def _not_a_source(rng: object) -> str:
    """Say what `generator` takes."""
    return (
        "rng must be what numpy.random.default_rng takes: None, integers >= 0, or a SeedSequence, "
        f"BitGenerator or Generator; got {shown(rng)}"
    )

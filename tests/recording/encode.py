"""Turn whatever a call returns, raises, warns or prints into exact text."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

Case = tuple[str, Callable[[], object]]
Cases = Iterator[Case]

OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))
PUBLIC_ATTRIBUTES = {
    "Gaussian": ("batch_shape", "dim", "dtype", "parametrisation", "mean", "parameter", "where"),
    "GaussianMixture": ("batch_shape", "dim", "n_components", "weights", "components"),
    "CoupledNormal": ("batch_shape", "dim", "dtype", "kappa", "alpha", "base"),
    "Categorical": (
        "batch_shape",
        "n_categories",
        "dtype",
        "parametrisation",
        "parameter",
        "where",
    ),
    "RelaxedSample": ("sample", "temperature", "hard", "biased"),
}
SUBSTITUTIONS = (
    (re.compile(r"\b0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"<(class|module) 'fastdiv[\w.]*?(\w+)'[^>]*>"), r"<\1 fastdiv…\2>"),
    (re.compile(r"\bfastdiv(\.\w+)+\.(?=[A-Z])"), "fastdiv…"),
    (re.compile(r" *\d+\.\d+ s left| {13}(?=\r|\n|$)"), "… s left"),
)
TRACEBACK = ' File "'
PREVIEWED = 3
DIGITS = 32
"""Digits of a digest that are kept: 128 bits."""
LONGEST = 4000
"""Characters of a text that are kept."""


def case(name: str, function: Callable[..., object], *args: object, **options: object) -> Case:
    """Return a case under a name."""
    return name, partial(function, *args, **options)


def clean(text: str) -> str:
    """Return text without addresses, times and the names of modules."""
    for folder in (os.getcwd(), os.path.realpath(os.getcwd())):
        text = text.replace(folder, "<folder>")
    for pattern, replacement in SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    return text


def outcome(call: Callable[[], object]) -> Iterator[tuple[str, str]]:
    """Call, and yield what came of it: (suffix of the key, exact text)."""
    out, err = io.StringIO(), io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.simplefilter("always")
        try:
            rows = list(encoded(call()))
        except Exception as error:
            rows = [("", f"raises {type(error).__name__}: {clean(_message(error))}")]
    for suffix, text in rows:
        yield suffix, shortened(text)
    for index, warning in enumerate(caught):
        by_caller = os.path.abspath(warning.filename).startswith(OWN_FOLDER)
        where = "the caller" if by_caller else "elsewhere"
        text = f"{warning.category.__name__} at {where}: {clean(str(warning.message))}"
        yield f" !warning {index}", text
    for name, stream in (("stdout", out), ("stderr", err)):
        text = stream.getvalue()
        if text and TRACEBACK not in text:  # which JAX logs, with the lines of files
            yield f" !{name}", shortened(clean(text))


def _message(error: Exception) -> str:
    """Return the text of an error; of one that tells a traceback, the first and the last line."""
    text = str(error)
    if TRACEBACK not in text:
        return text
    lines = text.strip().splitlines()
    return f"{lines[0]} … {lines[-1]}"


def shortened(text: str) -> str:
    """Return long text as its beginning and a digest."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… {len(text)} characters sha256:{_digest(text.encode())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def encoded(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield exact text of a value, field by field."""
    kind = type(value).__name__
    framework = type(value).__module__.split(".")[0].removesuffix("lib")
    if value is None or isinstance(value, (bool, int, str, bytes)):
        yield path, f"{kind} {clean(repr(value))}"
    elif isinstance(value, (float, complex, np.generic)):
        yield path, f"{kind} {_number(value)}"
    elif isinstance(value, np.ndarray):
        yield path, _array(value)
    elif isinstance(value, np.dtype):
        yield path, f"dtype {value}"
    elif framework == "torch" and kind == "Tensor":
        yield path, f"Tensor requires_grad={value.requires_grad} {_array(_of_tensor(value))}"
    elif framework == "jax":
        yield path, f"jax {_array(np.array(value))}"
    elif dataclasses.is_dataclass(value) or kind in PUBLIC_ATTRIBUTES or hasattr(value, "_fields"):
        yield path, clean(repr(value))
        for name in _attributes(value, kind):
            yield from encoded(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, (tuple, list)):
        yield path, f"{kind} of {len(value)}"
        for index, item in enumerate(value):
            yield from encoded(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        yield path, f"{kind} of {', '.join(map(str, value))}"
        for name, item in value.items():
            yield from encoded(item, f"{path}[{name}]")
    else:
        yield path, f"{kind}: {clean(repr(value))}"


def _attributes(value: object, kind: str) -> list[str]:
    if kind in PUBLIC_ATTRIBUTES:
        return list(PUBLIC_ATTRIBUTES[kind])
    if hasattr(value, "_fields"):
        return list(value._fields)
    names = [field.name for field in dataclasses.fields(value)]
    return [name for name in names if not name.startswith("_")]


def _number(value: object) -> str:
    if isinstance(value, (complex, np.complexfloating)):
        return f"{float(value.real).hex()} {float(value.imag).hex()}j"
    if isinstance(value, (float, np.floating)):
        return f"{float(value).hex()} ({float(value):.6g})"
    return repr(value.item())


def _array(a: np.ndarray) -> str:
    """Return dtype, shape and a digest of the bytes; NaN is NaN, whatever its sign."""
    access = "rw" if a.flags.writeable else "ro"
    preview = " ".join(f"{v:.6g}" if isinstance(v, float) else f"{v}" for v in _first(a))
    if a.dtype.kind == "O":
        content = repr(a.tolist()).encode()
    else:
        if a.dtype.kind in "fc":
            a = np.where(np.isnan(a), a.dtype.type(np.nan), a)
        content = np.ascontiguousarray(a).tobytes()
    return f"{a.dtype} {a.shape} {access} sha256:{_digest(content)} [{preview}]"


def _first(a: np.ndarray) -> list[object]:
    return a.ravel()[:PREVIEWED].tolist()


def _of_tensor(value: object) -> np.ndarray:
    torch = sys.modules["torch"]
    plain = value.detach().resolve_neg().resolve_conj()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()

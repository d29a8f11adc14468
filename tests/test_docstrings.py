"""The examples in docstrings, run against the installed package."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import fastdiv

NEEDS = {"fastdiv.plots": "matplotlib", "fastdiv.torch": "torch", "fastdiv.jax": "jax"}
MODULES = [
    "fastdiv",
    *(
        f"fastdiv.{module.name}"
        for module in pkgutil.iter_modules(fastdiv.__path__)
        if module.name != "_core"
    ),
]
PUBLIC = [name for name in fastdiv.__all__ if callable(getattr(fastdiv, name))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_examples(name):
    """Collected as `testmod` collects them; so have the public methods of a class."""
    public = getattr(fastdiv, name)
    methods = [
        f"{name}.{own}"
        for own, value in vars(public).items()
        if not own.startswith("_") and inspect.isroutine(getattr(value, "__func__", value))
    ]
    module = importlib.import_module(public.__module__)
    having = {
        test.name for test in doctest.DocTestFinder().find(public, name, module) if test.examples
    }
    assert {name, *methods} <= having


def test_all_modules_are_seen():
    assert {"fastdiv.mmd", "fastdiv.kernels", "fastdiv.cli", "fastdiv.report"} <= set(MODULES)

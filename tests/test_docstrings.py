"""The examples in docstrings, run against the installed package."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import fastdiv
from fastdiv._docs import documented

NEEDS = {"fastdiv.plots": "matplotlib", "fastdiv.torch": "torch", "fastdiv.jax": "jax"}
MODULES = [
    "fastdiv",
    *(
        module.name
        for module in pkgutil.walk_packages(fastdiv.__path__, "fastdiv.", onerror=print)
        if module.name != "fastdiv._core"
    ),
]
EXAMPLES = 396
"""Examples at the time of writing, without those that need a framework or matplotlib."""

PUBLIC_EXAMPLES = 374
"""Examples of what `fastdiv` itself exports, which are run from there."""

PUBLIC = [name for name in fastdiv.__all__ if callable(getattr(fastdiv, name))]


class Finder(doctest.DocTestFinder):
    """Take the methods of a class from `fastdiv`, which is not the module that defines them."""

    def _from_module(self, module, object):
        is_method = inspect.isfunction(object) and "." in object.__qualname__
        return is_method or super()._from_module(module, object)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    runner = doctest.DocTestRunner()
    for test in Finder().find(importlib.import_module(name)):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_examples(name):
    """Collected as `test_examples_run` collects them; so have the public methods of a class."""
    public = getattr(fastdiv, name)
    methods = [
        f"{name}.{own}"
        for own, value in vars(public).items()
        if not own.startswith("_") and inspect.isroutine(getattr(value, "__func__", value))
    ]
    having = {test.name for test in Finder().find(public, name, fastdiv) if test.examples}
    assert {name, *methods} <= having


@pytest.mark.parametrize("name", PUBLIC)
def test_all_passages_are_filled_in(name):
    public = getattr(fastdiv, name)
    documents = [public.__doc__, *(inspect.getdoc(value) or "" for value in vars(public).values())]
    assert not [text for text in documents if re.search(r"^ *\{[\w:, ]+\}$", text, re.MULTILINE)]


def test_a_line_stands_for_a_section():
    def public():
        """
        Return nothing.

        {Raises: one, two}
        """

    documented(public, {"one": "TypeError\n    If 1.", "two": "{three}", "three": "ValueError"})
    expected = "Return nothing.\n\nRaises\n------\nTypeError\n    If 1.\nValueError"
    assert inspect.getdoc(public) == expected


def test_all_modules_are_seen():
    files = Path(fastdiv.__file__).parent.rglob("*.py")
    assert len(MODULES) == len(list(files))


def test_no_example_is_lost():
    modules = [importlib.import_module(name) for name in MODULES if name not in NEEDS]
    assert sum(map(count_examples, modules)) >= EXAMPLES
    assert count_examples(fastdiv) >= PUBLIC_EXAMPLES


def count_examples(module):
    return sum(len(test.examples) for test in Finder().find(module))

"""The docstrings that both frameworks share, as a reader of either finds them."""

import importlib
import inspect
import re

import pytest

SECTIONS = ("Parameters", "Returns", "Raises", "References", "Examples")


@pytest.fixture(params=["torch", "jax"])
def module(request):
    pytest.importorskip(request.param)
    return importlib.import_module(f"fastdiv.{request.param}")


def test_docstrings_are_complete(module):
    for name in module.__all__:
        text = inspect.getdoc(getattr(module, name))
        headings = [line for line in text.splitlines() if f"{line}\n{'-' * len(line)}\n" in text]
        assert [line for line in headings if line in SECTIONS] == list(SECTIONS)
        assert not re.search(r"\$|^ *\{\w+\}$", text, re.MULTILINE)
        assert max(map(len, text.splitlines())) <= 100
        parameters = text.partition("Parameters\n")[2].partition("Returns\n")[0]
        described = set(re.findall(r"\w+", " ".join(re.findall(r"^\w.*", parameters, re.M))))
        assert set(inspect.signature(getattr(module, name)).parameters) <= described


def test_docstrings_speak_of_their_own_arrays(module):
    array, other = ("Tensor", "Array") if module.__name__.endswith("torch") else ("Array", "Tensor")
    for name in module.__all__:
        sections = getattr(module, name).__doc__.partition("Examples\n")[0]
        assert array in sections
        assert other not in sections

"""The rules for summary lines, tried on every docstring of the package."""

import ast
import re
from pathlib import Path

import pytest

import fastdiv

ROOT = Path(fastdiv.__file__).parent
BANNED = re.compile(r"(Of|What|Where|Whether|How|Whose|By how much|Do as)\b")
IN_BRACKETS = re.compile(r"\([^()]*\)")


def summaries(tree):
    """Return the first paragraph of every docstring, those of constants included."""
    strings = [
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    return [text.strip().split("\n\n")[0] for text in strings if isinstance(text, str)]


def faults(source):
    return [
        summary
        for summary in summaries(ast.parse(source))
        if BANNED.match(summary) or ";" in IN_BRACKETS.sub("", summary)
    ]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.stem)
def test_summaries_are_plain(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("summary", ["Whether x is 1.", "Do as f.", "Return x; or y."])
def test_faults_are_found(summary):
    assert faults(f'A = 1\n"""{summary}"""\n') == [summary]

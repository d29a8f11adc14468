"""What an error shows of an argument: its words are few, and it comes at once."""

import array
import inspect
import re
import time
from pathlib import Path

import numpy as np
import pytest

import fastdiv
from fastdiv import _inputs

LARGE = {
    "array": np.ones(1 << 16),
    "complex array": np.ones((1 << 8, 1 << 8), complex),
    "array of the standard library": array.array("d", bytes(8 << 16)),
    "list": [0.5] * (1 << 16),
    "nested list": [[0.5] * 100] * 1000,
    "text": "word" * (1 << 14),
    "integer": 10**5000,
    "dict": dict.fromkeys(range(1 << 16)),
    "kernel": fastdiv.Sum([fastdiv.RBF(np.ones(1 << 12))] * 9),
}


class NeedsGrad:
    """Stand for a tensor of torch that requires grad, which NumPy refuses to view."""

    requires_grad = True

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Unshowable:
    """Stand for an object whose `repr` raises, which NumPy calls for its own errors."""

    def __repr__(self):
        raise RuntimeError("no words")


STRANGE = {
    "object that cannot be shown": Unshowable(),
    "list of such objects": [Unshowable()],
    "none": None,
    "object": object(),
    "list of objects": [object()],
    "list of kernels": [fastdiv.RBF(1.0)],
    "tensor that requires grad": NeedsGrad(),
    "list of such tensors": [NeedsGrad()],
}
MOST_CHARACTERS = 600


@pytest.mark.parametrize("kind", LARGE)
def test_shown_is_short(kind):
    assert len(_inputs.shown(LARGE[kind])) <= 160


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        ("best", "'best'"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        (np.array([1.0, 2.0]), "array([1., 2.])"),
        (np.ones((2, 3)), "ndarray of shape (2, 3)"),
        (np.float64("nan"), "np.float64(nan)"),
        (2**70, "one of 71 bits"),
        ([0] * 9, "[0, 0, 0, 0, 0, 0, ...]"),
    ],
    ids=str,
)
def test_shown_is_like_repr(value, text):
    assert _inputs.shown(value) == text


def test_shown_needs_no_help_of_what_it_shows():
    assert "Unshowable" in _inputs.shown(Unshowable())
    assert "Unshowable" in _inputs.shown([1, Unshowable()])
    namesake = type("list", (), {})()  # without a length
    assert _inputs.shown(namesake) == "one list that cannot be shown"


def test_listing():
    assert _inputs.listing([]) == "none"
    assert _inputs.listing(["a", 1]) == "'a', 1"
    assert _inputs.listing(range(7)) == "0, 1, 2, 3, 4, 5, ..."


GAUSSIAN = fastdiv.Gaussian([0.0, 1.0], std=1.0)
ROWS = np.arange(12.0).reshape(6, 2) % 5
LABELS = [0, 0, 1, 1, 2, 2]
ARGUMENTS = {
    "x": ROWS,
    "y": ROWS[::-1] + 1.0,
    "z": ROWS,
    "z_prior": ROWS + 0.5,
    "at": ROWS,
    "labels": LABELS,
    "groups": LABELS,
    "labels_of": lambda x, k: np.arange(len(x)) % k,
    "k_range": [1, 2],
    "p": GAUSSIAN,
    "q": GAUSSIAN,
    "ps": fastdiv.Gaussian([[0.0, 1.0]], std=1.0),
    "qs": fastdiv.Gaussian([[1.0, 1.0]], std=1.0),
    "kappa": 0.5,
    "alpha": 0.5,
    "n_samples": 10,
    "logits": [0.0, 1.0],
    "temperature": 0.5,
    "f": lambda z: 1.0 * z,
    "f_values": [1.0, 2.0],
    "t_p": [0.0, 1.0],
    "t_q": [0.0, 1.0],
    "log_p": [-1.0, -2.0],
    "log_q": [-2.0, -1.0],
    "z_p": ROWS[None],
    "mean_p": ROWS[None],
    "logstd_p": ROWS[None],
    "logstd_q": ROWS[None],
    "weights": fastdiv.quantize_rows(ROWS),
    "v": [0.5, 1.0],
}
"""By these every function that needs no others can be called."""

DISCRETE = dict.fromkeys(("p", "q"), fastdiv.Categorical(probs=[0.5, 0.5]))
"""Instead of the Gaussians, for the divergence that has no closed form between these."""


def options():
    """Yield every public function that these arguments serve, with each of its parameters."""
    for name in sorted(fastdiv.__all__):
        function = getattr(fastdiv, name)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters
        needed = [key for key, value in parameters.items() if value.default is value.empty]
        if all(key in ARGUMENTS for key in needed):
            for key in parameters:
                given = ARGUMENTS | DISCRETE if function is fastdiv.jensen_shannon else ARGUMENTS
                yield function, key, {other: given[other] for other in needed if other != key}


CASES = {f"{function.__name__}-{key}": (function, key, rest) for function, key, rest in options()}


def refusal(function, **arguments):
    """Return the words of a refusal, or none if the arguments are accepted."""
    try:
        function(**arguments)
    except (TypeError, ValueError, OverflowError) as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:subset_size")
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_argument_is_refused_in_a_few_words_at_once(case):
    """Pass what is large and of a wrong kind to every parameter of every function."""
    function, parameter, arguments = CASES[case]
    kinds = ["text", "integer", "dict", "kernel"]
    if parameter not in ARGUMENTS:  # an array is a sample, of too many rows for a quick test
        kinds += ["array", "array of the standard library", "list"]
    for value in [*STRANGE.values(), *map(LARGE.__getitem__, kinds)]:
        words = refusal(function, **arguments, **{parameter: value})
        assert len(words) <= MOST_CHARACTERS
        assert not words or parameter in words, "the name of the argument is missing"


def test_a_large_array_as_estimator_is_refused_at_once():
    large = np.random.default_rng(0).normal(size=1 << 20)
    for value in (large, large.tolist(), array.array("d", large)):
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"^estimator must be one of"):
            fastdiv.mmd2(ROWS, ROWS, estimator=value)
        assert time.perf_counter() - start < 2


def test_messages_show_what_came_by_the_helper():
    """Find messages with an unbounded `repr`. Files and the command line quote short texts."""
    root = Path(fastdiv.__file__).parent
    quoted = ("tables", "cli", "_engine")
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0] not in quoted:
            assert not re.search(r"got \{[^}]*!r\}", path.read_text(encoding="utf-8")), path

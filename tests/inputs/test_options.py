"""Options: words, numbers, orderings and progress."""

import copy
import io
import sys

import numpy as np
import pytest
from checked_calls import CALLS, GOOD, K, each_call

from fastdiv import RBF, median_distance, mmd2, mmd_test

OPTIONS = {
    "estimator": [("best", ValueError), (None, ValueError), (1, ValueError)],
    "nan_policy": [("propagate", ValueError), (None, ValueError)],
    "n_threads": [
        (0, ValueError),
        (-1, ValueError),
        (1.5, TypeError),
        ("2", TypeError),
        (True, TypeError),
        (10**9, ValueError),
    ],
    "progress": [(1.5, TypeError), ("yes", TypeError)],
    "n_resamples": [
        (-5, ValueError),
        (10**9 + 1, ValueError),
        (10**20, ValueError),
        (9.5, TypeError),
        (10.0, TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
    "rng": [(-1, ValueError), (1.5, TypeError), ("0", TypeError), (True, TypeError)],
    "metric": [("cosine", ValueError), (2, ValueError)],
    "exponent": [
        (0, ValueError),
        (-1, ValueError),
        (2, ValueError),
        (np.nan, ValueError),
        ("1", TypeError),
        (True, TypeError),
    ],
}

TAKES = {
    "n_resamples": ["mmd_test"],
    "rng": ["mmd_test"],
    "metric": ["median_distance"],
    "exponent": ["energy_distance"],
    "estimator": ["mmd2", "mmd_test", "energy_distance"],
}

RAW = CALLS | {"mmd_test": lambda x, y, **kw: mmd_test(x, y, K, **kw)}


@pytest.mark.parametrize(
    ("function", "option", "value", "error"),
    [
        (function, option, value, error)
        for option, cases in OPTIONS.items()
        for function in TAKES.get(option, CALLS)
        for value, error in cases
    ],
)
def test_bad_options(function, option, value, error):
    with pytest.raises(error, match=f"^{option} must be"):
        RAW[function](GOOD, GOOD, **{option: value})


def test_too_many_resamples_are_told_the_limit():
    with pytest.raises(ValueError, match="n_resamples must be an integer from 0 to 1000000000;"):
        mmd_test(GOOD, GOOD, K, n_resamples=10**20)


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        mmd2(GOOD, GOOD, K, "biased")
    with pytest.raises(TypeError):
        median_distance(GOOD, GOOD, "cityblock")


PERMUTATIONS = {
    "1-d": (np.arange(12), ValueError, "shape"),
    "width": (np.arange(11)[None], ValueError, "shape"),
    "none": (np.empty((0, 12), int), ValueError, "shape"),
    "float": (np.arange(12.0)[None], TypeError, "integers"),
    "bool": (np.ones((1, 12), bool), TypeError, "integers"),
    "repeated": (np.array([range(12), [0, *range(11)]]), ValueError, "row 1"),
    "too large": (np.arange(1, 13)[None], ValueError, "row 0"),
    "negative": (np.arange(-1, 11)[None], ValueError, "row 0"),
    "ragged": ([[0, 1], [0]], ValueError, "array"),
}


@pytest.mark.parametrize("case", PERMUTATIONS)
def test_bad_permutations(case):
    bad, error, word = PERMUTATIONS[case]
    with pytest.raises(error, match=f"^permutations.*{word}"):
        mmd_test(GOOD, GOOD, K, permutations=bad)


def test_permutations_fix_the_number_of_resamples():
    two = np.array([range(12), range(11, -1, -1)])
    assert mmd_test(GOOD, GOOD, K, permutations=two).n_resamples == 2
    assert mmd_test(GOOD, GOOD, K, permutations=two, n_resamples=2).n_resamples == 2
    with pytest.raises(ValueError, match="n_resamples must be left out or equal the 2 rows"):
        mmd_test(GOOD, GOOD, K, permutations=two, n_resamples=5)


@each_call
def test_progress_ends_at_the_total(call):
    reports = []
    call(GOOD, GOOD[1:], progress=lambda done, total: reports.append((done, total)))
    done, total = reports[-1]
    assert done == total > 0


def test_progress_may_raise():
    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        mmd2(GOOD, GOOD, K, progress=stop)


def test_progress_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    mmd2(GOOD, GOOD, K, progress=True)
    shown = sys.stderr.getvalue()
    assert shown.startswith("\r[")
    assert shown.endswith("\n")
    assert "100%" in shown
    mmd2(GOOD, GOOD, K, progress=False)
    assert sys.stderr.getvalue() == shown


SEEDS = {
    "int": 7,
    "NumPy int": np.int64(7),
    "sequence": [7, 8],
    "array": np.array([7, 8]),
    "seed sequence": np.random.SeedSequence(7),
    "bit generator": np.random.Philox(7),
    "generator": np.random.default_rng(7),
    "tuple": (7, np.uint8(8)),
    "range": range(3),
    "large": [2**70, 3],
    "array of objects": np.array([7, 2**70], dtype=object),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_rng_is_whatever_numpy_takes(kind):
    by_hand = np.random.default_rng(copy.deepcopy(SEEDS[kind])).permutation(12)
    drawn = mmd_test(GOOD, GOOD[::-1] * 2, K, n_resamples=1, rng=copy.deepcopy(SEEDS[kind]))
    given = mmd_test(GOOD, GOOD[::-1] * 2, K, permutations=by_hand[None])
    assert drawn == given


ENDLESS: list[object] = [7]
ENDLESS.append(ENDLESS)
OTHER_SOURCES = {
    "negative": -1,
    "a negative": [-1, 2],
    "fractions": [0.5],
    "text": "7",
    "texts": ["7"],
    "boolean": True,
    "booleans": [True],
    "object": object(),
    "module": np.random,
    "matrix": np.array([[1, 2]]).view(np.matrix),
    "table": np.array([[1, 2]]),
    "nested list": [[1, 2], [3]],
    "list that holds itself": ENDLESS,
}


@pytest.mark.parametrize("rng", OTHER_SOURCES.values(), ids=OTHER_SOURCES)
def test_rng_of_another_kind_is_refused_with_what_it_takes(rng):
    with pytest.raises((TypeError, ValueError), match=r"^rng must be what .*default_rng takes: "):
        mmd_test(GOOD, GOOD, K, rng=rng)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
def test_no_resamples_give_the_statistic_alone(estimator):
    options = {"estimator": estimator, "rng": 0}
    full = mmd_test(GOOD, GOOD[::-1] * 2, K, n_resamples=9, **options)
    alone = mmd_test(GOOD, GOOD[::-1] * 2, K, n_resamples=0, **options)
    assert alone.statistic == full.statistic
    assert alone.pvalue is None
    assert alone.n_resamples == 0
    assert alone.null_distribution.shape == (0,)
    two = mmd_test(GOOD, GOOD[::-1] * 2, [K, RBF(3.0)], n_resamples=0, **options)
    assert [each.pvalue for each in two] == [None, None]


def test_tensors_that_require_grad_are_no_permutations():
    class NeedsGrad:
        requires_grad = True

        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with pytest.raises(TypeError, match=r"permutations requires grad, .*detach"):
        mmd_test(GOOD, GOOD, K, permutations=NeedsGrad())

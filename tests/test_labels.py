"""Labels of rows."""

from __future__ import annotations

import numpy as np
import pytest

from fastdiv import _labels


@pytest.mark.parametrize(
    ("labels", "distinct"),
    [
        ([3, 1, -1, 3], [-1, 1, 3]),
        ((3, 1, -1, 3), [-1, 1, 3]),
        (np.array([3.0, 1.0, -1.0, 3.0]), [-1.0, 1.0, 3.0]),
        (np.array([3, 1, -1, 3], dtype=np.int8), [-1, 1, 3]),
        (np.array([3, 1, -1, 3], dtype=object), [-1, 1, 3]),
        (np.array([3, 1.0, -1, 3], dtype=object), [-1.0, 1.0, 3.0]),
        (["c", "b", "a", "c"], ["a", "b", "c"]),
        (np.array(["c", "b", "a", "c"], dtype=object), ["a", "b", "c"]),
        ([10**12, 5, -(10**12), 10**12], [-(10**12), 5, 10**12]),
        (np.array([2**64 - 1, 1, 0, 2**64 - 1], dtype=np.uint64), [0, 1, 2**64 - 1]),
        (np.array(["2024-03", "2024-02", "2024-01", "2024-03"], dtype="M8[M]"), None),
    ],
    ids=str,
)
def test_labels_are_numbered_in_ascending_order(labels, distinct):
    numbers, found = _labels.codes(labels, "labels", 4)
    assert numbers.tolist() == [2, 1, 0, 2]
    assert numbers.dtype == np.intp
    assert distinct is None or found.tolist() == distinct


def test_booleans_and_pandas_categoricals_are_labels():
    numbers, found = _labels.codes([True, False, True], "labels", 3)
    assert (numbers.tolist(), found.tolist()) == ([1, 0, 1], [False, True])
    pd = pytest.importorskip("pandas")
    numbers, found = _labels.codes(pd.Categorical(["b", "a", "b"]), "labels", 3)
    assert (numbers.tolist(), found.tolist()) == ([1, 0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="labels must not be missing; got nan at row 1"):
        _labels.codes(pd.Categorical(["b", None, "b"]), "labels", 3)
    with pytest.raises(ValueError, match=r"labels must be .*; got (nan|<NA>) at row 1"):
        _labels.codes(pd.array([1, None, 2], dtype="Int64"), "labels", 3)


def test_counting_and_sorting_agree(rng):
    labels = rng.integers(-50, 50, 1000) * 3
    numbers, found = _labels.codes(labels, "labels", 1000)
    expected, inverse = np.unique(labels, return_inverse=True)
    np.testing.assert_array_equal(numbers, inverse)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("labels", "noise", "numbers", "distinct"),
    [
        ([0, -1, 2, -1], -1, [0, -1, 1, -1], [0, 2]),
        ([0.0, -1.0, 2.0, -1.0], -1, [0, -1, 1, -1], [0, 2]),
        (["b", "noise", "a", "noise"], "noise", [1, -1, 0, -1], ["a", "b"]),
        ([0, 1, 2, 1], -1, [0, 1, 2, 1], [0, 1, 2]),
        (["b", "c", "a", "c"], -1, [1, 2, 0, 2], ["a", "b", "c"]),
    ],
    ids=str,
)
def test_noise_gets_minus_one(labels, noise, numbers, distinct):
    got, found = _labels.codes(labels, "labels", 4, noise)
    assert got.tolist() == numbers
    assert found.tolist() == distinct


@pytest.mark.parametrize(
    ("labels", "noise", "error", "message"),
    [
        ([0, 1], None, ValueError, r"one label per row, shape \(3,\); got shape \(2,\)"),
        ([[0], [1], [1]], None, ValueError, r"shape \(3,\); got shape \(3, 1\)"),
        ([0, 1.5, 1], None, ValueError, "integers or text; got 1.5 at row 1"),
        ([0, 1, np.nan], None, ValueError, "integers or text; got nan at row 2"),
        ([0, 1, None], None, ValueError, "must not be missing; got None at row 2"),
        (np.array(["2024", "NaT", "2024"], "M8[Y]"), None, ValueError, "NaT at row 1"),
        (np.array(["a", 1, "b"], dtype=object), None, TypeError, "all numbers or all text"),
        (np.array([0, 1, 2**80], dtype=object), None, ValueError, "fit 64 bits"),
        ([0, 1j, 1], None, TypeError, "got dtype complex128"),
        ([[0], [1, 2], [1]], None, ValueError, "one label per row"),
        ("abc", None, TypeError, "got str"),
        (None, None, TypeError, "got NoneType"),
        ([-1, -1, -1], -1, ValueError, "besides the noise label -1"),
        ([0, 1, 2], [0, 1], TypeError, "one label or None"),
        (np.ma.array([0, 1, 2], mask=[0, 1, 0]), None, TypeError, "masked"),
    ],
)
def test_bad_labels_are_errors(labels, noise, error, message):
    with pytest.raises(error, match=message):
        _labels.codes(labels, "labels", 3, noise)

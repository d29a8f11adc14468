"""Labels of rows."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from fastdiv._inputs import row_labels


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
    numbers, found = row_labels.codes(labels, "labels", 4)
    assert numbers.tolist() == [2, 1, 0, 2]
    assert numbers.dtype == np.intp
    assert distinct is None or found.tolist() == distinct


def test_booleans_and_pandas_categoricals_are_labels():
    numbers, found = row_labels.codes([True, False, True], "labels", 3)
    assert (numbers.tolist(), found.tolist()) == ([1, 0, 1], [False, True])
    pd = pytest.importorskip("pandas")
    numbers, found = row_labels.codes(pd.Categorical(["b", "a", "b"]), "labels", 3)
    assert (numbers.tolist(), found.tolist()) == ([1, 0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="labels must not be missing; got nan at row 1"):
        row_labels.codes(pd.Categorical(["b", None, "b"]), "labels", 3)
    with pytest.raises(ValueError, match=r"labels must be .*; got (nan|<NA>) at row 1"):
        row_labels.codes(pd.array([1, None, 2], dtype="Int64"), "labels", 3)


def test_pandas_categoricals_keep_their_order():
    pd = pytest.importorskip("pandas")
    levels = pd.Categorical(["hi", "lo", "hi"], categories=["lo", "mid", "hi"], ordered=True)
    for labels in (levels, pd.Series(levels), pd.CategoricalIndex(levels)):
        numbers, found = row_labels.codes(labels, "labels", 3)
        assert (numbers.tolist(), found.tolist()) == ([1, 0, 1], ["lo", "hi"])
        numbers, found = row_labels.codes(labels, "labels", 3, "lo")
        assert (numbers.tolist(), found.tolist()) == ([0, -1, 0], ["hi"])
    with pytest.raises(ValueError, match=r"shape \(2,\); got shape \(3,\)"):
        row_labels.codes(levels, "labels", 2)
    with pytest.raises(ValueError, match=r"integers or text; got 0\.5 at row 1"):
        row_labels.codes(pd.Categorical([1, 0.5, 1]), "labels", 3)


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_noise_may_be_a_time_of_another_unit(unit):
    labels = np.array(["2020-01-01", "2021-01-01"], dtype=f"M8[{unit}]")
    for noise in (np.datetime64("2020-01-01"), datetime.date(2020, 1, 1)):
        numbers, found = row_labels.codes(labels, "labels", 2, noise)
        assert numbers.tolist() == [-1, 0]
        assert found == labels[1:]


@pytest.mark.parametrize("absent", [np.nan, None])
def test_missing_text_is_an_error(absent):
    strings = getattr(getattr(np, "dtypes", None), "StringDType", None)
    if strings is None:
        pytest.skip("needs the StringDType of NumPy 2")
    with pytest.raises(ValueError, match=f"labels must not be missing; got {absent} at row 1"):
        row_labels.codes(np.array(["a", absent, "b"], strings(na_object=absent)), "labels", 3)
    numbers, found = row_labels.codes(np.array(["b", "a", "b"], strings()), "labels", 3, "b")
    assert (numbers.tolist(), found.tolist()) == ([-1, 0, -1], ["a"])


def test_counting_and_sorting_agree(rng):
    labels = rng.integers(-50, 50, 1000) * 3
    numbers, found = row_labels.codes(labels, "labels", 1000)
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
        (["b", "c", "a", "c"], "d", [1, 2, 0, 2], ["a", "b", "c"]),
        ([0, -1, 2, -1], -1.0, [0, -1, 1, -1], [0, 2]),
        (np.array([b"b", b"c", b"a", b"c"]), b"c", [1, -1, 0, -1], [b"a", b"b"]),
        ([True, False, True, False], False, [0, -1, 0, -1], [True]),
        (np.array([0, 1, 2**64 - 1, 1], np.uint64), -1, [0, 1, 2, 1], [0, 1, 2**64 - 1]),
    ],
    ids=str,
)
def test_noise_gets_minus_one(labels, noise, numbers, distinct):
    got, found = row_labels.codes(labels, "labels", 4, noise)
    assert got.tolist() == numbers
    assert found.tolist() == distinct


OF_LISTS = np.array([None, None, None], dtype=object)
OF_LISTS[:] = ["a", np.array([1, 2]), [1, 2]]


@pytest.mark.parametrize(
    ("labels", "noise", "error", "message"),
    [
        ([0, 1], None, ValueError, r"one label per row, shape \(3,\); got shape \(2,\)"),
        ([[0], [1], [1]], None, ValueError, r"shape \(3,\); got shape \(3, 1\)"),
        ([0, 1.5, 1], None, ValueError, "integers or text; got 1.5 at row 1"),
        ([0, 1, np.nan], None, ValueError, "integers or text; got nan at row 2"),
        ([0, 1, None], None, ValueError, "must not be missing; got None at row 2"),
        (np.array(["2024", "NaT", "2024"], "M8[Y]"), None, ValueError, "NaT at row 1"),
        (["a", np.nan, "b"], None, ValueError, "labels must not be missing; got nan at row 1"),
        ([1, "a", 1], None, TypeError, "all numbers or all text"),
        (["-1", "0", "1"], -1, TypeError, "kind of labels, which are text; got -1"),
        ([-1, 0, 1], "-1", TypeError, "kind of labels, which are numbers; got '-1'"),
        (np.array([b"a", b"b", b"c"]), "a", TypeError, "which are bytes; got 'a'"),
        ([0, 1, 2], True, TypeError, "which are numbers; got True"),
        ([0, 1, 2], np.nan, ValueError, "noise_label must not be missing; got nan"),
        (np.array(["a", 1, "b"], dtype=object), None, TypeError, "all numbers or all text"),
        (np.array([0, 1, 2**80], dtype=object), None, ValueError, "fit 64 bits"),
        ([0, 1j, 1], None, TypeError, "got dtype complex128"),
        ([[0], [1, 2], [1]], None, ValueError, "one label per row"),
        ("abc", None, TypeError, "got str"),
        (None, None, TypeError, "got NoneType"),
        ([-1, -1, -1], -1, ValueError, "besides the noise label -1"),
        ([0, 1, 2], [0, 1], TypeError, "one label or None"),
        ([(1, 2), (1, 2), (3,)], None, ValueError, "one label per row"),
        (OF_LISTS, None, TypeError, "^labels must hold one label per row; got a list at row 1"),
        (np.ma.array([0, 1, 2], mask=[0, 1, 0]), None, TypeError, "masked"),
    ],
)
def test_bad_labels_are_errors(labels, noise, error, message):
    with pytest.raises(error, match=message):
        row_labels.codes(labels, "labels", 3, noise)


def test_columns_of_lists_are_no_labels():
    given = [[1, 2]] * 3
    columns = []
    for library, make in (
        ("pandas", lambda pd: pd.Series(given)),
        ("polars", lambda pl: pl.Series(given)),
        ("pyarrow", lambda pa: pa.array(given)),
        ("pyarrow", lambda pa: pa.chunked_array([given])),
    ):
        try:
            module = __import__(library)
        except ImportError:
            continue
        columns.append(make(module))
    if not columns:
        pytest.skip("needs a library of columns")
    for column in columns:
        with pytest.raises(TypeError, match=r"^labels must hold one label per row; got a list"):
            row_labels.codes(column, "labels", 3)

"""Test products of rows with quantised weights."""

import operator

import numpy as np
import pytest
from cases import each_symmetry, quantized
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastdiv import QuantizedRows, hybrid_matmul, median_distance, quantize_rows
from fastdiv._engine import backend


@each_symmetry
@given(data=st.data())
def test_products_are_within_their_bound(symmetric, data):
    k = data.draw(st.integers(1, 9))
    elements = st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False)
    x = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 5)), k), elements=elements))
    w = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 5)), k), elements=elements))
    values, bound = hybrid_matmul(x, quantize_rows(w, symmetric=symmetric))
    assert values.dtype == bound.dtype == np.float32
    wide = np.longdouble
    exact = (x[:, None].astype(wide) * w[None].astype(wide)).sum(-1)
    assert (np.abs(exact - values) <= bound).all()


@each_symmetry
def test_products_are_those_of_the_integers(rng, symmetric):
    for n, m, k in ((1, 1, 1), (5, 3, 2), (50, 49, 33), (49, 145, 64), (97, 150, 515)):
        x = rng.normal(size=(n, k)).astype(np.float32)
        rows, w = quantize_rows(x), quantized(rng, m, k, symmetric)
        values, bound = hybrid_matmul(x, w)
        exact = rows.dequantize(np.float64) @ w.dequantize(np.float64).T
        sizes = np.abs(rows.dequantize(np.float64)) @ np.abs(w.dequantize(np.float64)).T
        assert (np.abs(values - exact) <= 2.0**-24 * np.abs(exact) + 1e-13 * sizes).all()
        expected = np.abs(rows.dequantize(np.float64)).sum(1)[:, None] * w.scale / 2
        expected = expected + rows.scale[:, None] * np.abs(w.dequantize(np.float64)).sum(1) / 2
        expected += k * np.multiply.outer(rows.scale, w.scale).astype(np.float64) / 4
        np.testing.assert_allclose(bound, expected, rtol=1e-2)
        assert (bound >= expected).all()


def test_the_integer_sums_do_not_overflow():
    """Add up the largest products over more features than an int32 can hold."""
    for d in (32_768, 32_769, 140_001):
        values = np.full((2, d), 127, np.int8)
        values[1] = -128
        zero = np.array([-128, 127], np.int8)
        rows = QuantizedRows(values, np.float32([1.0, 1.0]), zero)
        products = backend.current().quantized_products(rows, rows, 0)
        assert products.tolist() == np.float32(65025.0 * d * np.array([[1, -1], [-1, 1]])).tolist()
        expected = np.sqrt(4 * 65025.0 * d)
        np.testing.assert_allclose(median_distance(rows), expected, rtol=1e-6)


def test_hybrid_matmul_refuses(rng):
    w = quantized(rng, 3, 4)
    with pytest.raises(TypeError, match="weights must be QuantizedRows; got ndarray"):
        hybrid_matmul(np.ones((2, 4)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="same number of features; got 5 and 4"):
        hybrid_matmul(np.ones((2, 5)), w)
    with pytest.raises(ValueError, match="x holds 1 NaN"):
        hybrid_matmul([[1.0, 2.0, 3.0, np.nan]], w)
    with pytest.raises(TypeError, match="x must not be quantised"):
        hybrid_matmul(w, w)
    with pytest.raises(ValueError, match="n_threads"):
        hybrid_matmul(np.ones((2, 4)), w, n_threads=0)
    huge = quantize_rows(np.full((1, 4), 1e38))
    with pytest.raises(OverflowError, match="too large for float32"):
        hybrid_matmul(np.full((1, 4), 1e38), huge)


def test_products_are_equal_by_value():
    x, w = [[1.0, 2.0]], quantize_rows([[2.0, 1.0], [1.0, 3.0]])
    one, two = hybrid_matmul(x, w), hybrid_matmul(x, w)
    assert one == two
    assert operator.ne(one, two) is False  # which a tuple compares on its own
    assert hash(one) == hash(two)
    assert one != hybrid_matmul([[1.0, 3.0]], w)
    assert one != tuple(two)


def test_features_of_frames_go_by_name():
    pd = pytest.importorskip("pandas")
    x = pd.DataFrame({"a": [1.0, 2.0], "b": [30.0, -4.0]})
    w = pd.DataFrame({"a": [5.0, 2.0, 1.0], "b": [0.5, 4.0, 0.1]})
    for symmetric in (True, False):
        expected = hybrid_matmul(x, quantize_rows(w, symmetric=symmetric))
        swapped = quantize_rows(w[["b", "a"]], symmetric=symmetric)
        assert hybrid_matmul(x, swapped) == expected
    with pytest.raises(ValueError, match=r"^x and weights must have the same columns.*s: 'c'"):
        hybrid_matmul(x, quantize_rows(w.rename(columns={"b": "c"})))


def test_products_of_tiny_rows_are_within_their_bound():
    x, w = np.array([[1e-40, -2e-40]]), np.array([[1.0, 2.0]])
    values, bound = hybrid_matmul(x, quantize_rows(w))
    assert np.abs(values - x @ w.T) <= bound

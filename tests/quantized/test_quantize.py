"""Test how rows are quantised, and which rows are refused."""

import numpy as np
import pytest
from cases import each_symmetry, quantized
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastdiv import Laplacian, QuantizedRows, median_distance, mmd2, quantize_rows
from fastdiv._engine import backend


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_symmetric_definition(rng, dtype):
    x = (rng.normal(size=(40, 17)) * 100).astype(dtype)
    x[3] = 0
    x[4] = np.arange(17) - 8
    rows = quantize_rows(x)
    largest = np.abs(x).max(axis=1).astype(np.float64)
    expected = np.where(largest == 0, 1, largest / 127).astype(np.float32)
    np.testing.assert_array_equal(rows.scale, expected)
    quotient = x / expected[:, None].astype(np.float64)
    away = np.trunc(quotient + np.copysign(0.5, quotient))
    np.testing.assert_array_equal(rows.values, np.clip(away, -127, 127))
    assert rows.zero_point is None
    assert rows.values.dtype == np.int8
    assert rows.scale.dtype == np.float32


def test_ties_go_away_from_zero():
    rows = quantize_rows([[127.0, 0.5, -0.5, 2.5, -2.5, 0.49999999999999994]])
    assert rows.values.tolist() == [[127, 1, -1, 3, -3, 0]]


def test_asymmetric_definition():
    rows = quantize_rows(
        [[0.0, 255.0], [-255.0, 0.0], [-100.0, 155.0], [510.0, 255.0]], symmetric=False
    )
    assert rows.scale.tolist() == [1.0, 1.0, 1.0, 2.0]
    assert rows.zero_point.tolist() == [-128, 127, -28, -128]
    assert rows.values.tolist() == [[-128, 127], [-128, 127], [-128, 127], [127, 0]]
    zero = quantize_rows([[0.0, 0.0]], symmetric=False)
    assert zero.dequantize().tolist() == [[0.0, 0.0]]


FINITE32 = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)


FINITE64 = st.floats(-1e38, 1e38, allow_subnormal=False)


def matrices(elements, dtype):
    return arrays.arrays(
        dtype, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=elements
    )


@each_symmetry
@example(x=np.array([[-1.1488952e-05, 1.1488952e-05]], np.float32))
@given(x=matrices(FINITE32, np.float32) | matrices(FINITE64, np.float64))
def test_no_value_moves_by_more_than_half_a_scale(x, symmetric):
    assume(not x.any() or np.abs(x).max() > 1e-35)
    rows = quantize_rows(x, symmetric=symmetric)
    moved = np.abs(x.astype(np.float64) - rows.dequantize(np.float64))
    assert (moved <= 0.5 * rows.scale.astype(np.float64)[:, None] * (1 + 1e-12)).all()
    largest = np.abs(x.astype(np.float64)).max(axis=1)
    assert (rows.scale[largest == 0] == 1).all()


def test_blocks_do_not_show(rng):
    x = rng.normal(size=(5000, 40))
    for symmetric in (True, False):
        whole = quantize_rows(x, symmetric=symmetric)
        part = quantize_rows(x[3210:3333], symmetric=symmetric)
        np.testing.assert_array_equal(whole.values[3210:3333], part.values)
        np.testing.assert_array_equal(whole.scale[3210:3333], part.scale)


@each_symmetry
def test_rows_are_a_sample_of_rows(rng, symmetric):
    rows = quantized(rng, 9, 4, symmetric)
    assert len(rows) == 9
    assert rows.shape == (9, 4)
    assert f"symmetric={symmetric}" in repr(rows)
    picked = rows[np.array([3, 1])]
    np.testing.assert_array_equal(picked.dequantize(), rows.dequantize()[[3, 1]])
    np.testing.assert_array_equal(rows[2:4].dequantize(), rows.dequantize()[2:4])
    zero = 0 if symmetric else rows.zero_point[:, None].astype(np.float64)
    exact = rows.scale[:, None].astype(np.float64) * (rows.values - zero)
    np.testing.assert_array_equal(rows.dequantize(np.float64), exact)
    assert rows.dequantize().dtype == np.float32


def test_any_strides(rng):
    values = rng.integers(-128, 128, size=(40, 60)).astype(np.int8)
    scale = rng.uniform(0.01, 0.02, 40).astype(np.float32)
    rows = QuantizedRows(values, scale)
    plain = median_distance(rows)
    assert median_distance(QuantizedRows(np.asfortranarray(values), scale)) == plain
    reversed_rows = QuantizedRows(values[::-1, ::-1], scale[::-1])
    np.testing.assert_allclose(median_distance(reversed_rows), plain, rtol=1e-6)
    every_other = QuantizedRows(values[::2, ::3], scale[::2])
    copied = QuantizedRows(values[::2, ::3].copy(), scale[::2].copy())
    assert median_distance(every_other) == median_distance(copied)


def test_scales_far_apart(rng):
    """Use a row of zeros, whose scale 1 is far from the scales of the others."""
    for size in (1e-36, 1e-30, 1e30):
        x = (rng.normal(size=(30, 8)) * size).astype(np.float32)
        x[3] = 0
        rows = quantize_rows(x)
        exact = rows.dequantize(np.float64)
        np.testing.assert_allclose(median_distance(rows), median_distance(exact), rtol=1e-5)
        with backend.use("reference"):
            expected = mmd2(exact[:15], exact[15:], Laplacian(10 * size))
        got = mmd2(rows[:15], rows[15:], Laplacian(10 * size))
        np.testing.assert_allclose(got.value, expected, rtol=0, atol=1e-5)


GOOD = np.zeros((2, 3), np.int8)


ONES = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((2, 3)), ONES), TypeError, "values must have dtype int8; got float64"),
        ((np.zeros((2, 3), np.uint8), ONES), TypeError, "got uint8"),
        ((np.zeros(3, np.int8), ONES), ValueError, r"shape \(n, d\).*got shape \(3,\)"),
        ((np.zeros((0, 3), np.int8), ONES[:0]), ValueError, r"got shape \(0, 3\)"),
        ((GOOD, np.ones(2)), TypeError, "scale must have dtype float32; got float64"),
        ((GOOD, np.ones(3, np.float32)), ValueError, r"scale must have shape \(2,\)"),
        ((GOOD, np.float32([1, 0])), ValueError, "scale must be finite and >= 1.2e-38"),
        ((GOOD, np.float32([1, -1])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, np.nan])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, np.inf])), ValueError, "scale must be finite"),
        ((GOOD, np.float32([1, 1e-40])), ValueError, "scale must be finite"),
        ((GOOD, ONES, np.zeros(2)), TypeError, "zero_point must have dtype int8 or int32"),
        ((GOOD, ONES, np.zeros(3, np.int8)), ValueError, r"zero_point must have shape \(2,\)"),
        ((GOOD, ONES, np.int32([0, 128])), ValueError, "zero_point must be from -128 to 127"),
    ],
)
def test_rows_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        QuantizedRows(*arguments)


@pytest.mark.parametrize("convert", [np.asarray, np.array, list])
def test_rows_are_no_array(rng, convert):
    rows = quantize_rows(rng.normal(size=(3, 2)))
    with pytest.raises(TypeError, match=r"\.dequantize\(\)"):
        convert(rows)


def test_an_index_of_one_row_is_refused(rng):
    with pytest.raises(TypeError, match="slice or an array; got int"):
        quantized(rng, 3, 2)[0]


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        ([[1.0, np.nan]], {}, ValueError, "x holds 1 NaN or infinite value"),
        ([[1.0, -np.inf]], {}, ValueError, "x holds 1 NaN or infinite value"),
        ([], {}, ValueError, "x has no rows"),
        (3.0, {}, ValueError, "x must be an array of rows"),
        ([["a"]], {}, TypeError, "x must hold real numbers"),
        ([[1e50]], {}, ValueError, "too large for a float32 scale"),
        ([[1e308, -1e308]], {"symmetric": False}, ValueError, "too large for a float32 scale"),
        ([[1e-40], [0.0]], {}, ValueError, "x must not have values below some 1e-36 in all rows"),
        ([[2.0**-300]], {"symmetric": False}, ValueError, "where float32 scales underflow"),
        ([[0.0], [-1e-37]], {"symmetric": False}, ValueError, "where float32 scales underflow"),
        ([[1.0]], {"symmetric": 1}, TypeError, "symmetric must be True or False; got 1"),
        (QuantizedRows(GOOD, ONES), {}, TypeError, "x must not be quantised here"),
    ],
)
def test_quantize_rows_refuses(x, options, error, message):
    with pytest.raises(error, match=message):
        quantize_rows(x, **options)


class NeedsGrad:
    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize("name", ["values", "scale", "zero_point"])
@pytest.mark.parametrize(("bad", "error"), [(NeedsGrad(), TypeError), ([[1], [2, 3]], ValueError)])
def test_what_is_no_array_is_refused_by_name(name, bad, error):
    parts = {"values": np.ones((2, 2), np.int8), "scale": np.ones(2, np.float32)}
    with pytest.raises(error, match=f"^{name} must be an array; got"):
        QuantizedRows(**parts | {name: bad})


@each_symmetry
def test_tiny_rows_beside_others_move_by_half_the_least_scale(symmetric):
    x = np.array([[1.0, -1.0], [1e-40, 2e-40], [0.0, 0.0]])
    rows = quantize_rows(x, symmetric=symmetric)
    moved = np.abs(rows.dequantize(np.float64) - x)
    assert (moved <= 0.5 * (1 + 1e-9) * rows.scale[:, None]).all()
    assert not quantize_rows(0 * x, symmetric=symmetric).dequantize().any()

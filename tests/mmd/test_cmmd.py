"""Test CMMD against a plain version of its published formula."""

import numpy as np
import pytest
from cases import squares

from fastdiv import RBF, cmmd, mmd2


def plain_cmmd(x, y):
    """Compute 1000 MMD² by expm1 in extended precision, without the ones, which cancel."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    xx, yy, xy = (np.expm1(-squares(a, b) / 200).mean() for a, b in ((x, x), (y, y), (x, y)))
    return float(1000 * (xx + yy - 2 * xy))


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cmmd(rng, dtype):
    x = unit(rng.normal(size=(120, 32))).astype(dtype)
    y = unit(rng.normal(size=(90, 32)) + 0.1).astype(dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    assert cmmd(x, y) == pytest.approx(plain_cmmd(x, y), abs=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cmmd_keeps_the_digits_of_near_equals(rng, dtype):
    """Shift rows so little that MMD² of the kernel itself is mostly rounding."""
    shift, tolerance = (1e-3, 3e-7) if dtype == np.float32 else (1e-6, 1e-14)
    x = unit(rng.normal(size=(150, 64))).astype(dtype)
    y = (x + shift).astype(dtype)
    expected = plain_cmmd(x, y)
    assert cmmd(x, y) == pytest.approx(expected, abs=tolerance)
    with_ones = 1000 * mmd2(x, y, RBF(10.0), estimator="biased")
    assert with_ones != pytest.approx(expected, abs=2 * tolerance)


def test_cmmd_of_equals_is_zero(rng):
    x = rng.normal(size=(50, 8))
    assert cmmd(x, x) == pytest.approx(0, abs=1e-12)


def test_cmmd_normalises(rng):
    x, y = rng.normal(size=(30, 6)) + 0.5, 3 * rng.normal(size=(40, 6))
    assert cmmd(x, y, normalize=True) == pytest.approx(cmmd(unit(x), unit(y)), rel=1e-12)
    scaled = cmmd(7.0 * x, 0.1 * y, normalize=True)
    assert scaled == pytest.approx(cmmd(x, y, normalize=True), rel=1e-12)
    assert cmmd(x, y) != pytest.approx(scaled, rel=0.1)
    tiny = cmmd(x * 1e-200, y * 1e200, normalize=True)
    assert tiny == pytest.approx(scaled, rel=1e-12)


def test_bad_cmmd(rng):
    x = rng.normal(size=(5, 2))
    x[3] = 0
    with pytest.raises(ValueError, match=r"x must have no zero row .* at row 3"):
        cmmd(x, x + 1, normalize=True)
    with pytest.raises(ValueError, match=r"y must have no zero row"):
        cmmd(x + 1, x, normalize=True)
    with pytest.raises(TypeError, match="normalize must be True or False"):
        cmmd(x, x, normalize="yes")
    with pytest.raises(ValueError, match="NaN"):
        cmmd(np.where(x > 0, np.nan, x), x)
    assert cmmd(x, x) == pytest.approx(0, abs=1e-12)

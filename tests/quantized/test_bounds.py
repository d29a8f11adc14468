"""Test the bound of the change of an MMD² by quantisation."""

import numpy as np
import pytest
from cases import each_estimator, each_symmetry, radial_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from quantized_kernels import KERNELS, each_kernel

import fastdiv as fd
from fastdiv import RBF, QuantizedRows, mmd2, quantize_rows
from fastdiv._engine import backend
from fastdiv.kernels.base import FORMULAS, STEEPEST


def test_every_kernel_has_a_slope_or_a_rule():
    no_kernel_of_an_mmd = {"cityblock"}
    assert set(FORMULAS) - no_kernel_of_an_mmd == set(STEEPEST) | {"energy", "polynomial", "linear"}


@pytest.mark.parametrize("kernel", radial_kernels(0.7, alpha=0.3, c=0.7), ids=repr)
def test_slopes_are_the_largest(kernel):
    term = kernel._term()
    sigma = term.params[-1] if term.name != "imq" else np.sqrt(term.params[0])
    r = np.linspace(0, 5 * sigma, 200_001)
    k = FORMULAS[term.name](r if term.base == "l1" else r**2, *term.params)
    steepest = np.abs(np.diff(k) / np.diff(r)).max()
    slope = STEEPEST[term.name](*term.params)
    assert steepest <= slope * (1 + 1e-9)
    assert steepest >= slope * (1 - 1e-3)


@pytest.mark.slow
@each_symmetry
@each_estimator
@each_kernel
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([1e-3, 1.0, 1e3]), data=st.data())
def test_mmd2_before_quantisation_is_within_the_bound(
    name, estimator, symmetric, seed, spread, data
):
    n, d = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 20))
    m = n if estimator == "paired" else data.draw(st.integers(2, 6))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.exp(rng.normal(size=(n, 1))) * spread
    y = rng.standard_t(1.5, size=(m, d)) * spread + data.draw(st.sampled_from([0.0, 3.0]))
    kernel = KERNELS[name](d)
    a, b = quantize_rows(x, symmetric=symmetric), quantize_rows(y, symmetric=symmetric)
    with backend.use("reference"):
        exact = mmd2(x, y, kernel, estimator=estimator)
        quantised = mmd2(a, b, kernel, estimator=estimator)
        sizes = mmd2(np.abs(x), -np.abs(y), kernel, estimator=estimator)
    rounding = 1e-12 * (1 + abs(exact) + abs(sizes))
    assert abs(exact - quantised.value) <= quantised.bound + rounding


@pytest.mark.parametrize("estimator", ["unbiased", "paired"])
@pytest.mark.parametrize("kernel", [fd.Polynomial(5, gamma=3e-5), fd.Linear()], ids=repr)
def test_the_bound_holds_beside_a_far_row(rng, kernel, estimator):
    """Pairs with itself would leave rounding errors if they were subtracted."""
    for scale in np.geomspace(1e3, 1e9, 13):
        x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
        y[7] *= scale
        a, b = quantize_rows(x), quantize_rows(y)
        bound = mmd2(a, b, kernel, estimator=estimator).bound
        with backend.use("reference"):
            change = mmd2(x, y, kernel, estimator=estimator)
            change -= mmd2(a, b, kernel, estimator=estimator).value
        assert abs(change) <= bound


def test_a_bound_beyond_the_range_is_infinite(rng):
    rows = quantize_rows(rng.normal(size=(9, 3)) * 1e-9)
    estimate = mmd2(rows[:4], rows[4:], fd.Polynomial(20, gamma=1e17, coef0=0.0))
    assert np.isfinite(estimate.value)
    assert estimate.bound == np.inf


def test_the_bound_is_of_use(rng):
    """Check that the bound shrinks with the scale, and is small at the precision of int8."""
    x, y = rng.normal(size=(200, 16)), rng.normal(size=(200, 16)) + 0.5
    estimate = mmd2(quantize_rows(x), quantize_rows(y), RBF(np.sqrt(16.0)))
    assert estimate.bound < 0.1
    coarse = QuantizedRows(np.int8(np.rint(x)), np.ones(200, np.float32))
    assert mmd2(coarse, coarse, RBF(4.0)).bound > 10 * estimate.bound

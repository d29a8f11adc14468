"""Samples kept as int8 in the functions built on MMD, and where they have no place."""

import tracemalloc

import numpy as np
import pytest

from fastdiv import (
    RBF,
    QuantizedEstimate,
    fit_gaussian,
    mmd2,
    quantize_rows,
    silhouette_samples,
    wae_kernel,
    wae_mmd,
)

each_symmetry = pytest.mark.parametrize("symmetric", [True, False], ids=["sym", "asym"])


def rows_of(rng, n, d, symmetric=True):
    x = rng.normal(size=(n, d)) * rng.uniform(0.3, 2.0, size=(n, 1)) + 0.2
    return quantize_rows(x, symmetric=symmetric)


def peak_of(call):
    """Return the bytes that NumPy held at most; the core holds its copies outside."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- estimates as numbers --------------------------------------------------------------


def test_an_estimate_prints_as_its_value():
    estimate = QuantizedEstimate(0.12345, 0.1)
    assert f"{estimate:.3f}" == "0.123"
    assert f"{estimate}" == str(estimate) == "QuantizedEstimate(value=0.12345, bound=0.1)"
    assert float(estimate) < 0.2


def test_several_estimates_are_not_one_number(rng):
    rows = rows_of(rng, 6, 2)
    for kernels in ([RBF(1.0)], [RBF(1.0), RBF(2.0)]):
        estimate = mmd2(rows[:3], rows[3:], kernels)
        with pytest.raises(TypeError, match=f"holds {len(kernels)} values, one per kernel"):
            float(estimate)
        with pytest.raises(TypeError, match=r"take one of its \.value"):
            f"{estimate:.3f}"


# --- fitted Gaussians ------------------------------------------------------------------


@each_symmetry
@pytest.mark.parametrize("ddof", [0, 1])
def test_fit_gaussian(rng, symmetric, ddof):
    rows = rows_of(rng, 300, 7, symmetric)
    got = fit_gaussian(rows, ddof=ddof)
    expected = fit_gaussian(rows.dequantize(np.float64), ddof=ddof)
    np.testing.assert_array_equal(got.mean, expected.mean)
    np.testing.assert_array_equal(got.cov(), expected.cov())
    assert got.log_prob(np.zeros(7)) == expected.log_prob(np.zeros(7))


def test_fit_gaussian_holds_a_few_rows_at_a_time(rng, monkeypatch):
    rows = rows_of(rng, 20_000, 64)
    whole = fit_gaussian(rows)
    monkeypatch.setattr("fastdiv.gaussian._VALUES", 1 << 16)
    parts = fit_gaussian(rows)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts.cov(), whole.cov(), rtol=1e-12, atol=1e-14)
    assert peak_of(lambda: fit_gaussian(rows)) < 2 * rows.values.nbytes


def test_fit_gaussian_of_few_quantised_rows(rng):
    with pytest.raises(ValueError, match="x must have more than ddof = 3 rows"):
        fit_gaussian(rows_of(rng, 3, 2), ddof=3)


# --- the WAE penalty -------------------------------------------------------------------


@each_symmetry
@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_wae_mmd(rng, kernel, symmetric):
    z, z_prior = rng.normal(size=(60, 5)) + 0.3, rng.normal(size=(50, 5))
    a, b = quantize_rows(z, symmetric=symmetric), quantize_rows(z_prior, symmetric=symmetric)
    chosen = wae_kernel(a, b, kernel=kernel)
    estimate = wae_mmd(a, b, kernel=kernel)
    again = mmd2(a, b, chosen)
    assert (estimate.value, estimate.bound) == (again.value, again.bound)
    plain = wae_mmd(a.dequantize(np.float64), b.dequantize(np.float64), kernel=kernel)
    assert estimate.value == pytest.approx(plain, abs=1e-5)
    assert abs(float(estimate) - mmd2(z, z_prior, chosen)) <= estimate.bound


@each_symmetry
def test_wae_bandwidth_is_that_of_the_dequantised_rows(rng, symmetric, monkeypatch):
    a, b = rows_of(rng, 70, 4, symmetric), rows_of(rng, 45, 4)
    expected = wae_kernel(a.dequantize(np.float64), b.dequantize(np.float64), kernel="rbf")
    for at_once in (1 << 20, 64):
        monkeypatch.setattr("fastdiv._selection._AT_ONCE", at_once)
        got = wae_kernel(a, b, kernel="rbf")
        assert got.bandwidth == pytest.approx(expected.bandwidth, rel=1e-12)


def test_wae_bandwidth_holds_a_few_rows_at_a_time(rng, monkeypatch):
    rows = rows_of(rng, 1000, 2000)
    monkeypatch.setattr("fastdiv._selection._AT_ONCE", 1 << 16)
    peak = peak_of(lambda: wae_kernel(rows[:500], rows[500:], kernel="rbf"))
    assert peak < 2 * rows.values.nbytes


# --- silhouettes -----------------------------------------------------------------------


def test_squared_silhouettes_hold_a_few_rows_at_a_time(rng):
    rows, labels = rows_of(rng, 4000, 500), np.arange(4000) % 3

    def call():
        return silhouette_samples(rows, labels, metric="sqeuclidean")

    # The rows, in the order of their labels, are one copy in int8.
    assert peak_of(call) < 3 * rows.values.nbytes
    expected = silhouette_samples(rows.dequantize(np.float64), labels, metric="sqeuclidean")
    np.testing.assert_allclose(call(), expected, atol=1e-12)

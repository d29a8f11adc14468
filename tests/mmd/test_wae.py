"""Test the WAE penalty against a plain version of its published formula."""

import numpy as np
import pytest
from cases import Reports, squares

from fastdiv import (
    InverseMultiquadric,
    Sum,
    mmd2,
    mmd2_and_grad,
    wae_kernel,
    wae_mmd,
)

SCALES = [0.1, 0.2, 0.5, 1, 2, 5, 10]


def penalty(z, z_prior, kernel, prior="normal", sigma2_p=1.0):
    """Compute the WAE penalty from whole matrices of distances."""
    z, z_prior = z.astype(np.float64), z_prior.astype(np.float64)
    n, d = z.shape
    zz, pp, zp = squares(z, z), squares(z_prior, z_prior), squares(z, z_prior)
    if kernel == "rbf":
        half = (n * n - n) // 2
        sigma2 = np.sort(zp.ravel())[::-1][half - 1] + np.sort(zz.ravel())[::-1][half - 1]
        kernels = [lambda square: np.exp(-square / 2 / sigma2)]
    else:
        base = {"normal": 2 * d * sigma2_p, "sphere": 2, "uniform": d}[prior]
        kernels = [lambda square, c=base * s: c / (c + square) for s in SCALES]
    total = 0.0
    for k in kernels:
        within = (k(zz) + k(pp)) * (1 - np.eye(n))
        total += within.sum() / (n * n - n) - 2 * k(zp).sum() / (n * n)
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("prior", ["normal", "sphere", "uniform"])
@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize("n", [2, 3, 20, 33])
def test_wae_penalty(rng, kernel, prior, dtype, n):
    z, z_prior = rng.normal(size=(2, n, 5)).astype(dtype)
    z += dtype(0.3)
    got = wae_mmd(z, z_prior, kernel=kernel, prior=prior, sigma2_p=1.7)
    expected = penalty(z, z_prior, kernel, prior, 1.7)
    assert got == pytest.approx(expected, abs=1e-12 if dtype is np.float64 else 1e-5)


def test_wae_kernel_is_the_kernel_of_the_penalty(rng):
    z, z_prior = rng.normal(size=(2, 30, 4))
    for options in ({}, {"prior": "uniform"}, {"sigma2_p": 3.0}, {"kernel": "rbf"}):
        kernel = wae_kernel(z, z_prior, **options)
        assert wae_mmd(z, z_prior, **options) == mmd2(z, z_prior, kernel)
    kernels = wae_kernel(z, z_prior, sigma2_p=3.0).kernels
    assert kernels == tuple(InverseMultiquadric(2.0 * 4 * 3.0 * s) for s in SCALES)
    assert isinstance(wae_kernel(z, z_prior), Sum)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_gradients_of_the_penalty(rng, kernel):
    """Compare with finite differences at a constant bandwidth."""
    z, z_prior = rng.normal(size=(2, 12, 3))
    fixed = wae_kernel(z, z_prior, kernel=kernel)
    value, gradient = mmd2_and_grad(z, z_prior, fixed, wrt=("x",))
    assert value == pytest.approx(wae_mmd(z, z_prior, kernel=kernel), rel=1e-12)
    step = 1e-6
    for index in ((0, 0), (5, 2), (11, 1)):
        above, below = z.copy(), z.copy()
        above[index] += step
        below[index] -= step
        slope = (mmd2(above, z_prior, fixed) - mmd2(below, z_prior, fixed)) / (2 * step)
        assert gradient[index] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_channels_are_flattened_and_not_summed(rng):
    """Compare latents whose channels depend on each other with a prior where they do not."""
    first = rng.normal(size=(400, 1, 3))
    z = np.concatenate([first, first], axis=1)
    z_prior = rng.normal(size=(400, 2, 3))
    together = wae_mmd(z, z_prior)
    assert together == wae_mmd(z.reshape(400, 6), z_prior.reshape(400, 6))
    assert together == pytest.approx(penalty(z.reshape(400, 6), z_prior.reshape(400, 6), "imq"))
    summed = sum(wae_mmd(z[:, c], z_prior[:, c]) for c in range(2))
    assert together > 0.1 > 5 * abs(summed)


def test_wae_progress(rng):
    reports = Reports()
    z, z_prior = rng.normal(size=(2, 30, 3))
    wae_mmd(z, z_prior, progress=reports)
    assert reports
    assert reports[-1][0] == reports[-1][1]


def test_wae_with_other_numbers_of_draws(rng):
    z, z_prior = rng.normal(size=(12, 3)), rng.normal(size=(31, 3))
    sigma2 = np.sort(squares(z, z_prior).ravel())[::-1][12 * 30 // 2 - 1]
    sigma2 += np.sort(squares(z, z).ravel())[::-1][12 * 11 // 2 - 1]
    kernel = wae_kernel(z, z_prior, kernel="rbf")
    assert kernel.bandwidth == pytest.approx(np.sqrt(sigma2), rel=1e-13)
    assert wae_mmd(z, z_prior, kernel="rbf") == mmd2(z, z_prior, kernel)
    few = wae_kernel(z[:2], z_prior[:2], kernel="rbf")
    assert few.bandwidth > 0


def test_wae_bandwidth_far_from_the_origin_and_in_tight_clusters(rng):
    z, z_prior = rng.normal(size=(2, 40, 3))
    bandwidth = wae_kernel(z, z_prior, kernel="rbf").bandwidth
    shifted = wae_kernel(z + 1e6, z_prior + 1e6, kernel="rbf").bandwidth
    assert shifted == pytest.approx(bandwidth, rel=1e-9)
    z *= 1e-3
    z_prior *= 1e-3
    z[:5] += 1e4
    z_prior[:5] += 1e4
    sigma2 = sum(np.sort(squares(z, b).ravel())[::-1][40 * 39 // 2 - 1] for b in (z, z_prior))
    tight = wae_kernel(z, z_prior, kernel="rbf").bandwidth
    assert tight == pytest.approx(np.sqrt(sigma2), rel=1e-12)
    assert tight < 0.01


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"kernel": "RBF"}, ValueError, "kernel must be one of 'imq', 'rbf'"),
        ({"prior": "gaussian"}, ValueError, "prior must be one of"),
        ({"sigma2_p": 0.0}, ValueError, "sigma2_p must be > 0"),
        ({"sigma2_p": "1"}, TypeError, "sigma2_p must be a real number"),
        ({"n_threads": 0}, ValueError, "n_threads must be"),
    ],
)
def test_bad_wae_options(rng, options, error, match):
    with pytest.raises(error, match=match):
        wae_mmd(*rng.normal(size=(2, 5, 2)), **options)


def test_bad_wae_samples(rng):
    z = rng.normal(size=(5, 2))
    with pytest.raises(ValueError, match="at least 2 rows"):
        wae_mmd(z[:1], z)
    with pytest.raises(ValueError, match="same number of features"):
        wae_mmd(z, z[:, :1])
    with pytest.raises(ValueError, match="NaN"):
        wae_mmd(np.where(z > 0, np.nan, z), z)
    with pytest.raises(ValueError, match="bandwidth of kernel='rbf' is zero"):
        wae_mmd(np.ones((4, 2)), np.ones((4, 2)), kernel="rbf")
    with pytest.raises(OverflowError, match="overflow"):
        wae_kernel(z * 1e200, z, kernel="rbf")


def test_a_variance_at_the_end_of_the_range_is_refused_by_its_name():
    with pytest.raises(ValueError, match="sigma2_p must not lie at the end"):
        wae_mmd([0.0, 1.0], [2.0, 3.0], sigma2_p=1e308)

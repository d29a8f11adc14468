"""Test complex samples, which are real ones with twice as many features."""

import importlib

import numpy as np
import pytest

import fastdiv as fd
from fastdiv import (
    RBF,
    Energy,
    _inputs,
    cluster_dispersion,
    cmmd,
    disco,
    dunn_index,
    energy_distance,
    fit_gaussian,
    geometric_median,
    kernel_mean_matching,
    kid,
    kl_knn,
    median_distance,
    mmd2,
    mmd2_and_grad,
    mmd_test,
    permanova,
    quantize_rows,
    silhouette_samples,
    wae_mmd,
    wcss,
    witness,
)

LABELS = np.arange(20) % 3
STATISTICS = {
    "mmd2": lambda x, y: mmd2(x, y, [RBF(), fd.Laplacian(), fd.Polynomial(), Energy(1.5)]),
    "mmd2, weighted": lambda x, y: mmd2(x, y, fd.Linear(), x_weights=np.arange(1.0, 21.0)),
    "mmd_test": lambda x, y: mmd_test(x, y, n_resamples=19, rng=0).null_distribution,
    "energy_distance": energy_distance,
    "witness": lambda x, y: witness(x, y, x),
    "median_distance": median_distance,
    "median_distance, one": lambda x, _: median_distance(x, metric="cityblock"),
    "kid": lambda x, y: kid(x, y, n_subsets=3, subset_size=5, rng=0).mean,
    "kl_knn": lambda x, y: kl_knn(x, y),
    "cmmd": lambda x, y: cmmd(x, y, normalize=True),
    "wae_mmd": lambda x, y: wae_mmd(x, y),
    "kernel_mean_matching": lambda x, y: kernel_mean_matching(x, y).weights,
    "silhouettes": lambda x, _: silhouette_samples(x, LABELS, metric="manhattan"),
    "dunn_index": lambda x, _: dunn_index(x, LABELS),
    "permanova": lambda x, _: permanova(x, LABELS, n_resamples=19, rng=0).null_distribution,
    "disco": lambda x, _: disco(x, LABELS, n_resamples=19, rng=0).null_distribution,
}
each_statistic = pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)


def complex_rows(rng, n, *shape, dtype=np.complex128):
    return (rng.normal(size=(n, *shape)) + 1j * rng.normal(size=(n, *shape))).astype(dtype)


def parts(z):
    return np.stack((z.real, z.imag), axis=-1)


@each_statistic
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)], ids=str)
def test_is_that_of_real_and_imaginary_parts(rng, statistic, dtype, shape):
    x, y = complex_rows(rng, 20, *shape, dtype=dtype), complex_rows(rng, 15, *shape, dtype=dtype)
    np.testing.assert_array_equal(statistic(x, y), statistic(parts(x), parts(y)))


@pytest.mark.parametrize("real_dtype", [np.float32, np.float64, np.int64])
def test_real_samples_have_no_imaginary_parts(rng, real_dtype):
    z = complex_rows(rng, 12, 3, dtype=np.complex64)
    real = (3 * rng.normal(size=(9, 3))).astype(real_dtype)
    same = parts(real.astype(np.complex128 if real_dtype != np.float32 else np.complex64))
    kernels = [RBF(), fd.Laplacian()]
    np.testing.assert_array_equal(mmd2(z, real, kernels), mmd2(parts(z), same, kernels))
    np.testing.assert_array_equal(mmd2(real, z, kernels), mmd2(same, parts(z), kernels))
    np.testing.assert_array_equal(witness(z, z, real), witness(parts(z), parts(z), same))
    np.testing.assert_array_equal(witness(real, real, z), witness(same, same, parts(z)))


def test_distances_are_those_of_complex_numbers(rng):
    x, y = complex_rows(rng, 30), complex_rows(rng, 40)
    means = [np.abs(a[:, None] - b[None]).mean() for a, b in ((x, y), (x, x), (y, y))]
    assert energy_distance(x, y) == pytest.approx(2 * means[0] - means[1] - means[2], rel=1e-12)
    turned = np.exp(1.2j)
    assert energy_distance(turned * x, turned * y) == pytest.approx(energy_distance(x, y))
    products = [(a[:, None] * b[None].conj()).real for a, b in ((x, x), (y, y), (x, y))]
    expected = products[0].mean() + products[1].mean() - 2 * products[2].mean()
    assert mmd2(x, y, fd.Linear(), estimator="biased") == pytest.approx(expected, rel=1e-12)


def test_contiguous_features_are_not_copied(rng):
    z = complex_rows(rng, 10, 6)
    for view in (z, z[::2], z[::-1], z[:, :3], z[:, 0], z.reshape(10, 2, 3)):
        assert np.shares_memory(_inputs.sample(view, "x"), z)
    for view in (z.T, z[:, ::2], z.conj()[:, ::-1], z.astype(">c16"), np.asfortranarray(z)):
        rows = _inputs.sample(view, "x")
        np.testing.assert_array_equal(rows, parts(view).reshape(len(view), -1))


def test_lists_and_missing_values(rng):
    assert energy_distance([1j, 2j], [0.0, 1.0]) == energy_distance(
        [[0, 1], [0, 2]], [[0, 0], [1, 0]]
    )
    z = complex_rows(rng, 9, 2)
    bad = z.copy()
    bad[4, 1] = complex(0.0, np.nan)
    with pytest.raises(ValueError, match="x holds 1 NaN or infinite value, the first at row 4"):
        mmd2(bad, z, RBF(1.0))
    kept = np.delete(z, 4, axis=0)
    assert mmd2(bad, z, RBF(1.0), nan_policy="omit") == mmd2(kept, z, RBF(1.0))


def test_a_callback_gets_real_and_imaginary_parts(rng):
    x, y = complex_rows(rng, 8, 2), complex_rows(rng, 7, 2)

    def product(a, b):
        assert a.shape[1] == b.shape[1] == 4
        return a @ b.T

    assert mmd2(x, y, fd.Callback(product)) == pytest.approx(mmd2(x, y, fd.Linear()))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda z: mmd2(np.complex128(1j), z), ValueError, "x must be an array of rows.* scalar"),
        (lambda z: mmd2(z, z[:0]), ValueError, "y has no rows"),
        (lambda z: mmd2(z, z[:, :1]), ValueError, "same number of features; got 4 and 2"),
        (lambda z: mmd2(z, z, RBF([1.0, 2.0])), ValueError, "one per feature, 4; got 2"),
        (lambda z: mmd2(z, quantize_rows(z.real)), TypeError, "y is quantised and x is not"),
        (lambda z: mmd2(z, "text"), TypeError, "y must be an array of numbers"),
        (lambda z: mmd2(z, z.real > 0), TypeError, "y must hold real numbers.*bool"),
        (lambda z: mmd2(z, z, x_weights=z[:, 0]), TypeError, "x_weights must hold real numbers"),
        (lambda z: mmd2_and_grad(z, z.real), TypeError, r"x must be real.*fastdiv\.torch\.mmd2"),
        (lambda z: mmd2_and_grad(z.real, z), TypeError, r"y must be real.*fastdiv\.jax\.mmd2"),
        (fit_gaussian, TypeError, "x must hold real numbers.*imaginary parts as separate"),
        (quantize_rows, TypeError, "x must hold real numbers.*imaginary parts as separate"),
        (geometric_median, TypeError, "x must hold real numbers.*imaginary parts as separate"),
        (lambda z: wcss(z, [0, 0, 1, 1]), TypeError, "x must hold real numbers.*imaginary"),
        (lambda z: cluster_dispersion(z, [0, 0, 1, 1]), TypeError, "x must hold real numbers"),
    ],
)
def test_refused(rng, call, error, message):
    with pytest.raises(error, match=message):
        call(complex_rows(rng, 4, 2))


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_frameworks_take_them_alike(rng, framework):
    library = pytest.importorskip(framework)
    module = importlib.import_module(f"fastdiv.{framework}")
    array = library.from_numpy if framework == "torch" else np.asarray
    x, y = (complex_rows(rng, n, 3, dtype=np.complex64) for n in (12, 9))
    for function, kernel in (
        (mmd2, [RBF(2.0)]),
        (mmd2, [fd.Laplacian(3.0)]),
        (energy_distance, []),
    ):
        expected = function(x, y, *kernel)
        got = float(getattr(module, function.__name__)(array(x), array(y), *kernel))
        assert got == pytest.approx(expected, rel=1e-6)
    if framework == "torch":
        assert mmd2(array(x), array(y), RBF(2.0)) == mmd2(x, y, RBF(2.0))

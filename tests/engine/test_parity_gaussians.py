"""Overlaps and transport between Gaussians, and moments: the core against the reference."""

import numpy as np
import pytest
from parity import RTOL, each_dtype

from fastdiv._sums import reference

DIMS = [1, 3, 4, 9, 33]
NAMES = ["std", "var", "logstd", "logvar", "cov", "scale_tril", "precision"]
BATCH = (2, 5)


def parameter(rng, name, d, dtype, batch=BATCH):
    std = np.exp(0.3 * rng.normal(size=(*batch, d)))
    a = rng.normal(size=(*batch, d, 3 * d))
    cov = a @ a.swapaxes(-1, -2) / (3 * d)
    value = {
        "std": std,
        "var": std**2,
        "logstd": np.log(std),
        "logvar": 2 * np.log(std),
        "scale_tril": np.linalg.cholesky(cov) * np.where(std > 1, 1, -1)[..., None, :],
    }.get(name, cov)
    return value.astype(dtype)


def pair(rng, p_name, q_name, d, dtype, batch=BATCH):
    means = rng.normal(size=(2, *batch, d)).astype(dtype)
    p, q = (parameter(rng, name, d, dtype, batch) for name in (p_name, q_name))
    return (means[0], p_name, p), (means[1], q_name, q)


def same_as_reference(core, name, arguments, rtol=1e-11):
    got, expected = getattr(core, name)(*arguments, 0), getattr(reference, name)(*arguments, 0)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=0)
    for threads in (1, 3):
        np.testing.assert_array_equal(getattr(core, name)(*arguments, threads), got)


PAIRS = [(name, "cov") for name in NAMES] + [("scale_tril", name) for name in NAMES]


@each_dtype
@pytest.mark.parametrize("d", DIMS)
def test_renyi(core, rng, d, dtype):
    for p_name, q_name in PAIRS:
        arguments = pair(rng, p_name, q_name, d, dtype)
        for above_one in (-0.9, -0.5, -1e-6, 1e-9, 0.2):
            same_as_reference(core, "gaussian_renyi", (*arguments, 1 + above_one, above_one))


@each_dtype
@pytest.mark.parametrize("d", DIMS)
def test_coupling(core, rng, d, dtype):
    for name in ("cov", "scale_tril", "precision"):
        arguments = pair(rng, name, "cov", d, dtype)
        for rest in (1e-3, 0.5, 0.99):
            same_as_reference(core, "gaussian_coupling", (*arguments, (1 - rest) / d, rest))


@each_dtype
@pytest.mark.parametrize("d", DIMS)
def test_wasserstein2(core, rng, d, dtype):
    for p_name, q_name in PAIRS:
        same_as_reference(core, "gaussian_wasserstein2", pair(rng, p_name, q_name, d, dtype))


@pytest.mark.parametrize("change", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("d", [2, 5, 16])
def test_close_ones_keep_their_digits(core, rng, d, change):
    """Rounding errors of factors are relative to the change, not to its square."""
    (mean, name, p), _ = pair(rng, "scale_tril", "scale_tril", d, np.float64)
    q = p * (1 + change * np.tril(rng.normal(size=p.shape)))
    arguments = (mean, name, p), (mean, name, q)
    rtol = 1e-12 + 1e-15 * d**2 / change
    for above_one in (-0.7, -0.5, 0.5):
        same_as_reference(core, "gaussian_renyi", (*arguments, 1 + above_one, above_one), 1e-10)
    same_as_reference(core, "gaussian_coupling", (*arguments, 0.5 / d, 0.5), 1e-10)
    same_as_reference(core, "gaussian_wasserstein2", arguments, 100 * rtol)
    same = (mean, name, p), (mean, name, p)
    assert (core.gaussian_renyi(*same, 0.5, -0.5, 0) == 0).all()
    assert (core.gaussian_coupling(*same, 0.5 / d, 0.5, 0) == 0).all()
    assert (core.gaussian_wasserstein2(*same, 0) == 0).all()


@pytest.mark.parametrize("decades", [3, 6, 12])
@pytest.mark.parametrize("d", [3, 8, 17])
def test_far_apart_scales_along_other_axes(core, rng, d, decades):
    """Each side has eigenvalues over many decades, in axes of its own."""
    turns = np.linalg.qr(rng.normal(size=(2, *BATCH, d, d)))[0]
    std = 10.0 ** rng.uniform(-decades / 4, decades / 4, size=(2, *BATCH, 1, d))
    p, q = np.linalg.qr((turns * std).swapaxes(-1, -2))[1].swapaxes(-1, -2)
    mean = np.zeros((*BATCH, d))
    arguments = (mean, "scale_tril", p), (mean, "scale_tril", q)
    rtol = 1e-12 * 10 ** (decades / 2)
    for above_one in (-0.99, -0.5, -1e-3):
        same_as_reference(core, "gaussian_renyi", (*arguments, 1 + above_one, above_one), rtol)
    same_as_reference(core, "gaussian_coupling", (*arguments, 0.5 / d, 0.5), rtol)
    same_as_reference(core, "gaussian_wasserstein2", arguments, 1e-11)


def test_items_do_not_depend_on_their_neighbours(core, rng):
    """One item that takes another way than those beside it in a vector."""
    arguments = pair(rng, "cov", "cov", 6, np.float64, (24,))
    p = arguments[0][2]
    p[::5] *= 1e9
    p[3::7] *= 1e-9
    for name, more in (
        ("gaussian_renyi", (0.5, -0.5)),
        ("gaussian_renyi", (1.5, 0.5)),
        ("gaussian_coupling", (0.1, 0.4)),
        ("gaussian_wasserstein2", ()),
    ):
        whole = getattr(core, name)(*arguments, *more, 0)
        for i in range(24):
            alone = [(m[i : i + 1], name, a[i : i + 1]) for m, name, a in arguments]
            np.testing.assert_array_equal(getattr(core, name)(*alone, *more, 0), whole[i : i + 1])


def test_what_is_not_finite(core, rng):
    """Infinity where the integral diverges, NaN for invalid matrices and overflow."""
    arguments = pair(rng, "cov", "cov", 3, np.float64, (5,))
    (mean, _, p), (_, _, q) = arguments
    p[0], q[1], p[2], p[3] = -p[0], np.nan, 1e6 * p[2], q[3]
    mean[3, 0] = 1e200
    for more, expected in (((1.5, 0.5), np.inf), ((0.5, -0.5), 2)):
        got = core.gaussian_renyi(*arguments, *more, 0)
        assert np.isnan(got[[0, 1, 3]]).all()
        assert got[2] == np.inf if expected == np.inf else 2 < got[2] < np.inf
        np.testing.assert_array_equal(
            np.isnan(got), np.isnan(reference.gaussian_renyi(*arguments, *more, 0))
        )
    for backend in (core, reference):
        assert np.isnan(backend.gaussian_coupling(*arguments, 0.1, 0.7, 0)[[0, 1, 3]]).all()
    assert np.isnan(core.gaussian_wasserstein2(*arguments, 0)[[0, 1]]).all()


@each_dtype
@pytest.mark.parametrize("d", [1, 2, 3, 5, 12, 40])
def test_covariance_roots(core, rng, d, dtype):
    for rank in {1, (d + 1) // 2, d}:
        a = rng.normal(size=(*BATCH, d, rank)).astype(dtype).astype(np.float64)
        cov = (a @ a.swapaxes(-1, -2)).astype(dtype)
        roots = core.covariance_roots(cov, 0)
        scale = np.trace(cov, axis1=-2, axis2=-1)[..., None, None]
        # Rounding makes a deficient covariance indefinite.
        eps = np.finfo(dtype).eps if rank < d else np.finfo(np.float64).eps
        assert (np.abs(roots @ roots.swapaxes(-1, -2) - cov) < 5 * d * eps * scale).all()
        if dtype == np.float64:
            columns = (np.abs(roots).max(axis=-2) > 0).sum(axis=-1)
            assert (columns == rank).all()
        squares = [(r**2).sum(axis=(-2, -1)) for r in (roots, reference.covariance_roots(cov, 0))]
        np.testing.assert_allclose(*squares, rtol=RTOL[dtype])
        np.testing.assert_array_equal(core.covariance_roots(cov, 1), roots)


@each_dtype
@pytest.mark.parametrize("d", [1, 2, 9])
def test_no_roots_of_indefinite_covariances(core, rng, d, dtype):
    turn = np.linalg.qr(rng.normal(size=(4, d, d)))[0]
    values = rng.uniform(1, 2, size=(4, d))
    values[1, 0], values[2], values[3, -1] = -0.01, -values[2], 0
    cov = ((turn * values[:, None]) @ turn.swapaxes(-1, -2)).astype(dtype)
    for backend in (core, reference):
        missing = np.isnan(backend.covariance_roots(cov, 0)).any(axis=(-2, -1))
        np.testing.assert_array_equal(missing, [False, True, True, False])


@pytest.mark.parametrize("ranks", [(1, 1), (2, 5), (6, 3), (0, 4), (0, 0)])
def test_wasserstein2_of_deficient_roots(core, rng, ranks):
    d = 6
    p, q = rng.normal(size=(2, *BATCH, d, d))
    p[..., ranks[0] :], q[..., ranks[1] :] = 0, 0
    mean = np.zeros((*BATCH, d))
    got = core.gaussian_wasserstein2((mean, "root", p), (mean, "root", q), 0)
    nuclear = np.linalg.svd(q.swapaxes(-1, -2) @ p, compute_uv=False).sum(axis=-1)
    expected = (p**2).sum(axis=(-2, -1)) + (q**2).sum(axis=(-2, -1)) - 2 * nuclear
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)
    turn = np.linalg.qr(rng.normal(size=(*BATCH, d, d)))[0]
    turned = core.gaussian_wasserstein2((mean, "root", p), (mean, "root", p @ turn), 0)
    assert (turned < 1e-28 * (1 + (p**2).sum(axis=(-2, -1)))).all()


@each_dtype
@pytest.mark.parametrize("name", ["std", "var", "logstd", "logvar", "cov"])
def test_mixture_covariances(core, rng, name, dtype):
    for batch, k, d in (((), 1, 1), ((4,), 3, 2), ((2, 3), 4, 7), ((700,), 2, 16)):
        values = parameter(rng, name, d, dtype, (*batch, k))
        component_means = rng.normal(size=(*batch, k, d)).astype(dtype)
        weights = rng.dirichlet(np.ones(k), size=batch)
        means = (weights[..., None] * component_means).sum(axis=-2)
        arguments = weights.reshape(-1, k), means, component_means, name, values
        got = core.mixture_covariances(*arguments, 0)
        expected = reference.mixture_covariances(*arguments, 0)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(got, got.swapaxes(-1, -2))
        np.testing.assert_array_equal(core.mixture_covariances(*arguments, 3), got)
        strided = np.asfortranarray(values), np.asfortranarray(component_means)
        again = core.mixture_covariances(arguments[0], means, strided[1], name, strided[0], 0)
        np.testing.assert_array_equal(again, got)

"""kl_matrix: all pairs by one product agree with each pair by itself."""

import numpy as np
import pytest
from cases import each_dtype
from gaussians import FULL, NAMES, RTOL, gaussian

from fastdiv import Gaussian, kl, kl_matrix
from fastdiv._engine import backend


@each_dtype
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_agrees_with_kl(rng, name_p, name_q, dtype):
    for n, m, d in ((1, 1, 1), (5, 7, 3), (50, 3, 8), (49, 145, 2)):
        p, q = gaussian(name_p, rng, (n,), d, dtype), gaussian(name_q, rng, (m,), d, dtype)
        values = kl_matrix(p, q)
        assert values.shape == (n, m)
        np.testing.assert_allclose(values, kl(p[:, None], q), rtol=2 * RTOL[dtype])


@pytest.mark.parametrize("name", ["std", "cov"])
def test_parity(core, rng, name):
    p, q = gaussian(name, rng, (60,), 5), gaussian(name, rng, (170,), 5)
    with backend.use("core"):
        ours = kl_matrix(p, q)
    with backend.use("reference"):
        expected = kl_matrix(p, q)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["logvar", "precision", "scale_tril"])
@pytest.mark.parametrize("change", [1e-1, 1e-3, 1e-6, 0])
def test_close_distributions_far_from_the_origin(rng, name, change):
    one = gaussian(name, rng, (1,), 4)
    noise = np.tril(rng.normal(size=(30, 4, 4)))
    value = one.parameter * (1 + change * (noise + noise.swapaxes(1, 2)))
    if one.is_diagonal:
        value = one.parameter * (1 + change * rng.normal(size=(30, 4)))
    mean = one.mean + 1e6 + change * rng.normal(size=(30, 4))
    many = Gaussian(mean, **{name: np.tril(value) if name == "scale_tril" else value})
    values = kl_matrix(many, many)
    np.testing.assert_allclose(values, kl(many[:, None], many), rtol=1e-11)
    assert (np.diag(values) == 0).all()
    assert (values >= 0).all()


def test_features_of_very_different_scales(rng):
    scale = np.array([1e-8, 1.0, 1e8])
    mean = rng.normal(size=(40, 3)) * scale
    p = Gaussian(mean, std=scale * np.exp(rng.normal(size=(40, 3))))
    q = Gaussian(mean[::-1].copy(), cov=p.cov())
    for other in (p, q):
        np.testing.assert_allclose(kl_matrix(p, other), kl(p[:, None], other), rtol=1e-12)


def test_beyond_the_range_of_the_features(rng):
    p = Gaussian(np.array([[0.0], [1.0]]), logvar=np.array([[-1000.0], [-999.0]]))
    q = Gaussian(np.array([[0.0], [0.5]]), logvar=np.array([[0.0], [0.5]]))
    np.testing.assert_allclose(kl_matrix(p, q), kl(p[:, None], q), rtol=1e-12)


SCALES = {np.float32: (1e-30, 1.0, 1e30), np.float64: (1e-300, 1e-30, 1.0, 1e30, 1e300)}


def conditioned(name, rng, n, d, condition, dtype, scale=1.0):
    """Return Gaussians whose matrices have this condition number, with entries near `scale`."""
    eigenvalues = np.exp(np.log(condition) * rng.uniform(-0.5, 0.5, size=(n, 1, d)))
    q = np.linalg.qr(rng.normal(size=(n, d, d)))[0]
    value = (q * eigenvalues) @ q.swapaxes(1, 2)
    if name == "scale_tril":
        value = np.linalg.cholesky(value)
    return Gaussian(np.zeros((n, d), dtype), **{name: (scale * value).astype(dtype)})


def assert_agrees(p, q, dtype):
    each, together = kl(p[:, None], q), kl_matrix(p, q)
    assert (np.abs(together - each) <= RTOL[dtype] * (1 + each)).all()
    assert (together >= 0).all()


@each_dtype
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_agrees_with_kl_at_all_scales(rng, name_p, name_q, dtype):
    """Scales of the parameters themselves. A batch holds some that are far from each other."""
    exponents = {"var": 2, "logvar": 2, "cov": 2, "precision": -2}
    for scale in SCALES[dtype]:
        std = scale ** (1 / max(abs(exponents.get(name, 1)) for name in (name_p, name_q)))
        log_std = np.log(std) + rng.normal(size=(3, 2))
        sides = []
        for name in (name_p, name_q):
            log = exponents.get(name, 1) * log_std
            value = (log if name.startswith("log") else np.exp(log)).astype(dtype)
            if name in FULL:
                value = value[..., None] * np.eye(2, dtype=dtype)
            sides.append(Gaussian((std * rng.normal(size=(3, 2))).astype(dtype), **{name: value}))
        assert_agrees(*sides, dtype)


@each_dtype
@pytest.mark.parametrize("name_q", FULL)
@pytest.mark.parametrize("name_p", FULL)
def test_agrees_with_kl_whatever_the_condition(rng, name_p, name_q, dtype):
    conditions = (1e1, 1e3, 1e5) if dtype == np.float32 else (1e1, 1e3, 1e5, 1e7, 1e9)
    for condition in conditions:
        for d in (2, 4, 9):
            p, q = (conditioned(name, rng, 4, d, condition, dtype) for name in (name_p, name_q))
            for other in (p, q):
                assert_agrees(p, other, dtype)


def test_float32_precisions_of_condition_1e5():
    for seed in range(156):
        p = conditioned("precision", np.random.default_rng(seed), 5, 4, 1e5, np.float32)
        values = kl_matrix(p, p)
        assert (np.diag(values) == 0).all()
        np.testing.assert_allclose(values, kl(p[:, None], p), rtol=1e-5)


@pytest.mark.parametrize("name", ["logstd", "std", "cov"])
def test_terms_that_overflow_are_computed_again(name):
    """One distribution of the batch makes the common unit of the products overflow."""
    log_std = np.array([[200.0], [0.0], [-150.0]])
    value = {"logstd": log_std, "std": np.exp(log_std), "cov": np.exp(2 * log_std)[..., None]}
    p = Gaussian(np.zeros((3, 1)), **{name: value[name]})
    q = Gaussian(np.zeros((2, 1)), logstd=np.array([[0.0], [-100.0]]))
    values = kl_matrix(p, q)
    np.testing.assert_allclose(values[0, 0], 2.6107348448820716e173, rtol=1e-12)
    np.testing.assert_allclose(values, kl(p[:, None], q), rtol=1e-12)


def test_variances_beyond_float64(rng):
    """The squares of what is given underflow, and their ratios do not."""
    p = Gaussian(1e161 * rng.normal(size=(3, 1)), precision=[[[2e-298]], [[2e-296]], [[1e-299]]])
    q = Gaussian(1e161 * rng.normal(size=(4, 1)), logstd=np.log(1e161) + rng.normal(size=(4, 1)))
    np.testing.assert_allclose(kl_matrix(p, q), kl(p[:, None], q), rtol=1e-12)


@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_float32_of_very_different_scales(rng, name_p, name_q):
    """Ratios of float32 numbers may be beyond float32, and divergences then are in float64."""
    half = {"var": 0.5, "logvar": 1.0, "cov": 0.5, "precision": -0.5}

    def make(name, exponents):
        log = exponents * np.log(10) / half.get(name, 1)
        value = np.exp(np.clip(log, -80, 80)) if not name.startswith("log") else log
        value = value.astype(np.float32)
        matrix = value[..., None] * np.eye(2, dtype=np.float32) if name in FULL else value
        return Gaussian(np.zeros((3, 2), np.float32), **{name: matrix})

    p, q = make(name_p, rng.uniform(0, 30, (3, 2))), make(name_q, rng.uniform(-30, 0, (3, 2)))
    wide_p, wide_q = (
        Gaussian(g.mean.astype(float), **{g.parametrisation: g.parameter.astype(float)})
        for g in (p, q)
    )
    values = kl(p[:, None], q)
    assert values.max() > np.finfo(np.float32).max
    np.testing.assert_allclose(values, kl(wide_p[:, None], wide_q), rtol=1e-5)
    np.testing.assert_allclose(kl_matrix(p, q), values, rtol=1e-5)
    assert kl(p[0], q[0]) == values[0, 0]


def test_an_overflow_is_named_by_both_indices():
    ps, qs = Gaussian([[0.0], [1e200]], std=1.0), Gaussian([[0.0], [0.0], [1e200]], std=1.0)
    with pytest.raises(OverflowError, match=r"at batch index \(0, 2\)"):
        kl_matrix(ps, qs)


def test_threads_do_not_change_a_bit(rng):
    p, q = gaussian("std", rng, (500,), 9), gaussian("std", rng, (400,), 9)
    one = kl_matrix(p, q, n_threads=1)
    for n_threads in (2, 3):
        assert np.array_equal(kl_matrix(p, q, n_threads=n_threads), one)


def test_empty_batches(rng):
    p = Gaussian(np.zeros((0, 2)), std=1.0)
    assert kl_matrix(p, gaussian("std", rng, (3,), 2)).shape == (0, 3)


@pytest.mark.parametrize(
    ("ps", "qs", "message"),
    [
        (Gaussian.standard(2), Gaussian(np.zeros((1, 2)), std=1.0), r"ps must have batch shape"),
        (Gaussian(np.zeros((1, 2)), std=1.0), Gaussian.standard(2), r"qs must have batch shape"),
        (Gaussian(np.zeros((1, 2)), std=1.0), Gaussian.standard(3), "the same dimension"),
        (
            Gaussian(np.zeros((1, 2)), std=1.0, where=[True]),
            Gaussian(np.zeros((1, 2)), std=1.0),
            "without padding",
        ),
    ],
)
def test_refusals(ps, qs, message):
    with pytest.raises(ValueError, match=message):
        kl_matrix(ps, qs)

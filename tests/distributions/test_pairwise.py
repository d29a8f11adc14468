"""kl_matrix: all pairs by one product agree with each pair by itself."""

import numpy as np
import pytest
from cases import each_dtype
from gaussians import NAMES, RTOL, gaussian

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

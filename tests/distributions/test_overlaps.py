"""Rényi, Bhattacharyya, Hellinger and 2-Wasserstein between Gaussians."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from gaussians import NAMES, close_to, gaussian
from scipy import integrate, linalg, stats

from fastdiv import (
    Gaussian,
    bhattacharyya,
    fit_gaussian,
    hellinger,
    hellinger2,
    kl,
    renyi,
    wasserstein2,
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", [wasserstein2, hellinger, bhattacharyya, renyi])
def test_equal_distributions_are_at_exactly_zero(rng, function, name, dtype):
    p = gaussian(name, rng, (20,), 5, dtype)
    values = renyi(p, p, 0.7) if function is renyi else function(p, p)
    assert (values == 0).all()


@pytest.mark.parametrize("n", [3, 5, 50])
def test_fitted_covariances_are_at_exactly_zero_from_themselves(rng, n):
    p = fit_gaussian(rng.normal(size=(4, n, 5)))
    assert (wasserstein2(p, p) == 0).all()


def by_definition(p, q, alpha):
    """Evaluate the textbook formula, which cancels near alpha = 1 and p = q."""
    cov_p, cov_q = p.cov().astype(float), q.cov().astype(float)
    s = alpha * cov_q + (1 - alpha) * cov_p
    if np.linalg.eigvalsh(s).min() <= 0:
        return np.inf
    difference = p.mean - q.mean
    logs = [np.linalg.slogdet(c)[1] for c in (s, cov_p, cov_q)]
    log_ratio = logs[0] - (1 - alpha) * logs[1] - alpha * logs[2]
    return alpha / 2 * difference @ np.linalg.solve(s, difference) - log_ratio / (2 * (alpha - 1))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9, 1.1, 2.0, 5.0])
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_renyi_is_its_formula(rng, name_p, name_q, alpha):
    p, q = gaussian(name_p, rng, (2, 1), 3), gaussian(name_q, rng, (4,), 3)
    values = renyi(p, q, alpha)
    expected = [[by_definition(p[i, 0], q[j], alpha) for j in range(4)] for i in range(2)]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 2.0])
def test_renyi_is_the_integral(alpha):
    p, q = Gaussian([0.3], std=0.8), Gaussian([-0.5], std=1.2)
    f, g = stats.norm(0.3, 0.8).logpdf, stats.norm(-0.5, 1.2).logpdf
    power = integrate.quad(lambda x: np.exp(alpha * f(x) + (1 - alpha) * g(x)), -15, 15)[0]
    np.testing.assert_allclose(renyi(p, q, alpha), np.log(power) / (alpha - 1), rtol=1e-8)


@pytest.mark.parametrize("name", ["std", "cov"])
@pytest.mark.parametrize("alpha", [5e-324, 4e-309, 1e-300, 1e-17])
def test_orders_near_0(rng, name, alpha):
    p, q = gaussian(name, rng, (4,), 3), gaussian(name, rng, (4,), 3)
    np.testing.assert_allclose(renyi(p, q, alpha), alpha * kl(q, p), rtol=1e-12, atol=1e-323)


@pytest.mark.parametrize("d", [16, 24, 25, 48, 49])
@pytest.mark.parametrize("n_rows", [10, 100])
def test_wasserstein2_of_a_batch_is_that_of_its_items(rng, d, n_rows):
    p, q = (fit_gaussian(rng.normal(size=(n, n_rows, d))) for n in (9, 1))
    values = wasserstein2(p, q)
    np.testing.assert_allclose([wasserstein2(p[i], q[0]) for i in range(9)], values, rtol=1e-11)


@pytest.mark.parametrize("name", ["logvar", "cov"])
def test_renyi_becomes_kl(rng, name):
    p, q = gaussian(name, rng, (5,), 4), gaussian(name, rng, (5,), 4)
    assert np.array_equal(renyi(p, q, 1), kl(p, q))
    for distance in (1e-3, 1e-6, 1e-9, 1e-12):
        for alpha in (1 - distance, 1 + distance):
            relative = np.abs(renyi(p, q, alpha) / kl(p, q) - 1)
            assert relative.max() < 20 * distance + 1e-12


@pytest.mark.parametrize("name", ["logstd", "scale_tril"])
def test_close_distributions_keep_their_digits(rng, name):
    # To leading order D_alpha is alpha times the KL divergence.
    p = gaussian(name, rng, (), 4)
    for change in (1e-4, 1e-6):
        q = close_to(p, change, rng)
        for alpha in (0.2, 0.5, 3.0):
            ratio = renyi(p, q, alpha) / (alpha * kl(p, q))
            assert abs(ratio - 1) < 1e3 * change
        assert 0 < wasserstein2(p, q) < 1e3 * change**2
        assert renyi(p, p, 0.7) < 1e-28
        assert wasserstein2(p, p) < 1e-28


@pytest.mark.parametrize("name", ["std", "var"])
def test_close_diagonal_distributions_keep_their_digits(name):
    """Logarithms of these parameters would lose half of them."""
    change = 2.0**-30
    p, q = Gaussian([1e3], **{name: [3.0]}), Gaussian([1e3], **{name: [3.0 * (1 + change)]})
    log = math.log1p(change) * (1.0 if name == "std" else 0.5)
    root = 3.0 if name == "std" else math.sqrt(3.0)
    assert wasserstein2(p, q) == pytest.approx((root * math.expm1(log)) ** 2, rel=1e-12, abs=0)
    # log cosh(log) / 2, of which log⁴ is too small to count.
    assert bhattacharyya(p, q) == pytest.approx(log**2 / 4, rel=1e-12, abs=0)


@pytest.mark.parametrize("exponent", [-300, -60, -20, 20, 60, 300])
def test_scales_far_apart(rng, exponent):
    """Full matrices give what they give as diagonal ones."""
    d, mean = 3, np.zeros(3)
    tight, wide = np.array([1.0, 3.0, 0.2]), np.ldexp([2.0, 1.0, 0.5], exponent)
    dense = [Gaussian(mean, scale_tril=np.diag(std)) for std in (tight, wide)]
    diagonal = [Gaussian(mean, std=std) for std in (tight, wide)]
    for alpha in (0.3, 0.5, 0.9):
        expected = renyi(*diagonal, alpha)
        np.testing.assert_allclose(renyi(*dense, alpha), expected, rtol=1e-12)
    turned, _ = np.linalg.qr(rng.normal(size=(d, d)))
    cov = [turned @ np.diag(std**2) @ turned.T for std in (tight, wide)]
    p, q = (Gaussian(mean, cov=(a + a.T) / 2) for a in cov)
    np.testing.assert_allclose(renyi(p, q, 0.5), renyi(*diagonal, 0.5), rtol=1e-12)


def test_monotone_in_alpha_and_symmetric_at_one_half(rng):
    p, q = gaussian("cov", rng, (20,), 3), gaussian("cov", rng, (20,), 3)
    values = np.array([renyi(p, q, a) for a in (0.05, 0.3, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0)])
    assert (values >= 0).all()
    assert (values[1:] >= values[:-1] * (1 - 1e-12)).all()
    np.testing.assert_allclose(renyi(p, q, 0.5), renyi(q, p, 0.5), rtol=1e-10)
    np.testing.assert_allclose(bhattacharyya(p, q), values[2] / 2, rtol=1e-14)
    np.testing.assert_allclose(hellinger2(p, q), 1 - np.exp(-values[2] / 2), rtol=1e-12)
    np.testing.assert_allclose(hellinger(p, q) ** 2, hellinger2(p, q), rtol=1e-14)
    # H² <= TV <= sqrt(KL/2), and H² <= KL/2.
    assert (hellinger2(p, q) <= kl(p, q) / 2).all()


def test_many_features(rng):
    p, q = gaussian("logvar", rng, (), 1000), gaussian("logvar", rng, (), 1000)
    np.testing.assert_allclose(renyi(p, q, 0.5), by_definition(p, q, 0.5), rtol=1e-9)
    assert hellinger2(p, q) == pytest.approx(1.0)


# --- transport -------------------------------------------------------------------------


@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_wasserstein_is_its_formula(rng, name_p, name_q):
    p, q = gaussian(name_p, rng, (3, 1), 3), gaussian(name_q, rng, (2,), 3)
    values = wasserstein2(p, q)
    assert values.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        a, b = p[i, 0].cov(), q[j].cov()
        root = linalg.sqrtm(a)
        cross = np.trace(linalg.sqrtm(root @ b @ root)).real
        shift = ((p.mean[i, 0] - q.mean[j]) ** 2).sum()
        np.testing.assert_allclose(values[i, j], shift + np.trace(a + b) - 2 * cross, rtol=1e-9)


def test_wasserstein_in_one_dimension_is_exact():
    p, q = Gaussian([[1.0], [1.0]], std=[[2.0], [3.0]]), Gaussian([4.0], std=2.0)
    assert np.array_equal(wasserstein2(p, q), [9.0, 10.0])
    assert wasserstein2(p, Gaussian([4.0], cov=[[4.0]])) == pytest.approx([9.0, 10.0], rel=1e-14)


def test_wasserstein_of_fewer_rows_than_features(rng):
    x, y = rng.normal(size=(6, 20)), rng.normal(size=(8, 20)) + 0.5
    value = wasserstein2(fit_gaussian(x), fit_gaussian(y))
    # The nuclear norm of L_pᵀ L_q is that of the centred data.
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum() / np.sqrt(6 * 8)
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    expected += (a**2).sum() / 6 + (b**2).sum() / 8 - 2 * nuclear
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    assert wasserstein2(fit_gaussian(x), fit_gaussian(x)) < 1e-20
    # Translation and a rotation change nothing; scale goes in squared.
    rotation = stats.ortho_group.rvs(20, random_state=1)
    turned = wasserstein2(fit_gaussian(3 * x @ rotation + 7), fit_gaussian(3 * y @ rotation + 7))
    np.testing.assert_allclose(turned, 9 * value, rtol=1e-9)


@pytest.mark.parametrize("d", [5, 60])
def test_wasserstein_of_semidefinite_fits(rng, d):
    """Rounding may leave a negative eigenvalue. No caller can make one beyond that."""
    x = rng.normal(size=(5000, 2)) @ rng.normal(size=(2, d))
    p, q = fit_gaussian(x), fit_gaussian(2 * x)
    np.testing.assert_allclose(wasserstein2(p, q), (x**2).sum() / len(x), rtol=1e-9)
    with pytest.raises(ValueError, match="read-only"):
        p.parameter[0, 0] = -1


# --- refusals and limits -----------------------------------------------------------------


def test_refusals():
    p = Gaussian.standard(2)
    for bad in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="alpha must be"):
            renyi(p, p, bad)
    with pytest.raises(TypeError, match="alpha must be a real number"):
        renyi(p, p, "1")
    for function in (bhattacharyya, hellinger, hellinger2, wasserstein2):
        with pytest.raises(TypeError, match="q must be a Gaussian; got int"):
            function(p, 3)
        with pytest.raises(ValueError, match="the same dimension"):
            function(p, Gaussian.standard(3))


def test_a_singular_fit_is_named_by_its_own_index(rng):
    x = rng.normal(size=(2, 3, 50, 4))
    x[1, 2, :, 3] = x[1, 2, :, 0]
    fitted = fit_gaussian(x)
    for function in (hellinger, lambda p, q: renyi(p, q, 2.0)):
        with pytest.raises(ValueError, match=r"cov is singular at batch index \(1, 2\)"):
            function(fitted, Gaussian.standard(4))
    assert wasserstein2(fitted, Gaussian.standard(4)).shape == (2, 3)


def test_infinite_where_the_integral_diverges():
    p, q = Gaussian([0.0], std=[[3.0], [1.2]]), Gaussian([0.0], std=1.0)
    values = renyi(p, q, 2.0)
    assert values[0] == np.inf
    exact = -mpmath.log((2 - mpmath.mpf(1.2) ** 2) / mpmath.mpf(1.2) ** -2) / 2
    assert values[1] == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 0.8, 0.999, 1.5])
def test_concentrated_p(alpha):
    """Variances far below those of q: their logarithm must not be lost in λ − 1."""
    variances = np.array([1e-20, 1e-9, 1.0])
    rotation = np.linalg.qr(np.array([[1.0, 2.0, 0.5], [0.3, 1.0, 4.0], [2.0, 0.1, 1.0]]))[0]
    mixed = alpha + (1 - alpha) * variances
    expected = np.log(mixed / variances ** (1 - alpha)).sum() / (2 - 2 * alpha)
    q = Gaussian.standard(3)
    p = Gaussian(np.zeros(3), var=variances)
    assert renyi(p, q, alpha) == pytest.approx(expected, rel=1e-12)
    p = Gaussian(np.zeros(3), cov=(rotation * variances**0.5) @ rotation.T)
    expected = np.log((alpha + (1 - alpha) * variances**0.5) / variances ** ((1 - alpha) / 2))
    assert renyi(p, q, alpha) == pytest.approx(expected.sum() / (2 - 2 * alpha), rel=1e-7)


def test_overflow_is_not_infinity():
    p, q = Gaussian([1e200], std=1.0), Gaussian([0.0], std=1.0)
    for call in (lambda: renyi(p, q, 2), lambda: renyi(p, q, 0.2), lambda: bhattacharyya(p, q)):
        with pytest.raises(OverflowError, match="too large"):
            call()
    assert hellinger2(p, q) == 1


def exactly(p, q, alpha):
    """Evaluate the formula for lists of means and standard deviations with 1000 digits."""
    with mpmath.workdps(1000):
        alpha, total = mpmath.mpf(alpha), mpmath.mpf(0)
        for mean_p, std_p, mean_q, std_q in zip(*p, *q, strict=True):
            var_p, var_q = mpmath.mpf(std_p) ** 2, mpmath.mpf(std_q) ** 2
            s = alpha * var_q + (1 - alpha) * var_p
            if s <= 0:
                return mpmath.inf
            log = mpmath.log(s / (var_p ** (1 - alpha) * var_q**alpha))
            total += alpha / 2 * (mpmath.mpf(mean_p) - mean_q) ** 2 / s - log / (2 * alpha - 2)
        return total


FAR_APART = [
    ([0.0, 0.0], [1e150, 1.0]),
    ([1e150, 2.0], [1e-150, 1.0]),
    ([0.0, 3.0], [1.0, 2.0]),
    ([0.0, 1e5], [1e-150, 1e-100]),
    ([1e5, 1.0], [1e90, 1e85]),
    ([1e200, 1.0], [1e300, 1e299]),
    ([0.0, 0.0], [1e-300, 1e-299]),
]


@pytest.mark.parametrize("name", NAMES)
def test_only_the_logarithms_of_ratios_have_to_be_in_range(name):
    def of(mean, std):
        std = np.array(std)
        with np.errstate(all="ignore"):
            parameter = {
                "std": lambda: std,
                "var": lambda: std**2,
                "logstd": lambda: np.log(std),
                "logvar": lambda: 2 * np.log(std),
                "cov": lambda: np.diag(std**2),
                "scale_tril": lambda: np.diag(std),
                "precision": lambda: np.diag(std**-2.0),
            }[name]()
            return Gaussian(mean, **{name: parameter})

    in_range = FAR_APART[: None if name in ("std", "logstd", "logvar", "scale_tril") else -2]
    for p, q in itertools.permutations(in_range, 2):
        for alpha in (0.01, 0.5, 1 - 1e-9, 1.5, 4.0):
            expected = exactly(p, q, alpha)
            if 1e308 < expected < mpmath.inf:
                with pytest.raises(OverflowError, match="too large"):
                    renyi(of(*p), of(*q), alpha)
                continue
            assert renyi(of(*p), of(*q), alpha) == pytest.approx(float(expected), rel=1e-11)
            if alpha == 0.5:
                half = float(expected / 2)
                assert bhattacharyya(of(*p), of(*q)) == pytest.approx(half, rel=1e-11)
        assert hellinger2(of(*p), of(*q)) == pytest.approx(1.0)


def test_ratios_out_of_range_among_others(rng):
    """Correlated Gaussians of any scale, in one batch with others whose means overflow."""
    a = rng.normal(size=(4, 3, 3))
    cov = a @ a.swapaxes(-1, -2) + np.eye(3)
    p, q = Gaussian(np.ones((4, 3)), cov=cov), Gaussian.standard(3)
    scale = np.array([1.0, 2.0**480, 1.0, 1.0])[:, None]
    wide = Gaussian(np.ones((4, 3)), cov=cov * scale[..., None] ** 2)
    tiny = Gaussian(np.zeros(3), cov=np.eye(3) * 2.0**-960)
    values = renyi(wide[[0, 1, 2, 3]], q, 0.5)
    np.testing.assert_array_equal(values[[0, 2, 3]], renyi(p, q, 0.5)[[0, 2, 3]])
    # Far apart, D is ½ log|Σ_p| − ½ log|Σ_q| + d log ½, with means that do not matter.
    logs = np.linalg.slogdet(cov[1])[1] / 2 + 960 * 3 * math.log(2) - 3 * math.log(2)
    assert renyi(wide[1], tiny, 0.5) == pytest.approx(logs, rel=1e-12)
    with pytest.raises(OverflowError, match=r"batch index \(2,\)"):
        renyi(Gaussian([[0.0], [1e150], [1e160]], std=1.0), Gaussian([0.0], std=1.0), 0.5)


@pytest.mark.parametrize("ddof", [0, 1])
def test_fid_is_wasserstein2_of_fitted_gaussians(rng, ddof):
    """Compare with the usual formula, ‖μ − μ'‖² + tr(Σ + Σ' − 2 √(ΣΣ'))."""
    x = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    y = rng.normal(size=(150, 6)) @ rng.normal(size=(6, 6)) + 0.5
    a, b = (np.cov(z, rowvar=False, ddof=ddof) for z in (x, y))
    root = linalg.sqrtm(a @ b)
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(a + b - 2 * root.real)
    fid = wasserstein2(fit_gaussian(x, ddof=ddof), fit_gaussian(y, ddof=ddof))
    assert fid == pytest.approx(expected, rel=1e-8)

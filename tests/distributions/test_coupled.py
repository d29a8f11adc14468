"""The coupled family against quadrature, Monte Carlo, SciPy and its limits."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from fastdiv import (
    CoupledNormal,
    Gaussian,
    coupled_cross_entropy,
    coupled_entropy,
    coupled_exp,
    coupled_kl,
    coupled_kl_monte_carlo,
    coupled_log,
    cross_entropy,
    kl,
)

COV_P = np.array([[1.3, 0.4], [0.4, 0.7]])
COV_Q = np.array([[2.1, -0.5], [-0.5, 1.6]])
SHIFT = np.array([0.5, -0.3])


def grid(d):
    """Return nodes and log weights of the trapezoidal rule in u, x = sinh(u), for heavy tails."""
    u = np.linspace(-45, 45, 3001) if d == 1 else np.linspace(-17, 17, 426)
    log_weight = math.log(u[1] - u[0]) + np.logaddexp(u, -u) - math.log(2)
    x = np.stack(np.meshgrid(*[np.sinh(u)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    return x, sum(np.meshgrid(*[log_weight] * d, indexing="ij")).ravel()


def integral(log_weight, log_density, values):
    escort = np.exp(log_weight + log_density - np.logaddexp.reduce(log_weight + log_density))
    return np.sum(escort * values, where=escort > 0)


def by_quadrature(log_p, log_q, log_weight, kappa, alpha, d):
    """Compute H(p, q) from its definition."""
    r = alpha * kappa / (1 + d * kappa)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        values = (np.exp(-r * log_q) - 1) / kappa if kappa else -alpha * log_q
        return integral(log_weight, (1 + r) * log_p, values) / alpha


def frozen(mean, cov, kappa):
    """Return SciPy's distribution of the same name."""
    if kappa == 0:
        return stats.multivariate_normal(mean, cov)
    return stats.multivariate_t(mean, cov, df=1 / kappa)


def both(d, kappa, **options):
    p = CoupledNormal(np.zeros(d), cov=COV_P[:d, :d], kappa=kappa, **options)
    return p, CoupledNormal(SHIFT[:d], cov=COV_Q[:d, :d], kappa=kappa, **options)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize(
    ("of_p", "kappa", "alpha"),
    [
        *((0.0, kappa, alpha) for kappa in (-0.2, 0.0, 1e-3, 0.4, 2.0) for alpha in (0.7, 2)),
        (0.0, -0.15, 4.0),
        *((kappa, kappa, 2) for kappa in (1e-3, 0.1, 0.5)),
    ],
)
def test_quadrature(d, of_p, kappa, alpha):
    x, log_weight = grid(d)
    log_p = frozen(np.zeros(d), COV_P[:d, :d], of_p).logpdf(x)
    log_q = frozen(SHIFT[:d], COV_Q[:d, :d], of_p).logpdf(x)
    p, q = both(d, of_p)
    entropy = by_quadrature(log_p, log_p, log_weight, kappa, alpha, d)
    cross = by_quadrature(log_p, log_q, log_weight, kappa, alpha, d)
    got = (
        coupled_entropy(p, kappa, alpha=alpha),
        coupled_cross_entropy(p, q, kappa, alpha=alpha),
        coupled_kl(p, q, kappa, alpha=alpha),
    )
    np.testing.assert_allclose(got, (entropy, cross, cross - entropy), rtol=1e-11)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize(("kappa", "alpha"), [(-0.3, 2), (-0.1, 1.5), (0.4, 1), (0.25, 3)])
def test_entropy_and_normaliser_by_quadrature(d, kappa, alpha):
    """Any member of the family by its radius: the density integrates to 1, and its entropy."""
    p = CoupledNormal(np.zeros(d), scale_tril=1.5 * np.eye(d), kappa=kappa, alpha=alpha)
    edge = (-1 / kappa) ** (1 / alpha) if kappa < 0 else np.inf
    # double exponential in v; the nodes of an edge that rounds to it have density 0
    v = np.linspace(-4.2, 4.2, 2001)
    step = np.pi / 2 * np.cosh(v) * (v[1] - v[0])
    radius = np.exp(np.pi / 2 * np.sinh(v)) if kappa > 0 else edge * expit(np.pi / 2 * np.sinh(v))
    step *= radius * (1 if kappa > 0 else expit(-np.pi / 2 * np.sinh(v)))
    log_p = p.log_prob(1.5 * radius[:, None] * np.eye(d)[0])
    log_weight = np.log(step * 1.5**d) + (d - 1) * np.log(radius)
    log_weight += math.log(2 if d == 1 else 2 * np.pi)
    assert np.exp(np.logaddexp.reduce(log_weight + log_p)) == pytest.approx(1, rel=1e-11)
    keep = np.isfinite(log_p)
    expected = by_quadrature(log_p[keep], log_p[keep], log_weight[keep], kappa, alpha, d)
    assert coupled_entropy(p, kappa, alpha=alpha) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("d", "of_p", "kappa"), [(4, 0.0, 0.3), (6, 0.0, -0.05), (5, 0.2, 0.2)])
def test_monte_carlo(rng, d, of_p, kappa):
    """Draws of the escort density, itself a Gaussian or Student-t, in more dimensions."""
    a = rng.normal(size=(2, d, 2 * d)) / math.sqrt(2 * d)
    cov_p, cov_q = a @ a.swapaxes(-1, -2) + 0.5 * np.eye(d)
    p, q = frozen(np.zeros(d), cov_p, of_p), frozen(np.full(d, 0.3), cov_q, of_p)
    r = 2 * kappa / (1 + d * kappa)
    escort = (
        frozen(np.zeros(d), cov_p / (1 + 2 * kappa), kappa / (1 + 2 * kappa))
        if of_p
        else frozen(np.zeros(d), cov_p / (1 + r), 0.0)
    )
    x = escort.rvs(400_000, random_state=rng)
    draws = (np.exp(-r * q.logpdf(x)) - np.exp(-r * p.logpdf(x))) / (2 * kappa)
    got = coupled_kl(
        CoupledNormal(np.zeros(d), cov=cov_p, kappa=of_p),
        CoupledNormal(np.full(d, 0.3), cov=cov_q, kappa=of_p),
        kappa,
    )
    stderr = draws.std() / math.sqrt(len(draws))
    assert stderr < 0.02 * got
    assert abs(got - draws.mean()) < 4 * stderr


@pytest.mark.parametrize("d", [2, 3, 300])
def test_small_kappa_is_kl(rng, d):
    """The difference from kl is proportional to kappa, down to rounding."""
    l_p = np.eye(d) + 0.1 * np.tril(rng.normal(size=(d, d))) / math.sqrt(d)
    mean = rng.normal(size=d) / math.sqrt(d)
    shapes = ({"mean": np.zeros(d), "scale_tril": l_p}, {"mean": mean, "std": 1.2})
    p, q = (Gaussian(**shape) for shape in shapes)
    expected = kl(p, q)
    assert coupled_kl(p, q, 0) == pytest.approx(expected, rel=1e-13)
    assert coupled_cross_entropy(p, q, 0) == pytest.approx(cross_entropy(p, q), rel=1e-13)
    for coupled in (False, True):
        kappas = np.array([1e-3, 1e-6, 1e-9, 1e-12]) / d**2
        values = []
        for kappa in kappas:
            pair = [CoupledNormal(**s, kappa=kappa * coupled) for s in shapes]
            values.append((coupled_kl(*pair, kappa), coupled_entropy(pair[0], kappa)))
        limits = (expected, p.entropy())
        slopes = (np.array(values) - limits) / kappas[:, None]
        rounding = 100 * np.finfo(float).eps * np.abs(limits) / kappas[:, None]
        assert (np.abs(slopes - slopes[1]) <= 1e-2 * np.abs(slopes[1]) + rounding).all()
        assert (np.abs(slopes[1]) > 1e3 * rounding[1]).all()


@pytest.mark.parametrize("kappa", [0.5, 1e10, 1e50])
def test_a_tight_distribution_beside_a_wide_one(kappa):
    """The mean of the eigenvalues is then far below 1."""
    p, q = (CoupledNormal([0.0, 0.0], std=std, kappa=kappa) for std in ([1e-7, 3e-8], [1.0, 2.0]))
    with mpmath.workdps(150):
        k, d = mpmath.mpf(kappa), 2
        r = 2 * k / (1 + d * k)
        # |Σ|^½ Γ(1/(2κ)) π / (κ Γ(1/(2κ) + 1)) = |Σ|^½ 2π, for two dimensions
        z_p, z_q = (2 * mpmath.pi * mpmath.mpf(a) * b for a, b in ((1e-7, 3e-8), (1.0, 2.0)))
        trace = mpmath.mpf(1e-7) ** 2 + (mpmath.mpf(3e-8) / 2) ** 2
        expected = (z_q**r * (1 + k * trace) - z_p**r * (1 + d * k)) / (2 * k)
    assert coupled_kl(p, q, kappa) == pytest.approx(float(expected), rel=1e-12, abs=0)


def test_orders_next_to_one_are_not_rounded():
    """1 + r is, and the Rényi divergence of distributions far apart is steep there."""
    p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=1e-5)
    for kappa in (3e-14, -3e-14):
        r = 2 * kappa / (1 + kappa)
        with mpmath.workdps(50):
            a, variance = 1 + mpmath.mpf(r), mpmath.mpf(1e-5) ** 2
            mixed = a * variance + (1 - a)
            logs = mpmath.log(mixed) - a * mpmath.log(variance)
            order = a / 2 / mixed - logs / (2 * (a - 1))
            scale = mpmath.sqrt((2 * mpmath.pi) ** r * a)
            expected = mpmath.expm1(r * order) * scale / (2 * mpmath.mpf(kappa))
        assert coupled_kl(p, q, kappa) == pytest.approx(float(expected), rel=1e-12, abs=0)


@pytest.mark.parametrize(("kappa", "of_p"), [(0.5, 0.0), (-0.1, 0.0), (0.5, 0.5)])
def test_close_distributions_keep_their_digits(rng, kappa, of_p):
    """To leading order D is quadratic in the difference."""
    lower = np.tril(rng.normal(size=(4, 4))) + 3 * np.eye(4)
    change = np.tril(rng.normal(size=(4, 4)))
    p = CoupledNormal(np.zeros(4), scale_tril=lower, kappa=of_p)
    q = [
        CoupledNormal(np.zeros(4), scale_tril=lower + size * change, kappa=of_p)
        for size in (1e-5, 1e-7)
    ]
    far, near = (coupled_kl(p, side, kappa) for side in q)
    assert near * 1e4 == pytest.approx(far, rel=1e-4)


@pytest.mark.parametrize("kappa", [-0.05, 1e-9, 0.3, 5.0])
@pytest.mark.parametrize("name", ["std", "logvar", "cov", "scale_tril", "precision"])
def test_zero_for_equal_and_never_negative(rng, name, kappa):
    a = rng.normal(size=(7, 3, 6))
    matrices = a @ a.swapaxes(-1, -2)
    value = {
        "std": np.exp(a[..., 0]),
        "logvar": a[..., 0],
        "scale_tril": np.linalg.cholesky(matrices),
    }.get(name, matrices)
    mean = a[..., 1]
    for of_p in {0.0, max(kappa, 0.0)}:
        p = CoupledNormal(mean, **{name: value}, kappa=of_p)
        q = CoupledNormal(mean[:, None], **{name: value[:, None]}, kappa=of_p)
        d = coupled_kl(p, q, kappa)
        assert d.shape == (7, 7)
        assert (d >= 0).all()
        assert (np.diagonal(d) < 1e-25).all()
        assert (d[~np.eye(7, dtype=bool)] > 0.01).all()
        dense = Gaussian(mean, cov=p.base.cov())
        other = CoupledNormal(mean[:, None], cov=dense.cov()[:, None], kappa=of_p)
        np.testing.assert_allclose(coupled_kl(p, other, kappa), d, rtol=1e-8, atol=1e-20)


def test_infinite_where_the_mixture_is_not_positive_definite():
    p, q = Gaussian([0.0], std=[[1.0], [1.3], [2.0]]), Gaussian([0.0], std=1.0)
    d = coupled_kl(p, q, 2 / 3)  # r = 0.8, S = 1 − r (Σ_p − 1) is 1, 0.448 and −1.4
    assert d[0] == 0
    assert 0 < d[1] < d[2] == np.inf
    assert coupled_cross_entropy(p, q, 2 / 3)[2] == np.inf
    assert np.isfinite(coupled_entropy(p, 2 / 3)).all()
    assert np.isfinite(coupled_kl(p, q, -0.2)).all()


def test_shapes_and_types():
    p = Gaussian(np.zeros((4, 1, 2), np.float32), std=np.float32(1))
    q = Gaussian(np.ones((3, 2)), cov=COV_Q)
    for function in (coupled_kl, coupled_cross_entropy):
        assert function(p, q, 0.5).shape == (4, 3)
        assert isinstance(function(Gaussian.standard(2), Gaussian.standard(2), 0.5), np.float64)
    assert coupled_entropy(p, 0.5).shape == (4, 1)
    assert isinstance(coupled_entropy(Gaussian.standard(2), 0.5), np.float64)
    t = CoupledNormal(p.mean, std=np.float32(1), kappa=0.5)
    assert t.log_prob(np.zeros((5, 1, 1, 2))).shape == (5, 4, 1)
    assert t.sample(6, rng=0).shape == (6, 4, 1, 2)
    assert t.sample(6, rng=0).dtype == t.dtype == np.float32
    assert (t.batch_shape, t.dim) == ((4, 1), 2)


@pytest.mark.parametrize("kappa", [1e-6, 0.1, 1.0, 20.0])
def test_log_prob_is_student_t(rng, kappa):
    x = rng.normal(size=(50, 2)) * 3
    p = CoupledNormal(SHIFT, cov=COV_P, kappa=kappa)
    np.testing.assert_allclose(p.log_prob(x), frozen(SHIFT, COV_P, kappa).logpdf(x), rtol=1e-9)
    steps = np.diff(p.log_prob([[1e100, 0.0], [1e200, 0.0], [1e300, 0.0]]))  # squares overflow
    np.testing.assert_allclose(steps, -(2 + 1 / kappa) * 100 * math.log(10), rtol=1e-9)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize(
    ("kappa", "alpha"),
    [(-0.3, 2), (-0.01, 1), (0.0, 2), (0.0, 1), (1e-9, 2), (0.25, 2), (3.0, 2), (0.5, 3)],
)
def test_sample(rng, d, kappa, alpha):
    """The radius by its law, the direction by its mean and covariance."""
    lower = np.tril(rng.normal(size=(d, d))) + 2 * np.eye(d)
    mean = np.arange(d, dtype=float)
    p = CoupledNormal(mean, scale_tril=lower, kappa=kappa, alpha=alpha)
    x = p.sample(20_000, rng=7)
    np.testing.assert_array_equal(x, p.sample(20_000, rng=7))
    assert np.isfinite(p.log_prob(x)).all()
    z = np.linalg.solve(lower, (x - mean).T).T
    radius = np.linalg.norm(z, axis=1)
    power, h = radius**alpha, d / alpha
    law = (
        stats.betaprime(h, 1 / (alpha * kappa), scale=1 / kappa)
        if kappa > 1e-6
        else stats.beta(h, (1 + d * kappa) / (-alpha * kappa) + 1, scale=-1 / kappa)
        if kappa < 0
        else stats.gamma(h, scale=alpha)
    )
    assert stats.kstest(power, law.cdf).pvalue > 1e-3
    u = z / radius[:, None]
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(u.T @ u / len(u), np.eye(d) / d, atol=0.02)


def test_log_and_exp():
    x = np.array([1e-100, 0.3, 1.0, 7.0, 1e30])
    for kappa, dim in ((0.5, 1), (-0.3, 2), (2.0, 3), (1.5, 0), (0.0, 1), (1e-13, 2)):
        log = coupled_log(x, kappa, dim=dim)
        if kappa:
            naive = (x ** (kappa / (1 + dim * kappa)) - 1) / kappa
            np.testing.assert_allclose(log, naive, rtol=1e-12 if abs(kappa) > 1e-9 else 0.1)
        near = slice(1, 4)
        np.testing.assert_allclose(coupled_exp(log[near], kappa, dim=dim), x[near], rtol=1e-12)
    np.testing.assert_allclose(coupled_log(x, 1e-14), np.log(x), rtol=1e-11)
    assert coupled_log(0.0, 0.5) == -2
    assert coupled_log(0.0, 0.0) == coupled_log(0.0, -0.5) == -np.inf
    assert coupled_log(np.inf, -0.5) == 2
    assert coupled_exp(-2.0, 0.5) == coupled_exp(-3.0, 0.5) == coupled_exp(-np.inf, 0.0) == 0
    assert coupled_exp(2.0, -0.5) == coupled_exp(3.0, -0.5) == np.inf
    assert isinstance(coupled_log(2, 1), np.float64)


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (ValueError, r"x must be >= 0; got -1", lambda: coupled_log([1.0, -1.0], 0.5)),
        (ValueError, r"x must be >= 0; got nan", lambda: coupled_log(np.nan, 0.5)),
        (ValueError, r"x must .* got NaN", lambda: coupled_exp(np.nan, 0.5)),
        (ValueError, r"kappa must be > -1/d = -0.5", lambda: coupled_log(1.0, -0.5, dim=2)),
        (ValueError, r"kappa must be finite", lambda: coupled_log(1.0, np.nan)),
        (TypeError, r"kappa must be a real", lambda: coupled_exp(1.0, [0.5])),
        (ValueError, r"dim must be", lambda: coupled_log(1.0, 0.5, dim=-1)),
        (OverflowError, r"exponential is too large", lambda: coupled_exp(1e200, 0.5)),
        (OverflowError, r"logarithm is too large", lambda: coupled_log(1e200, 2.0, dim=0)),
        (ValueError, r"kappa must be > -1/d", lambda: CoupledNormal([0, 0], std=1.0, kappa=-0.5)),
        (
            ValueError,
            r"alpha must be from 1e-06 to",
            lambda: CoupledNormal([0], std=1, kappa=1, alpha=0),
        ),
        (TypeError, r"exactly one of", lambda: CoupledNormal([0.0], kappa=1)),
        (
            TypeError,
            r"p must be a Gaussian or a Coupled.*_monte_",
            lambda: coupled_entropy(1.0, 0.5),
        ),
        (ValueError, r"use coupled_cross_.*\(p, p, .* kappa=0.4", lambda: coupled_entropy(T, 0.5)),
        (ValueError, r"coupled_kl_monte_carlo .* q with kappa=0.0", lambda: coupled_kl(T, N, 0.4)),
        (ValueError, r"closed form .* alpha=1.0$", lambda: coupled_kl(T, T, 0.4, alpha=1)),
        (ValueError, r"kappa must be > -1/\(d", lambda: coupled_kl(N, N, -0.4)),
        (ValueError, r"same dimension", lambda: coupled_kl(N, Gaussian.standard(2), 0.4)),
        (ValueError, r"p must have no padding", lambda: coupled_kl(PADDED, N, 0.4)),
        (OverflowError, r"divergence is too large", lambda: coupled_kl(T, AWAY, 0.4)),
        (OverflowError, r"entropy is too large.*\(1,\)", lambda: coupled_entropy(WIDE, 900.0)),
        (OverflowError, r"draw is too large", lambda: HEAVY.sample(100, rng=0)),
    ],
)
def test_errors(error, match, call):
    with pytest.raises(error, match=match):
        call()


N = Gaussian.standard(1)
T = CoupledNormal([0.0], std=1.0, kappa=0.4)
AWAY = CoupledNormal([1e200], std=1.0, kappa=0.4)
HEAVY = CoupledNormal([0.0], std=1.0, kappa=1e4)
WIDE = Gaussian([0.0], std=[[1.0], [1e200]])
PADDED = Gaussian([[0.0], [np.nan]], std=1.0, where=[True, False])


ENDS = [-1 + 2**-53, -0.5, -1e-299, 1e-300, 1e-16, 1e99, 1e100]
NO_COUPLING = [0.0, 5e-324, -5e-324, 2.0**-1022, -9e-301]
EXPONENTS = [1e-6, 0.5, 2, 1e6]


def every_result(kappa, alpha):
    """Return what the family computes, by name: numbers, or the error of what is too large."""
    p, q = (CoupledNormal([m], std=m + 1, kappa=kappa, alpha=alpha) for m in (0.0, 0.5))
    f, g = (Gaussian([m], std=m + 1) for m in (0.0, 0.5))
    order = {"kappa": kappa, "alpha": alpha}
    calls = {
        "log_prob": lambda: p.log_prob([0.3]),
        "log_prob, far": lambda: p.log_prob([1e300]),
        "log_prob, centre": lambda: p.log_prob([0.0]),
        "sample": lambda: p.sample(3, rng=0),
        "entropy": lambda: coupled_entropy(p, **order),
        "entropy, Gaussian": lambda: coupled_entropy(f, **order),
        "kl": lambda: coupled_kl(p, q, **order),
        "kl, Gaussian": lambda: coupled_kl(f, g, **order),
        "cross entropy, Gaussian": lambda: coupled_cross_entropy(f, g, **order),
        "kl, draws": lambda: coupled_kl_monte_carlo(f, g, kappa, 20, alpha=alpha, rng=0).value,
        "log": lambda: coupled_log([0.0, 5e-324, 1.0, 1.5, np.inf], kappa),
        "exp": lambda: coupled_exp([-np.inf, -0.5, 0.0, 0.5, 5e-324], kappa),
    }
    results = {}
    for name, call in calls.items():
        try:
            results[name] = call()
        except (ValueError, OverflowError) as error:
            results[name] = type(error)
    return results


@pytest.mark.parametrize("alpha", EXPONENTS)
@pytest.mark.parametrize("kappa", ENDS + NO_COUPLING)
def test_ends_of_the_parameters(kappa, alpha):
    """Give numbers or an error that says what overflows, never NaN."""
    for name, result in every_result(kappa, alpha).items():
        assert isinstance(result, type) or not np.isnan(result).any(), name


@pytest.mark.parametrize("alpha", EXPONENTS)
def test_couplings_too_small_to_matter(alpha):
    expected = every_result(0.0, alpha)
    for kappa in NO_COUPLING:
        for name, result in every_result(kappa, alpha).items():
            np.testing.assert_array_equal(result, expected[name], err_msg=name)
    for name, result in every_result(1e-300, alpha).items():
        if isinstance(result, type):
            assert result is expected[name], name
        elif name not in ("sample", "log", "exp", "log_prob, far"):  # where κ m^α is not small
            assert result == pytest.approx(expected[name], rel=1e-9), name


def test_values_at_the_ends():
    assert coupled_log(0.0, 1e-300) == -1 / 1e-300
    assert coupled_log(np.inf, -1e-300) == 1 / 1e-300
    assert coupled_log(1 + 2.0**-52, 1e-300) == math.log(1 + 2.0**-52)
    assert coupled_exp(1e300, 1e10, dim=0) == pytest.approx(math.exp(310 * math.log(10) / 1e10))
    assert coupled_exp(5e-324, 1e-300) == 1


@pytest.mark.parametrize("alpha", [1e-7, 5e-324, 2e6, 1e308, -1.0])
def test_exponents_out_of_range(alpha):
    for call in (
        lambda: CoupledNormal([0.0], std=1.0, kappa=0.5, alpha=alpha),
        lambda: coupled_kl(N, N, 0.5, alpha=alpha),
        lambda: coupled_entropy(N, 0.5, alpha=alpha),
        lambda: coupled_kl_monte_carlo(N, N, 0.5, 10, alpha=alpha),
    ):
        with pytest.raises(ValueError, match=r"^alpha must be from 1e-06 to 1e\+06; got"):
            call()


@pytest.mark.parametrize("kappa", [1.01e100, 1.7e308, 10**400])
def test_couplings_out_of_range(kappa):
    for call in (
        lambda: CoupledNormal([0.0], std=1.0, kappa=kappa),
        lambda: coupled_kl(N, N, kappa),
        lambda: coupled_log(1.0, kappa),
        lambda: coupled_exp(1.0, kappa, dim=0),
    ):
        with pytest.raises((TypeError, ValueError), match=r"^kappa must be"):
            call()


def test_a_thousand_dimensions():
    """Z is beyond float64 before the power is taken, and blocks are as one feature."""
    d, kappa = 1000, 0.2
    c = kappa / (1 + d * kappa)
    for log_std in (-200.0, 0.0, 200.0):
        p = CoupledNormal(np.zeros(d), logstd=log_std, kappa=kappa)
        q = CoupledNormal(np.full(d, 0.1 * math.exp(log_std)), logstd=log_std + 0.1, kappa=kappa)
        trace, shift = d * math.exp(-0.2), d * 0.01 * math.exp(-0.2)
        log_z = p.log_prob(np.zeros(d)) * -2 * c
        expected = math.exp(log_z + 0.2 * d * c) * (1 + kappa * (trace + shift))
        expected -= math.exp(log_z) * (1 + kappa * d)
        assert coupled_kl(p, q, kappa) == pytest.approx(expected / (2 * kappa), rel=1e-9)

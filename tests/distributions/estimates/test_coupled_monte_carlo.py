"""Estimates of the coupled divergence: closed forms, quadrature, limits, and their own errors."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from standard_errors import within

from fastdiv import (
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    coupled_cross_entropy,
    coupled_cross_entropy_monte_carlo,
    coupled_entropy,
    coupled_kl,
    coupled_kl_monte_carlo,
    kl_monte_carlo,
)

BOTH = (coupled_kl_monte_carlo, coupled_cross_entropy_monte_carlo)
each_function = pytest.mark.parametrize("function", BOTH)


def gaussians(d):
    rng = np.random.default_rng(d)
    a = rng.normal(size=(2, d, d)) * 0.3 / math.sqrt(d)
    mean = rng.normal(size=d) * 0.3 / math.sqrt(d)
    return (
        Gaussian(np.zeros(d), scale_tril=np.tril(a[0]) + np.eye(d)),
        Gaussian(mean, scale_tril=np.tril(a[1]) + 1.1 * np.eye(d)),
    )


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize(
    ("kappa", "alpha"),
    [(0.5, 2), (0.05, 2), (-0.05, 2), (-0.09, 2), (0.0, 2), (0.3, 0.7), (-0.05, 3.0)],
)
def test_closed_form_of_gaussians(d, kappa, alpha):
    p, q = gaussians(d)
    e = coupled_kl_monte_carlo(p, q, kappa, 40_000, alpha=alpha, rng=1)
    truth = coupled_kl(p, q, kappa, alpha=alpha)
    assert within(e, truth)
    assert e.stderr < 0.05 * truth
    assert e.n_samples == 40_000
    assert e.bias == ("biased" if kappa else "unbiased")
    assert isinstance(e.value, np.float64)
    assert isinstance(e.stderr, np.float64)
    e = coupled_cross_entropy_monte_carlo(p, q, kappa, 40_000, alpha=alpha, rng=2)
    assert within(e, coupled_cross_entropy(p, q, kappa, alpha=alpha))
    e = coupled_cross_entropy_monte_carlo(p, p, kappa, 40_000, alpha=alpha, rng=3)
    assert within(e, coupled_entropy(p, kappa, alpha=alpha))


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("kappa", [0.02, 0.2, 0.45])
def test_closed_form_of_one_coupling(d, kappa):
    p, q = (CoupledNormal(g.mean, scale_tril=g.scale_tril(), kappa=kappa) for g in gaussians(d))
    truth = coupled_kl(p, q, kappa)
    e = coupled_kl_monte_carlo(p, q, kappa, 100_000, rng=1)
    assert within(e, truth)
    assert e.stderr < 0.05 * truth
    e = coupled_cross_entropy_monte_carlo(p, q, kappa, 40_000, rng=2)
    assert within(e, coupled_cross_entropy(p, q, kappa))


@pytest.mark.parametrize(("kappa", "alpha"), [(0.4, 2), (-1 / 600, 2), (0.4, 1.3)])
def test_three_hundred_dimensions(kappa, alpha):
    rng = np.random.default_rng(0)
    log_std = rng.normal(size=300)
    p = Gaussian(np.zeros(300), logstd=log_std)
    mean = 0.02 * np.exp(log_std) * rng.normal(size=300)
    q = Gaussian(mean, logstd=log_std + 0.02 * rng.normal(size=300))
    e = coupled_kl_monte_carlo(p, q, kappa, 5000, alpha=alpha, rng=1)
    truth = coupled_kl(p, q, kappa, alpha=alpha)
    assert within(e, truth)
    assert e.stderr < 0.15 * truth


@pytest.mark.slow
@pytest.mark.parametrize("log_std", [-300.0, 0.0, 300.0])
def test_a_thousand_dimensions(log_std):
    """p^r and the divergence are exp(±600), their squares beyond float64."""
    d, kappa = 1000, 0.2
    mean = np.full(d, 0.02 * math.exp(log_std))
    for of_p in (0.0, kappa):
        p = CoupledNormal(np.zeros(d), logstd=log_std, kappa=of_p)
        q = CoupledNormal(mean, logstd=log_std + 0.01, kappa=of_p)
        e = coupled_kl_monte_carlo(p, q, kappa, 1000, rng=0)
        truth = coupled_kl(p, q, kappa)
        assert within(e, truth)
        assert e.stderr < 0.15 * truth
        e = coupled_cross_entropy_monte_carlo(p, q, kappa, 1000, rng=0)
        truth = coupled_cross_entropy(p, q, kappa)
        assert abs(e.value - truth) < 4 * e.stderr + 1e-12 * abs(truth)  # for small std −1/(ακ)


# --- quadrature in one dimension ---------------------------------------------------------------


def by_quadrature(log_p, log_q, kappa, alpha, support):
    """Compute H(p, q) and D from the definition of the cross entropy."""
    r = alpha * kappa / (1 + kappa)
    ends = np.unique([support[0], *np.clip([-1.0, 0.5, 2.0], *support), support[1]])

    def integral(log_f):
        with np.errstate(invalid="ignore"):
            return sum(
                integrate.quad(lambda x: np.nan_to_num(np.exp(log_f(x))), *part, limit=200)[0]
                for part in itertools.pairwise(ends)
            )

    def at(log_density, x):
        return float(log_density(np.array([x])))

    total = integral(lambda x: (1 + r) * at(log_p, x))
    mean = integral(lambda x: (1 + r) * at(log_p, x) - r * at(log_q, x)) / total
    return (mean - 1) / (alpha * kappa), (mean - 1 / total) / (alpha * kappa)


T = CoupledNormal([0.0], std=1.0, kappa=0.2)
HEAVIER = CoupledNormal([0.5], std=1.3, kappa=0.4)
COMPACT = CoupledNormal([0.0], std=1.0, kappa=-0.3)  # on [−1.83, 1.83]
COMPACT_3 = CoupledNormal([0.2], std=0.8, kappa=-0.25, alpha=3)  # on [−1.07, 1.47]
SHIFTED = CoupledNormal([1.0], std=1.0, kappa=-0.3)  # misses some of COMPACT
MIXTURE = GaussianMixture([0.7, 0.3], Gaussian([[0.0], [2.0]], std=[[1.0], [0.6]]))
WIDE = Gaussian([0.3], std=1.6)
LINE, EDGE = (-np.inf, np.inf), 1 / math.sqrt(0.3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "q", "support"),
    [
        (T, HEAVIER, LINE),
        (MIXTURE, WIDE, LINE),
        (WIDE, HEAVIER, LINE),
        (MIXTURE, T, LINE),
        (COMPACT, WIDE, (-EDGE, EDGE)),
        (COMPACT_3, COMPACT, (0.2 - 0.8 * 4 ** (1 / 3), 0.2 + 0.8 * 4 ** (1 / 3))),
    ],
)
@pytest.mark.parametrize(("kappa", "alpha"), [(0.3, 2), (0.8, 1.2), (-0.12, 2), (-0.2, 0.8)])
def test_quadrature(p, q, support, kappa, alpha):
    cross, divergence = by_quadrature(p.log_prob, q.log_prob, kappa, alpha, support)
    e = coupled_kl_monte_carlo(p, q, kappa, 40_000, alpha=alpha, rng=5)
    assert within(e, divergence)
    assert e.stderr < 0.05 * divergence
    e = coupled_cross_entropy_monte_carlo(p, q, kappa, 40_000, alpha=alpha, rng=6)
    assert within(e, cross)


@pytest.mark.parametrize("kappa", [-0.12, -0.3])
def test_draws_where_q_has_no_mass(kappa):
    """(p/q)^r is 0 there for κ < 0, and infinite otherwise."""
    cross, divergence = by_quadrature(COMPACT.log_prob, SHIFTED.log_prob, kappa, 2, (-EDGE, EDGE))
    e = coupled_kl_monte_carlo(COMPACT, SHIFTED, kappa, 40_000, rng=5)
    assert within(e, divergence)
    assert e.stderr < 0.04 * divergence
    assert within(coupled_cross_entropy_monte_carlo(COMPACT, SHIFTED, kappa, 40_000, rng=5), cross)


@each_function
def test_no_mass_of_q_is_infinity(function, monkeypatch):
    monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", 64)
    q = CoupledNormal([[0.0], [1.0]], std=[[9.0], [1.0]], kappa=-0.3)
    for kappa in (0.0, 1e-9, 0.4):
        e = function(COMPACT, q, kappa, 500, rng=0)
        assert e.value[1] == e.stderr[1] == np.inf
        assert np.isfinite([e.value[0], e.stderr[0]]).all()


def test_disjoint_supports():
    """The largest divergence, 1 / (α|κ| ∫ p^{1+r}), is exact for a uniform p."""
    p, q = stats.uniform(0, 2), stats.uniform(5, 1)
    kappa = -0.3
    r = 2 * kappa / (1 + kappa)
    e = coupled_kl_monte_carlo(p, q, kappa, 100, rng=0)
    assert e.value == pytest.approx(2**r / (2 * -kappa), rel=1e-12)
    assert e.stderr < 1e-7
    assert coupled_kl_monte_carlo(p, q, 0.3, 100, rng=0).value == np.inf


# --- the estimator ------------------------------------------------------------------------


def by_definition(p, q, kappa, alpha, d, x):
    """Compute value and standard error in long doubles."""
    log_p, log_q = (np.asarray(side.log_prob(x), np.longdouble) for side in (p, q))
    r = alpha * np.longdouble(kappa) / (1 + d * np.longdouble(kappa))
    b = np.exp(r * log_p)
    for a in ((np.exp(r * (log_p - log_q)) - 1), b * (np.exp(-r * log_q) - 1)):
        value = (a / (alpha * np.longdouble(kappa))).mean(axis=0) / b.mean(axis=0)
        residual = a / (alpha * np.longdouble(kappa)) - value * b
        stderr = np.sqrt((residual**2).sum(axis=0) / (len(x) - 1) / len(x)) / b.mean(axis=0)
        yield value.astype(float), stderr.astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("block", [1 << 18, 40, 3])
@pytest.mark.parametrize(("kappa", "alpha"), [(0.3, 2), (-0.15, 1.2), (1e-4, 2), (30.0, 5)])
def test_definition(monkeypatch, block, kappa, alpha):
    """Blocks of any size, each of another scale, and a batch of scales."""
    monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", block)
    p = CoupledNormal(np.zeros((3, 2)), std=np.repeat([[1e-9], [1.0], [1e9]], 2, axis=1), kappa=0.6)
    q = CoupledNormal(np.ones(2), std=2.0, kappa=0.9)
    x = np.concatenate(blocks(p, 300, max(1, block // 6)))
    expected = by_definition(p, q, kappa, alpha, 2, x)
    for function, (value, stderr) in zip(BOTH, expected, strict=True):
        e = function(p, q, kappa, 300, alpha=alpha, rng=7)
        np.testing.assert_allclose(e.value, value, rtol=1e-9)
        np.testing.assert_allclose(e.stderr, stderr, rtol=2e-5)


def blocks(p, n, rows):
    """Return the draws as they come in blocks of about so many rows."""
    rng, count = np.random.default_rng(7), -(-n // rows)
    ends = [n * i // count for i in range(count + 1)]
    return [p.sample(b - a, rng=rng) for a, b in itertools.pairwise(ends)]


@pytest.mark.parametrize(
    ("p", "q", "kappa", "alpha", "truth"),
    [
        (Gaussian([0.0], std=1.0), WIDE, 0.4, 2, None),
        (Gaussian([0.0], std=1.0), WIDE, -0.1, 2, None),
        (Gaussian([0.0], std=1.0), WIDE, 0.4, 0.8, None),
        (HEAVIER, CoupledNormal([0.0], std=1.5, kappa=0.4), 0.4, 2, None),
        (COMPACT, SHIFTED, -0.3, 2, EDGE),
    ],
)
def test_standard_error_is_calibrated(p, q, kappa, alpha, truth):
    """About 95 % of 400 intervals hold the truth."""
    if truth is None:
        truth = coupled_kl(p, q, kappa, alpha=alpha)
    else:
        truth = by_quadrature(p.log_prob, q.log_prob, kappa, alpha, (-truth, truth))[1]
    base = getattr(p, "base", p)
    mean, std = np.broadcast_to(base.mean, (400, 1)), float(np.sqrt(base.cov()[0, 0]))
    many = (
        Gaussian(mean, std=std)
        if p is base
        else CoupledNormal(mean, std=std, kappa=p.kappa, alpha=p.alpha)
    )
    e = coupled_kl_monte_carlo(many, q, kappa, 2000, alpha=alpha, rng=11)
    low, high = e.confidence_interval()
    hits = np.count_nonzero((low <= truth) & (truth <= high))
    least, most = stats.binom.interval(0.999, 400, 0.95)
    assert least <= hits <= most
    assert e.value.std() == pytest.approx(np.sqrt((e.stderr**2).mean()), rel=0.15)


@pytest.mark.parametrize("kappa", [0.6, -0.15])
def test_stated_bias(kappa):
    n, repetitions = 10, 40_000
    p, q = Gaussian(np.zeros((repetitions, 1)), std=1.0), WIDE
    r = 2 * kappa / (1 + kappa)
    x = Gaussian([0.0], std=1.0).sample(400_000, rng=1)
    log_p = stats.norm().logpdf(x[:, 0])
    a, b = np.expm1(r * (log_p - q.log_prob(x))) / (2 * kappa), np.exp(r * log_p)
    d = coupled_kl(Gaussian([0.0], std=1.0), q, kappa)
    expected = (d * b.var() - np.cov(a, b)[0, 1]) / (n * b.mean() ** 2)
    values = coupled_kl_monte_carlo(p, q, kappa, n, rng=2).value
    noise = values.std() / math.sqrt(repetitions)
    assert abs(expected) > 4 * noise
    assert values.mean() - d == pytest.approx(expected, abs=4 * noise + 0.3 * abs(expected))


def test_kappa_to_zero_is_k1():
    p, q = gaussians(3)
    k1 = kl_monte_carlo(p, q, 5000, rng=3)
    for kappa in (0.0, 1e-12, -1e-12, 1e-300):
        e = coupled_kl_monte_carlo(p, q, kappa, 5000, rng=3)
        assert (e.value, e.stderr) == pytest.approx((k1.value, k1.stderr), rel=1e-9)
    assert coupled_kl_monte_carlo(p, p, 0.3, 100, rng=0).value == 0


def test_shapes_and_progress(monkeypatch):
    p = Gaussian(np.zeros((3, 2), np.float32), std=np.float32(1))
    q = CoupledNormal(np.ones((4, 1, 2)), std=1.5, kappa=0.3)
    e = coupled_kl_monte_carlo(p, q, 0.2, 50, rng=0)
    assert e.value.shape == e.stderr.shape == (4, 3)
    assert e.value.dtype == np.float64
    np.testing.assert_array_equal(
        coupled_kl_monte_carlo(p, q, 0.2, 50, rng=np.random.default_rng(0)).value, e.value
    )
    monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", 100)
    reports = []
    coupled_kl_monte_carlo(p, q, 0.2, 50, rng=0, progress=lambda *r: reports.append(r))
    assert reports == sorted(reports)
    assert len(reports) > 5
    assert reports[-1] == (50, 50)


def test_distributions_of_scipy():
    ours = Gaussian([0.2, 0.0], std=1.0), Gaussian.standard(2)
    theirs = stats.multivariate_normal([0.2, 0.0], 1), stats.multivariate_normal([0, 0], 1)
    truth = coupled_kl(*ours, 0.3)
    for p in (ours[0], theirs[0]):
        for q in (ours[1], theirs[1]):
            assert within(coupled_kl_monte_carlo(p, q, 0.3, 20_000, rng=2), truth)
    e = coupled_kl_monte_carlo(stats.t(5), stats.t(2.5, 0.5, 1.3), 0.3, 100_000, rng=4)
    assert within(e, by_quadrature(T.log_prob, HEAVIER.log_prob, 0.3, 2, LINE)[1])
    e = coupled_kl_monte_carlo(stats.norm([0.0, 1.0], 1), stats.norm(0.5, 2), 0.3, 20_000, rng=4)
    truth = coupled_kl(Gaussian([[0.0], [1.0]], std=1.0), Gaussian([0.5], std=2.0), 0.3)
    assert within(e, truth)


def test_distributions_of_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    ours = Gaussian([0.2, 0.0], std=1.0)
    truth = coupled_kl(Gaussian.standard(2), ours, 0.3)
    assert within(coupled_kl_monte_carlo(theirs, ours, 0.3, 20_000, rng=2), truth)
    assert within(coupled_kl_monte_carlo(ours, theirs, 0.3, 20_000, rng=2), truth)


CAUCHY = CoupledNormal([0.0], std=1.0, kappa=1.0)
FAR = CoupledNormal([[0.0], [1e200]], std=1.0, kappa=0.4)


@each_function
@pytest.mark.parametrize(
    ("p", "q", "kappa", "options", "error", "message"),
    [
        (T, T, -1.0, {}, ValueError, r"kappa must be > -1/d = -1; got -1"),
        (T, T, "1", {}, TypeError, "kappa must be"),
        (T, T, 0.1, {"alpha": 0}, ValueError, "alpha must be from 1e-06"),
        (T, T, 0.1, {"n_samples": 1}, ValueError, "n_samples must be"),
        (T, T, 0.1, {"rng": "seed"}, TypeError, "rng must be"),
        (T, object(), 0.1, {}, TypeError, "q must have a method log_prob"),
        (T, Gaussian.standard(2), 0.1, {}, ValueError, "x must have shape"),
        (WIDE, T, -0.34, {}, ValueError, r"too negative for p, a Gaussian in 1 dim.* = -1.03"),
        (MIXTURE, T, -0.4, {}, ValueError, "too negative for p, a GaussianMixture"),
        (CAUCHY, T, -0.2, {}, ValueError, r"kappa=-0.2 with alpha=2.0 .* r = -0.5, has no"),
        (COMPACT_3, T, -0.7, {}, ValueError, "too negative for p, a CoupledNormal"),
        (T, FAR, 0.4, {}, OverflowError, r"the estimate is too large .*batch index \(1,\)"),
        (stats.norm(), stats.norm(np.nan), 0.4, {}, ValueError, "q must be finite or -inf; got n"),
    ],
)
def test_errors(function, p, q, kappa, options, error, message):
    with pytest.raises(error, match=message):
        function(p, q, kappa, **{"n_samples": 20, "rng": 0, **options})


def test_escort_densities_that_exist():
    """The members of κ have the entropy of κ, whatever r."""
    for kappa, p in ((-0.3, COMPACT), (-0.19, CAUCHY), (-0.32, WIDE)):
        assert np.isfinite(coupled_cross_entropy_monte_carlo(p, p, kappa, 50, rng=0).value)
    e = coupled_cross_entropy_monte_carlo(COMPACT, COMPACT, -0.3, 100_000, rng=0)
    assert within(e, coupled_entropy(COMPACT, -0.3))

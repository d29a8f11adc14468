"""Estimates from draws: against closed forms, their own definitions, and their stated variances."""

import contextlib
import math

import numpy as np
import pytest
from scipy import stats
from standard_errors import within

from fastdiv import (
    Categorical,
    CoupledNormal,
    Estimate,
    Gaussian,
    GaussianMixture,
    coupled_kl_monte_carlo,
    kl,
    kl_from_log_probs,
    kl_monte_carlo,
    score_function_grad,
)
from fastdiv._engine import backend
from fastdiv._engine.blocks import DRAWN, even_blocks

WORDS = ["k1", "k2", "k3"]
each_word = pytest.mark.parametrize("word", WORDS)
FORMULAS = {
    "k1": lambda l: -l,  # noqa: E741
    "k2": lambda l: l**2 / 2,  # noqa: E741
    "k3": lambda l: np.expm1(l) - l,  # noqa: E741
}


class TestEstimate:
    def test_confidence_interval(self):
        e = Estimate(np.array([1.0, 2.0]), np.array([0.5, 0.1]), 10, "unbiased")
        for level in (0.5, 0.95, 0.999):
            low, high = e.confidence_interval(level)
            expected = stats.norm.interval(level, loc=e.value, scale=e.stderr)
            np.testing.assert_allclose([low, high], expected, rtol=1e-12)

    def test_of_infinity(self):
        e = Estimate(np.array([np.inf, 1.0]), np.array([np.inf, 0.0]), 10, "unbiased")
        low, high = e.confidence_interval()
        np.testing.assert_array_equal(low, [-np.inf, 1.0])
        np.testing.assert_array_equal(high, [np.inf, 1.0])

    @pytest.mark.parametrize("level", [0, 1, -0.5, 95, "0.9", None])
    def test_level(self, level):
        e = Estimate(np.float64(0), np.float64(1), 10, "unbiased")
        with pytest.raises((TypeError, ValueError), match="level must be"):
            e.confidence_interval(level)

    def test_is_frozen(self):
        e = Estimate(np.float64(0), np.float64(1), 10, "unbiased")
        with pytest.raises(AttributeError):
            e.value = 1.0


class TestFromLogProbs:
    @each_word
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        ("shape", "axis"),
        [((50,), 0), ((50, 3), 0), ((4, 50), 1), ((4, 50, 3), -2), ((2, 3, 9), 2)],
    )
    def test_definition(self, rng, shape, axis, dtype, word):
        log_p = rng.normal(size=shape).astype(dtype)
        log_q = log_p + rng.normal(size=shape).astype(dtype)
        e = kl_from_log_probs(log_p, log_q, estimator=word, axis=axis)
        values = FORMULAS[word](log_q.astype(np.float64) - log_p)
        n = shape[axis]
        np.testing.assert_allclose(e.value, values.mean(axis=axis), rtol=1e-11)
        np.testing.assert_allclose(
            e.stderr, values.std(axis=axis, ddof=1) / math.sqrt(n), rtol=1e-11
        )
        assert e.value.shape == e.stderr.shape == values.mean(axis=axis).shape
        assert e.n_samples == n
        assert e.bias == {"k1": "unbiased", "k2": "biased", "k3": "unbiased"}[word]

    @pytest.mark.parametrize("mu", [0.25, 0.5, 1.0])
    def test_stated_biases_and_variances(self, mu):
        n = 400_000
        x = np.random.default_rng(7).normal(size=n)
        estimates = {
            word: kl_from_log_probs(-0.5 * x**2, -0.5 * (x - mu) ** 2, estimator=word)
            for word in WORDS
        }
        truth = mu**2 / 2
        expected = {"k1": truth, "k2": truth + mu**4 / 8, "k3": truth}
        variance = {
            "k1": mu**2,
            "k2": mu**4 / 2 + mu**6 / 4,
            "k3": math.exp(mu**2) - 1 - mu**2,
        }
        for word, e in estimates.items():
            assert within(e, expected[word])
            tolerance = 0.2 if word == "k3" else 0.02  # the fourth moment of k3 is large
            assert n * e.stderr**2 == pytest.approx(variance[word], rel=tolerance)
        assert not within(estimates["k2"], truth)

    def test_close_distributions_keep_their_digits(self):
        """exp(l) − 1 − l is l²/2 (1 + l/3 + …), whatever cancels."""
        l = np.array([1e-3, -1e-5, 1e-7, -3e-9])  # noqa: E741
        for value in l:
            e = kl_from_log_probs([0.0, 0.0], [value, value], estimator="k3")
            expected = value**2 / 2 * (1 + value / 3 + value**2 / 12)
            assert e.value == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("word", ["k2", "k3"])
    def test_never_negative(self, rng, word):
        l = rng.normal(size=(2, 300)) * np.logspace(-12, 2, 300)  # noqa: E741
        e = kl_from_log_probs(np.zeros_like(l), l, estimator=word)
        assert (e.value >= 0).all()

    @each_word
    def test_blocks_do_not_matter(self, rng, monkeypatch, word):
        log_p, log_q = rng.normal(size=(2, 1000, 7))
        whole = kl_from_log_probs(log_p, log_q, estimator=word)
        for block in (7, 50, 701):
            monkeypatch.setattr("fastdiv.distributions.estimates.monte_carlo.DRAWN", block)
            parts = kl_from_log_probs(log_p, log_q, estimator=word)
            np.testing.assert_allclose(parts.value, whole.value, rtol=1e-12)
            np.testing.assert_allclose(parts.stderr, whole.stderr, rtol=1e-12)

    def test_a_large_mean_does_not_hide_the_spread(self, rng, monkeypatch):
        monkeypatch.setattr("fastdiv.distributions.estimates.monte_carlo.DRAWN", 100)
        l = rng.normal(size=5000)  # noqa: E741
        near = kl_from_log_probs(l, np.zeros(5000))
        far = kl_from_log_probs(l + 2.0**26, np.zeros(5000))
        assert far.stderr == pytest.approx(near.stderr, rel=1e-6)

    @each_word
    def test_threads_do_not_change_a_bit(self, rng, word):
        log_p, log_q = rng.normal(size=(2, 30_000, 5))
        one, *others = (
            kl_from_log_probs(log_p, log_q, estimator=word, n_threads=t) for t in (1, 2, 3)
        )
        for other in others:
            np.testing.assert_array_equal(other.value, one.value)
            np.testing.assert_array_equal(other.stderr, one.stderr)

    @each_word
    def test_no_mass_of_q_is_infinity(self, rng, monkeypatch, word):
        monkeypatch.setattr("fastdiv.distributions.estimates.monte_carlo.DRAWN", 64)
        log_p, log_q = rng.normal(size=(2, 300, 3))
        log_q[[10, 200], 1] = -np.inf
        e = kl_from_log_probs(log_p, log_q, estimator=word)
        assert e.value[1] == e.stderr[1] == np.inf
        assert np.isfinite([e.value[[0, 2]], e.stderr[[0, 2]]]).all()

    @pytest.mark.parametrize("backend_name", ["", "reference"])
    @pytest.mark.parametrize(
        ("word", "log_p", "log_q"),
        [
            ("k1", [1e308, 1e308], [-1e308, 0.0]),
            ("k1", [-1e308, 1e308], [1e308, -1e308]),  # ∞ and −∞
            ("k1", [-1e308, -1e308], [1e308, 1e308]),
            ("k2", [1e200, 1.0], [0.0, 0.0]),
            ("k3", [-1000.0, 1.0], [0.0, 0.0]),
        ],
    )
    def test_overflow_is_not_infinity(self, monkeypatch, word, log_p, log_q, backend_name):
        log_p, log_q = np.array(log_p), np.array(log_q)
        batch_p, batch_q = np.zeros((2, 4, 3)), np.zeros((2, 4, 3))
        batch_p[:, :2, 1], batch_q[:, :2, 1] = log_p, log_q
        with backend.use(backend_name) if backend_name else contextlib.nullcontext():
            for block in (DRAWN, 6):
                monkeypatch.setattr("fastdiv.distributions.estimates.monte_carlo.DRAWN", block)
                with pytest.raises(OverflowError, match="the estimate is too large for float64;"):
                    kl_from_log_probs(log_p, log_q, estimator=word)
                with pytest.raises(OverflowError, match=r"too large .* at batch index \(0, 1\)"):
                    kl_from_log_probs(batch_p, batch_q, estimator=word, axis=1)
                # Where q is 0 at another draw, it makes the divergence infinite.
                nowhere = batch_q.copy()
                nowhere[:, 3, 1] = -np.inf
                e = kl_from_log_probs(batch_p, nowhere, estimator=word, axis=1)
                assert (e.value == e.stderr).all()
                np.testing.assert_array_equal(e.value, [[0, np.inf, 0]] * 2)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_log_p_that_is_not_finite(self, rng, bad):
        log_p, log_q = rng.normal(size=(2, 2, 300, 3))
        log_p[1, 123, 2] = bad
        with pytest.raises(
            ValueError,
            match=rf"log_p must be finite at draws of p; got {bad} at index \(1, 123, 2\)",
        ):
            kl_from_log_probs(log_p, log_q, axis=1)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_log_q_that_is_no_log_density(self, rng, bad):
        log_p, log_q = rng.normal(size=(2, 50))
        log_q[17] = bad
        with pytest.raises(ValueError, match=rf"log_q must be finite or -inf; got {bad} at .*17"):
            kl_from_log_probs(log_p, log_q)

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "message"),
        [
            ((np.zeros(5), np.zeros(6)), {}, ValueError, r"same shape; got \(5,\) and \(6,\)"),
            ((np.zeros((5, 1)), np.zeros(5)), {}, ValueError, "same shape"),
            ((0.0, 0.0), {}, ValueError, "scalar"),
            ((np.zeros(1), np.zeros(1)), {}, ValueError, "at least 2 draws along axis 0; got 1"),
            ((np.zeros(5), np.zeros(5)), {"axis": 1}, ValueError, "axis must be an integer from"),
            ((np.zeros(5), np.zeros(5)), {"axis": 0.0}, TypeError, "axis must be an integer"),
            ((np.zeros(5), np.zeros(5)), {"estimator": "k4"}, ValueError, "'k1', 'k2', 'k3'"),
            ((["a", "b"], np.zeros(2)), {}, TypeError, "log_p must hold real numbers"),
        ],
    )
    def test_errors(self, arguments, options, error, message):
        with pytest.raises(error, match=message):
            kl_from_log_probs(*arguments, **options)


class Uniform:
    """A foreign distribution with the methods that `kl_monte_carlo` needs and no others."""

    def __init__(self, low, high):
        self.low, self.high = low, high
        self.sizes = []

    def sample(self, n, *, rng):
        self.sizes.append(n)
        return rng.uniform(self.low, self.high, size=n)

    def log_prob(self, x):
        inside = (self.low <= x) & (x < self.high)
        with np.errstate(divide="ignore"):
            return np.log(inside / (self.high - self.low))


class TestMonteCarlo:
    @pytest.mark.parametrize("word", ["k1", "k3"])
    def test_against_the_closed_form(self, word):
        rng = np.random.default_rng(3)
        a = rng.normal(size=(3, 4, 4))
        p = Gaussian(rng.normal(size=(3, 4)) / 4, cov=a @ a.swapaxes(1, 2) / 8 + np.eye(4))
        q = Gaussian(rng.normal(size=(2, 1, 4)) / 4, logvar=np.full(4, 0.6))
        e = kl_monte_carlo(p, q, 40_000, estimator=word, rng=1)
        assert e.value.shape == e.stderr.shape == (2, 3)
        assert e.n_samples == 40_000
        assert within(e, kl(p, q))
        assert (e.stderr < 0.05).all()

    def test_k2_is_biased_as_stated(self):
        mu = 0.5
        p, q = Gaussian([0.0], std=1.0), Gaussian([mu], std=1.0)
        e = kl_monte_carlo(p, q, 200_000, estimator="k2", rng=0)
        assert within(e, mu**2 / 2 + mu**4 / 8)
        assert not within(e, mu**2 / 2)

    def test_same_as_from_log_probs(self):
        p, q = Gaussian([0.0, 1.0], std=1.0), Gaussian([1.0, 1.0], std=2.0)
        x = p.sample(500, rng=5)
        e = kl_monte_carlo(p, q, 500, rng=5)
        given = kl_from_log_probs(p.log_prob(x), q.log_prob(x))
        assert (e.value, e.stderr) == (given.value, given.stderr)
        assert isinstance(e.value, np.float64)

    @pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
    def test_shapes(self, shape):
        p = Gaussian(np.zeros((*shape, 2)), std=1.0)
        for q in (Gaussian.standard(2), Gaussian(np.ones((5, *(1,) * len(shape), 2)), std=1.0)):
            full = np.broadcast_shapes(shape, q.batch_shape)
            e = kl_monte_carlo(p, q, 50, rng=0)
            assert np.shape(e.value) == np.shape(e.stderr) == full

    def test_own_batch_has_own_draws_and_that_of_q_shares_them(self):
        p = Gaussian(np.zeros((2, 1)), std=1.0)
        q = Gaussian(np.ones((3, 1, 1)), std=2.0)
        value = kl_monte_carlo(p, q, 50, rng=0).value
        assert value.shape == (3, 2)
        assert (value == value[0]).all()
        assert value[0, 0] != value[0, 1]

    def test_draws_come_in_blocks(self, monkeypatch):
        monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", 1000)
        p = Uniform(0.0, 1.0)
        reports = []
        e = kl_monte_carlo(
            p, Uniform(-1.0, 1.0), 12_345, rng=0, progress=lambda *r: reports.append(r)
        )
        assert p.sizes[0] == 2  # what a draw looks like
        assert sum(p.sizes[1:]) == 12_345
        assert 900 < min(p.sizes[1:]) <= max(p.sizes[1:]) <= 1000
        assert e.value == pytest.approx(math.log(2), rel=1e-12)
        assert e.stderr == pytest.approx(0, abs=1e-9)
        assert reports == sorted(reports)
        assert reports[-1] == (12_345, 12_345)

    def test_blocks_do_not_change_the_draws_of_gaussians(self, monkeypatch):
        p, q = Gaussian(np.zeros((2, 3)), std=1.0), Gaussian(np.ones(3), std=2.0)
        whole = kl_monte_carlo(p, q, 1000, rng=4)
        monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", 100)
        parts = kl_monte_carlo(p, q, 1000, rng=4)
        np.testing.assert_allclose(parts.value, whole.value, rtol=1e-12)
        np.testing.assert_allclose(parts.stderr, whole.stderr, rtol=1e-12)

    def test_rng(self):
        p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=1.0)
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        one, two = (kl_monte_carlo(p, q, 100, rng=9) for _ in range(2))
        assert one.value == two.value
        generator = np.random.default_rng(9)
        assert kl_monte_carlo(p, q, 100, rng=generator).value == one.value
        assert kl_monte_carlo(p, q, 100, rng=generator).value != one.value
        assert (np.random.get_state()[1] == state).all()  # noqa: NPY002

    def test_threads_and_backends(self):
        p, q = Gaussian(np.zeros((40, 1)), std=1.0), Gaussian([1.0], std=1.0)
        one = kl_monte_carlo(p, q, 9000, rng=2, estimator="k3", n_threads=1)
        two = kl_monte_carlo(p, q, 9000, rng=2, estimator="k3", n_threads=2)
        np.testing.assert_array_equal(one.value, two.value)
        np.testing.assert_array_equal(one.stderr, two.stderr)
        with backend.use("reference"):
            defined = kl_monte_carlo(p, q, 9000, rng=2, estimator="k3")
        np.testing.assert_allclose(one.value, defined.value, rtol=1e-12)
        np.testing.assert_allclose(one.stderr, defined.stderr, rtol=1e-10)

    @each_word
    def test_no_mass_of_q(self, word):
        e = kl_monte_carlo(Uniform(0.0, 2.0), Uniform(0.0, 1.0), 100, estimator=word, rng=0)
        assert e.value == e.stderr == np.inf

    @pytest.mark.parametrize(
        ("word", "p", "q"),
        [
            ("k2", Gaussian([0.0], std=1e100), Gaussian([0.0], std=1.0)),
            ("k3", Uniform(0.0, 1e200), Uniform(-1e-200, 1e200)),
        ],
    )
    def test_overflow_is_not_infinity(self, word, p, q):
        if word == "k3":  # a q that claims to be far denser than p
            q.log_prob = lambda x: np.full(len(x), 300.0)
        with pytest.raises(OverflowError, match="the estimate is too large"):
            kl_monte_carlo(p, q, 50, estimator=word, rng=0)

    def test_k3_misses_mass_of_q_where_p_has_none(self):
        p, q = Uniform(0.0, 1.0), Uniform(0.0, 2.0)
        values = [kl_monte_carlo(p, q, 100, estimator=w, rng=0).value for w in ("k1", "k3")]
        assert values == pytest.approx([math.log(2), math.log(2) - 0.5])

    def test_a_log_density_that_contradicts_the_draws(self, monkeypatch):
        monkeypatch.setattr("fastdiv.distributions.estimates.draws.DRAWN", 10)
        p = Uniform(0.0, 1.0)
        p.log_prob = Uniform(0.0, 0.9).log_prob
        message = r"the log density of p must be finite at draws of p; got -inf at draw \d+ of p$"
        with pytest.raises(ValueError, match=message):
            kl_monte_carlo(p, Uniform(0.0, 1.0), 100, rng=0)

    def test_the_batch_index_of_a_bad_value(self):
        class Broken(Uniform):
            batch_shape = (3,)

            def sample(self, n, *, rng):
                return rng.uniform(size=(n, 3))

            def log_prob(self, x):
                return np.where(np.arange(3) == 2, np.nan, 0.0) + 0 * x

        with pytest.raises(ValueError, match=r"got nan at draw 0 of p, batch index \(2,\)"):
            kl_monte_carlo(Broken(0.0, 1.0), Uniform(0.0, 1.0), 10, rng=0)

    @pytest.mark.parametrize(
        ("p", "q", "options", "error", "message"),
        [
            (object(), Uniform(0, 1), {}, TypeError, "p must have a method sample or rvs"),
            (Uniform(0, 1), object(), {}, TypeError, "q must have a method log_prob, logpdf or"),
            (Uniform(0, 1), Uniform(0, 1), {"n_samples": 1}, ValueError, "n_samples must be"),
            (Uniform(0, 1), Uniform(0, 1), {"n_samples": 9.5}, TypeError, "n_samples must be"),
            (Uniform(0, 1), Uniform(0, 1), {"estimator": "k0"}, ValueError, "estimator must be"),
            (Uniform(0, 1), Uniform(0, 1), {"rng": "seed"}, TypeError, "rng must be"),
            (Gaussian([0.0], std=1.0), Uniform(0, 1), {}, ValueError, "are the draws of p points"),
            (Gaussian([0.0], std=1.0), Gaussian.standard(2), {}, ValueError, "x must have shape"),
            (
                Gaussian(np.zeros((2, 1)), std=1.0),
                Gaussian(np.zeros((3, 1)), std=1.0),
                {},
                ValueError,
                "batch shapes of p and q must broadcast",
            ),
        ],
    )
    def test_errors(self, p, q, options, error, message):
        with pytest.raises(error, match=message):
            kl_monte_carlo(p, q, **{"n_samples": 10, "rng": 0, **options})


class TestScipy:
    def test_univariate(self):
        e = kl_monte_carlo(stats.norm(0.0, 1.0), stats.norm(0.5, 2.0), 50_000, rng=0)
        assert within(e, kl(Gaussian([0.0], std=1.0), Gaussian([0.5], std=2.0)))
        assert isinstance(e.value, np.float64)

    def test_batch(self):
        p, q = stats.norm([0.0, 1.0, 2.0], 1.0), stats.norm([[0.5], [1.5]], 1.2)
        e = kl_monte_carlo(p, q, 20_000, estimator="k3", rng=0)
        truth = kl(Gaussian([[0.0], [1.0], [2.0]], std=1.0), Gaussian([[[0.5]], [[1.5]]], std=1.2))
        assert e.value.shape == truth.shape == (2, 3)
        assert within(e, truth)

    def test_multivariate_and_in_company(self):
        cov = [[2.0, 0.5], [0.5, 1.0]]
        theirs = stats.multivariate_normal([0.0, 1.0], cov), stats.multivariate_normal([0, 0], 1)
        ours = Gaussian([0.0, 1.0], cov=cov), Gaussian.standard(2)
        truth = kl(*ours)
        for p in (theirs[0], ours[0]):
            for q in (theirs[1], ours[1]):
                assert within(kl_monte_carlo(p, q, 30_000, rng=8), truth)

    def test_discrete(self):
        p, q = stats.poisson(3.0), stats.poisson([2.0, 4.0])
        truth = 3.0 * np.log(3.0 / np.array([2.0, 4.0])) - 3.0 + [2.0, 4.0]
        assert within(kl_monte_carlo(p, q, 50_000, rng=0), truth)

    def test_support(self):
        e = kl_monte_carlo(stats.uniform(0, 2), stats.uniform(0, 1), 100, rng=0)
        assert e.value == np.inf

    def test_same_draws_for_the_same_seed(self):
        p, q = stats.gamma(2.0), stats.expon()
        assert kl_monte_carlo(p, q, 99, rng=5).value == kl_monte_carlo(p, q, 99, rng=5).value


@pytest.mark.skipif(not hasattr(stats, "Binomial"), reason="SciPy is older than 1.16")
class TestScipyObjects:
    def test_batch_and_company(self):
        p, q = stats.Normal(mu=[0.0, 1.0, 2.0]), stats.Normal(mu=[[0.5], [1.5]], sigma=1.2)
        truth = kl(Gaussian([[0.0], [1.0], [2.0]], std=1.0), Gaussian([[[0.5]], [[1.5]]], std=1.2))
        for other in (q, stats.norm([[0.5], [1.5]], 1.2)):
            e = kl_monte_carlo(p, other, 20_000, estimator="k3", rng=0)
            assert e.value.shape == truth.shape == (2, 3)
            assert within(e, truth)

    def test_mixture(self):
        p = stats.Mixture([stats.Normal(), stats.Normal(mu=3.0)], weights=[0.25, 0.75])
        ours = GaussianMixture([0.25, 0.75], Gaussian([[0.0], [3.0]], std=1.0))
        expected = kl_monte_carlo(ours, Gaussian([1.0], std=2.0), 100_000, rng=0)
        e = kl_monte_carlo(p, stats.Normal(mu=1.0, sigma=2.0), 20_000, rng=0)
        assert abs(e.value - expected.value) < 4 * np.hypot(e.stderr, expected.stderr)

    def test_discrete(self):
        p, q = stats.Binomial(n=10, p=0.5), stats.Binomial(n=10, p=[0.4, 0.6])
        truth = 5 * np.log(0.5 / 0.4) + 5 * np.log(0.5 / 0.6)
        for law in (p, stats.make_distribution(stats.binom)(n=10, p=0.5), stats.binom(10, 0.5)):
            assert within(kl_monte_carlo(law, q, 20_000, rng=0), truth)
        assert within(kl_monte_carlo(EVEN, stats.Binomial(n=1, p=0.5), 100, rng=0), 0.0)

    def test_discrete_beside_continuous(self):
        p = stats.make_distribution(stats.poisson)(mu=3.0)
        for q in (stats.Normal(), Gaussian([0.0], std=1.0), stats.norm()):
            for pair in ((p, q), (q, p)):
                with pytest.raises(TypeError, match="ill-defined"):
                    kl_monte_carlo(*pair, 10, rng=0)

    def test_same_draws_for_the_same_seed(self):
        p, q = stats.make_distribution(stats.gamma)(a=2.0), stats.expon()
        assert kl_monte_carlo(p, q, 99, rng=5).value == kl_monte_carlo(p, q, 99, rng=5).value


EVEN = Categorical(probs=[0.5, 0.5])
NORMAL = Gaussian([0.0], std=1.0)
CONTINUOUS = [
    stats.norm(3, 1),
    stats.multivariate_normal([0.0, 0.0]),
    Gaussian([0.0], std=1.0),
    CoupledNormal([0.0], std=1.0, kappa=0.1),
    GaussianMixture([1.0], Gaussian([[0.0]], std=1.0)),
]


class Bare:
    """A foreign distribution of unknown kind."""

    def __init__(self, of):
        self.sample, self.log_prob = of.sample, of.log_prob


@pytest.mark.parametrize("discrete", [EVEN, stats.poisson(3), stats.multinomial(3, [0.5, 0.5])])
@pytest.mark.parametrize("continuous", CONTINUOUS, ids=lambda q: type(q).__name__)
def test_discrete_beside_continuous(discrete, continuous):
    for p, q in ((discrete, continuous), (continuous, discrete)):
        names = f"got {type(p).__name__} and {type(q).__name__}. A divergence"
        with pytest.raises(TypeError, match=f"{names}.* is ill-defined"):
            kl_monte_carlo(p, q, 10, rng=0)
        with pytest.raises(TypeError, match="ill-defined"):
            coupled_kl_monte_carlo(p, q, 0.1, 10, rng=0)


def test_discrete_beside_discrete_or_unknown():
    skewed = Categorical(probs=[0.9, 0.1])
    truth = kl(EVEN, skewed)
    for p, q in ((EVEN, skewed), (EVEN, stats.bernoulli(0.1)), (stats.bernoulli(0.5), skewed)):
        assert within(kl_monte_carlo(p, q, 20_000, rng=0), truth)
    for p, q in ((Bare(EVEN), skewed), (EVEN, Bare(skewed))):
        assert within(kl_monte_carlo(p, q, 20_000, rng=0), truth)
    p, q = Gaussian([0.0], std=1.0), Gaussian([1.0], std=1.0)
    assert within(kl_monte_carlo(Bare(p), q, 20_000, rng=0), 0.5)


@pytest.mark.parametrize("n", [2**53 + 1, 2**64, 10**400])
@pytest.mark.parametrize(
    "draw",
    [
        lambda n: kl_monte_carlo(EVEN, EVEN, n),
        lambda n: coupled_kl_monte_carlo(NORMAL, NORMAL, 0.5, n),
        lambda n: score_function_grad([0.0, 1.0], lambda z: 1.0 * z, n),
        EVEN.sample,
        NORMAL.sample,
        GaussianMixture([1.0], NORMAL[None]).sample,
        CoupledNormal([0.0], std=1.0, kappa=0.5).sample,
    ],
)
def test_most_draws(draw, n):
    with pytest.raises(ValueError, match=r"^n(_samples)? must be .* to 9007199254740992; got"):
        draw(n)


def test_nothing_is_proportional_to_the_number_of_draws():
    blocks = even_blocks(2**53, 10, DRAWN)
    assert [next(blocks).start for _ in range(2)] == [0, 2**53 // -(-(2**53) // (DRAWN // 10))]


def test_torch_is_not_imported(run_python):
    code = """
        import sys
        from fastdiv import Gaussian, kl_monte_carlo
        kl_monte_carlo(Gaussian([0.0], std=1.0), Gaussian([0.0], std=2.0), 10)
        print("torch" in sys.modules)
    """
    assert run_python(code).stdout.strip() == "False"


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    def test_normals(self, torch):
        normal = torch.distributions.Normal
        p, q = normal(torch.zeros(3), torch.ones(3)), normal(torch.ones(2, 1), torch.tensor(2.0))
        truth = torch.distributions.kl_divergence(p, q).numpy()
        state = torch.get_rng_state()
        e = kl_monte_carlo(p, q, 20_000, rng=3)
        assert torch.equal(torch.get_rng_state(), state)
        assert e.value.shape == truth.shape == (2, 3)
        assert within(e, truth)
        torch.manual_seed(99)
        again = kl_monte_carlo(p, q, 20_000, rng=3)
        np.testing.assert_array_equal(e.value, again.value)
        assert kl_monte_carlo(p, q, 20_000, rng=4).value[0, 0] != e.value[0, 0]

    def test_multivariate_requiring_grad_and_in_company(self, torch):
        mean = torch.zeros(2, requires_grad=True)
        theirs = torch.distributions.MultivariateNormal(mean, torch.eye(2))
        ours = Gaussian([1.0, 0.0], std=1.0)
        assert within(kl_monte_carlo(theirs, ours, 20_000, rng=0), 0.5)
        assert within(kl_monte_carlo(ours, theirs, 20_000, rng=0), 0.5)

    def test_categorical(self, torch):
        p = torch.distributions.Categorical(probs=torch.tensor([0.2, 0.3, 0.5]))
        q = torch.distributions.Categorical(probs=torch.tensor([0.5, 0.3, 0.2]))
        truth = float(torch.distributions.kl_divergence(p, q))
        assert within(kl_monte_carlo(p, q, 20_000, rng=0), truth)
        assert within(kl_monte_carlo(p, Categorical(probs=[0.5, 0.3, 0.2]), 20_000, rng=0), truth)

    def test_discrete_beside_continuous(self, torch):
        p = torch.distributions.Categorical(probs=torch.tensor([0.5, 0.5]))
        for q in (torch.distributions.Normal(0.0, 1.0), stats.norm(), Gaussian([0.0], std=1.0)):
            for a, b in ((p, q), (q, p)):
                with pytest.raises(TypeError, match="ill-defined"):
                    kl_monte_carlo(a, b, 10, rng=0)


def test_an_error_that_overflows_beside_a_finite_value_is_refused(rng):
    log_p, log_q = rng.normal(size=(2, 9)) * 1e200
    with pytest.raises(OverflowError, match="a standard error is too large"):
        kl_from_log_probs(log_p, log_q)


def test_log_densities_go_by_the_keys_of_an_index_and_by_columns():
    pd = pytest.importorskip("pandas")
    log_p = pd.DataFrame([[-1.0, -2.0], [-3.0, -1.5], [-2.5, -0.5]], list("uvw"), ["a", "b"])
    log_q = log_p * 1.5 - 0.25
    for columns in ("a", ["a", "b"]):
        one, two = log_p[columns], log_q[columns]
        expected = kl_from_log_probs(one.to_numpy(), two.to_numpy())
        assert kl_from_log_probs(one, two.iloc[[2, 0, 1]]) == expected
    assert kl_from_log_probs(log_p, log_q[["b", "a"]].iloc[::-1]) == expected
    by_row = kl_from_log_probs(log_p, log_q[["b", "a"]].iloc[::-1], axis=1)
    assert by_row == kl_from_log_probs(log_p.to_numpy(), log_q.to_numpy(), axis=1)
    with pytest.raises(ValueError, match=r"^log_p and log_q must have the same keys.*'w'.*'x'"):
        kl_from_log_probs(log_p, log_q.set_axis(list("uvx")))
    with pytest.raises(ValueError, match=r"^log_p and log_q must have the same columns.*q: 'c'"):
        kl_from_log_probs(log_p, log_q.rename(columns={"a": "c"}))

"""Mixtures of Gaussians, and bounds of the divergence between them against the divergence."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import logsumexp

from fastdiv import (
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    cross_entropy,
    fit_gaussian,
    jeffreys,
    kl,
    kl_matrix,
    kl_mixture,
    kl_monte_carlo,
    wasserstein2,
)

METHODS = [
    "variational",
    "variational_upper",
    "product",
    "product_lower",
    "product_upper",
    "convex_upper",
    "moment_matching",
]
UPPER = [method for method in METHODS if method.endswith("upper")]
EXACT_FOR_ONE = ["variational", "variational_upper", "convex_upper", "moment_matching"]
each_method = pytest.mark.parametrize("method", METHODS)


def weights(rng, *shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def mixture(rng, k, d, batch=(), full=True):
    mean = 1.5 * rng.normal(size=(*batch, k, d))
    if full:
        a = rng.normal(size=(*batch, k, d, d))
        components = Gaussian(mean, cov=a @ a.swapaxes(-1, -2) / d + 0.3 * np.eye(d))
    else:
        components = Gaussian(mean, logstd=0.4 * rng.normal(size=(*batch, k, d)))
    return GaussianMixture(weights(rng, *batch, k), components)


def log_density(p, x):
    """Compute log densities by SciPy, component by component, of a single mixture at x, (n, d)."""
    covs = p.components.cov()
    return logsumexp(
        [
            stats.multivariate_normal(m, c).logpdf(x) + math.log(w)
            for w, m, c in zip(p.weights, p.components.mean, covs, strict=True)
            if w > 0
        ],
        axis=0,
    ).reshape(len(x))


def by_quadrature(p, q):
    """Integrate KL(p ‖ q) of mixtures on the line."""
    grid = np.linspace(-14, 14, 40_001)
    log_p, log_q = p.log_prob(grid[:, None]), q.log_prob(grid[:, None])
    return integrate.simpson(np.exp(log_p) * (log_p - log_q), x=grid)


def part(p, index):
    """Return one mixture of a batch."""
    w = np.broadcast_to(p.weights, (*p.batch_shape, p.n_components))[index]
    mean = np.broadcast_to(p.components.mean, (*p.batch_shape, p.n_components, p.dim))[index]
    cov = np.broadcast_to(p.components.cov(), (*p.batch_shape, p.n_components, p.dim, p.dim))
    return GaussianMixture(w, Gaussian(mean, cov=cov[index]))


class TestDistribution:
    @pytest.mark.parametrize("full", [True, False])
    @pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 1), (3, 4), (7, 2)])
    def test_log_prob(self, rng, k, d, full):
        p = mixture(rng, k, d, full=full)
        x = 3 * rng.normal(size=(40, d))
        np.testing.assert_allclose(p.log_prob(x), log_density(p, x), rtol=1e-11)
        assert isinstance(p.log_prob(x[0]), np.float64)

    def test_log_prob_far_away_and_without_weight(self):
        components = Gaussian([[-1.0], [1.0], [1000.0]], std=1.0)
        p = GaussianMixture([0.5, 0.5, 0.0], components)
        expected = -0.5 * 999.0**2 - 0.5 * math.log(2 * math.pi) - math.log(2)
        assert p.log_prob([1000.0]) == pytest.approx(expected, rel=1e-12)
        assert np.isfinite(p.log_prob([1e150]))

    def test_batches_broadcast(self, rng):
        components = Gaussian(rng.normal(size=(3, 2)), std=1.0)
        for w, c, batch in (
            (weights(rng, 5, 3), components, (5,)),
            (weights(rng, 3), Gaussian(rng.normal(size=(4, 3, 2)), std=1.0), (4,)),
            (weights(rng, 5, 1, 3), Gaussian(rng.normal(size=(4, 3, 2)), std=1.0), (5, 4)),
        ):
            p = GaussianMixture(w, c)
            assert p.batch_shape == batch
            assert (p.dim, p.n_components) == (2, 3)
            x = rng.normal(size=(6, *batch, 2))
            values = p.log_prob(x)
            assert values.shape == (6, *batch)
            mean, cov, draws = p.mean(), p.cov(), p.sample(7, rng=0)
            assert draws.shape == (7, *batch, 2)
            for index in np.ndindex(batch):
                one = part(p, index)
                at = x[(slice(None), *index)]
                np.testing.assert_allclose(values[(slice(None), *index)], one.log_prob(at))
                np.testing.assert_allclose(np.broadcast_to(mean, (*batch, 2))[index], one.mean())
                np.testing.assert_allclose(np.broadcast_to(cov, (*batch, 2, 2))[index], one.cov())

    def test_moments(self, rng):
        p = mixture(rng, 3, 2)
        x = p.sample(200_000, rng=1)
        np.testing.assert_allclose(x.mean(axis=0), p.mean(), atol=0.02)
        np.testing.assert_allclose(np.cov(x.T), p.cov(), atol=0.05)

    def test_moments_of_two_points(self):
        p = GaussianMixture([0.75, 0.25], Gaussian([[0.5, 2.0], [9.0, 9.0]], std=[1.0, 2.0]))
        between = np.outer([8.5, 7.0], [8.5, 7.0]) * 0.75 * 0.25
        np.testing.assert_allclose(p.cov(), np.diag([1.0, 4.0]) + between, rtol=1e-13)

    @pytest.mark.parametrize("full", [True, False])
    def test_draws_have_the_density(self, rng, full):
        p = mixture(rng, 3, 1, full=full)
        x = p.sample(20_000, rng=3)[:, 0]
        std = np.sqrt(p.components.cov()[:, 0, 0])

        def cdf(t):
            parts = stats.norm.cdf(t[:, None], p.components.mean[:, 0], std)
            return parts @ p.weights

        assert stats.kstest(x, cdf).pvalue > 1e-3

    def test_draws_of_a_batch_are_whitened_by_their_own_component(self, rng):
        """Far apart components, narrow or wide along one direction each."""
        mean = np.array([[[0.0, 0.0], [1e3, 0.0]], [[0.0, 1e3], [0.0, -1e3]]])
        a = rng.normal(size=(2, 2, 2, 2))
        cov = a @ a.swapaxes(-1, -2) + 0.1 * np.eye(2)
        p = GaussianMixture([[0.3, 0.7], [0.8, 0.2]], Gaussian(mean, cov=cov))
        x = p.sample(30_000, rng=0)
        for b in range(2):
            nearest = ((x[:, b, None] - mean[b]) ** 2).sum(axis=-1).argmin(axis=-1)
            assert (nearest == 0).mean() == pytest.approx(p.weights[b, 0], abs=0.015)
            for j in range(2):
                np.testing.assert_allclose(np.cov(x[nearest == j, b].T), cov[b, j], atol=0.12)

    def test_components_without_weight_are_not_drawn(self):
        p = GaussianMixture([0.0, 1.0, 0.0], Gaussian([[-99.0], [0.0], [99.0]], std=1.0))
        assert np.abs(p.sample(10_000, rng=0)).max() < 10

    def test_rng_and_dtype(self):
        c = Gaussian(np.zeros((2, 3), np.float32), std=np.float32(1))
        p = GaussianMixture([0.5, 0.5], c)
        assert p.sample(3, rng=0).dtype == np.float32
        np.testing.assert_array_equal(p.sample(9, rng=4), p.sample(9, rng=4))
        assert (p.sample(9, rng=4) != p.sample(9, rng=5)).any()

    def test_weights_that_rounding_left_off(self):
        w = np.full(10, 0.1, np.float32)
        p = GaussianMixture(w, Gaussian(np.zeros((10, 1)), std=1.0))
        assert p.weights.sum() == pytest.approx(1, abs=1e-15)
        assert p.log_prob([0.0]) == pytest.approx(stats.norm.logpdf(0.0), rel=1e-14)

    C2 = Gaussian([[0.0], [1.0]], std=1.0)

    @pytest.mark.parametrize(
        ("w", "components", "error", "message"),
        [
            (
                [0.5, 0.6],
                C2,
                ValueError,
                r"weights must have the sum 1 within 1e-06; got \[0.5 0.6",
            ),
            ([1.5, -0.5], C2, ValueError, "weights must not be negative"),
            ([np.nan, 1.0], C2, ValueError, "weights must be finite"),
            ([[0.5, 0.5], [1.0, 1.0]], C2, ValueError, r"batch index \(1,\)"),
            ([1.0], C2, ValueError, r"weights must have shape \(..., 2\); got shape \(1,\)"),
            (1.0, C2, ValueError, r"weights must have shape \(..., 2\)"),
            (["a", "b"], C2, TypeError, "weights must hold real numbers"),
            ([0.5, 0.5], [C2, C2], TypeError, "components must be a Gaussian; got list"),
            ([1.0], Gaussian([0.0], std=1.0), ValueError, r"batch shape \(..., k\), k >= 1"),
            (
                [0.5, 0.5],
                Gaussian([[0.0], [1.0]], std=1.0, where=[1 > 0, 1 < 0]),
                ValueError,
                "pad",
            ),
            (
                np.full((3, 2), 0.5),
                Gaussian(np.zeros((4, 2, 1)), std=1.0),
                ValueError,
                "the batch shapes of weights and components must broadcast",
            ),
        ],
    )
    def test_errors(self, w, components, error, message):
        with pytest.raises(error, match=message):
            GaussianMixture(w, components)

    def test_errors_of_methods(self):
        p = GaussianMixture([0.5, 0.5], self.C2)
        with pytest.raises(ValueError, match=r"x must have shape \(..., 1\)"):
            p.log_prob([0.0, 1.0])
        with pytest.raises(ValueError, match="x must be finite"):
            p.log_prob([np.nan])
        with pytest.raises(ValueError, match="n must be an integer from 1 to"):
            p.sample(0)
        with pytest.raises(TypeError, match="rng must be"):
            p.sample(1, rng="seed")


@pytest.mark.parametrize("function", [kl, jeffreys, cross_entropy, kl_matrix, wasserstein2])
def test_a_closed_form_is_refused_with_advice(function):
    p = GaussianMixture([0.5, 0.5], Gaussian([[0.0], [1.0]], std=1.0))
    g = Gaussian([[0.0]], std=1.0)
    for arguments in ((p, g), (g, p), (p, p)):
        name = "q" if arguments[0] is g else "p"
        message = (
            f"{name}s? must be a Gaussian.*; got GaussianMixture; mixtures have no closed form"
        )
        with pytest.raises(TypeError, match=message):
            function(*arguments)
        with pytest.raises(TypeError, match=r"use kl_mixture, .* or kl_monte_carlo$"):
            function(*arguments)
    with pytest.raises(TypeError, match=r"ps? must be a Gaussian.*; got int$"):
        function(1, g)


class TestDivergence:
    @pytest.mark.slow
    def test_bounds_on_the_line(self):
        rng = np.random.default_rng(1)
        for _ in range(60):
            p = mixture(rng, int(rng.integers(1, 5)), 1, full=bool(rng.integers(2)))
            q = mixture(rng, int(rng.integers(1, 5)), 1, full=bool(rng.integers(2)))
            truth = by_quadrature(p, q)
            value = {method: kl_mixture(p, q, method=method) for method in METHODS}
            slack = 1e-8 * (1 + truth)
            assert value["product_lower"] <= truth + slack
            for method in UPPER:
                assert truth <= value[method] + slack, method
            assert value["variational_upper"] <= value["convex_upper"] + slack
            for method in ("variational", "product"):
                assert value["product_lower"] <= value[method] + slack
                assert value[method] <= value["product_upper"] + slack

    def test_bounds_in_three_dimensions(self):
        rng = np.random.default_rng(5)
        p, q = mixture(rng, 3, 3, batch=(6,)), mixture(rng, 4, 3, batch=(6,))
        e = kl_monte_carlo(p, q, 20_000, rng=0)
        low, high = e.confidence_interval(0.9999)
        assert (kl_mixture(p, q, method="product_lower") <= high).all()
        for method in UPPER:
            assert (low <= kl_mixture(p, q, method=method)).all(), method

    def test_monte_carlo_against_quadrature(self, rng):
        p, q = mixture(rng, 3, 1), mixture(rng, 2, 1)
        truth = by_quadrature(p, q)
        e = kl_monte_carlo(p, q, 100_000, rng=0)
        assert abs(e.value - truth) < 4 * e.stderr
        g = Gaussian([0.5], std=2.0)
        e = kl_monte_carlo(p, g, 100_000, rng=0)
        assert abs(e.value - by_quadrature(p, g)) < 4 * e.stderr

    @pytest.mark.parametrize("method", [m for m in METHODS if m != "variational_upper"])
    def test_textbook(self, rng, method):
        """Sums over pairs as in the papers, one pair at a time."""
        for full in (True, False):
            p, q = mixture(rng, 3, 2, full=full), mixture(rng, 2, 2, full=full)

            def gaussians(m):
                cov = m.components.cov()
                return [
                    (w, Gaussian(mu, cov=c))
                    for w, mu, c in zip(m.weights, m.components.mean, cov, strict=True)
                ]

            def overlap(f, g):
                return stats.multivariate_normal(g.mean, f.cov() + g.cov()).pdf(f.mean)

            def closeness(f, g):
                return math.exp(-kl(f, g))

            def log_of(f, m, similarity):
                return math.log(sum(w * similarity(f, g) for w, g in gaussians(m)))

            entropy = sum(w * f.entropy() for w, f in gaussians(p))
            if method == "convex_upper":
                pairs = [(v, f, w, g) for v, f in gaussians(p) for w, g in gaussians(q)]
                expected = sum(v * w * kl(f, g) for v, f, w, g in pairs)
            elif method == "moment_matching":
                expected = kl(Gaussian(p.mean(), cov=p.cov()), Gaussian(q.mean(), cov=q.cov()))
            else:
                p_term, q_term, remaining = {
                    "variational": (closeness, closeness, 0.0),
                    "product": (overlap, overlap, 0.0),
                    "product_lower": (closeness, overlap, -entropy),
                    "product_upper": (overlap, closeness, entropy),
                }[method]
                expected = remaining + sum(
                    w * (log_of(f, p, p_term) - log_of(f, q, q_term)) for w, f in gaussians(p)
                )
            assert kl_mixture(p, q, method=method) == pytest.approx(expected, rel=1e-10)

    def test_the_variational_upper_bound_is_the_least_of_its_kind(self):
        rng = np.random.default_rng(8)
        for _ in range(3):
            p, q = mixture(rng, 2, 2), mixture(rng, 2, 2)
            means, covs = zip(
                *((m.components.mean, m.components.cov()) for m in (p, q)), strict=True
            )
            d = kl(
                Gaussian(means[0][:, None], cov=covs[0][:, None]), Gaussian(means[1], cov=covs[1])
            )

            def bound(u, p=p, q=q, d=d):
                r, s = 1 / (1 + np.exp(-u.reshape(2, 2)))
                phi = p.weights[:, None] * np.stack([r, 1 - r], axis=1)
                psi = q.weights * np.stack([s, 1 - s], axis=0)
                return (phi * (np.log(phi / psi) + d)).sum()

            least = min(
                optimize.minimize(bound, rng.normal(size=4), bounds=[(-30, 30)] * 4, tol=1e-12).fun
                for _ in range(3)
            )
            assert kl_mixture(p, q, method="variational_upper") == pytest.approx(least, rel=1e-6)

    @pytest.mark.parametrize("method", EXACT_FOR_ONE)
    @pytest.mark.parametrize("full", [True, False])
    def test_exact_for_one_component(self, rng, method, full):
        p, q = mixture(rng, 1, 3, full=full), mixture(rng, 1, 3, full=full)
        truth = kl(p.components, q.components)[0]
        assert kl_mixture(p, q, method=method) == pytest.approx(truth, rel=1e-10)

    @each_method
    def test_gaussians_are_mixtures_of_one(self, rng, method):
        q = mixture(rng, 3, 2, batch=(4,))
        g = Gaussian(rng.normal(size=(5, 1, 2)), std=1.3)
        one = GaussianMixture([1.0], Gaussian(g.mean[..., None, :], std=1.3))
        for first, second in ((g, q), (q, g), (g, g)):
            promoted = [one if side is g else side for side in (first, second)]
            value = kl_mixture(first, second, method=method)
            np.testing.assert_allclose(value, kl_mixture(*promoted, method=method), rtol=1e-12)
            assert value.shape == np.broadcast_shapes(first.batch_shape, second.batch_shape)

    @pytest.mark.parametrize(
        "method", ["variational", "variational_upper", "product", "moment_matching"]
    )
    def test_zero_between_equal_mixtures(self, rng, method):
        p = mixture(rng, 4, 3, batch=(3,))
        np.testing.assert_allclose(kl_mixture(p, p, method=method), 0.0, atol=1e-8)

    @each_method
    def test_batches(self, rng, method):
        p, q = mixture(rng, 3, 2, batch=(2, 1)), mixture(rng, 2, 2, batch=(4,))
        value = kl_mixture(p, q, method=method)
        assert value.shape == (2, 4)
        for i, j in np.ndindex(2, 4):
            one = kl_mixture(part(p, (i, 0)), part(q, (j,)), method=method)
            assert isinstance(one, np.float64)
            assert value[i, j] == pytest.approx(one, rel=1e-8)

    @each_method
    def test_components_without_weight_do_not_matter(self, rng, method):
        p, q = mixture(rng, 2, 2), mixture(rng, 3, 2)
        expected = kl_mixture(p, q, method=method)

        def padded(m):
            mean = np.insert(m.components.mean, 1, 50.0, axis=0)
            cov = np.insert(m.components.cov(), 1, np.eye(2), axis=0)
            return GaussianMixture(np.insert(m.weights, 1, 0.0), Gaussian(mean, cov=cov))

        value = kl_mixture(padded(p), padded(q), method=method)
        assert value == pytest.approx(expected, rel=1e-9)

    @each_method
    def test_far_apart(self, method):
        """exp(−D) underflows, but its logarithms do not."""
        p = GaussianMixture([0.5, 0.5], Gaussian([[0.0], [1.0]], std=1.0))
        q = GaussianMixture([0.5, 0.5], Gaussian([[1e4], [2e4]], std=1.0))
        value = kl_mixture(p, q, method=method)
        assert np.isfinite(value)
        if method not in ("moment_matching", "convex_upper", "product", "product_lower"):
            assert value == pytest.approx(5e7, rel=1e-3)

    def test_default_is_the_variational_approximation(self, rng):
        p, q = mixture(rng, 2, 2), mixture(rng, 2, 2)
        assert kl_mixture(p, q) == kl_mixture(p, q, method="variational")

    def test_errors(self, rng):
        p = mixture(rng, 2, 2, batch=(3,))
        with pytest.raises(
            ValueError, match="method must be one of 'variational', 'variational_up"
        ):
            kl_mixture(p, p, method="unscented")
        with pytest.raises(TypeError, match="q must be a GaussianMixture or a Gaussian; got str"):
            kl_mixture(p, "q")
        with pytest.raises(ValueError, match="the same dimension; got 2 and 3"):
            kl_mixture(p, Gaussian.standard(3))
        with pytest.raises(ValueError, match="batch shapes of p and q must broadcast"):
            kl_mixture(p, mixture(rng, 2, 2, batch=(4,)))


def test_a_singular_fit_is_named_as_given(rng):
    q = GaussianMixture([1.0], Gaussian([[0.0, 0.0]], std=1.0))
    single = fit_gaussian([[1.0, 2.0]])
    for method in ("variational", "product", "moment_matching"):
        with pytest.raises(ValueError, match="the fitted cov is singular: it has no density"):
            kl_mixture(single, q, method=method)
    several = fit_gaussian(np.stack([rng.normal(size=(3, 2)), np.zeros((3, 2))]))
    with pytest.raises(ValueError, match=r"the fitted cov is singular at batch index \(1,\)"):
        kl_mixture(q, GaussianMixture([0.5, 0.5], several))


def test_kl_names_the_alternatives():
    one = Gaussian([0.0], std=1.0)
    mixture = GaussianMixture([1.0], one[None])
    with pytest.raises(TypeError, match="variational, product, convex_upper, moment_matching"):
        kl(mixture, one)
    with pytest.raises(TypeError, match=r"got CoupledNormal.*coupled_kl.*kl_monte_carlo"):
        kl(one, CoupledNormal([0.0], std=1.0, kappa=0.5))


@pytest.mark.parametrize("method", METHODS)
def test_features_of_other_names_are_refused(method):
    pd = pytest.importorskip("pandas")
    means = pd.DataFrame([[0.0, 1.0], [2.0, 3.0]], columns=["a", "b"])
    p, q = (
        GaussianMixture([0.5, 0.5], Gaussian(each, std=1.0)) for each in (means, means[["b", "a"]])
    )
    with pytest.raises(ValueError, match=r"^p and q must have the same columns in the same order"):
        kl_mixture(p, q, method=method)
    with pytest.raises(ValueError, match=r"^p and q must have the same columns in the same order"):
        kl_monte_carlo(p, q, 9)

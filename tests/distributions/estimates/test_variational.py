"""f_divergence_bound: attained by the optimal critic, and a bound for any other."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from fastdiv import (
    Gaussian,
    f_divergence_bound,
)

COUNTS_P = np.array([3, 11, 1, 25, 60])
COUNTS_Q = np.array([20, 4, 26, 25, 5])
P, Q = COUNTS_P / COUNTS_P.sum(), COUNTS_Q / COUNTS_Q.sum()
TRUTH = {
    "kl": (P * np.log(P / Q)).sum(),
    "reverse_kl": (Q * np.log(Q / P)).sum(),
    "jensen_shannon": jensenshannon(P, Q) ** 2,
    "pearson": ((P - Q) ** 2 / Q).sum(),
    "squared_hellinger": ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum(),
    "gan": 2 * jensenshannon(P, Q) ** 2 - math.log(4),
}
OPTIMUM = {
    "kl": 1 + np.log(P / Q),
    "reverse_kl": -Q / P,
    "jensen_shannon": np.log(2 * P / (P + Q)),
    "pearson": 2 * (P / Q - 1),
    "squared_hellinger": 1 - np.sqrt(Q / P),
    "gan": np.log(P / (P + Q)),
}
ACTIVATION = {
    "kl": lambda v: v,
    "reverse_kl": lambda v: -np.exp(v),
    "jensen_shannon": lambda v: math.log(2) - np.logaddexp(0, -v),
    "pearson": lambda v: v,
    "squared_hellinger": lambda v: 1 - np.exp(-v),
    "gan": lambda v: -np.logaddexp(0, -v),
}
each_divergence = pytest.mark.parametrize("divergence", TRUTH)


def critic(t):
    """Return outputs at samples that hold every value in proportion to its probability."""
    return np.repeat(t, COUNTS_P), np.repeat(t, COUNTS_Q)


class TestVariationalBounds:
    @each_divergence
    def test_the_optimum_attains_the_divergence(self, divergence):
        e = f_divergence_bound(*critic(OPTIMUM[divergence]), divergence)
        assert e.value == pytest.approx(TRUTH[divergence], rel=1e-12)
        assert e.bias == "lower bound"
        assert e.n_samples == COUNTS_P.sum() + COUNTS_Q.sum()

    @each_divergence
    def test_every_other_critic_is_below(self, rng, divergence):
        for _ in range(200):
            t = ACTIVATION[divergence](rng.normal(scale=rng.uniform(0, 2), size=5))
            assert f_divergence_bound(*critic(t), divergence).value < TRUTH[divergence]
        for step in (-1e-3, 1e-3):
            near = OPTIMUM[divergence] - np.abs(step) * rng.random(5)
            gap = TRUTH[divergence] - f_divergence_bound(*critic(near), divergence).value
            assert 0 < gap < 1e-5

    @each_divergence
    def test_activations_cover_the_optimum(self, divergence):
        """Activations increase, and their range is the domain: some output gives every optimum."""
        v = np.linspace(-20, 20, 4001)
        t = ACTIVATION[divergence](v)
        order = np.sort(t)
        f_divergence_bound(t, t, divergence)  # inside the domain
        assert (np.diff(order) > 0).all()
        assert order[0] < OPTIMUM[divergence].min()
        assert OPTIMUM[divergence].max() < order[-1]

    def test_a_sigmoid_caps_the_estimate(self):
        p, q = Gaussian([0.0], std=1.0), Gaussian([6.0], std=1.0)  # KL = 18
        x, y = p.sample(5000, rng=0), q.sample(5000, rng=1)
        v = [40 * (p.log_prob(z) - q.log_prob(z)) for z in (x, y)]
        capped = [1 / (1 + np.exp(-np.clip(t, -700, 700))) for t in v]
        assert 0.6 < f_divergence_bound(*capped, "kl").value < 1 - math.exp(-1)

    @each_divergence
    def test_standard_error(self, divergence):
        """Over many repetitions the values spread as their standard error says."""
        rng = np.random.default_rng(11)
        t = OPTIMUM[divergence]
        on_p = t[rng.choice(5, size=(200, 2000), p=P)]
        on_q = t[rng.choice(5, size=(300, 2000), p=Q)]
        e = f_divergence_bound(on_p, on_q, divergence)
        assert e.value.shape == e.stderr.shape == (2000,)
        assert e.value.std() == pytest.approx(np.sqrt((e.stderr**2).mean()), rel=0.1)
        assert e.value.mean() == pytest.approx(
            TRUTH[divergence], abs=4 * e.value.std() / math.sqrt(2000)
        )

    @each_divergence
    def test_batch_and_float32(self, rng, divergence):
        t = ACTIVATION[divergence](rng.normal(size=(30, 2, 3))).astype(np.float32)
        e = f_divergence_bound(t[:20], t[20:], divergence)
        assert e.value.dtype == np.float64
        one = f_divergence_bound(t[:20, 1, 2], t[20:, 1, 2], divergence)
        assert e.value[1, 2] == pytest.approx(one.value, rel=1e-12)
        assert e.stderr[1, 2] == pytest.approx(one.stderr, rel=1e-12)

    @pytest.mark.parametrize("gap", [1e-3, 1e-9, 1e-15])
    def test_near_the_edge_of_the_domain(self, gap):
        """−log(1 − exp(−gap)) is −log(gap) + gap/2 to second order."""
        t = np.full(2, -gap)
        e = f_divergence_bound(t, t, "gan")
        assert e.value == pytest.approx(-gap + math.log(gap) - gap / 2, rel=1e-6)
        far = f_divergence_bound([-1.0, -1.0], [-50.0, -60.0], "gan")
        assert far.value == pytest.approx(-1.0 - (math.exp(-50) + math.exp(-60)) / 2, rel=1e-15)

    @pytest.mark.parametrize(
        ("divergence", "edge", "required"),
        [
            ("reverse_kl", 0.0, "negative"),
            ("jensen_shannon", math.log(2), "less than log 2"),
            ("squared_hellinger", 1.0, "less than 1"),
            ("gan", 0.0, "negative"),
        ],
    )
    def test_domain(self, divergence, edge, required):
        inside = np.full((4, 2), edge - 0.1)
        outside = inside.copy()
        outside[3, 1] = edge
        for name, arguments in (("t_p", (outside, inside)), ("t_q", (inside, outside))):
            message = rf"{name} must be finite and {required} for divergence='{divergence}'"
            with pytest.raises(ValueError, match=message + r"; got \S+ at index \(3, 1\)"):
                f_divergence_bound(*arguments, divergence)
        f_divergence_bound(inside, inside, divergence)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @each_divergence
    def test_not_finite(self, divergence, bad):
        with pytest.raises(ValueError, match="t_q must be finite"):
            f_divergence_bound([-1.0, -1.0], [-1.0, bad], divergence)

    def test_overflow(self):
        with pytest.raises(OverflowError, match="overflows for divergence='kl'"):
            f_divergence_bound([0.0, 0.0], [0.0, 800.0], "kl")
        with pytest.raises(OverflowError, match="error overflows for divergence='kl'"):
            f_divergence_bound([1.7e308, -1.7e308], [0.0, 0.0], "kl")

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            (([0.0], [0.0, 1.0]), ValueError, "t_p must have at least 2 values"),
            (([0.0, 1.0], 0.0), ValueError, "t_q must have at least 2 values"),
            ((np.zeros((3, 2)), np.zeros((3, 1))), ValueError, "same shape after the first axis"),
            (([0.0, 1.0], [0.0, 1.0], "chi2"), ValueError, "divergence must be one of 'kl'"),
            ((["a", "b"], [0.0, 1.0]), TypeError, "t_p must hold real numbers"),
        ],
    )
    def test_errors(self, arguments, error, message):
        with pytest.raises(error, match=message):
            f_divergence_bound(*arguments)


def test_the_error_of_huge_values_is_finite(rng):
    t_p, t_q = rng.normal(size=9), rng.normal(size=9)
    small, huge = (f_divergence_bound(np.ldexp(t_p, e), t_q, "kl") for e in (60, 660))
    assert huge.value == pytest.approx(np.ldexp(small.value, 600), rel=1e-12)
    assert huge.stderr == pytest.approx(np.ldexp(small.stderr, 600), rel=1e-12)


def test_critics_go_by_name():
    pd = pytest.importorskip("pandas")
    t_p = pd.DataFrame([[0.1, 1.0], [0.2, 1.5], [0.4, 1.0]], columns=["a", "b"])
    t_q = t_p.iloc[:2] - 0.5
    expected = f_divergence_bound(t_p.to_numpy(), t_q.to_numpy())
    assert f_divergence_bound(t_p, t_q[["b", "a"]]) == expected
    with pytest.raises(ValueError, match=r"^t_p and t_q must have the same columns.*t_q: 'c'"):
        f_divergence_bound(t_p, t_q.rename(columns={"a": "c"}))

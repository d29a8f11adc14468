"""Test MMD², energy distance and witness against definitions and identities."""

import math

import numpy as np
import pytest
from cases import ESTIMATORS, each_dtype, each_estimator, radial_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastdiv as fd
from fastdiv import RBF, Energy, Sum, energy_distance, mmd2, mmd2_and_grad, witness

KERNELS = [
    *radial_kernels(1.3, alpha=0.8, c=2.0),
    Energy(),
    Energy(1.5),
    fd.Linear(),
    fd.Polynomial(2, gamma=0.3),
]
INVARIANT = KERNELS[:-1]  # invariant to translations
each_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=str)
each_invariant = pytest.mark.parametrize("kernel", INVARIANT, ids=str)


def value(kernel, a, b):
    """Return one kernel value by the textbook formula."""
    diff = a - b
    sq, l1, dot = float(diff @ diff), float(abs(diff).sum()), float(a @ b)
    match kernel:
        case RBF(s):
            return math.exp(-sq / (2 * s * s))
        case fd.Laplacian(s):
            return math.exp(-l1 / s)
        case fd.Matern(nu, s):
            r = math.sqrt(2 * nu * sq) / s
            return {0.5: 1, 1.5: 1 + r, 2.5: 1 + r + r * r / 3}[nu] * math.exp(-r)
        case fd.RationalQuadratic(alpha, s):
            return (1 + sq / (2 * alpha * s * s)) ** -alpha
        case fd.InverseMultiquadric(c):
            return c / (c + sq)
        case Energy(beta):
            return -(math.sqrt(sq) ** beta)
        case fd.Linear():
            return dot
        case fd.Polynomial(degree, gamma, coef0):
            return (gamma * dot + coef0) ** degree


def textbook(x, y, kernel, estimator):
    def mean(a, b, keep):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if keep(i, j)]
        return math.fsum(value(kernel, a[i], b[j]) for i, j in pairs) / len(pairs)

    def distinct(i, j):
        return i != j

    def every(i, j):
        return True

    within = every if estimator == "biased" else distinct
    between = distinct if estimator == "paired" else every
    return mean(x, x, within) + mean(y, y, within) - 2 * mean(x, y, between)


@each_estimator
@each_kernel
@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (2, 7, 3), (9, 4, 2), (8, 8, 5)])
def test_definition(rng, kernel, estimator, n, m, d):
    m = n if estimator == "paired" else m
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.5
    expected = textbook(x, y, kernel, estimator)
    assert mmd2(x, y, kernel, estimator=estimator) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_one_row_each_is_enough_for_biased():
    assert mmd2([0.0], [3.0], Energy(), estimator="biased") == 6.0
    assert mmd2([1.0], [1.0], RBF(1.0), estimator="biased") == 0.0


def test_result_types(rng):
    x, y = rng.normal(size=(2, 5, 2))
    assert type(mmd2(x, y)) is float
    assert mmd2(x, y, [RBF()]).shape == (1,)
    assert mmd2(x, y, (RBF(), Energy())).dtype == np.float64
    assert type(energy_distance(x, y)) is float
    assert witness(x, y, x).shape == (5,)
    assert witness(x, y, x[:1]).shape == (1,)
    assert witness(x, y, x[:3], [RBF()]).shape == (1, 3)


@each_estimator
@each_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_change_a_bit(rng, kernel, estimator, dtype):
    x = rng.normal(size=(333, 5)).astype(dtype)
    y = rng.normal(size=(333 if estimator == "paired" else 257, 5)).astype(dtype)
    values = {mmd2(x, y, kernel, estimator=estimator, n_threads=t) for t in (1, 2, 3)}
    assert len(values) == 1


def test_witness_threads_do_not_change_a_bit(rng):
    x, y, at = rng.normal(size=(3, 301, 4))
    first, *others = (witness(x, y, at, KERNELS, n_threads=t) for t in (1, 2, 3))
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@each_kernel
def test_order_of_rows(rng, kernel, estimator):
    x, y = rng.normal(size=(140, 3)), rng.normal(size=(95, 3))
    expected = mmd2(x, y, kernel, estimator=estimator)
    shuffled = mmd2(rng.permutation(x), rng.permutation(y), kernel, estimator=estimator)
    assert shuffled == pytest.approx(expected, rel=1e-11, abs=1e-13)


@each_estimator
@each_kernel
def test_symmetry(rng, kernel, estimator):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 0.3
    expected = mmd2(x, y, kernel, estimator=estimator)
    assert mmd2(y, x, kernel, estimator=estimator) == pytest.approx(expected, rel=1e-11, abs=1e-13)


@each_estimator
@each_invariant
def test_translation(rng, kernel, estimator):
    """Shift multiples of 1/1024, which is free of rounding."""
    x, y = np.round(rng.normal(size=(2, 60, 3)) * 1024) / 1024
    expected = mmd2(x, y, kernel, estimator=estimator)
    shifted = mmd2(x + 2**20, y + 2**20, kernel, estimator=estimator)
    assert shifted == pytest.approx(expected, rel=1e-10, abs=1e-12)
    x, y = x.astype(np.float32), y.astype(np.float32)
    shifted = mmd2(x + 4096, y + 4096, kernel, estimator=estimator)
    assert shifted == pytest.approx(expected, rel=1e-4, abs=1e-5)


@each_estimator
def test_scaling(rng, estimator):
    x, y = rng.normal(size=(2, 50, 3))
    options = {"estimator": estimator}
    for make in (
        RBF,
        fd.Laplacian,
        lambda s: fd.Matern(1.5, s),
        lambda s: fd.RationalQuadratic(2.0, s),
    ):
        expected = mmd2(x, y, make(1.7), **options)
        assert mmd2(5 * x, 5 * y, make(8.5), **options) == pytest.approx(expected, rel=1e-10)
    for kernel, power in ((Energy(), 1), (Energy(1.5), 1.5), (fd.Linear(), 2)):
        expected = 5**power * mmd2(x, y, kernel, **options)
        assert mmd2(5 * x, 5 * y, kernel, **options) == pytest.approx(expected, rel=1e-10)


@each_kernel
def test_repeated_samples(rng, kernel):
    """Repeat rows, which leaves the empirical distributions and the V-statistic as they are."""
    x, y = rng.normal(size=(12, 2)), rng.normal(size=(7, 2))
    expected = mmd2(x, y, kernel, estimator="biased")
    repeated = mmd2(np.repeat(x, 3, axis=0), np.tile(y, (5, 1)), kernel, estimator="biased")
    assert repeated == pytest.approx(expected, rel=1e-10, abs=1e-13)
    assert mmd2(x, x[::-1], kernel, estimator="biased") == pytest.approx(0, abs=1e-12)


def test_linear_is_the_distance_of_means(rng):
    x, y = rng.normal(size=(30, 4)) + 1e6, rng.normal(size=(20, 4)) + 1e6 + 1
    difference = x.mean(axis=0) - y.mean(axis=0)
    expected = difference @ difference
    assert mmd2(x, y, fd.Linear(), estimator="biased") == pytest.approx(expected, rel=1e-9)
    sx = x.var(axis=0, ddof=1).sum() / 30
    sy = y.var(axis=0, ddof=1).sum() / 20
    assert mmd2(x, y, fd.Linear()) == pytest.approx(expected - sx - sy, rel=1e-9)


@each_dtype
@each_estimator
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("times", [1e3, 1e8])
def test_linear_beside_a_far_row(rng, times, weighted, estimator, dtype):
    """Demand errors relative to the mean |x·y|, not to the largest product."""
    x, y = rng.normal(size=(2, 40, 3)).astype(dtype)
    x[7] *= dtype(times)
    u, v = rng.uniform(0.5, 1.0, size=(2, 40)) if weighted else np.ones((2, 40))
    options = {"x_weights": u, "y_weights": v} if weighted else {}
    got = mmd2(x, y, fd.Linear(), estimator=estimator, **options)

    def mean(a, b, p, q, distinct):
        pairs = np.outer(p, q).astype(np.longdouble) * (1 - distinct * np.eye(40))
        values = a.astype(np.longdouble) @ b.astype(np.longdouble).T
        return (values * pairs).sum() / pairs.sum(), (abs(values) * pairs).sum() / pairs.sum()

    within = estimator != "biased"
    xx, yy = mean(x, x, u, u, within), mean(y, y, v, v, within)
    xy = mean(x, y, u, v, estimator == "paired")
    bound = xx[1] + yy[1] + 2 * xy[1]
    contract = 1e-5 if dtype == np.float32 else 1e-12
    assert abs(got - (xx[0] + yy[0] - 2 * xy[0])) <= contract * bound
    if not weighted:
        result = fd.mmd_test(x, y, fd.Linear(), estimator=estimator, n_resamples=0)
        assert abs(result.statistic - got) <= contract * bound


def test_negative_values_are_not_clamped():
    assert mmd2([0.0, 1.0], [1.0, 0.0], RBF(1.0)) < 0


def test_energy_distance_in_one_dimension(rng):
    """Compare with twice the squared L2 distance of the distribution functions."""
    x, y = np.sort(rng.normal(size=40)), np.sort(rng.normal(size=25) + 0.7)
    points = np.sort(np.concatenate([x, y]))
    f = np.searchsorted(x, points[:-1], side="right") / len(x)
    g = np.searchsorted(y, points[:-1], side="right") / len(y)
    expected = 2 * np.sum((f - g) ** 2 * np.diff(points))
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_energy_distance_is_an_mmd(rng):
    x, y = rng.normal(size=(2, 20, 3))
    for estimator in ESTIMATORS:
        assert energy_distance(x, y, exponent=0.5, estimator=estimator) == mmd2(
            x, y, Energy(0.5), estimator=estimator
        )
    assert energy_distance(x, y) == mmd2(x, y, Energy(), estimator="biased")


@each_kernel
def test_witness_definition(rng, kernel):
    x, y, at = (rng.normal(size=(n, 3)) for n in (11, 6, 4))
    expected = [
        np.mean([value(kernel, t, a) for a in x]) - np.mean([value(kernel, t, b) for b in y])
        for t in at
    ]
    np.testing.assert_allclose(witness(x, y, at, kernel), expected, rtol=1e-11, atol=1e-13)


@each_invariant
def test_witness_averages_to_the_v_statistic(rng, kernel):
    x, y = rng.normal(size=(25, 2)), rng.normal(size=(18, 2))
    value = witness(x, y, x, kernel).mean() - witness(x, y, y, kernel).mean()
    assert value == pytest.approx(mmd2(x, y, kernel, estimator="biased"), rel=1e-10)


def test_overflow_is_an_error():
    x = np.array([[1e150], [2e150]])
    for call in (mmd2, lambda x, y, k: witness(x, y, x, k)):
        with (
            np.errstate(over="ignore", invalid="ignore"),
            pytest.raises(OverflowError, match="kernel values overflow"),
        ):
            call(x, -x, fd.Polynomial(4))


@pytest.mark.slow
def test_pair_count_beyond_32_bits(core):
    """Compare 66 000² pairs with means and variances (Linear) and sorted samples (Energy)."""
    n = 66_000
    x = (np.arange(n) % 1013).astype(np.float32)
    y = (np.arange(n) % 911).astype(np.float32) + 100
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    expected = (wide_x.mean() - wide_y.mean()) ** 2
    expected -= (wide_x.var(ddof=1) + wide_y.var(ddof=1)) / n
    spread = wide_x.var() + wide_y.var()
    got_linear, got_energy = mmd2(x, y, [fd.Linear(), Energy()])
    assert got_linear == pytest.approx(expected, abs=1e-5 * spread)

    def mean_gap(a):
        rank = np.arange(len(a))
        return 2 * np.sum((2 * rank - len(a) + 1) * np.sort(a)) / len(a) / (len(a) - 1)

    gap_x, gap_y = mean_gap(wide_x), mean_gap(wide_y)
    pooled = mean_gap(np.concatenate([wide_x, wide_y])) * (2 * n) * (2 * n - 1)
    gap_xy = (pooled - (gap_x + gap_y) * n * (n - 1)) / (2 * n * n)
    assert got_energy == pytest.approx(
        2 * gap_xy - gap_x - gap_y, abs=1e-5 * (gap_x + gap_y + 2 * gap_xy)
    )


finite_samples = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 7), st.just(2)),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False),
)


@settings(max_examples=80)
@given(finite_samples, finite_samples, st.sampled_from(INVARIANT))
def test_v_statistic_is_a_distance(x, y, kernel):
    size = 1 + 4 * float(np.abs(np.concatenate([x, y])).max()) ** 2
    forward = mmd2(x, y, kernel, estimator="biased")
    assert forward >= -1e-12 * size
    assert mmd2(y, x, kernel, estimator="biased") == pytest.approx(forward, abs=1e-12 * size)
    assert mmd2(x, x, kernel, estimator="biased") == pytest.approx(0, abs=1e-12 * size)


@settings(max_examples=40)
@given(finite_samples, finite_samples, st.floats(0.1, 10), st.floats(-5, 5))
def test_sum_is_linear(x, y, a, b):
    one, two, both = mmd2(
        x, y, [RBF(2.0), Energy(), Sum([RBF(2.0), Energy()], [a, b])], estimator="biased"
    )
    assert both == pytest.approx(a * one + b * two, abs=1e-9)


def test_other_kernels_are_not_summed_again(rng):
    """Use one so narrow that float32 cannot hold its values, and rows that are far apart."""
    x, y = np.float32(rng.normal(size=(90, 40))), np.float32(rng.normal(size=(70, 40)))
    kernels = [RBF(6.0), RBF(0.24), RBF(9.0)]

    def calls(kernel):
        yield mmd2(x, y, kernel)
        yield witness(x[:5], x, y, kernel)

    for together, *alone in zip(calls(kernels), *map(calls, kernels), strict=True):
        np.testing.assert_array_equal(together, alone)


@each_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_matched_rows_are_left_out(rng, dtype, weighted):
    """Use nearly matched rows, whose kernel values would hide those of all other pairs."""
    n = 60
    x = (10.0 * rng.permutation(n)[:, None] + rng.normal(size=(n, 1)) * 0.1).astype(dtype)
    y = (x + rng.normal(size=(n, 1)) * 1e-3).astype(dtype)
    u, v = rng.uniform(0.5, 1.0, size=(2, n)) if weighted else np.ones((2, n))
    weights = {"x_weights": u, "y_weights": v} if weighted else {}

    def mean(a, b, row_weights, column_weights):
        """Average over i != j in float64."""
        products = row_weights[:, None] * column_weights
        np.fill_diagonal(products, 0)
        differences = a.astype(np.float64) - b.T.astype(np.float64)
        return (np.exp(-(differences**2) / (2 * 1.6**2)) * products).sum() / products.sum()

    means = mean(x, x, u, u), mean(y, y, v, v), mean(x, y, u, v)  # of some 1e-10
    expected = means[0] + means[1] - 2 * means[2]
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    got = mmd2(x, y, RBF(1.6), estimator="paired", **weights)
    assert got == pytest.approx(expected, abs=4 * rtol * means[2])
    options = {"wrt": "bandwidth", "estimator": "paired", **weights}
    _, gradient = mmd2_and_grad(x, y, RBF(1.6), **options)
    higher, lower = (mmd2(x, y, RBF(s), estimator="paired", **weights) for s in (1.601, 1.599))
    assert gradient == pytest.approx((higher - lower) / 0.002, abs=means[2])


@each_dtype
@pytest.mark.parametrize("where", ["x", "y"])
@pytest.mark.parametrize("far", [3e3, 1e8, 1e30])
def test_energy_distance_with_a_far_row(rng, far, where, dtype):
    """The mean distances to the far row all but cancel. What is left has to be right."""
    x, y = rng.normal(size=(7, 3)).astype(dtype), rng.normal(size=(900, 3)).astype(dtype)
    (x if where == "x" else y)[5] = far
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)

    def mean(p, q):
        return np.sqrt(((p[:, None] - q[None]) ** 2).sum(axis=-1)).mean()

    expected = float(2 * mean(a, b) - mean(a, a) - mean(b, b))
    rtol = 1e-5 if dtype == np.float32 else 1e-10
    assert energy_distance(x, y) == pytest.approx(expected, rel=rtol)


@each_dtype
def test_witness_of_energy_far_away(rng, dtype):
    x = rng.normal(size=(50, 3)).astype(dtype)
    y = (rng.normal(size=(40, 3)) + 1).astype(dtype)
    for far in (1e2, 1e4, 1e6, 1e9):
        at = np.full((1, 3), far, dtype)
        a, b, c = (rows.astype(np.longdouble) for rows in (x, y, at))
        to_x, to_y = (np.sqrt(((rows - c) ** 2).sum(axis=1)).mean() for rows in (a, b))
        got = witness(x, y, at, Energy())[0]
        assert got == pytest.approx(float(to_y - to_x), rel=1e-5)
    for far in (1e12, 1e21):
        with pytest.raises(ValueError, match=r"at must not be so far .* row 1 is 1e\+\d\d away"):
            witness(x, y, np.array([[0, 0, 0], [far] * 3], dtype), Energy())
    assert np.isfinite(witness(x, y, at, RBF(1.0))).all()

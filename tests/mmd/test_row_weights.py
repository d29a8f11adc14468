"""Test weighted samples against definitions, repeated rows and rows left out."""

import mpmath
import numpy as np
import pytest
from cases import each_estimator
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fastdiv as fd
from fastdiv import RBF, Energy, energy_distance, mmd2, witness

KERNELS = [
    RBF(0.8),
    fd.Laplacian(1.0),
    fd.Polynomial(2, gamma=0.3),
    fd.Linear(),
    Energy(),
    fd.Callback(lambda a, b: np.exp(-np.abs(a[:, None] - b[None]).sum(-1))),
]

each_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)


def matrix(kernel, a, b):
    if isinstance(kernel, fd.Callback):
        return kernel.f(a, b)
    (base,) = kernel.formulas
    difference = a[:, None] - b[None]
    if isinstance(kernel, RBF):
        return np.exp(-(difference**2).sum(-1) / (2 * kernel.bandwidth**2))
    if isinstance(kernel, fd.Laplacian):
        return np.exp(-np.abs(difference).sum(-1) / kernel.bandwidth)
    if isinstance(kernel, Energy):
        return -np.sqrt((difference**2).sum(-1))
    return a @ b.T if base == "linear" else (kernel.gamma * a @ b.T + kernel.coef0) ** 2


def by_definition(x, y, kernel, u, v, estimator):
    u, v = u / u.sum(), v / v.sum()
    xx, yy = (np.outer(w, w) * matrix(kernel, a, a) for a, w in ((x, u), (y, v)))
    xy = np.outer(u, v) * matrix(kernel, x, y)
    if estimator == "biased":
        return xx.sum() + yy.sum() - 2 * xy.sum()
    within = sum((k.sum() - np.trace(k)) / (1 - (w**2).sum()) for k, w in ((xx, u), (yy, v)))
    if estimator == "unbiased":
        return within - 2 * xy.sum()
    return within - 2 * (xy.sum() - np.trace(xy)) / (1 - u @ v)


@each_estimator
@each_kernel
def test_definition(rng, kernel, estimator):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + 0.2
    u, v = rng.random(60), rng.random(60)
    expected = by_definition(x, y, kernel, u, v, estimator)
    got = mmd2(x, y, kernel, estimator=estimator, x_weights=3.0 * u, y_weights=v)
    assert got == pytest.approx(expected, rel=1e-11)
    got = mmd2(x, y, kernel, estimator=estimator, x_weights=u)
    expected = by_definition(x, y, kernel, u, np.ones(60), estimator)
    assert got == pytest.approx(expected, rel=1e-11)


@each_estimator
@each_kernel
def test_equal_weights_change_nothing(rng, kernel, estimator):
    for dtype in (np.float32, np.float64):
        x, y = rng.normal(size=(40, 2)).astype(dtype), rng.normal(size=(40, 2)).astype(dtype)
        weights = {"x_weights": np.full(40, 0.3), "y_weights": np.ones(40, np.int32)}
        plain = mmd2(x, y, kernel, estimator=estimator)
        assert mmd2(x, y, kernel, estimator=estimator, **weights) == plain


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@each_kernel
def test_a_weight_of_0_leaves_the_row_out(rng, kernel, estimator):
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    u = rng.random(40) * (rng.random(40) < 0.7)
    x[u == 0] = np.nan
    kept = mmd2(x[u > 0], y, kernel, estimator=estimator, x_weights=u[u > 0])
    assert mmd2(x, y, kernel, estimator=estimator, x_weights=u) == kept


def test_a_weight_of_0_leaves_the_row_out_of_the_median(rng):
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    u = np.r_[np.ones(35), np.zeros(5)]
    x[35:] *= 1e6
    assert mmd2(x, y, x_weights=u) == mmd2(x[:35], y)


def test_paired_rows_of_weight_0_keep_their_partners(rng):
    x, y = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    u, v = rng.random(12), rng.random(12)
    u[:3] = 0.0
    v[2:5] = 0.0
    got = mmd2(x, y, RBF(1.0), estimator="paired", x_weights=u, y_weights=v)
    assert got == pytest.approx(by_definition(x, y, RBF(1.0), u, v, "paired"), rel=1e-12)


@each_kernel
def test_whole_weights_repeat_rows(rng, kernel):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(15, 2))
    times = rng.integers(0, 4, size=20)
    repeated = mmd2(np.repeat(x, times, axis=0), y, kernel, estimator="biased")
    weighted = mmd2(x, y, kernel, estimator="biased", x_weights=times)
    assert weighted == pytest.approx(repeated, rel=1e-11)


@settings(max_examples=50)
@given(
    arrays(np.float64, 7, elements=st.one_of(st.just(0.0), st.floats(1e-100, 1e100))),
    st.floats(1e-200, 1e200),
)
def test_the_scale_of_weights_does_not_matter(weights, scale):
    weights[:2] += 1.0
    x, y = np.arange(7.0), np.arange(5.0) + 0.5
    a = mmd2(x, y, RBF(1.0), x_weights=weights)
    scaled = mmd2(x, y, RBF(1.0), x_weights=weights * scale)
    assert scaled == pytest.approx(a, rel=1e-9, abs=1e-12)


@each_kernel
def test_witness(rng, kernel):
    x, y, at = (rng.normal(size=(n, 2)) for n in (60, 45, 7))
    u, v = rng.random(60), rng.random(45)
    u[5] = 0.0
    got = witness(x, y, at, kernel, x_weights=u, y_weights=v)
    expected = matrix(kernel, at, x) @ u / u.sum() - matrix(kernel, at, y) @ v / v.sum()
    assert got == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_energy_distance(rng):
    x, y, u = rng.normal(size=(30, 2)), rng.normal(size=(20, 2)), rng.random(30)
    got = energy_distance(x, y, x_weights=u)
    assert got == pytest.approx(by_definition(x, y, Energy(), u, np.ones(20), "biased"), rel=1e-11)


def test_rows_with_nan_can_be_omitted(rng):
    x, y, u = rng.normal(size=(30, 2)), rng.normal(size=(20, 2)), rng.random(30)
    x[3, 1] = np.nan
    keep = np.arange(30) != 3
    got = mmd2(x, y, x_weights=u, nan_policy="omit")
    assert got == mmd2(x[keep], y, x_weights=u[keep])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"x_weights must have one weight per row, shape \(3,\); got shape \(2,\)"),
        ([[1.0, 2.0, 3.0]], r"got shape \(1, 3\)"),
        (1.0, r"got shape \(\)"),
        ([1.0, -1.0, 1.0], r"x_weights must be finite and >= 0; got -1.0 at row 1"),
        ([1.0, 1.0, np.nan], r"x_weights must be finite and >= 0; got nan at row 2"),
        ([1.0, np.inf, 1.0], r"x_weights must be finite and >= 0; got inf at row 1"),
        ([0.0, 0.0, 0.0], r"x_weights must not be 0 for all rows"),
        ([0.0, 1.0, 0.0], r"x_weights must be > 0 for at least 2 rows for estimator='unbiased'"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        mmd2([0.0, 1.0, 2.0], [0.0, 1.0], RBF(1.0), x_weights=weights)


@pytest.mark.parametrize("weights", ["abc", [1 + 2j, 1, 1], [None, 1, 2], [True, False, True]])
def test_weights_of_another_kind(weights):
    with pytest.raises(TypeError, match="x_weights"):
        mmd2([0.0, 1.0, 2.0], [0.0, 1.0], RBF(1.0), x_weights=weights)


def test_weights_of_rows_that_are_all_dropped():
    x = [[np.nan], [np.nan], [1.0], [2.0]]
    with pytest.raises(ValueError, match="x"):
        mmd2(x, [0.0, 1.0], RBF(1.0), x_weights=[1, 1, 0, 0], nan_policy="omit")


@pytest.mark.parametrize("ratio", [1e-3, 1e-6, 1e-10, 1e-14, 1e-17, 1e-30])
def test_one_weight_may_dominate(ratio):
    """Let one weight dominate, which leaves the pairs of its row with the others."""
    x, y = np.array([[0.0], [0.5], [2.0]]), np.array([[0.3], [1.0]])
    u = np.array([1.0, ratio, ratio])
    with mpmath.workdps(60):
        k = [[mpmath.exp(-((mpmath.mpf(a) - b) ** 2) / 2) for b in x[:, 0]] for a in x[:, 0]]
        w = [mpmath.mpf(weight) for weight in u]
        pairs = [(0, 1), (0, 2), (1, 2)]
        mass = sum(w[i] * w[j] for i, j in pairs)
        within = sum(w[i] * w[j] * k[i][j] for i, j in pairs) / mass
        cross = [[mpmath.exp(-((mpmath.mpf(a) - b) ** 2) / 2) for b in y[:, 0]] for a in x[:, 0]]
        between = sum(w[i] * sum(cross[i]) for i in range(3)) / (2 * sum(w))
        within_y = mpmath.exp(-((mpmath.mpf(y[0, 0]) - y[1, 0]) ** 2) / 2)
        expected = float(within + within_y - 2 * between)
    assert mmd2(x, y, RBF(1.0), x_weights=u) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("function", [mmd2, fd.mmd2_and_grad])
def test_weighted_linear_beyond_the_range_is_refused(rng, function):
    """Without a warning about the terms of single rows before."""
    x = rng.normal(size=(5, 2)) * 1e200
    with pytest.raises(OverflowError, match="kernel values overflow"):
        function(x, 2 * x, fd.Linear(), x_weights=[1.0, 2.0, 3.0, 4.0, 5.0])

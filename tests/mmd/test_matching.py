"""Test kernel mean matching against a general solver, optimality conditions and its purpose."""

import math
import os
import warnings

import numpy as np
import pytest
from cases import Reports, peak_bytes
from scipy.optimize import minimize

import fastdiv as fd
from fastdiv import RBF, Energy, KernelMeanMatching, Sum, kernel_mean_matching, mmd2, quantize_rows


def rbf_matrix(a, b, sigma):
    return np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=-1) / (2 * sigma**2))


def weighted_mmd2(w, xx, xy, yy):
    return w @ xx @ w - 2 * w @ xy.mean(axis=1) + yy.mean()


@pytest.mark.parametrize("bound", [None, 1.0, 1.5, 4.0, 30.0])
def test_against_a_general_solver(rng, bound):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(30, 2)) * 0.5 + 0.7
    blocks = rbf_matrix(x, x, 1.0), rbf_matrix(x, y, 1.0), rbf_matrix(y, y, 1.0)
    result = kernel_mean_matching(x, y, RBF(1.0), bound=bound, tolerance=1e-10)
    upper = 1.0 if bound is None else min(1.0, bound / 20)
    solved = minimize(
        weighted_mmd2,
        np.full(20, 0.05),
        args=blocks,
        method="SLSQP",
        bounds=[(0.0, upper)] * 20,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    assert solved.success
    assert result.converged
    assert result.mmd2 == pytest.approx(weighted_mmd2(result.weights, *blocks), abs=1e-14)
    assert result.mmd2 <= solved.fun + 1e-9
    assert solved.fun - result.mmd2 <= 1e-7
    np.testing.assert_allclose(result.weights, solved.x, atol=2e-3)
    assert (result.weights >= 0).all()
    assert (result.weights <= upper).all()
    assert result.weights.sum() == pytest.approx(1, abs=1e-14)


KERNELS = [
    RBF(),
    RBF([1.0, 2.0, 0.5]),
    fd.Laplacian(),
    fd.Matern(0.5, 1.0),
    fd.InverseMultiquadric(2.0),
    fd.Polynomial(2),
    fd.Linear(),
    Energy(),
    Energy(1.5),
    Sum([RBF(0.5), RBF(2.0)], weights=[0.3, 0.7]),
    fd.Callback(lambda a, b: np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=-1))),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
def test_every_kernel_meets_its_gap(rng, kernel):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3)) * 0.7 + 0.4
    result = kernel_mean_matching(x, y, kernel, tolerance=1e-5)
    equal = mmd2(x, y, kernel, estimator="biased")
    assert result.converged
    assert result.gap >= 0
    assert result.mmd2 < equal
    weighted = mmd2(x, y, result.kernel, estimator="biased", x_weights=result.weights)
    assert result.mmd2 == pytest.approx(weighted, rel=1e-9, abs=1e-12)
    better = kernel_mean_matching(x, y, kernel, tolerance=1e-9)
    assert result.mmd2 - result.gap <= better.mmd2 + 1e-12
    assert better.mmd2 <= result.mmd2 + 1e-12


def test_equal_samples_keep_equal_weights(rng):
    x = rng.normal(size=(40, 3))
    result = kernel_mean_matching(x, x, RBF(1.0))
    np.testing.assert_array_equal(result.weights, np.full(40, 1 / 40))
    assert result.n_iterations == 0
    assert result.converged
    assert result.mmd2 == pytest.approx(0, abs=1e-14)
    shuffled = kernel_mean_matching(x, x[::-1], RBF(1.0), tolerance=1e-8)
    np.testing.assert_allclose(shuffled.weights, 1 / 40, rtol=1e-3)


def test_covariate_shift(rng):
    """Weight training rows, so that their mean and predictions are those of the population."""
    x, y = rng.normal(size=(1000, 2)), rng.normal(size=(800, 2)) * 0.6 + [0.8, -0.5]
    result = kernel_mean_matching(x, y, RBF(1.0), bound=30.0, tolerance=1e-4)
    before = np.abs(x.mean(axis=0) - y.mean(axis=0)).max()
    after = np.abs(result.weights @ x - y.mean(axis=0)).max()
    assert after < 0.02 < 0.5 < before

    def outcome(z):
        return np.sin(z[:, 0]) + z[:, 1] ** 2

    assert result.weights @ outcome(x) == pytest.approx(outcome(y).mean(), abs=0.05)
    assert abs(outcome(x).mean() - outcome(y).mean()) > 0.2


def test_compression(rng):
    """Compress a sample better by weighted rows than by as many rows of equal weight."""
    y = rng.normal(size=(400, 2))
    result = kernel_mean_matching(y[:30], y, RBF(1.0))
    assert result.mmd2 < 0.3 * mmd2(y[:30], y, RBF(1.0), estimator="biased")


def test_rows_beyond_the_target_get_next_to_no_weight(rng):
    x = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 30])
    result = kernel_mean_matching(x, rng.normal(size=(60, 2)), RBF(1.0))
    assert result.weights[50:].sum() < 0.01


def test_a_duplicated_row_shares_its_weight(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(40, 2)) * 0.5 + 0.5
    once = kernel_mean_matching(x, y, RBF(1.0), tolerance=1e-9)
    twice = kernel_mean_matching(np.concatenate([x, x]), y, RBF(1.0), tolerance=1e-9)
    assert twice.mmd2 == pytest.approx(once.mmd2, abs=1e-9)
    np.testing.assert_allclose(twice.weights[:30] + twice.weights[30:], once.weights, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shift_and_threads(rng, dtype):
    x, y = rng.normal(size=(70, 3)).astype(dtype), rng.normal(size=(50, 3)).astype(dtype) + 1
    one, two = (kernel_mean_matching(x, y, n_threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one.weights, two.weights)
    assert one == two
    far = kernel_mean_matching(x.astype(np.float64) + 1e6, y.astype(np.float64) + 1e6)
    assert far.mmd2 == pytest.approx(one.mmd2, abs=3e-6)


def test_no_silent_failure(rng):
    x, y = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 1
    with pytest.warns(RuntimeWarning, match="after 3 steps with a duality gap"):
        result = kernel_mean_matching(x, y, RBF(1.0), max_iter=3)
    assert not result.converged
    assert result.n_iterations == 3
    best = kernel_mean_matching(x, y, RBF(1.0))
    assert result.gap >= result.mmd2 - best.mmd2 > 0


def test_a_tolerance_below_rounding_ends(rng):
    x, y = rng.normal(size=(15, 2)), rng.normal(size=(15, 2)) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = kernel_mean_matching(x, y, RBF(1.0), tolerance=1e-30, max_iter=2000)
    assert result.gap < 1e-12
    assert result.converged == (result.gap <= 1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.0, 10.0, 1e4])
def test_a_large_constant_in_the_kernel_loosens_nothing(rng, mean):
    """Add a large constant to the kernel, which makes the terms of MMD² large, not its range."""
    x, y = rng.normal(mean, size=(30, 2)), rng.normal(mean, size=(30, 2))
    result = kernel_mean_matching(x, y, fd.Polynomial())
    equal = mmd2(x, y, fd.Polynomial(), estimator="biased")
    assert result.converged
    assert result.n_iterations > 0
    assert result.gap <= 1e-3 * equal
    assert result.mmd2 < 0.3 * equal


def test_a_constant_in_the_kernel_changes_little(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 1
    plain = kernel_mean_matching(x, y, RBF(1.0))
    raised = kernel_mean_matching(x, y, fd.Callback(lambda a, b: 1e6 + rbf_matrix(a, b, 1.0)))
    assert raised.converged
    assert raised.mmd2 == pytest.approx(plain.mmd2, abs=2e-3 * mmd2(x, y, RBF(1.0)))
    np.testing.assert_allclose(raised.weights, plain.weights, atol=1e-2)


def test_one_row(rng):
    result = kernel_mean_matching([[0.5]], rng.normal(size=(5, 1)), RBF(1.0))
    np.testing.assert_array_equal(result.weights, [1.0])
    assert result.converged


def test_result(rng):
    result = kernel_mean_matching(*rng.normal(size=(2, 10, 2)))
    assert isinstance(result, KernelMeanMatching)
    assert math.isfinite(result.kernel.bandwidth)
    with pytest.raises(ValueError, match="read-only"):
        result.weights[0] = 1.0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"kernel": [RBF(1.0)]}, TypeError, "kernel must be one kernel"),
        ({"kernel": "rbf"}, TypeError, "kernel must be a fastdiv kernel"),
        ({"bound": 0.9}, ValueError, "bound must be >= 1"),
        ({"bound": np.inf}, ValueError, "bound must be finite"),
        ({"bound": "big"}, TypeError, "bound must be a real number"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be > 0"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be"),
        ({"n_threads": 0}, ValueError, "n_threads must be"),
        ({"progress": 1.5}, TypeError, "progress must be"),
    ],
)
def test_bad_options(rng, options, error, match):
    with pytest.raises(error, match=match):
        kernel_mean_matching(*rng.normal(size=(2, 5, 2)), **options)


def test_bad_samples(rng):
    x = rng.normal(size=(5, 2))
    with pytest.raises(ValueError, match="NaN"):
        kernel_mean_matching(np.where(x > 0, np.nan, x), x)
    with pytest.raises(ValueError, match="same number of features"):
        kernel_mean_matching(x, x[:, :1])
    with pytest.raises(ValueError, match="bandwidth='median' is zero"):
        kernel_mean_matching(np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(OverflowError, match="overflow"):
        kernel_mean_matching(x * 1e200, x, fd.Polynomial())


@pytest.mark.parametrize(
    "kernel", [Sum([RBF(1.0)], weights=[-1.0]), fd.Callback(lambda a, b: a @ -b.T)]
)
def test_kernels_that_are_not_positive_definite(rng, kernel):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 1
    with pytest.raises(ValueError, match="kernel must be positive definite"):
        kernel_mean_matching(x, y, kernel)


@pytest.mark.parametrize("bound", [16.0, 20.0, 29.0])
def test_two_rows_fill_a_loose_bound(rng, bound):
    """Use B/n between 1/2 and 1, where the best vertex has two rows."""
    x, y = rng.normal(size=(30, 2)), 0.1 * rng.normal(size=(50, 2)) + 2.0
    result = kernel_mean_matching(x, y, RBF(1.0), bound=bound, max_iter=3000)
    assert result.converged
    assert result.weights.max() <= bound / 30 * (1 + 1e-12)


def test_two_rows_with_a_bound():
    result = kernel_mean_matching([0.0, 1.0], [0.9], RBF(1.0), bound=1.5)
    assert result.converged
    assert result.weights.max() <= 0.75 * (1 + 1e-12)


def test_progress(rng):
    x, y = rng.normal(size=(80, 2)), rng.normal(size=(60, 2)) * 0.5 + 0.5
    reports = Reports()
    result = kernel_mean_matching(x, y, max_iter=5000, progress=reports)
    assert result == kernel_mean_matching(x, y, max_iter=5000)
    steps = [done for done, total in reports if total == 5000]
    assert steps == list(range(64, result.n_iterations + 1, 64))
    assert reports[-1] == (result.n_iterations, result.n_iterations)
    assert sum(done == total for done, total in reports) >= 5  # median, three passes and the end

    def stop(done, total):
        if total == 5000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kernel_mean_matching(x, y, max_iter=5000, progress=stop)


def test_progress_without_a_step(rng):
    x, reports = rng.normal(size=(9, 2)), Reports()
    kernel_mean_matching(x, x, RBF(1.0), progress=reports)
    assert reports[-1] == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
def test_quantised_rows(rng, kernel, symmetric):
    """Check the gap of the weights of int8 rows on these rows."""
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3)) * 0.7 + 0.4
    a, b = (quantize_rows(rows, symmetric=symmetric) for rows in (x, y))
    wide = a.dequantize(np.float64), b.dequantize(np.float64)
    got = kernel_mean_matching(a, b, kernel, tolerance=1e-5)
    best = kernel_mean_matching(*wide, kernel, tolerance=1e-8)
    size = np.abs(mmd2(*wide, got.kernel, estimator="biased")) + 1
    exact = mmd2(*wide, got.kernel, estimator="biased", x_weights=got.weights)
    assert got.converged
    assert got.mmd2 == pytest.approx(exact, abs=1e-5 * size)
    assert exact <= best.mmd2 + got.gap + 1e-5 * size
    with pytest.raises(TypeError, match="x is quantised and y is not"):
        kernel_mean_matching(a, y, kernel)


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference holds it all"
)
def test_quantised_rows_are_not_dequantised(rng):
    rows = quantize_rows(rng.normal(size=(3000, 300)))
    peak = peak_bytes(lambda: kernel_mean_matching(rows[:1500], rows[1500:], tolerance=0.1))
    assert peak < 2 * rows.values.nbytes


def test_quantised_rows_need_a_kernel_that_is_positive_definite(rng):
    rows = quantize_rows(rng.normal(size=(40, 2)))
    with pytest.raises(ValueError, match="kernel must be positive definite"):
        kernel_mean_matching(rows[:20], rows[20:], Sum([RBF(1.0)], weights=[-1.0]))

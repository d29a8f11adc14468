"""Test gradients of MMD² against finite differences and identities, and their errors."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from cases import ESTIMATORS, each_dtype, each_estimator, radial_kernels

import fastdiv as fd
from fastdiv import RBF, Energy, Sum, mmd2, mmd2_and_grad
from fastdiv._engine import backend

KERNELS = [
    *radial_kernels(1.1, alpha=0.8, c=1.7),
    RBF([0.7, 1.1, 2.0]),
    fd.Polynomial(3, gamma=0.4),
    fd.Linear(),
    Energy(),
    Energy(0.6),
    Energy(1.6),
    Sum([RBF(0.6), RBF(1.5), fd.Laplacian(2.0)], weights=[1.0, 0.5, -0.3]),
    Sum([fd.InverseMultiquadric(2.0), fd.Polynomial(2, gamma=0.1)]),
]
WITH_BANDWIDTH = [
    k for k in KERNELS if isinstance(k, (RBF, fd.Laplacian, fd.Matern, fd.RationalQuadratic))
]
EVERYTHING = ("x", "y", "x_weights", "y_weights")

each_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=str)


@pytest.fixture
def given(rng):
    x = rng.normal(size=(9, 3))
    y = 1.2 * rng.normal(size=(9, 3)) + 0.3
    return {"x": x, "y": y, "x_weights": rng.random(9) + 0.1, "y_weights": rng.random(9)}


def value(given, kernel, estimator):
    weights = {name: given[name] for name in ("x_weights", "y_weights")}
    return mmd2(given["x"], given["y"], kernel, estimator=estimator, **weights)


def difference(f, at, index, step=1e-5):
    """Return the derivative of f with respect to one entry, of fourth order."""
    values = []
    for times in (-2, -1, 1, 2):
        moved = at.copy()
        moved[index] += times * step
        values.append(f(moved))
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


@each_estimator
@each_kernel
def test_finite_differences(given, kernel, estimator):
    got, *gradients = mmd2_and_grad(
        given["x"],
        given["y"],
        kernel,
        wrt=EVERYTHING,
        estimator=estimator,
        x_weights=given["x_weights"],
        y_weights=given["y_weights"],
    )
    assert got == pytest.approx(value(given, kernel, estimator), rel=1e-12, abs=1e-15)
    for name, gradient in zip(EVERYTHING, gradients, strict=True):
        assert gradient.shape == given[name].shape
        for index in [*np.ndindex(given[name].shape)][::4]:
            expected = difference(
                lambda moved, name=name: value({**given, name: moved}, kernel, estimator),
                given[name],
                index,
            )
            assert gradient[index] == pytest.approx(expected, rel=1e-6, abs=1e-8)


@each_estimator
@pytest.mark.parametrize("kernel", WITH_BANDWIDTH, ids=str)
def test_finite_differences_by_bandwidth(given, kernel, estimator):
    sigma = np.atleast_1d(kernel.bandwidth).astype(float)

    def at(moved):
        changed = {**vars(kernel), "bandwidth": moved if moved.size > 1 else float(moved[0])}
        return value(given, type(kernel)(**changed), estimator)

    weights = {name: given[name] for name in ("x_weights", "y_weights")}
    _, gradient, x_grad = mmd2_and_grad(
        given["x"], given["y"], kernel, wrt=("bandwidth", "x"), estimator=estimator, **weights
    )
    assert np.shape(gradient) == np.shape(kernel.bandwidth)
    expected = [difference(at, sigma, index) for index in range(sigma.size)]
    assert np.atleast_1d(gradient) == pytest.approx(np.array(expected), rel=1e-7, abs=1e-9)
    (alone,) = mmd2_and_grad(
        given["x"], given["y"], kernel, wrt="x", estimator=estimator, **weights
    )[1:]
    assert np.array_equal(alone, x_grad)


def test_bandwidths_of_sums_and_sequences(given):
    x, y = given["x"], given["y"]
    kernels = [RBF(0.7), Sum([RBF([0.6, 0.8, 1.0]), fd.Laplacian(2.0)], weights=[0.5, 2.0])]
    values, (rbf_slope, sum_slopes), x_grad = mmd2_and_grad(x, y, kernels, wrt=("bandwidth", "x"))
    assert values == pytest.approx(mmd2(x, y, kernels), rel=1e-12)
    assert isinstance(rbf_slope, float)
    alone = mmd2_and_grad(x, y, fd.Laplacian(2.0), wrt="bandwidth")[1]
    assert sum_slopes[1] == pytest.approx(2.0 * alone, rel=1e-12)
    alone = mmd2_and_grad(x, y, RBF([0.6, 0.8, 1.0]), wrt="bandwidth")[1]
    assert sum_slopes[0] == pytest.approx(0.5 * alone, rel=1e-12)
    for row, kernel in zip(x_grad, kernels, strict=True):
        assert row == pytest.approx(mmd2_and_grad(x, y, kernel, wrt="x")[1], rel=1e-12)


@each_kernel
def test_a_sequence_gives_the_gradients_of_each(given, kernel):
    kernels = [kernel, RBF(2.0)]
    values, x_grad, weight_grad = mmd2_and_grad(
        given["x"], given["y"], kernels, wrt=("x", "y_weights"), estimator="biased"
    )
    assert x_grad.shape == (2, 9, 3)
    assert weight_grad.shape == (2, 9)
    for i, each in enumerate(kernels):
        alone = mmd2_and_grad(
            given["x"], given["y"], each, wrt=("x", "y_weights"), estimator="biased"
        )
        assert values[i] == pytest.approx(alone[0], rel=1e-12)
        assert x_grad[i] == pytest.approx(alone[1], rel=1e-11, abs=1e-15)
        assert weight_grad[i] == pytest.approx(alone[2], rel=1e-11, abs=1e-15)


@each_kernel
def test_float32_agrees_with_float64(rng, kernel):
    x = rng.normal(size=(300, 3)).astype(np.float32)
    y = (rng.normal(size=(211, 3)) + 0.2).astype(np.float32)
    narrow = mmd2_and_grad(x, y, kernel, wrt=EVERYTHING)
    wide = mmd2_and_grad(x.astype(float), y.astype(float), kernel, wrt=EVERYTHING)
    assert [g.dtype for g in narrow[1:]] == [np.float32] * 2 + [np.float64] * 2
    for a, b in zip(narrow[1:], wide[1:], strict=True):
        assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


@each_kernel
def test_gradients_far_from_the_origin(rng, kernel):
    if isinstance(kernel, (fd.Polynomial, Sum)):
        pytest.skip("dot products are those of the data as they are")
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    x, y = np.round(x * 1024) / 1024, np.round(y * 1024) / 1024
    near = mmd2_and_grad(x, y, kernel)
    far = mmd2_and_grad(x + 1e6, y + 1e6, kernel)
    for a, b in zip(near, far, strict=True):
        assert np.abs(a - b).max() <= 1e-11 * np.abs(a).max()


def test_tight_clusters_far_apart(rng):
    """Use clusters whose inner differences are 1e-6 of the range."""
    centres = rng.choice([0.0, 1000.0, 3000.0], size=(60, 1))
    x = centres + 1e-3 * rng.normal(size=(60, 2))
    y = centres[::-1] + 1e-3 * rng.normal(size=(60, 2))
    kernel = RBF(1e-3)
    wide = mmd2_and_grad(x, y, kernel, wrt="x")[1]
    k = np.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / 2e-6)
    kx = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / 2e-6)
    y_grad = -(k[..., None] * (x[:, None] - y[None])).sum(1) / 1e-6
    x_grad = -(kx[..., None] * (x[:, None] - x[None])).sum(1) / 1e-6
    expected = 2 * x_grad / (60 * 59) - 2 * y_grad / 3600
    assert np.abs(wide - expected).max() <= 1e-9 * np.abs(expected).max()
    narrow, exact = (
        mmd2_and_grad(x.astype(np.float32).astype(t), y.astype(np.float32).astype(t), kernel)[1]
        for t in (np.float32, np.float64)
    )
    assert np.abs(narrow - exact).max() <= 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize(
    "kernel",
    [
        RBF(1e5),
        fd.Matern(2.5, 1e5),
        fd.RationalQuadratic(1.0, 1e5),
        fd.InverseMultiquadric(1e10),
        Energy(),
    ],
)
@pytest.mark.parametrize("d", [1, 5])
def test_bandwidth_between_the_size_of_clusters_and_their_distance(rng, d, kernel):
    """Use rows for which centred products suit kernel values, but not their slopes."""
    where = np.repeat([0.0, 1e6], 100)[rng.permutation(200), None]
    x = (where + rng.normal(size=(200, d))).astype(np.float32)
    y = (where + rng.normal(size=(200, d)) + 0.5).astype(np.float32)
    narrow = mmd2_and_grad(x, y, kernel)[1]
    exact = mmd2_and_grad(x.astype(np.float64), y.astype(np.float64), kernel)[1]
    assert np.abs(narrow - exact).max() <= 1e-4 * np.abs(exact).max()


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize(
    "kernel", [RBF(1.0), fd.Laplacian(1.0), fd.Matern(0.5, 1.0), RBF([1.0, 2, 3])]
)
def test_a_fill_value_does_not_spoil_the_gradient_by_the_bandwidth(rng, kernel, estimator):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) * 1.2
    x[0] = y[0] = -1e18
    x[1] = 1e6
    slope = mmd2_and_grad(x, y, kernel, wrt="bandwidth", estimator=estimator)[1]

    def at(scale):
        moved = replace(kernel, bandwidth=np.multiply(kernel.bandwidth, scale))
        return mmd2(x, y, moved, estimator=estimator)

    expected = difference(at, np.array(1.0), (), 1e-4)
    assert np.sum(np.multiply(slope, kernel.bandwidth)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gap", [1e6, 1e10, 1e14])
def test_gradient_by_the_bandwidth_of_clusters_far_apart(rng, gap):
    """Place clusters farther apart than the bandwidth, where they do not see each other."""
    x, y = np.round(rng.normal(size=(2, 60, 2)), 1)
    x[::2, 0] += gap
    y[::2, 0] += gap
    slope = mmd2_and_grad(x, y, RBF(1.0), wrt="bandwidth")[1]

    def k(a, b):
        squares = ((a[:, None].astype(np.longdouble) - b[None]) ** 2).sum(-1)
        return squares * np.exp(-squares / 2)

    expected = (k(x, x) + k(y, y)).sum() / (60 * 59) - 2 * k(x, y).mean()
    assert slope == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [Energy(), Energy(0.3), fd.Matern(0.5, 1.0), fd.Laplacian(1.0)])
def test_coincident_rows_have_the_subgradient_0(kernel, dtype):
    x = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 1.0]], dtype)
    _, x_grad, y_grad = mmd2_and_grad(x, x[:2], kernel, estimator="biased")
    assert np.isfinite(x_grad).all()
    assert np.isfinite(y_grad).all()
    assert np.array_equal(x_grad[0], x_grad[1])
    nothing = mmd2_and_grad(np.ones((3, 2), dtype), np.ones((2, 2), dtype), kernel)
    assert nothing[0] == 0.0
    assert not nothing[1].any()
    assert not nothing[2].any()


@each_estimator
@each_kernel
def test_identities(given, kernel, estimator):
    """Check the gradients for the scale of weights and, for most kernels, the place of all rows."""
    weights = {name: given[name] for name in ("x_weights", "y_weights")}
    arguments = {"estimator": estimator, "wrt": EVERYTHING, **weights}
    _, x_grad, y_grad, u_grad, v_grad = mmd2_and_grad(given["x"], given["y"], kernel, **arguments)
    assert abs(u_grad @ weights["x_weights"]) <= 1e-12 * np.abs(u_grad * weights["x_weights"]).sum()
    assert abs(v_grad @ weights["y_weights"]) <= 1e-12 * np.abs(v_grad * weights["y_weights"]).sum()
    parts = kernel.kernels if isinstance(kernel, Sum) else [kernel]
    # With weights, x·y acts as a kernel of distances for "biased" only.
    if not any(
        isinstance(each, fd.Polynomial) or (isinstance(each, fd.Linear) and estimator != "biased")
        for each in parts
    ):
        total = x_grad.sum(axis=0) + y_grad.sum(axis=0)
        assert np.abs(total).max() <= 1e-12 * np.abs(x_grad).sum()
    weights = {name: 7.0 * w for name, w in weights.items()}
    arguments = {"estimator": estimator, "wrt": EVERYTHING, **weights}
    scaled = mmd2_and_grad(given["x"], given["y"], kernel, **arguments)
    assert scaled[1] == pytest.approx(x_grad, rel=1e-11, abs=1e-14)
    assert scaled[3] == pytest.approx(u_grad / 7.0, rel=1e-11, abs=1e-14)


def test_bits_do_not_depend_on_threads(rng):
    x = rng.normal(size=(700, 5)).astype(np.float32)
    y = rng.normal(size=(900, 5)).astype(np.float32)
    u = rng.random(700)
    kernel = Sum([RBF(1.0), fd.Laplacian(3.0), fd.Polynomial(2)])
    results = [
        mmd2_and_grad(x, y, kernel, wrt=EVERYTHING, x_weights=u, n_threads=n) for n in (1, 2, 3, 7)
    ]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_shapes_and_types(rng):
    x = rng.normal(size=(6, 2, 2)).astype(np.float32)
    y = rng.normal(size=(4, 2, 2))
    value_, x_grad, y_grad = mmd2_and_grad(x, y, RBF(1.0))
    assert isinstance(value_, float)
    assert x_grad.shape == x.shape
    assert y_grad.shape == y.shape
    assert x_grad.dtype == y_grad.dtype == np.float64
    flat = mmd2_and_grad(x.reshape(6, 4), y.reshape(4, 4), RBF(1.0), wrt=["y"])
    assert np.array_equal(flat[1], y_grad.reshape(4, 4))
    assert mmd2_and_grad([0, 1, 2], [1, 5], RBF(1.0), wrt="x")[1].shape == (3,)
    strided = np.asfortranarray(np.repeat(x.reshape(6, 4), 2, axis=0))[::2]
    assert np.array_equal(
        mmd2_and_grad(strided, y.reshape(4, 4), RBF(1.0))[1], x_grad.reshape(6, 4)
    )


def test_median_bandwidth_is_a_constant(rng):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(15, 2))
    fixed = RBF(fd.median_distance(x, y))
    for got, expected in zip(mmd2_and_grad(x, y), mmd2_and_grad(x, y, fixed), strict=True):
        assert np.array_equal(got, expected)


def test_descent_moves_one_sample_onto_the_other(rng):
    x, y = rng.normal(size=(50, 2)) + 3.0, rng.normal(size=(50, 2))
    first = fd.energy_distance(x, y)
    for _ in range(200):
        x -= 25.0 * mmd2_and_grad(x, y, Energy(), wrt="x", estimator="biased")[1]
    assert fd.energy_distance(x, y) < 0.01 * first


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"wrt": "z"}, ValueError, "wrt must be one of 'x', 'y'"),
        ({"wrt": ("x", "x")}, ValueError, "wrt must name each argument once"),
        ({"wrt": ()}, ValueError, "wrt must name at least one argument"),
        ({"wrt": None}, TypeError, "wrt must be a name or a list"),
        ({"kernel": fd.Callback(lambda a, b: a @ b.T)}, TypeError, "kernel must not be a Callback"),
        ({"kernel": Energy(), "wrt": "bandwidth"}, ValueError, "needs kernels with a bandwidth"),
        ({"x": [0.0, np.nan]}, ValueError, "x holds 1 NaN"),
        ({"nan_policy": "drop"}, ValueError, "nan_policy must be one of 'raise', 'omit'"),
        (
            {"x": [np.nan, 1.0], "nan_policy": "omit"},
            ValueError,
            "x must have at least 2 rows for estimator='unbiased'; got 1 after dropping rows",
        ),
        (
            {
                "x": [np.nan, 1.0],
                "x_weights": [1.0, 0.0],
                "nan_policy": "omit",
                "estimator": "biased",
                "wrt": "x_weights",
            },
            ValueError,
            "x_weights must be > 0 for at least 1 row for estimator='biased'; got 0",
        ),
        ({"x_weights": [1.0, -1.0]}, ValueError, "x_weights must be finite and >= 0"),
        ({"y_weights": [0.0, 0.0]}, ValueError, "y_weights must not be 0 for all rows"),
        ({"x_weights": [0.0, 2.0]}, ValueError, "x_weights must be > 0 for at least 2 rows"),
        (
            {"x": [0.0, 1.0, 2.0], "x_weights": [1e-200, 1e200, 1e-200]},
            ValueError,
            "x_weights must not differ by factors beyond 1e300; got weights from 1e-200",
        ),
        (
            {"x_weights": [1e-320, 2e-320], "wrt": "x_weights"},
            OverflowError,
            "the gradient overflows in float64; scale the data or x_weights",
        ),
        ({"estimator": "u"}, ValueError, "estimator must be one of"),
        ({"x": np.array([1e200, -1e200]), "kernel": fd.Polynomial(3)}, OverflowError, "overflow"),
    ],
)
def test_bad_input(change, error, message):
    arguments = {"x": [0.0, 1.0], "y": [2.0, 3.0], "kernel": RBF(1.0), **change}
    x, y, kernel = (arguments.pop(name) for name in ("x", "y", "kernel"))
    with pytest.raises(error, match=message):
        mmd2_and_grad(x, y, kernel, **arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_rows_of_weight_0_may_be_padding(rng, estimator, dtype):
    x, y = rng.normal(size=(6, 2)).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)
    padded = np.insert(x, 2, np.nan, axis=0)
    u = np.insert(rng.random(6), 2, 0.0)
    arguments = {"estimator": estimator, "wrt": ("x", "y", "y_weights")}
    got = mmd2_and_grad(padded, y, RBF(1.0), x_weights=u, **arguments)
    expected = mmd2_and_grad(x, y, RBF(1.0), x_weights=u[u > 0], **arguments)
    assert got[0] == expected[0]
    assert np.array_equal(got[1], np.insert(expected[1], 2, 0.0, axis=0))
    for a, b in zip(got[2:], expected[2:], strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="x holds 2 NaN"):
        mmd2_and_grad(padded, y, RBF(1.0), x_weights=u, wrt="x_weights")


@each_estimator
@pytest.mark.parametrize("wrt", [("x",), EVERYTHING])
def test_the_median_is_that_of_mmd2(rng, estimator, wrt):
    """Leave rows of weight 0 out of the median, even if a partner keeps them in the sums."""
    x, y, u, v = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), *rng.random((2, 9))
    x[2], y[5], u[[2, 4]], v[[5, 4]] = 50.0, -70.0, 0.0, 0.0
    arguments = {"estimator": estimator, "x_weights": u, "y_weights": v}
    expected = mmd2(x, y, **arguments)
    assert mmd2_and_grad(x, y, wrt=wrt, **arguments)[0] == pytest.approx(expected, rel=1e-12)
    sigma = fd.median_distance(x[u > 0], y[v > 0])
    assert mmd2(x, y, RBF(sigma), **arguments) == expected


@each_estimator
@pytest.mark.parametrize("weighted", [False, True])
def test_omitted_rows_have_the_gradient_0(given, estimator, weighted):
    x, y = given["x"].copy(), given["y"].copy()
    x[2, 1], y[5, 0], y[7, 2] = np.nan, np.inf, np.nan
    gone_x, gone_y = [2], [5, 7]
    if estimator == "paired":
        gone_x = gone_y = [2, 5, 7]
    names = ("x_weights", "y_weights")
    weights = {name: given[name] for name in names} if weighted else {}
    remaining = {
        name: np.delete(w, gone_x if name == "x_weights" else gone_y) for name, w in weights.items()
    }
    options = {"wrt": EVERYTHING, "estimator": estimator}
    got = mmd2_and_grad(x, y, nan_policy="omit", **weights, **options)
    left = np.delete(x, gone_x, axis=0), np.delete(y, gone_y, axis=0)
    expected = mmd2_and_grad(*left, **remaining, **options)
    assert got[0] == expected[0]
    assert got[0] == pytest.approx(
        mmd2(x, y, estimator=estimator, nan_policy="omit", **weights), rel=1e-11
    )
    for a, b, gone in zip(got[1:], expected[1:], [gone_x, gone_y] * 2, strict=True):
        assert not a[gone].any()
        assert np.array_equal(np.delete(a, gone, axis=0), b)
    several = mmd2_and_grad(
        x, y, [RBF(1.0), Energy()], nan_policy="omit", wrt=EVERYTHING, estimator=estimator
    )
    assert [g.shape for g in several[1:]] == [(2, 9, 3), (2, 9, 3), (2, 9), (2, 9)]
    assert not several[1][:, gone_x].any()
    assert several[3][1].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_linear_keeps_its_digits_whatever_is_asked_for(rng, estimator, dtype):
    """Pass equal weights, which give the squared distance of means, exactly."""
    x, y = (np.round(rng.normal(size=(30, 2)) * 64) / 64 for _ in range(2))
    far = (x + 2.0**17).astype(dtype), (y + 2.0**17).astype(dtype)
    near = mmd2(x, y, fd.Linear(), estimator=estimator)
    value_, x_grad, _ = mmd2_and_grad(
        *far, fd.Linear(), wrt=("x", "x_weights"), estimator=estimator
    )
    tolerance = 1e-5 if dtype == np.float32 else 1e-10
    assert value_ == pytest.approx(near, rel=tolerance)
    plain = mmd2_and_grad(*far, fd.Linear(), wrt="x", estimator=estimator)
    assert np.abs(x_grad - plain[1]).max() <= 10 * tolerance * np.abs(plain[1]).max()


@pytest.mark.parametrize("estimator", ["unbiased", "paired"])
def test_weighted_linear_far_from_the_origin(rng, estimator):
    x, y, u, v = rng.normal(size=(8, 2)) + 1e6, rng.normal(size=(8, 2)) + 1e6, *rng.random((2, 8))

    def mean(a, b, p, q, *, with_same):
        pairs = [(i, j) for i in range(8) for j in range(8) if with_same or i != j]
        mass = {(i, j): mpmath.mpf(p[i]) * mpmath.mpf(q[j]) for i, j in pairs}
        total = sum(
            mass[i, j] * sum(mpmath.mpf(s) * mpmath.mpf(t) for s, t in zip(a[i], b[j], strict=True))
            for i, j in pairs
        )
        return total / sum(mass.values())

    with mpmath.workdps(40):
        within = mean(x, x, u, u, with_same=False) + mean(y, y, v, v, with_same=False)
        between = mean(x, y, u, v, with_same=estimator == "unbiased")
        expected = float(within - 2 * between)
    got = mmd2(x, y, fd.Linear(), estimator=estimator, x_weights=u, y_weights=v)
    assert got == pytest.approx(expected, rel=1e-12)


@each_dtype
@pytest.mark.parametrize("kernel", [fd.Matern(0.5, 1e4), Energy(), Energy(0.5), RBF(1e4)], ids=str)
def test_near_rows_in_clusters_far_apart(rng, kernel, dtype):
    """Use a kernel whose slope, but not its value, depends on how near two rows are."""
    x, y = rng.normal(size=(2, 20, 5))
    x[::2] += 2400.0
    y[::3] += 2400.0
    x, y = x.astype(dtype), y.astype(dtype)
    _, got = mmd2_and_grad(x, y, kernel, wrt="x", estimator="biased")
    with backend.use("reference"):
        _, expected = mmd2_and_grad(
            x.astype(np.float64), y.astype(np.float64), kernel, wrt="x", estimator="biased"
        )
    contract = 1e-4 if dtype == np.float32 else 1e-11
    assert np.abs(got - expected).max() <= contract * np.abs(expected).max()

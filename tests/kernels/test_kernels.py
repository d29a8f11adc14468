"""Formulas, parameters, and how kernels combine."""

import math

import numpy as np
import pytest

import fastdiv as fd
from fastdiv import RBF, Energy, Kernel, Laplacian, Matern, Polynomial, Sum, mmd2, mmd_test
from fastdiv._engine import backend
from fastdiv.kernels.lowering import lower

X, Y = np.array([0.5, -1.0, 2.0]), np.array([1.5, 0.25, -0.5])
SQ = float(((X - Y) ** 2).sum())
L2, L1, DOT = math.sqrt(SQ), float(abs(X - Y).sum()), float(X @ Y)
R = L2 / 2.0

FORMULAS = {
    RBF(2.0): math.exp(-SQ / 8.0),
    RBF([1.0, 2.0, 4.0]): math.exp(-0.5 * (1.0**2 + (1.25 / 2) ** 2 + (2.5 / 4) ** 2)),
    RBF.from_gamma(0.3): math.exp(-0.3 * SQ),
    RBF.from_width(5.0): math.exp(-SQ / 5.0),
    Laplacian(2.0): math.exp(-L1 / 2.0),
    Matern(0.5, 2.0): math.exp(-R),
    Matern(1.5, 2.0): (1 + math.sqrt(3) * R) * math.exp(-math.sqrt(3) * R),
    Matern(2.5, 2.0): (1 + math.sqrt(5) * R + 5 * R**2 / 3) * math.exp(-math.sqrt(5) * R),
    fd.RationalQuadratic(0.7, 2.0): (1 + SQ / (2 * 0.7 * 4.0)) ** -0.7,
    fd.InverseMultiquadric(3.0): 3.0 / (3.0 + SQ),
    Polynomial(): (DOT / 3 + 1) ** 3,
    Polynomial(2, gamma=0.5, coef0=0.25): (0.5 * DOT + 0.25) ** 2,
    Polynomial(1, coef0=0): DOT / 3,
    fd.Linear(): DOT,
    Energy(): -L2,
    Energy(0.6): -(L2**0.6),
    Sum([fd.Linear(), Energy()], weights=[2.0, -0.5]): 2 * DOT + L2 / 2,
    fd.Callback(lambda a, b: np.maximum(a, 0) @ np.maximum(b, 0).T): 0.75,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", FORMULAS, ids=lambda k: str(k).partition(" at ")[0])
def test_formula(kernel, dtype):
    """A witness with a kernel that ignores one sample shows single kernel values."""
    x, y = X.astype(dtype)[None], Y.astype(dtype)[None]
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    expected = FORMULAS[kernel]
    at_self = fd.witness(x, y, x, kernel)[0]
    same = value_on_self(kernel)
    assert at_self == pytest.approx(same - expected, rel=tolerance, abs=tolerance * abs(same))


def value_on_self(kernel):
    """Return k(X, X)."""
    if isinstance(kernel, Sum):
        return sum(
            w * value_on_self(k) for w, k in zip(kernel.weights, kernel.kernels, strict=True)
        )
    norm = float(X @ X)
    if isinstance(kernel, Polynomial):
        gamma = 1 / 3 if kernel.gamma is None else kernel.gamma
        return (gamma * norm + kernel.coef0) ** kernel.degree
    if isinstance(kernel, fd.Linear):
        return norm
    if isinstance(kernel, Energy):
        return 0.0
    return 4.25 if isinstance(kernel, fd.Callback) else 1.0


BAD = [
    (lambda: RBF(0), ValueError, "bandwidth"),
    (lambda: RBF(-1.0), ValueError, "bandwidth"),
    (lambda: RBF(math.nan), ValueError, "bandwidth"),
    (lambda: RBF(math.inf), ValueError, "bandwidth"),
    (lambda: RBF("auto"), ValueError, "bandwidth"),
    (lambda: RBF(None), TypeError, "bandwidth"),
    (lambda: RBF(True), TypeError, "bandwidth"),
    (lambda: RBF([1.0, 0.0]), ValueError, "bandwidth"),
    (lambda: RBF([1.0, math.nan]), ValueError, "bandwidth"),
    (lambda: RBF([[1.0, 2.0]]), ValueError, "bandwidth"),
    (lambda: RBF([]), ValueError, "bandwidth"),
    (lambda: RBF(["a", "b"]), TypeError, "bandwidth"),
    (lambda: RBF([[1.0], [1.0, 2.0]]), ValueError, "bandwidth must not be ragged"),
    (lambda: RBF.from_gamma([[1.0], [1.0, 2.0]]), ValueError, "gamma must not be ragged"),
    (lambda: Laplacian([[1.0], [1.0, 2.0]]), ValueError, "bandwidth must not be ragged"),
    (lambda: RBF([1e-310, 1.0]), ValueError, "bandwidth"),
    (lambda: RBF.from_gamma(0), ValueError, "gamma"),
    (lambda: RBF.from_gamma(1.7e308), ValueError, "gamma must not lie at the end"),
    (lambda: RBF.from_gamma([1.0, 1.7e308]), ValueError, "gamma must not lie at the end"),
    (lambda: RBF.from_width(5e-324), ValueError, "width must not lie at the end"),
    (lambda: RBF.from_gamma("1"), TypeError, "gamma"),
    (lambda: RBF.from_width(-1), ValueError, "width"),
    (lambda: Laplacian([1.0, 2.0]), ValueError, "bandwidth"),
    (lambda: Laplacian(0), ValueError, "bandwidth"),
    (lambda: Matern(1.0), ValueError, "nu"),
    (lambda: Matern("1.5"), TypeError, "nu"),
    (lambda: Matern(1.5, -2), ValueError, "bandwidth"),
    (lambda: fd.RationalQuadratic(0), ValueError, "alpha"),
    (lambda: fd.RationalQuadratic(1.0, "mean"), ValueError, "bandwidth"),
    (lambda: fd.InverseMultiquadric(0), ValueError, "c"),
    (lambda: fd.InverseMultiquadric(), TypeError, "c"),
    (lambda: fd.InverseMultiquadric([[1.0], [1.0, 2.0]]), ValueError, "c must not be ragged"),
    (lambda: Polynomial(0), ValueError, "degree must be an integer from 1 to 100; got 0"),
    (lambda: Polynomial(101), ValueError, "degree must be an integer from 1 to 100; got 101"),
    (lambda: Polynomial(10**400), ValueError, "degree must be an integer from 1 to 100"),
    (lambda: Polynomial(-(10**5000)), ValueError, "degree must be an integer from 1 to 100"),
    (lambda: Polynomial(True), TypeError, "degree"),
    (lambda: Polynomial(1.5), TypeError, "degree"),
    (lambda: Polynomial(gamma=-1), ValueError, "gamma"),
    (lambda: Polynomial(coef0=-0.1), ValueError, "coef0"),
    (lambda: Polynomial(coef0=math.inf), ValueError, "coef0"),
    (lambda: Energy(2), ValueError, "exponent"),
    (lambda: Energy(0), ValueError, "exponent"),
    (lambda: Sum([]), ValueError, "kernels"),
    (lambda: Sum(RBF()), TypeError, "kernels"),
    (lambda: Sum(["rbf"]), TypeError, "kernels"),
    (lambda: Sum([RBF()], weights=[1, 2]), ValueError, "weights"),
    (lambda: Sum([RBF()], weights=[math.nan]), ValueError, "weights"),
    (lambda: Sum([RBF()], weights=["1"]), TypeError, "weights"),
    (lambda: Sum([RBF()], weights=2.0), TypeError, "weights of Sum must be a sequence"),
    (lambda: Sum([RBF()], weights=np.array(2.0)), TypeError, "weights of Sum must be a sequence"),
    (lambda: Sum(3), TypeError, "kernels must be"),
    (lambda: Sum([Kernel()]), TypeError, "kernels must be"),
    (lambda: fd.Callback(3), TypeError, "f"),
]


@pytest.mark.parametrize(("build", "error", "name"), BAD)
def test_bad_parameters(build, error, name):
    with pytest.raises(error, match=rf"\b{name}\b"):
        build()


@pytest.mark.parametrize(
    ("kernel", "error", "words"),
    [
        ("rbf", TypeError, "kernel must be a fastdiv kernel"),
        (None, TypeError, "kernel must be"),
        (RBF, TypeError, r"did you mean RBF\(\)"),
        (np.dot, TypeError, r"Callback\(f\)"),
        (Kernel(), TypeError, "kernel must be .* the base class of all kernels"),
        (Kernel, TypeError, "kernel must be .* the base class of all kernels"),
        ([RBF(1.0), Kernel()], TypeError, "kernel must be .* the base class of all kernels"),
        ([RBF(1.0), "rbf"], TypeError, "kernel must be"),
        ([], ValueError, "kernel must hold at least one"),
        ({RBF(1.0)}, TypeError, "kernel must be"),
        (RBF([1.0, 2.0]), ValueError, "bandwidth of RBF must be one number or one per feature, 3"),
        (Sum([RBF([1.0])]), ValueError, "bandwidth of RBF"),
        (RBF([1.0]), ValueError, r"per feature, 3; got 1: .* \[RBF\(a\), RBF\(b\)\].* Sum"),
    ],
)
@pytest.mark.parametrize("call", [mmd2, mmd_test, lambda x, y, k: fd.witness(x, y, x, k)])
def test_bad_kernels(call, kernel, error, words):
    x = np.ones((3, 3))
    with pytest.raises(error, match=words):
        call(x, x, kernel)


@pytest.mark.parametrize("call", [mmd2, mmd_test, lambda x, y, k: fd.witness(x, y, x, k)])
@pytest.mark.parametrize(
    ("kernel", "dtype", "words"),
    [
        (RBF(1e-40), np.float32, "^the bandwidth is below 1e-15 of"),
        (RBF(1e-140), np.float64, "^the bandwidth is below 1e-100 of"),
        (Laplacian(1e-40), np.float32, "^the bandwidth is below 1e-30 of"),
        (Laplacian(1e-220), np.float64, "^the bandwidth is below 1e-200 of"),
        (Matern(0.5, 1e-40), np.float32, "^the bandwidth is below"),
        (fd.RationalQuadratic(1.0, 1e-40), np.float32, "^the bandwidth is below"),
        (fd.RationalQuadratic(1e-40, 1.0), np.float32, "^alpha of the rational quadratic"),
        (fd.RationalQuadratic(1e-250, 1.0), np.float64, "^alpha of the rational quadratic"),
        (fd.InverseMultiquadric(1e-40), np.float32, "^c of the inverse multiquadric"),
        (fd.InverseMultiquadric(1e-250), np.float64, "^c of the inverse multiquadric"),
    ],
    ids=str,
)
def test_parameters_out_of_range_for_the_data(core, rng, call, kernel, dtype, words):
    x = rng.normal(size=(6, 2)).astype(dtype)
    with backend.use("core"), pytest.raises(ValueError, match=words):
        call(x, x, kernel)


@pytest.mark.parametrize("make", [RBF, Laplacian, Matern, fd.RationalQuadratic])
def test_zero_median(make):
    x = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    for call in (mmd2, mmd_test, lambda x, y, k: fd.witness(x, y, x, k)):
        with pytest.raises(ValueError, match=r"bandwidth='median' is zero.*pass a positive"):
            call(x, x, make())
    assert fd.median_distance(x) == 0.0


def test_own_subclass_is_sent_to_callback():
    class Own(Kernel):
        pass

    with pytest.raises(NotImplementedError, match=r"Own has no compiled form.*Callback\(f\)"):
        mmd2([1.0, 2.0], [3.0, 4.0], Own())


def test_highest_degree():
    x, y = np.array([0.5, 0.25]), np.array([1.0, 0.75])
    kernel = Polynomial(100, gamma=1.0, coef0=0.25)
    expected = (0.375**100 - 0.5 * sum((a * b + 0.25) ** 100 for a in x for b in y)) + 1.0
    assert mmd2(x, y, kernel) == pytest.approx(expected, rel=1e-12)


def test_value_semantics():
    assert RBF(2) == RBF(np.float32(2)) == RBF(np.array(2.0))
    assert RBF([1, 2]) == RBF(np.array([1.0, 2.0])) != RBF(1)
    assert len({RBF(2), RBF(2.0), RBF([1, 2]), RBF((1.0, 2.0)), Sum([RBF(1)]), Sum((RBF(1),))}) == 3
    assert repr(Sum([RBF(1), Energy()])) == (
        "Sum(kernels=(RBF(bandwidth=1.0), Energy(exponent=1.0)), weights=(1.0, 1.0))"
    )
    assert all(eval(repr(k), vars(fd)) == k for k in FORMULAS if "lambda" not in repr(k))
    with pytest.raises(AttributeError):
        RBF(1.0).bandwidth = 2.0


def test_median_is_resolved_everywhere(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(15, 3))
    l2, l1 = fd.median_distance(x, y), fd.median_distance(x, y, metric="cityblock")
    kernel = Sum([RBF(), Sum([Laplacian(), Matern()]), fd.RationalQuadratic()])
    resolved = Sum(
        [RBF(l2), Sum([Laplacian(l1), Matern(bandwidth=l2)]), fd.RationalQuadratic(bandwidth=l2)]
    )
    assert mmd2(x, y, kernel) == mmd2(x, y, resolved)
    assert mmd_test(x, y, kernel, n_resamples=9, rng=0).kernel == resolved
    assert mmd_test(x, y, Polynomial(2), n_resamples=9).kernel == Polynomial(2, gamma=1 / 3)


def test_median_is_computed_once(monkeypatch, rng):
    from fastdiv.mmd import bandwidth

    calls = []
    median = bandwidth.pooled_medians
    monkeypatch.setattr(
        bandwidth, "pooled_medians", lambda *args: calls.append(args[1]) or median(*args)
    )
    x, y = rng.normal(size=(2, 9, 2))
    mmd2(x, y, [RBF(), Matern(), Sum([RBF(), Laplacian()]), Laplacian()])
    assert sorted(calls) == ["cityblock", "euclidean"]
    calls.clear()
    mmd2(x, y, [RBF(1.0), Energy()])
    assert calls == []


def test_one_pass_over_the_distances():
    kernels = [RBF(s) for s in (1.0, 2.0)] + [Sum([Energy(), Matern(1.5, 1.0)])]
    groups = lower(kernels).groups
    assert len(groups) == 1
    assert len(groups[0][-1]) == 4
    vectors = [RBF([1.0, 2.0]), RBF([1.0, 2.0]), RBF([2.0, 2.0]), RBF(1.0)]
    assert [len(terms) for *_, terms in lower(vectors).groups] == [2, 1, 1]


ALL = [k for k in FORMULAS if not isinstance(k, Sum)]


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_sequence_and_sum_are_linear(rng, estimator):
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(9, 3))
    one_by_one = np.array([mmd2(x, y, k, estimator=estimator) for k in ALL])
    together = mmd2(x, y, ALL, estimator=estimator)
    assert together.shape == (len(ALL),)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12, atol=1e-13)
    weights = rng.normal(size=len(ALL))
    summed = mmd2(x, y, Sum([Sum(ALL[:5], weights[:5]), *ALL[5:]], [1, *weights[5:]]))
    if estimator == "unbiased":
        assert summed == pytest.approx(weights @ one_by_one, rel=1e-10)


def test_vector_bandwidth_is_a_scaling(rng):
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(9, 3))
    s = np.array([0.5, 2.0, 8.0])
    assert mmd2(x, y, RBF(s)) == pytest.approx(mmd2(x / s, y / s, RBF(1.0)), rel=1e-12)
    assert mmd2(x, y, RBF([2.0] * 3)) == pytest.approx(mmd2(x, y, RBF(2.0)), rel=1e-12)


@pytest.mark.parametrize("make", [Laplacian, Matern, fd.RationalQuadratic])
def test_several_bandwidths_are_several_kernels(make):
    with pytest.raises(ValueError, match=r"one number; got shape \(2,\): .*list with one kernel"):
        make(bandwidth=[1.0, 2.0])


@pytest.mark.parametrize("name", ["gamma", "width"])
@pytest.mark.parametrize("value", [np.ones((2, 2)), []], ids=["2-D", "empty"])
def test_errors_name_the_parameter_that_was_given(name, value):
    make = {"gamma": RBF.from_gamma, "width": RBF.from_width}[name]
    with pytest.raises(ValueError, match=f"^{name} must be one number or have shape"):
        make(value)

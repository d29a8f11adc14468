"""KL divergence and its kin: accuracy, parity, invariances, masks and refusals."""

import mpmath
import numpy as np
import pytest
from cases import each_dtype
from gaussians import FULL, NAMES, RTOL, close_to, covariance, gaussian, parameter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from fastdiv import Gaussian, cross_entropy, jeffreys, kl
from fastdiv._engine import backend

mpmath.mp.dps = 60


def exact_kl(p, q):
    """Evaluate KL(p || q) of single distributions to 60 digits."""
    d = p.dim

    def moments(g):
        mean = mpmath.matrix([mpmath.mpf(float(v)) for v in g.mean])
        values = [[mpmath.mpf(float(v)) for v in np.atleast_1d(row)] for row in g.parameter]
        name = g.parametrisation
        if g.is_diagonal:
            to_var = {
                "std": lambda v: v**2,
                "var": lambda v: v,
                "logstd": lambda v: mpmath.exp(2 * v),
                "logvar": mpmath.exp,
            }[name]
            return mean, mpmath.diag([to_var(v) for (v,) in values])
        a = mpmath.matrix(values)
        if name == "scale_tril":
            return mean, a * a.T
        # Only the lower triangle counts.
        a = mpmath.matrix([[a[max(i, j), min(i, j)] for j in range(d)] for i in range(d)])
        return mean, a if name == "cov" else a**-1

    (mean_p, cov_p), (mean_q, cov_q) = moments(p), moments(q)
    inverse = cov_q**-1
    product = inverse * cov_p
    z = mean_p - mean_q
    trace = sum(product[i, i] for i in range(d))
    return (trace - d - mpmath.log(mpmath.det(product)) + (z.T * inverse * z)[0]) / 2


# --- the core against the reference, and both against exact arithmetic ----------------------


@each_dtype
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_parity(core, rng, name_p, name_q, dtype):
    for d in (1, 2, 3, 4, 5, 9, 17):
        for batch in ((), (8,), (2, 9)):
            p, q = gaussian(name_p, rng, batch, d, dtype), gaussian(name_q, rng, batch, d, dtype)
            with backend.use("core"):
                ours = kl(p, q)
            with backend.use("reference"):
                expected = kl(p, q)
            assert ours.shape == batch
            assert (ours >= 0).all()
            np.testing.assert_allclose(ours, expected, rtol=RTOL[dtype] * 10)


@pytest.mark.slow
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", ["logvar", *FULL])
def test_parity_of_large_matrices(core, rng, name_p, name_q):
    for d in (130, 256, 257, 289):
        p, q = gaussian(name_p, rng, (2,), d), gaussian(name_q, rng, (2,), d)
        with backend.use("core"):
            ours = kl(p, q)
        with backend.use("reference"):
            expected = kl(p, q)
        np.testing.assert_allclose(ours, expected, rtol=1e-11)
        # One item takes all threads, two take one each.
        assert kl(p[0], q[0], n_threads=2) == ours[0]
        assert not kl(p, p).any()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("cov", {(149, 3): np.nan}, "cov must be finite"),
        ("cov", {(3, 149): np.inf}, "cov must be finite"),
        ("cov", {(149, 3): 9.0}, "cov must be symmetric"),
        ("precision", {(149, 3): 9.0, (3, 149): 9.0}, "precision must be positive definite"),
        ("cov", {(140, 140): -1.0}, "cov must be positive definite"),
        ("scale_tril", {(3, 140): 0.5}, "scale_tril must be lower triangular"),
        ("scale_tril", {(140, 140): 0.0}, "scale_tril must not have zeros"),
    ],
)
def test_refusals_of_large_matrices(rng, name, changes, message):
    good = gaussian(name, rng, (), 260)
    bad = good.parameter.copy()
    for where, value in changes.items():
        bad[where] = value
    with pytest.raises(ValueError, match=message):
        Gaussian(good.mean, **{name: bad})


@pytest.mark.slow
def test_kl_is_the_integral(rng):
    for d, name in ((1, "std"), (2, "cov")):
        p, q = gaussian(name, rng, (), d), gaussian(name, rng, (), d)

        def integrand(*x, p=p, q=q):
            log_p, log_q = p.log_prob(x), q.log_prob(x)
            return np.exp(log_p) * (log_p - log_q)

        reach = 9 * np.sqrt(np.diag(p.cov()))
        ranges = [(m - r, m + r) for m, r in zip(p.mean, reach, strict=True)]
        integral = integrate.nquad(integrand, ranges, opts={"epsabs": 1e-10, "epsrel": 1e-8})[0]
        np.testing.assert_allclose(kl(p, q), integral, rtol=1e-6)


@each_dtype
@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_accuracy(rng, name_p, name_q, dtype):
    for d in (1, 3, 6):
        p, q = gaussian(name_p, rng, (), d, dtype), gaussian(name_q, rng, (), d, dtype)
        expected = exact_kl(p, q)
        assert abs(kl(p, q) / expected - 1) <= RTOL[dtype]


@each_dtype
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 3, 258])
def test_very_different_scales(name, d, dtype):
    """From a point mass, almost, to a wide distribution and back."""
    for ratio in (1e-4, 1e-8, 1e-12, 1e-17, 1e-30):
        if dtype == np.float32 and ratio < 1e-17 and name in ("var", "cov", "precision"):
            continue  # not a number of that type
        for std_p, std_q in ((ratio, 1.0), (1.0, 1 / ratio)):
            p, q = (scaled(name, std, d, dtype) for std in (std_p, std_q))
            log = mpmath.log(std_p) - mpmath.log(std_q)
            expected = d * (mpmath.expm1(2 * log) - 2 * log) / 2
            assert abs(kl(p, q) / expected - 1) <= RTOL[dtype]


def scaled(name, std, d, dtype):
    value = {
        "std": std,
        "var": std**2,
        "logstd": np.log(std),
        "logvar": 2 * np.log(std),
        "cov": std**2 * np.eye(d),
        "scale_tril": std * np.eye(d),
        "precision": std**-2 * np.eye(d),
    }[name]
    return Gaussian(np.zeros(d, dtype), **{name: np.asarray(value, dtype)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [1e-2, 1e-4, 1e-6, 1e-7])
def test_close_distributions_keep_their_digits(rng, name, change):
    for d in (1, 4, 7):
        p = gaussian(name, rng, (), d)
        q = close_to(p, change, rng)
        expected = exact_kl(p, q)
        assert 0 < expected < 1e3 * change**2
        assert abs(kl(p, q) / expected - 1) <= 1e-12 / change


@pytest.mark.parametrize("name", ["std", "var", "logstd", "logvar"])
def test_close_to_standard_in_float32(rng, name):
    for scale in (1e-1, 1e-3, 1e-6):
        log = (scale * rng.normal(size=5)).astype(np.float32)
        value = log if "log" in name else np.exp(log)
        p = Gaussian((scale * rng.normal(size=5)).astype(np.float32), **{name: value})
        zero = np.zeros(5) if "log" in name else np.ones(5)
        expected = exact_kl(p, Gaussian(np.zeros(5), **{name: zero}))
        assert abs(kl(p, Gaussian.standard(5)) / expected - 1) <= 1e-5


@pytest.mark.parametrize("name", NAMES)
@each_dtype
def test_equal_distributions_are_at_exactly_zero(rng, name, dtype):
    for d in (1, 3, 4, 9, 33):
        p = gaussian(name, rng, (11,), d, dtype)
        assert not kl(p, p).any()


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8])
def test_the_loss_by_conditioning_is_as_documented(rng, condition):
    d = 4
    errors = []
    for _ in range(5):
        basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
        cov = (basis * np.geomspace(1, 1 / condition, d)) @ basis.T
        cov = (cov + cov.T) / 2
        p, q = gaussian("cov", rng, (), d), Gaussian(rng.normal(size=d), cov=cov)
        errors.append(abs(kl(p, q) / exact_kl(p, q) - 1))
    assert max(errors) <= 1e-15 * condition + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["std", "logvar"])
def test_many_features_and_strides(rng, name):
    p, q = gaussian(name, rng, (3,), 1003), gaussian(name, rng, (3,), 1003)
    expected = kl(p, q)
    reversed_p = Gaussian(p.mean[:, ::-1], **{name: p.parameter[:, ::-1]})
    reversed_q = Gaussian(q.mean[:, ::-1], **{name: q.parameter[:, ::-1]})
    np.testing.assert_allclose(kl(reversed_p, reversed_q), expected, rtol=1e-14)
    fortran = Gaussian(np.asfortranarray(p.mean), **{name: np.asfortranarray(p.parameter)})
    assert np.array_equal(kl(fortran, q), expected)


@pytest.mark.parametrize("name", ["cov", "scale_tril", "precision"])
def test_layouts_of_matrices(rng, name):
    value = parameter(name, rng, (5,), 6)
    mean = rng.normal(size=(5, 6))
    q = gaussian("cov", rng, (5,), 6)
    expected = kl(Gaussian(mean, **{name: value}), q)
    big = np.zeros((5, 12, 18))
    big[:, ::2, ::3] = value
    for other in (np.asfortranarray(value), big[:, ::2, ::3], value[::-1].copy()[::-1]):
        np.testing.assert_allclose(kl(Gaussian(mean, **{name: other}), q), expected, rtol=1e-14)


@pytest.mark.parametrize("pair", [("logvar", "std"), ("var", "var"), ("cov", "precision")])
def test_threads_do_not_change_a_bit(rng, pair):
    p, q = gaussian(pair[0], rng, (5000,), 9), gaussian(pair[1], rng, (5000,), 9)
    one = kl(p, q, n_threads=1)
    for n_threads in (2, 3, 5):
        assert np.array_equal(kl(p, q, n_threads=n_threads), one)


# --- properties ------------------------------------------------------------------------


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 9), log_spread=st.floats(0, 3))
def test_invariance_additivity_and_data_processing(seed, d, log_spread):
    rng = np.random.default_rng(seed)
    p, q = gaussian("cov", rng, (), d), gaussian("cov", rng, (), d)
    value = kl(p, q)
    assert value >= 0

    # Invertible affine maps do not change it.
    a = rng.normal(size=(d, d)) * np.exp(log_spread * rng.normal(size=d))
    if np.linalg.cond(a) < 1e4:
        moved = [
            Gaussian(a @ g.mean + 3, cov=(c := a @ g.cov() @ a.T) / 2 + c.T / 2) for g in (p, q)
        ]
        np.testing.assert_allclose(kl(*moved), value, rtol=1e-6)

    # Independent blocks add up.
    other_p, other_q = gaussian("cov", rng, (), 2), gaussian("cov", rng, (), 2)

    def joined(one, two):
        cov = np.zeros((d + 2, d + 2))
        cov[:d, :d], cov[d:, d:] = one.cov(), two.cov()
        return Gaussian(np.append(one.mean, two.mean), cov=cov)

    total = kl(joined(p, other_p), joined(q, other_q))
    np.testing.assert_allclose(total, value + kl(other_p, other_q), rtol=1e-12)

    # Marginals are no farther apart.
    for k in range(1, d):
        marginal = [Gaussian(g.mean[:k], cov=g.cov()[:k, :k]) for g in (p, q)]
        assert kl(*marginal) <= value * (1 + 1e-12)


@pytest.mark.slow
def test_cross_entropy_and_jeffreys(rng):
    for name_p in NAMES:
        p, q = gaussian(name_p, rng, (4, 1), 3), gaussian("cov", rng, (3,), 3)
        assert jeffreys(p, q).shape == cross_entropy(p, q).shape == (4, 3)
        np.testing.assert_allclose(jeffreys(p, q), jeffreys(q, p), rtol=1e-14)
        x = p.sample(100_000, rng=2)
        estimate = -q.log_prob(x).mean(axis=0)
        error = q.log_prob(x).std(axis=0) / np.sqrt(len(x))
        assert (np.abs(cross_entropy(p, q) - estimate) < 5 * error).all()


# --- masks -----------------------------------------------------------------------------


def test_masks_select(rng):
    p, q = gaussian("std", rng, (4, 3), 2), gaussian("std", rng, (3,), 2)
    every = kl(p, q)
    mask = rng.random((4, 3)) < 0.5
    mask[0, 0] = True
    assert np.array_equal(kl(p, q, where=mask), np.where(mask, every, 0))
    np.testing.assert_allclose(kl(p, q, where=mask, reduce="sum"), every[mask].sum(), rtol=1e-14)
    np.testing.assert_allclose(kl(p, q, where=mask, reduce="mean"), every[mask].mean(), rtol=1e-14)
    np.testing.assert_allclose(kl(p, q, reduce="mean"), every.mean(), rtol=1e-14)
    np.testing.assert_allclose(
        kl(p, q, where=[True, False, False], reduce="sum"), every[:, 0].sum(), rtol=1e-14
    )


def test_padding_does_no_harm(rng):
    mean, logvar = rng.normal(size=(2, 5, 3))
    expected = kl(Gaussian(mean[:3], logvar=logvar[:3]), Gaussian.standard(3))
    mean[3:], logvar[3:] = np.nan, np.inf
    valid = np.arange(5) < 3
    p = Gaussian(mean, logvar=logvar, where=valid)
    assert np.array_equal(kl(p, Gaussian.standard(3), where=valid)[:3], expected)
    assert kl(p, Gaussian.standard(3), reduce="mean") == expected.mean()
    with pytest.raises(ValueError, match=r"where selects padding of p at batch index \(3,\)"):
        kl(p, Gaussian.standard(3), where=np.arange(5) < 4)


@pytest.mark.parametrize("reduce", ["none", "sum", "mean"])
def test_an_empty_mask_is_an_error(rng, reduce):
    p = gaussian("std", rng, (4,), 2)
    with pytest.raises(ValueError, match="where must select at least one item"):
        kl(p, p, where=np.zeros(4, bool), reduce=reduce)


# --- refusals --------------------------------------------------------------------------

P = Gaussian(np.zeros((3, 2)), std=1.0)
BAD = {
    "array": (
        lambda: kl(np.zeros(2), P),
        TypeError,
        "p must be a Gaussian; got ndarray",
    ),
    "dimensions": (
        lambda: kl(P, Gaussian.standard(3)),
        ValueError,
        "p and q must have the same dimension; got 2 and 3",
    ),
    "batches": (
        lambda: kl(P, Gaussian(np.zeros((4, 2)), std=1.0)),
        ValueError,
        r"batch shapes of p and q must broadcast; got \(3,\) and \(4,\)",
    ),
    "reduce": (lambda: kl(P, P, reduce="max"), ValueError, "reduce must be one of"),
    "mask": (lambda: kl(P, P, where=[1, 1, 0]), TypeError, "where must be a boolean mask"),
    "mask shape": (lambda: kl(P, P, where=[[True] * 4]), ValueError, "where must broadcast"),
    "threads": (lambda: kl(P, P, n_threads=0), ValueError, "n_threads"),
    "overflow": (
        lambda: kl(Gaussian([1e200], std=1.0), Gaussian([0.0], std=1e-200)),
        OverflowError,
        "the divergence is beyond the range",
    ),
    "empty mean": (
        lambda: kl(Gaussian(np.zeros((0, 2)), std=1.0), P.standard(2), reduce="mean"),
        ValueError,
        "at least one item",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()


def test_arrays_that_changed_after_construction(rng):
    cov = np.array([np.eye(3)] * 4)
    p = Gaussian(np.zeros(3), cov=cov)
    cov[2, 0, 0] = -1
    with pytest.raises(ValueError, match=r"cov must be positive definite at batch index \(2,\)"):
        kl(p, Gaussian.standard(3))


def test_covariance_of_the_tests_is_right(rng):
    for name in NAMES:
        p = gaussian(name, rng, (2,), 3)
        np.testing.assert_allclose(p.cov(), covariance(name, p.parameter), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["std", "cov"])
def test_distributions_of_two_dtypes_are_converted_in_blocks(rng, monkeypatch, name):
    a = rng.normal(size=(50, 1, 3, 4))
    given = {"std": 1.0 + rng.random((50, 1, 3)), "cov": a @ a.swapaxes(-1, -2)}[name]
    p = Gaussian(rng.normal(size=(50, 1, 3)).astype(np.float32), **{name: given.astype(np.float32)})
    q = Gaussian(rng.normal(size=(7, 3)), **{name: given[:7, 0]})
    wide = Gaussian(p.mean.astype(np.float64), **{name: given.astype(np.float32).astype(float)})
    expected = kl(wide, q)
    monkeypatch.setattr("fastdiv.distributions.arrays.BATCHED", 100)
    assert np.allclose(kl(p, q), expected, rtol=1e-13)
    where = rng.random((50, 7)) < 0.5
    assert np.allclose(kl(p, q, where=where), np.where(where, expected, 0.0), rtol=1e-13)

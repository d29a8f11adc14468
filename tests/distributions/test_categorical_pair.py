"""Divergences of categorical distributions: exact arithmetic, the reference, gradients."""

import decimal
from decimal import Decimal

import numpy as np
import pytest
from cases import each_dtype
from categoricals import INF, NAMES, RTOL, each_pair, given, of_the_core, parameter
from scipy.special import softmax

import fastdiv
from fastdiv import Categorical, Gaussian, cross_entropy, jeffreys, jensen_shannon, kl, kl_and_grad
from fastdiv._engine import backend
from fastdiv._sums import reference

SIZES = [1, 2, 3, 7, 16, 17, 31, 33, 255, 512, 513, 1111]


# --- exact arithmetic ------------------------------------------------------------------------


def exact_probs(distribution):
    """Return the probabilities of one distribution to many digits."""
    row = [Decimal(float(v)) for v in distribution.parameter]
    if distribution.parametrisation == "logits":
        weights = [(v - max(row)).exp() for v in row]
    else:
        weights = row
    return [w / sum(weights) for w in weights]


def exact_kl(p, q):
    return sum(
        Decimal(0) if a == 0 else Decimal("Infinity") if b == 0 else a * (a / b).ln()
        for a, b in zip(p, q, strict=True)
    )


@pytest.fixture
def many_digits():
    with decimal.localcontext() as context:
        context.prec = 150
        context.Emin, context.Emax = -(10**9), 10**9
        yield


CASES = {
    "apart": (3.0, 2.0, 0.0),
    "near": (2.0, 1e-3, 0.0),
    "nearer": (2.0, 1e-5, 0.0),
    "1e-6 apart": (1.0, 1e-6, 0.0),
    "shifted": (2.0, 1e-2, 5.3),
    "far": (30.0, 20.0, 0.0),
    "very far": (300.0, 300.0, 0.0),
    "even": (0.0, 0.5, 0.0),
}


@pytest.mark.usefixtures("many_digits")
@each_dtype
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_divergences_to_the_promised_accuracy(rng, case, name, dtype):
    scale, apart, shift = CASES[case]
    for k in (2, 3, 40):
        logits = scale * rng.normal(size=k)
        p = given(logits, name, dtype)
        q = given(logits + apart * rng.normal(size=k) + shift, name, dtype)
        exact_p, exact_q = exact_probs(p), exact_probs(q)
        middle = [(a + b) / 2 for a, b in zip(exact_p, exact_q, strict=True)]
        expected = exact_kl(exact_p, exact_q)
        # Close float32 logits may round to equal ones up to a constant.
        assert kl(p, q) >= 0
        if expected > 1e-14 or dtype == np.float64:
            assert kl(p, q) == pytest.approx(float(expected), rel=RTOL[dtype], abs=0)
            expected = (exact_kl(exact_p, middle) + exact_kl(exact_q, middle)) / 2
            assert jensen_shannon(p, q) == pytest.approx(float(expected), rel=RTOL[dtype], abs=0)
        entropy = -sum(a * a.ln() for a in exact_p if a)
        assert p.entropy() == pytest.approx(float(entropy), rel=RTOL[dtype], abs=1e-15)


@pytest.mark.usefixtures("many_digits")
@each_dtype
def test_mixed_parametrisations_and_dtypes(rng, dtype):
    logits = 2 * rng.normal(size=(2, 30))
    for name_p, name_q in (("probs", "logits"), ("logits", "probs")):
        p, q = given(logits[0], name_p, dtype), given(logits[1], name_q, dtype)
        expected = float(exact_kl(exact_probs(p), exact_probs(q)))
        assert kl(p, q) == pytest.approx(expected, rel=RTOL[dtype])
    p, q = given(logits[0], "logits", np.float32), given(logits[1], "logits", np.float64)
    assert kl(p, q) == pytest.approx(float(exact_kl(exact_probs(p), exact_probs(q))), rel=1e-6)


@pytest.mark.usefixtures("many_digits")
@each_dtype
def test_tiny_and_subnormal_probabilities(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    for other in (tiny, np.finfo(dtype).tiny, 3 * np.finfo(dtype).tiny, 1e-20):
        p = Categorical(probs=np.array([0.5, 0.5, 0.0], dtype))
        q = Categorical(probs=np.array([0.5, other, 0.5], dtype))
        for a, b in ((p, q), (q, q), (Categorical(probs=np.array([tiny, 1, 0], dtype)), q)):
            expected = float(exact_kl(exact_probs(a), exact_probs(b)))
            assert kl(a, b) == pytest.approx(expected, rel=RTOL[dtype], abs=0)


@each_dtype
@each_pair
def test_equal_distributions(rng, name_p, name_q, dtype):
    for k in SIZES:
        logits = 5 * rng.normal(size=(3, k))
        p = given(logits, name_p, dtype)
        if name_p == name_q:
            np.testing.assert_array_equal(kl(p, p), 0.0)
            np.testing.assert_array_equal(jensen_shannon(p, p), 0.0)
        values = kl(p, given(logits, name_q, dtype))
        assert (values >= 0).all()
        assert (values < 1e-12 if dtype == np.float32 else values < 1e-25).all()


def test_a_shift_of_the_logits_changes_nothing(rng):
    p, q = (rng.integers(-8, 9, size=(4, 50)).astype(np.float32) for _ in range(2))
    expected = kl(Categorical(logits=p), Categorical(logits=q))
    shifted = kl(Categorical(logits=p + 64), Categorical(logits=q - 32))
    np.testing.assert_allclose(shifted, expected, rtol=1e-6)
    assert kl(Categorical(logits=p[0]), Categorical(logits=p[0] + 64)) == 0


@pytest.mark.usefixtures("many_digits")
@each_dtype
@pytest.mark.parametrize("offset", [1e5, 1e6, -1e6, 1e9, 1e12])
def test_large_offsets_of_the_logits_take_no_digits_away(offset, dtype):
    p, q = np.array([0, 1, 2], dtype), np.array([0, 0.5, 3], dtype)
    step = np.spacing(dtype(abs(offset)))
    wide_p, wide_q = (dtype(offset) + max(1, step) * row for row in (p, q))
    for a, b in (
        (wide_p, wide_q),
        (wide_p, q),
        (p, wide_q),
        (wide_p, dtype(offset / 3) + max(1, step) * q),
        (wide_p, -wide_q),
    ):
        shifted = [Categorical(logits=row) for row in (a, b)]
        exact = [exact_probs(side) for side in shifted]
        middle = [(v + w) / 2 for v, w in zip(*exact, strict=True)]
        expected = float(exact_kl(*exact))
        assert kl(*shifted) == pytest.approx(expected, rel=RTOL[dtype], abs=0)
        expected = float(sum(exact_kl(probs, middle) for probs in exact) / 2)
        assert jensen_shannon(*shifted) == pytest.approx(expected, rel=RTOL[dtype], abs=0)


@each_dtype
@pytest.mark.parametrize("engine", ["core", "reference"])
def test_logits_whose_difference_overflows(core, engine, dtype):
    huge = np.finfo(dtype).max
    certain = Categorical(logits=np.array([huge, -huge], dtype))
    other = Categorical(logits=np.array([-huge, huge], dtype))
    even = Categorical(logits=np.zeros(2, dtype))
    low, high = (Categorical(logits=np.full(2, v, dtype)) for v in (-huge, huge))
    # The logarithm of a probability is in float64.
    total = 2 * float(huge) if dtype == np.float32 else INF
    with backend.use(engine):
        assert kl(certain, even) == pytest.approx(np.log(2), rel=RTOL[dtype])
        assert kl(certain, low) == pytest.approx(np.log(2), rel=RTOL[dtype])
        assert kl(certain, other) == total
        assert kl(even, certain) == kl(high, certain) == total / 2
        assert jeffreys(certain, other) == 2 * total
        for a, b in ((certain, certain), (even, low), (low, high), (high, low)):
            assert kl(a, b) == jensen_shannon(a, b) == 0
        assert jensen_shannon(certain, other) == pytest.approx(np.log(2), rel=RTOL[dtype])
    np.testing.assert_array_equal(certain.probs(), [1, 0])
    assert certain.log_prob(0) == 0
    assert certain.log_prob(1) == 2 * -float(huge)  # -inf in float64
    assert certain.entropy() == 0


@each_dtype
@pytest.mark.parametrize("engine", ["core", "reference"])
@pytest.mark.parametrize("far", [1e6, 1e16, 3e38])
def test_logits_that_take_digits_from_their_differences(core, engine, far, dtype):
    p = Categorical(logits=np.array([far, -far], dtype))
    q = Categorical(logits=np.array([1.0, 2.0], dtype))
    with backend.use(engine):
        assert kl(p, q) == pytest.approx(1 + np.log1p(np.exp(-1.0)), rel=RTOL[dtype])


def test_a_sum_of_divergences_beyond_the_range_is_refused():
    huge = np.finfo(np.float64).max
    p, q = Categorical(logits=[huge, 0.0]), Categorical(logits=[0.0, huge])
    with pytest.raises(OverflowError, match=r"^the divergence is too large for float64"):
        jeffreys(p, q)


@each_dtype
def test_impossible_categories(dtype):
    for name, rows in {
        "probs": [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]],
        "logits": [[0.0, 0.0, -INF], [-INF, 0.0, 0.0], [3.0, -INF, -INF]],
    }.items():
        d = Categorical(**{name: np.array(rows, dtype)})
        p, q = (Categorical(**{name: a}) for a in (d.parameter[:, None], d.parameter))
        values = kl(p, q)
        expected = [[0, INF, INF], [INF, 0, INF], [np.log(2), INF, 0]]
        np.testing.assert_allclose(values, expected, rtol=RTOL[dtype])
        expected = np.log(2) * np.array([[0, 0.5, INF], [0.5, 0, 1], [0, 1, 0]])
        js = 0.5 * (np.log(4 / 3) + 0.5 * np.log(2 / 3) + 0.5 * np.log(2))
        expected[0, 2] = expected[2, 0] = js
        np.testing.assert_allclose(jensen_shannon(p, q), expected, rtol=RTOL[dtype], atol=1e-300)
        np.testing.assert_allclose(d.entropy(), np.log([2, 2, 1]), rtol=RTOL[dtype])
        np.testing.assert_array_equal(d.probs(), [[0.5, 0.5, 0], [0, 0.5, 0.5], [1, 0, 0]])
        assert d.log_prob(2)[0] == -INF
        assert kl(p, q, reduce="mean") == INF


def test_masks_in_the_manner_of_attention():
    """-1e30 or the most negative number stands for -inf. Equal in p and q, it adds nothing."""
    for masked in (-1e30, np.finfo(np.float32).min):
        p = Categorical(logits=np.array([0.0, 1.0, masked], np.float32))
        q = Categorical(logits=np.array([1.0, 0.0, masked], np.float32))
        expected = kl(Categorical(logits=[0.0, 1.0]), Categorical(logits=[1.0, 0.0]))
        assert kl(p, q) == pytest.approx(expected, rel=1e-6)
        far = Categorical(logits=np.array([0.0, masked, 0.0], np.float32))
        assert kl(p, far) == pytest.approx(-masked / (1 + np.exp(-1)), rel=1e-5)


# --- core and reference ----------------------------------------------------------------------


def batch(rng, n, k, name, dtype):
    """Draw rows with a few impossible categories, the same in both."""
    logits = 3 * rng.normal(size=(2, n, k))
    logits[:, rng.random((n, k)) < 0.1] = -INF
    logits[..., 0] = 0.3
    return [parameter(values, name, dtype) for values in logits]


@each_dtype
@each_pair
@pytest.mark.parametrize("k", SIZES)
def test_parity(core, rng, k, name_p, name_q, dtype):
    p, q = batch(rng, 5, k, name_p, dtype)[0], batch(rng, 5, k, name_q, dtype)[1]
    for values, name in ((p, name_p), (q, name_q)):
        ours = core.categorical_normalisers(values, name, 0, None)
        theirs = reference.categorical_normalisers(values, name, 0, None)
        np.testing.assert_allclose(ours, theirs, rtol=RTOL[dtype])
        np.testing.assert_allclose(
            core.categorical_entropy(values, name, theirs, 0, None),
            reference.categorical_entropy(values, name, theirs, 0, None),
            rtol=RTOL[dtype],
            atol=1e-15,
        )
    with np.errstate(divide="ignore"):
        # The two have different impossible categories.
        q = np.where(np.isin(p, [0, -INF]), q * 0 if name_q == "probs" else -INF, q).astype(dtype)
        p = np.where(np.isin(q, [0, -INF]), p * 0 if name_p == "probs" else -INF, p).astype(dtype)
    p, q = (
        a / a.sum(-1, keepdims=True) if n == "probs" else a for a, n in ((p, name_p), (q, name_q))
    )
    norm_p, norm_q = (
        reference.categorical_normalisers(a, n, 0, None) for a, n in ((p, name_p), (q, name_q))
    )
    arguments = (p, name_p, norm_p, q, name_q, norm_q, 0, None)
    for function in ("categorical_kl", "categorical_jensen_shannon"):
        ours, theirs = (getattr(b, function)(*arguments) for b in (core, reference))
        np.testing.assert_allclose(ours, theirs, rtol=RTOL[dtype], atol=1e-15)


@pytest.mark.parametrize("engine", ["core", "reference"])
def test_a_nearly_impossible_category_of_p(core, engine):
    """Let q/p overflow, but not p q/p. The definition is as good as the code."""
    p, even = Categorical(logits=[0.0, -720.0]), Categorical(logits=[0.0, 0.0])
    with backend.use(engine):
        np.testing.assert_allclose(kl(p, even), np.log(2), rtol=1e-12)
        assert kl(p, Categorical(logits=[-720.0, 0.0])) == 720
        np.testing.assert_allclose(jensen_shannon(p, even), 0.21576155433883565, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [1e-2, 1e-5, 1e-8])
def test_the_definition_keeps_the_digits_of_close_distributions(core, rng, name, change):
    logits = rng.normal(size=(20, 7))
    close = logits + change * rng.normal(size=(20, 7))
    p, q = (Categorical(**{name: parameter(x, name, np.float64)}) for x in (logits, close))
    for function in (kl, jensen_shannon):
        ours = function(p, q)
        with backend.use("reference"):
            np.testing.assert_allclose(function(p, q), ours, rtol=1e-9)


@each_dtype
@each_pair
@pytest.mark.parametrize("engine", ["core", "reference"])
def test_jensen_shannon_is_at_most_log_2(core, rng, engine, name_p, name_q, dtype):
    far = [given(200 * rng.normal(size=(2000, 10)), name, dtype) for name in (name_p, name_q)]
    with backend.use(engine):
        values = jensen_shannon(*far)
    assert values.max() == np.log(2)


@each_dtype
def test_any_layout(rng, dtype):
    logits = rng.normal(size=(3, 20, 4)).astype(dtype)
    expected = kl(Categorical(logits=logits), Categorical(logits=logits[::-1].copy()))
    assert expected.shape == (3, 20)
    for view in (
        np.asfortranarray(logits),
        np.repeat(logits, 2, axis=-1)[..., ::2],
        logits[:, :, ::-1].copy()[:, :, ::-1],
    ):
        values = kl(Categorical(logits=view), Categorical(logits=view[::-1]))
        np.testing.assert_allclose(values, expected, rtol=RTOL[dtype])
    wide = np.ascontiguousarray(logits.swapaxes(1, 2)).swapaxes(1, 2)
    p = Categorical(logits=wide)
    np.testing.assert_allclose(p.entropy(), Categorical(logits=logits).entropy(), rtol=RTOL[dtype])
    # a stride of 0 along the batch and along the categories
    row = Categorical(logits=np.broadcast_to(logits[0, 0], (3, 20, 4)))
    np.testing.assert_array_equal(kl(row, p), kl(Categorical(logits=logits[0, 0]), p))
    flat = Categorical(logits=np.broadcast_to(dtype(2), (20, 4)))
    np.testing.assert_allclose(flat.entropy(), np.log(4), rtol=1e-6)


def test_batch_shapes(rng):
    logits = rng.normal(size=(2, 1, 3, 5))
    p, q = Categorical(logits=logits), Categorical(logits=rng.normal(size=(4, 1, 5)))
    values = kl(p, q)
    assert values.shape == (2, 4, 3)
    one = kl(Categorical(logits=logits[1, 0, 2]), Categorical(logits=q.parameter[3, 0]))
    assert values[1, 3, 2] == one
    assert isinstance(one, np.float64)
    assert kl(Categorical(logits=logits[:1, 0, :1]), Categorical(logits=[0.0] * 5)).shape == (1, 1)
    empty = Categorical(logits=np.empty((0, 5)))
    assert kl(empty, empty).shape == empty.entropy().shape == (0,)
    assert empty.sample(3, rng=0).shape == (3, 0)


@each_dtype
@pytest.mark.parametrize("name", NAMES)
def test_rows_longer_than_a_part(rng, name, dtype):
    """A row is cut at 2^17 categories."""
    k = (1 << 18) + 1001
    logits = 2 * rng.normal(size=(2, 2, k))
    logits[0, 0, : 1 << 17] = -INF
    logits[1, 0, : 1 << 17] -= 200.0
    p, q = (given(values, name, dtype) for values in logits)
    with backend.use("reference"):
        expected = kl(p, q), p.entropy(), given(logits[0], name, dtype)._normalisers
    np.testing.assert_allclose(kl(p, q), expected[0], rtol=RTOL[dtype])
    np.testing.assert_allclose(p.entropy(), expected[1], rtol=RTOL[dtype])
    np.testing.assert_allclose(p._normalisers, expected[2], rtol=RTOL[dtype])


@each_dtype
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(700, 37), (64, 5000), (2, 1 << 18)])
def test_threads_do_not_change_a_bit(rng, shape, name, dtype):
    p, q = (given(values, name, dtype) for values in rng.normal(size=(2, *shape)))
    functions = (
        lambda n: kl(p, q, n_threads=n),
        lambda n: jensen_shannon(p, q, n_threads=n),
        lambda n: p.entropy(n_threads=n),
    )
    for function in functions:
        alone = function(1)
        for n_threads in (2, 3, 8):
            np.testing.assert_array_equal(function(n_threads), alone)


# --- what belongs together -------------------------------------------------------------------


@each_pair
def test_relatives(rng, name_p, name_q):
    logits = rng.normal(size=(2, 6, 9))
    p, q = given(logits[0], name_p, float), given(logits[1], name_q, float)
    np.testing.assert_allclose(jeffreys(p, q), kl(p, q) + kl(q, p))
    np.testing.assert_allclose(
        cross_entropy(p, q),
        -(softmax(logits[0], axis=-1) * np.log(softmax(logits[1], axis=-1))).sum(-1),
    )
    np.testing.assert_allclose(jensen_shannon(p, q), jensen_shannon(q, p), rtol=1e-13)
    middle = Categorical(probs=(p.probs() + q.probs()) / 2)
    np.testing.assert_allclose(jensen_shannon(p, q), (kl(p, middle) + kl(q, middle)) / 2)


def test_divergences_never_grow_when_categories_are_merged(rng):
    p, q = (softmax(2 * rng.normal(size=(50, 12)), axis=-1) for _ in range(2))
    merged = [Categorical(probs=a.reshape(50, 4, 3).sum(-1)) for a in (p, q)]
    whole = [Categorical(probs=a) for a in (p, q)]
    for divergence in (kl, jeffreys, jensen_shannon):
        assert (divergence(*merged) <= divergence(*whole) * (1 + 1e-12)).all()


def test_divergences_of_independent_pairs_add_up(rng):
    a, b, c, d = (np.log(softmax(rng.normal(size=7), axis=-1)) for _ in range(4))
    joint = [Categorical(logits=(x[:, None] + y).ravel()) for x, y in ((a, b), (c, d))]
    parts = (
        kl(Categorical(logits=a), Categorical(logits=c)),
        kl(Categorical(logits=b), Categorical(logits=d)),
    )
    assert kl(*joint) == pytest.approx(sum(parts), rel=1e-12)


def test_masks(rng):
    logits = rng.normal(size=(4, 6))
    p = Categorical(logits=logits)
    full = kl(p, Categorical(probs=np.full(6, 1 / 6)))
    logits[1], logits[2, 3] = np.nan, INF
    mask = np.array([True, False, False, True])
    padded = Categorical(logits=logits, where=mask)
    q = Categorical(logits=np.zeros(6))
    np.testing.assert_allclose(kl(padded, q), full * mask)
    np.testing.assert_allclose(kl(padded, q, reduce="mean"), full[mask].mean())
    np.testing.assert_allclose(
        kl(q, padded, where=[True, False, False, False], reduce="sum"), kl(q, p)[0]
    )
    assert np.isfinite(jensen_shannon(padded, q)).all()
    assert (jensen_shannon(padded, q)[1:3] == 0).all()
    with pytest.raises(ValueError, match=r"where selects padding of p at batch index \(1,\)"):
        kl(padded, q, where=[True, True, False, False])
    with pytest.raises(ValueError, match="empty mask"):
        kl(p, q, where=False)


# --- gradients -------------------------------------------------------------------------------


@each_pair
def test_gradients_against_finite_differences(rng, name_p, name_q):
    logits = rng.normal(size=(2, 1, 4)), rng.normal(size=(3, 4))
    arrays = [parameter(a, n, float) for a, n in zip(logits, (name_p, name_q), strict=True)]
    where = rng.random((2, 3)) < 0.8

    def total(a, b):
        a, b = (
            x / x.sum(-1, keepdims=True) if n == "probs" else x
            for x, n in ((a, name_p), (b, name_q))
        )
        return kl(Categorical(**{name_p: a}), Categorical(**{name_q: b}), where=where).sum()

    p, q = Categorical(**{name_p: arrays[0]}), Categorical(**{name_q: arrays[1]})
    values, grad_p, grad_q = kl_and_grad(p, q, where=where)
    np.testing.assert_array_equal(values, kl(p, q, where=where))
    for side, gradient in enumerate([grad_p[name_p], grad_q[name_q]]):
        assert gradient.shape == arrays[side].shape
        for index in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in arrays]
                moved[side][index] += step
                ends.append(total(*moved))
            slope = (ends[0] - ends[1]) / 2e-6
            assert gradient[index] == pytest.approx(slope, rel=1e-7, abs=1e-8)


@each_dtype
def test_gradients_where_categories_are_impossible(dtype):
    p = Categorical(logits=np.array([0.0, -INF, 0.0, -INF], dtype))
    q = Categorical(logits=np.array([0.0, 0.0, 0.0, -INF], dtype))
    _, grad_p, grad_q = kl_and_grad(p, q)
    np.testing.assert_allclose(grad_p["logits"], 0, atol=1e-6)
    np.testing.assert_allclose(grad_q["logits"], [-1 / 6, 1 / 3, -1 / 6, 0], rtol=1e-6)
    assert grad_q["logits"].dtype == dtype
    with pytest.raises(ValueError, match="the divergence must be finite to have a gradient"):
        kl_and_grad(q, p)
    p, q = (Categorical(probs=d.probs()) for d in (p, q))
    _, grad_p, grad_q = kl_and_grad(p, q)
    assert grad_p["probs"][1] == -INF
    assert grad_p["probs"][3] == 0
    np.testing.assert_allclose(grad_q["probs"], [-0.5, 1, -0.5, 1], rtol=1e-6)


def test_gradients_in_blocks(rng, monkeypatch):
    logits = rng.normal(size=(2, 60, 11)).astype(np.float32)
    p, q = Categorical(logits=logits[0]), Categorical(logits=logits[1].T.copy().T)
    _, grad_p, grad_q = kl_and_grad(p, q)
    monkeypatch.setattr(fastdiv.distributions.categorical, "COMPUTED", 50)
    _, again_p, again_q = kl_and_grad(p, q)
    np.testing.assert_array_equal(again_p["logits"], grad_p["logits"])
    np.testing.assert_array_equal(again_q["logits"], grad_q["logits"])
    assert grad_p["logits"].dtype == np.float32
    expected = softmax(logits[1], axis=-1) - softmax(logits[0], axis=-1)
    np.testing.assert_allclose(grad_q["logits"], expected, atol=1e-6)


# --- wrong input -----------------------------------------------------------------------------


@pytest.mark.parametrize("function", [kl, jeffreys, cross_entropy, jensen_shannon])
def test_other_distributions_are_refused(function):
    p = Categorical(probs=[0.5, 0.5])
    for a, b in ((p, Gaussian.standard(2)), (Gaussian.standard(2), p)):
        with pytest.raises(TypeError, match="must be a Categorical; got Gaussian"):
            function(a, b)
    with pytest.raises(TypeError, match="relaxed ones included, is ill-defined"):
        function(p, [0.5, 0.5])
    with pytest.raises(ValueError, match="same number of categories; got 2 and 3"):
        function(p, Categorical(logits=[0.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="batch shapes of p and q must broadcast"):
        function(Categorical(logits=np.zeros((2, 3))), Categorical(logits=np.zeros((3, 3))))
    for a, b in ((1.0, 2.0), ("p", None)):
        with pytest.raises(TypeError, match=r"p must be a (Gaussian|Categorical); got"):
            function(a, b)


def test_kl_between_gaussian_and_categorical_says_why():
    with pytest.raises(TypeError, match="ill-defined"):
        kl(Categorical(probs=[0.5, 0.5]), Gaussian.standard(2))
    with pytest.raises(TypeError, match="no closed form"):
        jensen_shannon(Gaussian.standard(2), Gaussian.standard(2))


def test_reference_backend_gives_the_same(rng):
    p, q = (Categorical(logits=a) for a in rng.normal(size=(2, 3, 8)))
    with backend.use("reference"):
        expected = kl(p, q), jensen_shannon(p, q), p.entropy()
    for ours, theirs in zip((kl(p, q), jensen_shannon(p, q), p.entropy()), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@of_the_core
def test_progress_is_reported(rng):
    p, q = (Categorical(logits=a) for a in rng.normal(size=(2, 3, 8)))
    seen = []
    kl(p, q, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)


@pytest.mark.parametrize(("dtype", "least"), [(np.float32, 1e-40), (np.float64, 1e-310)])
def test_a_gradient_beyond_the_range_is_refused(dtype, least):
    """1 − P/Q is, though the divergence is a small number."""
    p = Categorical(probs=np.array([[0.5, 0.5], [0.5, 0.5]], dtype))
    q = Categorical(probs=np.array([[0.5, 0.5], [1.0, least]], dtype))
    assert np.isfinite(kl(p, q)).all()
    with pytest.raises(OverflowError, match=rf"too large for {dtype.__name__} at batch index \(1,"):
        kl_and_grad(p, q)
    kl_and_grad(p, q, wrt="p")
    # −∞ where P = 0 < Q is the derivative.
    _, gradient = kl_and_grad(Categorical(probs=[0.0, 1.0]), Categorical(probs=[0.5, 0.5]), wrt="p")
    assert gradient["probs"][0] == -np.inf


def test_categories_of_other_names_are_refused():
    pd = pytest.importorskip("pandas")
    probs = pd.DataFrame([[0.1, 0.9], [0.6, 0.4]], columns=["u", "v"])
    p, q = Categorical(probs=probs), Categorical(probs=probs[["v", "u"]])
    assert (p.columns, q.columns) == (("u", "v"), ("v", "u"))
    assert Categorical(probs=probs.to_numpy()).columns is None
    one = Categorical(probs=pd.Series([0.5, 0.5], ["v", "u"]))
    message = "^p and q must have the same columns in the same order; got 'u', 'v' and 'v', 'u'"
    for other in (q, one):
        for compare in (kl, jeffreys, cross_entropy, jensen_shannon, kl_and_grad):
            with pytest.raises(ValueError, match=message):
                compare(p, other)
        with pytest.raises(ValueError, match=message):
            fastdiv.kl_monte_carlo(p, other, 9)
    assert kl(p, p).tolist() == [0.0, 0.0]

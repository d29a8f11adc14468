"""Test the kernel inception distance against its definition, and its two ways to compute it."""

import numpy as np
import pytest

import fastdiv.mmd.kid as module
from fastdiv import KID, Polynomial, kid, mmd2, quantize_rows


def textbook(x, y, degree=3, gamma=None, coef0=1.0):
    """Compute the unbiased MMD² of samples of equal size, like torch-fidelity and torchmetrics."""
    gamma = 1 / x.shape[1] if gamma is None else gamma
    xx, yy, xy = ((gamma * a @ b.T + coef0) ** degree for a, b in ((x, x), (y, y), (x, y)))
    n = len(x)
    within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
    return within / (n * (n - 1)) - 2 * xy.sum() / n**2


def drawn(seed, n, m, n_subsets, size):
    rng = np.random.default_rng(seed)
    return [
        tuple(rng.choice(rows, size, replace=False, shuffle=False) for rows in (n, m))
        for _ in range(n_subsets)
    ]


@pytest.mark.parametrize("full_sample", [True, False])
@pytest.mark.parametrize("options", [{}, {"degree": 2, "gamma": 0.1, "coef0": 0.5}])
def test_definition(rng, full_sample, options):
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(70, 5)) + 0.3
    result = kid(x, y, n_subsets=7, subset_size=9, full_sample=full_sample, rng=3, **options)
    expected = [textbook(x[i], y[j], **options) for i, j in drawn(3, 60, 70, 7, 9)]
    np.testing.assert_allclose(result.subset_values, expected, rtol=1e-9, atol=1e-11)
    assert result.mean == pytest.approx(np.mean(expected), rel=1e-10)
    assert result.std == pytest.approx(np.std(expected, ddof=0), rel=1e-10)
    assert result.subset_size == 9
    if full_sample:
        kernel = Polynomial(**options)
        assert result.value == pytest.approx(mmd2(x, y, kernel), rel=1e-10)
    else:
        assert result.value is None


@pytest.mark.parametrize(
    ("full_sample", "n_subsets", "passes"), [(True, 1, 1), (False, 1, 0), (False, 50, 1)]
)
def test_subsets_are_taken_one_by_one_only_where_that_is_less(
    rng, monkeypatch, full_sample, n_subsets, passes
):
    calls = []
    whole = module._in_one_pass
    monkeypatch.setattr(module, "_in_one_pass", lambda *a: calls.append(1) or whole(*a))
    x, y = rng.normal(size=(2, 50, 3))
    kid(x, y, n_subsets=n_subsets, subset_size=10, full_sample=full_sample, rng=0)
    assert len(calls) == passes


def test_whole_samples_as_subsets(rng):
    """Draw all rows without replacement, which gives the sample itself."""
    x, y = rng.normal(size=(2, 40, 4))
    result = kid(x, y, n_subsets=3, subset_size=40, rng=0)
    np.testing.assert_allclose(result.subset_values, result.value, rtol=1e-10)
    assert result.std == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("full_sample", [True, False])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_float32_and_no_centring(rng, full_sample, offset):
    """Move rows far from the origin, which changes the value: the kernel is not invariant."""
    x = (rng.normal(size=(300, 64)) ** 2 + offset).astype(np.float32)
    y = (rng.normal(size=(300, 64)) ** 2 * 1.05 + offset).astype(np.float32)
    options = {"n_subsets": 4, "subset_size": 100, "full_sample": full_sample, "rng": 1}
    single = kid(x, y, **options)
    exact = kid(x.astype(np.float64), y.astype(np.float64), **options)
    largest = (np.square(x, dtype=np.float64).mean(axis=1).max() + 1) ** 3  # kernel value
    np.testing.assert_allclose(single.subset_values, exact.subset_values, atol=2e-6 * largest)
    i, j = drawn(1, 300, 300, 4, 100)[0]
    expected = textbook(x[i].astype(np.float64), y[j].astype(np.float64))
    assert exact.subset_values[0] == pytest.approx(expected, rel=1e-7)


def test_mean_estimates_the_value(rng):
    x, y = rng.normal(size=(400, 6)), rng.normal(size=(400, 6)) + 0.4
    result = kid(x, y, n_subsets=200, subset_size=50, rng=0)
    assert result.mean == pytest.approx(result.value, abs=5 * result.std / np.sqrt(200))


def test_same_rng_same_bits(rng):
    x, y = rng.normal(size=(2, 80, 5)).astype(np.float32)
    one, two = (kid(x, y, n_subsets=5, subset_size=20, rng=9, n_threads=t) for t in (1, 2))
    assert one == two
    np.testing.assert_array_equal(one.subset_values, two.subset_values)
    generator = np.random.default_rng(9)
    assert kid(x, y, n_subsets=5, subset_size=20, rng=generator) == one
    assert kid(x, y, n_subsets=5, subset_size=20, rng=generator) != one


def test_result(rng):
    result = kid(*rng.normal(size=(2, 10, 2)), n_subsets=2, subset_size=5, rng=0)
    assert isinstance(result, KID)
    with pytest.raises(ValueError, match="read-only"):
        result.subset_values[0] = 0
    with pytest.raises(AttributeError):
        result.mean = 0.0


@pytest.mark.parametrize("full_sample", [True, False])
def test_progress(rng, full_sample):
    seen = []
    x, y = rng.normal(size=(2, 300, 2))
    kid(
        *(x, y),
        n_subsets=3,
        subset_size=5,
        full_sample=full_sample,
        progress=lambda *step: seen.append(step),
        rng=0,
    )
    assert seen[-1][0] == seen[-1][1]
    if not full_sample:
        assert seen == [(1, 3), (2, 3), (3, 3)]


def test_rows_with_nan_are_omitted(rng):
    x, y = rng.normal(size=(2, 30, 2))
    broken = np.insert(x, 3, np.nan, axis=0)
    options = {"n_subsets": 3, "subset_size": 10, "rng": 0}
    assert kid(broken, y, nan_policy="omit", **options) == kid(x, y, **options)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"subset_size": 1}, ValueError, "subset_size must be an integer >= 2"),
        ({"subset_size": 5, "n_subsets": 0}, ValueError, "n_subsets must be"),
        ({"subset_size": 5, "n_subsets": 2.0}, TypeError, "n_subsets must be"),
        ({"subset_size": 5, "full_sample": 1}, TypeError, "full_sample must be True or False"),
        ({"subset_size": 5, "degree": 0}, ValueError, "degree must be"),
        ({"subset_size": 5, "gamma": 0.0}, ValueError, "gamma must be > 0"),
        ({"subset_size": 5, "coef0": -1.0}, ValueError, "coef0 must be >= 0"),
        ({"subset_size": 5, "rng": "a"}, TypeError, "rng must be"),
    ],
)
def test_bad_options(rng, options, error, match):
    with pytest.raises(error, match=match):
        kid(rng.normal(size=(10, 2)), rng.normal(size=(20, 2)), **options)


def test_overflow():
    x = np.full((4, 2), 1e200)
    for full_sample in (True, False):
        with pytest.raises(OverflowError):
            kid(x, x, n_subsets=1, subset_size=2, full_sample=full_sample)


def test_many_subsets_are_taken_one_by_one(rng, monkeypatch):
    x, y = rng.normal(size=(2, 40, 3))
    at_once = kid(x, y, n_subsets=7, subset_size=10, rng=3)
    monkeypatch.setattr(module, "_MOST_LABELS", 100)
    one_by_one = kid(x, y, n_subsets=7, subset_size=10, rng=3)
    assert one_by_one.subset_values == pytest.approx(at_once.subset_values, rel=1e-11)
    assert one_by_one.value == pytest.approx(at_once.value, rel=1e-11)


@pytest.mark.parametrize("full_sample", [True, False])
def test_quantised_embeddings(rng, full_sample):
    x, y = rng.normal(size=(2, 60, 8)) + 0.3
    a, b = quantize_rows(x), quantize_rows(y)
    options = {"n_subsets": 2, "subset_size": 10, "rng": 0, "full_sample": full_sample}
    got, same = kid(a, b, **options), kid(a.dequantize(), b.dequantize(), **options)
    assert got.subset_values == pytest.approx(same.subset_values, rel=1e-4, abs=1e-4)
    assert got.mean == pytest.approx(kid(x, y, **options).mean, abs=0.1)


@pytest.mark.parametrize("options", [{}, {"subset_size": 11}])
def test_fewer_rows_than_a_subset_reduce_it_with_a_warning(rng, options):
    x, y = rng.normal(size=(10, 2)), rng.normal(size=(20, 2))
    asked = options.get("subset_size", 1000)
    with pytest.warns(UserWarning, match=rf"^subset_size={asked} is reduced to 10, .* 10 .* 20"):
        result = kid(x, y, n_subsets=3, rng=0, **options)
    assert result.subset_size == 10
    assert result == kid(x, y, n_subsets=3, subset_size=10, rng=0)


@pytest.mark.parametrize("full_sample", [True, False])
def test_the_deviation_of_huge_values_is_finite(rng, full_sample):
    """Scale by a power of two, which changes no bit of values whose squares are in range."""
    x, y = rng.normal(size=(2, 30, 2))
    options = {"gamma": 1.0, "coef0": 0.0, "n_subsets": 5, "subset_size": 10, "rng": 0}
    options["full_sample"] = full_sample
    small, huge = kid(x, y, **options), kid(x * 2.0**120, y * 2.0**120, **options)
    assert np.isfinite(huge.std)
    assert huge.std == pytest.approx(small.std * 2.0**720, rel=1e-12)
    assert huge.mean == pytest.approx(small.mean * 2.0**720, rel=1e-12)

"""Samples: their rows and features, and NaN."""

import numpy as np
import pytest
from checked_calls import CALLS, GOOD, K, each_call, each_name, refuse

from fastdiv import _inputs, median_distance, mmd2, mmd_test, witness


def test_at_needs_the_same_features():
    with pytest.raises(ValueError, match="x and at"):
        witness(GOOD, GOOD, np.ones((3, 4)), K)


def test_nonfinite_count_is_told():
    bad = GOOD.copy()
    bad[[1, 3], 1] = np.nan, np.inf
    with pytest.raises(ValueError, match="x holds 2 NaN or infinite values"):
        mmd2(bad, GOOD, K)
    bad[3, 1] = 0
    with pytest.raises(ValueError, match="x holds 1 NaN or infinite value, "):
        mmd2(bad, GOOD, K)


@each_name
@pytest.mark.parametrize("call", [CALLS["mmd2"], CALLS["mmd_test"]])
def test_unbiased_needs_two_rows(call, name):
    refuse(call, name, GOOD[:1], ValueError, "at least 2 rows", "got 1")


@each_name
def test_biased_needs_one_row(name):
    arguments = {"x": GOOD, "y": GOOD, name: GOOD[:1]}
    assert mmd2(**arguments, kernel=K, estimator="biased") > 0


def test_paired_needs_equal_sizes():
    with pytest.raises(ValueError, match=r"x and y .* got 6 and 5"):
        mmd2(GOOD, GOOD[:5], K, estimator="paired")
    with pytest.raises(ValueError, match="x must have at least 2 rows"):
        mmd2(GOOD[:1], GOOD[:1], K, estimator="paired")


def test_median_distance_needs_two_rows():
    with pytest.raises(ValueError, match="x must have at least 2 rows"):
        median_distance([1.0])
    assert median_distance([1.0], [4.0]) == 3.0


@each_name
@each_call
def test_omit_drops_rows(call, name):
    bad = np.insert(GOOD, 2, [[np.nan, 1.0]], axis=0)
    bad = np.append(bad, [[0.0, -np.inf]], axis=0)
    arguments = {"x": GOOD, "y": GOOD[1:]}
    expected = call(*arguments.values())
    bad_arguments = arguments | {name: bad if name == "x" else bad[1:]}
    got = call(*bad_arguments.values(), nan_policy="omit")
    np.testing.assert_array_equal(got, expected)


def test_omit_drops_both_members_of_a_pair():
    x, y = GOOD.copy(), GOOD[::-1].copy()
    x[1, 0], y[4, 1] = np.nan, np.inf
    keep = [0, 2, 3, 5]
    options = {"kernel": K, "estimator": "paired"}
    assert mmd2(x, y, nan_policy="omit", **options) == mmd2(x[keep], y[keep], **options)
    result = mmd_test(x, y, nan_policy="omit", n_resamples=5, rng=0, **options)
    assert (result.n_x, result.n_y) == (4, 4)


def test_omit_can_leave_too_little():
    with pytest.raises(ValueError, match=r"x must have at least 1 row .*got 0 after dropping"):
        mmd2([np.nan, np.inf], [1.0], K, estimator="biased", nan_policy="omit")


def test_mixed_precision_means_double():
    a, b = _inputs.samples(np.ones((2, 1), np.float32), np.ones((2, 1)), "raise")
    assert a.dtype == b.dtype == np.float64


@pytest.mark.parametrize("at_once", [1, 3, 5, 1000])
def test_parts_change_nothing(rng, monkeypatch, at_once):
    """Data are read part by part, so that Ctrl-C is heard in between."""
    x, y = rng.integers(0, 9, size=(7, 2, 2)), rng.normal(size=(9, 4)).astype(np.float32)
    z = rng.normal(size=(9, 4))
    z[2, 1], z[8, 0] = np.nan, np.inf
    monkeypatch.setattr(_inputs.arrays, "READ", at_once)
    np.testing.assert_array_equal(_inputs.matrix(x, "x"), x.reshape(7, 4))
    single, double = _inputs.samples(y, y.astype(np.float64), "raise")
    np.testing.assert_array_equal(single, double)
    keep = [0, 1, 3, 4, 5, 6, 7]
    for estimator in ("biased", "paired"):
        _, kept = _inputs.samples(y.astype(float), z, "omit", estimator)
        np.testing.assert_array_equal(kept, z[keep])
    with pytest.raises(ValueError, match=r"holds 2 NaN .* row 2, column 1"):
        _inputs.samples(y, z, "raise")


def test_points_of_a_witness_must_be_finite_whatever_the_policy():
    with pytest.raises(ValueError, match=r"^at holds 1 NaN .* row 1, column 0") as caught:
        witness(GOOD, GOOD, [[0.0, 1.0], [np.nan, 1.0]], K, nan_policy="omit")
    assert "nan_policy" not in str(caught.value)

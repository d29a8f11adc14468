"""The shift of each feature, against brute force."""

import numpy as np
import pytest

from fastdiv.reports.shifts import feature_shifts, mean_and_sd
from fastdiv.tables import table

RNG = np.random.default_rng(20)
X = RNG.normal(size=(40, 3))
Y = RNG.normal(size=(30, 3)) + np.array([0.0, 1.5, 0.0])


def test_feature_shifts_against_brute_force(rng):
    x, y = rng.integers(0, 4, size=(23, 40)), rng.integers(1, 5, size=(11, 40))
    for feature in feature_shifts(x, y, [str(j) for j in range(40)]):
        a, b = x[:, int(feature.name)], y[:, int(feature.name)]
        gaps = [abs(np.mean(a <= t) - np.mean(b <= t)) for t in range(6)]
        spread = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        assert feature.ks == pytest.approx(max(gaps))
        assert feature.shift == pytest.approx((b.mean() - a.mean()) / spread)
        assert feature.reference_mean == pytest.approx(a.mean())


def test_feature_shifts_are_sorted():
    shifts = feature_shifts(X, Y, "abc")
    assert shifts[0].name == "b"
    assert [shift.ks for shift in shifts] == sorted((shift.ks for shift in shifts), reverse=True)


@pytest.mark.parametrize("scale", [1.0, 1e300 * 1e8, 1e-300])
def test_shifts_do_not_depend_on_the_unit(scale):
    x, y = (np.clip(data, -1.7, 1.7) for data in (X, Y))
    for shift, expected in zip(
        feature_shifts(scale * x, scale * y, "abc"), feature_shifts(x, y, "abc"), strict=True
    ):
        assert shift.name == expected.name
        assert shift.shift == pytest.approx(expected.shift)
        assert shift.reference_mean == pytest.approx(scale * expected.reference_mean)
        assert shift.current_mean == pytest.approx(scale * expected.current_mean)


def test_mean_and_sd_far_from_the_origin_and_in_blocks(monkeypatch):
    x = X + 1e9
    monkeypatch.setattr(table, "COMPUTED", 12)
    mean, sd = mean_and_sd(x)
    assert mean == pytest.approx(x.mean(axis=0), rel=1e-15)
    assert sd == pytest.approx(X.std(axis=0, ddof=1), rel=1e-6)
    assert mean_and_sd(np.full((7, 1), 0.1))[1] == 0

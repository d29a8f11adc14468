"""The option ``--standardize`` of `fastdiv compare`."""

import numpy as np
import pytest
from table_files import X, Y, as_json, save

import fastdiv
from fastdiv.cli import compare as compare_command
from fastdiv.reports.shifts import feature_shifts, mean_and_sd


def test_standardize_by_the_reference(compare, pair):
    _, out, _ = compare(*pair, "--standardize", "--json=-")
    mean, sd = X.mean(axis=0), X.std(axis=0, ddof=1)
    expected = fastdiv.mmd_test((X - mean) / sd, (Y - mean) / sd, n_resamples=99, rng=0)
    result = as_json(out)
    assert result["standardized"] is True
    assert result["statistic"] == pytest.approx(expected.statistic, rel=1e-9)
    assert result["pvalue"] == expected.pvalue


def test_standardize_keeps_float32(compare, tmp_path):
    x, y = np.float32(X), np.float32(Y)
    scaled, _ = compare_command._standardize(x, y, ["0", "1", "2"])
    assert scaled.dtype == np.float32
    assert mean_and_sd(scaled)[0] == pytest.approx([0, 0, 0], abs=1e-6)


def test_standardize_by_few_rows_warns(compare, tmp_path):
    files = save(tmp_path / "x.npy", X[:12]), save(tmp_path / "y.npy", Y)
    assert "scaled by only 12 reference rows" in compare(*files, "--standardize")[2]
    assert compare(*files)[2] == ""


def test_standardize_constant_columns(compare, refused, tmp_path):
    x, y = np.column_stack([X, np.ones(40)]), np.column_stack([Y, np.ones(30)])
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    assert compare(*files, "--standardize")[0] == 0
    y[4, 3] = 2
    save(tmp_path / "y.npy", y)
    assert "constant in REFERENCE but not in CURRENT: 3" in refused(*files, "--standardize")


def test_standardize_values_that_float32_cannot_hold(compare, tmp_path):
    x, y = np.float32(5e-6 * X), np.float32(5e-6 * Y)
    y[4, 1] = 3e38
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    mean, sd = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float, ddof=1)
    status, out, err = compare(*files, "--standardize", "--bandwidth=1e40", "--json=-")
    assert status == 0, err
    expected = fastdiv.mmd2((x - mean) / sd, (y - mean) / sd, fastdiv.RBF(1e40))
    assert as_json(out)["statistic"] == pytest.approx(expected, rel=1e-5)


def test_standardize_values_that_float64_cannot_hold(refused, tmp_path):
    y = Y.copy()
    y[4, 1] = 1e300
    files = save(tmp_path / "x.npy", 1e-20 * X), save(tmp_path / "y.npy", y)
    assert "values of CURRENT are too large: 1" in refused(*files, "--standardize")
    x = save(tmp_path / "x.npy", np.array([[0.0, -1.7e308], [1.0, 1.7e308]]))
    assert "values of REFERENCE are too large: 1" in refused(x, x, "--standardize")


def test_values_too_large_to_square(compare, tmp_path):
    x = np.column_stack([X[:, 0], np.full(40, 1e200)])
    x[3, 1] = -1e200
    file = save(tmp_path / "x.npy", x)
    assert {feature.ks for feature in feature_shifts(x, x, ["a", "b"])} == {0.0}
    assert "p-value    1 " in compare(file, file, "--standardize")[1]

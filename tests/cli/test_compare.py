"""`fastdiv compare`, from files to the result and the exit status."""

import re

import numpy as np
import pytest
from table_files import PENGUINS, X, Y, as_json, save

import fastdiv
from fastdiv.cli import compare as compare_command
from fastdiv.cli import main


def test_penguins_of_2007_and_2009_differ(compare):
    pytest.importorskip("pyarrow")
    status, out, err = compare(
        PENGUINS / "adelie-2007.csv",
        PENGUINS / "adelie-2009.csv",
        "--standardize",
        "--nan-policy=omit",
    )
    assert (status, err) == (0, "")
    assert "49 rows (1 with missing values dropped)" in out
    assert "52 rows" in out
    assert "features   4, standardised" in out
    assert "island: text; sex: text" in out
    assert re.search(r"RBF, bandwidth \d\.\d+ \(median\)", out)
    assert "(99 permutations, seed 0)" in out
    assert "p ≤ 0.05: the samples differ" in out
    rows = out.partition("what moved most")[2].splitlines()
    assert rows[1].startswith("flipper_length_mm")


def test_penguins_of_2008_and_2009_do_not_differ(compare):
    pytest.importorskip("pyarrow")
    files = PENGUINS / "adelie-2008.csv", PENGUINS / "adelie-2009.csv"
    status, out, _ = compare(*files, "--standardize", "--exit-code")
    assert status == 0
    assert "p > 0.05: no evidence of a difference" in out


def test_missing_values_are_refused_with_counts(refused):
    pytest.importorskip("pyarrow")
    message = refused(PENGUINS / "adelie-2007.csv", PENGUINS / "adelie-2009.csv")
    assert "adelie-2007.csv has missing values in 1 of 50 rows" in message
    assert "bill_length_mm 1, bill_depth_mm 1, flipper_length_mm 1, body_mass_g 1" in message
    assert "--nan-policy omit" in message


def test_exit_code_and_alpha(compare, pair):
    assert compare(*pair)[0] == 0
    assert compare(*pair, "--exit-code")[0] == 1
    status, out, err = compare(*pair, "--exit-code", "--alpha", "0.001")
    assert status == 0
    assert "p > 0.001" in out
    assert "no p-value can be below 0.01" in err


KERNELS = {
    "rbf": fastdiv.RBF(),
    "laplacian": fastdiv.Laplacian(),
    "matern:nu=1.5": fastdiv.Matern(nu=1.5),
    "rational-quadratic:alpha=2": fastdiv.RationalQuadratic(alpha=2),
    "inverse-multiquadric:c=3": fastdiv.InverseMultiquadric(3),
    "polynomial:degree=2,gamma=0.5": fastdiv.Polynomial(degree=2, gamma=0.5),
    "linear": fastdiv.Linear(),
    "energy:exponent=0.5": fastdiv.Energy(exponent=0.5),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(compare, pair, name):
    status, out, _ = compare(*pair, "--kernel", name, "--json=-", "--seed=5")
    expected = fastdiv.mmd_test(X, Y, KERNELS[name], n_resamples=99, rng=5)
    result = as_json(out)
    assert status == 0
    assert result["statistic"] == expected.statistic
    assert result["pvalue"] == expected.pvalue
    assert result["null_distribution"] == list(expected.null_distribution)
    assert result["kernel"]["name"] == type(KERNELS[name]).__name__


def test_every_library_kernel_has_a_name():
    from fastdiv import kernels

    other = {kernels.Sum, kernels.Callback, kernels.Kernel}
    kinds = {value for value in vars(kernels).values() if isinstance(value, type)}
    public = {kind for kind in kinds if kind.__name__ in fastdiv.__all__} - other
    assert public == set(compare_command._KERNELS.values())


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
def test_estimators_bandwidth_threads(compare, tmp_path, estimator):
    files = save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", X[::-1] + 0.2)
    options = ["--estimator", estimator, "--bandwidth=0.7", "--threads=1", "--json=-"]
    _, out, _ = compare(*files, *options)
    expected = fastdiv.mmd_test(
        X, X[::-1] + 0.2, fastdiv.RBF(0.7), estimator=estimator, n_resamples=99, rng=0
    )
    result = as_json(out)
    assert result["statistic"] == expected.statistic
    assert result["pvalue"] == expected.pvalue
    assert result["kernel"] == {"name": "RBF", "bandwidth": 0.7}


def test_omit_drops_rows_with_nan_or_infinity(compare, refused, tmp_path):
    x = X.copy()
    x[3, 1], x[5, 0], x[5, 2] = np.nan, np.inf, np.nan
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", Y)
    assert "missing values in 2 of 40 rows (1 1, 2 1, 0 1 infinite)" in refused(*files)
    _, out, _ = compare(*files, "--nan-policy=omit", "--json=-")
    result = as_json(out)
    expected = fastdiv.mmd_test(np.delete(X, [3, 5], axis=0), Y, n_resamples=99, rng=0)
    assert (result["n_x"], result["omitted_reference"], result["omitted_current"]) == (38, 2, 0)
    assert result["statistic"] == expected.statistic


def test_omit_drops_both_members_of_a_pair(compare, tmp_path):
    x, y = X[:30].copy(), Y.copy()
    x[3, 1] = y[7, 0] = np.nan
    files = save(tmp_path / "x.npy", x), save(tmp_path / "y.npy", y)
    _, out, _ = compare(*files, "--nan-policy=omit", "--estimator=paired", "--json=-")
    gone = [3, 7]
    expected = fastdiv.mmd2(
        np.delete(X[:30], gone, axis=0), np.delete(Y, gone, axis=0), estimator="paired"
    )
    assert as_json(out)["statistic"] == pytest.approx(expected, rel=1e-10)


def test_no_complete_row(refused, tmp_path):
    files = save(tmp_path / "x.npy", X * np.nan), save(tmp_path / "y.npy", Y)
    assert "every row has a missing value" in refused(*files, "--nan-policy=omit")


BAD_OPTIONS = [
    ("--kernel=cubic", "unknown kernel 'cubic'; choose from rbf, laplacian"),
    ("--kernel=matern:mu=1", "kernel matern has no parameter 'mu'; it takes: nu"),
    ("--kernel=matern:nu=two", "nu must be a number"),
    ("--kernel=matern:nu=2", "nu"),
    ("--kernel=linear:a=1", "it takes: none"),
    ("--kernel=inverse-multiquadric", "needs inverse-multiquadric:c=NUMBER"),
    ("--kernel=energy:exponent=3", "exponent"),
    ("--kernel=polynomial:degree=nan", "degree"),
    ("--kernel=polynomial:degree=inf", "degree"),
    ("--bandwidth=0", "--bandwidth: must be 'median' or a positive number, got '0'"),
    ("--bandwidth=nan", "--bandwidth"),
    ("--bandwidth=wide", "--bandwidth"),
    ("--estimator=best", "--estimator"),
    ("--resamples=0", "--resamples: must be a whole number from 1 to 1000000000, got '0'"),
    ("--resamples=+-5", "--resamples: must be a whole number"),
    ("--resamples=100000000000000000000", "--resamples: must be a whole number from 1 to 10"),
    ("--resamples=1.5", "--resamples"),
    ("--seed=-1", "--seed: must be a whole number >= 0"),
    ("--seed=x", "--seed"),
    ("--threads=0", "--threads: must be a whole number from 1 to 1024, got '0'"),
    ("--threads=5000", "--threads: must be a whole number from 1 to 1024, got '5000'"),
    ("--alpha=1", "--alpha: must be a number between 0 and 1"),
    ("--alpha=p", "--alpha"),
    ("--nan-policy=keep", "--nan-policy"),
    ("--plot=picture.pdf", "must end in .png"),
    ("--nonsense", "--nonsense"),
    ("--stand", "--stand"),
]


@pytest.mark.parametrize(("option", "message"), BAD_OPTIONS)
def test_bad_options(refused, pair, option, message):
    assert message in refused(*pair, option)


def test_bandwidth_of_a_kernel_without_one(refused, pair):
    assert "the Linear kernel has none" in refused(*pair, "--kernel=linear", "--bandwidth=1")


def test_zero_median_and_unequal_pairs(refused, pair, tmp_path):
    ones = save(tmp_path / "ones.npy", np.ones((5, 2)))
    message = refused(ones, ones)
    assert "the median bandwidth is zero" in message
    assert "; choose a --bandwidth\n" in message
    assert "equal size, got 40 and 30 rows" in refused(*pair, "--estimator=paired")
    message = refused(
        *(save(tmp_path / "one.npy", X[:1]), pair[1], "--standardize", "--estimator=biased")
    )
    assert "--standardize needs at least 2 rows" in message


def test_many_features_are_cut(compare, tmp_path, rng):
    files = (
        save(tmp_path / "x.npy", rng.normal(size=(9, 64))),
        save(tmp_path / "y.npy", rng.normal(size=(9, 64))),
    )
    _, out, _ = compare(*files)
    assert "and 54 more" in out


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main.main(["compare", "--help"])
    out = capsys.readouterr().out
    for option in (
        *("--columns", "--standardize", "--kernel", "--bandwidth", "--estimator", "--resamples"),
        *("--seed", "--threads", "--json", "--plot", "--alpha", "--exit-code", "--nan-policy"),
    ):
        assert option in out
    for kernel in compare_command._KERNELS:
        assert kernel in out

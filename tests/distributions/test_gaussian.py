"""Gaussian: accepted and refused arguments, moments, densities and draws."""

import tracemalloc

import numpy as np
import pytest
from gaussians import NAMES, covariance, gaussian, parameter
from scipy import stats

from fastdiv import Gaussian, fit_gaussian, kl


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_moments_densities_and_entropy(rng, name, batch, dtype):
    p = gaussian(name, rng, batch, 3, dtype)
    expected = covariance(name, p.parameter)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert (p.batch_shape, p.dim, p.dtype, p.parametrisation) == (batch, 3, dtype, name)
    assert p.cov().dtype == p.scale_tril().dtype == dtype
    np.testing.assert_allclose(p.cov(), expected, rtol=tolerance, atol=tolerance)
    lower = p.scale_tril().astype(np.float64)
    assert not np.triu(lower, 1).any()
    assert (np.diagonal(lower, axis1=-2, axis2=-1) > 0).all()
    np.testing.assert_allclose(
        lower @ lower.swapaxes(-1, -2), expected, rtol=tolerance, atol=tolerance
    )
    x = rng.normal(size=(5, *batch, 3))
    log_prob, entropy = p.log_prob(x), p.entropy()
    assert log_prob.shape == (5, *batch)
    assert entropy.shape == batch
    for index in np.ndindex(batch):
        frozen = stats.multivariate_normal(p.mean[index].astype(float), expected[index])
        np.testing.assert_allclose(
            log_prob[(slice(None), *index)], frozen.logpdf(x[(slice(None), *index)]), rtol=1e-9
        )
        np.testing.assert_allclose(entropy[index], frozen.entropy(), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_moments(rng, name):
    p = gaussian(name, rng, (2,), 3)
    x = p.sample(40_000, rng=1)
    assert x.shape == (40_000, 2, 3)
    assert np.array_equal(x, p.sample(40_000, rng=1))
    np.testing.assert_allclose(x.mean(axis=0), p.mean, atol=5 * np.sqrt(p.cov().max() / 40_000))
    fitted = fit_gaussian(x.swapaxes(0, 1)).cov()
    np.testing.assert_allclose(fitted, p.cov(), atol=0.04 * p.cov().max())


def test_log_prob_broadcasts_in_every_direction(rng):
    p = gaussian("cov", rng, (3, 1), 2)
    x = rng.normal(size=(5, 3, 4, 2))
    expected = [
        [
            stats.multivariate_normal(p.mean[i, 0], p.cov()[i, 0]).logpdf(x[:, i, j])
            for j in range(4)
        ]
        for i in range(3)
    ]
    np.testing.assert_allclose(p.log_prob(x), np.moveaxis(expected, -1, 0), rtol=1e-12)
    assert p.log_prob(x[0, 0, 0]).shape == (3, 1)


def test_batch_shapes_broadcast_and_nothing_is_squeezed(rng):
    mean = rng.normal(size=(5, 1, 2))
    p = Gaussian(mean, std=np.ones((4, 2)))
    assert p.batch_shape == (5, 4)
    assert p.mean.shape == (5, 4, 2)
    assert np.shares_memory(p.mean, mean)
    one = Gaussian(np.zeros((1, 1, 2)), std=1.0)
    assert one.entropy().shape == (1, 1)
    assert kl(one, one).shape == (1, 1)
    assert Gaussian(np.zeros((128, 1, 2)), logvar=0.0).entropy().shape == (128, 1)
    assert Gaussian(np.zeros((0, 2)), std=1.0).entropy().shape == (0,)


def test_a_factor_with_negative_diagonal_is_the_same_distribution(rng):
    lower = parameter("scale_tril", rng, (), 4)
    turned = lower * [1, -1, 1, -1]
    p, q = Gaussian(np.zeros(4), scale_tril=lower), Gaussian(np.zeros(4), scale_tril=turned)
    np.testing.assert_array_equal(p.scale_tril(), q.scale_tril())
    assert kl(p, q) == 0
    assert p.entropy() == q.entropy()


def test_types_follow_the_arguments():
    assert Gaussian(np.zeros(2, np.float32), std=np.ones(2, np.float32)).dtype == np.float32
    assert Gaussian(np.zeros(2, np.float16), std=np.ones(2, np.float16)).dtype == np.float32
    assert Gaussian(np.zeros(2, np.float32), std=np.ones(2)).dtype == np.float64
    assert Gaussian([0, 0], std=[1, 2]).dtype == np.float64


BAD = {
    "no parameter": (dict(mean=[0.0]), TypeError, "exactly one of std, .* got none"),
    "two": (dict(mean=[0.0], std=1.0, logvar=0.0), TypeError, "got std and logvar"),
    "scalar mean": (dict(mean=0.0, std=1.0), ValueError, r"mean must have shape \(\.\.\., d\)"),
    "no features": (dict(mean=np.zeros((3, 0)), std=1.0), ValueError, "d >= 1"),
    "text": (dict(mean=["a"], std=1.0), TypeError, "mean must hold real numbers"),
    "other d": (dict(mean=np.zeros(3), std=np.ones(2)), ValueError, r"std must have shape .* 3\)"),
    "column for row": (
        dict(mean=np.zeros((128, 1)), std=np.ones(128)),
        ValueError,
        r"std must have shape \(\.\.\., 1\)",
    ),
    "batches": (
        dict(mean=np.zeros((3, 2)), std=np.ones((4, 2))),
        ValueError,
        r"batch shapes of mean and std must broadcast; got \(3,\) and \(4,\)",
    ),
    "vector for matrix": (
        dict(mean=np.zeros(2), cov=np.ones(2)),
        ValueError,
        r"cov must have shape \(\.\.\., 2, 2\)",
    ),
    "scalar cov": (dict(mean=np.zeros(2), cov=1.0), ValueError, "cov must have shape"),
    "zero std": (
        dict(mean=np.zeros((3, 2)), std=[[1, 1], [1, 0], [1, 1]]),
        ValueError,
        r"std must be finite and > 0; got 0.* at batch index \(1,\), feature 1",
    ),
    "negative var": (dict(mean=[0.0], var=-1.0), ValueError, r"var .* > 0; got -1\.0, feature 0"),
    "infinite logvar": (dict(mean=[0.0], logvar=np.inf), ValueError, "logvar must be finite"),
    "nan mean": (
        dict(mean=[[0.0], [np.nan]], std=1.0),
        ValueError,
        r"mean must be finite; got nan at batch index \(1,\), feature 0",
    ),
    "nan cov": (dict(mean=[0.0], cov=[[np.nan]]), ValueError, "cov must be finite"),
    "nan above": (
        dict(mean=[0.0, 0.0], cov=[[1.0, np.nan], [0.0, 1.0]]),
        ValueError,
        "cov must be finite",
    ),
    "asymmetric": (
        dict(mean=[0.0, 0.0], cov=[[1.0, 0.1], [0.0, 1.0]]),
        ValueError,
        "cov must be symmetric",
    ),
    "indefinite": (
        dict(mean=np.zeros((2, 2)), cov=[np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]),
        ValueError,
        r"cov must be positive definite at batch index \(1,\)",
    ),
    "singular": (
        dict(mean=np.zeros(2), precision=np.ones((2, 2))),
        ValueError,
        "precision must be",
    ),
    "full factor": (
        dict(mean=np.zeros(2), scale_tril=np.ones((2, 2))),
        ValueError,
        "scale_tril must be lower triangular",
    ),
    "singular factor": (
        dict(mean=np.zeros(2), scale_tril=[[1.0, 0.0], [1.0, 0.0]]),
        ValueError,
        "scale_tril must not have zeros on its diagonal",
    ),
    "mask of numbers": (
        dict(mean=[0.0], std=1.0, where=[1]),
        TypeError,
        "where must be a boolean mask",
    ),
    "mask of another shape": (
        dict(mean=np.zeros((3, 1)), std=1.0, where=[True, False]),
        ValueError,
        r"where must broadcast to the batch shape \(3,\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    arguments, error, message = BAD[case]
    arguments = dict(arguments)
    with pytest.raises(error, match=message):
        Gaussian(arguments.pop("mean"), **arguments)


def test_parameters_are_never_positional():
    with pytest.raises(TypeError, match="positional"):
        Gaussian([0.0], [1.0])


def test_padding_is_not_looked_at():
    mean = np.array([[0.0, 0.0], [np.nan, 1.0]])
    cov = np.array([np.eye(2), np.full((2, 2), np.nan)])
    with pytest.raises(ValueError, match="mean must be finite"):
        Gaussian(mean, cov=cov)
    for parameters in (dict(cov=cov), dict(std=[[1.0, 1.0], [-1.0, np.nan]])):
        p = Gaussian(mean, **parameters, where=[True, False])
        assert np.array_equal(kl(p, Gaussian.standard(2)), [0.0, 0.0])


def test_fit_is_maximum_likelihood(rng):
    x = rng.normal(size=(3, 50, 4)) + 1e6
    for ddof in (0, 1):
        fitted = fit_gaussian(x, ddof=ddof)
        for i in range(3):
            np.testing.assert_allclose(fitted.mean[i], x[i].mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(fitted.cov()[i], np.cov(x[i].T, ddof=ddof), rtol=1e-9)
    assert fit_gaussian(x.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("kind", ["few rows", "as many rows", "a third", "combined", "constant"])
def test_a_singular_fit_says_so_when_its_density_is_needed(rng, kind):
    for _ in range(40):
        d = int(rng.integers(3, 20))
        rows = {"few rows": d - 1, "as many rows": d}.get(kind, 50)
        x = rng.normal(size=(rows, d)) * np.exp(3 * rng.normal(size=d))
        if kind == "a third":
            x[:, 1] = x[:, 0] / 3
        elif kind == "combined":
            x[:, 2] = x[:, :2] @ [0.3, -1.1]
        elif kind == "constant":
            x[:, 1] = 2.5
        fitted = fit_gaussian([rng.normal(size=x.shape), x])
        assert fitted.cov().shape == (2, d, d)
        for use in (
            lambda fitted=fitted, d=d: kl(fitted, Gaussian.standard(d)),
            lambda fitted=fitted, d=d: kl(Gaussian.standard(d), fitted),
            fitted.entropy,
            fitted.scale_tril,
            lambda fitted=fitted, d=d: fitted.log_prob(np.zeros(d)),
        ):
            with pytest.raises(ValueError, match=r"cov is singular at batch index \(\d,\)"):
                use()


def test_a_fit_of_enough_rows_is_never_singular(rng):
    for _ in range(40):
        d = int(rng.integers(1, 20))
        x = rng.normal(size=(d + 3, d)) * np.exp(8 * rng.normal(size=d)) + 1e3
        assert fit_gaussian(x).entropy().shape == ()


def test_an_overflowing_fit():
    with pytest.raises(OverflowError, match="the covariance of x overflows"):
        fit_gaussian([[1e200, 0.0], [-1e200, 1.0], [0.0, 0.0]])


def test_empty_batches_of_matrices(rng):
    p = Gaussian(np.zeros((0, 3)), cov=np.zeros((0, 3, 3)))
    assert p.sample(2).shape == (2, 0, 3)
    assert p.log_prob(np.zeros((4, 1, 3))).shape == (4, 0)
    assert kl(p, p).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=np.zeros(3)), r"x must have shape \(\.\.\., n, d\)"),
        (dict(x=np.zeros((3, 2)), ddof=3), "more than ddof = 3 rows"),
        (dict(x=[[0.0], [np.nan]]), "x must be finite"),
        (dict(x=np.zeros((3, 2)), ddof=-1), "ddof must be"),
    ],
)
def test_fit_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_gaussian(**arguments)


@pytest.mark.parametrize("name", ["std", "cov"])
@pytest.mark.parametrize(
    ("points", "batch"),
    [((700, 5), (700, 5)), ((700, 1), (1, 5)), ((700, 5), (5,)), ((5,), (700, 5)), ((700,), ())],
)
def test_densities_of_many_points_are_computed_in_blocks(rng, monkeypatch, name, points, batch):
    a = rng.normal(size=(*batch, 3, 3))
    parameter = {"std": 1.0 + rng.random((*batch, 3)), "cov": a @ a.swapaxes(-1, -2) + np.eye(3)}
    p = Gaussian(rng.normal(size=(*batch, 3)), **{name: parameter[name]})
    x = rng.normal(size=(*points, 3))
    whole = p.log_prob(x)
    monkeypatch.setattr("fastdiv.distributions.gaussian.BATCHED", 100)
    assert np.allclose(p.log_prob(x), whole, rtol=1e-13)


def test_densities_need_little_memory(rng):
    x = rng.normal(size=(100_000, 32))
    p = Gaussian(x, std=np.ones(32))
    tracemalloc.start()
    p.log_prob(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


# ---------------------------------------------------------------- names of features

ORDER_MESSAGE = "must have the same columns in the same order; got 'a', 'b' and 'b', 'a'"


def named(values, names="ab"):
    return pytest.importorskip("pandas").Series(values, list(names))


def test_names_of_series_and_frames_are_kept():
    pd = pytest.importorskip("pandas")
    mean, cov = named([1.0, 2.0]), pd.DataFrame(np.eye(2), list("ab"), list("ab"))
    batch = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b"])
    for given in (
        Gaussian(mean, std=1.0),
        Gaussian([1.0, 2.0], std=mean),
        Gaussian(mean, cov=cov),
        Gaussian(batch, var=named([1.0, 2.0])),
        Gaussian(batch, std=batch),
    ):
        assert given.columns == ("a", "b")
    assert Gaussian(pd.Series([1.0, 2.0]), std=mean).columns == ("a", "b")
    assert Gaussian(pd.Series([1.0, 2.0]), std=1.0).columns is None
    assert Gaussian(batch, std=1.0)[0].columns == ("a", "b")


def test_other_names_of_a_parameter_are_refused():
    pd = pytest.importorskip("pandas")
    mean, batch = named([1.0, 2.0]), pd.DataFrame([[1.0, 2.0]], columns=["a", "b"])
    for given in (mean, batch):
        with pytest.raises(ValueError, match=f"^mean and std {ORDER_MESSAGE}"):
            Gaussian(given, std=named([1.0, 2.0], "ba"))
        with pytest.raises(ValueError, match=r"^mean and var must .* got 'a', 'b' and 'a', 'c'"):
            Gaussian(given, var=named([1.0, 2.0], "ac"))
    cov = pd.DataFrame(np.eye(2), list("ab"), list("ab"))
    with pytest.raises(ValueError, match=f"^mean and cov {ORDER_MESSAGE}"):
        Gaussian(mean, cov=cov.loc[["b", "a"], ["b", "a"]])
    with pytest.raises(ValueError, match=f"^mean and the index of cov {ORDER_MESSAGE}"):
        Gaussian(mean, cov=cov.loc[["b", "a"]])


def test_points_of_other_names_are_refused():
    p = Gaussian(named([1.0, 2.0]), std=named([1.0, 3.0]))
    x = pytest.importorskip("pandas").DataFrame([[1.0, 2.0], [0.0, 5.0]], columns=["a", "b"])
    np.testing.assert_array_equal(p.log_prob(x), p.log_prob(x.to_numpy()))
    assert p.log_prob(x.iloc[1]) == p.log_prob(x.to_numpy()[1])
    for points in (x[["b", "a"]], x[["b", "a"]].iloc[0]):
        with pytest.raises(ValueError, match=f"^the distribution and x {ORDER_MESSAGE}"):
            p.log_prob(points)


def test_rows_of_a_batch_have_the_same_keys():
    pd = pytest.importorskip("pandas")
    mean = pd.DataFrame([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], list("uvw"))
    keep = pd.Series([True, True, False], mean.index)
    assert Gaussian(mean, std=mean, where=keep.iloc[::-1]).where.tolist() == [True, True, False]
    with pytest.raises(ValueError, match=r"^mean and std .*pass std\.loc\[mean\.index\]"):
        Gaussian(mean, std=mean.iloc[::-1])
    with pytest.raises(ValueError, match=r"^mean and std must have the same keys.*'u'.*'x'"):
        Gaussian(mean, std=mean.set_axis(list("xvw")))


def test_a_constant_feature_has_no_variance():
    fitted = fit_gaussian(np.full((9, 1), 3.7))
    assert fitted.mean == 3.7
    assert fitted.cov() == 0


def test_more_dimensions_than_memory_are_refused():
    with pytest.raises(ValueError, match="d must be an integer from 1 to"):
        Gaussian.standard(10**30)

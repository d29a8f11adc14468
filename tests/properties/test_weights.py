"""Test what holds for every function that takes weights of rows or of components."""

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
from cases import each_dtype, each_metric

import fastdiv as fd
from fastdiv.frameworks import batches

LABELS = np.array([0, 0, 0, 1, 1, 1, 1])
ROWS = np.array([[0.0], [0.5], [2.0], [10.0], [11.5], [12.0], [16.0]])
WEIGHTS = np.array([0.3, 1.7, 0.2, 2.5, 0.4, 0.9, 3.1])
AT = [[0.25], [11.0]]

SCALED = {
    "weights": 1,
    "wcss": 1,
    "sum_dist": 1,
    "pair_sum_sq": 2,
    "pair_sum": 2,
    "total_wcss": 1,
    "total_sum_dist": 1,
    "bcss": 1,
    "total_ss": 1,
    "by weights": -1,
}
"""Powers of the scale of the weights, which other results do not depend on."""


class Function(NamedTuple):
    """A function of rows, labels and weights that returns named results."""

    call: Callable[..., dict[str, Any]]
    repeats: bool = True  # whether an integer weight stands for copies of a row
    reads_all: bool = False  # also rows of weight 0, to differentiate with respect to the weight
    per_row: tuple[str, ...] = ()  # results along the rows
    rtol: float = 0.0  # of results without the rows of weight 0


def clusters(function, name="value", **options):
    def call(x, labels, w):
        result = function(x, labels, sample_weight=w, **options)
        skipped = ("labels", "metric", "n_iterations", "gap", "sizes")
        if isinstance(result, (fd.ClusterDispersion, fd.GeometricMedian)):
            fields = vars(result).items()
            return {key: v for key, v in fields if key not in skipped and v is not None}
        return {name: result}

    return call


def samples(function, names=("value",), **options):
    """Return a call whose second sample has the weights of the first, and as many rows."""

    def call(x, labels, w):
        y = (x[:, ::-1] * 0.5 + 1.0).astype(x.dtype)
        result = function(x, y, x_weights=w, y_weights=w, **options)
        return dict(zip(names, result if isinstance(result, tuple) else (result,), strict=True))

    return call


def stacked(required):
    """Return a call by a stack of one item, as the frameworks compute it."""

    def call(x, labels, w):
        stacks = {"x": x[None], "y": (0.5 * x + 1.0).astype(x.dtype)[None]}
        stacks |= {"x_weights": w[None], "y_weights": w[None]}
        options = {"estimator": "biased", "n_threads": None, "kernel": fd.RBF()}
        values, gradients = batches.mmd2(stacks, required, options)
        names = {"x_weights": "by weights"}
        return {"value": values, **{names.get(k, k): v[0] for k, v in gradients.items()}}

    return call


def mmd_functions():
    for estimator in ("unbiased", "biased", "paired"):
        repeats, options = estimator == "biased", {"estimator": estimator}
        for kernel in (fd.RBF(1.5), fd.Laplacian(2.0), fd.Linear()):
            name = f"{estimator} {type(kernel).__name__}"
            yield f"mmd2 {name}", Function(samples(fd.mmd2, kernel=kernel, **options), repeats)
            gradients = samples(
                fd.mmd2_and_grad, ("value", "x", "y"), kernel=kernel, wrt=("x", "y"), **options
            )
            yield f"gradients {name}", Function(gradients, False, per_row=("x", "y"))
        by_weights = samples(
            fd.mmd2_and_grad,
            ("value", "by weights", "bandwidth"),
            kernel=fd.RBF(1.5),
            wrt=("x_weights", "bandwidth"),
            **options,
        )
        yield f"other gradients {estimator}", Function(by_weights, False, True, ("by weights",))


FUNCTIONS = {
    "wcss": Function(clusters(fd.wcss, "wcss")),
    "wcss pairwise": Function(clusters(fd.wcss, "wcss", method="pairwise")),
    "dispersion": Function(clusters(fd.cluster_dispersion, pairs=True)),
    "dispersion l1": Function(clusters(fd.cluster_dispersion, pairs=True, metric="cityblock")),
    "dispersion about medians": Function(
        clusters(fd.cluster_dispersion, centers="geometric_median")
    ),
    "dispersion about given": Function(clusters(fd.cluster_dispersion, centers=[[1.0], [12.5]])),
    "geometric_median": Function(clusters(fd.geometric_median)),
    "davies_bouldin": Function(clusters(fd.davies_bouldin_score)),
    "silhouettes": Function(clusters(fd.silhouette_samples), False, per_row=("value",)),
    "silhouettes of squares": Function(
        clusters(fd.silhouette_samples, metric="sqeuclidean"), False, per_row=("value",)
    ),
    "silhouettes l1": Function(
        clusters(fd.silhouette_samples, metric="cityblock"), False, per_row=("value",)
    ),
    "silhouette_score": Function(clusters(fd.silhouette_score), False),
    "silhouette_score of squares": Function(
        clusters(fd.silhouette_score, metric="sqeuclidean"), False
    ),
    "energy_distance": Function(samples(fd.energy_distance)),
    "witness": Function(samples(fd.witness, at=AT, kernel=fd.RBF(1.5))),
    "stacked mmd2": Function(stacked(("x",)), False, False, ("x",), rtol=1e-6),
    "stacked mmd2 by weights": Function(stacked(("x_weights",)), False, True, ("by weights",)),
    **dict(mmd_functions()),
}

each_function = pytest.mark.parametrize("name", FUNCTIONS)


# ---------------------------------------------------------------- weight 0


@each_dtype
@pytest.mark.parametrize("name", [name for name, f in FUNCTIONS.items() if not f.reads_all])
def test_a_row_of_weight_0_is_left_out(name, dtype):
    function, x, w = FUNCTIONS[name], ROWS.astype(dtype), WEIGHTS.copy()
    w[[0, 4]] = 0.0
    keep = w > 0
    expected = function.call(x[keep], LABELS[keep], w[keep])
    for value in (np.nan, np.inf, 1e30, 7.0):
        x[~keep] = value
        for key, values in function.call(x, LABELS, w).items():
            if key in function.per_row:
                assert (np.isnan(values[~keep]) | (values[~keep] == 0)).all()
                values = values[keep]
            np.testing.assert_allclose(values, expected[key], rtol=function.rtol, atol=0.0)


def test_rows_of_weight_0_are_not_counted():
    x, labels, w = [0.0, 1.0, 2.0, 5.0], [0, 0, 0, 1], [1, 0, 1, 1]
    assert fd.cluster_dispersion(x, labels, sample_weight=w).sizes.tolist() == [2, 1]
    message = "labels must hold from 2 to n - 1 distinct labels; got 2 for n = 2, counting no rows"
    for score in (fd.silhouette_score, fd.calinski_harabasz_score, fd.davies_bouldin_score):
        with pytest.raises(ValueError, match=message):
            score(x, labels, sample_weight=[1, 0, 0, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_row_of_weight_0_keeps_its_partner(value):
    x, w = ROWS.copy(), WEIGHTS.copy()
    x[2], w[2] = 1.0, 0.0
    for options in ({}, {"nan_policy": "omit"}):
        options |= {"estimator": "paired", "kernel": fd.RBF(1.5), "x_weights": w}
        expected = fd.mmd2(x, ROWS + 1.0, **options)
        assert fd.mmd2(np.where(w[:, None] > 0, x, value), ROWS + 1.0, **options) == pytest.approx(
            expected, rel=1e-14
        )


@pytest.mark.parametrize("far", [[1e200, 1.0], [0.0, 1e200], [0.0, 1e-200]], ids=str)
def test_a_component_of_weight_0_is_left_out(far):
    means, stds = zip([0.5, 1.0], far, strict=True)
    p = fd.GaussianMixture(
        [1.0, 0.0], fd.Gaussian(np.array(means)[:, None], std=np.array(stds)[:, None])
    )
    one = fd.GaussianMixture([1.0], fd.Gaussian([[0.5]], std=1.0))
    q = fd.GaussianMixture([0.3, 0.7], fd.Gaussian([[0.0], [1.0]], std=2.0))
    np.testing.assert_array_equal(p.mean(), one.mean())
    np.testing.assert_array_equal(p.cov(), one.cov())
    assert p.log_prob([0.25]) == one.log_prob([0.25])
    np.testing.assert_array_equal(p.sample(3, rng=0), one.sample(3, rng=0))
    for method in ("variational", "variational_upper", "product", "product_lower", "product_upper"):
        for a, b, alone in ((p, q, (one, q)), (q, p, (q, one))):
            assert fd.kl_mixture(a, b, method=method) == fd.kl_mixture(*alone, method=method)
    for method in ("convex_upper", "moment_matching"):
        assert fd.kl_mixture(p, q, method=method) == fd.kl_mixture(one, q, method=method)


def test_components_of_weight_0_in_some_mixtures():
    components = fd.Gaussian([[0.0], [1.0], [1e200]], std=1.0)
    weights = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    p = fd.GaussianMixture(weights, components)
    for i, w in enumerate(weights):
        one = fd.GaussianMixture(w[w > 0], components[: np.count_nonzero(w)])
        np.testing.assert_allclose(p.cov()[i], one.cov(), rtol=1e-15)
        expected = fd.kl_mixture(one, components[0])
        assert fd.kl_mixture(p, components[0])[i] == pytest.approx(expected, rel=1e-14)


# ---------------------------------------------------------------- scale


def result_or_error(call, *arguments):
    """Return the results and no message, or no results and the message of an error."""
    try:
        return call(*arguments), ""
    except (ValueError, OverflowError) as error:
        return {}, str(error)


@each_dtype
@each_function
def test_weights_times_a_power_of_two(name, dtype):
    x, call = ROWS.astype(dtype), FUNCTIONS[name].call
    expected = call(x, LABELS, WEIGHTS)
    for exponent in (-1000, -560, -1, 3, 560, 1000):
        got, error = result_or_error(call, x, LABELS, np.ldexp(WEIGHTS, exponent))
        if error:
            assert re.search(r"; scale the data or (sample|x|y)_weights?$", error)
            assert "pair_sum" in expected
            assert abs(exponent) > 500
        for key, values in got.items():
            scaled = np.ldexp(expected[key], exponent * SCALED.get(key, 0))
            np.testing.assert_array_equal(values, scaled)


@pytest.mark.parametrize("exponent", [40, 560, 1000])
def test_counted_weights_times_a_power_of_two(exponent):
    def by_count(scale):
        n = scale * WEIGHTS.sum() - 2
        return fd.calinski_harabasz_score(ROWS, LABELS, sample_weight=scale * WEIGHTS) / n

    assert by_count(2.0**exponent) == pytest.approx(by_count(1.0), rel=1e-14)
    with pytest.raises(ValueError, match="sample_weight must add up to more than the 2 clusters"):
        by_count(2.0**-exponent)


def test_each_cluster_has_a_scale_of_its_own():
    w = WEIGHTS * np.where(LABELS == 0, 2.0**600, 2.0**-300)
    got = fd.cluster_dispersion(ROWS, LABELS, sample_weight=w)
    expected = fd.cluster_dispersion(ROWS, LABELS, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(got.wcss, np.ldexp(expected.wcss, [600, -300]))
    np.testing.assert_array_equal(got.centers, expected.centers)
    for function in (fd.silhouette_samples, fd.davies_bouldin_score, fd.geometric_median):
        results = [function(ROWS, LABELS, sample_weight=v) for v in (w, WEIGHTS)]
        got, expected = (getattr(result, "centers", result) for result in results)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("weights", [[1e-170, 1e170, 1.0], [1e308, 5e-324, 1.0]], ids=str)
def test_weights_too_far_apart(weights):
    x, labels = [0.0, 1.0, 2.0], [0, 0, 0]
    with pytest.raises(ValueError, match="sample_weight must not differ by factors beyond 1e300"):
        fd.wcss(x, labels, sample_weight=weights)
    with pytest.raises(ValueError, match="x_weights must not differ by factors beyond 1e300"):
        fd.mmd2(x, x, fd.RBF(1.0), x_weights=weights)


# ---------------------------------------------------------------- copies


@each_dtype
@pytest.mark.parametrize("name", [name for name, f in FUNCTIONS.items() if f.repeats])
def test_an_integer_weight_is_a_number_of_copies(name, dtype):
    copies, x = np.array([2, 0, 3, 1, 4, 0, 2]), ROWS.astype(dtype)
    got = FUNCTIONS[name].call(x, LABELS, copies)
    rows, labels = np.repeat(x, copies, axis=0), np.repeat(LABELS, copies)
    expected = FUNCTIONS[name].call(rows, labels, np.ones(len(rows)))
    rtol = 1e-12 if dtype == np.float64 else 2e-6
    tolerance = 1e-7 if "median" in name else 0.0  # how near the search comes
    for key, values in got.items():
        np.testing.assert_allclose(values, expected[key], rtol=rtol + tolerance, atol=tolerance)


# ---------------------------------------------------------------- exact arithmetic in one dimension


def mean(x, w):
    return sum(b * a for a, b in zip(x, w, strict=True)) / sum(w)


def squares(x, w):
    m = mean(x, w)
    return sum(b * (a - m) ** 2 for a, b in zip(x, w, strict=True))


def pair_sum(x, w, power):
    pairs = combinations(range(len(x)), 2)
    return sum(w[i] * w[j] * abs(x[i] - x[j]) ** power for i, j in pairs)


def median_sum(x, w):
    return min(sum(b * abs(a - c) for a, b in zip(x, w, strict=True)) for c in x)


def silhouette(i, x, w, labels, power):
    def away(label):
        rows = [j for j in range(len(x)) if labels[j] == label and j != i]
        total = sum(w[j] for j in rows)
        return sum(w[j] * abs(x[i] - x[j]) ** power for j in rows) / total

    own, other = away(labels[i]), away(1 - labels[i])
    return (other - own) / max(own, other)


def mmd(k, x, u, y, v, estimator):
    def average(a, s, b, t, skips):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if i != j or not skips]
        total = sum(s[i] * t[j] for i, j in pairs)
        return sum(s[i] * t[j] * k(a[i], b[j]) for i, j in pairs) / total

    apart = estimator == "unbiased"
    return average(x, u, x, u, apart) + average(y, v, y, v, apart) - 2 * average(x, u, y, v, False)


def rational(values):
    return [Fraction(float(value)) for value in np.ravel(values)]


LIGHT = [
    [1e-17, 1, 1e-17, 1, 1e-17, 1e-17, 1e-17],
    [1, 1e-17, 1e-17, 1e-17, 1e-17, 1, 1],
    [1e-30, 1e-30, 1, 1e-20, 1, 1e-40, 1e-10],
    [1, 1e-100, 1e-160, 1e-250, 1e-200, 1e-240, 1e-260],
    [3e140, 1e130, 1e140, 2e-140, 1e-130, 3e-130, 1e-140],
]
each_light = pytest.mark.parametrize("weights", LIGHT, ids=range(len(LIGHT)))


@each_light
@each_dtype
def test_light_rows_beside_heavy_ones_in_clusters(weights, dtype):
    x = ROWS.astype(dtype)
    rows, w = rational(x), rational(weights)
    parts = [([rows[i] for i in of], [w[i] for i in of]) for of in ((0, 1, 2), (3, 4, 5, 6))]
    rtol = 1e-12

    def close(got, expected, rtol=rtol):
        np.testing.assert_allclose(got, np.array(expected, dtype=np.float64), rtol=rtol, atol=0.0)

    result = fd.cluster_dispersion(x, LABELS, sample_weight=weights)
    wcss = [squares(*part) for part in parts]
    total, of_clusters = squares(rows, w), [sum(part[1]) for part in parts]
    close(result.weights, of_clusters)
    close(result.centers[:, 0], [mean(*part) for part in parts])
    close(result.wcss, wcss)
    close(result.mse, [a / b for a, b in zip(wcss, of_clusters, strict=True)])
    close(result.total_mse, sum(wcss) / sum(w))
    close([result.bcss, result.total_ss], [total - sum(wcss), total])
    close(fd.wcss(x, LABELS, sample_weight=weights), sum(wcss))
    pairwise = fd.wcss(x, LABELS, sample_weight=weights, method="pairwise")
    close(pairwise, sum(wcss), rtol if dtype == np.float64 else 1e-5)
    medians = fd.geometric_median(x, LABELS, sample_weight=weights)
    close(medians.sum_dist, [median_sum(*part) for part in parts], 1e-8)


@pytest.mark.parametrize("weights", LIGHT[:3], ids=range(3))
@each_dtype
def test_light_rows_beside_heavy_ones_in_pairs(weights, dtype):
    rows, w = rational(ROWS), rational(weights)
    parts = [([rows[i] for i in of], [w[i] for i in of]) for of in ((0, 1, 2), (3, 4, 5, 6))]
    for metric in ("euclidean", "cityblock"):
        result = fd.cluster_dispersion(
            ROWS.astype(dtype), LABELS, sample_weight=weights, pairs=True, metric=metric
        )
        for power, got in ((2, result.pair_sum_sq), (1, result.pair_sum)):
            expected = [float(pair_sum(*part, power)) for part in parts]
            rtol = 1e-12 if dtype == np.float64 else 1e-5
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=0.0)


@each_light
@each_metric
@each_dtype
def test_light_rows_beside_heavy_ones_in_silhouettes(weights, metric, dtype):
    rows, w, power = rational(ROWS), rational(weights), 2 if metric == "sqeuclidean" else 1
    got = fd.silhouette_samples(ROWS.astype(dtype), LABELS, metric=metric, sample_weight=weights)
    expected = [float(silhouette(i, rows, w, LABELS, power)) for i in range(len(rows))]
    np.testing.assert_allclose(got, expected, rtol=1e-12 if dtype == np.float64 else 1e-5)


@each_light
@each_dtype
def test_light_rows_beside_heavy_ones_in_samples(weights, dtype):
    x, y = ROWS.astype(dtype), (ROWS[:5] + 0.25).astype(dtype)
    v = np.array([1.0, 1e-50, 1.0, 1e-120, 2.0])
    exact = (rational(x), rational(weights), rational(y), rational(v))
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    kernels = {
        fd.Energy(): lambda a, b: -abs(a - b),
        fd.Linear(): lambda a, b: a * b,
        fd.Polynomial(2, gamma=0.5): lambda a, b: (a * b / 2 + 1) ** 2,
    }
    for estimator in ("biased", "unbiased"):
        options = {"estimator": estimator, "x_weights": weights, "y_weights": v}
        for kernel, formula in kernels.items():
            expected = float(mmd(formula, *exact, estimator))
            size = float(mmd(lambda a, b, k=formula: abs(k(a, b)), *exact, estimator))
            bound = rtol * max(abs(size), abs(expected), 1.0)
            assert abs(fd.mmd2(x, y, kernel, **options) - expected) <= 10 * bound
            value, _ = fd.mmd2_and_grad(x, y, kernel, wrt="x", **options)
            assert abs(value - expected) <= 10 * bound


# ---------------------------------------------------------------- examples that were wrong


def test_a_first_row_of_no_or_little_weight():
    assert fd.wcss([0.0, 1.0], [0, 0], sample_weight=[1, 0]) == 0.0
    assert fd.wcss([0.0, 1.0], [0, 0], sample_weight=[0, 1]) == 0.0
    assert fd.wcss([0.0, 1.0], [0, 0], sample_weight=[1e-17, 1]) == 1e-17
    assert fd.wcss([0.0, 1.0], [0, 0], sample_weight=[1, 1e-300]) == 1e-300
    x, labels, w = [0.0, 1.0, 5.0, 7.0], [0, 0, 1, 1], [1e-17, 1, 1, 1e-17]
    assert fd.davies_bouldin_score(x, labels, sample_weight=w) == pytest.approx(6e-17 / 4)
    squares = fd.silhouette_samples(x, labels, metric="sqeuclidean", sample_weight=w)
    np.testing.assert_allclose(squares, [1 - 1 / 25, 1 - 1 / 16, 1 - 4 / 16, 1 - 4 / 36])
    median = fd.geometric_median([0.0, 1.0, 5.0], sample_weight=[1e-17, 1, 0])
    assert (median.centers, median.sum_dist) == (1.0, 1e-17)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_medians_of_weights_of_extreme_scale(scale):
    x, w = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 10.0], [4.0, 4.0]]), np.array([1, 2, 3, 2.5])
    expected = fd.geometric_median(x, sample_weight=w)
    got = fd.geometric_median(x, sample_weight=scale * w)
    np.testing.assert_allclose(got.centers, expected.centers, rtol=1e-6)
    np.testing.assert_allclose(got.sum_dist, scale * expected.sum_dist, rtol=1e-8)
    assert 0 < got.gap[0] <= 1e-8


def test_float32_rows_of_weights_below_its_range():
    x, y = np.float32([[0.0], [1.0], [3.0]]), np.float32([[0.0], [1.0]])
    value = fd.mmd2(x, y, fd.Energy(), x_weights=[1, 1e-50, 1e-50])
    # All the weight of x is at 0. A pair within x still has two rows, one of them light.
    assert value == pytest.approx(2 * 0.5 - 2.0 - 1.0)
    at = fd.witness(x, [[90.0], [91.0]], [[3.0]], fd.RBF(0.1), x_weights=[1, 1e-50, 1e-50])
    assert at == pytest.approx(1e-50)

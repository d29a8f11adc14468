"""Results: equality by value, a hash, and arrays that stay read-only."""

import copy
import dataclasses
import inspect
import pickle

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Categorical, CoupledNormal, Gaussian, GaussianMixture, QuantizedRows
from fastdiv._engine.results import Result

X, Y = np.random.default_rng(0).normal(size=(2, 12, 2))
LABELS = np.arange(12) // 4
Q = fastdiv.quantize_rows(X), fastdiv.quantize_rows(Y)
P = Gaussian([[0.0, 1.0], [1.0, 2.0]], std=1.0)
MASK = [True, False]
BOTH = [RBF(1.0), RBF(2.0)]


def cut(x, k):
    return x[:, 0].argsort().argsort() * k // len(x)


MADE = {
    "TwoSampleResult": lambda: fastdiv.mmd_test(X, Y, n_resamples=9, rng=0),
    "KID": lambda: fastdiv.kid(X, Y, n_subsets=3, subset_size=5, rng=0),
    "KernelMeanMatching": lambda: fastdiv.kernel_mean_matching(X, Y),
    "PermanovaResult": lambda: fastdiv.permanova(X, LABELS, n_resamples=9, rng=0),
    "DiscoResult": lambda: fastdiv.disco(X, LABELS, n_resamples=9, rng=0),
    "ClusterDispersion": lambda: fastdiv.cluster_dispersion(X, LABELS),
    "GeometricMedian": lambda: fastdiv.geometric_median(X, LABELS),
    "GapStatistic": lambda: fastdiv.gap_statistic(X, cut, [1, 2], n_references=3, rng=0),
    "Estimate": lambda: fastdiv.kl_monte_carlo(P, P, 100, rng=0),
    "QuantizedEstimate": lambda: fastdiv.mmd2(*Q, BOTH),
    "GradientEstimate": lambda: fastdiv.score_function_grad([0.0, 0.0], np.sin, 100, rng=0),
    "RelaxedSample": lambda: fastdiv.gumbel_softmax([0.0, 0.0], 0.5, rng=0),
}


# What holds arrays and is no result.
HELD = {
    "Gaussian": lambda: Gaussian([[0.0, 1.0], [1.0, 2.0]], std=np.ones((2, 2)), where=MASK),
    "Gaussian, some": lambda: Gaussian(X, cov=np.eye(2), where=np.full(12, True))[[0, 2]],
    "Gaussian, fitted": lambda: fastdiv.fit_gaussian(X),
    "Gaussian, standard": lambda: Gaussian.standard(2),
    "Categorical": lambda: Categorical(probs=[[0.5, 0.5], [0.1, 0.9]], where=MASK),
    "Categorical, logits": lambda: Categorical(logits=X),
    "GaussianMixture": lambda: GaussianMixture([0.5, 0.5], P),
    "CoupledNormal": lambda: CoupledNormal([0.0], std=1.0, kappa=0.5),
    "QuantizedRows": lambda: fastdiv.quantize_rows(X, symmetric=False),
    "QuantizedRows, some": lambda: Q[0][LABELS > 0],
    "QuantizedRows, given": lambda: QuantizedRows(np.ones((3, 2), np.int8), np.ones(3, np.float32)),
    "HybridProduct": lambda: fastdiv.hybrid_matmul(X, Q[1]),
}


def arrays(result):
    """Return the arrays of a result, or of anything else that holds some."""
    held = result._asdict() if isinstance(result, tuple) else dict(vars(result))
    for value in list(held.values()):
        if isinstance(value, Gaussian):
            held |= vars(value)
    return {name: value for name, value in held.items() if isinstance(value, np.ndarray)}


def test_every_result_with_arrays_is_tested():
    public = [value for value in map(vars(fastdiv).get, fastdiv.__all__) if inspect.isclass(value)]
    assert {kind.__name__ for kind in public if issubclass(kind, Result)} == set(MADE)
    for kind in filter(dataclasses.is_dataclass, public):
        types = [str(field.type) for field in dataclasses.fields(kind)]
        if any(name.startswith(("NDArray", "Values", "Matrix")) for name in types):
            assert "__eq__" not in vars(kind), "the generated == would compare arrays"


@pytest.mark.parametrize("name", MADE)
def test_equal_by_value(name):
    one, two = MADE[name](), MADE[name]()
    assert one == two
    assert hash(one) == hash(two)
    assert one != "a result"
    assert one in {two}
    for field, value in arrays(one).items():
        if value.dtype.kind in "if":
            assert dataclasses.replace(one, **{field: value + 1}) != one
            assert dataclasses.replace(one, **{field: value[:0]}) != one
            nan = dataclasses.replace(one, **{field: np.full(value.shape, np.nan)})
            assert nan == copy.copy(nan)


each_way = pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)


@each_way
@pytest.mark.parametrize("name", MADE)
def test_arrays_are_read_only_in_copies_too(name, way):
    result = MADE[name]()
    for each in (result, way(result)):
        assert each == result
        assert_read_only(each)


@each_way
@pytest.mark.parametrize("name", HELD)
def test_arrays_are_read_only_elsewhere(name, way):
    value = HELD[name]()
    for each in (value, way(value)):
        assert type(each) is type(value)
        assert_read_only(each)
        for field, array in arrays(each).items():
            np.testing.assert_array_equal(array, arrays(value)[field])


def assert_read_only(value):
    assert arrays(value)
    for array in arrays(value).values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_what_is_given_can_still_be_written_to():
    mean, weights, probs = np.zeros((2, 2)), np.array([0.5, 0.5]), np.array([0.5, 0.5])
    values, scale = np.ones((3, 2), np.int8), np.ones(3, np.float32)
    mixture = GaussianMixture(weights, Gaussian(mean, std=1.0))
    categorical, rows = Categorical(probs=probs), QuantizedRows(values, scale)
    for array in (mean, weights, probs, values, scale):
        array[...] = 1
    shared = (mixture.components.mean, mean), (categorical.parameter, probs), (rows.values, values)
    for view, array in (*shared, (rows.scale, scale)):
        assert np.shares_memory(view, array), "copied"


def test_numbers_that_are_nan_are_equal():
    one, two = (fastdiv.QuantizedEstimate(float("nan"), 0.0) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)

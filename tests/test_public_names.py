"""Public names: pickles and `repr` name `fastdiv`, not the room that defines them."""

import io
import pickle
from typing import get_type_hints

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Categorical, CoupledNormal, Gaussian, GaussianMixture, Sum

PUBLIC = [name for name in fastdiv.__all__ if callable(getattr(fastdiv, name))]
X = np.arange(12.0).reshape(6, 2) % 5
Y = X[::-1] ** 2
LABELS = np.repeat([0, 1], 3)
P = Gaussian([0.0, 1.0], std=[1.0, 2.0])


def halves(x, k):
    return np.arange(len(x)) % k


INSTANCES = {
    "ClusterDispersion": lambda: fastdiv.cluster_dispersion(X, LABELS),
    "Categorical": lambda: Categorical(probs=[0.25, 0.75]),
    "CoupledNormal": lambda: CoupledNormal([0.0], std=[1.0], kappa=0.5),
    "DiscoResult": lambda: fastdiv.disco(X, LABELS, n_resamples=9, rng=0),
    "Estimate": lambda: fastdiv.kl_monte_carlo(P, P, 9, rng=0),
    "GapStatistic": lambda: fastdiv.gap_statistic(X, halves, [1, 2], n_references=2, rng=0),
    "Gaussian": lambda: P,
    "GaussianMixture": lambda: GaussianMixture([1.0], P[None]),
    "GeometricMedian": lambda: fastdiv.geometric_median(X),
    "GradientEstimate": lambda: fastdiv.score_function_grad([0.0, 1.0], np.exp, 9, rng=0),
    "HybridProduct": lambda: fastdiv.hybrid_matmul(X, fastdiv.quantize_rows(Y)),
    "KID": lambda: fastdiv.kid(X, Y, subset_size=3, n_subsets=2, rng=0),
    "KernelMeanMatching": lambda: fastdiv.kernel_mean_matching(X, Y),
    "PermanovaResult": lambda: fastdiv.permanova(X, LABELS, n_resamples=9, rng=0),
    "QuantizedEstimate": lambda: fastdiv.cmmd(*map(fastdiv.quantize_rows, (X, Y))),
    "QuantizedRows": lambda: fastdiv.quantize_rows(X),
    "RBF": lambda: RBF(2.0),
    "RelaxedSample": lambda: fastdiv.gumbel_softmax([0.0, 1.0], 0.5, rng=0),
    "Sum": lambda: Sum([RBF(1.0), RBF()]),
    "TwoSampleResult": lambda: fastdiv.mmd_test(X, Y, n_resamples=9, rng=0),
}


class NoRooms(pickle.Unpickler):
    """Refuse a pickle that names a module of the package other than `fastdiv`."""

    def find_class(self, module, name):
        assert not module.startswith("fastdiv."), f"{module}.{name}"
        return super().find_class(module, name)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_belong_to_the_package(name):
    public = getattr(fastdiv, name)
    assert (public.__module__, public.__qualname__) == ("fastdiv", name)
    assert pickle.loads(pickle.dumps(public)) is public
    assert get_type_hints(public) is not None
    if isinstance(public, type):
        assert repr(public) == f"<class 'fastdiv.{name}'>"


@pytest.mark.parametrize("name", INSTANCES)
def test_pickles_name_the_package_alone(name):
    value = INSTANCES[name]()
    assert type(value) is getattr(fastdiv, name)
    copy = NoRooms(io.BytesIO(pickle.dumps(value))).load()
    assert type(copy) is type(value)
    assert repr(copy) == repr(value)


def test_importing_loads_hardly_more_than_numpy(run_python):
    """Packages of the standard library that took half of the time of the import."""
    slow = {"importlib.metadata", "numpy.random", "statistics", "concurrent.futures", "decimal"}
    done = run_python(
        """
    import sys, numpy
    before = set(sys.modules)
    import fastdiv
    print(*(set(sys.modules) - before))
    """
    )
    assert not slow & set(done.stdout.split())

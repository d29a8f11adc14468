"""Wrong arguments: every argument of every function takes every kind of wrong value."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

import fastdiv
from fastdiv import (
    RBF,
    Callback,
    Categorical,
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    Laplacian,
    Linear,
    QuantizedRows,
    Sum,
)

from . import inputs
from .calls import halves
from .encode import Cases, case
from .gaussians import PARAMETRISATIONS

X = inputs.rows(6, 2)
Y = inputs.rows(6, 2, key="y")
LABELS = np.array([0, 0, 0, 1, 1, 1])
P, Q = Gaussian([0.0, 1.0], std=1.0), Gaussian([1.0, 1.0], var=[1.0, 2.0])
MIXTURE = GaussianMixture([0.5, 0.5], Gaussian([[0.0, 0.0], [1.0, 1.0]], std=1.0))
COUPLED = CoupledNormal([0.0, 1.0], std=1.0, kappa=0.1)
DISCRETE = Categorical(probs=[0.25, 0.75])
FLOW = {name: inputs.rows(6, 2, key=name).reshape(1, 2, 6) for name in ("z_p", "mean_p")}
FLOW |= {"logstd_p": np.zeros((1, 2, 6)), "logstd_q": np.zeros((1, 2, 6))}


class OnDevice:
    """Something whose memory is that of a GPU."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


class UnknownDevice:
    """Something whose device DLPack does not know."""

    def __dlpack_device__(self) -> tuple[int, int]:
        raise ValueError("no such device")


class NeedsGrad:
    """Something that is differentiated."""

    requires_grad = True

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        return X


class NoArray:
    """Something that fails to become an array."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError("no data")


class Sparse:
    """Something like a sparse matrix."""

    nnz, dtype = 3, np.dtype(float)

    def toarray(self) -> np.ndarray:
        return X


class JaxSparse:
    """Something like a sparse array of JAX."""

    nse = 3

    def todense(self) -> np.ndarray:
        return X


class Nothing:
    """Something that is nothing of use."""

    def __repr__(self) -> str:
        return "Nothing()"


class Index:
    """Something that is an integer."""

    def __index__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return "Index()"


WRONG: dict[str, Callable[[], object]] = {
    "None": lambda: None,
    "text": lambda: "text",
    "empty text": lambda: "",
    "bytes": lambda: b"bytes",
    "True": lambda: True,
    "NumPy False": lambda: np.False_,
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "2": lambda: 2,
    "NumPy 2": lambda: np.int8(2),
    "an index": Index,
    "2.0": lambda: 2.0,
    "-0.5": lambda: -0.5,
    "0.5": lambda: np.float32(0.5),
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1e-320": lambda: 1e-320,
    "1e300": lambda: 1e300,
    "1j": lambda: 1j,
    "10**30": lambda: 10**30,
    "a date": lambda: datetime.date(2020, 1, 1),
    "a dictionary": lambda: {"a": [1.0]},
    "a set": lambda: {1.0},
    "a generator": lambda: (v for v in [1.0, 2.0]),
    "a function": lambda: halves,
    "a kernel": lambda: RBF(1.0),
    "a class": lambda: RBF,
    "the base class": fastdiv.Kernel,
    "nothing": Nothing,
    "an empty list": list,
    "an empty tuple": tuple,
    "[[]]": lambda: [[]],
    "a list of text": lambda: ["x", "y"],
    "a wrong list": lambda: ["x", "x", 3],
    "a ragged list": lambda: [[1.0, 2.0], [3.0]],
    "[0]": lambda: [0],
    "[1.0, nan]": lambda: [1.0, np.nan],
    "[0.5, 0.5]": lambda: [0.5, 0.5],
    "0-d": lambda: np.array(2.0),
    "no rows": lambda: np.empty((0, 2)),
    "no features": lambda: np.empty((6, 0)),
    "one row": lambda: X[:1],
    "two rows": lambda: X[:2],
    "fewer rows": lambda: X[:5],
    "more features": lambda: np.ones((6, 3)),
    "one feature": lambda: X[:, 0],
    "3-D": lambda: X.reshape(3, 2, 2),
    "equal rows": lambda: np.zeros((6, 2)),
    "float32": lambda: X.astype(np.float32),
    "integers": lambda: np.arange(12).reshape(6, 2),
    "complex": lambda: X + 1j,
    "bool": lambda: X > 0,
    "object": lambda: np.array([[1.0, None]] * 6),
    "texts": lambda: np.array([["a", "b"]] * 6),
    "bytes array": lambda: np.array([[b"a", b"b"]] * 6),
    "datetime64": lambda: np.zeros((6, 2), dtype="M8[s]"),
    "timedelta64": lambda: np.zeros((6, 2), dtype="m8[s]"),
    "structured": lambda: np.zeros(6, dtype=[("a", "f4"), ("b", "f4")]),
    "longdouble": lambda: X.astype(np.longdouble),
    "masked": lambda: np.ma.masked_greater(X, 0),
    "with nan": lambda: np.where(X[2, 1] == X, np.nan, X),
    "with inf": lambda: np.where(X[3, 0] == X, np.inf, X),
    "huge": lambda: X * 1e300,
    "tiny": lambda: X * 1e-300,
    "quantised": lambda: fastdiv.quantize_rows(X),
    "a Gaussian": lambda: P,
    "a mixture": lambda: MIXTURE,
    "a coupled": lambda: COUPLED,
    "a Categorical": lambda: DISCRETE,
    "a batch": lambda: Gaussian([[0.0, 1.0], [2.0, 3.0]], std=1.0),
    "another dimension": lambda: Gaussian([0.0], std=1.0),
    "padding": lambda: Gaussian([[0.0, 1.0]] * 2, std=1.0, where=[True, False]),
    "a singular fit": lambda: fastdiv.fit_gaussian(X[:2]),
    "on a GPU": OnDevice,
    "on no device": UnknownDevice,
    "requires grad": NeedsGrad,
    "fails": NoArray,
    "sparse": Sparse,
    "sparse of JAX": JaxSparse,
}
"""Values that most arguments refuse; each is made anew for every call."""

UNBOUNDED = ("n", "n_samples")
"""Arguments that do not refuse 10**30, which would be computed for ever."""

SAMPLES = {"x": X, "y": Y}
OPTIONS = {"nan_policy": "raise", "n_threads": 1, "progress": None}
TEST = {"n_resamples": 5, "permutations": None, "rng": 0, **OPTIONS}
WEIGHTS = {"x_weights": None, "y_weights": None, "estimator": "biased"}
CLUSTERS = {"x": X, "labels": LABELS}
WEIGHT = {"sample_weight": None, "noise_label": None, "nan_policy": "raise", "n_threads": 1}
PAIR = {"p": P, "q": Q}
DRAWS = {"n_samples": 5, "rng": 0, "progress": None}

RIGHT: dict[str, Mapping[str, object]] = {
    "mmd2": {**SAMPLES, "kernel": RBF(1.0), **WEIGHTS, **OPTIONS},
    "mmd2_and_grad": {**SAMPLES, "kernel": RBF(1.0), "wrt": "x", **WEIGHTS, **OPTIONS},
    "energy_distance": {**SAMPLES, "exponent": 1.0, **WEIGHTS, **OPTIONS},
    "witness": {
        **{**SAMPLES, "at": X[:1], "kernel": RBF(1.0), **OPTIONS},
        **{"x_weights": None, "y_weights": None},
    },
    "median_distance": {**SAMPLES, "metric": "euclidean", **OPTIONS},
    "mmd_test": {**SAMPLES, "kernel": RBF(1.0), "estimator": "biased", **TEST},
    "kid": {
        **{**SAMPLES, "degree": 3, "gamma": None, "coef0": 1.0, "n_subsets": 3, "rng": 0},
        **{"subset_size": 2, "full_sample": True, **OPTIONS},
    },
    "cmmd": {**SAMPLES, "normalize": False, **OPTIONS},
    "wae_mmd": {
        **{"z": X, "z_prior": Y, "kernel": "imq", "prior": "normal", "sigma2_p": 1.0},
        **{"n_threads": 1, "progress": None},
    },
    "wae_kernel": {
        **{"z": X, "z_prior": Y, "kernel": "rbf", "prior": "normal", "sigma2_p": 1.0},
        "n_threads": 1,
    },
    "kernel_mean_matching": {
        **{**SAMPLES, "kernel": RBF(1.0), "bound": None, "tolerance": 0.1, "max_iter": 50},
        **{"n_threads": 1, "progress": None},
    },
    "kl_knn": {**SAMPLES, "k": 1, **OPTIONS},
    "quantize_rows": {"x": X, "symmetric": True},
    "hybrid_matmul": {"x": X, "weights": fastdiv.quantize_rows(Y), "n_threads": 1},
    "permanova": {"x": X, "groups": LABELS, "metric": "euclidean", **TEST},
    "disco": {"x": X, "groups": LABELS, "exponent": 1.0, **TEST},
    "cluster_dispersion": {
        **{**CLUSTERS, **WEIGHT, "centers": "mean", "metric": "euclidean", "pairs": True},
        "progress": None,
    },
    "wcss": {**CLUSTERS, **WEIGHT, "method": "centroid", "progress": None},
    "geometric_median": {
        **{**CLUSTERS, **WEIGHT, "tolerance": 1e-6, "max_iterations": 30, "progress": None}
    },
    "silhouette_samples": {
        **{**CLUSTERS, "metric": "euclidean", "sample_weight": None, "noise_label": None},
        **{"n_threads": 1, "progress": None},
    },
    "silhouette_score": {**CLUSTERS, **WEIGHT, "metric": "euclidean", "progress": None},
    "calinski_harabasz_score": {**CLUSTERS, **WEIGHT},
    "davies_bouldin_score": {**CLUSTERS, **WEIGHT},
    "dunn_index": {**CLUSTERS, "metric": "euclidean", "noise_label": None, **OPTIONS},
    "gap_statistic": {
        **{"x": X, "labels_of": halves, "k_range": [1, 2], "n_references": 2, "rng": 0},
        **{"reference": "uniform", **OPTIONS},
    },
    "fit_gaussian": {"x": X, "ddof": 0},
    "kl": {**PAIR, "where": None, "reduce": "none", "n_threads": 1, "progress": None},
    "jensen_shannon": {
        **{"p": DISCRETE, "q": DISCRETE, "where": None, "reduce": "none", "n_threads": 1},
        "progress": None,
    },
    "cross_entropy": {**PAIR, "n_threads": 1},
    "jeffreys": {**PAIR, "n_threads": 1},
    "renyi": {**PAIR, "alpha": 0.5, "n_threads": 1},
    "bhattacharyya": PAIR,
    "hellinger": PAIR,
    "hellinger2": PAIR,
    "wasserstein2": PAIR,
    "kl_matrix": {"ps": P[None], "qs": Q[None], "n_threads": 1, "progress": None},
    "kl_and_grad": {**PAIR, "wrt": "p", "where": None, "n_threads": 1},
    "kl_mixture": {"p": MIXTURE, "q": MIXTURE, "method": "variational"},
    "coupled_kl": {**PAIR, "kappa": 0.1, "alpha": 2},
    "coupled_cross_entropy": {**PAIR, "kappa": 0.1, "alpha": 2},
    "coupled_entropy": {"p": P, "kappa": 0.1, "alpha": 2},
    "coupled_log": {"x": [1.0, 2.0], "kappa": 0.1, "dim": 1},
    "coupled_exp": {"x": [1.0, 2.0], "kappa": 0.1, "dim": 1},
    "kl_monte_carlo": {**PAIR, "estimator": "k1", "n_threads": 1, **DRAWS},
    "coupled_kl_monte_carlo": {**PAIR, "kappa": 0.1, "alpha": 2, **DRAWS},
    "coupled_cross_entropy_monte_carlo": {**PAIR, "kappa": 0.1, "alpha": 2, **DRAWS},
    "kl_from_log_probs": {
        **{"log_p": [0.0, 0.5], "log_q": [0.1, 0.4], "estimator": "k1", "axis": 0},
        "n_threads": 1,
    },
    "f_divergence_bound": {"t_p": [0.0, 0.5], "t_q": [0.1, 0.4], "divergence": "kl"},
    "kl_flow": {
        **{**FLOW, "log_det": 0, "mask": None, "noise_q": None, "estimator": "hybrid"},
        "reduce": "per_frame",
    },
    "kl_flow_and_grad": {
        **{**FLOW, "log_det": 0, "mask": None, "noise_q": None, "estimator": "hybrid"},
        "reduce": "per_frame",
    },
    "gumbel_softmax": {"logits": [0.0, 1.0], "temperature": 0.5, "hard": False, "rng": 0},
    "score_function_grad": {"logits": [0.0, 1.0], "f": np.sqrt, "n_samples": 5, "rng": 0},
    "enumeration_grad": {"logits": [0.0, 1.0], "f_values": [1.0, 2.0]},
    "project_simplex": {"v": [0.5, 0.75]},
    "quadratic_energy_and_grad": {"r": np.eye(2), "p": [0.5, 0.5], "c": None},
    "set_num_threads": {"n": 2},
    "show_config": {"mode": "dict"},
    "RBF": {"bandwidth": 1.0},
    "Laplacian": {"bandwidth": 1.0},
    "Matern": {"nu": 0.5, "bandwidth": 1.0},
    "RationalQuadratic": {"alpha": 1.0, "bandwidth": 1.0},
    "InverseMultiquadric": {"c": 1.0},
    "Polynomial": {"degree": 2, "gamma": 1.0, "coef0": 1.0},
    "Energy": {"exponent": 1.0},
    "Sum": {"kernels": [RBF(1.0), Linear()], "weights": [1.0, 2.0]},
    "Callback": {"f": inputs.callback},
    "QuantizedRows": {
        **{"values": np.ones((6, 2), np.int8), "scale": np.ones(6, np.float32)},
        "zero_point": np.zeros(6, np.int8),
    },
    "Categorical": {"probs": [0.5, 0.5], "where": None},
    "GaussianMixture": {"weights": [0.5, 0.5], "components": MIXTURE.components},
}
"""Right arguments of every function, each of which is made wrong in its turn."""

METHODS: dict[str, tuple[Callable[..., object], Mapping[str, object]]] = {
    "RBF.from_gamma": (RBF.from_gamma, {"gamma": 1.0}),
    "RBF.from_width": (RBF.from_width, {"width": 1.0}),
    "Gaussian.standard": (Gaussian.standard, {"d": 2}),
    "Gaussian.log_prob": (P.log_prob, {"x": [0.0, 1.0]}),
    "Gaussian.sample": (P.sample, {"n": 2, "rng": 0}),
    "GaussianMixture.log_prob": (MIXTURE.log_prob, {"x": [0.0, 1.0]}),
    "GaussianMixture.sample": (MIXTURE.sample, {"n": 2, "rng": 0}),
    "CoupledNormal.log_prob": (COUPLED.log_prob, {"x": [0.0, 1.0]}),
    "CoupledNormal.sample": (COUPLED.sample, {"n": 2, "rng": 0}),
    "Categorical.log_prob": (DISCRETE.log_prob, {"index": 1}),
    "Categorical.sample": (DISCRETE.sample, {"n": 2, "rng": 0}),
    "Categorical.entropy": (DISCRETE.entropy, {"n_threads": 1}),
    "Estimate.confidence_interval": (
        fastdiv.kl_from_log_probs([0.0, 1.0], [0.0, 0.5]).confidence_interval,
        {"level": 0.9},
    ),
    "RelaxedSample.vjp": (
        fastdiv.gumbel_softmax([0.0, 1.0], 0.5, rng=0).vjp,
        {"cotangent": [1, 2]},
    ),
    "QuantizedRows.__getitem__": (fastdiv.quantize_rows(X).__getitem__, {"index": slice(2)}),
    "Gaussian.__getitem__": (MIXTURE.components.__getitem__, {"index": 0}),
    "kernel_mean_matching of a list": (
        lambda kernel: fastdiv.kernel_mean_matching(X, Y, kernel),
        {"kernel": [RBF(1.0)]},
    ),
    "mmd2 Callback": (
        lambda returned: fastdiv.mmd2(X, Y, Callback(lambda a, b: returned)),
        {"returned": np.ones((6, 6))},
    ),
}

VECTOR, MATRIX = [1.0, 2.0], np.eye(2)
DISTRIBUTIONS: dict[str, tuple[Callable[..., object], Mapping[str, object]]] = {
    "CoupledNormal std": (
        CoupledNormal,
        {"mean": [0.0, 1.0], "std": VECTOR, "kappa": 0.1, "alpha": 2},
    ),
    "CoupledNormal cov": (
        CoupledNormal,
        {"mean": [0.0, 1.0], "cov": MATRIX, "kappa": 0.1, "alpha": 2},
    ),
    "Categorical logits": (Categorical, {"logits": [0.5, 0.5], "where": None}),
}
for NAME in PARAMETRISATIONS:
    VALUE = VECTOR if NAME in PARAMETRISATIONS[:4] else MATRIX
    DISTRIBUTIONS[f"Gaussian {NAME}"] = (Gaussian, {"mean": [0.0, 1.0], NAME: VALUE, "where": None})


def wrong_arguments(small: bool) -> Cases:
    """Make every argument wrong in every way, leave it out, and give one that does not exist."""
    functions = {name: (getattr(fastdiv, name), right) for name, right in RIGHT.items()}
    for name, (function, right) in (functions | METHODS | DISTRIBUTIONS).items():
        call = partial(_call, function)
        yield case(f"{name}, right", call, right)
        yield case(f"{name}, unknown", call, {**right, "colour": 1})
        yield case(f"{name}, all by position", partial(_by_position, function), right)
        for argument in right:
            rest = {key: value for key, value in right.items() if key != argument}
            if argument != "rng":
                yield case(f"{name}, no {argument}", call, rest)
            for kind, make in WRONG.items():
                random = argument == "rng" and kind == "None"
                endless = argument in UNBOUNDED and kind == "10**30"
                if not random and not endless:
                    yield case(f"{name}, {argument}, {kind}", call, right, argument, make)
    fastdiv.set_num_threads(2)


def _call(
    function: Callable[..., object],
    right: Mapping[str, object],
    argument: str = "",
    make: Callable[[], object] | None = None,
) -> object:
    return function(**(right if make is None else {**right, argument: make()}))


def _by_position(function: Callable[..., object], right: Mapping[str, object]) -> object:
    return function(*right.values())


WORDS = {
    "estimator": ("unbiased", "biased", "paired", "k1", "Unbiased"),
    "nan_policy": ("raise", "omit", "propagate"),
    "metric": ("euclidean", "sqeuclidean", "cityblock", "manhattan", "cosine"),
    "method": ("centroid", "pairwise", "variational", "other"),
    "reference": ("uniform", "pca"),
    "centers": ("mean", "geometric_median", "median"),
    "reduce": ("none", "sum", "mean", "per_item"),
    "kernel": ("imq", "rbf", "RBF"),
    "prior": ("normal", "sphere", "uniform", "gamma"),
    "divergence": ("kl", "js"),
    "mode": ("stdout", "dict", "json"),
    "wrt": (
        *("x", "y", "p", "q", "bandwidth", "x_weights", "z"),
        *(("x", "x"), ["p"], ["x", "z"], (), "xy", {"x"}, ("q", "p")),
    ),
    "noise_label": (0, 1, 5, "a", 1.0, True),
    "k_range": ([2, 1], [1, 1], [0], [7], [1.0], "12", range(3), [True], None),
    "ddof": (5, 6, -1),
    "k": (5, 6, 64, 65),
    "subset_size": (6, 7),
    "degree": (100, 101),
    "n_resamples": (10**9 + 1,),
    "n_threads": (1024, 1025),
    "n": (1024, 1025),
    "exponent": (2, 2.0, 2.5, 1.999999),
    "nu": (0.5, 1, 1.5, 2.5, 3),
    "alpha": (1, 1.0, 1e-9, 1e9),
    "kappa": (-0.5, -0.49, -1, 1e9),
    "level": (0.0, 1.0, 1.5),
    "axis": (-1, 1),
}


def words(small: bool) -> Cases:
    """Give the words and numbers at the edge of what is accepted."""
    functions = {name: (getattr(fastdiv, name), right) for name, right in RIGHT.items()}
    for name, (function, right) in (functions | METHODS | DISTRIBUTIONS).items():
        for argument in right:
            for value in WORDS.get(argument, ()):
                changed = {**right, argument: value}
                yield case(f"{name}, {argument}={value!r}", _call, function, changed)
    fastdiv.set_num_threads(2)


def combinations(small: bool) -> Cases:
    """Combine arguments that do not go together."""
    together = {
        "two parametrisations": lambda: Gaussian([0.0], std=1.0, var=1.0),
        "no parametrisation": lambda: Gaussian([0.0]),
        "two of CoupledNormal": lambda: CoupledNormal([0.0], std=1.0, var=1.0, kappa=0),
        "none of CoupledNormal": lambda: CoupledNormal([0.0], kappa=0),
        "two of Categorical": lambda: Categorical(probs=[1.0], logits=[0.0]),
        "none of Categorical": lambda: Categorical(),
        "where selects padding": lambda: fastdiv.kl(
            Gaussian([[0.0]] * 2, std=1.0, where=[True, False]),
            Gaussian([0.0], std=1.0),
            where=[True, True],
        ),
        "noise without k1": lambda: fastdiv.kl_flow(**FLOW, noise_q=FLOW["z_p"]),
        "k1 without noise": lambda: fastdiv.kl_flow(**FLOW, estimator="k1"),
        "log_det of elements": lambda: fastdiv.kl_flow(**FLOW, log_det=1.0, reduce="none"),
        "mean of nothing": lambda: fastdiv.kl(P[None][:0], Q, reduce="mean"),
        "sum of nothing": lambda: fastdiv.kl(P[None][:0], Q, reduce="sum"),
        "a Callback has no gradient": lambda: fastdiv.mmd2_and_grad(
            X, Y, Callback(inputs.callback)
        ),
        "no bandwidth": lambda: fastdiv.mmd2_and_grad(X, Y, [RBF(1.0), Linear()], wrt="bandwidth"),
        "bandwidths of other features": lambda: fastdiv.mmd2(X, Y, RBF([1.0, 2.0, 3.0])),
        "quantised and not": lambda: fastdiv.mmd2(fastdiv.quantize_rows(X), Y),
        "not and quantised": lambda: fastdiv.witness(X, Y, fastdiv.quantize_rows(X)),
        "int8 has no gradient": lambda: fastdiv.mmd2_and_grad(*2 * [fastdiv.quantize_rows(X)]),
        "int8 for a gap": lambda: fastdiv.gap_statistic(fastdiv.quantize_rows(X), halves, [1]),
        "permutations twice": lambda: fastdiv.mmd_test(X, Y, permutations=[[0] * 12]),
        "permutations too short": lambda: fastdiv.mmd_test(X, Y, permutations=[[0, 1]]),
        "permutations ragged": lambda: fastdiv.mmd_test(X, Y, permutations=[[0, 1], [0]]),
        "permutations of floats": lambda: fastdiv.mmd_test(X, Y, permutations=[[0.0] * 12]),
        "no permutations": lambda: fastdiv.disco(X, LABELS, permutations=np.empty((0, 6), int)),
        "permutations and n": lambda: fastdiv.disco(
            X, LABELS, permutations=[range(6)], n_resamples=7
        ),
        "weights of labels": lambda: fastdiv.wcss(X, LABELS, sample_weight=LABELS),
        "few rows for k": lambda: fastdiv.kl_knn(X, Y[:2], 3),
        "degrees": lambda: fastdiv.mmd2(X * 1e200, Y, fastdiv.Polynomial(100)),
        "a derived kernel": lambda: fastdiv.mmd2(X, Y, _Derived()),
        "a derived kernel in a Sum": lambda: fastdiv.mmd2(X, Y, Sum([_Derived(), RBF(1.0)])),
        "a Callback that raises": lambda: fastdiv.mmd2(X, Y, Callback(_fails)),
        "a Callback that writes": lambda: fastdiv.mmd2(X, Y, Callback(_writes)),
        "iteration over quantised rows": lambda: list(fastdiv.quantize_rows(X)),
        "an array of quantised rows": lambda: np.asarray(fastdiv.quantize_rows(X)),
        "quantised values of another type": lambda: QuantizedRows(X, np.ones(6, np.float32)),
        "zero points out of range": lambda: QuantizedRows(
            np.ones((2, 2), np.int8), np.ones(2, np.float32), np.int32([0, 128])
        ),
        "a scale of 0": lambda: QuantizedRows(np.ones((2, 2), np.int8), np.float32([1, 0])),
        "frozen": lambda: setattr(RBF(1.0), "bandwidth", 2.0),
        "a read-only result": lambda: fastdiv.permanova(X, LABELS, rng=0).null_distribution.sort(),
        "a number of several": lambda: float(
            fastdiv.mmd2(*2 * [fastdiv.quantize_rows(X)], [RBF(1.0), RBF(2.0)])
        ),
        "one too many positions": lambda: fastdiv.mmd2(X, Y, RBF(1.0), "biased"),
        "kernels are compared": lambda: (RBF(1) == RBF(1.0), hash(RBF(2)) == hash(RBF(2.0))),
        "kernels of a set": lambda: len({RBF([1, 2]), RBF((1.0, 2.0)), Laplacian(1), RBF(1)}),
    }
    for name, call in together.items():
        yield case(name, call)


class _Derived(fastdiv.Kernel):
    """A kernel of someone else, without a compiled form."""


def _fails(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    raise KeyError("of the caller")


def _writes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a[0] = 1.0
    return inputs.callback(a, b)


ONCE = {"wrong arguments": wrong_arguments, "words": words, "combinations": combinations}

"""Valid calls of every public function, on little data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastdiv as fd

Arguments = dict[str, Any]

X = np.array([[0.0, 1.0], [1.5, -2.0], [0.3, 0.4], [2.0, 2.5], [-1.0, 0.7], [0.9, 3.1]])
Y = X[::-1] * 1.3 + 0.2
GROUPS = [0, 1, 0, 1, 2, 2]
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 0.7])
P = fd.Gaussian([0.0, 1.0], std=[1.0, 2.0])
Q = fd.Gaussian([0.5, 1.0], cov=[[2.0, 0.5], [0.5, 1.0]])
A, B = fd.Categorical(probs=[0.25, 0.75]), fd.Categorical(logits=[0.3, -0.2])
T = fd.CoupledNormal([0.0, 1.0], std=[1.0, 2.0], kappa=0.5)
M = fd.GaussianMixture([0.4, 0.6], fd.Gaussian([[0.0, 1.0], [2.0, 1.0]], std=1.0))
FLOW = np.linspace(-1, 1, 12).reshape(2, 2, 3)
ROWS = fd.quantize_rows(X)
SOFT = fd.gumbel_softmax([[0.0, 1.0, 2.0]], 0.5, rng=0)

PAIR: Arguments = {"x": X, "y": Y}
RUN: Arguments = {"n_threads": 1, "progress": None}
DATA: Arguments = {"nan_policy": "raise", **RUN}
KERNEL: Arguments = {"kernel": fd.RBF(1.0)}
ROW_WEIGHTS: Arguments = {"x_weights": WEIGHTS, "y_weights": WEIGHTS}
RESAMPLED: Arguments = {"n_resamples": 9, "permutations": None, "rng": 0}
LABELLED: Arguments = {"x": X, "labels": GROUPS, "noise_label": None}
FLOW_ARGUMENTS: Arguments = {
    **{"z_p": FLOW, "mean_p": FLOW, "logstd_p": FLOW, "logstd_q": FLOW, "noise_q": None},
    **{"log_det": 0, "mask": np.ones((2, 1, 3)), "estimator": "hybrid", "reduce": "per_frame"},
}


def halves(x: Any, k: int) -> Any:
    return np.arange(len(x)) % k


CALLS: dict[str, tuple[Callable[..., Any], Arguments]] = {
    "RBF": (fd.RBF, {"bandwidth": 1.0}),
    "RBF.from_gamma": (fd.RBF.from_gamma, {"gamma": 1.0}),
    "RBF.from_width": (fd.RBF.from_width, {"width": 1.0}),
    "Laplacian": (fd.Laplacian, {"bandwidth": 1.0}),
    "Matern": (fd.Matern, {"nu": 1.5, "bandwidth": 1.0}),
    "RationalQuadratic": (fd.RationalQuadratic, {"alpha": 1.0, "bandwidth": 1.0}),
    "InverseMultiquadric": (fd.InverseMultiquadric, {"c": 1.0}),
    "Energy": (fd.Energy, {"exponent": 1.0}),
    "Polynomial": (fd.Polynomial, {"degree": 3, "gamma": 0.5, "coef0": 1.0}),
    "Sum": (fd.Sum, {"kernels": [fd.RBF(1.0), fd.Energy()], "weights": [1.0, 2.0]}),
    "Callback": (fd.Callback, {"f": lambda a, b: a @ b.T}),
    "mmd2": (fd.mmd2, {**PAIR, **KERNEL, "estimator": "unbiased", **ROW_WEIGHTS, **DATA}),
    "mmd2_and_grad": (
        fd.mmd2_and_grad,
        {**PAIR, **KERNEL, "wrt": "x", "estimator": "biased", **ROW_WEIGHTS, **DATA},
    ),
    "mmd_test": (fd.mmd_test, {**PAIR, **KERNEL, "estimator": "unbiased", **RESAMPLED, **DATA}),
    "energy_distance": (
        fd.energy_distance,
        {**PAIR, "exponent": 1.0, "estimator": "biased", **ROW_WEIGHTS, **DATA},
    ),
    "median_distance": (fd.median_distance, {**PAIR, "metric": "euclidean", **DATA}),
    "witness": (fd.witness, {**PAIR, "at": X, **KERNEL, **ROW_WEIGHTS, **DATA}),
    "cmmd": (fd.cmmd, {**PAIR, "normalize": False, **DATA}),
    "kid": (
        fd.kid,
        {
            **PAIR,
            **{"degree": 3, "gamma": 0.5, "coef0": 1.0, "n_subsets": 2, "subset_size": 3},
            **{"full_sample": True, "rng": 0, **DATA},
        },
    ),
    "wae_mmd": (
        fd.wae_mmd,
        {"z": X, "z_prior": Y, "kernel": "imq", "prior": "normal", "sigma2_p": 1.0, **RUN},
    ),
    "wae_kernel": (
        fd.wae_kernel,
        {"z": X, "z_prior": Y, "kernel": "rbf", "prior": "normal", "sigma2_p": 1.0, "n_threads": 1},
    ),
    "kernel_mean_matching": (
        fd.kernel_mean_matching,
        {**PAIR, **KERNEL, "bound": 3.0, "tolerance": 1e-3, "max_iter": 100, **RUN},
    ),
    "permanova": (
        fd.permanova,
        {"x": X, "groups": GROUPS, "metric": "cityblock", **RESAMPLED, **DATA},
    ),
    "disco": (fd.disco, {"x": X, "groups": GROUPS, "exponent": 1.0, **RESAMPLED, **DATA}),
    "cluster_dispersion": (
        fd.cluster_dispersion,
        {
            **LABELLED,
            **{"centers": "mean", "sample_weight": WEIGHTS, "metric": "euclidean"},
            **{"pairs": True, **DATA},
        },
    ),
    "wcss": (fd.wcss, {**LABELLED, "method": "centroid", "sample_weight": WEIGHTS, **DATA}),
    "geometric_median": (
        fd.geometric_median,
        {
            **{**LABELLED, "sample_weight": WEIGHTS, "tolerance": 1e-8, "max_iterations": 99},
            **DATA,
        },
    ),
    "calinski_harabasz_score": (
        fd.calinski_harabasz_score,
        {**LABELLED, "sample_weight": WEIGHTS, "nan_policy": "raise", "n_threads": 1},
    ),
    "davies_bouldin_score": (
        fd.davies_bouldin_score,
        {**LABELLED, "sample_weight": WEIGHTS, "nan_policy": "raise", "n_threads": 1},
    ),
    "dunn_index": (fd.dunn_index, {**LABELLED, "metric": "euclidean", **DATA}),
    "silhouette_samples": (
        fd.silhouette_samples,
        {**LABELLED, "metric": "euclidean", "sample_weight": WEIGHTS, **RUN},
    ),
    "silhouette_score": (
        fd.silhouette_score,
        {**LABELLED, "metric": "euclidean", "sample_weight": WEIGHTS, **DATA},
    ),
    "gap_statistic": (
        fd.gap_statistic,
        {
            **{"x": X, "labels_of": halves, "k_range": [1, 2], "n_references": 2},
            **{"reference": "uniform", "rng": 0, **DATA},
        },
    ),
    "Gaussian": (fd.Gaussian, {"mean": [0.0, 1.0], "std": [1.0, 2.0], "where": None}),
    "Gaussian: cov": (fd.Gaussian, {"mean": [0.0, 1.0], "cov": np.eye(2)}),
    "Gaussian: scale_tril": (fd.Gaussian, {"mean": [0.0, 1.0], "scale_tril": np.eye(2)}),
    "Gaussian: precision": (fd.Gaussian, {"mean": [0.0, 1.0], "precision": np.eye(2)}),
    "Gaussian: logvar": (fd.Gaussian, {"mean": [0.0, 1.0], "logvar": [0.0, 1.0]}),
    "Gaussian.standard": (fd.Gaussian.standard, {"d": 3}),
    "Gaussian.log_prob": (P.log_prob, {"x": X}),
    "Gaussian.sample": (P.sample, {"n": 3, "rng": 0}),
    "fit_gaussian": (fd.fit_gaussian, {"x": X, "ddof": 0}),
    "GaussianMixture": (
        fd.GaussianMixture,
        {"weights": [0.4, 0.6], "components": fd.Gaussian([[0.0], [2.0]], std=1.0)},
    ),
    "GaussianMixture.log_prob": (M.log_prob, {"x": X}),
    "GaussianMixture.sample": (M.sample, {"n": 3, "rng": 0}),
    "CoupledNormal": (
        fd.CoupledNormal,
        {"mean": [0.0, 1.0], "std": [1.0, 2.0], "kappa": 0.5, "alpha": 2},
    ),
    "CoupledNormal.log_prob": (T.log_prob, {"x": X}),
    "CoupledNormal.sample": (T.sample, {"n": 3, "rng": 0}),
    "Categorical": (fd.Categorical, {"probs": [0.5, 0.5], "where": None}),
    "Categorical: logits": (fd.Categorical, {"logits": [0.5, 0.7]}),
    "Categorical.entropy": (A.entropy, {"n_threads": 1}),
    "Categorical.log_prob": (A.log_prob, {"index": [0, 1]}),
    "Categorical.sample": (A.sample, {"n": 3, "rng": 0}),
    "kl": (fd.kl, {"p": P, "q": Q, "where": None, "reduce": "none", **RUN}),
    "kl: categorical": (fd.kl, {"p": A, "q": B, "where": None, "reduce": "none", **RUN}),
    "kl_matrix": (fd.kl_matrix, {"ps": P[None], "qs": Q[None], **RUN}),
    "kl_and_grad": (fd.kl_and_grad, {"p": P, "q": Q, "wrt": "p", "where": None, "n_threads": 1}),
    "kl_mixture": (fd.kl_mixture, {"p": M, "q": M, "method": "variational"}),
    "cross_entropy": (fd.cross_entropy, {"p": P, "q": Q, "n_threads": 1}),
    "jeffreys": (fd.jeffreys, {"p": P, "q": Q, "n_threads": 1}),
    "jensen_shannon": (fd.jensen_shannon, {"p": A, "q": B, "where": None, "reduce": "sum", **RUN}),
    "renyi": (fd.renyi, {"p": P, "q": Q, "alpha": 0.5, "n_threads": 1}),
    "bhattacharyya": (fd.bhattacharyya, {"p": P, "q": Q}),
    "hellinger": (fd.hellinger, {"p": P, "q": Q}),
    "hellinger2": (fd.hellinger2, {"p": P, "q": Q}),
    "wasserstein2": (fd.wasserstein2, {"p": P, "q": Q}),
    "coupled_kl": (fd.coupled_kl, {"p": P, "q": Q, "kappa": 0.1, "alpha": 2}),
    "coupled_entropy": (fd.coupled_entropy, {"p": P, "kappa": 0.1, "alpha": 2}),
    "coupled_cross_entropy": (
        fd.coupled_cross_entropy,
        {"p": P, "q": Q, "kappa": 0.1, "alpha": 2},
    ),
    "coupled_log": (fd.coupled_log, {"x": [1.0, 2.0], "kappa": 0.1, "dim": 1}),
    "coupled_exp": (fd.coupled_exp, {"x": [1.0, 2.0], "kappa": 0.1, "dim": 1}),
    "coupled_kl_monte_carlo": (
        fd.coupled_kl_monte_carlo,
        {"p": P, "q": Q, "kappa": 0.1, "n_samples": 9, "alpha": 2, "rng": 0, "progress": None},
    ),
    "coupled_cross_entropy_monte_carlo": (
        fd.coupled_cross_entropy_monte_carlo,
        {"p": P, "q": Q, "kappa": 0.1, "n_samples": 9, "alpha": 2, "rng": 0, "progress": None},
    ),
    "kl_monte_carlo": (
        fd.kl_monte_carlo,
        {"p": P, "q": Q, "n_samples": 9, "estimator": "k1", "rng": 0, **RUN},
    ),
    "kl_from_log_probs": (
        fd.kl_from_log_probs,
        {
            **{"log_p": [-1.0, -2.0, -0.5], "log_q": [-1.5, -2.0, -0.4], "estimator": "k1"},
            **{"axis": 0, "n_threads": 1},
        },
    ),
    "Estimate.confidence_interval": (
        fd.kl_from_log_probs([-1.0, -2.0], [-1.5, -2.0]).confidence_interval,
        {"level": 0.9},
    ),
    "kl_knn": (fd.kl_knn, {**PAIR, "k": 2, **DATA}),
    "kl_flow": (fd.kl_flow, FLOW_ARGUMENTS),
    "kl_flow_and_grad": (fd.kl_flow_and_grad, FLOW_ARGUMENTS),
    "f_divergence_bound": (
        fd.f_divergence_bound,
        {"t_p": [0.5, 0.7], "t_q": [0.1, 0.2, 0.3], "divergence": "kl"},
    ),
    "enumeration_grad": (
        fd.enumeration_grad,
        {"logits": [0.0, 1.0], "f_values": [1.0, 2.0]},
    ),
    "score_function_grad": (
        fd.score_function_grad,
        {"logits": [0.0, 1.0], "f": np.sqrt, "n_samples": 5, "rng": 0},
    ),
    "gumbel_softmax": (
        fd.gumbel_softmax,
        {"logits": [0.0, 1.0], "temperature": 0.5, "hard": False, "rng": 0},
    ),
    "RelaxedSample.vjp": (SOFT.vjp, {"cotangent": [[1.0, 2.0, 3.0]]}),
    "project_simplex": (fd.project_simplex, {"v": [0.3, 2.0]}),
    "quadratic_energy_and_grad": (
        fd.quadratic_energy_and_grad,
        {"r": np.eye(2), "p": [0.5, 0.5], "c": [1.0, 2.0]},
    ),
    "quantize_rows": (fd.quantize_rows, {"x": X, "symmetric": True}),
    "QuantizedRows": (
        fd.QuantizedRows,
        {"values": ROWS.values, "scale": ROWS.scale, "zero_point": None},
    ),
    "QuantizedRows.dequantize": (ROWS.dequantize, {"dtype": np.float32}),
    "hybrid_matmul": (fd.hybrid_matmul, {"x": X, "weights": ROWS, "n_threads": 1}),
    "set_num_threads": (fd.set_num_threads, {"n": 1}),
    "show_config": (fd.show_config, {"mode": "dict"}),
}

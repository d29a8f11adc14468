"""Test that results do not depend on the dtype in which the parameters were given."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import fastdiv
from fastdiv import (
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    bhattacharyya,
    coupled_kl,
    hellinger2,
    kl_mixture,
    renyi,
    wasserstein2,
)
from fastdiv.distributions.gaussian import DIAGONAL, FULL
from fastdiv.distributions.mixture import _METHODS

NAMES = (*DIAGONAL, *FULL)


def sides(name, rng):
    """Return parameters of three Gaussians that float32 holds exactly, and points."""
    values = rng.normal(size=(3, 4, 8))
    matrices = (values @ values.swapaxes(1, 2)).astype(np.float32)
    if name == "scale_tril":
        matrices = np.tril(matrices)
    spread = np.exp(rng.normal(size=(3, 4))).astype(np.float32)
    mean, points = rng.normal(size=(2, 3, 4)).astype(np.float32)
    return mean, {name: matrices if name in FULL else spread}, points


def computed(mean, parameter, points):
    """Return what the package computes in NumPy, by name. `kl` of float32 has its own tests."""
    p = Gaussian(mean, **parameter)
    q = p[::-1]
    f, g = GaussianMixture([0.2, 0.3, 0.5], p), GaussianMixture([0.3, 0.7], p[:2])
    t = CoupledNormal(mean, **parameter, kappa=0.5)
    results = {
        "entropy": p.entropy(),
        "log_prob": p.log_prob(points),
        "log_prob, mixture": f.log_prob(points),
        "log_prob, coupled": t.log_prob(points),
        "cov, mixture": f.cov(),
        "renyi": renyi(p, q, 0.7),
        "bhattacharyya": bhattacharyya(p, q),
        "hellinger2": hellinger2(p, q),
        "wasserstein2": wasserstein2(p, q),
        "coupled_kl": coupled_kl(t, t, 0.5),
    }
    for method in _METHODS:
        if method in ("product", "moment_matching"):  # the others take `kl` of components
            results[f"kl_mixture, {method}"] = kl_mixture(f, g, method=method)
    return results


@pytest.mark.parametrize("name", NAMES)
def test_float32_parameters_give_what_they_give_in_float64(rng, name):
    mean, parameter, points = sides(name, rng)
    found = computed(mean, parameter, points)
    wide = {key: value.astype(np.float64) for key, value in parameter.items()}
    expected = computed(mean.astype(np.float64), wide, points.astype(np.float64))
    for key, values in found.items():
        np.testing.assert_allclose(values, expected[key], rtol=1e-12, atol=1e-14, err_msg=key)


def test_no_module_computes_with_an_accessor_that_rounds():
    """Use `linear_algebra.covariance` and `factor`, or `Categorical._log_probs`, within."""
    folder = Path(inspect.getfile(fastdiv)).parent
    calls = [
        f"{path.relative_to(folder)}:{node.lineno}: {ast.unparse(node)}"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("cov", "scale_tril", "probs", "logits")
        and ast.unparse(node.func.value) not in ("f", "g")  # mixtures, which do not round
    ]
    assert calls == []


def test_covariances_of_a_mixture_may_be_beyond_float32():
    wide = Gaussian(np.zeros((2, 1), np.float32), std=np.full((2, 1), 1e25, np.float32))
    cov = GaussianMixture([0.5, 0.5], wide).cov()
    np.testing.assert_allclose(cov, [[1e50]], rtol=1e-6)

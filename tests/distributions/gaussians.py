"""Gaussians of every parametrisation for the tests of their divergences."""

import numpy as np

from fastdiv import Gaussian
from fastdiv.distributions.gaussian import DIAGONAL, FULL

NAMES = (*DIAGONAL, *FULL)
RTOL = {np.float32: 1e-5, np.float64: 1e-12}


def parameter(name, rng, batch, d, dtype=np.float64):
    """Draw a parameter of the given name."""
    std = np.exp(0.5 * rng.normal(size=(*batch, d)))
    a = rng.normal(size=(*batch, d, 2 * d))
    cov = a @ a.swapaxes(-1, -2) / d
    value = {
        "std": std,
        "var": std**2,
        "logstd": np.log(std),
        "logvar": 2 * np.log(std),
        "cov": cov,
        "scale_tril": np.linalg.cholesky(cov),
        "precision": cov,
    }[name]
    return value.astype(dtype)


def gaussian(name, rng, batch=(), d=3, dtype=np.float64):
    mean = rng.normal(size=(*batch, d)).astype(dtype)
    return Gaussian(mean, **{name: parameter(name, rng, batch, d, dtype)})


def covariance(name, value):
    """Return the covariance by the definition of the parameter."""
    if name in DIAGONAL:
        var = {
            "std": lambda s: s**2,
            "var": lambda v: v,
            "logstd": lambda s: np.exp(2 * s),
            "logvar": np.exp,
        }[name](value.astype(np.float64))
        return var[..., None] * np.eye(value.shape[-1])
    value = value.astype(np.float64)
    if name == "cov":
        return value
    return np.linalg.inv(value) if name == "precision" else value @ value.swapaxes(-1, -2)


def close_to(p, change, rng):
    """Change the mean and parameter of p by relative noise of the given size."""
    noise = rng.normal(size=p.parameter.shape)
    if not p.is_diagonal:
        noise = np.tril(noise)
        if p.parametrisation != "scale_tril":
            noise = noise + noise.swapaxes(-1, -2)
    mean = p.mean + change * rng.normal(size=p.mean.shape)
    value = p.parameter * (1 + change * noise) + (
        change * noise if "log" in p.parametrisation else 0
    )
    return Gaussian(mean, **{p.parametrisation: value})

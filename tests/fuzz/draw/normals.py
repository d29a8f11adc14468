"""Draw parameters of Gaussians."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fastdiv as fd
from fuzz.draw.layouts import layout
from fuzz.draw.rows import power
from fuzz.truth.normals import Normal

Rng = np.random.Generator

DIAGONAL = ("std", "var", "logstd", "logvar")
FULL = ("cov", "scale_tril", "precision")
WORST_CONDITION = {np.float32: 1e4, np.float64: 1e12}


class Drawn(NamedTuple):
    """A Gaussian as given, and the condition number of the matrix that gives it, 0 if diagonal."""

    mean: Any
    name: str
    parameter: Any
    condition: float

    @property
    def given(self) -> fd.Gaussian:
        return fd.Gaussian(self.mean, **{self.name: self.parameter})

    @property
    def truth(self) -> Normal:
        return Normal.of(self.mean, self.name, self.parameter)

    def cast(self, dtype: type, rng: Rng) -> Drawn:
        """Round to an element type, in any layout. Symmetric matrices stay symmetric."""
        parameter = layout(rng, self.parameter.astype(dtype))
        return self._replace(mean=layout(rng, self.mean.astype(dtype)), parameter=parameter)


def spread(rng: Rng, d: int, condition: float) -> Any:
    """Return eigenvalues from 1/condition to 1."""
    values = condition ** -rng.uniform(0, 1, size=d)
    values[0] = 1.0
    values[-1] = 1 / condition if d > 1 else 1.0
    return values


def rotated(rng: Rng, d: int, values: Any) -> Any:
    """Return a symmetric matrix of these eigenvalues."""
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    a = (q * values) @ q.T
    return (a + a.T) / 2


def normal(rng: Rng, dtype: type, d: int, names: tuple[str, ...] = DIAGONAL + FULL) -> Drawn:
    """Draw a Gaussian in any parametrisation, scale and condition."""
    name = str(rng.choice(names))
    worst = np.log10(WORST_CONDITION[dtype]) if rng.random() < 0.5 else 2
    condition = power(rng, 0, worst)
    scale = power(rng, -3, 3) if rng.random() < 0.3 else 1.0
    if rng.random() < 0.05:
        scale = power(rng, -12, 12) if dtype == np.float32 else power(rng, -100, 100)
    mean = rng.normal(size=d) * scale * power(rng, -2, 3)
    if name in DIAGONAL:
        std = np.sqrt(spread(rng, d, condition)) * scale
        logs = np.log(std)
        parameter = {"std": std, "var": std**2, "logstd": logs, "logvar": 2 * logs}[name]
        return Drawn(mean, name, parameter, 0.0).cast(dtype, rng)
    if name == "scale_tril":
        lower = np.linalg.cholesky(rotated(rng, d, spread(rng, d, min(condition, 1e10)) + 1e-12))
        signs = rng.choice([-1.0, 1.0], size=d)
        parameter = lower * signs * scale
    else:
        values = spread(rng, d, condition) * (scale**2 if name == "cov" else scale**-2)
        parameter = rotated(rng, d, values)
    drawn = Drawn(mean, name, parameter, 1.0).cast(dtype, rng)
    return drawn._replace(condition=float(np.linalg.cond(np.asarray(drawn.parameter, float))))


def near(rng: Rng, dtype: type, p: Drawn) -> Drawn:
    """Move a Gaussian a little, in its own parametrisation."""
    size = power(rng, -14, -1) if dtype == np.float64 else power(rng, -6, -1)
    mean = np.asarray(p.mean, float) * (1 + rng.normal(size=len(p.mean)) * size)
    old = np.asarray(p.parameter, float)
    if p.name in ("cov", "precision"):
        parameter = old * (1 + size * rng.normal() * np.ones_like(old))
        parameter[np.diag_indices(len(old))] *= 1 + size
    else:
        parameter = old * (1 + rng.normal(size=old.shape) * size)
    q = Drawn(mean, p.name, parameter, p.condition).cast(dtype, rng)
    if p.name in DIAGONAL:
        return q
    return q._replace(condition=float(np.linalg.cond(np.asarray(q.parameter, float))))


def two(rng: Rng, dtype: type, d: int, names: tuple[str, ...] = DIAGONAL + FULL) -> Any:
    """Draw two Gaussians, near to each other at times, and at times equal."""
    p = normal(rng, dtype, d, names)
    chance = rng.random()
    if chance < 0.05:
        return p, p
    if chance < 0.4:
        return p, near(rng, dtype, p)
    q = normal(rng, dtype, d, names)
    if rng.random() < 0.7:  # with means at a distance that q can resolve
        root = np.sqrt(np.diag(np.asarray(q.given.cov(), float)))
        q = q._replace(mean=(np.asarray(p.mean, float) + rng.normal(size=d) * root).astype(dtype))
    return p, q

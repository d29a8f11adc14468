"""
Fit one Gaussian q to a mixture p of two, by the forward and by the reverse KL divergence.

The forward divergence KL(p ‖ q) is least for the q with the moments of p: maximum likelihood. It
covers all mass of p. The reverse divergence KL(q ‖ p) is least for a q that keeps to one component
of p. It has no closed form, but an upper bound has, which is tight where the components lie apart,

    KL(q ‖ p) ≤ −log Σₐ wₐ exp(−KL(q ‖ pₐ)),

and whose gradient is a weighted mean of gradients of KL divergences between Gaussians. Needs SciPy
and matplotlib:

    python examples/forward_reverse_kl.py [forward_reverse_kl.png]
"""

from __future__ import annotations

import os
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from fastdiv import Gaussian, GaussianMixture, fit_gaussian, kl_and_grad, kl_monte_carlo

Vector = NDArray[np.float64]

WEIGHTS = np.array([0.75, 0.25])
COMPONENTS = Gaussian([[0.5, 2.0], [9.0, 9.0]], var=[[4.0, 1.5], [1.0, 3.0]])
TARGET = GaussianMixture(WEIGHTS, COMPONENTS)

LOWER = np.tril_indices(2)
DIAGONAL = [0, 2]  # of the lower triangle: fitted as logarithms


def gaussian_of(theta: Vector) -> Gaussian:
    """Mean, then the lower triangle of the Cholesky factor with the diagonal in logarithms."""
    entries = theta[2:].copy()
    entries[DIAGONAL] = np.exp(entries[DIAGONAL])
    lower = np.zeros((2, 2))
    lower[LOWER] = entries
    return Gaussian(theta[:2], scale_tril=lower)


def reverse_bound(theta: Vector) -> tuple[float, Vector]:
    """Return the upper bound of KL(q ‖ p) and its gradient."""
    q = gaussian_of(theta)
    # A copy of q for each component, so that each gradient stands by itself.
    copies = Gaussian(np.tile(q.mean, (2, 1)), scale_tril=np.tile(q.parameter, (2, 1, 1)))
    divergences, gradient, _ = kl_and_grad(copies, COMPONENTS)
    logs = np.log(WEIGHTS) - divergences
    bound = -np.logaddexp.reduce(logs)
    share = np.exp(logs + bound)
    wrt_lower = np.einsum("a,aij->ij", share, gradient["scale_tril"])[LOWER]
    wrt_lower[DIAGONAL] *= np.exp(theta[2:][DIAGONAL])
    return float(bound), np.concatenate([share @ gradient["mean"], wrt_lower])


def fit_reverse() -> Gaussian:
    """Start from each component, and keep the better end."""
    fits = [
        optimize.minimize(reverse_bound, [*mean, 0.0, 0.0, 0.0], jac=True, method="BFGS")
        for mean in COMPONENTS.mean
    ]
    return gaussian_of(min(fits, key=lambda fit: float(fit.fun)).x)


def draw(axis: Any, q: Gaussian, colour: str, title: str, text: str) -> None:
    xs, ys = np.meshgrid(np.linspace(-8, 15, 300), np.linspace(-6, 16, 300))
    density = TARGET.log_prob(np.stack([xs, ys], axis=-1))
    levels = density.max() + np.linspace(-6, 0, 9)
    axis.contourf(xs, ys, density, levels=levels, cmap="Greys")
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    for radius in (1, 2):
        x, y = q.mean[:, None] + radius * q.scale_tril() @ circle
        axis.plot(x, y, color=colour, linewidth=2.2 / radius**0.5)
    axis.plot(*q.mean, "o", color=colour, markersize=5)
    axis.set_title(title)
    axis.text(0.03, 0.97, text, transform=axis.transAxes, va="top", linespacing=1.5)
    axis.set(xlim=(-8, 15), ylim=(-6, 16), aspect="equal", xlabel="$x_1$")


def main(path: str) -> None:
    mpl.use("agg")
    from matplotlib import pyplot as plt

    fits = {
        "Forward KL(p ‖ q): covers the mass": fit_gaussian(TARGET.sample(1_000_000, rng=0)),
        "Reverse KL(q ‖ p): seeks a mode": fit_reverse(),
    }
    figure, axes = plt.subplots(1, 2, figsize=(10, 5.1), sharey=True, layout="constrained")
    for axis, (title, q), colour in zip(axes, fits.items(), ("#0072b2", "#d55e00"), strict=True):
        forward = kl_monte_carlo(TARGET, q, 1_000_000, rng=1)
        reverse = kl_monte_carlo(q, TARGET, 1_000_000, rng=2)
        lines = [
            f"KL(p ‖ q) = {forward.value:.4f} ± {forward.stderr:.1g}",
            f"KL(q ‖ p) = {reverse.value:.4f} ± {reverse.stderr:.1g}",
        ]
        draw(axis, q, colour, title, "\n".join(lines))
        print(f"{title}\n  mean {q.mean.round(3)}, cov {q.cov().round(3).tolist()}")
        print("\n".join(f"  {line} nats" for line in lines))
    axes[0].set_ylabel("$x_2$")
    figure.savefig(f"{path}.tmp", format="png", dpi=110)
    os.replace(f"{path}.tmp", path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "forward_reverse_kl.png")

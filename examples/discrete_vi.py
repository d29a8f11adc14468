"""
Variational inference with a discrete latent variable: three gradients of one ELBO.

The model has two unknown means and an unknown choice between them,

    mu_g ~ N(0, 1), g = 1, 2,    z ~ Cat(1/2, 1/2),    x | mu, z ~ N(mu_z, 1),

and one observation, x = 2. The approximation factorises: q = N(m_1, s_1^2) N(m_2, s_2^2) Cat(r).
With f_g = E_q log N(x; mu_g, 1),

    ELBO = E_{z ~ r} f_z - KL(Cat(r) | Cat(1/2, 1/2)) - sum_g KL(N(m_g, s_g^2) | N(0, 1))

and its gradient are known exactly here, so that estimates of the gradient of the first term can be
judged: by enumeration (exact), by the score function with the leave-one-out baseline (unbiased but
noisy), and through Gumbel-softmax draws (biased, unless the temperature is low, and then noisy).

``python examples/discrete_vi.py`` writes ``discrete_vi/comparison.png``; it needs fastdiv[plot].
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from fastdiv import (
    Categorical,
    Gaussian,
    enumeration_grad,
    gumbel_softmax,
    kl,
    kl_and_grad,
    score_function_grad,
)

mpl.use("agg")
from matplotlib import pyplot as plt

X = 2.0
LOG_EVIDENCE = Gaussian([0.0], var=[2.0]).log_prob([X]).item()  # whatever z is, x ~ N(0, 2)
PRIOR_Z = Categorical(probs=[0.5, 0.5])
PRIOR_MU = Gaussian([0.0], std=[1.0])

DRAWS = 4  # of z, per step
STEPS, RATE, RUNS = 500, 0.1, 200
START = {"logits": [2.0, 0.0], "mean": [0.5, -0.5], "logstd": [0.0, 0.0]}

Parameters = dict[str, Any]  # "logits", "mean" and "logstd", each of shape (runs, 2)
Estimator = Callable[[Parameters, np.random.Generator], Parameters]


def log_likelihoods(q: Parameters) -> Any:
    """Return f_g for both g."""
    return -0.5 * (np.log(2 * np.pi) + (X - q["mean"]) ** 2 + np.exp(2 * q["logstd"]))


def gaussians(q: Parameters) -> Gaussian:
    return Gaussian(q["mean"][..., None], logstd=q["logstd"][..., None])


def elbo(q: Parameters) -> Any:
    z = Categorical(logits=q["logits"])
    divergence = kl(z, PRIOR_Z) + kl(gaussians(q), PRIOR_MU).sum(axis=-1)
    return (z.probs() * log_likelihoods(q)).sum(axis=-1) - divergence


def divergence_gradients(q: Parameters) -> Parameters:
    _, of_z, _ = kl_and_grad(Categorical(logits=q["logits"]), PRIOR_Z)
    _, of_mu, _ = kl_and_grad(gaussians(q), PRIOR_MU)
    return {**of_z, "mean": of_mu["mean"][..., 0], "logstd": of_mu["logstd"][..., 0]}


# --- the gradient of E f_z, one row per run ---------------------------------------------------


def by_enumeration(q: Parameters, rng: np.random.Generator) -> Parameters:
    wrt_logits = enumeration_grad(q["logits"], log_likelihoods(q))
    return {"logits": wrt_logits, **through_f(q, Categorical(logits=q["logits"]).probs())}


def by_score_function(q: Parameters, rng: np.random.Generator) -> Parameters:
    f, drawn = log_likelihoods(q), []

    def values(z: Any) -> Any:
        drawn.append(z)
        return f[np.arange(len(f)), z]

    wrt_logits = score_function_grad(q["logits"], values, DRAWS, rng=rng).gradient
    return {"logits": wrt_logits, **through_f(q, np.eye(2)[drawn[0]].mean(axis=0))}


def through_f(q: Parameters, share: Any) -> Parameters:
    """Return the gradients with respect to m and log s, where z = g in a share of all cases."""
    return {"mean": share * (X - q["mean"]), "logstd": -share * np.exp(2 * q["logstd"])}


def by_gumbel_softmax(
    q: Parameters, rng: np.random.Generator, temperature: float = 1.0
) -> Parameters:
    """Put y . mu, the mean of a relaxed z, in place of mu_z: the same where y is one-hot."""
    logits = np.broadcast_to(q["logits"], (DRAWS, *q["logits"].shape))
    drawn = gumbel_softmax(logits, temperature, rng=rng)
    y, variance = drawn.sample, np.exp(2 * q["logstd"])
    residual = X - (y * q["mean"]).sum(axis=-1, keepdims=True)
    wrt_y = residual * q["mean"] - y * variance
    draws = {"logits": drawn.vjp(wrt_y), "mean": residual * y, "logstd": -(y**2) * variance}
    return {name: each.mean(axis=0) for name, each in draws.items()}


ESTIMATORS: dict[str, tuple[Estimator, str]] = {
    "score function": (by_score_function, "#0072b2"),
    "Gumbel-softmax, temperature 1": (by_gumbel_softmax, "#d55e00"),
    "enumeration": (by_enumeration, "#222222"),
}


# --- fits -------------------------------------------------------------------------------------


def start(runs: int) -> Parameters:
    return {name: np.tile(values, (runs, 1)) for name, values in START.items()}


def fit(estimator: Estimator, rng: np.random.Generator) -> tuple[Any, Parameters]:
    """Climb from the same start in many runs; return the exact ELBO of each step, and the end."""
    q = start(RUNS)
    path = [elbo(q)]
    for _ in range(STEPS):
        up, down = estimator(q, rng), divergence_gradients(q)
        q = {name: q[name] + RATE * (up[name] - down[name]) for name in q}
        path.append(elbo(q))
    return np.array(path), q


def best() -> Parameters:
    """Return the optimum, by exact coordinate ascent."""
    q = start(1)
    for _ in range(1000):
        r = Categorical(logits=q["logits"]).probs()
        q["mean"], q["logstd"] = r * X / (1 + r), -0.5 * np.log1p(r)
        q["logits"] = log_likelihoods(q)
    return q


# --- the picture ------------------------------------------------------------------------------


def draw(path: Path) -> None:
    rng = np.random.default_rng(0)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(14, 4.8), layout="constrained", width_ratios=(1.25, 0.8, 1.35)
    )
    exact = best()
    ends = {}
    for name, (estimator, colour) in ESTIMATORS.items():
        values, ends[name] = fit(estimator, rng)
        draw_path(left, name, colour, elbo(exact).item() - values)
    left.set(
        title="Distance from the best ELBO",
        xlabel=f"step, {DRAWS} draws of z each",
        ylabel="best ELBO − ELBO, in nats",
        yscale="log",
        ylim=(1e-5, 3),
        xlim=(0, STEPS),
    )
    left.legend(loc="upper right", frameon=False, title=f"median and 5–95 % of {RUNS} runs")
    draw_ends(middle, ends, np.exp(exact["logstd"]).flat[0])
    draw_gradients(right, rng)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".part.png")
    figure.savefig(aside, dpi=100)
    aside.replace(path)
    print(f"best ELBO {elbo(exact).item():.4f}, log evidence {LOG_EVIDENCE:.4f}; wrote {path}")


def draw_path(axes: Any, name: str, colour: str, gaps: Any) -> None:
    low, centre, high = np.quantile(gaps, [0.05, 0.5, 0.95], axis=1)
    axes.fill_between(range(STEPS + 1), low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(centre, color=colour, label=name)
    print(f"{name}: after {STEPS} steps {gaps[-1].mean():.4f} nats below the best ELBO")


def draw_ends(axes: Any, ends: dict[str, Parameters], exact: float) -> None:
    labels = []
    for place, (name, q) in enumerate(ends.items()):
        colour = ESTIMATORS[name][1]
        draw_spread(axes, place, np.exp(q["logstd"][:, 0]), colour)
        labels.append(name.replace("-softmax, temperature", "").replace(" ", "\n"))
    draw_exact(axes, exact, end=0.98)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(
        title=f"s₁ after {STEPS} steps",
        xlabel="dot: mean; thick line: 50 %, thin: 95 %",
        ylabel="standard deviation of q(mu₁)",
        xlim=(-0.5, len(labels) - 0.3),
    )


def draw_gradients(axes: Any, rng: np.random.Generator) -> None:
    """One step's estimates of the same gradient, at the start of the fits."""
    q = start(5000)
    exact = by_enumeration(q, rng)["logits"][0, 0]
    cases: list[tuple[str, Estimator, str]] = [
        ("score\nfunction", by_score_function, ESTIMATORS["score function"][1])
    ]
    for temperature in (2.0, 1.0, 0.5, 0.1):
        relaxed = partial(by_gumbel_softmax, temperature=temperature)
        cases.append((f"Gumbel\n{temperature:g}", relaxed, "#d55e00"))
    for place, (_, estimator, colour) in enumerate(cases):
        draw_spread(axes, place, estimator(q, rng)["logits"][:, 0], colour)
    draw_exact(axes, exact, end=0.99)
    axes.set_xticks(range(len(cases)), [label for label, *_ in cases])
    axes.set(
        title=f"One step's estimates of a gradient, {DRAWS} draws of z each",
        ylabel="∂ E f / ∂ logit₁ at the start",
        xlabel="estimator (and temperature)",
        xlim=(-0.5, len(cases) + 0.25),
    )


def draw_exact(axes: Any, exact: float, end: float) -> None:
    """Draw a line at the exact value; its text ends at a fraction of the width."""
    axes.axhline(exact, color="#222222", linestyle="--", linewidth=1, zorder=0)
    axes.annotate(
        f"exact, {exact:.3f}",
        (end, exact),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        va="bottom",
    )


def draw_spread(axes: Any, place: float, values: Any, colour: str) -> None:
    """Draw a point for the mean, a thick line for 50 % and a thin one for 95 % of the values."""
    for share, width in ((0.95, 2), (0.5, 7)):
        ends = np.quantile(values, [0.5 - share / 2, 0.5 + share / 2])
        axes.plot([place, place], ends, color=colour, alpha=0.6, lw=width, solid_capstyle="butt")
    axes.plot(place, values.mean(), "o", ms=7, color=colour, mec="white", zorder=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent / "discrete_vi"
    parser.add_argument("--output", type=Path, default=here / "comparison.png")
    draw(parser.parse_args().output)


if __name__ == "__main__":
    main()

"""Divergences between batches of distributions against torch and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import implementations as other
import measure
import numpy as np
from tables import peers_table

import fastdiv
from fastdiv import Categorical, Gaussian, GaussianMixture

Calls = dict[str, Callable[[], Any]]
Rows = list[tuple[str, dict[str, measure.Samples]]]

FULL_SIZES = ((100_000, 4), (10_000, 16), (2_000, 64), (200, 256))


def full(rounds: int, threads: int) -> Rows:
    """
    Compare full covariances, distributions made anew in every call.

    torch is told not to validate; fastdiv always does, so its divergence alone is timed too.
    """
    rng = np.random.default_rng(0)
    rows: Rows = []
    for n, d in FULL_SIZES:
        mean_p, mean_q = rng.standard_normal((2, n, d))
        a = rng.standard_normal((n, d, 2 * d))
        cov_p = a @ a.swapaxes(1, 2) / d
        cov_q = cov_p[::-1].copy()
        for name in ("cov", "scale_tril"):
            p_values, q_values = cov_p, cov_q
            if name == "scale_tril":
                p_values, q_values = np.linalg.cholesky(cov_p), np.linalg.cholesky(cov_q)
            p, q = Gaussian(mean_p, **{name: p_values}), Gaussian(mean_q, **{name: q_values})

            def ours(
                p: Any = (mean_p, {name: p_values}), q: Any = (mean_q, {name: q_values})
            ) -> Any:
                return fastdiv.kl(Gaussian(p[0], **p[1]), Gaussian(q[0], **q[1]), n_threads=threads)

            calls: Calls = {
                "fastdiv": ours,
                "fastdiv, divergence alone": lambda p=p, q=q: fastdiv.kl(p, q, n_threads=threads),
                "torch": other.torch_full_kl(name, mean_p, p_values, mean_q, q_values),
            }
            measure.agree("torch", calls["torch"]() / ours(), 1.0, 1e-9)
            rows.append((f"{name}, {n} × {d} × {d}", measure.interleaved(calls, rounds)))
    return rows


def relatives(rounds: int, threads: int) -> Rows:
    """Compare other divergences between full covariances, and moments of mixtures of four."""
    rng = np.random.default_rng(0)
    rows: Rows = []
    fastdiv.set_num_threads(threads)
    for n, d in FULL_SIZES[:3]:
        mean_p, mean_q = rng.standard_normal((2, n, d))
        a = rng.standard_normal((n, d, 2 * d))
        cov_p = a @ a.swapaxes(1, 2) / d
        cov_q = cov_p[::-1].copy()
        p, q = Gaussian(mean_p, cov=cov_p), Gaussian(mean_q, cov=cov_q)
        means, cov = mean_p.reshape(-1, 4, d), cov_p.reshape(-1, 4, d, d)
        weights = rng.dirichlet(np.ones(4), size=n // 4)
        mixtures = GaussianMixture(weights, Gaussian(means, cov=cov))
        cases: dict[str, Calls] = {
            "bhattacharyya": {
                "fastdiv": lambda p=p, q=q: fastdiv.bhattacharyya(p, q),
                "torch": other.torch_bhattacharyya(mean_p, cov_p, mean_q, cov_q),
            },
            "wasserstein2": {
                "fastdiv": lambda p=p, q=q: fastdiv.wasserstein2(p, q),
                "torch": other.torch_wasserstein2(mean_p, cov_p, mean_q, cov_q),
            },
            "GaussianMixture.cov": {
                "fastdiv": mixtures.cov,
                "torch": other.torch_mixture_cov(weights, means, cov),
            },
        }
        for name, calls in cases.items():
            ours = calls["fastdiv"]()
            measure.agree("torch", (calls["torch"]() - ours) / np.abs(ours).max() + 1, 1.0, 1e-9)
            label = f"`{name}`, {n} × {d} × {d}"
            rows.append((label, measure.interleaved(calls, rounds)))
    return rows


def diagonal(rounds: int, threads: int) -> Rows:
    rng = np.random.default_rng(0)
    n, d = 100_000, 128
    mean_p, mean_q = rng.standard_normal((2, n, d), dtype=np.float32)
    std_p, std_q = 0.5 + rng.random((2, n, d), dtype=np.float32)
    logvar = np.log(std_p)
    p, q = Gaussian(mean_p, std=std_p), Gaussian(mean_q, std=std_q)
    latent, prior = Gaussian(mean_p, logvar=logvar), Gaussian.standard(d)
    cases: dict[str, Calls] = {
        f"std, {n} × {d}": {
            "fastdiv": lambda: fastdiv.kl(
                Gaussian(mean_p, std=std_p), Gaussian(mean_q, std=std_q), n_threads=threads
            ),
            "fastdiv, divergence alone": lambda: fastdiv.kl(p, q, n_threads=threads),
            "torch": other.torch_diagonal_kl(mean_p, std_p, mean_q, std_q),
        },
        f"logvar to N(0, I), {n} × {d}": {
            "fastdiv": lambda: fastdiv.kl(
                Gaussian(mean_p, logvar=logvar), prior, n_threads=threads
            ),
            "fastdiv, divergence alone": lambda: fastdiv.kl(latent, prior, n_threads=threads),
            "torch": other.torch_vae_kl(mean_p, logvar),
        },
    }
    rows: Rows = []
    for label, calls in cases.items():
        measure.agree("torch", calls["torch"]() / calls["fastdiv"](), 1.0, 1e-4)
        rows.append((label, measure.interleaved(calls, rounds)))
    return rows


def all_pairs(rounds: int, threads: int) -> Rows:
    rng = np.random.default_rng(0)
    d = 16
    mean_p, mean_q = rng.standard_normal((2, 2000, d))
    var_p, var_q = np.exp(rng.standard_normal((2, 2000, d)))
    p, q = Gaussian(mean_p, var=var_p), Gaussian(mean_q, var=var_q)
    diagonal: Calls = {
        "fastdiv": lambda: fastdiv.kl_matrix(p, q, n_threads=threads),
        "torch": other.torch_diagonal_pairs(mean_p, var_p, mean_q, var_q),
        "NumPy, one product": lambda: other.numpy_diagonal_pairs(mean_p, var_p, mean_q, var_q),
    }
    n = 1000
    a = rng.standard_normal((n, d, 2 * d))
    cov_p = a @ a.swapaxes(1, 2) / d
    cov_q = cov_p[::-1].copy()
    full_p, full_q = Gaussian(mean_p[:n], cov=cov_p), Gaussian(mean_q[:n], cov=cov_q)
    full: Calls = {
        "fastdiv": lambda: fastdiv.kl_matrix(full_p, full_q, n_threads=threads),
        "torch": other.torch_full_pairs(mean_p[:n], cov_p, mean_q[:n], cov_q),
    }
    rows: Rows = []
    for label, calls in (
        ("diagonal, 2000 × 2000 × 16", diagonal),
        ("full, 1000 × 1000 × 16", full),
    ):
        for name, call in calls.items():
            measure.agree(name, call() / calls["fastdiv"](), 1.0, 1e-9)
        rows.append((label, measure.interleaved(calls, rounds)))
    return rows


def categorical(rounds: int, threads: int) -> Rows:
    """Compare distillation: from logits, each row too long for the caches of a core."""
    rng = np.random.default_rng(0)
    n, k = 4096, 32_000
    logits_p = 3 * rng.standard_normal((n, k), dtype=np.float32)
    logits_q = logits_p + rng.standard_normal((n, k), dtype=np.float32)
    p, q = Categorical(logits=logits_p), Categorical(logits=logits_q)
    calls: Calls = {
        "fastdiv": lambda: fastdiv.kl(
            Categorical(logits=logits_p), Categorical(logits=logits_q), n_threads=threads
        ),
        "fastdiv, divergence alone": lambda: fastdiv.kl(p, q, n_threads=threads),
        "torch": other.torch_categorical_kl(logits_p, logits_q),
    }
    measure.agree("torch", calls["torch"]() / calls["fastdiv"](), 1.0, 1e-4)
    return [(f"categorical, logits, {n} × {k}", measure.interleaved(calls, rounds))]


def tables(rounds: int, threads: int) -> tuple[str, Rows]:
    alone = "fastdiv, divergence alone"
    parts: list[tuple[str, list[str], Rows]] = [
        ("float64", [alone, "torch"], full(rounds, threads)),
        ("full covariances, float64", ["torch"], relatives(rounds, threads)),
        ("float32", [alone, "torch"], diagonal(rounds, threads) + categorical(rounds, threads)),
        ("`kl_matrix`, float64", ["torch", "NumPy, one product"], all_pairs(rounds, threads)),
    ]
    text = "\n".join(peers_table(first, names, rows) for first, names, rows in parts)
    return text, [row for _, _, rows in parts for row in rows]

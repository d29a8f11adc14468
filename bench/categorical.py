"""
KL between categorical distributions against torch: same run, same threads, answers compared.

``python bench/categorical.py [--rows 4096] [--categories 32000] [--rounds 7] [--threads 2]``
prints Markdown. Needs torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from peers import limit_threads
from tables import spread_cell, table, time_cell


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--categories", type=int, default=32_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def inputs(rows: int, categories: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    p = rng.standard_normal((rows, categories), dtype=np.float32)
    p *= 3
    q = rng.standard_normal((rows, categories), dtype=np.float32)
    q += p
    return p, q


def main() -> None:
    args = arguments()
    limit_threads(args.threads)
    import measure
    import torch

    import fastdiv
    from fastdiv import Categorical

    p, q = inputs(args.rows, args.categories)
    a, b = torch.from_numpy(p), torch.from_numpy(q)

    def ours() -> object:
        return fastdiv.kl(Categorical(logits=p), Categorical(logits=q), n_threads=args.threads)

    def theirs() -> object:
        log_p, log_q = torch.log_softmax(a, -1), torch.log_softmax(b, -1)
        kl_div = torch.nn.functional.kl_div
        return kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1).numpy()

    fastdiv.kl(Categorical(logits=p[:64]), Categorical(logits=q[:64]))  # starts the threads
    before = measure.resident_bytes()
    ours()
    memory = measure.peak_bytes() - before
    ready = Categorical(logits=p), Categorical(logits=q)
    calls: dict[str, Callable[[], object]] = {
        "fastdiv": ours,
        "fastdiv, checked already": lambda: fastdiv.kl(*ready, n_threads=args.threads),
        "torch": theirs,
        "reading both": lambda: (a.sum(), b.sum()),
    }
    measure.agree("torch", theirs(), ours(), 1e-4)
    times = measure.interleaved(calls, args.rounds)
    rows = []
    for name in ("fastdiv", "fastdiv, checked already", "torch"):
        # From logits fastdiv reads both twice: to check and normalise them, and for the sum.
        reads = 2 if name == "fastdiv" else 1
        reading = measure.Samples(tuple(reads * t for t in times["reading both"].values))
        fraction = "–" if name == "torch" else spread_cell(reading.over(times[name]), 2)
        ratio = spread_cell(times["torch"].over(times[name])) + "×"
        rows.append([name, time_cell(times[name]), ratio, fraction])
    print(table(["machine", ""], list(measure.machine(args.threads).items())))
    print(f"KL, logits, float32, {args.rows} × {args.categories}:\n")
    print(f"fastdiv: {memory / 1e6:.1f} MB above the inputs of {2 * p.nbytes / 1e6:.0f} MB\n")
    print(table(["", "time", "times faster than torch", "of the read bandwidth"], rows))


if __name__ == "__main__":
    main()

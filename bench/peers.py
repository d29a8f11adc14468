"""
fastdiv side by side with other ways to the same result: same run, same threads, answers compared.

Prints Markdown. ``--update bench/README.md`` puts it between the markers of that file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tables import check_page, peers_table, spread_cell, table, time_cell, update_page

if TYPE_CHECKING:
    from measure import Samples

TABLES = (
    "engine",
    "pairs",
    "permutations",
    "memory",
    "small",
    "bandwidths",
    "gradients",
    "kid",
    "frameworks",
    "quantised",
    "dispersion",
    "distributions",
    "clustering",
    "threads",
)

Args = argparse.Namespace
Result = dict[str, Any]
Report = tuple[str, list[Result]]


def arguments(argv: Sequence[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=10_000, help="n = m of pairs and bandwidths")
    parser.add_argument("--d", type=int, nargs="+", default=[2, 16, 64, 256, 768])
    parser.add_argument("--keops-max-d", type=int, default=64, help="KeOps takes minutes beyond")
    parser.add_argument("--test-rows", type=int, default=5000, help="n = m of the larger test")
    parser.add_argument(
        "--memory-rows",
        type=int,
        default=100_000,
        help="n = m; half in the test, twice in silhouettes",
    )
    parser.add_argument("--executables", type=Path, help="folder of bench_peak and the others")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--update", type=Path, help="rewrite the results in this Markdown file")
    return parser.parse_args(argv)


def as_results(case: Result, times: dict[str, Samples]) -> list[Result]:
    return [{**case, "name": name, "seconds": each.as_dict()} for name, each in times.items()]


def engine(args: Args) -> Report:
    import engine_tables

    if args.executables is None:
        return "Not run: `--executables` says where they are.\n", []
    sizes: dict[str, list[object]] = {
        "bench_peak": ["--threads", 1, args.threads],
        "bench_pairs": ["--n", args.rows, "--d", *args.d, "--threads", args.threads],
        "bench_permutations": ["--rows", 2000, 2 * args.test_rows, "--threads", args.threads],
        "bench_gaussian": ["--threads", args.threads],
    }
    lines: list[Result] = []
    for name, options in sizes.items():
        done = subprocess.run(
            [args.executables / name, *map(str, options), "--repeats", str(args.rounds)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        lines += map(json.loads, done.stdout.splitlines())
    return engine_tables.markdown(lines), lines


def pairs(args: Args) -> Report:
    import implementations as other
    import measure
    import numpy as np

    import fastdiv

    text, results = "", []
    for dtype in ("float32", "float64"):
        rows: list[tuple[str, dict[str, Samples]]] = []
        roofs = []
        peers: dict[str, other.MMD2] = {}
        for d in args.d:
            peers = {
                "NumPy in blocks": other.NumpyBlocks(symmetric=False),
                "NumPy in blocks, halved": other.NumpyBlocks(symmetric=True),
                "torch": other.torch_cdist,
                "scikit-learn": other.sklearn_rbf,
                "KeOps": other.keops,
            }
            rng = np.random.default_rng(0)
            x = rng.standard_normal((args.rows, d)).astype(dtype)
            y = (rng.standard_normal((args.rows, d)) + 0.2).astype(dtype)
            sigma = float(np.sqrt(d))
            kernel = fastdiv.RBF(sigma)

            ours = partial(fastdiv.mmd2, x, y, kernel, n_threads=args.threads)
            calls: dict[str, Callable[[], float]] = {"fastdiv": ours}
            for name, peer in peers.items():
                if name == "KeOps" and d > args.keops_max_d:
                    continue
                try:
                    value = peer(x, y, sigma)
                except Exception as error:
                    if name != "KeOps":
                        raise
                    print(f"KeOps left out, it cannot compile: {error}", file=sys.stderr)
                    continue
                # of kernel means, which are between 0.1 and 0.5
                measure.agree(name, value, ours(), 1e-5 if dtype == "float32" else 1e-11)
                calls[name] = partial(peer, x, y, sigma)
            roofline = measure.Roofline(dtype, args.threads)
            times = measure.interleaved(calls, args.rounds, roofline.measure)
            count = args.rows * (2 * args.rows - 1)
            fraction = roofline.seconds(count * 2 * d, count).over(times["fastdiv"])
            rows.append((str(d), times))
            roofs.append([str(d), time_cell(times["fastdiv"]), spread_cell(fraction)])
            case = {"table": "pairs", "dtype": dtype, "n": args.rows, "d": d}
            results += as_results(case, times)
            results.append({**case, "name": "roofline", "fraction": fraction.as_dict()})
            results.append(
                {**case, "name": "peaks", "flops": roofline.flops, "maps": roofline.maps}
            )
        text += f"{dtype}, n = m = {args.rows}:\n\n"
        text += table(["d", "fastdiv", "roofline fraction"], roofs) + "\n"
        text += peers_table("d", list(peers), rows) + "\n"
    return text, results


def permutations(args: Args) -> Report:
    import numpy as np

    rng = np.random.default_rng(0)
    n, d = args.test_rows, 10
    x = rng.standard_normal((n, d), dtype=np.float32)
    y = rng.standard_normal((n, d), dtype=np.float32) + np.float32(0.01)
    stored, results = stored_kernel(args, x, y, 999)
    n = 1000
    small_stored, more = stored_kernel(args, x[:n], y[:n], 1000)
    results += more
    try:
        import hyppo.ksample  # noqa: F401
    except ImportError as error:
        return stored + small_stored + f"hyppo is absent: {error}\n", results
    text, more = hyppo_test(args, x[:n].astype(np.float64), y[:n].astype(np.float64), 1000)
    return stored + small_stored + text, results + more


def stored_kernel(args: Args, x: Any, y: Any, resamples: int) -> Report:
    import implementations as other
    import measure
    import numpy as np

    import fastdiv
    from fastdiv import _core

    n, d = x.shape
    sigma = float(np.sqrt(d))
    pooled = np.concatenate([x, y])
    group = [("sqdist", None, None, [("rbf", (sigma,), 1.0, 0)])]
    bytes_drawn = other.draw_labels(n, 2 * n, resamples, 0, np.uint8)
    floats_drawn = bytes_drawn.astype(x.dtype)

    def test() -> fastdiv.TwoSampleResult:
        return fastdiv.mmd_test(
            x, y, fastdiv.RBF(sigma), n_resamples=resamples, rng=0, n_threads=args.threads
        )

    def peer() -> tuple[Any, float]:
        labels = other.draw_labels(n, 2 * n, resamples, 0, x.dtype)
        return other.stored_kernel_test(x, y, sigma, labels)

    result, (null, pvalue) = test(), peer()
    measure.agree("the null distribution of NumPy", null, result.null_distribution, 1e-5)
    measure.agree("the p-value of NumPy", pvalue, result.pvalue, 2 / (1 + resamples))
    times = measure.interleaved(
        {
            "fastdiv": test,
            "NumPy, kernel stored": peer,
            "fastdiv, labels given": lambda: _core.quad_forms(
                pooled, bytes_drawn, group, 1, args.threads, None
            ),
            "NumPy, kernel stored, labels given": lambda: other.stored_kernel_test(
                x, y, sigma, floats_drawn
            ),
        },
        args.rounds,
    )
    text = f"{x.dtype}, n = m = {n}, d = {d}, B = {resamples}, bandwidth given; "
    text += f"p = {result.pvalue:.3f} and {pvalue:.3f}:\n\n"
    whole, alone = (
        {"fastdiv": times[f"fastdiv{case}"], name: times[f"NumPy, kernel stored{case}"]}
        for name, case in (("NumPy, kernel stored", ""), ("NumPy, kernel stored", ", labels given"))
    )
    rows = [("whole test, with drawing", whole), ("labels given", alone)]
    text += peers_table("", ["NumPy, kernel stored"], rows) + "\n"
    case = {"table": "permutations", "n": n, "d": d, "n_resamples": resamples}
    return text, as_results(case, times)


def hyppo_test(args: Args, x: Any, y: Any, resamples: int, few: int = 20) -> Report:
    """Compare in float64, to which hyppo converts all."""
    import warnings

    import measure
    import numpy as np
    from hyppo.ksample import MMD

    import fastdiv

    def ours() -> object:
        return fastdiv.mmd_test(x, y, n_resamples=resamples, rng=0, n_threads=args.threads)

    def theirs() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few resamplings give no useful p-value
            return MMD().test(x, y, reps=few, workers=args.threads, auto=False)

    # hyppo's biased statistic is the square root of ours over the Frobenius norm of the centred
    # kernel matrix, up to a constant.
    pooled = np.concatenate([x, y])
    sigma = fastdiv.median_distance(pooled)
    square = np.einsum("ij,ij->i", pooled, pooled)
    kernel = np.exp((pooled @ pooled.T - square / 2 - square[:, None] / 2) / sigma**2)
    centred = kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean()
    statistic = MMD(bias=True).statistic(x, y) ** 2 * 256 * np.linalg.norm(centred) / len(pooled)
    expected = fastdiv.mmd2(x, y, estimator="biased")
    measure.agree("the statistic of hyppo", statistic / expected, 1.0, 1e-6)

    theirs()  # compiles
    ours()
    times = measure.interleaved({"fastdiv": ours, "hyppo": theirs}, min(args.rounds, 3))
    factor = (1 + resamples) / (1 + few)
    times["hyppo"] = measure.Samples(tuple(t * factor for t in times["hyppo"].values))
    text = (
        f"{x.dtype}, n = m = {len(x)}, d = {x.shape[1]}, B = {resamples}, median bandwidth; hyppo "
        f"ran B = {few} on {args.threads} workers, and its time is scaled by "
        f"{1 + resamples}/{1 + few}:\n\n"
    )
    text += peers_table("", ["hyppo"], [("whole test", times)]) + "\n"
    case = {"table": "hyppo", "n": len(x), "n_resamples": resamples, "ran": few}
    return text, as_results(case, times)


def peak_memory(function: str, n: int, d: int, resamples: int) -> Result:
    """Measure one call in a process of its own."""
    script = Path(__file__).with_name("memory.py")
    done = subprocess.run(
        [sys.executable, script, function, *map(str, (n, d, resamples))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: Result = json.loads(done.stdout)
    return result


def memory(args: Args) -> Report:
    rows, results = [], []
    n, half = args.memory_rows, args.memory_rows // 2
    for name, n_rows, d, resamples, words in (
        ("mmd2", n, 16, 0, f"n = m = {n}, d = 16, median bandwidth"),
        ("mmd_test", half, 16, 199, f"n = m = {half}, d = 16, median bandwidth, B = 199"),
        ("silhouette_score", 2 * n, 8, 0, f"n = {2 * n}, d = 8, 10 clusters"),
    ):
        result = peak_memory(name, n_rows, d, resamples)
        results.append({"table": "memory", "function": name, "n": n_rows, "d": d, **result})
        megabytes = [f"{result[key] / 1e6:.1f} MB" for key in ("inputs", "bytes")]
        rows.append([f"`{name}`, {words}", *megabytes, f"{result['seconds']:.3g} s"])
    return table(["float32", "inputs", "above them", "time"], rows), results


def small(args: Args) -> Report:
    import implementations as other
    import measure
    import numpy as np

    import fastdiv

    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 8), dtype=np.float32)
    y = rng.standard_normal((100, 8), dtype=np.float32)
    sigma = float(np.sqrt(8))
    kernel = fastdiv.RBF(sigma)
    calls: dict[str, Callable[[], float]] = {
        "fastdiv": lambda: fastdiv.mmd2(x, y, kernel, n_threads=args.threads),
        "torch": lambda: other.torch_cdist(x, y, sigma),
        "NumPy": lambda: other.numpy_whole(x, y, sigma),
    }
    for name, call in calls.items():
        measure.agree(name, call(), calls["fastdiv"](), 1e-5)
    times = measure.interleaved(calls, args.rounds, at_least=0.3)
    text = peers_table("float32", ["torch", "NumPy"], [("`mmd2`, 100 + 100 × 8", times)])
    return text, as_results({"table": "small"}, times)


def bandwidths(args: Args) -> Report:
    import measure
    import numpy as np

    import fastdiv

    rng = np.random.default_rng(0)
    x = rng.standard_normal((args.rows, 64), dtype=np.float32)
    y = rng.standard_normal((args.rows, 64), dtype=np.float32) + np.float32(0.1)
    median = float(np.sqrt(2 * 64))
    kernels = [fastdiv.RBF(float(s)) for s in np.geomspace(median / 4, 4 * median, 10)]
    narrower = [fastdiv.RBF(float(s)) for s in np.geomspace(median / 6, 4 * median, 10)]
    total = fastdiv.Sum(kernels)
    threads = args.threads
    calls: dict[str, Callable[[], Any]] = {
        "one": lambda: fastdiv.mmd2(x, y, kernels[5], n_threads=threads),
        "ten in a sequence": lambda: fastdiv.mmd2(x, y, kernels, n_threads=threads),
        "ten in a `Sum`": lambda: fastdiv.mmd2(x, y, total, n_threads=threads),
        "ten, the narrowest summed again": lambda: fastdiv.mmd2(x, y, narrower, n_threads=threads),
    }
    values = calls["ten in a sequence"]()
    measure.agree("one of ten bandwidths", values[5], calls["one"](), 1e-6)
    measure.agree("the sum of ten bandwidths", calls["ten in a `Sum`"](), values.sum(), 1e-5)
    times = measure.interleaved(calls, args.rounds)
    rows = [
        [name, time_cell(each), spread_cell(each.over(times["one"])) + "×"]
        for name, each in times.items()
    ]
    header = [f"RBF bandwidths, float32, n = m = {args.rows}, d = 64", "time", "over one"]
    return table(header, rows), as_results({"table": "bandwidths", "n": args.rows}, times)


def gradients(args: Args) -> Report:
    from gradients import tables

    return cases("gradients", *tables(args.rounds, args.threads, args.test_rows, args.d))


def kid(args: Args) -> Report:
    from kid import tables

    return cases("kid", *tables(args.rounds, args.threads))


def frameworks(args: Args) -> Report:
    from frameworks import tables

    return cases("frameworks", *tables(args.rounds, args.threads))


def quantised(args: Args) -> Report:
    import measure
    import numpy as np

    import fastdiv

    body, results = [], []
    for d in (16, 64, 256, 768):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((args.rows, d), dtype=np.float32)
        y = rng.standard_normal((args.rows, d), dtype=np.float32) + np.float32(0.2)
        a, b = fastdiv.quantize_rows(x), fastdiv.quantize_rows(y)
        mmd2 = partial(fastdiv.mmd2, kernel=fastdiv.RBF(float(np.sqrt(d))), n_threads=args.threads)
        estimate = mmd2(a, b)
        measure.agree("MMD² of quantised rows", estimate.value, mmd2(x, y), estimate.bound)
        calls = {"float32": partial(mmd2, x, y), "int8": partial(mmd2, a, b)}
        times = measure.interleaved(calls, args.rounds)
        case = {"table": "quantised", "n": args.rows, "d": d}
        results += as_results(case, times)
        cells = [str(d), *map(time_cell, times.values())]
        cells.append(spread_cell(times["int8"].over(times["float32"])) + "×")
        for name in calls:
            used = peak_memory(f"mmd2-{name}", args.rows, d, 0)
            results.append({**case, "name": f"memory, {name}", **used})
            cells.append(f"{used['inputs'] / 1e6:.1f} + {used['bytes'] / 1e6:.1f} MB")
        body.append(cells)
    memories = ("inputs + above them, float32", "int8")
    header = [f"RBF, n = m = {args.rows}, d", "float32", "int8", "over float32", *memories]
    return table(header, body), results


def dispersion(args: Args) -> Report:
    from dispersion import tables

    return cases("dispersion", *tables(args.rounds, args.threads))


def distributions(args: Args) -> Report:
    from distributions import tables

    return cases("distributions", *tables(args.rounds, args.threads))


def clustering(args: Args) -> Report:
    from clustering import tables

    return cases("clustering", *tables(args.rounds, args.threads))


def threads(args: Args) -> Report:
    from threads import tables

    return cases("threads", *tables(args.rounds))


def cases(name: str, text: str, rows: list[tuple[str, dict[str, Samples]]]) -> Report:
    results = [
        result
        for case, times in rows
        for result in as_results({"table": name, "case": case}, times)
    ]
    return text, results


SECTIONS: dict[str, tuple[str, Callable[[Args], Report]]] = {
    "engine": ("The engine", engine),
    "pairs": ("Unbiased MMD² against other ways to it", pairs),
    "permutations": ("Permutation test", permutations),
    "memory": ("Memory", memory),
    "small": ("Small calls", small),
    "bandwidths": ("Ten bandwidths", bandwidths),
    "gradients": ("MMD² with its gradients", gradients),
    "kid": ("Kernel inception distance", kid),
    "frameworks": ("Losses in torch", frameworks),
    "quantised": ("Rows quantised to int8", quantised),
    "dispersion": ("Within-cluster sum of squares", dispersion),
    "distributions": ("KL divergences between distributions", distributions),
    "clustering": ("Silhouettes, PERMANOVA and the energy distance", clustering),
    "threads": ("Threads", threads),
}


def limit_threads(threads: int) -> None:
    """Give every library the same number of threads; to be called before they are imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import threadpoolctl
    import torch

    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(threads)


def main() -> None:
    args = arguments()
    if args.update is not None:
        check_page(args.update)
    limit_threads(args.threads)
    import measure

    host = measure.machine(args.threads)
    text = table(["machine", ""], list(host.items()))
    results: list[Result] = []
    print(text, flush=True)
    for name in args.tables:
        title, section = SECTIONS[name]
        body, more = section(args)
        part = f"\n### {title}\n\n{body.rstrip()}\n"
        print(part, flush=True)
        text += part
        results += more
    if args.json is not None:
        whole = {"machine": host, "rounds": args.rounds, "results": results}
        args.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if args.update is not None:
        update_page(args.update, text)


if __name__ == "__main__":
    main()

"""Tables of what the executables print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tables import table

Line = dict[str, Any]


def markdown(lines: Sequence[Line]) -> str:
    by_bench = {
        name: [line for line in lines if line["bench"] == name]
        for name in ("peak", "pairs", "permutations", "gaussian")
    }
    pairs = by_bench["pairs"][0]
    best = [line for line in by_bench["pairs"] if line["isa"] == pairs["isa"]]
    permutations = by_bench["permutations"][0]
    return (
        "`bench_peak`:\n\n"
        + peaks(by_bench["peak"])
        + f"\n`bench_pairs`, RBF, n = m = {pairs['n']}, level {pairs['isa']}, "
        + f"{pairs['threads']} threads (± is the spread):\n\n"
        + best_level(best)
        + levels(by_bench["pairs"])
        + f"\n`bench_permutations`, RBF, d = {permutations['d']}, "
        + f"{permutations['threads']} threads:\n\n"
        + labellings(by_bench["permutations"])
        + f"\n`bench_gaussian`, {permutations['threads']} threads:\n\n"
        + gaussians(by_bench["gaussian"])
    )


def rate(value: float, unit: str) -> str:
    return f"{value / 1e9:.3g} {unit}"


def with_spread(line: Line, key: str) -> str:
    return f"{line[key]:.3g} ± {100 * line[key + '_spread']:.0f} %"


def peaks(lines: Sequence[Line]) -> str:
    rows = [
        [
            each["dtype"],
            str(each["threads"]),
            each["isa"],
            rate(each["flops"], "GFLOP/s"),
            rate(each["maps"], "G/s"),
        ]
        for each in lines
    ]
    return table(["dtype", "threads", "level", "multiply-adds", "RBF maps"], rows)


def best_level(lines: Sequence[Line]) -> str:
    rows = [
        [
            each["dtype"],
            str(each["d"]),
            with_spread(each, "seconds"),
            rate(each["pairs_per_second"], "G"),
            with_spread(each, "roofline"),
            with_spread(each, "times_eigen") if "times_eigen" in each else "–",
        ]
        for each in lines
    ]
    header = ["dtype", "d", "seconds", "pairs/s", "roofline fraction", "times faster than Eigen"]
    return table(header, rows)


def levels(lines: Sequence[Line]) -> str:
    names = list(dict.fromkeys(each["isa"] for each in lines))
    if len(names) == 1:  # FASTDIV_ISA asks for it
        return ""
    names = names[1:] + names[:1]  # the best one ran first
    cases = list(dict.fromkeys((each["dtype"], each["d"]) for each in lines))
    found = {(each["isa"], each["dtype"], each["d"]): each for each in lines}
    rows = []
    for dtype, d in cases:
        row = [dtype, str(d)]
        for name in names:
            each = found[name, dtype, d]
            row.append(f"{each['roofline']:.2f}, {each['relative_to_best']:.2f}×")
        rows.append(row)
    caption = (
        "\n`bench_pairs`, each instruction set: roofline fraction against its own peaks, and "
        "throughput relative to the best:\n\n"
    )
    return caption + table(["dtype", "d", *names], rows)


def labellings(lines: Sequence[Line]) -> str:
    rows = [
        [
            each["dtype"],
            str(each["rows"]),
            str(each["labellings"]),
            with_spread(each, "seconds"),
            rate(each["labelled_pairs_per_second"], "G"),
            *(
                f"{each[f'times_peak_{product}']:.2f}×"
                for product in ("full_product", "half_product", "half_product_labels_alone")
            ),
        ]
        for each in lines
    ]
    header = ["dtype", "N", "B", "seconds", "labelled pairs/s"]
    header += ["full product at peak", "half product at peak", "half product, labels alone"]
    return table(header, rows)


def gaussians(lines: Sequence[Line]) -> str:
    rows = [
        [
            each["dtype"],
            each["given"],
            f"{each['n']} × {each['d']}",
            with_spread(each, "seconds"),
            rate(each["read_bandwidth"], "GB/s"),
            with_spread(each, "of_read_bandwidth"),
            rate(each["flops_per_second"], "GFLOP/s") if "flops_per_second" in each else "–",
        ]
        for each in lines
    ]
    header = ["dtype", "given", "n × d", "seconds", "read bandwidth", "fraction of it", "flops"]
    return table(header, rows)

"""Clusterings: dispersion, geometric medians, silhouettes, scores, and the gap statistic."""

from __future__ import annotations

import datetime
import importlib.util
from functools import partial

import numpy as np

import fastdiv

from . import inputs
from .calls import halves
from .encode import Cases, case

METRICS = ("euclidean", "sqeuclidean", "cityblock", "manhattan")


def labellings(n: int) -> dict[str, object]:
    """Return labels of every kind, right and wrong."""
    codes = inputs.labels(n, 4)
    words = np.array(["b", "a", "ä", "dd"])
    day = datetime.date(2020, 1, 1)
    found: dict[str, object] = {
        "int64": codes,
        "int32": codes.astype(np.int32),
        "int8": codes.astype(np.int8),
        "uint64": codes.astype(np.uint64),
        "strided": np.repeat(codes, 2)[::2],
        "negative": codes - 2,
        "with gaps": codes * 1000 - 7,
        "huge": codes.astype(np.int64) * (1 << 60),
        "floats": codes.astype(float),
        "float32": codes.astype(np.float32) * 3,
        "bool": codes > 1,
        "list": codes.tolist(),
        "list of bool": (codes > 1).tolist(),
        "text": words[codes],
        "list of text": words[codes].tolist(),
        "bytes": np.char.encode(words[codes], "utf-8"),
        "objects": words[codes].astype(object),
        "object integers": codes.astype(object),
        "times": np.datetime64("2020-01-01") + codes,
        "time spans": codes.astype("m8[s]"),
        "dates": [day + datetime.timedelta(int(c)) for c in codes],
        "one": np.zeros(n, int),
        "two": np.arange(n) % 2,
        "all different": np.arange(n),
        "all but one different": np.maximum(np.arange(n), 1),
        "fractions": codes + 0.5,
        "nan": np.where(codes == 1, np.nan, codes),
        "None": [None if c == 1 else int(c) for c in codes],
        "mixed": ["a" if c == 1 else int(c) for c in codes],
        "mixed bytes": [b"a" if c == 1 else "b" for c in codes],
        "NaT": np.where(codes == 1, np.datetime64("NaT"), np.datetime64("2020-01-01")),
        "complex": codes + 1j,
        "too few": codes[1:],
        "2-D": codes[:, None],
        "scalar": 3,
        "no labels": None,
        "a text": "abc",
        "a dictionary": {0: 1},
        "ragged": [[1], [1, 2]] * (n // 2),
        "masked": np.ma.masked_equal(codes, 1),
        "not masked": np.ma.MaskedArray(codes),
        "too large": [1 << 70] * n,
        "empty": [],
    }
    if importlib.util.find_spec("pandas"):
        import pandas as pd

        text = pd.Series(words[codes])
        found["pandas text"] = text
        found["pandas categorical"] = text.astype(pd.CategoricalDtype(["dd", "b", "x", "ä", "a"]))
        found["pandas categories"] = pd.Categorical.from_codes(codes, ["q", "p", "o", "n"])
        found["pandas missing"] = pd.Categorical.from_codes(codes - 1, ["q", "p", "o"])
        found["pandas nullable"] = pd.Series(codes).astype("Int64")
        found["pandas NA"] = pd.Series(np.where(codes == 1, None, codes)).astype("Int64")
        found["pandas integers"] = pd.Series(codes, index=codes[::-1])
    return found


NOISE = {
    "int64": (0, 3, -1, 2.0, "a", None, np.int32(1), True, np.nan, [0], 1.5),
    "negative": (-1, -2, 5),
    "floats": (0, 3.0, -1),
    "text": ("a", "z", 0, b"a", ""),
    "bytes": (b"a", "a"),
    "bool": (True, False, 0),
    "times": (np.datetime64("2020-01-02"), datetime.date(2020, 1, 1), 0, np.datetime64("NaT")),
    "time spans": (np.timedelta64(1, "s"), datetime.timedelta(seconds=2)),
    "dates": (datetime.date(2020, 1, 2), "2020-01-02"),
    "one": (0, -1),
    "pandas categorical": ("b", "x", 1),
}


def labelled(small: bool) -> Cases:
    """Read labels of every kind, with and without noise."""
    n, d = 30, 3
    x = inputs.rows(n, d)
    functions = {
        "cluster_dispersion": partial(fastdiv.cluster_dispersion, pairs=True),
        "wcss": fastdiv.wcss,
        "geometric_median": fastdiv.geometric_median,
        "silhouette_samples": fastdiv.silhouette_samples,
        "silhouette_score": fastdiv.silhouette_score,
        "calinski_harabasz_score": fastdiv.calinski_harabasz_score,
        "davies_bouldin_score": fastdiv.davies_bouldin_score,
        "dunn_index": fastdiv.dunn_index,
    }
    tests = {
        "permanova": partial(fastdiv.permanova, n_resamples=9, rng=0),
        "disco": partial(fastdiv.disco, n_resamples=9, rng=0),
    }
    for kind, given in labellings(n).items():
        for name, function in (functions | tests).items():
            yield case(f"{name}, {kind}", function, x, given)
        for noise in NOISE.get(kind, ()):
            for name, function in functions.items():
                full = f"{name}, {kind}, noise {noise!r}"
                yield case(full, function, x, given, noise_label=noise)


def dispersions(small: bool) -> Cases:
    """Measure with every option."""
    shapes = [(20, 3)] if small else [(20, 3), (101, 1), (150, 17)]
    for n, d in shapes:
        for dtype in ("float64", "float32", "int16"):
            x = (5 * inputs.rows(n, d)).astype(dtype)
            codes = inputs.labels(n)
            centers = {
                "mean": "mean",
                "None": None,
                "geometric_median": "geometric_median",
                "given": 5 * inputs.rows(3, d, key="centers"),
                "given float32": (5 * inputs.rows(3, d, key="centers")).astype(np.float32),
                "given, one empty": inputs.rows(5, d, key="centers"),
                "given, too few": inputs.rows(2, d, key="centers"),
                "given, features": inputs.rows(3, d + 1, key="centers"),
                "given, nan": np.full((3, d), np.nan),
                "a word": "median",
            }
            for kind in ("none", *inputs.WEIGHTS):
                w = None if kind == "none" else inputs.weights(n, kind)
                key = f"{kind}, {n} x {d} {dtype}"
                for about, given in centers.items():
                    for metric in METRICS:
                        options = {"centers": given, "metric": metric, "sample_weight": w}
                        measure = partial(fastdiv.cluster_dispersion, pairs=True, **options)
                        if kind in ("none", "unequal", "some zero") or metric == "euclidean":
                            yield case(f"{about}, {metric}, {key}", measure, x, codes)
                for method in ("centroid", "pairwise"):
                    measure = partial(fastdiv.wcss, method=method, sample_weight=w)
                    yield case(f"wcss {method}, {key}", measure, x, codes)
                for metric in METRICS:
                    options = {"metric": metric, "sample_weight": w}
                    silhouettes = partial(fastdiv.silhouette_samples, **options)
                    yield case(f"silhouette_samples {metric}, {key}", silhouettes, x, codes)
                    noise = partial(silhouettes, noise_label=2)
                    yield case(f"silhouette_samples noise {metric}, {key}", noise, x, codes)
                    score = partial(fastdiv.silhouette_score, **options)
                    yield case(f"silhouette_score {metric}, {key}", score, x, codes)
                for name in ("calinski_harabasz_score", "davies_bouldin_score"):
                    score = partial(getattr(fastdiv, name), sample_weight=w)
                    yield case(f"{name}, {key}", score, x, codes)
            for metric in METRICS:
                dunn = partial(fastdiv.dunn_index, metric=metric)
                yield case(f"dunn_index {metric}, {n} x {d} {dtype}", dunn, x, codes)
    for kind, (x, _) in inputs.quantized(30, 20, 4).items():
        for metric in METRICS:
            for about in ("mean", "geometric_median"):
                options = {"metric": metric, "centers": about, "pairs": True}
                for weight in (None, inputs.weights(len(x), "unequal")):
                    measure = partial(fastdiv.cluster_dispersion, sample_weight=weight, **options)
                    full = f"{about}, {metric}, {weight is None}, {kind}"
                    yield case(full, measure, x, np.arange(len(x)) % 3)


def numbers(small: bool) -> Cases:
    """Take few and many clusters, sorted and not, of small and large rows."""
    for n, d, k in ((513, 3, 1), (700, 3, 40), (1200, 2, 600), (300, 260, 5), (64, 600, 2)):
        for dtype in ("float32", "float64") if small else ("float32", "float64", "int8"):
            x = (9 * inputs.rows(n, d)).astype(dtype)
            codes = inputs.generator(n, k).permutation(np.arange(n) % k)
            for order, given in (("mixed", codes), ("sorted", np.sort(codes).astype(np.int32))):
                key = f"{order}, {n} x {d}, {k}, {dtype}"
                measure = partial(fastdiv.cluster_dispersion, pairs=True)
                yield case(f"cluster_dispersion, {key}", measure, x, given)
                w = inputs.weights(n, "unequal")
                yield case(f"weights, {key}", measure, x, given, sample_weight=w)
                yield case(f"geometric_median, {key}", fastdiv.geometric_median, x, given)
                for metric in METRICS[:3]:
                    silhouettes = partial(fastdiv.silhouette_samples, metric=metric)
                    yield case(f"silhouettes {metric}, {key}", silhouettes, x, given)
                    dunn = partial(fastdiv.dunn_index, metric=metric)
                    yield case(f"dunn_index {metric}, {key}", dunn, x, given)
                for name in ("calinski_harabasz_score", "davies_bouldin_score"):
                    yield case(f"{name}, {key}", getattr(fastdiv, name), x, given)
            rows = fastdiv.quantize_rows(x)
            yield case(
                f"quantised, {n} x {d}, {k}, {dtype}", fastdiv.cluster_dispersion, rows, codes
            )


def medians(small: bool) -> Cases:
    """Find geometric medians where that is easy and where it is hard."""
    rng = inputs.generator("medians")
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    points: dict[str, np.ndarray] = {
        "one row": corners[:1],
        "two rows": corners[:2],
        "three rows": corners[:3],
        "a square": corners,
        "a square and its middle": np.vstack([corners, [[0.5, 0.5]]]),
        "a line": np.linspace(0, 1, 11)[:, None] * [1.0, 2.0, -1.0],
        "an even line": np.linspace(0, 1, 10)[:, None] * [1.0, 2.0, -1.0],
        "a heavy row": np.vstack([corners, np.repeat(corners[:1], 9, axis=0)]),
        "equal rows": np.ones((7, 3)),
        "one feature": rng.standard_normal((20, 1)),
        "normal": rng.standard_normal((50, 4)),
        "far from 0": rng.standard_normal((50, 4)) + 1e6,
        "heavy tails": rng.standard_cauchy((60, 3)),
        "tiny": 1e-150 * rng.standard_normal((30, 3)),
        "huge": 1e140 * rng.standard_normal((30, 3)),
        "two clusters": np.vstack([rng.standard_normal((9, 2)), rng.standard_normal((9, 2)) + 50]),
    }
    for name, x in points.items():
        for dtype in ("float64", "float32"):
            x = inputs.cast(x, dtype)
            for tolerance in (1e-3, 1e-8, 1e-15):
                find = partial(fastdiv.geometric_median, tolerance=tolerance)
                key = f"{name}, {tolerance}, {dtype}"
                yield case(key, find, x)
                yield case(f"{key}, labels", find, x, np.arange(len(x)) % 2)
                w = np.arange(len(x)) % 3 + (np.arange(len(x)) == 0)
                yield case(f"{key}, weights", find, x, sample_weight=w)
            few = partial(fastdiv.geometric_median, max_iterations=2, tolerance=1e-14)
            yield case(f"{name}, few, {dtype}", few, x)


def gaps(small: bool) -> Cases:
    """Compare with references of both kinds, and refuse labels that are wrong."""
    for n, d in ((12, 1), (40, 3), (5, 9)):
        for dtype in ("float64", "float32"):
            x = inputs.rows(n, d, dtype)
            for reference in ("uniform", "pca"):
                for ks in ([1], [1, 2, 3], range(1, 5), np.array([2, 4]), iter([1, 3]), (n,)):
                    options = {"reference": reference, "rng": 0, "n_references": 3}
                    gap = partial(fastdiv.gap_statistic, **options)
                    shown = "iterator" if hasattr(ks, "__next__") else str(ks)
                    yield case(f"{reference}, {shown}, {n} x {d} {dtype}", gap, x, halves, ks)
    x = inputs.rows(12, 2)
    wrong = {
        "none": lambda x, k: None,
        "one too few": lambda x, k: np.zeros(len(x), int),
        "too short": lambda x, k: [0],
        "text": lambda x, k: ["a", "b"] * 6,
        "fractions": lambda x, k: np.full(len(x), 0.5),
        "nan": lambda x, k: np.full(len(x), np.nan),
        "writes": lambda x, k: x.sort(),
        "raises": lambda x, k: 1 / 0,
    }
    for name, labels_of in wrong.items():
        yield case(f"labels_of, {name}", fastdiv.gap_statistic, x, labels_of, [1, 2], rng=0)
    constant = np.ones((6, 2))
    for ks in ([1], [1, 2]):
        yield case(f"constant {ks}", fastdiv.gap_statistic, constant, halves, ks, rng=0)


def scores(small: bool) -> Cases:
    """Score clusterings at the edge of what has a score."""
    points = {
        "points": np.array([[0.0], [0.0], [1.0], [1.0]]),
        "one point": np.zeros((4, 2)),
        "touching": np.array([[0.0], [1.0], [1.0], [2.0]]),
        "huge": np.array([[0.0], [1e200], [1e308], [-1e308]]),
        "tiny": np.array([[0.0], [1e-200], [3e-200], [4e-200]]),
        "float32 huge": np.array([[0.0], [1e30], [3e38], [-3e38]], np.float32),
        "close": np.array([[0.0], [1e-160], [1.0], [1.0]]),
    }
    names = (
        *("silhouette_samples", "silhouette_score", "calinski_harabasz_score"),
        *("davies_bouldin_score", "dunn_index", "wcss", "cluster_dispersion", "permanova", "disco"),
    )
    for kind, x in points.items():
        for groups in ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1], [0, 1, 2, 2]):
            for name in names:
                options: dict[str, object] = {}
                if name in ("permanova", "disco"):
                    options = {"n_resamples": 5, "rng": 0}
                function = getattr(fastdiv, name)
                yield case(f"{name}, {kind}, {groups}", function, x, groups, **options)
                if name.startswith("silhouette") or name in ("dunn_index", "permanova"):
                    options |= {"metric": "sqeuclidean"}
                    yield case(f"{name} squared, {kind}, {groups}", function, x, groups, **options)


ROOMS = {
    "dispersions": dispersions,
    "cluster numbers": numbers,
    "medians": medians,
    "scores": scores,
}
ONCE = {"labels": labelled, "gaps": gaps}

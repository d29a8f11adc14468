"""Samples of every size, dtype, layout and scale, with labels, weights and kernels for them."""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable

import numpy as np

import fastdiv
from fastdiv import RBF, Energy, Kernel, Laplacian, Linear, Matern, Polynomial, Sum, quantize_rows

Pair = tuple[object, object]
Kernels = Kernel | list[Kernel] | tuple[Kernel, ...]

SIZES = (1, 2, 47, 48, 49, 144, 145, 300, 601)
FEATURES = (1, 2, 3, 16, 17, 65, 129, 769)
LARGEST = 145 * 769
"""Values of a sample in the grid of sizes; what is larger stands in `blocks`."""

DTYPES = ("float16", "float32", "float64", "complex64", "complex128", "longdouble", ">f4", ">f8")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


def generator(*key: object) -> np.random.Generator:
    """Return a generator that depends on the key alone."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def rows(n: int, d: int, dtype: str = "float64", key: object = "x", shift: float = 0.0):
    """Return normal rows."""
    return (generator(n, d, key).standard_normal((n, d)) + shift).astype(dtype)


def cast(a: np.ndarray, dtype: str) -> np.ndarray:
    """Return an array in a dtype, with infinity for what is too large."""
    with np.errstate(over="ignore"):
        return a.astype(dtype)


def pair(n: int, m: int, d: int, dtype: str = "float64") -> Pair:
    """Return two samples half a standard deviation apart."""
    return rows(n, d, dtype, "x"), rows(m, d, dtype, "y", 0.5)


def labels(n: int, k: int = 3) -> np.ndarray:
    """Return k labels in no order, of clusters of unequal sizes."""
    return np.minimum(generator(n, k, "labels").permutation(n) % (2 * k), k - 1)


def weights(n: int, kind: str) -> np.ndarray:
    """Return weights of rows."""
    w = generator(n, "weights").uniform(0.1, 2.0, n)
    changed: dict[str, Callable[[], np.ndarray]] = {
        "equal": lambda: np.full(n, 0.25),
        "unequal": lambda: w,
        "some zero": lambda: np.where(np.arange(n) % 3 == 1, 0.0, w),
        "one alone": lambda: np.where(np.arange(n) == n // 2, 1.0, 0.0),
        "one dominates": lambda: np.where(np.arange(n) == n // 2, 1e6, w),
        "one tiny": lambda: np.where(np.arange(n) == n // 2, 1e-120, w),
        "huge": lambda: w * 1e300,
        "integers": lambda: np.arange(n) % 4,
        "float32": lambda: w.astype(np.float32),
        "list": w.tolist,
        "zero": lambda: np.zeros(n),
        "negative": lambda: w - 1.0,
        "nan": lambda: np.where(np.arange(n) == 1, np.nan, w),
        "too many": lambda: np.append(w, 1.0),
    }
    return changed[kind]()


WEIGHTS = (
    *("equal", "unequal", "some zero", "one alone", "one dominates", "one tiny", "huge"),
    *("integers", "float32", "list", "zero", "negative", "nan", "too many"),
)


def callback(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a kernel in NumPy, without products of matrices."""
    return 1.0 / (1.0 + np.abs(a[:, None].astype(np.float64) - b).sum(axis=-1))


def kernels(d: int) -> dict[str, Kernels]:
    """Return kernels of all kinds, for d features."""
    each = np.linspace(0.5, 2.0, d)
    single: dict[str, Kernels] = {
        "RBF median": RBF(),
        "RBF 0.7": RBF(0.7),
        "RBF 30": RBF(30),
        "RBF per feature": RBF(each),
        "RBF gamma": RBF.from_gamma(0.3),
        "RBF gammas": RBF.from_gamma(each),
        "RBF width": RBF.from_width(2.5),
        "Laplacian median": Laplacian(),
        "Laplacian 1.3": Laplacian(1.3),
        "Matern 0.5": Matern(0.5, 1.1),
        "Matern 1.5": Matern(1.5, 1.1),
        "Matern 2.5": Matern(2.5, 1.1),
        "Matern median": Matern(nu=2.5),
        "RationalQuadratic": fastdiv.RationalQuadratic(0.6, 1.2),
        "RationalQuadratic median": fastdiv.RationalQuadratic(),
        "InverseMultiquadric": fastdiv.InverseMultiquadric(2.0),
        "Polynomial": Polynomial(),
        "Polynomial 1": Polynomial(1, 0.4, 0.0),
        "Polynomial 2": Polynomial(2, gamma=0.25, coef0=0.5),
        "Polynomial 5": Polynomial(5, gamma=0.02),
        "Linear": Linear(),
        "Energy": Energy(),
        "Energy 0.5": Energy(0.5),
        "Energy 1.5": Energy(1.5),
        "Callback": fastdiv.Callback(callback),
    }
    sums: dict[str, Kernels] = {
        "Sum": Sum([RBF(0.5), RBF(1.0), RBF(2.0)]),
        "Sum weights": Sum([RBF(0.5), Laplacian(2.0), Linear()], weights=[0.5, -1.5, 0.125]),
        "Sum medians": Sum([RBF(), Laplacian(), Matern()]),
        "Sum nested": Sum([Sum([Energy(), Polynomial(2)], [2.0, 0.5]), RBF(each)], [1, -1]),
        "Sum Callback": Sum([RBF(1.0), fastdiv.Callback(callback)], weights=[1.0, 0.5]),
    }
    bandwidths = [RBF(s) for s in (0.25, 0.5, 1.0, 2.0, 4.0)]
    several: dict[str, Kernels] = {
        "sequence of all": [*single.values(), *sums.values()],
        "sequence of bandwidths": bandwidths,
        "tuple of one": (RBF(1.0),),
        "tuple of kinds": (RBF(1.0), Laplacian(1.0), Polynomial(), Linear(), Energy()),
    }
    return single | sums | several


SMOOTH = (
    *("RBF median", "RBF 0.7", "RBF per feature", "Laplacian 1.3", "Laplacian median"),
    *("Matern 0.5", "Matern 1.5", "Matern 2.5", "RationalQuadratic", "InverseMultiquadric"),
    *("Polynomial", "Polynomial 2", "Linear", "Energy", "Energy 1.5", "Sum weights"),
    *("Sum medians", "Sum nested", "sequence of bandwidths", "tuple of kinds"),
)
"""Names of kernels that have gradients."""

WITH_BANDWIDTHS = (
    *("RBF median", "RBF 0.7", "RBF per feature", "Laplacian 1.3", "Laplacian median"),
    *("Matern 0.5", "Matern 1.5", "Matern 2.5", "RationalQuadratic", "Sum", "Sum medians"),
    "sequence of bandwidths",
)
"""Names of kernels all of whose parts have a bandwidth."""


class Array:
    """Something that only knows how to become an array."""

    def __init__(self, a: np.ndarray) -> None:
        self.a = a

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.a


class DLPack:
    """Something that only speaks DLPack."""

    def __init__(self, a: np.ndarray) -> None:
        self.a = a

    def __dlpack__(self, **options: object) -> object:
        return self.a.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.a.__dlpack_device__()


class Subclass(np.ndarray):
    """A subclass of arrays."""


def layouts(n: int, m: int, d: int, dtype: str = "float64") -> dict[str, Pair]:
    """Return the same kind of numbers laid out in every way."""
    x, y = pair(n, m, d, dtype)
    wide_x, wide_y = pair(2 * n, 2 * m, 2 * d, dtype)
    read_only = x.copy()
    read_only.flags.writeable = False
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
    unaligned[...] = x
    found: dict[str, Pair] = {
        "every other row": (wide_x[::2, :d], wide_y[::2, :d]),
        "every other feature": (wide_x[:n, ::2], wide_y[:m, ::2]),
        "backwards": (x[::-1], y[::-1]),
        "features backwards": (x[:, ::-1], y[:, ::-1]),
        "all backwards": (x[::-1, ::-1], wide_y[::-2, ::-2]),
        "columns": (np.asfortranarray(x), np.asfortranarray(y)),
        "transposed": (rows(d, n, dtype).T, rows(d, m, dtype, "y").T),
        "same row again": (np.broadcast_to(x[:1], x.shape), y),
        "same feature again": (np.broadcast_to(x[:, :1], x.shape), y),
        "1-D": (x[:, 0], y[:, 0]),
        "1-D strided": (x[:, 1], y[::-1, 1]),
        "3-D": (rows(n, 12, dtype).reshape(n, 3, 4), rows(m, 12, dtype, "y").reshape(m, 4, 3)),
        "3-D strided": (wide_x.reshape(n, 2, -1)[..., ::-1], wide_y.reshape(m, 2, -1)),
        "4-D": (rows(n, 8, dtype).reshape(n, 2, 2, 2), rows(m, 8, dtype, "y").reshape(m, 2, 2, 2)),
        "read-only": (read_only, y),
        "unaligned": (unaligned, y),
        "lists": (x.tolist(), y.tolist()),
        "tuple of arrays": (tuple(x), list(y)),
        "masked without a mask": (np.ma.MaskedArray(x), y),
        "subclass": (x.view(Subclass), y),
        "__array__": (Array(x), Array(y)),
        "DLPack": (DLPack(x), DLPack(y)),
        "same object": (x, x),
        "overlapping": (x[: n - 5], x[5:]),
    }
    if importlib.util.find_spec("pandas"):
        import pandas as pd

        nullable = pd.DataFrame(x).astype(pd.Float64Dtype())
        found["pandas frame"] = (pd.DataFrame(x), pd.DataFrame(y))
        found["pandas nullable"] = (nullable, pd.DataFrame(y))
        found["pandas series"] = (pd.Series(x[:, 0]), pd.Series(y[:, 0]))
        found["pandas mixed"] = (pd.DataFrame({"a": x[:, 0], "b": np.arange(n)}), y[:, :2])
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa

        found["pyarrow array"] = (pa.array(x[:, 0]), pa.array(y[:, 0]))
        found["pyarrow chunked"] = (pa.chunked_array([x[:9, 0], x[9:, 0]]), y[:, 0])
    return found


def dtypes(n: int, m: int, d: int) -> dict[str, Pair]:
    """Return samples of every dtype, and of two different ones."""
    found = {dtype: pair(n, m, d, dtype) for dtype in DTYPES}
    for dtype in INTEGERS:
        found[dtype] = tuple(np.abs(4 * a).astype(dtype) for a in pair(n, m, d))
    found["complex, both parts"] = tuple(a + 1j * a[::-1] for a in pair(n, m, d))
    found["complex, a view"] = tuple(a[:, ::2] - 0.5j for a in pair(n, m, 2 * d))
    for one, other in (
        ("float32", "float64"),
        ("float64", "float32"),
        ("float32", "int16"),
        ("float16", "float32"),
        ("int8", "float64"),
        ("complex64", "complex128"),
        ("float32", "complex64"),
        ("complex128", "int8"),
    ):
        x, y = pair(n, m, d)
        found[f"{one} and {other}"] = (x.astype(one), y.astype(other))
    return found


def scales(n: int, m: int, d: int, dtype: str) -> dict[str, Pair]:
    """Return samples that are hard for floating point."""
    x, y = pair(n, m, d, dtype)
    tiny, huge = (1e-30, 1e30) if dtype == "float32" else (1e-150, 1e150)
    far = np.where(np.arange(n)[:, None] == n // 3, 1e4, 0.0).astype(dtype)
    near = np.repeat(x[:1], n, axis=0) + (1e-7 * x).astype(dtype)
    clusters = np.where(np.arange(n)[:, None] % 2, 1e5, -1e5).astype(dtype)
    doubled, mostly_one = x.copy(), x.copy()
    doubled[n // 2 :] = doubled[: n - n // 2]
    mostly_one[2:] = mostly_one[0]
    one_constant = x.copy()
    one_constant[:, 0] = 3.0
    return {
        "far from 0": (x + x.dtype.type(1e6), y + y.dtype.type(1e6)),
        "far apart": (x, y + y.dtype.type(1e6)),
        "an outlier": (x + far, y),
        "near duplicates": (near, y),
        "only near duplicates": (near, near[: max(2, m - n)] + x.dtype.type(1e-7)),
        "tight clusters far apart": (clusters + x, y),
        "duplicates": (doubled, y),
        "mostly one point": (mostly_one, mostly_one),
        "all equal": (np.zeros_like(x), np.zeros_like(y)),
        "a constant feature": (one_constant, y),
        "tiny": (x * x.dtype.type(tiny), y * y.dtype.type(tiny)),
        "huge": (x * x.dtype.type(huge), y * y.dtype.type(huge)),
        "largest": (x * x.dtype.type(tiny**-1.2), y),
        "subnormal": (x * x.dtype.type(tiny) * x.dtype.type(tiny), y),
        "negative zeros": (np.where(x < 0, -0.0, x).astype(dtype), np.abs(y)),
        "features of unequal scales": (x * np.logspace(-6, 6, d).astype(dtype), y),
    }


def quantized(n: int, m: int, d: int) -> dict[str, Pair]:
    """Return quantised samples, with and without zero points."""
    x, y = pair(n, m, d)
    plain, shifted = ([quantize_rows(a, symmetric=s) for a in (x, y)] for s in (True, False))
    far = [quantize_rows(a + 100.0, symmetric=False) for a in (x, y)]
    return {
        "symmetric": tuple(plain),
        "zero points": tuple(shifted),
        "one with zero points": (plain[0], shifted[1]),
        "far from 0": tuple(far),
        "chosen rows": (plain[0][::-1], shifted[1][np.arange(m)[::2]]),
        "quantised and not": (plain[0], y),
    }


def missing(n: int, m: int, d: int, dtype: str = "float64") -> dict[str, Pair]:
    """Return samples with NaN and infinite values."""
    found = {}
    for name, value in (("nan", np.nan), ("inf", np.inf), ("-inf", -np.inf)):
        x, y = pair(n, m, d, dtype)
        x[3, d - 1] = x[n - 1, 0] = y[4, 0] = value
        found[name] = (x, y)
        found[f"{name} in x"] = (x, pair(n, m, d, dtype)[1])
        found[f"{name} in y"] = (pair(n, m, d, dtype)[0], y)
    x, y = pair(n, m, d, dtype)
    found["all nan"] = (np.full_like(x, np.nan), y)
    x = x.copy()
    x[1:] = np.nan
    found["all but one nan"] = (x, y)
    return found

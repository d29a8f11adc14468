"""Declare every function of the engine, and choose the core or the reference to compute it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import (
    Codes,
    GaussianArrays,
    Kernels,
    Matrix,
    Pairs,
    Progress,
    Sample,
    Values,
    WeightedSumsRequest,
)


class Backend(Protocol):
    """Declare the functions of a backend. `fastdiv._sums.reference` defines each of them."""

    def pair_sums(
        self,
        x: Sample,
        y: Sample,
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        pairs: Pairs = "distinct",
        /,
    ) -> Values: ...

    def mmd2(
        self,
        x: Sample,
        y: Sample,
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        pairs: Pairs = "distinct",
        /,
    ) -> Values: ...

    def quad_forms(
        self,
        z: Sample,
        labels: NDArray[np.uint8],
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        each_sum: bool = False,
        pairs: Pairs = "distinct",
        /,
    ) -> Values: ...

    def row_sums(
        self,
        at: Sample,
        x: Sample,
        weights: Values | None,
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def label_sums(
        self,
        x: Sample,
        weights: Values | None,
        sizes: NDArray[np.int64],
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def label_extremes(
        self,
        x: Sample,
        metric: str,
        sizes: NDArray[np.int64],
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> tuple[float, float]: ...

    def weighted_sums(
        self,
        x: Sample,
        y: Sample,
        x_weights: Values,
        y_weights: Values,
        request: WeightedSumsRequest,
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> tuple[Values, Values, Values, Matrix, Matrix, Values]: ...

    def log_slope_sums(
        self,
        x: Sample,
        y: Sample,
        x_weights: Values,
        y_weights: Values,
        kernels: Kernels,
        n_outputs: int,
        n_threads: int,
        progress: Progress | None,
        pairs: Pairs = "distinct",
        /,
    ) -> Values: ...

    def paired_values(
        self, x: Sample, y: Sample, kernels: Kernels, n_outputs: int, n_threads: int, /
    ) -> Values: ...

    def ranked_distances(
        self,
        x: Sample,
        y: Sample | None,
        items: int,
        metric: str,
        rank: int,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def median_distances(
        self,
        x: Sample,
        sizes: NDArray[np.int64],
        metric: str,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def kth_distances(
        self,
        at: Sample,
        x: Sample,
        k: int,
        exclude_self: bool,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def quantized_products(
        self, x: QuantizedRows, w: QuantizedRows, n_threads: int, /
    ) -> NDArray[np.float32]: ...

    def gaussian_kl(
        self,
        p: GaussianArrays,
        q: GaussianArrays,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def diagonal_kl_and_gradients(
        self,
        p: GaussianArrays,
        q: GaussianArrays,
        q_gradient: bool,
        as_given: bool,
        n_threads: int,
        /,
    ) -> tuple[Matrix, Matrix, Matrix, Matrix, bool]: ...

    def gaussian_renyi(
        self,
        p: GaussianArrays,
        q: GaussianArrays,
        alpha: float,
        above_one: float,
        n_threads: int,
        /,
    ) -> Values: ...

    def gaussian_coupling(
        self,
        p: GaussianArrays,
        q: GaussianArrays,
        share: float,
        rest: float,
        n_threads: int,
        /,
    ) -> Values: ...

    def gaussian_wasserstein2(
        self,
        p: GaussianArrays,
        q: GaussianArrays,
        n_threads: int,
        /,
    ) -> Values: ...

    def covariance_roots(self, matrices: Matrix, n_threads: int, /) -> Values: ...

    def mixture_covariances(
        self,
        weights: Values,
        means: Values,
        component_means: Matrix,
        name: str,
        parameters: Matrix,
        n_threads: int,
        /,
    ) -> Values: ...

    def kl_from_products(
        self,
        a: Matrix,
        b: Matrix,
        a_offset: Values,
        b_offset: Values,
        tolerance: float,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def matrix_status(
        self, matrices: Matrix, name: str, n_threads: int, /
    ) -> NDArray[np.uint8]: ...

    def cluster_sums(
        self,
        x: Sample,
        codes: Codes,
        weights: Values | None,
        centers: Values,
        offsets: Values | None,
        name: str,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def center_squares(
        self,
        x: Sample,
        anchors: Values,
        offsets: Values,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def first_rows(self, codes: Codes, n_clusters: int, /) -> NDArray[np.int64]: ...

    def log_ratio_moments(
        self, log_p: Matrix, log_q: Matrix, estimator: str, n_threads: int, /
    ) -> Values: ...

    def categorical_normalisers(
        self, values: Matrix, name: str, n_threads: int, progress: Progress | None, /
    ) -> Values: ...

    def categorical_entropy(
        self,
        values: Matrix,
        name: str,
        normalisers: Values,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def categorical_kl(
        self,
        p_values: Matrix,
        p_name: str,
        p_normalisers: Values,
        q_values: Matrix,
        q_name: str,
        q_normalisers: Values,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def categorical_jensen_shannon(
        self,
        p_values: Matrix,
        p_name: str,
        p_normalisers: Values,
        q_values: Matrix,
        q_name: str,
        q_normalisers: Values,
        n_threads: int,
        progress: Progress | None,
        /,
    ) -> Values: ...

    def first_nonfinite(
        self, x: NDArray[Any], positive: bool = False, n_threads: int = 1, /
    ) -> int: ...

    def set_num_threads(self, n: int, /) -> None: ...

    def get_num_threads(self) -> int: ...

    def config(self) -> dict[str, object]: ...


_MODULES = {"core": "fastdiv._core", "reference": "fastdiv._sums.reference"}


def _load(name: str) -> Backend:
    """Import a backend by its name."""
    if name not in _MODULES:
        raise ValueError(
            f"FASTDIV_BACKEND must be one of {', '.join(sorted(_MODULES))}; got {name!r}"
        )
    try:
        return cast(Backend, importlib.import_module(_MODULES[name]))
    except ImportError as error:
        if "FASTDIV_ISA" in str(error):
            raise
        raise ImportError(
            f"the compiled part of fastdiv ({_MODULES[name]}) cannot be imported: {error}. "
            "Install a wheel or build the package with pip; FASTDIV_BACKEND=reference "
            "selects the slow NumPy implementation."
        ) from error


def _load_default() -> Backend | ImportError | ValueError:
    """
    Load the backend that the environment asks for, or return the error.

    The core is loaded at import, so that it knows of every later fork. An error waits for the
    first use, so that the command line can report it in one line.
    """
    try:
        return _load(os.environ.get("FASTDIV_BACKEND") or "core")
    except (ImportError, ValueError) as error:
        return error


_default = _load_default()
_current: ContextVar[Backend | ImportError | ValueError]
_current = ContextVar("fastdiv_backend", default=_default)


def current() -> Backend:
    """Return the backend in use, or raise the error of loading it."""
    backend = _current.get()
    if isinstance(backend, Exception):
        raise backend
    return backend


def current_name() -> str:
    """Return "core" or "reference"."""
    module = cast(Any, current()).__name__
    return next(name for name, path in _MODULES.items() if path == module)


@contextmanager
def use(name: str) -> Iterator[Backend]:
    """Compute with the named backend inside the block."""
    backend = _load(name)
    token = _current.set(backend)
    try:
        yield backend
    finally:
        _current.reset(token)

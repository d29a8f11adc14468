"""The compiled engine; fastdiv._sums.reference documents each function."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import (
    Codes,
    KernelGroup,
    Matrix,
    Progress,
    Sample,
    Values,
    WeightedSumsRequest,
)

def categorical_entropy(
    values: Matrix, name: str, normalisers: Values, n_threads: int, progress: Progress | None, /
) -> Values: ...
def categorical_jensen_shannon(
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
def categorical_kl(
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
def categorical_normalisers(
    values: Matrix, name: str, n_threads: int, progress: Progress | None, /
) -> Values: ...
def center_squares(
    x: Sample, anchors: Values, offsets: Values, n_threads: int, progress: Progress | None, /
) -> Values: ...
def cluster_sums(
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
def config() -> dict[str, object]: ...
def diagonal_gradients(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    q_gradient: bool,
    n_threads: int,
    /,
) -> tuple[Values, Values, Values]: ...
def first_nonfinite(x: Matrix, /) -> int: ...
def first_rows(codes: Codes, n_clusters: int, /) -> NDArray[np.int64]: ...
def gaussian_kl(
    p_mean: Matrix,
    p_name: str,
    p_parameter: Matrix,
    q_mean: Matrix,
    q_name: str,
    q_parameter: Matrix,
    n_threads: int,
    progress: Progress | None,
    /,
) -> Values: ...
def get_num_threads() -> int: ...
def kl_from_products(
    a: Matrix,
    b: Matrix,
    a_offset: Values,
    b_offset: Values,
    tolerance: float,
    n_threads: int,
    progress: Progress | None,
    /,
) -> Values: ...
def kth_distances(
    at: Sample, x: Sample, k: int, exclude_self: bool, n_threads: int, progress: Progress | None, /
) -> Values: ...
def label_extremes(
    x: Sample, metric: str, sizes: NDArray[np.int64], n_threads: int, progress: Progress | None, /
) -> tuple[float, float]: ...
def label_sums(
    x: Sample,
    weights: Values | None,
    sizes: NDArray[np.int64],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    /,
) -> Values: ...
def log_ratio_moments(
    log_p: Matrix, log_q: Matrix, estimator: str, n_threads: int, /
) -> Values: ...
def log_slope_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    skip_matched: bool = False,
    /,
) -> Values: ...
def matrix_status(matrices: Matrix, name: str, n_threads: int, /) -> NDArray[np.uint8]: ...
def measure_peaks(dtype: str, n_threads: int, seconds: float, /) -> tuple[float, float]: ...
def median_distances(
    x: Sample, sizes: NDArray[np.int64], metric: str, n_threads: int, progress: Progress | None, /
) -> Values: ...
def pair_sums(
    x: Sample,
    y: Sample,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    skip_matched: bool = False,
    /,
) -> Values: ...
def paired_values(
    x: Sample, y: Sample, kernels: Sequence[KernelGroup], n_outputs: int, n_threads: int, /
) -> Values: ...
def quad_forms(
    z: Sample,
    labels: NDArray[np.uint8],
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    each_sum: bool = False,
    /,
) -> Values: ...
def quantized_products(x: Sample, w: Sample, n_threads: int, /) -> NDArray[np.float32]: ...
def ranked_distances(
    x: Sample,
    y: Sample | None,
    items: int,
    metric: str,
    rank: int,
    n_threads: int,
    progress: Progress | None,
    /,
) -> Values: ...
def row_sums(
    at: Sample,
    x: Sample,
    weights: Values | None,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    /,
) -> Values: ...
def set_num_threads(n: int, /) -> None: ...
def weighted_sums(
    x: Sample,
    y: Sample,
    x_weights: Values,
    y_weights: Values,
    request: WeightedSumsRequest,
    kernels: Sequence[KernelGroup],
    n_outputs: int,
    n_threads: int,
    progress: Progress | None,
    /,
) -> tuple[Values, Values, Values, Matrix, Matrix]: ...

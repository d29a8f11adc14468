"""
Check and convert the arrays, samples, labels and options of a caller, before any work.

No other room checks these again. Each room checks its own kinds: kernels, distributions, tables.
Other rooms write ``_inputs.matrix(x, "x")``, whatever file defines the function.

Files
-----
arrays: anything NumPy can view, as an array of numbers
half_types: float16 and bfloat16, which become float32
samples: rows of finite numbers, with one dtype and one number of features per call
row_weights: row weights on one scale, and samples without the rows of weight 0
row_labels: row labels, numbered in ascending order
options: words, switches, numbers, threads and sources of randomness
messages: what a caller passed, as an error shows it
resampling: orderings of rows, and which statistics tie
frames: columns by name, rows by the keys of an index, and columns through Arrow
batches: masks and points that fit the batch shape of distributions
"""

from fastdiv._inputs import row_labels
from fastdiv._inputs.arrays import any_array, array, converted, is_differentiated, plain_array
from fastdiv._inputs.batches import broadcast_batches, mask, points
from fastdiv._inputs.frames import (
    Order,
    aligned,
    column_orders,
    feature_names,
    from_arrow,
    in_order_of,
    is_default_index,
    is_frame,
    keys,
    label_order,
    last_axis_index,
    last_axis_names,
    name_orders,
    restored,
    row_index,
    row_names,
    row_orders,
)
from fastdiv._inputs.half_types import ROOT_EPSILON, Widened, half_type
from fastdiv._inputs.messages import listing, shown
from fastdiv._inputs.options import (
    ALWAYS_RAISE,
    ESTIMATORS,
    MAX_THREADS,
    PAIRS_OF,
    between,
    choice,
    choices,
    draws,
    flag,
    generator,
    integer,
    is_plain_number,
    least_rows,
    omits,
    positive,
    real,
    thread_count,
    threads,
)
from fastdiv._inputs.resampling import DEFAULT_RESAMPLES, MAX_RESAMPLES, TIE, orderings, pvalue
from fastdiv._inputs.row_weights import (
    aligned_weights,
    enough_weight,
    exponents_of,
    kept,
    normalized,
    over_powers,
    positive_rows,
    rows_kept,
    times_powers,
    weighted_samples,
    weights,
)
from fastdiv._inputs.samples import (
    CLEAN_OR_OMIT,
    alike,
    checked_samples,
    chosen,
    finite,
    finite_rows,
    in_order,
    joined,
    matrix,
    nonfinite,
    pool,
    same_space,
    sample,
    samples,
    zero_points,
)

__all__ = [
    "ALWAYS_RAISE",
    "CLEAN_OR_OMIT",
    "DEFAULT_RESAMPLES",
    "ESTIMATORS",
    "MAX_RESAMPLES",
    "MAX_THREADS",
    "PAIRS_OF",
    "ROOT_EPSILON",
    "TIE",
    "Order",
    "Widened",
    "aligned",
    "aligned_weights",
    "alike",
    "any_array",
    "array",
    "between",
    "broadcast_batches",
    "checked_samples",
    "choice",
    "choices",
    "chosen",
    "column_orders",
    "converted",
    "draws",
    "enough_weight",
    "exponents_of",
    "feature_names",
    "finite",
    "finite_rows",
    "flag",
    "from_arrow",
    "generator",
    "half_type",
    "in_order",
    "in_order_of",
    "integer",
    "is_default_index",
    "is_differentiated",
    "is_frame",
    "is_plain_number",
    "joined",
    "kept",
    "keys",
    "label_order",
    "last_axis_index",
    "last_axis_names",
    "least_rows",
    "listing",
    "mask",
    "matrix",
    "name_orders",
    "nonfinite",
    "normalized",
    "omits",
    "orderings",
    "over_powers",
    "plain_array",
    "points",
    "pool",
    "positive",
    "positive_rows",
    "pvalue",
    "real",
    "restored",
    "row_index",
    "row_labels",
    "row_names",
    "row_orders",
    "rows_kept",
    "same_space",
    "sample",
    "samples",
    "shown",
    "thread_count",
    "threads",
    "times_powers",
    "weighted_samples",
    "weights",
    "zero_points",
]

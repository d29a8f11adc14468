"""Check row weights, bring them to one scale, and leave out the rows of weight 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.blocks import blockwise
from fastdiv._engine.types import Sample, Values
from fastdiv._inputs.arrays import array, converted, refuse_without_values
from fastdiv._inputs.frames import aligned, only_column
from fastdiv._inputs.options import ALWAYS_RAISE, least_rows, omits
from fastdiv._inputs.samples import (
    alike,
    checked_samples,
    chosen,
    finite_mask,
    same_length,
    samples,
)


def weighted_samples(
    x: object, y: object, x_weights: object, y_weights: object, nan_policy: object, estimator: str
) -> tuple[Sample, Sample, Values | None, Values | None]:
    """
    Like `samples`, but also return the row weights over a power of two.

    Rows of weight 0 are left out. Equal weights become None.
    """
    if x_weights is None and y_weights is None:
        return *samples(x, y, nan_policy, estimator), None, None
    x, y, x_weights, y_weights = aligned_weights(x, y, x_weights, y_weights, estimator)
    a, b = alike({"x": x, "y": y})
    u = weights(x_weights, "x_weights", len(a), estimator)
    v = weights(y_weights, "y_weights", len(b), estimator)
    keep_x, keep_y = rows_kept(a, b, u, v, nan_policy, estimator)
    a, u = kept(a, u, keep_x)
    b, v = kept(b, v, keep_y)
    policy = ALWAYS_RAISE if nan_policy is ALWAYS_RAISE else "raise"
    a, b = checked_samples(a, b, policy, estimator)
    for name, w in (("x_weights", u), ("y_weights", v)):
        if w is not None:
            enough_weight(w, name, estimator)
    return a, b, _unequal(u, "x_weights"), _unequal(v, "y_weights")


def aligned_weights(
    x: object, y: object, x_weights: object, y_weights: object, estimator: str
) -> tuple[object, object, object, object]:
    """Return samples and weights with the rows of either sample in one order, or of both pairs."""
    if estimator == "paired":
        x, y = aligned({"x": x, "y": y})
    if x_weights is not None:
        _, x_weights = aligned({"x": x, "x_weights": x_weights})
    if y_weights is not None:
        _, y_weights = aligned({"y": y, "y_weights": y_weights})
    return x, y, x_weights, y_weights


def rows_kept(
    a: Sample, b: Sample, u: Values | None, v: Values | None, nan_policy: object, estimator: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Tell which rows to keep: those of weight > 0, without NaN under "omit".

    "paired" drops pairs: those where both weights are 0, or where a row that counts holds NaN.
    """
    counts_x, counts_y = (
        np.ones(len(rows), dtype=np.bool_) if w is None else w > 0 for rows, w in ((a, u), (b, v))
    )
    keep_x, keep_y = counts_x, counts_y
    if estimator == "paired":
        same_length(a, b)
        keep_x = keep_y = counts_x | counts_y
    if omits(nan_policy):
        clean_x, clean_y = finite_mask(a) | ~counts_x, finite_mask(b) | ~counts_y
        keep_x, keep_y = keep_x & clean_x, keep_y & clean_y
        if estimator == "paired":
            keep_x = keep_y = keep_x & keep_y
    return keep_x, keep_y


def kept(a: Sample, w: Values | None, keep: NDArray[np.bool_]) -> tuple[Sample, Values | None]:
    """
    Return the rows to keep, and their weights.

    A row of weight 0 that its partner keeps becomes the heaviest row, so that it is not read.
    """
    if not keep.all():
        a = chosen(a, keep)
        w = None if w is None else w[keep]
    if w is None or w.all() or not w.any():
        return a, w
    return a[np.where(w > 0, np.arange(len(w)), w.argmax())], w


def positive_rows(a: Sample, w: Values | None) -> Sample:
    """Return the rows of weight > 0, for what ignores weights otherwise, such as a median."""
    return a if w is None or w.all() else chosen(a, w > 0)


def normalized(w: Values, name: str) -> tuple[Values, NDArray[np.int_]]:
    """Return weights over a power of two, the largest in [1, 2), and the exponent of that."""
    exponents = exponents_of(w.max(axis=-1, keepdims=True))
    return over_powers(w, exponents, name), exponents[..., 0]


def exponents_of(largest: Values) -> NDArray[np.int_]:
    """Return the exponents of the powers of two that bring the largest weights to [1, 2)."""
    exponents: NDArray[np.int_] = np.frexp(np.where(largest > 0, largest, 1.0))[1] - 1
    return exponents


def over_powers(w: Values, exponents: NDArray[np.int_], name: str) -> Values:
    """Return weights over powers of two, without rounding."""
    over, is_exact = _shifted(w, -exponents)
    if not is_exact:
        least, most = w[w > 0].min(), w.max()
        raise ValueError(
            f"{name} must not differ by factors beyond 1e300; got weights from {least} to {most}"
        )
    return over


def times_powers(
    values: Values, exponents: NDArray[np.int_], name: str, result: str = "a result"
) -> Values:
    """Return sums of weights `over_powers` on the scale of the weights, without rounding."""
    out, is_exact = _shifted(values, exponents)
    if not np.isfinite(out).all():
        raise OverflowError(f"{result} overflows in float64; scale the data or {name}")
    if not is_exact:
        raise ValueError(
            f"{name} must not have a scale at which {result} underflows in float64; "
            f"scale the data or {name}"
        )
    return out


def _shifted(values: Values, exponents: NDArray[np.int_]) -> tuple[Values, bool]:
    """Return values times powers of two, and whether they keep all their digits."""
    with np.errstate(over="ignore", under="ignore"):
        shifted: Values = blockwise(np.ldexp, values, exponents)
        is_exact = blockwise(_shifts_back, shifted, exponents, values)
        return shifted, bool(is_exact.all())


def _shifts_back(shifted: Values, exponents: NDArray[np.int_], values: Values) -> NDArray[np.bool_]:
    return np.asarray(np.ldexp(shifted, -exponents) == values)


def _unequal(w: Values | None, name: str) -> Values | None:
    """Return normalised weights, or None for equal ones."""
    return None if w is None or (w == w[0]).all() else normalized(w, name)[0]


def weights(value: object, name: str, rows: int, estimator: str) -> Values | None:
    """Return one finite weight >= 0 per row in float64, or None for None."""
    if value is None:
        return None
    refuse_without_values(value, name)
    a = array(only_column(value, name), name)
    if a.shape != (rows,):
        raise ValueError(
            f"{name} must have one weight per row, shape ({rows},); got shape {a.shape}"
        )
    w = converted(a, np.dtype(np.float64))
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name} must be finite and >= 0; got {w[at]} at row {at}")
    if not w.any():
        raise ValueError(f"{name} must not be 0 for all rows")
    enough_weight(w, name, estimator)
    return w


def enough_weight(w: Values, name: str, estimator: str) -> None:
    """Refuse weights if too few are > 0."""
    least = least_rows(estimator)
    if np.count_nonzero(w) < least:
        raise ValueError(
            f"{name} must be > 0 for at least {least} row{'s' if least > 1 else ''} for "
            f"estimator={estimator!r}; got {np.count_nonzero(w)}"
        )

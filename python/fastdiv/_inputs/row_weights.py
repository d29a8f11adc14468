"""Check row weights, and leave out the rows of weight 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.types import Sample, Values
from fastdiv._inputs.arrays import array
from fastdiv._inputs.options import ALWAYS_RAISE, least_rows, omits
from fastdiv._inputs.samples import alike, chosen, finite_mask, same_length, samples


def weighted_samples(
    x: object, y: object, x_weights: object, y_weights: object, nan_policy: object, estimator: str
) -> tuple[Sample, Sample, Values | None, Values | None]:
    """
    Like `samples`, but also return the row weights, the largest 1.

    Rows of weight 0 are left out. Equal weights become None.
    """
    a, b = alike({"x": x, "y": y})
    u = weights(x_weights, "x_weights", len(a), estimator)
    v = weights(y_weights, "y_weights", len(b), estimator)
    if u is None and v is None:
        return *samples(a, b, nan_policy, estimator), None, None
    keep_x, keep_y = rows_kept(a, b, u, v, nan_policy, estimator)
    a, u = _kept(a, u, keep_x)
    b, v = _kept(b, v, keep_y)
    a, b = samples(a, b, ALWAYS_RAISE if nan_policy is ALWAYS_RAISE else "raise", estimator)
    for name, w in (("x_weights", u), ("y_weights", v)):
        if w is not None:
            enough_weight(w, name, estimator)
    return a, b, u, v


def rows_kept(
    a: Sample, b: Sample, u: Values | None, v: Values | None, nan_policy: object, estimator: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Tell which rows to keep: those of weight > 0, without NaN under "omit". Stacks are allowed.

    "paired" drops pairs: those where both weights are 0, or where either row holds NaN.
    """
    keep_x, keep_y = (
        np.ones(rows.shape[:-1], dtype=np.bool_) if w is None else w > 0
        for rows, w in ((a, u), (b, v))
    )
    if estimator == "paired":
        same_length(a, b)
        keep_x = keep_y = keep_x | keep_y
    if omits(nan_policy):
        keep_x, keep_y = keep_x & finite_mask(a), keep_y & finite_mask(b)
        if estimator == "paired":
            keep_x = keep_y = keep_x & keep_y
    return keep_x, keep_y


def positive_rows(a: Sample, w: Values | None) -> Sample:
    """Return the rows of weight > 0, for what ignores weights otherwise, such as a median."""
    return a if w is None or w.all() else chosen(a, w > 0)


def _kept(a: Sample, w: Values | None, keep: NDArray[np.bool_]) -> tuple[Sample, Values | None]:
    """Return the kept rows and their weights, the largest 1, or None for equal weights."""
    if not keep.all():
        a = chosen(a, keep)
        w = None if w is None else w[keep]
    if w is None or not w.any():
        return a, w
    return a, None if (w == w[0]).all() else w / w.max()


def weights(value: object, name: str, rows: int, estimator: str) -> Values | None:
    """Return one finite weight >= 0 per row in float64, or None for None."""
    if value is None:
        return None
    a = array(value, name)
    if a.shape != (rows,):
        raise ValueError(
            f"{name} must have one weight per row, shape ({rows},); got shape {a.shape}"
        )
    w = a.astype(np.float64)
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

"""Define products of quantised rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import QuantizedRows


def quantized_products(x: QuantizedRows, w: QuantizedRows, n_threads: int) -> NDArray[np.float32]:
    """
    Return x_i · w_j in float32, (n, m).

    The exact value is rounded to float64 and then to float32; it is infinite beyond its range.
    """
    integers = [
        rows.values - np.int64(0 if rows.zero_point is None else rows.zero_point[:, None])
        for rows in (x, w)
    ]
    scales = np.multiply.outer(x.scale.astype(np.float64), w.scale.astype(np.float64))
    with np.errstate(over="ignore"):
        return np.asarray(scales * (integers[0] @ integers[1].T), dtype=np.float32)

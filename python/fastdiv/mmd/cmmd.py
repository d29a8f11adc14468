"""Compute CMMD, the distance between sets of CLIP embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack, overload

import numpy as np

from fastdiv import _inputs
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Matrix, Sample, Values
from fastdiv.kernels.radial import RBFLessOne
from fastdiv.mmd.estimate import checked_mmd2
from fastdiv.quantized import bounds
from fastdiv.quantized.bounds import QuantizedEstimate
from fastdiv.quantized.norms import norms

if TYPE_CHECKING:
    from fastdiv.mmd.call_options import SampleOptions

_CMMD_BANDWIDTH = 10.0
"""Bandwidth in units of the embeddings, as published by Jayasumana et al."""

_CMMD_SCALE = 1000.0
"""Factor of the MMD², as published by Jayasumana et al."""


@overload
def cmmd(  # type: ignore[overload-overlap]
    x: QuantizedRows, y: QuantizedRows, *, normalize: bool = ..., **options: Unpack[SampleOptions]
) -> QuantizedEstimate: ...
@overload
def cmmd(
    x: object, y: object, *, normalize: bool = ..., **options: Unpack[SampleOptions]
) -> float: ...


def cmmd(
    x: object, y: object, *, normalize: bool = False, nan_policy: str = "raise",
    n_threads: int | None = None, progress: object = None,
) -> float | QuantizedEstimate:  # fmt: skip
    """
    Compute CMMD between two sets of CLIP embeddings: 1000 times the biased MMD² with RBF(10).

    Embeddings of unit length are at most 2 apart, where the kernel is 0.98. MMD² is then a small
    difference of means close to 1, of which float32 keeps few digits or none. MMD² does not change
    when a constant is subtracted from the kernel. The means are therefore those of
    exp(−‖x−y‖²/200) − 1, evaluated by expm1. The error of a CMMD is about 1e-6 in float32, which
    quantised embeddings are computed in too, and 1e-13 in float64.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Embeddings, as in `mmd2`.
    normalize : bool, default False
        Divide every row by its Euclidean length first, as the paper does. Leave it False for
        embeddings of unit length. Quantised rows only get other scales.
    nan_policy, n_threads, progress
        As in `mmd2`.

    Returns
    -------
    float
        CMMD, without unit. It is never negative, up to rounding. Quantised samples give a
        `QuantizedEstimate`. The CMMD of the embeddings before quantisation, normalised alike, is
        within the bound of the value.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or a row to normalise is zero.

    References
    ----------
    S. Jayasumana et al., "Rethinking FID: towards a better evaluation metric for image generation",
    CVPR (2024), section 4, and the code published with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import cmmd
    >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 16))
    >>> round(cmmd(x, y, normalize=True), 4), round(cmmd(x, y + 1.0, normalize=True), 4)
    (0.1313, 5.667)
    """
    unit = _inputs.flag(normalize, "normalize")
    a, b = _inputs.samples(x, y, nan_policy)
    u, v = (_unit_rows(a, "x"), _unit_rows(b, "y")) if unit else (a, b)
    kernel = RBFLessOne(_CMMD_BANDWIDTH)
    threads, report = _inputs.threads(n_threads), reporter(progress)
    value = float(checked_mmd2(u, v, [kernel], "all", threads, report)[0])
    if isinstance(a, QuantizedRows) and isinstance(b, QuantizedRows):
        bound = bounds.biased_rbf_bound(value, (a, b), _CMMD_BANDWIDTH, unit)
        return QuantizedEstimate(_CMMD_SCALE * value, _CMMD_SCALE * bound)
    return _CMMD_SCALE * value


def _unit_rows(a: Sample, name: str) -> Sample:
    """Divide rows by their lengths, or the scales of quantised rows."""
    if isinstance(a, QuantizedRows):
        integers = replace(a, scale=np.ones_like(a.scale))
        lengths = norms(integers)
        _require_lengths(lengths, name)
        return replace(a, scale=(1.0 / lengths).astype(np.float32))
    largest = np.abs(a).max(axis=1, keepdims=True)
    _require_lengths(largest, name)
    unit: Matrix = a / largest  # squares of these neither overflow nor vanish
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def _require_lengths(lengths: Values, name: str) -> None:
    """Refuse rows of length 0."""
    if not lengths.all():
        row = int(lengths.argmin())
        raise ValueError(f"{name} must have no zero row for normalize=True; got one at row {row}")

"""Define sums over the rows of clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastdiv._engine.quantized_rows import in_float64
from fastdiv._engine.types import Codes, Progress, Sample, Values
from fastdiv._sums.reference.rows import report


def cluster_sums(
    x: Sample,
    codes: Codes,
    weights: Values | None,
    centers: Values,
    offsets: Values | None,
    name: str,
    n_threads: int,
    progress: Progress | None,
) -> Values:
    """
    Sum over the rows x of each cluster, seen from its centre c, (k, 4 + d).

    A negative code leaves a row out. The offsets are added to the centres without the rounding of
    their sum. The columns are the number of rows, Σ w, Σ w ‖x − c‖², Σ w D(x, c) and the vector
    Σ w (x − c). D is the distance "euclidean" or "l1"; for "squares" it is 0.

    For "directions", the columns are the number of rows x = c, Σ w/‖x − c‖ over the others,
    Σ w over those x = c, Σ w ‖x − c‖, and the vector Σ w (x − c)/‖x − c‖ over the others.
    """
    k = len(centers)
    kept = codes >= 0
    clusters = codes[kept]
    w = np.ones(len(clusters)) if weights is None else weights[kept]
    v = in_float64(x[kept]) - centers[clusters]
    if offsets is not None:
        v -= offsets[clusters]
    squares = (v**2).sum(axis=1)
    distances = np.abs(v).sum(axis=1) if name == "l1" else np.sqrt(squares)
    sums = np.zeros((k, 4 + x.shape[1]))
    if name == "directions":
        away = distances > 0
        pull = np.divide(w, distances, out=np.zeros_like(w), where=away)
        columns = [~away, pull, w * ~away, w * distances, *(pull[:, None] * v).T]
    else:
        columns = [np.ones_like(w), w, w * squares, w * distances, *(w[:, None] * v).T]
        if name == "squares":
            columns[3] = np.zeros_like(w)
    for j, column in enumerate(columns):
        sums[:, j] = np.bincount(clusters, weights=column, minlength=k)
    report(progress)
    return sums


def center_squares(
    x: Sample, anchors: Values, offsets: Values, n_threads: int, progress: Progress | None
) -> Values:
    """
    Return ‖x − anchor − offset‖², (k, n).

    The sum of anchor and offset alone has too few digits where rows lie far from the origin.
    """
    rows = in_float64(x)
    squares = np.empty((len(anchors), len(rows)))
    for row, anchor, offset in zip(squares, anchors, offsets, strict=True):
        row[:] = ((rows - anchor - offset) ** 2).sum(axis=1)
    report(progress)
    return squares


def first_rows(codes: Codes, n_clusters: int) -> NDArray[np.int64]:
    """Return the first row of each cluster, (n_clusters,), or −1 where there is none."""
    first = np.full(n_clusters, -1)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows  # the last of several counts, which is the first row
    return first

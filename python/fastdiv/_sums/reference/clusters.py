"""Sums over the rows of clusters."""

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
    Sum over the rows x of each cluster, seen from its centre c.

    Parameters
    ----------
    x : ndarray or QuantizedRows, shape (n, d)
        Rows, float32, float64 or int8.
    codes : ndarray of int32 or int64, shape (n,)
        Cluster of each row, from 0 to k − 1; negative where the row is left out.
    weights : ndarray of float64, shape (n,), or None
        Of the rows; None stands for 1.
    centers : ndarray of float64, shape (k, d)
        Centre of each cluster.
    offsets : ndarray of float64, shape (k, d), or None
        Added to the centres, without the rounding of their sum; None stands for 0.
    name : {"squares", "euclidean", "manhattan", "directions"}
        The distance D, or what is summed instead; "squares" has D = 0.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (k, 4 + d)
        Number of rows, Σ w, Σ w ‖x − c‖², Σ w D(x, c), and the vector Σ w (x − c). For
        "directions": number of rows x = c, Σ w/‖x − c‖ over the others, Σ w over those x = c,
        Σ w ‖x − c‖, and the vector Σ w (x − c)/‖x − c‖ over the others.
    """
    k = len(centers)
    kept = codes >= 0
    of = codes[kept]
    w = np.ones(len(of)) if weights is None else weights[kept]
    v = in_float64(x[kept]) - centers[of]
    if offsets is not None:
        v -= offsets[of]
    squares = (v**2).sum(axis=1)
    distances = np.abs(v).sum(axis=1) if name == "manhattan" else np.sqrt(squares)
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
        sums[:, j] = np.bincount(of, weights=column, minlength=k)
    report(progress)
    return sums


def center_squares(
    x: Sample, anchors: Values, offsets: Values, n_threads: int, progress: Progress | None
) -> Values:
    """
    Compute the squared Euclidean distances of all rows to centres.

    Parameters
    ----------
    x : ndarray or QuantizedRows, shape (n, d)
        Rows, float32, float64 or int8.
    anchors, offsets : ndarray of float64, shape (k, d)
        Centres are their sums: where rows lie far from the origin, that has too few digits.
    n_threads, progress
        As in `pair_sums`.

    Returns
    -------
    ndarray of float64, shape (k, n)
        ‖x − anchor − offset‖².
    """
    rows = in_float64(x)
    squares = np.empty((len(anchors), len(rows)))
    for row, anchor, offset in zip(squares, anchors, offsets, strict=True):
        row[:] = ((rows - anchor - offset) ** 2).sum(axis=1)
    report(progress)
    return squares


def first_rows(codes: Codes, n_clusters: int) -> NDArray[np.int64]:
    """
    Find the first row of each cluster.

    Parameters
    ----------
    codes : ndarray of int32 or int64, shape (n,)
        Cluster of each row, below `n_clusters`; negative where the row is left out.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    ndarray of int64, shape (n_clusters,)
        −1 for a cluster without rows.
    """
    first = np.full(n_clusters, -1)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows  # of several the last counts: the first row
    return first

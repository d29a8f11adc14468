"""Values that are wrong for most arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastdiv as fd
from fuzz.draw.arguments import ROWS, A, M, P, X

NAN, INF = float("nan"), float("inf")

BAD: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: NAN,
    lambda: INF,
    lambda: -INF,
    lambda: -1,
    lambda: 0,
    lambda: -0.0,
    lambda: 1.5,
    lambda: 10**30,
    lambda: -(10**30),
    lambda: 1e308,
    lambda: 5e-324,
    lambda: True,
    lambda: 1j,
    lambda: "x",
    lambda: "",
    lambda: "y" * 100_000,
    lambda: b"bytes",
    lambda: [],
    lambda: [[]],
    lambda: {},
    lambda: {"x": 1},
    lambda: {1, 2},
    lambda: object(),
    lambda: int,
    lambda: lambda *_: None,
    lambda: (i for i in range(3)),
    lambda: [[1.0, 2.0], [3.0]],
    lambda: ["a"] * 5000,
    lambda: [None, 1.0],
    lambda: np.zeros((0, 2)),
    lambda: np.zeros((2, 0)),
    lambda: np.zeros((6, 2)),
    lambda: np.zeros((6, 3)),
    lambda: np.zeros((2, 2, 2)),
    lambda: np.zeros(6),
    lambda: np.ones(6),
    lambda: np.ones(7),
    lambda: np.array(2.0),
    lambda: X * NAN,
    lambda: np.where(X > 2, INF, X),
    lambda: X * 1e307,
    lambda: X * 1e-320,
    lambda: X.astype(complex),
    lambda: X.astype(object),
    lambda: X.astype(str),
    lambda: X.astype(np.longdouble),
    lambda: X.astype("datetime64[s]"),
    lambda: np.ma.masked_greater(X, 2.0),
    lambda: np.array([(1.0, 2)], dtype=[("a", float), ("b", int)]),
    lambda: np.array([NAN, 1.0]),
    lambda: np.array([-1.0, 2.0]),
    lambda: np.array([[1.0, 2.0], [3.0, 4.0]]),
    lambda: np.array([[0.0, 1.0], [1.0, 0.0]]),
    lambda: np.iinfo(np.uint64).max,
    lambda: P,
    lambda: A,
    lambda: M,
    lambda: ROWS,
    lambda: fd.RBF(1.0),
    lambda: [fd.RBF(), "x"],
)

"""Categorical distributions of both parametrisations for the tests of their divergences."""

import os

import numpy as np
import pytest
from scipy.special import softmax

from fastdiv import Categorical

RTOL = {np.float32: 1e-5, np.float64: 1e-12}
NAMES = ["probs", "logits"]
INF = float("inf")

of_the_core = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="a promise of the core"
)
each_pair = pytest.mark.parametrize(
    ("name_p", "name_q"), [(a, b) for a in NAMES for b in NAMES], ids=lambda name: str(name)
)


def parameter(logits, name, dtype):
    return (logits if name == "logits" else softmax(logits, axis=-1)).astype(dtype)


def given(logits, name, dtype):
    return Categorical(**{name: parameter(logits, name, dtype)})

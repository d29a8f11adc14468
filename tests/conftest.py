"""Fixtures shared by the suite."""

import os
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def core() -> ModuleType:
    """Return the compiled core; absent only where the reference was asked for."""
    if os.environ.get("FASTDIV_BACKEND") == "reference":
        return pytest.importorskip("fastdiv._core")
    import fastdiv._core

    return fastdiv._core

"""Fixtures of the tests of commands."""

from functools import partial

import pytest
from table_files import X, Y, save


@pytest.fixture
def pair(tmp_path):
    """Two .npy files that differ."""
    return save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", Y)


@pytest.fixture
def wcss(command):
    """Run ``fastdiv wcss``."""
    return partial(command, "wcss")

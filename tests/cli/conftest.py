"""Fixtures that run commands."""

from functools import partial

import pytest
from table_files import X, Y, refusal, save

from fastdiv.cli import main


@pytest.fixture
def pair(tmp_path):
    """Two .npy files that differ."""
    return save(tmp_path / "x.npy", X), save(tmp_path / "y.npy", Y)


@pytest.fixture
def command(capsys):
    """Run a command in this process; return status, stdout, stderr."""

    def run(*arguments):
        status = main.main(list(map(str, arguments)))
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def compare(command):
    """Run ``fastdiv compare``."""
    return partial(command, "compare", "--resamples", "99")


@pytest.fixture
def wcss(command):
    """Run ``fastdiv wcss``."""
    return partial(command, "wcss")


@pytest.fixture
def refused(compare, tmp_path):
    """Run a comparison that must fail with one clear line and leave no file; return the line."""
    return refusal(compare, tmp_path)

"""Threads, the choice of the backend, and the description of this installation."""

import numpy as np
import pytest

import fastdiv


def test_set_num_threads():
    before = fastdiv.get_num_threads()
    try:
        fastdiv.set_num_threads(np.int64(3))
        assert fastdiv.get_num_threads() == 3
        for bad, error in [(0, ValueError), (-2, ValueError), (1.0, TypeError), (None, TypeError)]:
            with pytest.raises(error, match=r"^n must be an integer"):
                fastdiv.set_num_threads(bad)
        assert fastdiv.get_num_threads() == 3
    finally:
        fastdiv.set_num_threads(before)


def test_show_config(capsys):
    entries = fastdiv.show_config(mode="dict")
    assert {"version", "isa", "isa_available", "n_threads", "openmp", "numpy"} <= set(entries)
    assert fastdiv.show_config() is None
    out = capsys.readouterr().out
    assert all(name + ":" in out for name in entries)
    with pytest.raises(ValueError, match=r"^mode must be"):
        fastdiv.show_config(mode="json")


def test_backend_choice_is_never_silent(monkeypatch):
    from fastdiv._engine import backend

    with pytest.raises(ValueError, match="FASTDIV_BACKEND must be one of core, reference"):
        backend._load("fast")
    monkeypatch.setitem(backend._MODULES, "core", "fastdiv._no_such_module")
    with pytest.raises(ImportError, match=r"compiled part of fastdiv.*Install a wheel"):
        backend._load("core")
    with backend.use("reference"):
        assert backend.current_name() == "reference"


FAULTS = {
    "instruction set": ({"FASTDIV_ISA": "v9", "FASTDIV_BACKEND": None}, "FASTDIV_ISA is 'v9'"),
    "backend": ({"FASTDIV_BACKEND": "fast"}, "FASTDIV_BACKEND must be one of core, reference"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_environment_is_an_error_of_the_first_call(core, run_python, fault):
    environment, words = FAULTS[fault]
    code = """
        import fastdiv
        for _ in range(2):
            try:
                fastdiv.mmd2([1.0, 2.0], [3.0, 4.0])
            except (ImportError, ValueError) as error:
                print(error)
    """
    lines = run_python(code, **environment).stdout.splitlines()
    assert len(lines) == 2
    assert all(words in line and "wheel" not in line for line in lines)

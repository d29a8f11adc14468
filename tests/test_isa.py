"""Every instruction set that this machine has passes the tests of the numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastdiv

pytestmark = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference has no levels"
)

TESTS = Path(__file__).parent
PRINT_LEVEL = "import fastdiv; print(fastdiv.show_config(mode='dict')['isa'])"
CONFIG = fastdiv.show_config(mode="dict")
LEVELS = CONFIG.get("isa_available", [])


NUMBERS = {
    "samples": ["test_parity.py", "test_accuracy.py", "test_quantized.py"],
    "distributions": [
        "test_divergences.py",
        "test_discrete.py",
        "test_pairwise.py",
        "test_estimators.py",
        "-k",
        "parity or standard or accuracy or digits or scales or conditioning or features or offsets "
        "or tiny or FromLogProbs",
    ],
}


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("level", [level for level in LEVELS if level != CONFIG["isa"]])
def test_numbers_at_level(level, numbers):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        + [str(TESTS / word) if word.endswith(".py") else word for word in NUMBERS[numbers]],
        cwd=TESTS.parent,
        env={**os.environ, "FASTDIV_ISA": level},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("spelling", ["{}", "x86-64-{}"])
def test_spellings(run_python, level, spelling):
    if level == "baseline" and spelling != "{}":
        pytest.skip("the baseline is no x86-64 level")
    assert run_python(PRINT_LEVEL, FASTDIV_ISA=spelling.format(level)).stdout.strip() == level


@pytest.mark.parametrize("value", [None, ""])
def test_the_best_level_is_the_default(run_python, value):
    assert run_python(PRINT_LEVEL, FASTDIV_ISA=value).stdout.strip() == LEVELS[-1]


@pytest.mark.parametrize("value", ["v5", "avx2", "V3", " v2", "none"])
def test_an_unknown_level_is_an_error_of_the_first_call(run_python, value):
    done = run_python("import fastdiv; fastdiv.get_num_threads()", check=False, FASTDIV_ISA=value)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"FASTDIV_ISA is '{value}'" in last
    assert all(level in last for level in LEVELS)


def test_a_level_that_the_machine_lacks_is_refused(run_python):
    lacking = {"v2", "v3", "v4"} - set(LEVELS)
    if not lacking:
        pytest.skip("this machine has them all")
    for level in lacking:
        code = "import fastdiv; fastdiv.get_num_threads()"
        done = run_python(code, check=False, FASTDIV_ISA=level)
        assert f"FASTDIV_ISA is '{level}'" in done.stderr.strip().splitlines()[-1]

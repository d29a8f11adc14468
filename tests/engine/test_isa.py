"""Every instruction set that this machine has passes the tests of the numbers."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fastdiv

pytestmark = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference has no levels"
)

TESTS = Path(__file__).parents[1]
PRINT_LEVEL = "import fastdiv; print(fastdiv.show_config(mode='dict')['isa'])"
CONFIG = fastdiv.show_config(mode="dict")
LEVELS = CONFIG.get("isa_available", [])
OTHER_LEVELS = [level for level in LEVELS if level != CONFIG["isa"]]

NUMBERS = {
    "samples": [
        *(f"engine/{path.name}" for path in sorted(Path(__file__).parent.glob("test_parity_*.py"))),
        "properties/test_accuracy.py",
        "properties/test_width.py",
        *(f"quantized/test_{name}.py" for name in ("products", "quantize", "statistics")),
    ],
    "distributions": [
        "distributions/test_divergences.py",
        "distributions/test_categorical_pair.py",
        "distributions/test_pairwise.py",
        "distributions/estimates/test_monte_carlo.py",
        "-k",
        "parity or standard or accuracy or digits or scales or conditioning or features or offsets "
        "or tiny or FromLogProbs",
    ],
}


def run_tests(level, words, changes):
    # v3 is the level that most users have. The others differ in the width of vectors alone, whose
    # edges the quick tests cross.
    words = words if level == "v3" else [*words, "-m", "not slow"]
    # Several at once: threads that wait should sleep.
    changed = {**os.environ, "FASTDIV_ISA": level, "OMP_WAIT_POLICY": "passive", **changes}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        + [str(TESTS / word) if word.endswith(".py") else word for word in words],
        cwd=TESTS.parent,
        env={name: value for name, value in changed.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(request, all_threads):
    """Start the tests that are selected below, as many at once as there are processors."""
    selected = [
        (item.callspec.params["level"], item.callspec.params["numbers"])
        for item in request.session.items
        if getattr(item, "originalname", None) == test_numbers_at_level.__name__
    ]
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    yield {
        (level, numbers): pool.submit(run_tests, level, NUMBERS[numbers], all_threads)
        for level, numbers in selected
    }
    pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("level", OTHER_LEVELS)
def test_numbers_at_level(runs, level, numbers):
    done = runs[level, numbers].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("spelling", ["{}", "x86-64-{}"])
def test_spellings(run_python, level, spelling):
    if level == "baseline" and spelling != "{}":
        pytest.skip("the baseline is no x86-64 level")
    assert run_python(PRINT_LEVEL, FASTDIV_ISA=spelling.format(level)).stdout.strip() == level


@pytest.mark.parametrize("value", [None, ""])
def test_the_best_level_is_the_default(run_python, value):
    assert run_python(PRINT_LEVEL, FASTDIV_ISA=value).stdout.strip() == LEVELS[-1]


@pytest.mark.slow
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

"""Teams of threads that cannot all be started: the call goes on with fewer, and says so."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference has no threads"
)

# A limit that leaves room for the call, but for few stacks of 64 MiB.
LIMITED = """
import resource, warnings
import numpy as np
import fastdiv
x = np.random.default_rng(0).normal(size=(2000, 20))
expected = fastdiv.energy_distance(x[:1000], x[1000:], n_threads=1)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({stacks} << 26) + (48 << 20),) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        assert fastdiv.energy_distance(x[:1000], x[1000:], n_threads={threads}) == expected
print(*(str(warning.message) for warning in caught), sep="\\n")
"""


def run_limited(run_python, stacks, threads):
    code = LIMITED.format(stacks=stacks, threads=threads)
    return run_python(code, OMP_STACKSIZE="64M").stdout.strip()


@pytest.mark.parametrize("stacks", [0, 1, 3, 5])
def test_address_space_for_few_threads(run_python, stacks):
    message = run_limited(run_python, stacks, 8)
    assert message.count("could not start as many threads") == 1
    assert "n_threads" in message


def test_address_space_for_all_threads(run_python):
    assert run_limited(run_python, 9, 4) == ""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to be root")
def test_limit_of_tasks():
    code = LIMITED.format(stacks=99, threads=8).replace(
        "resource.setrlimit(resource.RLIMIT_AS",
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)); os.setuid(65534)  #",
    )
    done = subprocess.run(
        [sys.executable, "-c", "import os\n" + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("could not start as many threads") == 1


def test_many_threads_for_little_work(run_python):
    """Start no more threads than have something to do."""
    run_python(
        """
        import os, threading
        import numpy as np
        import fastdiv
        x = np.random.default_rng(0).normal(size=(300, 20))
        fastdiv.energy_distance(x, x + 1, n_threads=1024)
        assert len(os.listdir("/proc/self/task")) <= max(8, 2 * os.cpu_count())
        """
    )

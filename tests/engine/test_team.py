"""Teams of threads that cannot all be started: the call goes on with fewer, and says so."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference has no threads"
)

LIMITED = """
import os, resource, warnings
import numpy as np
import fastdiv
x = np.random.default_rng(0).normal(size=(2000, 20))
expected = fastdiv.energy_distance(x[:1000], x[1000:], n_threads=1)
{limit}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        assert fastdiv.energy_distance(x[:1000], x[1000:], n_threads={threads}) == expected
print(*(str(warning.message) for warning in caught), sep="\\n")
"""

# A limit that leaves room for the call, but for few stacks of 64 MiB.
ADDRESS_SPACE = """
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({stacks} << 26) + (48 << 20),) * 2)
"""

TASKS_OF_A_USER = """
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
os.setuid(65534)
"""

TASKS_OF_A_GROUP = """
from pathlib import Path
group = Path({group!r})
(group / "cgroup.procs").write_text(str(os.getpid()))
(group / "pids.max").write_text(str(int((group / "pids.current").read_text()) + {tasks}))
"""


def warning_of_limited(run_python, limit, threads, **environment):
    return run_python(LIMITED.format(limit=limit, threads=threads), **environment).stdout.strip()


@pytest.mark.parametrize("stacks", [0, 1, 3, 5])
def test_address_space_for_few_threads(run_python, stacks):
    limit = ADDRESS_SPACE.format(stacks=stacks)
    message = warning_of_limited(run_python, limit, 8, OMP_STACKSIZE="64M")
    assert message.count("could not start as many threads") == 1
    assert "n_threads" in message


def test_address_space_for_all_threads(run_python):
    limit = ADDRESS_SPACE.format(stacks=9)
    assert warning_of_limited(run_python, limit, 4, OMP_STACKSIZE="64M") == ""


@pytest.mark.parametrize(("threads", "room"), [(8, 58), (16, 118), (32, 90), (32, 250), (64, 120)])
def test_address_space_that_threads_take_when_they_allocate(run_python, threads, room):
    """Limit the address space, in MiB, where glibc would reserve some for each thread."""
    run_python(
        f"""
        import resource, warnings
        import numpy as np
        import fastdiv
        x = np.random.default_rng(0).normal(size=(4000, 8))
        expected = fastdiv.median_distance(x, n_threads=1)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ({room} << 20),) * 2)
        warnings.simplefilter("ignore")
        assert fastdiv.median_distance(x, n_threads={threads}) == expected
        """
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to be root")
def test_limit_of_tasks_of_a_user(run_python):
    message = warning_of_limited(run_python, TASKS_OF_A_USER, 8)
    assert message.count("could not start as many threads") == 1


@pytest.fixture
def control_group():
    """Make a control group that can limit tasks, of version 1 or 2 and with no tasks yet."""
    for parent in parents_of_groups():
        group = parent / f"fastdiv-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:  # not root, or a container that lets nobody
            continue
        try:
            if (group / "pids.max").exists() and os.access(parent / "cgroup.procs", os.W_OK):
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no control group that limits tasks can be made here")


def parents_of_groups():
    """Yield the groups of this process, and of version 2 the one above, which may hold no tasks."""
    top, own = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        names = Path(path).parts[1:]
        if ".." in names:  # a group outside of what this container sees
            continue
        if "pids" in controllers.split(","):
            yield top.joinpath("pids", *names)
        elif not controllers:
            yield top.joinpath(*names)
            if names:
                yield top.joinpath(*names[:-1])


@pytest.mark.parametrize(("tasks", "warns"), [(0, True), (2, True), (8, False)])
def test_limit_of_tasks_of_a_control_group(run_python, control_group, tasks, warns):
    limit = TASKS_OF_A_GROUP.format(group=str(control_group), tasks=tasks)
    message = warning_of_limited(run_python, limit, 4)
    assert message.count("could not start as many threads") == warns


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

"""Threads: the same bits for any number of them, from any of them, and after a fork."""

import importlib.util
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Callback, Energy, Laplacian, Linear, Matern, Polynomial

pytestmark = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference has no threads"
)

KERNELS = [RBF(1.5), Laplacian(9.0), Matern(1.5, 2.0), Energy(), Polynomial(2), Linear()]


def gram(a, b):
    return np.exp(-((a[:, None, 0] - b[None, :, 0]) ** 2))


def null_of(results):
    return np.array([[r.statistic, r.pvalue, *r.null_distribution] for r in results])


CALLS = {
    "mmd2": lambda x, y, **o: fastdiv.mmd2(x, y, KERNELS, **o),
    "mmd2 with a median": lambda x, y, **o: fastdiv.mmd2(x, y, **o),
    "mmd2 paired": lambda x, y, **o: fastdiv.mmd2(x, x[::-1], KERNELS, estimator="paired", **o),
    "mmd2 of a callback": lambda x, y, **o: fastdiv.mmd2(x, y, Callback(gram), **o),
    "mmd_test": lambda x, y, **o: null_of(
        fastdiv.mmd_test(x, y, KERNELS, n_resamples=29, rng=3, **o)
    ),
    "energy_distance": lambda x, y, **o: fastdiv.energy_distance(x, y, **o),
    "median_distance": lambda x, y, **o: fastdiv.median_distance(x, y, **o),
    "median_distance, L1": lambda x, y, **o: fastdiv.median_distance(x, y, metric="cityblock", **o),
    "silhouettes": lambda x, y, **o: fastdiv.silhouette_samples(x, np.arange(len(x)) % 5, **o),
    "witness": lambda x, y, **o: fastdiv.witness(x, y, x[:301], KERNELS, **o),
}


def samples(dtype):
    """Enough work for a parallel region in every call, and ragged at every edge."""
    rng = np.random.default_rng(8)
    return (
        rng.normal(size=(701, 19)).astype(dtype),
        rng.normal(size=(533, 19), loc=0.1).astype(dtype),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
@pytest.mark.parametrize("name", CALLS)
def test_same_bits_for_any_number_of_threads(name, dtype):
    x, y = samples(dtype)
    expected = CALLS[name](x, y, n_threads=1)
    for n_threads in (2, 3, 5, None):
        np.testing.assert_array_equal(CALLS[name](x, y, n_threads=n_threads), expected)


def test_many_python_threads_at_once():
    x, y = samples(np.float32)
    expected = {name: call(x, y) for name, call in CALLS.items()}
    names = [*CALLS] * 4
    with ThreadPoolExecutor(6) as pool:
        calls = [
            pool.submit(CALLS[name], x, y, n_threads=1 + k % 3) for k, name in enumerate(names)
        ]
        for name, call in zip(names, calls, strict=True):
            np.testing.assert_array_equal(call.result(timeout=120), expected[name])


def test_gil_is_released():
    """
    Another thread runs between two progress reports, not only while they are made.

    A call that kept the GIL would let it run at the reports alone.
    """
    reports, ticks = [], []
    ended = threading.Event()

    def tick():
        while not ended.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    x = np.random.default_rng(0).normal(size=(12_000, 64))
    try:
        fastdiv.mmd2(
            x, x, RBF(8.0), n_threads=1, progress=lambda *_: reports.append(time.perf_counter())
        )
    finally:
        ended.set()
        ticker.join()
    assert len(reports) > 2
    between = [
        sum(begin < tick < end for tick in ticks) for begin, end in itertools.pairwise(reports)
    ]
    assert max(between) >= 5


# --- how many threads ------------------------------------------------------------------


def test_precedence_of_the_settings(run_python):
    code = """
        import os
        import numpy as np
        import fastdiv
        from threadpoolctl import threadpool_limits

        x = np.ones((3000, 16))
        threads = lambda: len(os.listdir("/proc/self/task"))

        with threadpool_limits(limits=2, user_api="openmp"):
            print(fastdiv.get_num_threads())
        fastdiv.set_num_threads(4)
        with threadpool_limits(limits=2, user_api="openmp"):
            print(fastdiv.get_num_threads())
        before = threads()
        fastdiv.mmd2(x, x, fastdiv.RBF(1.0), n_threads=1)
        print(threads() - before)
        fastdiv.mmd2(x, x, fastdiv.RBF(1.0))
        print(threads() - before)
        fastdiv.mmd2(x, x, fastdiv.RBF(1.0), n_threads=6)
        print(threads() - before)
    """
    assert run_python(code, OMP_NUM_THREADS="3").stdout.split() == ["3", "4", "0", "3", "5"]
    assert run_python(code, OMP_NUM_THREADS=None).stdout.split() == ["2", "4", "0", "3", "5"]
    nested = run_python("import fastdiv; print(fastdiv.get_num_threads())", OMP_NUM_THREADS="3,1")
    assert nested.stdout.split() == ["3"]


def test_default_is_every_core_of_the_process(run_python):
    code = """
        import os
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        import fastdiv
        print(fastdiv.get_num_threads())
    """
    assert run_python(code, OMP_NUM_THREADS=None).stdout.split() == ["1"]


# --- fork ------------------------------------------------------------------------------

# Python 3.12 and later warn of every fork of a process with threads.
FORK = """
    import os, signal, sys, warnings
    import numpy as np
    import fastdiv
    from fastdiv import RBF, mmd2

    warnings.simplefilter("ignore", DeprecationWarning)
    os.register_at_fork(after_in_child=lambda: signal.alarm(30))  # a child that hangs, ends
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(900, 16)), rng.normal(size=(800, 16))
"""


def test_fork_after_a_parallel_call(run_python):
    done = run_python(
        FORK
        + """
    expected = mmd2(x, y, RBF(2.0), n_threads=2)
    if os.fork() == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            values = [mmd2(x, y, RBF(2.0), n_threads=n) for n in (1, 2, 2, 3)]
        print(values == [expected] * 4, [w.category.__name__ for w in caught])
        print("forked" in str(caught[0].message))
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        print(mmd2(x, y, RBF(2.0), n_threads=2) == expected)
    """,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["True ['RuntimeWarning']", "True", "True"]


def check_child_and_parent(run_python, before_the_fork=""):
    """Check that the first calls, in a child and in its parent, end with the same value."""
    done = run_python(
        FORK
        + before_the_fork
        + """
    if os.fork() == 0:
        warnings.simplefilter("ignore")
        print(mmd2(x, y, RBF(2.0), n_threads=2))
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0
    print(mmd2(x, y, RBF(2.0), n_threads=2))
    """,
        timeout=60,
    )
    child, parent = done.stdout.split()
    assert child == parent


def test_fork_before_the_first_call(run_python):
    """Whatever other libraries of the process did with their threads, the child ends."""
    check_child_and_parent(run_python)


def test_fork_after_another_user_of_the_same_openmp(run_python):
    """
    The threads of the run time are gone in the child, whoever started them.

    Nothing of fastdiv is called before the fork.
    """
    openmp = fastdiv.show_config(mode="dict")["openmp"].split(",")[0]
    if not Path(openmp).is_file() or "libgomp" not in openmp:
        pytest.skip("needs GCC's run time")
    start_threads = f"""
    import ctypes
    body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
    ctypes.CDLL("{openmp}").GOMP_parallel(body, None, 2, 0)
"""
    check_child_and_parent(run_python, start_threads)


def test_multiprocessing_pool_by_fork(run_python):
    done = run_python(
        FORK
        + """
    import multiprocessing

    def compute(seed):
        warnings.simplefilter("ignore")
        z = np.random.default_rng(seed).normal(size=(800, 16))
        return mmd2(x, z, RBF(2.0), n_threads=2)

    expected = [compute(seed) for seed in range(6)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(compute, range(6)) == expected)
    """,
        timeout=60,
    )
    assert done.stdout.split() == ["True"]


# --- neighbours ------------------------------------------------------------------------

NEIGHBOURS = {
    "sklearn": """
        from sklearn.cluster import KMeans
        KMeans(3, n_init=1, random_state=0).fit(np.random.default_rng(1).normal(size=(2000, 8)))
    """,
    "torch": """
        import torch
        a = torch.ones(600, 600)
        assert float((a @ a).sum()) == 600**3
        torch.cdist(a, a)
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ["before", "after", "between"])
@pytest.mark.parametrize("name", NEIGHBOURS)
def test_other_libraries_with_threads(run_python, name, order):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    ours = """
        import fastdiv
        x = np.random.default_rng(0).normal(size=(900, 16))
        print(fastdiv.mmd2(x, x + 0.1, fastdiv.RBF(2.0), n_threads=2))
    """
    theirs = NEIGHBOURS[name]
    start = "\n        import numpy as np\n"
    alone = run_python(start + ours).stdout
    parts = {"before": theirs + ours, "after": ours + theirs, "between": ours + theirs + ours}
    together = run_python(start + parts[order]).stdout
    assert together == alone * (2 if order == "between" else 1)

"""
Ctrl-C, progress reports, and exceptions raised in them.

The promise is 0.2 s from the signal to the exception. The engine asks for signals every
50 ms; what remains is for the units of work in flight and for a busy machine. The time is
taken inside the process, from the sending of the signal to the `except` clause, and the
median of three tries has to keep the promise. Two tries that agree decide it.
"""

import os
import signal
import threading

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Callback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference does not stop early"
    ),
]

# Each takes many seconds when left alone.
LONG_CALLS = {
    "mmd2": "mmd2(big, big, RBF(9.0))",
    "mmd2, one thread": "mmd2(big, big, RBF(9.0), n_threads=1)",
    "mmd2_and_grad": "mmd2_and_grad(big, big, RBF(9.0))",
    "mmd2_and_grad, paired": "mmd2_and_grad(big, big, Laplacian(99.0), estimator='paired')",
    "kernel_mean_matching": "kernel_mean_matching(big[:9000], big[9000:18000], RBF(9.0))",
    "int8": "mmd2(quantize_rows(big), quantize_rows(big), RBF(9.0))",
    "mmd2, differences": "mmd2(far, far, RBF(1e-3))",
    "mmd2, ten kernels": "mmd2(big, big, [RBF(k) for k in range(1, 11)])",
    "mmd2, progress": "mmd2(big, big, RBF(9.0), progress=lambda done, total: None)",
    "energy_distance": "energy_distance(big, big)",
    "mmd_test": "mmd_test(big[:20000], big[20000:40000], RBF(9.0), n_resamples=99)",
    "witness": "witness(big, big, big, RBF(9.0))",
    "median_distance": "median_distance(wide)",
    "half a million features": "mmd_test(huge, huge, RBF(700.0), n_resamples=99)",
    "kl of long rows": "kl(long, long)",
    "jensen_shannon of long rows": "jensen_shannon(long, long, n_threads=1)",
    "callback": "mmd2(big, big, Callback(lambda a, b: a @ b.T))",
    "kl, diagonal": "kl(diagonal[:, None], diagonal)",
    "kl, small matrices": "kl(small[:, None], small)",
    "kl, large matrices": "kl(large[:, None], large)",
    "kl, categorical": "kl(categories(logits[:, None]), categories(logits))",
    "kl_knn": "kl_knn(big, far)",
    "silhouettes": "silhouette_score(big, np.arange(len(big)) % 7)",
    "silhouettes, squared": "silhouette_score(wide, np.arange(10000) % 2000, metric='sqeuclidean')",
    "dunn_index": "dunn_index(big, np.arange(len(big)) % 7)",
    "wcss": "wcss(equal, np.arange(len(equal)) % 1000)",
    "wcss, one thread": "wcss(equal, np.arange(len(equal)) % 1000, n_threads=1)",
    "wcss, half a million features": "wcss(huge, np.arange(len(huge)) % 7)",
    "wcss, pairwise": "wcss(big, np.arange(len(big)) % 2, method='pairwise')",
    "cluster_dispersion": "cluster_dispersion(big, np.arange(len(big)) % 2, pairs=True)",
    "geometric_median": "geometric_median(huge)",
    "gap_statistic": "gap_statistic(big[:50000], remainders, range(2, 9), n_references=500)",
    "permanova": "permanova(big[:40000], np.arange(40000) % 3, n_resamples=99)",
    "Gaussian.sample": "Gaussian(centre, std=1.0).sample(3_000_000, rng=0)",
    "CoupledNormal.sample": "CoupledNormal(centre, std=1.0, kappa=0.1).sample(2_000_000, rng=0)",
    "project_simplex": "project_simplex(many)",
    "wasserstein2": "wasserstein2(full, full)",
    "wasserstein2, small matrices": "wasserstein2(small[:, None], small)",
    "hellinger, small matrices": "hellinger(small[:, None], small)",
    "renyi, middling matrices": "renyi(middling[:, None], middling, 0.9)",
    "fit_gaussian": "fit_gaussian(wide)",
}
SETUP = """
    import os, signal, threading, time
    import numpy as np
    from fastdiv import *

    rng = np.random.default_rng(0)
    big = rng.normal(size=(150_000, 64)).astype(np.float32)
    far = big + 1e6
    wide = rng.normal(size=(10_000, 1000))
    huge = np.broadcast_to(big[:800, :1], (800, 500_000))
    equal = np.broadcast_to(big[:63].reshape(-1), (2_000_000, 63 * 64))
    remainders = lambda x, k: np.arange(len(x)) % k
    diagonal = Gaussian(big[:8000], std=1.5)
    small = Gaussian(big[:5000, :16], cov=np.eye(16, dtype=np.float32) * np.ones((5000, 1, 1)))
    middling = Gaussian(rng.normal(size=(400, 256)), scale_tril=np.diag(rng.random(256) + 1))
    large = Gaussian(rng.normal(size=(20, 1100)), precision=np.eye(1100))
    logits = rng.normal(size=(6000, 500)).astype(np.float32)
    categories = lambda values: Categorical(logits=values)
    centre = np.zeros(64)
    many = np.zeros((9_000_000, 20), np.float32)
    full = Gaussian(np.zeros(1200), cov=np.eye(1200) + 0.5)
    long = Categorical(logits=np.broadcast_to(big.reshape(-1), (1000, big.size)))
    expected = mmd2(big[:500], big[500:900], RBF(9.0))

    def interrupted(call, delay):
        sent, ended = [], []

        def send():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Timer(delay, send).start()
        try:
            call()
            ended.append(True)
            time.sleep(60)
        except KeyboardInterrupt:
            assert not ended, "the call ended before the signal"
            return time.perf_counter() - sent[0]
"""
MEDIAN = """
    def median(measure, first, second):
        tries = sorted([measure(first), measure(second)])
        if tries[0] < 0.2 <= tries[1]:
            tries = sorted([*tries, measure(first)])
        return tries[1]
"""


@pytest.fixture(scope="module")
def seconds(request, run_python):
    """Interrupt the calls of the selected tests, one after the other in one process."""
    selected = [
        item.callspec.params["name"]
        for item in request.session.items
        if getattr(item, "originalname", None) == OF_LONG_CALLS
    ]
    done = run_python(
        SETUP
        + MEDIAN
        + f"""
    for name, call in {[(name, LONG_CALLS[name]) for name in selected]}:
        try:
            call = eval("lambda: " + call)
            result = median(lambda delay: interrupted(call, delay), 0.4, 0.15)
            assert mmd2(big[:500], big[500:900], RBF(9.0)) == expected
        except Exception as error:
            result = repr(error)
        print(name, result, sep=": ", flush=True)
    """,
        timeout=60 + 10 * len(selected),
    )
    return dict(line.split(": ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_ends_a_call_within_a_fifth_of_a_second(seconds, name):
    assert float(seconds[name]) < 0.2


OF_LONG_CALLS = test_ctrl_c_ends_a_call_within_a_fifth_of_a_second.__name__


def test_a_process_ends_although_a_decomposition_goes_on(run_python):
    run_python(
        SETUP
        + """
    assert interrupted(lambda: wasserstein2(full, full), 0.2) < 10
    """,
        timeout=60,
    )


# Calls that read much and compute little: a timer ticks every 10 ms, and is heard between two
# steps. The longest silence is what Ctrl-C would have to wait.
LARGE_CALLS = {
    "many rows": ("rng.normal(size=(8_000_000, 1)).astype(np.float32)", "median_distance(z)"),
    "many equal rows": ("np.repeat([0.0, 1.0], 6_000_000)", "median_distance(z)"),
    "integers": ("np.broadcast_to(np.arange(9), (5_000_000, 9))", "median_distance(z)"),
    "two types": ("np.ones((5_000_000, 9), np.float32)", "median_distance(z, np.ones((1, 9)))"),
    "rows to drop": (
        "np.repeat([0, 1, np.nan], 10_000_000)",
        "median_distance(z, nan_policy='omit')",
    ),
    "a value missing": ("np.repeat([np.nan, 1], 100_000_000)", "refused(median_distance, z)"),
    "one draw of each": ("np.zeros((5_000_000, 4))", "Gaussian(z, std=1.0).sample(1, rng=0)"),
    "one heavy draw of each": (
        "np.zeros((3_000_000, 4))",
        "CoupledNormal(z, std=1.0, kappa=0.1).sample(1, rng=0)",
    ),
    "draws of categories": ("[0.5, 0.5]", "Categorical(probs=z).sample(20_000_000, rng=0)"),
    "a critic": ("rng.normal(size=8_000_000)", "f_divergence_bound(z, z)"),
}


@pytest.mark.parametrize("name", LARGE_CALLS)
def test_no_step_is_deaf_for_a_fifth_of_a_second(run_python, name):
    value, call = LARGE_CALLS[name]
    done = run_python(
        MEDIAN
        + f"""
    import signal, time
    import numpy as np
    from fastdiv import *

    rng = np.random.default_rng(0)
    heard = []
    signal.signal(signal.SIGALRM, lambda *_: heard.append(time.perf_counter()))

    def refused(function, z):
        try:
            function(z)
        except ValueError:
            return

    def longest_silence(z):
        heard[:] = [time.perf_counter()]
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        {call}
        signal.setitimer(signal.ITIMER_REAL, 0)
        return np.diff([*heard, time.perf_counter()]).max()

    z = {value}
    print(median(longest_silence, z, z))
    """
    )
    assert float(done.stdout) < 0.2


def test_ctrl_c_from_another_process_ends_the_interpreter_as_usual(run_python):
    done = run_python(
        SETUP
        + """
    if os.fork() == 0:
        time.sleep(0.5)
        os.kill(os.getppid(), signal.SIGINT)
        os._exit(0)
    mmd2(big, big, RBF(9.0))
    """,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in done.stderr


def test_a_handler_that_does_not_raise_lets_the_call_finish(run_python):
    done = run_python(
        SETUP
        + """
    caught = []
    signal.signal(signal.SIGUSR1, lambda *_: caught.append(time.perf_counter()))
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    x = big[:20_000]
    value = mmd2(x, x, RBF(9.0))
    ended = time.perf_counter()
    print(len(caught), caught[0] < ended, value == mmd2(x, x, RBF(9.0)))
    """
    )
    assert done.stdout.split() == ["1", "True", "True"]


# --- progress --------------------------------------------------------------------------

CALLS = {
    "mmd2": lambda x, progress: fastdiv.mmd2(x, x, RBF(2.0), progress=progress),
    "mmd_test": lambda x, progress: fastdiv.mmd_test(
        x, x, RBF(2.0), n_resamples=19, progress=progress
    ),
    "witness": lambda x, progress: fastdiv.witness(x, x, x, RBF(2.0), progress=progress),
    "median_distance": lambda x, progress: fastdiv.median_distance(x, progress=progress),
    "callback": lambda x, progress: fastdiv.mmd2(
        x, x, Callback(lambda a, b: a @ b.T), progress=progress
    ),
    "callback that grows": lambda x, progress: fastdiv.mmd_test(
        (x * np.geomspace(1, 1e12, len(x))[:, None])[:2000],
        x[:1000],
        Callback(lambda a, b: a @ b.T),
        n_resamples=9,
        progress=progress,
    ),
}
each_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(9_000, 16))


@each_call
def test_progress_counts_up_to_the_total(name, x):
    passes = [[]]

    def progress(done, total):
        assert isinstance(done, int)
        assert isinstance(total, int)
        assert 0 <= done <= total
        passes[-1].append((done, total))
        if done == total:
            passes.append([])

    CALLS[name](x, progress)
    assert passes.pop() == []  # the last report was the end
    assert passes
    for reports in passes:
        assert reports == sorted(reports)
        assert len({total for _, total in reports}) == 1


@each_call
def test_an_exception_in_progress_ends_the_call(name, x):
    calls = []

    class Enough(Exception):
        pass

    def progress(done, total):
        calls.append(done)
        raise Enough(f"at {done} of {total}")

    with pytest.raises(Enough):
        CALLS[name](x, progress)
    assert len(calls) == 1
    CALLS[name](x[:100], None)


def test_progress_is_called_on_the_calling_thread_before_the_end(x):
    reports = []
    x = np.concatenate([x, x])
    fastdiv.mmd2(
        x, x, RBF(2.0), progress=lambda *report: reports.append((threading.get_ident(), *report))
    )
    assert {thread for thread, *_ in reports} == {threading.get_ident()}
    assert 0 <= reports[0][1] < reports[0][2]


@each_call
def test_the_bar_is_not_on_standard_output(name, x, capfd):
    CALLS[name](x, True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "100%" in err
    assert err.endswith("\n")


def test_a_call_leaves_the_handler_of_ctrl_c_alone(x):
    before = signal.getsignal(signal.SIGINT)
    fastdiv.mmd2(x[:2000], x, RBF(2.0))
    assert signal.getsignal(signal.SIGINT) is before

"""Python kernels."""

import tracemalloc

import numpy as np
import pytest

from fastdiv import RBF, Callback, Energy, Linear, Sum, mmd2, mmd_test, witness
from fastdiv._sums import callback_sums


def rbf(a, b):
    difference = a[:, None].astype(np.float64) - b[None]
    return np.exp(-(difference**2).sum(axis=2) / 2.0)


HUGE = np.longdouble("1e400")  # infinite in float64

CALLS = {
    "mmd2": mmd2,
    "biased": lambda x, y, k: mmd2(x, y, k, estimator="biased"),
    "paired": lambda x, y, k: mmd2(x, y, k, estimator="paired"),
    "mmd_test": lambda x, y, k: mmd_test(x, y, k, n_resamples=3, rng=0),
    "witness": lambda x, y, k: witness(x, y, x, k),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(params=[3, 8, 512])
def tile(request, monkeypatch):
    monkeypatch.setattr(callback_sums, "TILE", request.param)
    return request.param


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
def test_equals_the_compiled_kernel(rng, tile, estimator):
    x, y = rng.normal(size=(2, 13, 3))
    y = y if estimator == "paired" else y[:10]
    options = {"estimator": estimator}
    expected = mmd2(x, y, RBF(1.0), **options)
    assert mmd2(x, y, Callback(rbf), **options) == pytest.approx(expected, rel=1e-11)
    options |= {"n_resamples": 20, "rng": 4}
    compiled, python = mmd_test(x, y, [RBF(1.0), Callback(rbf)], **options)
    assert python.pvalue == compiled.pvalue
    np.testing.assert_allclose(
        python.null_distribution, compiled.null_distribution, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
def test_equals_the_compiled_kernel_for_weighted_rows(rng, tile, estimator):
    x, y = rng.normal(size=(2, 13, 3))
    options = {"estimator": estimator, "x_weights": rng.random(13), "y_weights": rng.random(13)}
    for compiled, python in (
        (RBF(1.0), Callback(rbf)),
        (Linear(), Callback(lambda a, b: a @ b.T)),
        (Sum([Linear(), RBF(1.0)]), Sum([Linear(), Callback(rbf)])),
    ):
        expected = mmd2(x + 3.0, y, compiled, **options)
        assert mmd2(x + 3.0, y, python, **options) == pytest.approx(expected, rel=1e-11)


def test_witness(rng, tile):
    x, y, at = rng.normal(size=(3, 11, 2))
    both = witness(x, y, at, [RBF(1.0), Callback(rbf)])
    np.testing.assert_allclose(both[1], both[0], rtol=1e-11)


def test_in_a_sum(rng, tile):
    x, y = rng.normal(size=(2, 14, 3))
    kernel = Sum([Sum([Callback(rbf), Energy()], [2.0, 1.0]), RBF(1.0), Callback(rbf)])
    same = Sum([RBF(1.0), Energy()], [4.0, 1.0])
    for estimator in ("unbiased", "biased", "paired"):
        expected = mmd2(x, y, same, estimator=estimator)
        assert mmd2(x, y, kernel, estimator=estimator) == pytest.approx(expected, rel=1e-11)


def test_tiles_do_not_matter_to_the_test(rng, monkeypatch):
    """Fixed-point sums are exact: the same bits for every tiling and order of rows."""
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(21, 2))
    results = []
    for tile in (4, 16, 512):
        monkeypatch.setattr(callback_sums, "TILE", tile)
        results.append(mmd_test(x, y, Callback(rbf), n_resamples=25, rng=0))
    for other in results[1:]:
        np.testing.assert_allclose(
            other.null_distribution, results[0].null_distribution, rtol=1e-12, atol=1e-15
        )
        assert other.pvalue == results[0].pvalue


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e290, 1e306])
def test_any_magnitude(rng, scale):
    x, y = rng.normal(size=(2, 9, 2))
    plain = mmd_test(x, y, Callback(rbf), n_resamples=15, rng=0)
    scaled = mmd_test(x, y, Callback(lambda a, b: scale * rbf(a, b)), n_resamples=15, rng=0)
    np.testing.assert_allclose(
        scaled.null_distribution / scale, plain.null_distribution, rtol=1e-9, atol=1e-12
    )


def test_values_growing_from_tile_to_tile(monkeypatch, rng):
    """The range of the fixed-point sums is widened when later values need it."""
    monkeypatch.setattr(callback_sums, "TILE", 2)
    x, y = np.exp(np.linspace(0, 12, 10))[:, None], np.exp(np.linspace(3, 13, 8))[:, None]
    dot = Callback(lambda a, b: (a @ b.T) ** 2)
    result = mmd_test(x, y, dot, n_resamples=10, rng=0)
    assert result.statistic == pytest.approx(mmd2(x, y, dot), rel=1e-12)
    pooled = np.concatenate([x, y])
    order = np.random.default_rng(0).permutation(18)
    expected = mmd2(pooled[order[:10]], pooled[order[10:]], dot)
    assert result.null_distribution[0] == pytest.approx(expected, rel=1e-12)


def test_zero_kernel():
    zero = Callback(lambda a, b: np.zeros((len(a), len(b))))
    result = mmd_test([1.0, 2.0], [3.0, 4.0], zero, n_resamples=5, rng=0)
    assert (result.statistic, result.pvalue) == (0.0, 1.0)


def test_blocks_have_the_dtype_of_the_data():
    seen = []

    def f(a, b):
        seen.append((a.dtype, b.dtype, a.ndim, b.ndim, a.shape[1], b.shape[1]))
        return rbf(a, b)

    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    for call in CALLS.values():
        call(x, x + 1, Callback(f))
    assert set(seen) == {(np.dtype("f4"), np.dtype("f4"), 2, 2, 3, 3)}


@each_call
def test_exceptions_pass_through(call):
    class OwnError(Exception):
        pass

    def f(a, b):
        raise OwnError("mine")

    with pytest.raises(OwnError, match=r"^mine$"):
        call([1.0, 2.0], [3.0, 4.0], Callback(f))


@each_call
@pytest.mark.parametrize("which", [0, 1])
def test_blocks_are_read_only(call, which):
    def f(*blocks):
        blocks[which][:] = 0.0

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    with pytest.raises(ValueError, match="read-only"):
        call(x, y, Callback(f))
    assert (x.tolist(), y.tolist()) == ([1.0, 2.0], [3.0, 4.0])
    assert x.flags.writeable


def test_keyboard_interrupt_passes_through():
    def f(a, b):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mmd2([1.0, 2.0], [3.0, 4.0], Callback(f))
    assert mmd2([1.0, 2.0], [3.0, 4.0], Energy()) > 0


@each_call
@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda a, b: np.ones(len(a)), ValueError, "shape"),
        (lambda a, b: np.ones((len(a) + 1, len(b))), ValueError, "shape"),
        (lambda a, b: 1.0, ValueError, "shape"),
        (lambda a, b: np.full((len(a), len(b)), np.nan), ValueError, "finite"),
        (lambda a, b: np.full((len(a), len(b)), np.inf), ValueError, "finite"),
        (lambda a, b: np.ones((len(a), len(b)), complex), TypeError, "real numbers"),
        (lambda a, b: [[1.0], [1.0, 2.0]], ValueError, "rectangular"),
        (lambda a, b: np.full((len(a), len(b)), HUGE), ValueError, "finite"),
        (lambda a, b: None, TypeError, "real numbers"),
        (lambda a, b: np.full((len(a), len(b)), "a"), TypeError, "real numbers"),
    ],
)
def test_bad_results(call, f, error, words):
    with pytest.raises(error, match=rf"^f of Callback must return .*{words}"):
        call([1.0, 2.0], [3.0, 4.0], Callback(f))


@each_call
@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_sums_beyond_float64(call, value):
    with pytest.raises(OverflowError, match="kernel values overflow"):
        call(
            [1.0, 2.0, 3.0],
            [3.0, 4.0, 5.0],
            Callback(lambda a, b: np.full((len(a), len(b)), value)),
        )


def test_warnings_of_f_are_its_own():
    with pytest.warns(RuntimeWarning, match="overflow"):
        mmd2([1.0, 2.0], [3.0, 4.0], Callback(lambda a, b: np.minimum(np.exp(1e3 * a @ b.T), 1.0)))


def test_lists_and_integers_are_good_results():
    overlap = Callback(lambda a, b: [[int(s == t) for t in b[:, 0]] for s in a[:, 0]])
    assert mmd2([1, 1, 2], [2, 2, 2], overlap) == 1 / 3 + 1 - 2 / 3


def test_progress(rng, monkeypatch):
    monkeypatch.setattr(callback_sums, "TILE", 4)
    reports = []
    x = rng.normal(size=(9, 1))
    mmd_test(x, x + 1, Callback(rbf), n_resamples=2, progress=lambda *r: reports.append(r))
    assert reports[-1] == (15, 15)
    assert [done for done, _ in reports[-15:]] == list(range(1, 16))


def test_memory_grows_with_n(rng):
    """6000 pooled rows: a whole kernel matrix would take 288 MB."""
    x, y = rng.normal(size=(2, 3000, 1))
    kernel = Callback(lambda a, b: np.exp(-np.abs(a - b.T)))
    for call in (mmd2, CALLS["mmd_test"]):
        tracemalloc.start()
        call(x, y, kernel)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40e6

"""Layouts of arrays, and the description of the backend: the core against the reference."""

import numpy as np
import pytest
from parity import (
    each_dtype,
    groups_of,
    sample,
)

from fastdiv._sums import reference

VIEWS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "every third": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "zero stride": lambda a: np.broadcast_to(a[:1], a.shape),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
}


@each_dtype
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_strides(core, rng, view, dtype):
    groups = groups_of("rbf per feature", 9)
    x, y = view(sample(rng, 37, 9, dtype)), sample(rng, 37, 9, dtype)
    x.flags.writeable = False
    plain = np.array(x, order="C")
    labels = (rng.random((5, 37)) < 0.5).astype(np.uint8)
    wide_labels = np.repeat(labels, 2, axis=1)[:, ::2]
    calls = [
        lambda a: core.pair_sums(a, y, groups, 1, 0, None),
        lambda a: core.pair_sums(y, a, groups, 1, 0, None),
        lambda a: core.quad_forms(a, labels, groups, 1, 0, None),
        lambda a: core.quad_forms(a, wide_labels, groups, 1, 0, None),
        lambda a: core.row_sums(a, y, None, groups, 1, 0, None),
        lambda a: core.row_sums(y, a, None, groups, 1, 0, None),
        lambda a: core.label_sums(a, None, np.array([30, 7]), groups, 1, 0, None),
        lambda a: core.paired_values(a, y, groups, 1, 0),
        lambda a: core.median_distances(a, np.array([len(a)]), "euclidean", 0, None),
        lambda a: core.median_distances(a, np.array([len(a)]), "cityblock", 0, None),
        lambda a: core.first_nonfinite(a),
    ]
    for call in calls:
        np.testing.assert_array_equal(call(x), call(plain))


@each_dtype
def test_first_nonfinite(core, rng, dtype):
    for shape in ((1, 1), (3, 7), (64, 5), (131, 17)):
        a = rng.normal(size=shape).astype(dtype)
        a.flat[0] = np.finfo(dtype).max
        a.flat[-1] = -np.finfo(dtype).tiny / 2
        assert core.first_nonfinite(a) == -1
        for bad in (np.nan, np.inf, -np.inf):
            for place in {0, a.size // 2, a.size - 1}:
                b = a.copy()
                b.flat[place] = bad
                b.flat[-1] = np.nan
                for layout in (b, np.asfortranarray(b)):
                    assert core.first_nonfinite(layout) == place
                    assert reference.first_nonfinite(layout) == place
        for backend in (core, reference):
            assert backend.first_nonfinite(np.abs(a), True) == -1
            assert backend.first_nonfinite(a, True) == np.argmax(~(a > 0))
            assert backend.first_nonfinite(np.zeros_like(a), True) == 0


@each_dtype
def test_first_nonfinite_of_any_shape(core, rng, dtype):
    a = np.zeros((3, 5, 7, 1000), dtype)
    layouts = [
        (a, lambda b: b),
        (a, lambda b: b[:, ::2, ::-1]),
        (a, lambda b: b.transpose(2, 0, 3, 1)),
        (a[:, :1, :, :1], lambda b: np.broadcast_to(b, (3, 4, 7, 6))),
        (a[:1, 0, 0, :1], lambda b: np.broadcast_to(b, (2, 5, 70))),
        (np.zeros((), dtype), lambda b: b),
        (a[:, :0], lambda b: b),
        (a[0, 0, 0], lambda b: b[::3]),
    ]
    for values, layout in layouts:
        for _ in range(5):
            b = values.copy()
            if b.size:
                b.flat[rng.integers(b.size, size=2)] = np.nan
            given = layout(b)
            assert core.first_nonfinite(given) == reference.first_nonfinite(given)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_first_nonfinite_on_many_threads(core, rng, n_threads):
    for layout in (lambda a: a, np.asfortranarray, lambda a: a.reshape(-1, 3, 250)):
        for _ in range(8):
            a = np.ones((1500, 750), np.float32)
            a.flat[rng.integers(a.size, size=rng.integers(1, 5))] = np.nan
            given = layout(a)
            assert core.first_nonfinite(given, False, n_threads) == reference.first_nonfinite(given)
        assert core.first_nonfinite(layout(np.ones_like(a)), True, n_threads) == -1


def test_config_keys(core):
    assert set(core.config()) == set(reference.config())
    assert core.config()["isa"] in core.config()["isa_available"]

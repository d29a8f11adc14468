"""Moments of log ratios: the core against the reference."""

import numpy as np
import pytest
from parity import (
    close,
    each_dtype,
)

from fastdiv._sums import reference
from fastdiv._sums.reference.log_ratios import LOG_RATIOS

SHAPES = [(1, 1), (2, 1), (7, 3), (8, 8), (255, 9), (256, 1), (257, 17), (8192, 2), (8193, 11)]


@pytest.mark.slow
@each_dtype
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("spread", [1e-6, 0.1, 1.0, 30.0])
def test_log_ratio_moments(core, rng, spread, estimator, dtype):
    for shape in SHAPES:
        log_p = rng.normal(-3.0, 2.0, size=shape).astype(dtype)
        log_q = (log_p + rng.normal(0.0, spread, size=shape)).astype(dtype)
        for layout in (np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1, ::-1]):
            p, q = layout(log_p), layout(log_q)
            expected = reference.log_ratio_moments(p, q, estimator, 0)
            got = core.log_ratio_moments(p, q, estimator, 0)
            magnitude = np.abs(LOG_RATIOS[estimator](q.astype(np.float64) - p))
            close(got[0], expected[0], magnitude.mean(axis=0), np.float64)
            close(got[1], expected[1], (magnitude**2).sum(axis=0), np.float64)
            for threads in (2, 3):
                again = core.log_ratio_moments(p, q, estimator, threads)
                np.testing.assert_array_equal(again, core.log_ratio_moments(p, q, estimator, 1))


@each_dtype
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("place", [0, 255, 256, 8192, 8999])
def test_log_ratio_moments_of_what_is_not_finite(core, rng, place, estimator, dtype):
    inf, nan = np.inf, np.nan
    pairs = [(0, -inf), (0, inf), (0, nan), (nan, 0), (inf, 0), (-inf, 0), (-inf, -inf), (nan, nan)]
    log_p, log_q = rng.normal(size=(2, 9000, len(pairs) + 1)).astype(dtype)
    log_p[place, :-1], log_q[place, :-1] = np.array(pairs).T
    got = core.log_ratio_moments(log_p, log_q, estimator, 0)
    np.testing.assert_array_equal(got[:, 0], [inf, inf])
    assert np.isnan(got[0, 1:-1]).all()
    assert np.isfinite(got[:, -1]).all()
    expected = reference.log_ratio_moments(log_p, log_q, estimator, 0)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)


def test_k3_overflows_to_infinity(core):
    log_p, log_q = np.zeros((3, 2)), np.array([[0.0, 0.0], [1.0, 1.0], [700.0, 711.0]])
    for backend in (core, reference):
        mean, m2 = backend.log_ratio_moments(log_p, log_q, "k3", 0)
        assert np.isfinite(mean[0])
        assert mean[1] == m2[1] == np.inf

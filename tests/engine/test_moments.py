"""Means and standard deviations whose squares are out of range."""

import numpy as np
import pytest

from fastdiv._engine.moments import mean_and_deviation


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_the_bits_are_those_of_numpy(rng, shape):
    values = rng.normal(size=shape)
    mean, deviation = mean_and_deviation(values, ddof=1)
    np.testing.assert_array_equal(mean, values.mean(axis=0))
    np.testing.assert_array_equal(deviation, values.std(axis=0, ddof=1))


@pytest.mark.parametrize("exponent", [-1000, 1000])
def test_squares_out_of_range(rng, exponent):
    values = rng.normal(size=9)
    for one, two in zip(
        mean_and_deviation(np.ldexp(values, exponent)), mean_and_deviation(values), strict=True
    ):
        assert one == np.ldexp(two, exponent)


def test_zeros():
    assert mean_and_deviation(np.zeros(3)) == (0.0, 0.0)

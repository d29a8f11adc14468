"""Calls of two samples that every check of inputs goes through, and what a refusal says."""

import numpy as np
import pytest

from fastdiv import RBF, energy_distance, median_distance, mmd2, mmd_test, witness

K = RBF(1.5)

GOOD = np.arange(12.0).reshape(6, 2) % 5

CALLS = {
    "mmd2": lambda x, y, **kw: mmd2(x, y, K, **kw),
    "mmd_test": lambda x, y, **kw: mmd_test(x, y, K, n_resamples=9, rng=0, **kw).statistic,
    "energy_distance": energy_distance,
    "median_distance": median_distance,
    "witness": lambda x, y, **kw: witness(x, y, GOOD, K, **kw),
}

each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)

each_name = pytest.mark.parametrize("name", ["x", "y"])


def refuse(call, name, bad, error, *words, **options):
    """Check that `bad` in the place of argument `name` raises `error` with these words."""
    arguments = {"x": GOOD, "y": GOOD, name: bad}
    with pytest.raises(error) as caught:
        call(arguments["x"], arguments["y"], **options)
    message = str(caught.value)
    assert name in message.replace(":", " ").split() or message.startswith(name), message
    for word in words:
        assert word in message, message

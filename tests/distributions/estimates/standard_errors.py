"""Comparisons in units of the standard error."""

import numpy as np


def within(estimate, truth, sigmas=4.0):
    """Compare with the truth in units of the standard error."""
    return bool((np.abs(estimate.value - truth) <= sigmas * estimate.stderr).all())

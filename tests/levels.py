"""Check the level of a test by its p-values under the null hypothesis."""

import math

import numpy as np

ALPHAS = (0.01, 0.05, 0.1)


def binomial_interval(runs, alpha, confidence=0.999):
    """Central interval of the binomial distribution, by summing it."""
    tail = (1 - confidence) / 2
    logs = [
        math.lgamma(runs + 1)
        - math.lgamma(k + 1)
        - math.lgamma(runs - k + 1)
        + k * math.log(alpha)
        + (runs - k) * math.log1p(-alpha)
        for k in range(runs + 1)
    ]
    below = np.cumsum(np.exp(logs))
    return int(np.searchsorted(below, tail)), int(np.searchsorted(below, 1 - tail))


def check(pvalues, uniform):
    for alpha in ALPHAS:
        low, high = binomial_interval(len(pvalues), alpha)
        rejections = int(np.count_nonzero(pvalues <= alpha))
        assert rejections <= high, f"{rejections} rejections at {alpha}, at most {high} expected"
        if uniform:
            assert rejections >= low, f"{rejections} rejections at {alpha}, at least {low} expected"

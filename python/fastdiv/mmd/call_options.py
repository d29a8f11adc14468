"""Type the keyword options that the overloads of a statistic share."""

from __future__ import annotations

from typing import TypedDict


class PassOptions(TypedDict, total=False):
    """Options of every pass over the pairs."""

    n_threads: int | None
    progress: object


class PenaltyOptions(PassOptions, total=False):
    """Options of the penalty of Wasserstein auto-encoders."""

    kernel: str
    prior: str
    sigma2_p: float


class SampleOptions(PassOptions, total=False):
    """Options of a statistic of two samples."""

    nan_policy: str


class EstimateOptions(SampleOptions, total=False):
    """Options of an estimate of MMD²."""

    estimator: str
    x_weights: object
    y_weights: object


class PermutationOptions(SampleOptions, total=False):
    """Options of a permutation test."""

    estimator: str
    n_resamples: int
    permutations: object
    rng: object

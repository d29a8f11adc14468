"""
Draw input, call, and compare: one generator of outcomes per case, one file per subject.

A case takes a random generator and an element type, and yields an `Outcome` for each comparison.
"""

from fuzz.cases import (
    categoricals,
    clusters,
    coupled,
    discrete,
    embeddings,
    estimates,
    gaussians,
    mixtures,
    overlaps,
    pairs,
    permutations,
    scores,
)

__all__ = ["clusters", "embeddings", "gaussians", "overlaps", "pairs", "permutations", "scores"]

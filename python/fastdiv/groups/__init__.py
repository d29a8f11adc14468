"""
Test several groups of rows by permutations.

Tests that compare any number of groups belong here, and what they share. The test of two samples
is `mmd_test`, in `mmd`. Scores of a clustering are in `clusters`.

Files
-----
components: what both tests compute
disco: `disco`
permanova: `permanova`
"""

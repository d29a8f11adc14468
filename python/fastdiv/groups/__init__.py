"""
Permutation tests between several groups of rows.

Files
-----
components: what both tests compute
disco: `disco`
permanova: `permanova`
"""

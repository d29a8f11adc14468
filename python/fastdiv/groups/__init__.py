"""
Permutation tests between several groups of rows.

Files
-----
group_tests: `permanova` and `disco`
"""

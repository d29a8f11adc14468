"""
Sum kernels over pairs of rows.

Every statistic of pairs is made of these sums, whether a kernel is compiled or a Python `Callback`.

Files
-----
callback_sums: the sums over pairs of a Python function, tile by tile
metrics: distances between rows, as kernel terms
pair_means: sums over pairs, divided by the numbers of pairs
pair_weights: rows in a precision that holds their weights
reductions: the reductions, for compiled kernels and `Callback` alike
reference: the definition of every engine function, in NumPy
"""

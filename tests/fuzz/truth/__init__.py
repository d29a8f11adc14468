"""
Compute what is right by textbook formulas, from the numbers that a function is given.

- `pairs.py`: kernels and sums over pairs, in long double
- `clusters.py`: sums within clusters and groups, in long double
- `normals.py`: Gaussians, in 60 digits
- `coupled.py`: coupled distributions and divergences, in 60 digits
"""

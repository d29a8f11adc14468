"""
Tables on disk as numeric columns with names.

Files
-----
reading: readers of .npy, .npz, .csv and .parquet
"""

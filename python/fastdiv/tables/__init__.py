"""
Read tables on disk as numeric columns with names, for the command line.

Formats of files and names of columns belong here. Nothing here computes a statistic. Samples are
made of the columns in `cli`.

Files
-----
arrow_files: readers of .csv and .parquet
columns: the columns that two tables share, and why others are left out
names: names of columns, printed and parsed
numpy_files: readers of .npy and .npz
reading: the reader of a file by its suffix
table: the columns of one file
"""

"""
Write results as text and JSON.

A report turns results of the command line into words and numbers. It reads no file, chooses no
option and draws nothing: that is the work of `tables`, `cli` and `plots`.

Files
-----
clusters: the report of `fastdiv wcss`
comparison: the report of `fastdiv compare`
lines: the lines that reports share
shifts: how far each feature moved
"""

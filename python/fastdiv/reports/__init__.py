"""
Write results as text and JSON.

Files
-----
clusters: the report of `fastdiv wcss`
comparison: the report of `fastdiv compare`
lines: the lines that reports share
shifts: how far each feature moved
"""

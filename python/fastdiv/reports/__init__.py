"""
Results as text and JSON.

Files
-----
clusters: the report of `fastdiv wcss`
comparison: the report of `fastdiv compare`
shifts: how far each feature moved
"""

"""
Run the commands of the command line, one file each.

Files
-----
command: shared options, messages and output files
compare: `fastdiv compare`
main: the entry point, `fastdiv info`, streams and exit status
plan: the predicted cost of a comparison
samples: rows of tables as samples
wcss: `fastdiv wcss`
"""

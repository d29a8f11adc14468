"""
The command line: one file per command, over what commands share.

Files
-----
command: options, messages and output files that commands share
compare: `fastdiv compare`
main: the entry point, `fastdiv info`, streams and exit status
plan: the predicted cost of a comparison
samples: rows of tables as samples
wcss: `fastdiv wcss`
"""

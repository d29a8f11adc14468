"""
Run the commands of the command line, one file each.

Options, exit status and the choice of what to compute belong here. Statistics come from the public
functions, tables from `tables`, and the words of a result from `reports`.

Files
-----
command: shared options, messages and output files
compare: `fastdiv compare`
main: the entry point, `fastdiv info`, streams and exit status
plan: the predicted cost of a comparison
samples: rows of tables as samples
wcss: `fastdiv wcss`
"""

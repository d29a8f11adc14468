"""
Declare the functions of the engine, and choose who computes them.

The compiled core and the NumPy reference offer the same functions. Everything that both sides of
this border have to know lives here: types, blocks of rows, results and progress reports.

Files
-----
types: the types of arguments and results
backend: the declaration of every engine function, and the choice of the core or the reference
blocks: blocks of rows, and how many values each may hold
moments: means and standard deviations without overflow
patience: long steps of NumPy, during which Ctrl-C is heard
progress: the `progress` argument as a function of (done, total)
results: the base class of results, with equality and read-only arrays
quantized_rows: `QuantizedRows`, samples kept as int8
"""

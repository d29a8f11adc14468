"""
The border between Python and whoever computes.

The compiled core and the NumPy reference offer the same functions. This room declares them, chooses
one of the two, and holds the types that cross the border.

Files
-----
types: what crosses the border
backend: the declaration of every engine function, and the choice of who computes
blocks: blocks of rows, and how many values each may hold
progress: the `progress` argument as a function of (done, total)
quantized_rows: `QuantizedRows`, samples kept as int8
"""

"""
Samples kept as int8 rows with a scale.

Rows are quantised and multiplied here. Bounds say what quantisation changes in a result.

Files
-----
bounds: bounds on what quantisation changes in an MMD²
quantize: `quantize_rows`, `hybrid_matmul` and their results
"""

"""
Samples kept as int8 rows with a scale.

Rows are quantised and multiplied here. Bounds say what quantisation changes in a result.

Files
-----
bounds: bounds on what quantisation changes in an MMD²; `QuantizedEstimate`
norms: norms of quantised rows
products: `hybrid_matmul`
quantize: `quantize_rows`
"""

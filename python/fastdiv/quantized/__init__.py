"""
Compute with samples kept as int8 rows with a scale.

Rows are quantised and multiplied here. Bounds limit the change of a result by quantisation.

Files
-----
bounds: `QuantizedEstimate`, and bounds of the change of an MMD² by quantisation
norms: norms of quantised rows
products: `hybrid_matmul`
quantize: `quantize_rows`
"""

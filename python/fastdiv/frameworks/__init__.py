"""
Share what `fastdiv.torch` and `fastdiv.jax` do without either framework.

Both frameworks record a program and run it later. A call is described by text and numbers, which
both can record, and is evaluated from them.

Files
-----
arguments: checks of names, shapes and masks
batches: batches of calls, computed as one
calls: a call as text and numbers
docs: the docstrings that both share
evaluation: the value and the gradients of a call, on NumPy arrays
functions: the functions, up to the operation that a framework records
"""

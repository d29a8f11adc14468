"""
Share what `fastdiv.torch` and `fastdiv.jax` do without either framework.

A call with values is evaluated at once. Where a framework records a program and runs it later, it
records the call. torch.compile can record text and numbers only, which describe it then.

Files
-----
arguments: checks of names, shapes and masks
batches: batches of calls, computed as one
calls: a call, and its description by text and numbers
docs: the docstrings that both share
evaluation: the value and the gradients of a call, on NumPy arrays
functions: the functions, up to the call that a framework evaluates or records
"""

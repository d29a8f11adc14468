"""
The parts of `fastdiv.torch` and `fastdiv.jax` that know neither framework.

Both frameworks record a program and run it later. A call is described by text and numbers, which
both can record, and is evaluated from them.

Files
-----
batches: batches of calls, computed as one
calls: a call as text and numbers, and its evaluation
docs: the docstrings that both share
functions: the functions, up to the operation that a framework records
"""

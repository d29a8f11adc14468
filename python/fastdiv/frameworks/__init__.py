"""
What `fastdiv.torch` and `fastdiv.jax` share.

A call is described by text and numbers, which both frameworks can record, and evaluated from them.

Files
-----
batches: batches of calls, computed as one
calls: a call as text and numbers, and its evaluation
"""

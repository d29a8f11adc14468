"""
Try public functions on random input of every awkward kind, and compare with what is right.

- `__main__.py`: the command line
- `runner.py`: turns of cases, and the ledger of errors, refusals and failures
- `registry.py`: the cases, what they cover, and how results are compared
- `draw/`: random input
- `truth/`: what is right, in extended precision
- `cases/`: one file per subject
"""

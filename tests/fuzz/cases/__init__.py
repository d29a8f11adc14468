"""
Draw input, call, and compare: one generator of outcomes per case, one file per subject.

A case takes a random generator and an element type, and yields an `Outcome` for each comparison.
Every file here registers its cases.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

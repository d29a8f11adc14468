"""
Draw random input of the kinds that have broken numerical code before.

- `rows.py`: samples, weights and labels
- `layouts.py`: memory layouts and element types of the same numbers
- `normals.py`: parameters of Gaussians
- `arguments.py`, `wrong_values.py`: a valid call of every function, and what to put into it
"""

from fuzz.draw.layouts import layout, strided
from fuzz.draw.rows import labels, pair, power, sample, shape, weights

__all__ = ["labels", "layout", "pair", "power", "sample", "shape", "strided", "weights"]

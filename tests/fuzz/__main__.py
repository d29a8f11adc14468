"""
Try public functions on random input of every awkward kind, and compare with what is right.

    python tests/fuzz --seconds 60 --seed 1
    python tests/fuzz --only mmd2 --index 1234    # that input again

Prints the worst error for every function, element type and width, and every failure.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # so that this folder is a package

from fuzz.runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(__doc__))

"""``python -m fastdiv`` is the command ``fastdiv``."""

import sys

from fastdiv.cli import main

if __name__ == "__main__":
    sys.exit(main())

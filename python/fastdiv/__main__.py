"""Run the command ``fastdiv`` as ``python -m fastdiv``."""

import sys

from fastdiv.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

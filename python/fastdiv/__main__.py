"""``python -m fastdiv`` is the command ``fastdiv``."""

import sys

from fastdiv.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

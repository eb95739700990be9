"""`python -m psdstudio`, and the program of a frozen bundle: the command line, which opens the window by default."""

from __future__ import annotations

import sys
from multiprocessing import freeze_support

if __name__ == "__main__":
    # First of all: in a frozen bundle the worker process is this program again, and this call is where it turns off.
    freeze_support()
    from psdstudio.cli.main import main  # not above: the worker must not load what only the parent needs

    sys.exit(main())

"""`psdstudio`, `python -m psdstudio` and the program of a frozen bundle: the command line, or the window by default."""

from __future__ import annotations

import sys
from multiprocessing import freeze_support


def main() -> int:
    """Run the command line and return its exit code, also when Ctrl+C comes while it is still being loaded."""
    try:
        # Not above: a frozen worker process starts here too and must not load what only the parent needs.
        from psdstudio.cli.main import main as run_command_line

        return run_command_line()
    except KeyboardInterrupt:
        print("psdstudio: stopped; nothing was written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    # First of all: in a frozen bundle the worker process is this program again, and this call is where it turns off.
    freeze_support()
    sys.exit(main())

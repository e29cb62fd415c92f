"""The command `darkroom`, from its first moment: nothing is imported before it knows of Ctrl-C."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command. Ctrl-C ends it with one line and exit code 130, be it while it still
    loads."""
    try:
        from darkroom.cli.main import main as command

        command()
    except KeyboardInterrupt:
        print("\ndarkroom: stopped", file=sys.stderr, flush=True)
        os._exit(130)


if __name__ == "__main__":
    main()

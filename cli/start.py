"""The command `darkroom`, from its first moment: nothing is imported before it knows of Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys

_pressed: list[int] = []


def main() -> None:
    """Run the command. Ctrl-C ends it with one line and exit code 130, be it while it still
    loads."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, _stop)
    try:
        from cli.main import main as command

        command()
    except (KeyboardInterrupt, ImportError, SystemError) as error:
        # a native library that was interrupted says that it could not be imported
        if not isinstance(error, KeyboardInterrupt) and not _pressed:
            raise
        print("\ndarkroom: stopped", file=sys.stderr, flush=True)
        os._exit(130)


def _stop(number: int, frame: object) -> None:
    _pressed.append(number)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

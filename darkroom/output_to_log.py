"""Other programs' chatter to a log file, so that the terminal shows what matters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def output_to(log: Path, *descriptors: int) -> Iterator[None]:
    """Append what this process and those it starts write to the file descriptors to `log`.

    The JVM and TensorFlow write to descriptors (1: standard output, 2: standard error), so
    replacing `sys.stderr` would not do.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    _flush()
    saved = {descriptor: os.dup(descriptor) for descriptor in descriptors}
    with log.open("ab") as file:
        for descriptor in descriptors:
            os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        _flush()
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()

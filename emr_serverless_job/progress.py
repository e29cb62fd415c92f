"""How far a running stage is, while its tasks keep the driver's thread waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_SECONDS = 0.5


@contextmanager
def reporting(report: Callable[[], None]) -> Iterator[None]:
    """Call `report` now and then, and once at the end.

    A task that is tried again counts twice here: progress is a hint, the receipt is the truth.
    """
    finished = threading.Event()

    def now_and_then() -> None:
        while not finished.wait(_EVERY_SECONDS):
            report()

    reporter = threading.Thread(target=now_and_then, name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        finished.set()
        reporter.join()
        report()

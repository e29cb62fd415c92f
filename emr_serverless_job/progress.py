"""How far a running stage is, while its tasks keep the driver's thread waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emr_serverless_job.engine import Tally

_EVERY_SECONDS = 0.5


@contextmanager
def reporting(done: Tally, on_images: Callable[[int], None]) -> Iterator[None]:
    """Call `on_images` with the tally's value, now and then and once at the end.

    A task that is tried again counts twice here: progress is a hint, the receipt is the truth.
    """
    finished = threading.Event()

    def report() -> None:
        while not finished.wait(_EVERY_SECONDS):
            on_images(done.value)

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        finished.set()
        reporter.join()
        on_images(done.value)

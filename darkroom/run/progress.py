"""How far a running job is: a small object that it renews, for those who watch."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import monotonic, time

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import Run
from darkroom.storage.store import Store

_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Progress:
    """`done` of `total` images after so many seconds. A hint: the receipt is the truth."""

    done: int
    total: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """The rate so far."""
        return round(self.done / self.seconds, 1) if self.seconds > 0 else 0.0


class ProgressNote:
    """Notes a run's progress in its results, now and then."""

    def __init__(self, results: Store, run: Run, total: int) -> None:
        self._results, self._run, self._total = results, run, total
        self._began, self._noted = time(), 0.0

    def note(self, done: int) -> None:
        """Say how many images are done; most calls write nothing."""
        if not done or monotonic() - self._noted < _EVERY_SECONDS:
            return
        self._noted = monotonic()
        progress = Progress(min(done, self._total), self._total, round(time() - self._began, 1))
        with suppress(Exception):  # no reason for a run to fail
            self._results.write(self._run.progress, json.dumps(asdict(progress)).encode())

    def remove(self) -> None:
        """The job has ended."""
        with suppress(Exception):
            self._results.delete([self._run.progress])


def read_progress(results: Store, run: Run) -> Progress | None:
    """How far the run's job is; None before it says so."""
    try:
        return Progress(**json.loads(results.read(run.progress)))
    except ObjectNotFoundError:
        return None

"""Progress for people: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TextIO

from tqdm import tqdm

_LINE_EVERY_SECONDS = 5.0


class Progress:
    """Images done of `total`, with the rate and the time left."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total, self._stream = total, stream or sys.stdout
        self._started = self._last_line = 0.0
        self._bar = (
            tqdm(total=total, unit=" images", file=self._stream, dynamic_ncols=True)
            if self._stream.isatty()
            else None
        )

    def show(self, done: int) -> None:
        """Say that `done` images of all are through."""
        done = min(done, self._total)
        if not self._started:  # Spark's own start is not the images'
            self._started = self._last_line = monotonic()
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif 0 < done < self._total and monotonic() - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = monotonic()
            print(self._line(done), file=self._stream, flush=True)

    def _line(self, done: int) -> str:
        rate = done / (monotonic() - self._started)
        left = (self._total - done) / rate
        return f"{done} of {self._total} images, {rate:.0f} images/s, {left:.0f} s left"

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

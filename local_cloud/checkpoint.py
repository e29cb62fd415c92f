"""State on disk each second, so that the end of the process by any means loses nothing.

ministack saves its state when it is told to stop. Between two checkpoints, what was stored in S3 is
on disk already, but events and table writes are not. So after an unclean end every object that came
since the last checkpoint is told of again: S3 promises "at least once", and so do we.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_EVERY_SECONDS = 1.0
_OVERLAP_SECONDS = 5.0


@dataclass
class Checkpoint:
    """Saves the services' state into `folder`, in an order that can repeat, but never lose.

    Queues are saved first: a message that was dealt with after that is dealt with again, but
    none is gone whose effect the later-saved table does not have. `told` hears whether that worked;
    all that was there at `saved_at` (seconds since 1970) is on disk.
    """

    folder: Path
    told: Callable[[OSError | None], None] = lambda error: None
    saved_at: float = 0
    _saved: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def _unclean(self) -> Path:
        return self.folder / "running-since"

    def begin(self) -> None:
        """After the start: tell of what may have been lost, then save each second."""
        if self._unclean.is_file():
            self._tell_again(self._since() - _OVERLAP_SECONDS)
        threading.Thread(target=self._save_each_second, name="checkpoint", daemon=True).start()

    def _since(self) -> float:
        try:
            return float(self._unclean.read_text())
        except ValueError:  # a full disk left it empty: all is told again
            return _OVERLAP_SECONDS

    def end(self) -> None:
        """After a clean stop, which saved everything."""
        self._stop.set()
        self._unclean.unlink(missing_ok=True)

    def _save_each_second(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self.save()
            except OSError as error:  # a full disk: tried again each second
                self.told(error)
            else:
                self.told(None)

    def save(self) -> None:
        """Write what changed since the last time."""
        from ministack import app
        from ministack.core import persistence

        began = time.time()
        states = app._build_persistence_save_dict()
        for name in sorted(states, key=lambda name: name != "sqs"):
            try:
                state = states[name]()
                text = persistence.json.dumps(state, default=persistence._json_default)
            except (RuntimeError, TypeError):  # changed while it was read: next time
                return
            if state is not None and self._saved.get(name) != text:
                self._save(name, state)
                self._saved[name] = text
        if not self._stop.is_set():
            beside = self._unclean.with_suffix(".partial")
            beside.write_text(str(began))
            beside.replace(self._unclean)
            self.saved_at = began

    def _save(self, name: str, state: Any) -> None:
        """Raises `OSError` where that failed: ministack only logs it."""
        from ministack.core import persistence

        file = Path(persistence.STATE_DIR) / f"{name}.json"
        before = _identity(file)
        persistence.save_state(name, state)
        if _identity(file) == before:
            raise OSError(f"{file.name} could not be written")

    def _tell_again(self, since: float) -> None:
        from ministack.services import s3

        for scope, bucket in list(s3._buckets._data.items()):
            for key, stored in list(bucket["objects"].items()):
                if _seconds(stored.get("last_modified", "")) >= since:
                    _fire(s3, scope[-1], key, stored)


def _fire(s3: Any, bucket: str, key: str, stored: dict[str, Any]) -> None:
    s3._fire_s3_event_async(
        bucket,
        key,
        "s3:ObjectCreated:Put",
        size=stored.get("size", 0),
        etag=stored.get("etag", ""),
        version_id=stored.get("version_id"),
    )


def _identity(file: Path) -> tuple[int, int] | None:
    """Another for each time that the file was replaced."""
    try:
        told = file.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_mtime_ns


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return time.time()

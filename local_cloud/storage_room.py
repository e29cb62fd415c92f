"""The disk of the local cloud: what cannot be kept there is refused, not promised."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from local_cloud.access.signatures import Refusal

# Of what is free, this much is for tables, queues and logs: they are written each second, and tell
# of objects that are there.
RESERVE_BYTES = 64 * 1024 * 1024
_BESIDE_BYTES = 16 * 1024  # an object's description, and what its file system needs for it
_RESERVE_FILES = 1000
_KEEPING = ("PUT", "POST")


@dataclass(frozen=True)
class Free:
    """What a disk has left."""

    size_bytes: int
    files: int


def free_of(folder: Path) -> Free:
    """What is free for files in a folder; file systems without a bound say so by 0 files in all."""
    told = os.statvfs(folder)
    return Free(told.f_bavail * told.f_frsize, told.f_favail if told.f_files else _RESERVE_FILES)


@dataclass
class StorageRoom:
    """`free` says what is left; `log` is told when that gets too little, and when it is enough
    again."""

    free: Callable[[], Free]
    log: Callable[[str], None]
    _on_their_way: int = 0
    _full: bool = False
    _unsaved: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def trouble(self) -> str:
        """What people should know of the disk; '' where nothing is wrong."""
        if self._unsaved:
            return f"the disk of the local cloud cannot be written: {self._unsaved}"
        free = self.free()
        if free.size_bytes < RESERVE_BYTES or free.files < _RESERVE_FILES:
            return f"the disk of the local cloud is full: {_words(free)}; uploads are refused"
        return ""

    @contextmanager
    def for_request(self, method: str, is_kept: bool, size_bytes: int) -> Iterator[None]:
        """Room for an object that comes. Raises `Refusal` (507) where there is none."""
        if not is_kept or method not in _KEEPING:
            yield
            return
        need = size_bytes + _BESIDE_BYTES
        with self._lock:
            self._require(need)
            self._on_their_way += need
        try:
            yield
        finally:
            with self._lock:
                self._on_their_way -= need

    def _require(self, need: int) -> None:
        free = self.free()
        fits = free.size_bytes - self._on_their_way - need >= RESERVE_BYTES
        full = not (fits and free.files >= _RESERVE_FILES)
        if full != self._full:
            self._full = full
            self.log(f"the disk is full ({_words(free)}): uploads are refused" if full
                     else "there is room on the disk again: uploads are taken")  # fmt: skip
        if full:
            raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, "InsufficientStorage",
                          f"the disk of the local cloud is full: {_words(free)}. Make room; "
                          "nothing of this object was kept")  # fmt: skip

    def saved(self, error: OSError | None = None) -> None:
        """Tables and queues were saved, or could not be."""
        words = "" if error is None else str(error)
        if words != self._unsaved:
            self._unsaved = words
            self.log(f"state could not be saved: {words}" if words else "state is saved again")


def _words(free: Free) -> str:
    if free.files < _RESERVE_FILES:
        return f"{free.files} files free, {_RESERVE_FILES} are kept for state"
    megabyte = 1024 * 1024
    return (f"{free.size_bytes / megabyte:.0f} MB free, "
            f"{RESERVE_BYTES / megabyte:.0f} MB are kept for state")  # fmt: skip

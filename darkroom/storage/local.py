"""A folder as a `Store`. Python itself reads its files: object-store libraries refuse some legal
names."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from darkroom.errors import ConflictError, ObjectNotFoundError, UnreadableObjectError, UsageError
from darkroom.storage.store import Requirement, Store, Stored, Versioned

_PARTIAL = ".partial"
_OURS = re.compile(rf"\.[0-9a-f]{{32}}{re.escape(_PARTIAL)}")


class LocalStore(Store):
    """A folder; keys are paths below it."""

    read_ahead = 4

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = self.root.as_uri()

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """See `Store`. A folder has no versions: `version_id` is ignored."""
        try:
            return read_regular(self.root / key)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error
        except OSError as error:  # no permission, a folder, a loop of links
            raise UnreadableObjectError(f"{self.root / key}: {error.strerror}") from error

    def read_versioned(self, key: str) -> Versioned:
        """See `Store`. The ETag is the content's SHA-256."""
        data = self.read(key)
        return Versioned(data, hashlib.sha256(data).hexdigest())

    def size(self, key: str) -> int:
        """See `Store`."""
        try:
            return (self.root / key).stat().st_size
        except FileNotFoundError as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store`."""
        try:
            with (self.root / key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error

    def write(self, key: str, data: bytes) -> None:
        """See `Store`."""
        self.write_chunks(key, iter([data]))

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """See `Store`: a temporary file beside the target, then a rename."""
        target = self.root / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{uuid4().hex}{_PARTIAL}"
            with temporary.open("xb") as file:
                file.writelines(chunks)
            os.replace(temporary, target)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}") from error

    def write_if(self, key: str, data: bytes, requirement: Requirement) -> None:
        """See `Store`. Processes on one machine are kept apart by the caller's lock."""
        try:
            current: str | None = self.read_versioned(key).etag
        except ObjectNotFoundError:
            current = None
        if current != requirement.etag:
            raise ConflictError(f"{self.root / key}: {requirement.broken}")
        self.write(key, data)

    def stored(self, prefix: str) -> dict[str, Stored]:
        """See `Store`. Unfinished writes are left out."""
        found = {
            path.relative_to(self.root).as_posix(): Stored(told.st_size, told.st_mtime)
            for path in (self.root / prefix).rglob("*")
            if path.is_file() and not (path.name[0] == "." and path.name.endswith(_PARTIAL))
            for told in [path.stat()]
        }
        return dict(sorted(found.items()))

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store`."""
        for key in keys:
            (self.root / key).unlink(missing_ok=True)


def read_regular(path: Path) -> bytes:
    """A regular file's bytes. Raises `OSError`, also for a pipe or a device, which may never end,
    and for a file that becomes another length while it is read."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        data = file.read(status.st_size)
        while 0 < len(data) < status.st_size and (more := file.read(status.st_size - len(data))):
            data += more
        if len(data) != status.st_size or file.read(1):
            raise OSError(errno.EIO, "it changed while it was read")
        return data


def clear_partial(root: Path) -> None:
    """Remove what writers left behind that were killed. Only for who knows that nobody writes."""
    for path in root.rglob(f".*{_PARTIAL}"):
        if _OURS.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)

"""A folder of the user's as entries: which files are in it, and what of it is left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from darkroom.manifest import Entry
from darkroom.printable import printable


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, link or folder that is no entry: its name below the folder, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True)
class Scan:
    """What is in a folder: its files, sorted by key; links and other things that are `left_out` by
    rule; and what is `unreachable` although it may hold images."""

    entries: list[Entry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unreachable: list[LeftOut] = field(default_factory=list)


def walk_folder(folder: Path) -> list[Entry]:
    """The files that `scan_folder` finds."""
    return scan_folder(folder).entries


def scan_folder(folder: Path, follow_links: bool = False) -> Scan:
    """Every regular file below `folder`; the folder's own name is each key's first segment.

    Pipes, sockets and devices are no files. Links that lead out of the folder, and links to
    folders, are left out unless they are to be followed. Names that are not UTF-8, and folders that
    may not be listed, are unreachable.
    """
    walk = _Walk(folder.resolve(), follow_links)
    walk.do()
    walk.scan.entries.sort(key=lambda entry: entry.key)
    return walk.scan


@dataclass
class _Walk:
    folder: Path
    follow_links: bool
    scan: Scan = field(default_factory=Scan)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def do(self) -> None:
        self._seen.add(_identity(self.folder))
        walked = os.walk(self.folder, onerror=self._unlisted, followlinks=self.follow_links)
        for parent, folders, names in walked:
            folders[:] = [name for name in folders if self._is_entered(Path(parent, name))]
            for name in names:
                self._take(Path(parent, name))

    def _unlisted(self, error: OSError) -> None:
        name = self._name(Path(error.filename))
        self.scan.unreachable.append(LeftOut(name, f"cannot be listed: {error.strerror}"))

    def _is_entered(self, path: Path) -> bool:
        """Whether the walk goes into a folder: not by a link, unless links are followed, and never
        twice."""
        if os.path.islink(path) and not self.follow_links:
            self.scan.left_out.append(LeftOut(self._name(path), "a link to a folder"))
            return False
        identity = _identity(path)
        if identity in self._seen:
            reason = (
                "a folder that a link led to" if not os.path.islink(path) else "a link to a folder"
            )
            self.scan.left_out.append(LeftOut(self._name(path), f"{reason} that is there already"))
            return False
        self._seen.add(identity)
        return True

    def _take(self, path: Path) -> None:
        try:
            self._take_if_reachable(path)
        except OSError as error:  # in a folder that may be listed, but not entered
            reason = f"cannot be looked at: {error.strerror}"
            self.scan.unreachable.append(LeftOut(self._name(path), reason))

    def _take_if_reachable(self, path: Path) -> None:
        if not _is_utf8(path):
            reason = "its name is not valid UTF-8: rename it"
            self.scan.unreachable.append(LeftOut(self._name(path), reason))
        elif path.is_symlink() and not self.follow_links and self._leads_out(path):
            reason = "a link that leads out of the folder"
            self.scan.left_out.append(LeftOut(self._name(path), reason))
        elif path.is_file() or (path.is_symlink() and not path.exists()):
            self.scan.entries.append(_entry(self.folder.parent, path))
        else:
            self.scan.left_out.append(LeftOut(self._name(path), "no regular file"))

    def _leads_out(self, path: Path) -> bool:
        try:
            return not path.resolve().is_relative_to(self.folder)
        except (OSError, RuntimeError):  # links in a circle
            return True

    def _name(self, path: Path) -> str:
        return printable(path.relative_to(self.folder).as_posix())


def _identity(path: Path) -> tuple[int, int]:
    """The same for all ways to a folder."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _entry(root: Path, path: Path) -> Entry:
    key = path.relative_to(root).as_posix()
    try:
        status = path.stat()
    except OSError:  # a dangling link, or gone since it was listed: found, and missing
        return Entry(root.as_uri(), key)
    etag = f"{status.st_size:x}-{status.st_mtime_ns:x}"
    return Entry(root.as_uri(), key, etag=etag, size_bytes=status.st_size)

"""How far the reading of an archive is, and the rules that hold for a member of any kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from darkroom.archives.kinds import archive_kind
from darkroom.archives.names import BadNameError, below
from darkroom.printable import printable

_LONGEST_KEY_BYTES = 1024  # of S3


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may be at most. `max_bytes`: one member, unpacked; `max_growth`: all of them,
    as a multiple of the archive's own size, beyond what is `free_bytes` to any."""

    max_bytes: int
    max_members: int = 500_000
    max_growth: int = 100
    free_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there are no bytes: a reason as images have it, and words."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class RefusedError(Exception):
    """A member, or all that follows in its archive, cannot be had."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. `number` counts what the archive names, from 0. `key` is the archive's
    own, '/', and the file's path in it; or the archive's alone, where the refusal is about all that
    was not read."""

    number: int
    key: str
    content: bytes | Refusal


@dataclass
class Reading:
    """`key` is the archive's; `most_bytes` may come out of it; members before `start` are passed
    over."""

    key: str
    limits: ArchiveLimits
    most_bytes: int
    start: int = 0
    number: int = 0
    _bytes: int = 0
    _taken: set[str] = field(default_factory=set)

    def member(self, name: str, size_bytes: int, read: Callable[[], bytes]) -> Member | None:
        """The next member; None for one that is passed over. `read` gives its bytes, or raises
        `RefusedError`. Raises it, too, where the archive is more than one may be."""
        number, self.number = self.number, self.number + 1
        if number >= self.limits.max_members:
            told = f"more than {self.limits.max_members} files: make several archives"
            raise RefusedError("archive_limit", told)
        key, refusal = self._key_of(name, number)
        refusal = refusal or self._ruled_out(key, size_bytes)
        if number < self.start:
            return None
        try:
            return Member(number, key, refusal or read())
        except RefusedError as error:
            return Member(number, key, error.refusal)

    def the_rest(self, refusal: Refusal) -> Member:
        """The archive itself, as what cannot be read any further."""
        return Member(max(self.number, self.start), self.key, refusal)

    def grow(self, size_bytes: int) -> None:
        """Count bytes that come out. Raises `RefusedError` where they are too many."""
        self._bytes += size_bytes
        if self._bytes > self.most_bytes:
            told = f"more than {self.most_bytes} bytes come out of it"
            raise RefusedError("archive_limit", told)

    def _key_of(self, name: str, number: int) -> tuple[str, Refusal | None]:
        refusal = None
        try:
            path = below(name)
            if len(f"{self.key}/{path}".encode()) > _LONGEST_KEY_BYTES:
                raise BadNameError(f"its name is longer than the {_LONGEST_KEY_BYTES} bytes of S3")
        except BadNameError as error:
            path = f"#{number}{_ending(name)}"
            refusal = Refusal("bad_name", f"{error}: {printable(name)[:200]}")
        if path in self._taken:
            path = f"{path} #{number}{_ending(path)}"
            refusal = Refusal("bad_name", "another file of the archive has the same name")
        self._taken.add(path)
        return f"{self.key}/{path}", refusal

    def _ruled_out(self, key: str, size_bytes: int) -> Refusal | None:
        if size_bytes > self.limits.max_bytes:
            told = f"{size_bytes} bytes, limit {self.limits.max_bytes}"
            return Refusal("too_large", told)
        if archive_kind(key) is not None:
            return Refusal("unsupported_mode", "an archive in an archive: unpack it first")
        return None


def _ending(name: str) -> str:
    """By which a refused picture is known as one."""
    found = re.search(r"\.\w{1,5}$", name)
    return found[0] if found else ""

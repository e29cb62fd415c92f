"""What a place of objects can do, be it a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Versioned:
    """An object's bytes and the ETag to name in a conditional write."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing tells of an object: its size, and when it was written (seconds since 1970)."""

    size_bytes: int
    written_at: float


@dataclass(frozen=True)
class Requirement:
    """`etag` is that of the object as it was read; None: there is none. `requires` says what that
    means, and `changed` what has happened where it is not so."""

    etag: str | None
    requires: str
    changed: str

    @property
    def broken(self) -> str:
        """For errors."""
        return f"{self.changed} (required: {self.requires})"


class Store(Protocol):
    """A place that holds objects under keys. Every method is safe to repeat.

    `read_ahead` is how many reads are worth having under way at once.
    """

    uri: str
    read_ahead: int

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """The object's bytes. Raises `ObjectNotFoundError` or `UnreadableObjectError`.

        `version_id` names the version that was meant, where it was overwritten since; an object
        that was deleted since is not there, though an old version of it may be.
        """

    def read_versioned(self, key: str) -> Versioned:
        """The object's bytes with its ETag. Raises `ObjectNotFoundError`."""

    def size(self, key: str) -> int:
        """The object's size in bytes. Raises `ObjectNotFoundError`."""

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Some of the object's bytes. Raises `ObjectNotFoundError`."""

    def write(self, key: str, data: bytes) -> None:
        """Replace the object as a whole: readers see the old bytes or the new ones."""

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """Like `write`, without holding the whole object in memory."""

    def write_if(self, key: str, data: bytes, requirement: Requirement) -> None:
        """Write if the requirement is met; sent once. `write_on_condition` looks again.

        Raises `ConflictError` where it is not, and `LostAnswerError` where no answer came.
        """

    def stored(self, prefix: str) -> dict[str, Stored]:
        """The objects below the folder `prefix`, by their keys, sorted."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys below the folder `prefix`, sorted, with their sizes in bytes."""
        return {key: told.size_bytes for key, told in self.stored(prefix).items()}

    def list(self, prefix: str, ending: str = "") -> list[str]:
        """The keys below the folder `prefix` that end so, sorted."""
        return [key for key in self.stored(prefix) if key.endswith(ending)]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those already gone are no error."""

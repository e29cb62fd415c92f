"""What is added to an open run: a part of its manifest, and what a marker says of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Marker:
    """A `_READY` object: the upload event's sequencer, and how many images it announces, or what
    is wrong with it. One with a `problem` closes nothing."""

    sequencer: str
    images: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Part:
    """What a manifest part adds to its run. With `is_archive` it names an archive, which is not
    worked itself, but waited for until it is unpacked."""

    id: str
    uploads: int
    size_bytes: int
    marker: Marker | None = None
    is_archive: bool = False

    @property
    def attribute(self) -> str:
        """Where the run's record has it."""
        return "unpacking" if self.is_archive else "parts"

"""An archive's members, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from darkroom.archives.kinds import Kind, archive_kind
from darkroom.archives.reading import ArchiveLimits, Member, Reading, RefusedError
from darkroom.archives.tarred import read_tar
from darkroom.archives.zipped import read_zip

_SIGNATURES: dict[bytes, Kind] = {
    b"PK": "zip",
    b"\x1f\x8b": "tar.gz",
    b"\x28\xb5\x2f\xfd": "tar.zst",
}


def members(
    file: BinaryIO, size_bytes: int, key: str, limits: ArchiveLimits, start: int = 0
) -> Iterator[Member]:
    """The files in an archive, from number `start` on, in an order that the archive alone decides.

    `file` can seek, and is read forwards. What is wrong with a member refuses that member; what is
    wrong with the archive comes last, and refuses the archive. Raises what `file` raises alone.
    """
    reading = Reading(key, limits, limits.free_bytes + limits.max_growth * size_bytes, start)
    try:
        if size_bytes == 0:
            raise RefusedError("empty", "it has no bytes")
        kind = _kind(file, key)
        yield from read_zip(file, reading) if kind == "zip" else read_tar(file, kind, reading)
        if reading.number == 0:
            raise RefusedError("empty", "there are no files in it")
    except RefusedError as error:
        yield reading.the_rest(error.refusal)


def _kind(file: BinaryIO, key: str) -> Kind:
    """By its first bytes, whatever it is called: many a `.tar` is compressed."""
    begin = file.read(4)
    file.seek(0)
    kinds = (kind for signature, kind in _SIGNATURES.items() if begin.startswith(signature))
    return next(kinds, None) or archive_kind(key) or "tar"

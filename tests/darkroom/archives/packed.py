"""Archives made in memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

from backports import zstd

from darkroom.archives.members import members
from darkroom.archives.reading import ArchiveLimits, Member

LIMITS = ArchiveLimits(max_bytes=1000)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def zipped_raw(names: list[bytes], flags: int = 0) -> bytes:
    """Names as bytes of some code page, which `zipfile` does not write: as long as "a", "b", ..."""
    stand_ins = [chr(ord("a") + n) * len(name) for n, name in enumerate(names)]
    packed = zipped(dict.fromkeys(stand_ins, b"picture"))
    for name, stand_in in zip(names, stand_ins, strict=True):
        packed = packed.replace(stand_in.encode(), name)
    return with_flags(packed, flags)


def with_flags(packed: bytes, flags: int) -> bytes:
    """Flags of all members, where they lie and in the directory."""
    data = bytearray(packed)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.find(signature)
        while start >= 0:
            data[start + offset] |= flags & 0xFF
            data[start + offset + 1] |= flags >> 8
            start = data.find(signature, start + 1)
    return bytes(data)


def tarred(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


PACKED = {
    "a.zip": zipped,
    "a.tar": tarred,
    "a.tar.gz": lambda files: gzip.compress(tarred(files)),
    "a.tgz": lambda files: gzip.compress(tarred(files)),
    "a.tar.zst": lambda files: zstd.compress(tarred(files)),
}


def unpack(
    packed: bytes, key: str = "b/a.zip", limits: ArchiveLimits = LIMITS, start: int = 0
) -> list[Member]:
    return list(members(io.BytesIO(packed), len(packed), key, limits, start))


def told(found: list[Member]) -> dict[str, object]:
    """By the name below the archive: the bytes, or the reason."""
    return {
        member.key.partition("/")[2]: member.content
        if isinstance(member.content, bytes)
        else member.content.reason
        for member in found
    }

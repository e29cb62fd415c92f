"""TAR files, plain and compressed: one member after the other."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from backports import zstd  # Python 3.14 has it as `compression.zstd`

from darkroom.archives.kinds import Kind
from darkroom.archives.names import code_page
from darkroom.archives.reading import Member, Reading, RefusedError

_LONGEST_HEADER_BYTES = 1024**2
_NO_FILES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
             tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)  # fmt: skip
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, zstd.ZstdError, EOFError, ValueError)


def read_tar(file: BinaryIO, kind: Kind, reading: Reading) -> Iterator[Member]:
    """The members in order. A compressed archive is read from its beginning whatever `start` is.
    Raises `RefusedError` where the archive ends without its end mark, or is damaged."""
    try:
        with _opened(_Unpacked(file, kind, reading), kind) as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                if not info.isdir():
                    read = partial(_read, archive, info)
                    member = reading.member(_name(info), info.size, read)
                    if member is not None:
                        yield member
    except _DAMAGE as error:
        raise RefusedError("truncated", f"damaged or cut off: {error}") from error


def _opened(stream: _Unpacked, kind: Kind) -> tarfile.TarFile:
    return tarfile.open(
        fileobj=stream,
        mode="r:" if kind == "tar" else "r|",
        tarinfo=_Header,
        encoding="utf-8",
        errors="surrogateescape",
    )


def _name(info: tarfile.TarInfo) -> str:
    raw = info.name.encode("utf-8", "surrogateescape")
    return raw.decode(code_page([raw]))


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if not info.isreg():
        raise RefusedError("unsupported_mode", "a link or a device: store the file itself")
    try:
        member = archive.extractfile(info)
        return b"" if member is None else member.read()
    except _DAMAGE as error:
        raise RefusedError("truncated", f"damaged or cut off: {error}") from error


class _Header(tarfile.TarInfo):
    """A header that is damaged, or missing at the end, is an error: `tarfile` takes both for the
    archive's end, and what follows would be lost without a word."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        """See `tarfile`."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise ValueError(f"where a file should begin: {error}") from error
        if header.type in _NO_FILES and header.size > _LONGEST_HEADER_BYTES:
            raise ValueError(f"a header of {header.size} bytes")
        return header


class _Unpacked(io.RawIOBase):
    """The archive's bytes, unpacked, each of which counts, also of members that are passed over.
    Those of a plain archive can be sought in."""

    def __init__(self, file: BinaryIO, kind: Kind, reading: Reading) -> None:
        self._file = _decompressing(file, kind)
        self._grow = reading.grow

    def readable(self) -> bool:
        """See `io`."""
        return True

    def seekable(self) -> bool:
        """See `io`."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `io`."""
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        """See `io`."""
        data = self._file.read(len(buffer))
        self._grow(len(data))
        buffer[: len(data)] = data
        return len(data)


def _decompressing(file: BinaryIO, kind: Kind) -> BinaryIO:
    if kind == "tar.gz":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return zstd.ZstdFile(file) if kind == "tar.zst" else file  # type: ignore[return-value]

"""ZIP files: their directory first, then each member where it lies."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from darkroom.archives.names import code_page
from darkroom.archives.reading import Member, Reading, RefusedError

_ENCRYPTED, _IN_UTF8 = 0x1, 0x800  # flags of a member
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP


def read_zip(file: BinaryIO, reading: Reading) -> Iterator[Member]:
    """The members, in the order in which they lie. Raises `RefusedError` for what is no ZIP file,
    or cut off: its directory is at its end."""
    with _opened(file) as archive:
        files = sorted(
            (info for info in archive.infolist() if not info.is_dir()),
            key=lambda info: info.header_offset,
        )
        page = code_page(map(_raw, (info for info in files if not info.flag_bits & _IN_UTF8)))
        for info in files:
            reading.grow(min(info.file_size, reading.limits.max_bytes))
            read = partial(_read, archive, info, reading.limits.max_bytes)
            member = reading.member(_name(info, page), info.file_size, read)
            if member is not None:
                yield member


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, struct.error, EOFError) as error:
        raise RefusedError("truncated", f"no ZIP file, or a part of one: {error}") from error


def _name(info: zipfile.ZipInfo, page: str) -> str:
    if info.flag_bits & _IN_UTF8:
        return info.filename
    return _unicode_path(info) or _raw(info).decode(page)


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The name's bytes, which `zipfile` takes for cp437, where each byte is a letter."""
    return info.orig_filename.partition("\0")[0].encode("cp437")


def _unicode_path(info: zipfile.ZipInfo) -> str:
    """The name in UTF-8 that some programs add to that in the code page of their machine; '' where
    there is none, or it belongs to another name (APPNOTE.TXT, 4.6.9)."""
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        told, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and told[:5] == b"\1" + struct.pack("<L", zlib.crc32(_raw(info))):
            return told[5:].decode("utf-8", "replace")
    return ""


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
    if info.flag_bits & _ENCRYPTED:
        raise RefusedError("encrypted", "it needs a password: unpack it first")
    try:
        with archive.open(info) as member:
            data = member.read(most_bytes + 1)
    except NotImplementedError as error:
        told = f"{error}: pack it anew, as any ZIP program does by default"
        raise RefusedError("unsupported_mode", told) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
        raise RefusedError("decode_error", f"damaged in the archive: {error}") from error
    if len(data) > most_bytes:
        raise RefusedError("too_large", f"more than {most_bytes} bytes, the limit")
    return data

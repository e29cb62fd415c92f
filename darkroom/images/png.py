"""PNG, whose metadata may be larger than Pillow takes; it says nothing about the pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

_SIGNATURE_BYTES = 8
_AROUND_BYTES = 12  # of each chunk: its length, its kind, its checksum
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_PROFILE = b"iCCP"
# unpacked; a CMYK profile has some 0.6 MB, Photoshop's 2
PngImagePlugin.MAX_TEXT_CHUNK = 4 * 1024 * 1024


def open_png(data: bytes) -> Image.Image:
    """The image; without its texts (and, if need be, its profile) where these are too large."""
    try:
        return Image.open(io.BytesIO(data), formats=("PNG",))
    except ValueError as error:
        if "text" not in str(error).lower():
            raise
    return Image.open(io.BytesIO(_without(data, (*_TEXT, _PROFILE))), formats=("PNG",))


def _without(data: bytes, kinds: tuple[bytes, ...]) -> bytes:
    kept = [chunk for chunk in _chunks(data) if chunk[4:8] not in kinds]
    return b"".join([data[:_SIGNATURE_BYTES], *kept])


def _chunks(data: bytes) -> Iterator[bytes]:
    at = _SIGNATURE_BYTES
    while at < len(data):
        end = at + _AROUND_BYTES + int.from_bytes(data[at : at + 4], "big")
        yield data[at:end]
        at = end

"""Whether a file that could not be decoded ends too early, where its decoder does not say so."""

from __future__ import annotations

from collections.abc import Iterator

from darkroom.images.recognising import Kind
from darkroom.images.tiff import is_cut_off

_IN_BOXES = ("HEIF", "AVIF", "JXL", "JPEG2000", "RAW")  # ISO/IEC 14496-12 and its kin
_END_OF_CODESTREAM = b"\xff\xd9"  # ISO/IEC 15444-1


def ends_early(data: bytes, kind: Kind) -> bool:
    """By the sizes that its own structure tells."""
    if kind in ("TIFF", "RAW") and data[:2] in (b"II", b"MM"):
        return is_cut_off(data)
    if kind == "JPEG2000" and data[:1] == _END_OF_CODESTREAM[:1]:
        return not data.endswith(_END_OF_CODESTREAM)
    if kind in _IN_BOXES and data[4:8].strip().isalnum():
        return max(_ends_of_boxes(data), default=0) > len(data)
    return False


def _ends_of_boxes(data: bytes) -> Iterator[int]:
    """Where each box that begins in the data says that it ends."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: to the end of the file; less than its own head: damaged
            return
        at += size
        yield at

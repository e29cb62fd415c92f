"""Whether a file that could not be decoded ends too early, where its decoder does not say so."""

from __future__ import annotations

from darkroom.images.boxes import boxes_in
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
        return any(box.end > len(data) for box in boxes_in(data))
    return False

"""The boxes that HEIF, AVIF, JPEG 2000 and JPEG XL files are made of (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Box(NamedTuple):
    """Where its content begins, and where it says that it ends, which may lie behind the data."""

    kind: bytes
    start: int
    end: int


def boxes_in(data: bytes) -> Iterator[Box]:
    """The outermost boxes, in order, up to one whose size makes no sense. One of size 0 goes to the
    end of the data."""
    at = 0
    while at + 8 <= len(data):
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        yield Box(kind, start, len(data) if size == 0 else at + size)
        if size < 8:
            return
        at += size

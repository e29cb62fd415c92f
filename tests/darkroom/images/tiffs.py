"""TIFF files of any tags, which no library writes."""

from __future__ import annotations

import struct

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
OFFSETS, SAMPLES, ROWS, COUNTS, FORMAT = 273, 277, 278, 279, 339


def tiff(pixels: np.ndarray, tags: dict[int, int | list[int]], big: bool = False) -> bytes:
    """Little-endian, in one strip: `pixels` is `(h, w)` or `(h, w, samples)`."""
    data = pixels.tobytes()
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    head = 16 if big else 8
    told: dict[int, int | list[int]] = {
        WIDTH: pixels.shape[1], HEIGHT: pixels.shape[0], COMPRESSION: 1,
        BITS: [pixels.dtype.itemsize * 8] * samples, PHOTOMETRIC: 2 if samples >= 3 else 1,
        OFFSETS: head, SAMPLES: samples, ROWS: pixels.shape[0], COUNTS: len(data), **tags,
    }  # fmt: skip
    directory, further = b"", b""
    entry, word = ("<HHQ", "Q") if big else ("<HHI", "I")
    size = 20 if big else 12
    start = head + len(data)
    after = start + (8 if big else 2) + size * len(told) + (8 if big else 4)
    for tag, value in sorted(told.items()):
        values = value if isinstance(value, list) else [value]
        packed = b"".join(struct.pack("<I", number) for number in values)
        room = 8 if big else 4
        if len(packed) > room:
            place = struct.pack(f"<{word}", after + len(further))
            further += packed
        else:
            place = packed.ljust(room, b"\0")
        directory += struct.pack(entry, tag, 4, len(values)) + place
    count = struct.pack("<Q" if big else "<H", len(told))
    header = (
        struct.pack("<2sHHHQ", b"II", 43, 8, 0, start)
        if big
        else struct.pack("<2sHI", b"II", 42, start)
    )
    return header + data + count + directory + bytes(8 if big else 4) + further

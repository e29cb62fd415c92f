"""TIFF files of any tags, which no library writes."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

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


def camera_raw(
    thumbnail: Image.Image,
    preview: Image.Image | None,
    sensor: tuple[int, int],
    tags: dict[int, int] | None = None,
) -> bytes:
    """A DNG of a sensor of (width, height): first a thumbnail, then the sensor's numbers and,
    maybe, a preview as JPEG. `tags` are the first directory's."""
    width, height = sensor
    dng = Directories()
    numbers = bytes(2 * width * height)
    mosaic = dng.add(
        {WIDTH: width, HEIGHT: height, BITS: 16, COMPRESSION: 1, PHOTOMETRIC: 32803, SAMPLES: 1,
         OFFSETS: dng.put(numbers), ROWS: height, COUNTS: len(numbers), 254: 0,
         33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2])}
    )  # fmt: skip
    others = [mosaic]
    if preview is not None:
        data = _jpeg(preview)
        others.append(dng.add(
            {WIDTH: preview.width, HEIGHT: preview.height, BITS: (3, [8, 8, 8]), COMPRESSION: 7,
             PHOTOMETRIC: 6, SAMPLES: 3, OFFSETS: dng.put(data), ROWS: preview.height,
             COUNTS: len(data), 254: 1}
        ))  # fmt: skip
    small = _jpeg(thumbnail)
    first = dng.add(
        {WIDTH: thumbnail.width, HEIGHT: thumbnail.height, BITS: (3, [8, 8, 8]), COMPRESSION: 7,
         PHOTOMETRIC: 6, SAMPLES: 3, OFFSETS: dng.put(small), ROWS: thumbnail.height,
         COUNTS: len(small), 254: 1, 271: (2, [*b"Darkroom\0"]), 272: (2, [*b"Box\0"]),
         330: (4, others), 50706: (1, [1, 4, 0, 0]), 50708: (2, [*b"Darkroom Box\0"]),
         **(tags or {})}
    )  # fmt: skip
    return dng.file(first)


class Directories:
    """A TIFF file as it grows."""

    def __init__(self) -> None:
        self._data = bytearray(8)

    def put(self, data: bytes) -> int:
        """Where it lies in the file."""
        place = len(self._data)
        self._data += data + bytes(len(data) % 2)
        return place

    def add(self, tags: dict[int, Any]) -> int:
        """A directory: each tag's value is a number, or its TIFF type and numbers."""
        directory = struct.pack("<H", len(tags))
        for tag, value in sorted(tags.items()):
            kind, values = value if isinstance(value, tuple) else (4, [value])
            packed = struct.pack(f"<{len(values)}{' BBHI'[kind]}", *values)
            place = packed if len(packed) <= 4 else struct.pack("<I", self.put(packed))
            directory += struct.pack("<HHI", tag, kind, len(values)) + place.ljust(4, b"\0")
        return self.put(directory + bytes(4))

    def file(self, first: int) -> bytes:
        """All of it, where the first directory lies at `first`."""
        return struct.pack("<2sHI", b"II", 42, first) + bytes(self._data[8:])


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()

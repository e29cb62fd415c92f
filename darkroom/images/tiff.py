"""TIFF, in which much is sound that is no picture for people: its first directory tells.

Tags are those of TIFF 6.0 and of TIFF/EP (DNG, NEF, ARW).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from darkroom.images.outcome import UnsupportedError

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_SAMPLES, _MOST_VALUE, _SUB_DIRECTORIES, _FORMAT, _DNG = 277, 281, 330, 339, 50706
_STRIPS_AND_TILES = ((273, 279), (324, 325))  # offsets, and lengths in bytes
_REDUCED = 1
_WHITE_IS_ZERO = 0
_SENSORS = (32803, 34892)  # colour filter array, linear raw
_FORMATS = {1: "", 2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_LARGE = 43  # the magic number of BigTIFF

Directory = Mapping[int, Any]


def open_tiff(data: bytes) -> Image.Image:
    """The first page. Raises `UnsupportedError` where the file is sound but no plain picture, and
    what Pillow raises."""
    try:
        return Image.open(io.BytesIO(data), formats=("TIFF",))
    except UnidentifiedImageError:
        directory = first_directory(data)
        end = _end_of_pixels(directory) if directory is not None else None
        if directory is None or end is None or end > len(data):
            raise
        raise UnsupportedError(_words(directory)) from None


def is_raw(data: bytes) -> bool:
    """Whether it is a camera's: its first page is a small preview, or the sensor's own numbers."""
    directory = first_directory(data) or {}
    preview = directory.get(_SUBFILE, 0) & _REDUCED and _SUB_DIRECTORIES in directory
    return bool(preview) or _DNG in directory or directory.get(_PHOTOMETRIC) in _SENSORS


def first_directory(data: bytes) -> Directory | None:
    """The tags of the first page; None where they cannot be read."""
    try:
        header = data[: 16 if _LARGE in data[2:4] else 8]
        directory = ImageFileDirectory_v2(header)
        file = io.BytesIO(data)
        file.seek(directory.next)
        directory.load(file)
        told = dict(directory)
    except Exception:  # whatever damaged bytes bring about
        return None
    return told if {_WIDTH, _HEIGHT} <= told.keys() else None


def is_cut_off(data: bytes) -> bool:
    """Whether the first page, or where it tells of, lies behind the data's end."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    large = _LARGE in data[2:4]
    first = int.from_bytes(data[8:16] if large else data[4:8], order)
    if first >= len(data):
        return True
    directory = first_directory(data)
    return directory is not None and (_end_of_pixels(directory) or 0) > len(data)


def is_white_zero(image: Image.Image) -> bool:
    """Whether large numbers are dark, which Pillow minds for eight bits alone."""
    return _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def stated_range(image: Image.Image) -> int | None:
    """The largest number that a sample may be, where the file says so."""
    tags = _tags(image)
    bits = tags.get(_BITS, (16,))
    if bits[0] < 16:
        return (1 << int(bits[0])) - 1
    most = tags.get(_MOST_VALUE)
    value = most[0] if isinstance(most, tuple) else most
    return int(value) if value and 255 < int(value) <= 65535 else None


def _tags(image: Image.Image) -> Directory:
    return getattr(image, "tag_v2", {})


def _end_of_pixels(directory: Directory) -> int | None:
    """Where in the file the page's pixels end; None where it does not tell."""
    for places, sizes in _STRIPS_AND_TILES:
        if places in directory and sizes in directory:
            told = zip(_listed(directory[places]), _listed(directory[sizes]), strict=False)
            return max((place + size for place, size in told), default=None)
    return None


def _listed(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _words(directory: Directory) -> str:
    bits = directory.get(_BITS, (1,))
    form = directory.get(_FORMAT, (1,))
    kind = _FORMATS.get(form[0] if isinstance(form, tuple) else form, "")
    samples = directory.get(_SAMPLES, len(bits))
    return (
        f"TIFF of {samples} {kind}samples of {bits[0]} bits a pixel: "
        "save as RGB or greyscale of 8 or 16 bits"
    )

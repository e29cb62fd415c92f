"""JPEG XL, decoded whole when it is opened: so its size is looked at first.

The header is that of ISO/IEC 18181-1 (codestream), 18181-2 (boxes around it).
"""

from __future__ import annotations

import io
from fractions import Fraction

from PIL import Image
from pillow_jxl import Decoder

from darkroom.images.boxes import boxes_in
from darkroom.images.outcome import UnsupportedError

_BARE = b"\xff\x0a"
_RATIOS = (Fraction(1), Fraction(6, 5), Fraction(4, 3), Fraction(3, 2), Fraction(16, 9),
           Fraction(5, 4), Fraction(2))  # fmt: skip
_LENGTHS = (9, 13, 18, 30)  # bits of a side
_MODES = ("RGB", "RGBA", "L", "LA", "I;16")


def open_jxl(data: bytes) -> Image.Image:
    """The image, as it is to be shown; of one that was a JPEG, that JPEG. Raises `UnsupportedError`
    for kinds that Pillow has no mode for, and what the decoder raises."""
    try:
        is_jpeg, told, decoded, profile, _ = Decoder(num_threads=0)(data)
    except RuntimeError as error:  # whose words are about how to build the library
        raise ValueError("damaged JPEG XL, or cut off") from error
    if is_jpeg:
        return Image.open(io.BytesIO(decoded), formats=("JPEG", "MPO"))
    if told.mode not in _MODES:
        raise UnsupportedError(f"JPEG XL of mode {told.mode}: save as JPEG or PNG")
    image = Image.frombytes(told.mode, (told.width, told.height), decoded)
    if profile:
        image.info["icc_profile"] = profile
    return image


def size_of_jxl(data: bytes) -> tuple[int, int]:
    """Width and height that the header announces. Raises `ValueError` where there is none."""
    bits = _Bits(_codestream(data)[len(_BARE) :])
    is_small = bits.take(1)
    height = _side(bits, is_small)
    ratio = bits.take(3)
    width = int(height * _RATIOS[ratio - 1]) if ratio else _side(bits, is_small)
    return width, height


def _side(bits: _Bits, is_small: int) -> int:
    if is_small:
        return (bits.take(5) + 1) * 8
    return bits.take(_LENGTHS[bits.take(2)]) + 1


def _codestream(data: bytes) -> bytes:
    """The first bytes of it."""
    if data.startswith(_BARE):
        return data[:16]
    for box in boxes_in(data):
        if box.kind == b"jxlc":
            return data[box.start : box.start + 16]
        if box.kind == b"jxlp":  # first the part's number
            return data[box.start + 4 : box.start + 20]
    raise ValueError("JPEG XL without a codestream")


class _Bits:
    """Numbers of so many bits, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._left & ((1 << count) - 1)
        self._left >>= count
        return taken

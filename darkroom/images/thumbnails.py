"""Small pictures of images, to look at results by."""

from __future__ import annotations

import io
import threading

from PIL import Image, ImageFile

from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import open_image
from darkroom.images.recognising import kind_of

SIDE = 96  # pixels of the longer side
_QUALITY = 65  # 1.9 KB and 0.2 ms; WebP would be two thirds of that, and take three times as long


class _Lenient(threading.local):
    """Whether this thread takes what there is of a truncated image: Pillow has but one switch for
    all threads, and others must not take such an image for a whole one meanwhile."""

    here = False

    def __bool__(self) -> bool:
        return self.here


_lenient = _Lenient()
ImageFile.LOAD_TRUNCATED_IMAGES = _lenient  # type: ignore[assignment]


def thumbnail(pixels: Pixels) -> bytes:
    """A JPEG of a decoded image in its own proportions, at most `SIDE` pixels wide and high."""
    return _encoded(Image.fromarray(pixels.array), pixels.width, pixels.height)


def thumbnail_of_truncated(data: bytes, limits: Limits) -> bytes | None:
    """A JPEG of what could be decoded of an image that ends too early; None where nothing could.

    None, too, where it has more pixels than the limit: it may have been refused before that was
    looked at.
    """
    kind = kind_of(data)
    if kind is None:
        return None
    _lenient.here = True
    try:
        with open_image(data, kind) as image:
            if image.width * image.height > limits.max_pixels:
                return None
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            rgb = image.convert("RGB")
            return _encoded(rgb, rgb.width, rgb.height)
    except Exception:  # decoders raise nearly anything on damaged bytes
        return None
    finally:
        _lenient.here = False


def _encoded(image: Image.Image, width: int, height: int) -> bytes:
    scale = min(SIDE / max(width, height), 1)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    buffer = io.BytesIO()
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1)
    small.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()

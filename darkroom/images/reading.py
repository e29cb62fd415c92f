"""Bytes to the pixels a backbone sees, or a rejection with a reason."""

from __future__ import annotations

import io
import warnings

from PIL import Image, UnidentifiedImageError

from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.outcome import Limits, Pixels, Rejection, UnsupportedError
from darkroom.images.pixels import pixels_of
from darkroom.images.png import open_png
from darkroom.images.recognising import UNREAD, Kind, kind_of
from darkroom.images.tiff import open_tiff

# The limit below is checked before a pixel is decoded; Pillow's own would only warn at half of it.
Image.MAX_IMAGE_PIXELS = None
# Damaged metadata is the uploader's affair; it must not fill the logs.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def read_image(
    data: bytes, size: tuple[int, int], limits: Limits, contract: Contract = DISPLAY
) -> Pixels | Rejection:
    """Decode `data` and scale it to `size` (width, height), as the contract says.

    Of several pages or frames the first is taken. Nothing in `data` can make this raise,
    `MemoryError` apart.
    """
    kind = kind_of(data)
    early = _reject_early(data, kind, limits)
    if early is not None:
        return early
    assert kind is not None
    try:
        with open_image(data, kind) as image:
            if image.width * image.height > limits.max_pixels:
                return Rejection("too_many_pixels", f"{image.width} x {image.height}")
            return pixels_of(image, size, contract)
    except MemoryError:
        raise
    except UnsupportedError as unsupported:
        return Rejection("unsupported_mode", str(unsupported))
    except UnidentifiedImageError:
        return Rejection("decode_error", f"damaged {kind} header")
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        return _rejection_of(error)


def open_image(data: bytes, kind: Kind) -> Image.Image:
    """The image, of which no pixel is decoded yet. Raises `UnsupportedError` for a sound file that
    is not read, and what Pillow raises."""
    if kind == "TIFF":
        return open_tiff(data)
    if kind == "PNG":
        return open_png(data)
    return Image.open(io.BytesIO(data), formats=(kind,))


def _reject_early(data: bytes, kind: Kind | None, limits: Limits) -> Rejection | None:
    if not data:
        return Rejection("empty")
    if len(data) > limits.max_bytes:
        return Rejection("too_large", f"{len(data)} bytes, limit {limits.max_bytes}")
    if kind is None:
        return Rejection("not_an_image", "no known image signature")
    if kind in UNREAD:
        return Rejection("unsupported_mode", UNREAD[kind])
    if kind == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return Rejection("truncated", "shorter than its RIFF header says")
    return None


def _rejection_of(error: Exception) -> Rejection:
    detail = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, EOFError) or "truncated" in detail.lower():
        return Rejection("truncated", detail)
    return Rejection("decode_error", detail)

"""Bytes to the pixels a backbone sees, or a rejection with a reason."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

from PIL import Image, UnidentifiedImageError

from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.cut_off import ends_early
from darkroom.images.heif import open_heif
from darkroom.images.jxl import open_jxl, size_of_jxl
from darkroom.images.outcome import Limits, Pixels, Rejection, UnsupportedError
from darkroom.images.pixels import pixels_of
from darkroom.images.png import open_png
from darkroom.images.raw import open_raw
from darkroom.images.recognising import UNREAD, Kind, kind_of
from darkroom.images.tiff import is_raw, open_tiff

_OPENERS: dict[Kind, Callable[[bytes], Image.Image]] = {
    "TIFF": open_tiff, "PNG": open_png, "HEIF": open_heif, "JXL": open_jxl,
}  # fmt: skip
_NAMES: dict[Kind, str] = {"HEIF": "HEIC"}

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
    kind = "RAW" if kind == "TIFF" and is_raw(data) else kind
    try:
        if kind == "JXL":
            _require_few(size_of_jxl(data), limits)
        with open_image(data, kind, contract.least_scale * max(size)) as image:
            _require_few(image.size, limits)
            return pixels_of(image, size, contract, _NAMES.get(kind, kind))
    except MemoryError:
        raise
    except _TooManyPixelsError as many:
        return Rejection("too_many_pixels", str(many))
    except UnsupportedError as unsupported:
        return Rejection("unsupported_mode", str(unsupported))
    except UnidentifiedImageError:
        return _rejection_of(f"damaged {kind} header", data, kind)
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        return _rejection_of(f"{type(error).__name__}: {error}".strip(), data, kind)


def open_image(data: bytes, kind: Kind, least_side: int = 0) -> Image.Image:
    """The image, of which no pixel is decoded yet, if its decoder can wait. Of raw files a preview
    of no less than `least_side` pixels. Raises `UnsupportedError` for a sound file that is not
    read, and what decoders raise."""
    if kind == "RAW":
        return open_raw(data, least_side)
    opener = _OPENERS.get(kind)
    return opener(data) if opener else Image.open(io.BytesIO(data), formats=(kind,))


class _TooManyPixelsError(Exception):
    """An image has more than the limit."""


def _require_few(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise _TooManyPixelsError(f"{width} x {height}")


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


def _rejection_of(words: str, data: bytes, kind: Kind) -> Rejection:
    is_cut = words.startswith("EOFError") or "truncated" in words.lower() or ends_early(data, kind)
    return Rejection("truncated" if is_cut else "decode_error", words[:200])

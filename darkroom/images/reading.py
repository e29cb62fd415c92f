"""Bytes to the pixels a backbone sees, or a rejection with a reason."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from darkroom.images.depth import from_16_bits
from darkroom.images.outcome import Limits, Pixels, Rejection, UnsupportedError
from darkroom.images.png import open_png
from darkroom.images.recognising import UNREAD, Kind, kind_of
from darkroom.images.tiff import open_tiff

_ALPHA_MODES = {"RGBA", "LA", "PA", "La", "RGBa"}
_PLAIN_MODES = {"1", "L", "P", "CMYK", "YCbCr", "HSV"}

# The limit below is checked before a pixel is decoded; Pillow's own would only warn at half of it.
Image.MAX_IMAGE_PIXELS = None
# Damaged metadata is the uploader's affair; it must not fill the logs.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def read_image(data: bytes, size: tuple[int, int], limits: Limits) -> Pixels | Rejection:
    """Decode `data` as Keras' `load_img` does and scale it to `size` (width, height).

    Full decode, EXIF orientation, RGB (alpha on white), bicubic: the features depend on each of
    these (a lazy decode costs up to 0.6 of cosine similarity), so they are part of the contract.
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
            return _pixels(image, size)
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


def _pixels(image: Image.Image, size: tuple[int, int]) -> Pixels | Rejection:
    name = "JPEG" if image.format == "MPO" else str(image.format)
    image.load()
    _apply_orientation(image)
    rgb = _to_rgb(image)
    if rgb is None:
        return Rejection("unsupported_mode", f"{name} of mode {image.mode}")
    scaled = rgb.resize(size, Image.Resampling.BICUBIC)
    return Pixels(np.asarray(scaled), image.width, image.height, name)


def _apply_orientation(image: Image.Image) -> None:
    with suppress(Exception):  # a damaged EXIF block says nothing about the pixels
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> Image.Image | None:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return from_16_bits(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if image.mode == "RGB":
        return image
    if image.mode in _PLAIN_MODES:
        return image.convert("RGB")
    return None


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas


def _rejection_of(error: Exception) -> Rejection:
    detail = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, EOFError) or "truncated" in detail.lower():
        return Rejection("truncated", detail)
    return Rejection("decode_error", detail)

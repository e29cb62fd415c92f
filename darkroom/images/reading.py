"""Bytes to the pixels a backbone sees, or a rejection with a reason."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Reason = Literal[
    "empty",
    "not_an_image",
    "truncated",
    "too_many_pixels",
    "unsupported_mode",
    "too_large",
    "missing",
    "decode_error",
    "erased",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
IMAGE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".heic", ".heif", ".avif", ".jp2", ".psd", ".raw", ".cr2", ".nef", ".dng"}
)
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_FOREIGN_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif", b"avis"}
_ALPHA_MODES = {"RGBA", "LA", "PA", "La", "RGBa"}
_PLAIN_MODES = {"1", "L", "P", "CMYK", "YCbCr", "HSV"}

# The limit below is checked before a pixel is decoded; Pillow's own would only warn at half of it.
Image.MAX_IMAGE_PIXELS = None
# Damaged metadata is the uploader's affair; it must not fill the logs.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may be at most. `max_pixels` keeps decoding one image under 1 GB."""

    max_bytes: int = 50 * 1024 * 1024
    max_pixels: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image: `array` is `(h, w, 3) uint8` RGB; width and height are as displayed."""

    array: NDArray[np.uint8]
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an image cannot be used: a reason of the closed set, and the decoder's own words."""

    reason: Reason
    detail: str = ""


def looks_like_image(path: str, data: bytes) -> bool:
    """Whether a file was meant as an image: its ending or its first bytes say so.

    `.DS_Store`, `Thumbs.db`, `_READY` or `notes.txt` are not, and are skipped rather than rejected.
    """
    ending = PurePosixPath(path).suffix.lower()
    return ending in IMAGE_ENDINGS or signature(data) is not None


def signature(data: bytes) -> str | None:
    """The format that the first bytes announce, whatever the file is called; None for none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _FOREIGN_BRANDS:
        return "HEIF"
    if (
        data[:2] == b"BM" and data[6:10] != b"\0\0\0\0"
    ):  # reserved in every BMP; text may start "BM"
        return None
    return next((name for magic, name in _SIGNATURES if data.startswith(magic)), None)


def read_image(data: bytes, size: tuple[int, int], limits: Limits) -> Pixels | Rejection:
    """Decode `data` as Keras' `load_img` does and scale it to `size` (width, height).

    Full decode, EXIF orientation, RGB (alpha on white), bicubic: the features depend on each of
    these (a lazy decode costs up to 0.6 of cosine similarity), so they are part of the contract.
    Nothing in `data` can make this raise, `MemoryError` apart.
    """
    early = _reject_early(data, limits)
    if early is not None:
        return early
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                return Rejection("too_many_pixels", f"{image.width} x {image.height}")
            return _pixels(image, size)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return Rejection("decode_error", f"damaged {signature(data)} header")
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        return _rejection_of(error)


def _reject_early(data: bytes, limits: Limits) -> Rejection | None:
    if not data:
        return Rejection("empty")
    if len(data) > limits.max_bytes:
        return Rejection("too_large", f"{len(data)} bytes, limit {limits.max_bytes}")
    name = signature(data)
    if name is None:
        return Rejection("not_an_image", "no known image signature")
    if name == "HEIF":
        return Rejection("unsupported_mode", "HEIC and AVIF are not supported: save as JPEG or PNG")
    if name == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
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
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if image.mode == "RGB":
        return image
    if image.mode in _PLAIN_MODES:
        return image.convert("RGB")
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return _from_16_bit(image)
    return None


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")


def _rejection_of(error: Exception) -> Rejection:
    detail = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, EOFError) or "truncated" in detail.lower():
        return Rejection("truncated", detail)
    return Rejection("decode_error", detail)

"""An opened image to the pixels a backbone sees: orientation, alpha, depth, colour, scale."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from PIL import Image, ImageOps

from darkroom.images.colour import to_srgb
from darkroom.images.contract import Contract
from darkroom.images.depth import from_16_bits, has_deep_colours, with_full_range
from darkroom.images.outcome import Pixels, Rejection

_ALPHA_MODES = {"RGBA", "LA", "PA", "La", "RGBa"}
_PLAIN_MODES = {"1", "P", "YCbCr", "HSV"}
_WITH_PROFILE = {"RGB", "L", "CMYK"}
_WITH_PAGES = {"TIFF", "GIF", "WEBP", "PNG", "AVIF", "HEIC"}
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LAID_DOWN = (5, 6, 7, 8)


def pixels_of(
    image: Image.Image, size: tuple[int, int], contract: Contract, name: str
) -> Pixels | Rejection:
    """Decode and scale to `size` (width, height) an image of the format `name`. What is decoded
    whole is turned before it is scaled; what the decoder has made smaller, after."""
    has_more = name in _WITH_PAGES and _has_more(image)
    shown, turn, is_deep = image.size, 1, has_deep_colours(image)
    box = _smaller(image, size, contract)
    image.load()
    if box is None:
        _turn_whole(image)
        shown = image.size
    else:
        turn = _orientation(image)
    profile = image.info.get("icc_profile") if contract.honours_profiles else None
    plain = _plain(with_full_range(image) if is_deep else image)
    if plain is None:
        return Rejection("unsupported_mode", f"{name} of mode {image.mode}")
    if profile is None:  # else its colours are of the mode that it is in
        plain = plain.convert("RGB")
    lies = turn in _LAID_DOWN
    scaled = plain.resize(size[::-1] if lies else size, Image.Resampling.BICUBIC, box=box)
    colours = to_srgb(_turned(scaled, turn), profile)
    return Pixels(np.asarray(colours), *(shown[::-1] if lies else shown), name, has_more)


def _has_more(image: Image.Image) -> bool:
    """Whether there is another page or frame, as far as can be told."""
    with suppress(Exception):
        return bool(getattr(image, "is_animated", False))
    return False


def _turn_whole(image: Image.Image) -> None:
    with suppress(Exception):  # a damaged EXIF block says nothing about the pixels
        ImageOps.exif_transpose(image, in_place=True)


def _orientation(image: Image.Image) -> int:
    """As EXIF has it; 1 where it says nothing, or is damaged."""
    with suppress(Exception):
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _smaller(
    image: Image.Image, size: tuple[int, int], contract: Contract
) -> tuple[float, float, float, float] | None:
    """Let the decoder give a smaller picture, if it can; what of it is the image, None where it is
    decoded whole."""
    if not contract.least_scale:
        return None
    side, whole = contract.least_scale * max(size), image.size
    told = image.draft(None, (side, side))
    return told[1] if told is not None and image.size != whole else None


def _plain(image: Image.Image) -> Image.Image | None:
    """In RGB, or in grey or CMYK, whose profiles are of these; None for other kinds."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return from_16_bits(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if image.mode in _WITH_PROFILE:
        return image
    return image.convert("RGB") if image.mode in _PLAIN_MODES else None


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas

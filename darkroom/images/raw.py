"""Camera raw: the picture that the camera itself made of it, which raw files bring along."""

from __future__ import annotations

import io

import rawpy
from PIL import Image

from darkroom.images.outcome import UnsupportedError

_EXPORT = "export as JPEG or TIFF"
_ORIENTATION = 0x0112  # of EXIF
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}  # by LibRaw's name of a turn
_NEARLY_ALL = 0.9  # of the sensor's width, whose edges no picture shows


def open_raw(data: bytes, least_side: int) -> Image.Image:
    """The largest embedded preview, to be turned as the raw file says. Its longer side has no less
    than `least_side` pixels (0: as many as the sensor's): a thumbnail is no photograph.

    Raises `UnsupportedError` where there is no such preview, and what LibRaw raises.
    """
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            sensor = max(raw.sizes.width, raw.sizes.height)
            turn = _ORIENTATIONS.get(raw.sizes.flip, 1)
            image = _opened(raw.extract_thumb())
    except (
        rawpy.LibRawFileUnsupportedError,
        rawpy.LibRawNoThumbnailError,
        rawpy.LibRawUnsupportedThumbnailError,
    ) as error:
        raise UnsupportedError(f"camera raw without a preview that is read: {_EXPORT}") from error
    side = max(image.size)
    if side < (least_side or sensor * _NEARLY_ALL):
        raise UnsupportedError(
            f"camera raw whose largest preview has {image.width} x {image.height} pixels: {_EXPORT}"
        )
    if image.getexif().get(_ORIENTATION) is None:
        image.getexif()[_ORIENTATION] = turn
    return image


def _opened(preview: rawpy.Thumbnail) -> Image.Image:
    if isinstance(preview.data, bytes):
        return Image.open(io.BytesIO(preview.data), formats=("JPEG", "MPO"))
    return Image.fromarray(preview.data)

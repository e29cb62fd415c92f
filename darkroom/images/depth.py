"""Numbers of more than eight bits, by their real range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from darkroom.images.tiff import is_white_zero, stated_range

_FULL = 65535
_TWELVE_BITS = 4095


def from_16_bits(image: Image.Image) -> Image.Image:
    """The upper eight bits of an image's greys, as RGB; a transparent shade is white.

    Cameras and scanners write twelve bits into sixteen: what uses no number above 4095, and does
    not say what the largest may be, is taken for that. Of a mode that is read one by one, `(h, w)`.
    """
    greys = np.asarray(image)
    most = stated_range(image) or (_TWELVE_BITS if greys.max(initial=0) <= _TWELVE_BITS else _FULL)
    eight = _upper_eight(most)[np.clip(greys, 0, _FULL)]
    if is_white_zero(image):
        eight = 255 - eight
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        eight[greys == clear] = 255
    return Image.fromarray(eight).convert("RGB")


def has_deep_colours(image: Image.Image) -> bool:
    """Whether its colours have sixteen bits in the file, of which Pillow keeps the upper eight. To
    be asked before they are decoded."""
    tiles = getattr(image, "tile", [])
    return image.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in tiles)


def with_full_range(image: Image.Image) -> Image.Image:
    """An image of deep colours; where no number of the file is above 4095, of twelve bits."""
    highest = [int(high) for _, high in image.getextrema()]  # type: ignore[misc]
    if max(highest[:3]) > _TWELVE_BITS >> 8:
        return image
    fewer = [high <= _TWELVE_BITS >> 8 for high in highest]
    return image.point([min(number * (17 if is_less else 1), 255)
                        for is_less in fewer for number in range(256)])  # fmt: skip


def _upper_eight(most: int) -> NDArray[np.uint8]:
    """For each number, `(65536,) uint8`."""
    numbers = np.arange(_FULL + 1)
    upper = numbers >> 8 if most == _FULL else np.minimum(numbers, most) * 255 // most
    return np.asarray(upper, np.uint8)

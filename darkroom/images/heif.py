"""HEIC and HEIF: what phones make."""

from __future__ import annotations

import io

from pi_heif import register_heif_opener
from PIL import Image

# one thread, as each task has one core; of what is beside the picture nothing is looked at
register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)


def open_heif(data: bytes) -> Image.Image:
    """The primary image, turned already. Raises what Pillow and libheif raise."""
    return Image.open(io.BytesIO(data), formats=("HEIF",))

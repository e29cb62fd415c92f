"""Colours as a person sees them: by the profile that a file brings, to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

_FITTING = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # a profile's colour space, and the mode
_PROFILES = 16


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """`image` (RGB, L or CMYK) as RGB in sRGB. A profile that is damaged, or of other colours, says
    nothing; one that is sRGB itself changes nothing."""
    transform = _transform(profile, image.mode) if profile else None
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    changed = transform.apply(image)
    assert changed is not None
    return changed


@lru_cache(_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Perceptual, as browsers do; without the cache that threads may not share."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _FITTING.get(source.profile.xcolor_space) != mode:
            return None
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        flags = ImageCms.Flags.NOCACHE | ImageCms.Flags.BLACKPOINTCOMPENSATION
        return ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB",
            renderingIntent=ImageCms.Intent.PERCEPTUAL, flags=flags,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None

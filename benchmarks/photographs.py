"""Photographs as cameras and phones write them, made of small ones."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageCms

SIDES = (4032, 3024)
_QUALITY = 90
_ORIENTATION, _TURNED = 0x0112, 6
# Display P3's primaries, adapted to D50: http://www.color.org/chardata/rgb/DisplayP3.xalter
_P3 = {
    b"rXYZ": (0.51512, 0.2412, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.1571, 0.06657, 0.78407),
}


def as_cameras_write(pictures: list[bytes]) -> list[bytes]:
    """As JPEGs of 12 megapixels: of three, one turned by EXIF, and one in Display P3."""
    return [
        enlarged(picture, turned=number % 3 == 1, in_p3=number % 3 == 2)
        for number, picture in enumerate(pictures)
    ]


def enlarged(picture: bytes, quarter: int = 0, turned: bool = False, in_p3: bool = False) -> bytes:
    """A JPEG of 12 megapixels (bicubic, quality 90); of all of it, or of its first to fourth
    `quarter`."""
    with Image.open(io.BytesIO(picture)) as image:
        rgb = image.convert("RGB")
    if quarter:
        left, top = (quarter - 1) % 2 * rgb.width // 2, (quarter - 1) // 2 % 2 * rgb.height // 2
        rgb = rgb.crop((left, top, left + rgb.width // 2, top + rgb.height // 2))
    size = SIDES if rgb.width >= rgb.height else SIDES[::-1]
    large = rgb.resize(size, Image.Resampling.BICUBIC)
    options: dict[str, object] = {}
    if turned:
        large = large.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[_ORIENTATION] = _TURNED
        options["exif"] = exif
    if in_p3:
        large = _in_p3(large)
        options["icc_profile"] = display_p3()
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=_QUALITY, **options)
    return buffer.getvalue()


def display_p3() -> bytes:
    """A profile of Display P3, as phones write it: that of sRGB with other primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack(">I", profile[128:132])[0]):
        tag, at, _ = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        for place, value in enumerate(_P3.get(tag, ())):
            packed = struct.pack(">i", round(value * 65536))
            profile[at + 8 + 4 * place : at + 12 + 4 * place] = packed
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))


def _in_p3(image: Image.Image) -> Image.Image:
    """The same look, by numbers of that profile."""
    source = ImageCms.createProfile("sRGB")
    target = ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))
    changed = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert changed is not None
    return changed

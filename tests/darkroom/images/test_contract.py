"""How bytes become pixels: the same for small images in both contracts, and close for large ones;
colours as a person sees them, or as numbers."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from benchmarks.photographs import display_p3
from darkroom.images.backbone import Backbone
from darkroom.images.contract import DISPLAY, EXACT, Contract
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image
from darkroom.manifest import Entry
from tests.conftest import encoded, picture

SIZE = (64, 64)
LARGE = (1400, 1000)  # more than three times the size, four times over


def read(data: bytes, contract: Contract, size: tuple[int, int] = SIZE) -> Pixels:
    outcome = read_image(data, size, Limits(), contract)
    assert isinstance(outcome, Pixels), outcome
    return outcome


def wide_gamut() -> ImageCms.ImageCmsProfile:
    """sRGB's curves with other primaries."""
    return ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("JPEG", lambda image: image, id="jpeg"),
        pytest.param("JPEG", lambda image: image.convert("L"), id="grey"),
        pytest.param("JPEG", lambda image: image.convert("CMYK"), id="cmyk"),
        pytest.param("PNG", lambda image: image.quantize(32), id="palette"),
        pytest.param("PNG", lambda image: image.convert("RGBA"), id="alpha"),
    ],
)
def test_small_images_are_the_same_in_both(
    name: str, change: Callable[[Image.Image], Image.Image]
) -> None:
    data = encoded(change(picture()), name)
    assert np.array_equal(read(data, DISPLAY).array, read(data, EXACT).array)


@pytest.mark.parametrize("size", [SIZE, (64, 48)], ids=["square", "wide"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_large_ones_are_nearly_so_however_they_lie(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(3, LARGE), "JPEG", exif=exif, quality=90)
    one, other = read(data, DISPLAY, size), read(data, EXACT, size)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (one.width, one.height) == (other.width, other.height) == upright.size
    assert one.array.shape == (size[1], size[0], 3)
    assert np.abs(one.array.astype(int) - other.array).max() <= 4


def test_large_ones_are_decoded_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    convert = Image.Image.convert

    def noted(self: Image.Image, mode: str) -> Image.Image:
        decoded.append(self.size)
        return convert(self, mode)

    data = encoded(picture(3, LARGE).convert("L"), "JPEG")
    monkeypatch.setattr(Image.Image, "convert", noted)
    read(data, DISPLAY)
    assert decoded == [(LARGE[0] // 4, LARGE[1] // 4)]
    assert min(decoded[0]) >= DISPLAY.least_scale * max(SIZE)


@pytest.mark.parametrize("size", [(96, 80), LARGE], ids=["small", "large"])
def test_the_same_look_gives_the_same_pixels(size: tuple[int, int]) -> None:
    plain, wide = picture(5, size), wide_gamut()
    srgb = ImageCms.createProfile("sRGB")
    changed = ImageCms.profileToProfile(plain, srgb, wide, outputMode="RGB")
    assert changed is not None
    data = encoded(changed, "PNG", icc_profile=wide.tobytes())
    expected = read(encoded(plain, "PNG"), EXACT).array.astype(int)
    honoured = np.abs(read(data, DISPLAY).array - expected)
    assert honoured.mean() < 1
    assert honoured.max() <= 12  # where the numbers are smallest
    assert np.abs(read(data, EXACT).array - expected).mean() > 5


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile", id="damaged"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), id="other"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB"),
    ],
)
def test_a_profile_that_changes_nothing_changes_nothing(profile: bytes) -> None:
    data = encoded(picture(), "PNG", icc_profile=profile)
    assert np.array_equal(read(data, DISPLAY).array, read(data, EXACT).array)


@pytest.mark.parametrize("contract", [DISPLAY, EXACT], ids=lambda contract: contract.id)
def test_features_files_name_their_contract(contract: Contract, backbone: Backbone) -> None:
    fetched = [Fetched(Entry("file:///x", "b/1.png"), encoded(picture(), "PNG"))]
    outcome = featurize(fetched, backbone, Limits(), contract=contract)
    assert outcome.features.schema.metadata == {b"pixel_contract": contract.id.encode()}

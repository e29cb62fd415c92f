"""HEIC, JPEG XL and camera raw: the picture that a person sees, and never a thumbnail for it."""

from __future__ import annotations

import io
import random

import numpy as np
import pi_heif
import pillow_heif
import pillow_jxl
import pytest
from PIL import Image, ImageOps

from darkroom.images.contract import EXACT, Contract
from darkroom.images.jxl import size_of_jxl
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from tests.conftest import encoded, expected_pixels, picture
from tests.darkroom.images.test_reading import mutated
from tests.darkroom.images.tiffs import camera_raw, tiff

SIZE = (64, 64)
SMALL = Contract("small", 1, least_scale=2, honours_profiles=True)


def pixels(data: bytes, contract: Contract = SMALL) -> Pixels:
    outcome = read_image(data, SIZE, Limits(), contract)
    assert isinstance(outcome, Pixels), outcome
    return outcome


def rejection(data: bytes, limits: Limits | None = None, contract: Contract = SMALL) -> Rejection:
    outcome = read_image(data, SIZE, limits or Limits(), contract)
    assert isinstance(outcome, Rejection), outcome
    return outcome


# the one can write HEIC, the other is to read it here
pillow_heif.register_heif_opener()
pi_heif.register_heif_opener()


def heic(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "HEIF", quality=95, **options)


def jxl(image: Image.Image, **options: object) -> bytes:
    assert pillow_jxl
    return encoded(image, "JXL", **{"lossless": True, **options})


def turned(orientation: int) -> Image.Image:
    image = picture()
    image.getexif()[0x0112] = orientation
    return image


def near(got: Pixels, wanted: Image.Image, most: float = 3) -> bool:
    difference = got.array.astype(int) - expected_pixels(wanted).astype(int)
    return float(np.abs(difference).mean()) < most


def test_heic_is_read() -> None:
    image = picture(size=(200, 120))
    got = pixels(heic(image))
    assert near(got, image)
    assert (got.width, got.height, got.format, got.has_more) == (200, 120, "HEIC", False)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int) -> None:
    image = turned(orientation)
    assert near(pixels(heic(image)), ImageOps.exif_transpose(image))


def test_heic_of_ten_bits_is_read() -> None:
    greys = np.linspace(0, 65535, 128 * 96).reshape(96, 128).astype(np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (128, 96), np.stack([greys] * 3, axis=2).tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=95)
    assert near(pixels(buffer.getvalue()), Image.fromarray((greys >> 8).astype(np.uint8)))


def test_of_several_heic_images_the_primary_stands_for_the_file() -> None:
    images = [picture(1), picture(2)]
    data = heic(images[0], save_all=True, append_images=images[1:], primary_index=1)
    got = pixels(data)
    assert near(got, images[1])
    assert got.has_more


def test_heic_with_transparency_lies_on_white() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert (pixels(heic(image)).array > 250).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_xl_is_read(mode: str) -> None:
    image = picture().convert(mode)
    got = pixels(jxl(image))
    assert np.array_equal(got.array, expected_pixels(image.convert("RGB")))
    assert got.format == "JXL"


def test_jpeg_xl_that_was_a_jpeg_is_that_jpeg(tmp_path: object) -> None:
    path = f"{tmp_path}/turned.jpg"
    turned(6).save(path, exif=turned(6).getexif())
    with Image.open(path) as opened:
        data = encoded(opened, "JXL", lossless_jpeg=True)
    with open(path, "rb") as file:
        original = file.read()
    assert np.array_equal(pixels(data).array, pixels(original).array)


def test_jpeg_xl_with_transparency_lies_on_white() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert (pixels(jxl(image)).array == 255).all()


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (257, 256), (1600, 900), (8, 8)])
@pytest.mark.parametrize("boxed", [False, True], ids=["bare", "boxed"])
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(
    size: tuple[int, int], boxed: bool
) -> None:
    data = jxl(picture(size=size), use_container=boxed, lossless=False)
    assert size_of_jxl(data) == size
    assert rejection(data, Limits(max_pixels=10)).reason == "too_many_pixels"


@pytest.mark.parametrize("tags", [{}, {274: 6}, {274: 8}, {274: 3}], ids=["", "6", "8", "3"])
def test_a_raw_files_full_picture_is_read_not_its_thumbnail(tags: dict[int, int]) -> None:
    image = picture(3, size=(192, 128))
    got = pixels(camera_raw(picture(1, size=(48, 32)), image, (192, 128), tags))
    expected = image.copy()
    expected.getexif()[274] = tags.get(274, 1)
    assert near(got, ImageOps.exif_transpose(expected), 6)
    assert got.format == "RAW"


def test_a_raw_file_with_a_thumbnail_alone_says_what_to_do() -> None:
    thumbnail = picture(1, size=(48, 32))
    told = rejection(camera_raw(thumbnail, None, (192, 128)))
    assert told.reason == "unsupported_mode"
    assert "48 x 32" in told.detail
    assert "export" in told.detail


def test_exactly_decoded_is_no_preview_that_is_smaller_than_the_photograph() -> None:
    data = camera_raw(picture(1, size=(48, 32)), picture(3, size=(192, 128)), (384, 256))
    assert pixels(data).width == 192
    assert rejection(data, contract=EXACT).reason == "unsupported_mode"


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({254: 1, 330: 8}, id="preview-and-another"),
        pytest.param({50706: 0x01040000}, id="dng"),
        pytest.param({262: 32803}, id="sensor"),
    ],
)
def test_what_libraw_does_not_know_is_not_taken_for_a_photograph(tags: dict[int, int]) -> None:
    told = rejection(tiff(np.zeros((30, 40), np.uint8), dict(tags)))
    assert told.reason in ("unsupported_mode", "decode_error")


@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize("name", ["HEIC", "boxed JXL", "RAW"])
def test_what_ends_early_is_called_so(name: str, share: float) -> None:
    image = picture(5, size=(192, 128))
    data = {"HEIC": heic(image), "boxed JXL": jxl(image, use_container=True),
            "RAW": camera_raw(picture(size=(48, 32)), image, (192, 128))}[name]  # fmt: skip
    assert rejection(data[: int(len(data) * share)]).reason == "truncated"


@pytest.mark.parametrize("name", ["HEIC", "JXL", "RAW"])
def test_mutated_files_end_in_pixels_or_a_reason(name: str) -> None:
    image = picture(5)
    data = {"HEIC": heic(image), "JXL": jxl(image),
            "RAW": camera_raw(picture(size=(48, 32)), image, (192, 128))}[name]  # fmt: skip
    source = random.Random(20261126)
    outcomes = [read_image(mutated(data, source), SIZE, Limits(), SMALL) for _ in range(40)]
    assert any(isinstance(outcome, Rejection) for outcome in outcomes)

"""Files of many kinds: what is read gives its pixels, what is not says so, and what to do."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from darkroom.images.backbone import Backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from darkroom.images.recognising import kind_of, looks_like_image
from darkroom.manifest import Entry
from tests.conftest import encoded, expected_pixels, picture
from tests.darkroom.images.tiffs import FORMAT, PHOTOMETRIC, tiff

SIZE = (64, 64)
RAMP = np.linspace(0, 255, 40 * 30).reshape(30, 40).astype(np.uint8)


def read(data: bytes) -> Pixels | Rejection:
    return read_image(data, SIZE, Limits())


def pixels(data: bytes) -> np.ndarray:
    outcome = read(data)
    assert isinstance(outcome, Pixels), outcome
    return outcome.array


def rejection(data: bytes) -> Rejection:
    outcome = read(data)
    assert isinstance(outcome, Rejection)
    return outcome


def png(*extra: tuple[bytes, bytes], image: Image.Image | None = None) -> bytes:
    """With chunks before its pixels."""
    data = encoded(image or picture(), "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + b"".join(chunk(kind, body) for kind, body in extra) + data[at:]


def chunk(kind: bytes, body: bytes) -> bytes:
    checked = kind + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))


@pytest.mark.parametrize("name", ["JPEG2000", "PPM", "ICO", "AVIF"])
def test_more_formats_are_read(name: str) -> None:
    image = picture(size=(64, 48)) if name == "ICO" else picture()
    options = {"sizes": [(64, 48)]} if name == "ICO" else {}
    data = encoded(image, name, **options)
    assert kind_of(data) == name
    assert np.array_equal(
        pixels(data), expected_pixels(Image.open(io.BytesIO(data)).convert("RGB"))
    )


@pytest.mark.parametrize("plain", ["L", "1"])
def test_portable_maps_of_each_kind_are_read(plain: str) -> None:
    image = picture().convert(plain)
    assert np.array_equal(pixels(encoded(image, "PPM")), expected_pixels(image))


@pytest.mark.parametrize("samples", [1, 3])
def test_tiffs_with_long_offsets_are_read(samples: int) -> None:
    shades = RAMP if samples == 1 else np.stack([RAMP, RAMP[::-1], RAMP], axis=2)
    assert np.array_equal(pixels(tiff(shades, {}, big=True)), pixels(tiff(shades, {})))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(b"zTXt", b"a\0\0" + zlib.compress(bytes(6_000_000)), id="comment"),
        pytest.param(
            b"iTXt",
            b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 6_000_000),
            id="xmp",
        ),
        pytest.param(b"iCCP", b"a\0\0" + zlib.compress(bytes(6_000_000)), id="profile"),
    ],
)
def test_metadata_of_any_size_says_nothing_about_the_pixels(kind: bytes, body: bytes) -> None:
    assert np.array_equal(pixels(png((kind, body))), pixels(png()))


def test_a_profile_as_photoshop_writes_it_is_no_reason_to_drop_it() -> None:
    data = png((b"iCCP", b"a\0\0" + zlib.compress(bytes(2_000_000))))
    assert np.array_equal(pixels(data), pixels(png()))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [12, 16])
def test_greys_are_read_by_their_real_range(kind: str, bits: int) -> None:
    greys = RAMP.astype(np.uint16) * (257 if bits == 16 else 16) + (0 if bits == 16 else 15)
    data = encoded(Image.fromarray(greys), kind)
    difference = pixels(data).astype(int) - pixels(encoded(Image.fromarray(RAMP), kind))
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("bits", [12, 16])
def test_colours_are_read_by_their_real_range(bits: int) -> None:
    shades = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(RAMP.shape)], axis=2)
    deep = shades.astype(np.uint16) * (257 if bits == 16 else 16)
    difference = pixels(tiff(deep, {})).astype(int) - pixels(tiff(shades, {}))
    assert np.abs(difference).max() <= (1 if bits == 16 else 17)  # of twelve, four are left


def test_a_transparent_shade_of_sixteen_bits_is_white() -> None:
    greys = RAMP.astype(np.uint16) * 257
    greys[:10] = 777
    clear = pixels(png((b"tRNS", struct.pack(">H", 777)), image=Image.fromarray(greys)))
    eight = (greys >> 8).astype(np.uint8)
    eight[:10] = 255
    assert np.array_equal(clear, pixels(encoded(Image.fromarray(eight), "PNG")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8", "16"])
def test_white_may_be_zero(dtype: type[np.generic]) -> None:
    greys = (65535 - RAMP.astype(np.uint16) * 257) if dtype is np.uint16 else 255 - RAMP
    assert np.array_equal(
        pixels(tiff(greys.astype(dtype), {PHOTOMETRIC: 0})), pixels(tiff(RAMP, {}))
    )


@pytest.mark.parametrize(
    ("shape", "dtype", "form", "words"),
    [
        ((30, 40, 5), np.uint8, 1, "TIFF of 5 samples of 8 bits"),
        ((30, 40, 2), np.uint16, 1, "TIFF of 2 samples of 16 bits"),
        ((30, 40), np.float64, 3, "TIFF of 1 floating-point samples of 64 bits"),
        ((30, 40, 3), np.float32, 3, "TIFF of 3 floating-point samples of 32 bits"),
    ],
    ids=["five-bands", "two-channels", "double", "floating-rgb"],
)
def test_sound_tiffs_of_unknown_kinds_are_not_called_damaged(
    shape: tuple[int, ...], dtype: type[np.generic], form: int, words: str
) -> None:
    samples = shape[2] if len(shape) == 3 else 1
    told = rejection(tiff(np.zeros(shape, dtype), {FORMAT: [form] * samples}))
    assert told.reason == "unsupported_mode"
    assert told.detail.startswith(words)
    assert "save as" in told.detail


def test_a_damaged_tiff_is_called_so() -> None:
    data = bytearray(tiff(RAMP, {}))
    data[-60:-4] = bytes(56)
    told = rejection(bytes(data))
    assert (told.reason, told.detail) == ("decode_error", "damaged TIFF header")


@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize("name", ["TIFF", "JPEG2000", "AVIF", "PPM"])
def test_what_ends_early_is_called_so(name: str, share: float) -> None:
    data = encoded(picture(size=(300, 200)), name)
    assert rejection(data[: int(len(data) * share)]).reason == "truncated"


def test_the_first_of_a_tiffs_pages_stands_for_it() -> None:
    pages = [picture(1), picture(2)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert np.array_equal(pixels(data), expected_pixels(pages[0]))


FOREIGN = {
    "drawing.svg": b"<?xml version='1.0'?>\n<svg xmlns='x'></svg>",
    "photos.zip": b"PK\3\4" + bytes(50),
    "film.MOV": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "scan.pdf": b"%PDF-1.7",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_whatever_is_called_or_starts_like_a_picture_gets_a_row(
    name: str, backbone: Backbone
) -> None:
    assert looks_like_image(name, FOREIGN[name])
    outcome = featurize(
        [Fetched(Entry("file:///x", f"b/{name}"), FOREIGN[name])], backbone, Limits()
    )
    (row,) = outcome.rejected.to_pylist()
    assert row["reason"] == "unsupported_mode"
    assert any(word in row["detail"] for word in ("save as", "export", "unpack", "extract"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("IMG_1.CR3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
        ("IMG_2.RAF", b"FUJIFILMCCD-RAW 0201"),
        ("IMG_3.heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
        ("naked.jxl", b"\xff\x0a" + bytes(50)),
        ("boxed.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50)),
    ],
)
def test_what_is_but_a_header_is_damaged(name: str, data: bytes) -> None:
    assert looks_like_image("a.bin", data)
    assert rejection(data).reason in ("decode_error", "truncated")


@pytest.mark.parametrize("name", ["a.bin", "IMG_1"])
def test_recognised_by_its_bytes_alone(name: str) -> None:
    assert looks_like_image(name, encoded(picture(), "JPEG2000"))
    assert not looks_like_image(name, b"PK\3\4" + bytes(50))

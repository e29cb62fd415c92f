import io
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image, ImageFile

from darkroom.images import thumbnails
from darkroom.images.backbone import Backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from darkroom.images.thumbnails import SIDE, thumbnail, thumbnail_of_truncated
from darkroom.manifest import Entry
from tests.conftest import encoded, jpeg, picture


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((400, 200), (SIDE, SIDE // 2), id="wide"),
        pytest.param((200, 400), (SIDE // 2, SIDE), id="high"),
        pytest.param((5000, 1), (SIDE, 1), id="a line"),
        pytest.param((20, 10), (20, 10), id="smaller than a thumbnail"),
    ],
)
def test_a_thumbnail_has_the_proportions_of_its_image(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    square = np.asarray(picture().resize((64, 64)))
    assert opened(thumbnail(Pixels(square, *size, "JPEG"))).size == expected


def test_a_thumbnail_shows_its_image() -> None:
    image = picture()
    small = opened(thumbnail(Pixels(np.asarray(image.resize((64, 64))), *image.size, "JPEG")))
    wanted = np.asarray(image.resize(small.size), np.float32)
    assert np.abs(np.asarray(small, np.float32) - wanted).mean() < 12


def test_a_truncated_image_shows_as_far_as_it_goes() -> None:
    data = jpeg()
    small = thumbnail_of_truncated(data[: len(data) * 2 // 3], Limits())
    assert small is not None
    assert opened(small).width > 1
    assert not ImageFile.LOAD_TRUNCATED_IMAGES  # or the next truncated image would be accepted


def test_other_threads_reject_truncated_images_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = jpeg()[:-200]
    encode, seen = thumbnails._encoded, []

    def meanwhile(*words: Any) -> bytes:
        with ThreadPoolExecutor(1) as other:
            seen.append(other.submit(read_image, cut, (64, 64), Limits()).result())
        return encode(*words)

    monkeypatch.setattr(thumbnails, "_encoded", meanwhile)
    assert thumbnail_of_truncated(cut, Limits()) is not None
    assert [outcome.reason for outcome in seen] == ["truncated"]


def test_more_pixels_than_the_limit_are_not_decoded_for_a_thumbnail() -> None:
    """A chunk that is cut off before the size could be checked."""
    data = encoded(picture().resize((300, 300)), "PNG")
    header = data[:33]  # signature and IHDR
    chunk = b"pHYs" + b"\0\0"
    damaged = header + struct.pack(">I", 2) + chunk + struct.pack(">I", crc32(chunk)) + data[33:]
    small = Limits(max_pixels=100)
    outcome = read_image(damaged, (64, 64), small)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "truncated"
    assert thumbnail_of_truncated(damaged, small) is None
    assert thumbnail_of_truncated(damaged, Limits()) is not None


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\nIHDR"])
def test_nothing_can_be_shown_of_a_bare_header(data: bytes) -> None:
    assert thumbnail_of_truncated(data, Limits()) is None


def test_a_part_keeps_a_thumbnail_of_each_image_that_has_one(backbone: Backbone) -> None:
    good, bad = jpeg(), b"not a picture"
    files = {"b/good.jpg": good, "b/cut.jpg": good[: len(good) // 2], "b/bad.jpg": bad,
             "b/gif.gif": encoded(picture(), "GIF")}  # fmt: skip
    fetched = [Fetched(Entry("s3://u", key), data) for key, data in files.items()]
    outcome = featurize(fetched, backbone, Limits())
    kept = outcome.thumbnails.to_pylist()
    assert [row["path"] for row in kept] == ["b/good.jpg", "b/cut.jpg", "b/gif.gif"]
    assert kept[0]["content_sha256"] == outcome.features["content_sha256"][0].as_py()
    assert featurize(fetched, backbone, Limits(), thumbnails=False).thumbnails.num_rows == 0

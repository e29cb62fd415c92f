import hashlib
import io
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.erasure.block_list import BlockList
from darkroom.images.backbone import Backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from darkroom.images.recognising import looks_like_image
from darkroom.manifest import Entry
from tests.conftest import encoded, expected_pixels, jpeg, picture

SIZE = (64, 64)


def read(data: bytes, limits: Limits | None = None) -> Pixels | Rejection:
    return read_image(data, SIZE, limits or Limits())


def rejected(data: bytes, limits: Limits | None = None) -> str:
    outcome = read(data, limits)
    assert isinstance(outcome, Rejection), "the image was accepted"
    return outcome.reason


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_gives_the_pixels_of_a_full_decode_and_bicubic(name: str) -> None:
    data = encoded(picture(), name)
    outcome = read(data)
    assert isinstance(outcome, Pixels)
    assert outcome.format == name
    assert (outcome.width, outcome.height) == (96, 80)
    assert np.array_equal(outcome.array, expected_pixels(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: image.convert("L"), id="greyscale"),
        pytest.param(lambda image: image.convert("1"), id="bilevel"),
        pytest.param(lambda image: image.quantize(32), id="palette"),
        pytest.param(lambda image: image.convert("CMYK"), id="cmyk"),
    ],
)
def test_modes_become_rgb(change: Callable[[Image.Image], Image.Image]) -> None:
    image = change(picture())
    data = encoded(image, "TIFF")
    outcome = read(data)
    assert isinstance(outcome, Pixels)
    assert np.array_equal(outcome.array, expected_pixels(image))


def test_alpha_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    outcome = read(encoded(clear, "PNG"))
    assert isinstance(outcome, Pixels)
    assert (outcome.array == 255).all()


def test_a_transparent_palette_colour_is_white() -> None:
    image = Image.new("P", (40, 40), 3)
    outcome = read(encoded(image, "GIF", transparency=3))
    assert isinstance(outcome, Pixels)
    assert (outcome.array == 255).all()


def test_sixteen_bits_keep_their_upper_eight() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    outcome = read(encoded(Image.fromarray(ramp), "PNG"))
    assert isinstance(outcome, Pixels)
    assert np.array_equal(outcome.array[:, :, 0], (ramp >> 8).astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), "JPEG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    outcome = read(data)
    assert isinstance(outcome, Pixels)
    assert (outcome.width, outcome.height) == upright.size
    assert np.array_equal(outcome.array, expected_pixels(upright))


def test_damaged_exif_does_not_cost_the_image() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert isinstance(read(data), Pixels)


def test_first_frame_of_an_animation() -> None:
    frames = [picture(1).quantize(16), picture(2).quantize(16)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    outcome = read(data)
    assert isinstance(outcome, Pixels)
    assert np.array_equal(outcome.array, expected_pixels(frames[0]))


def test_the_bytes_decide_not_the_ending() -> None:
    assert looks_like_image("holiday.txt", jpeg())
    assert isinstance(read(jpeg()), Pixels)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        pytest.param(".DS_Store", b"\0\0\0\1Bud1", id="ds-store"),
        pytest.param("Thumbs.db", b"\xd0\xcf\x11\xe0", id="thumbs-db"),
        pytest.param("_READY", b"", id="marker"),
        pytest.param("notes.txt", b"BMW is a car", id="text-that-starts-like-a-bmp"),
    ],
)
def test_files_that_are_no_images_by_ending_and_bytes(path: str, data: bytes) -> None:
    assert not looks_like_image(path, data)


@pytest.mark.parametrize(
    ("reason", "data", "limits"),
    [
        pytest.param("empty", b"", None, id="empty"),
        pytest.param("not_an_image", b"GIF is no magic", None, id="not_an_image"),
        pytest.param("truncated", jpeg()[:-900], None, id="truncated-jpeg"),
        pytest.param("truncated", encoded(picture(), "PNG")[:-300], None, id="truncated-png"),
        pytest.param("truncated", encoded(picture(), "WEBP")[:-100], None, id="truncated-webp"),
        pytest.param("truncated", encoded(picture(), "GIF")[:-900], None, id="truncated-gif"),
        pytest.param("truncated", encoded(picture(), "BMP")[:-900], None, id="truncated-bmp"),
        pytest.param("too_many_pixels", jpeg(), Limits(max_pixels=7679), id="too_many_pixels"),
        pytest.param("too_large", jpeg(), Limits(max_bytes=100), id="too_large"),
        pytest.param(
            "unsupported_mode",
            encoded(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"),
            None,
            id="floating-point",
        ),
        pytest.param("decode_error", b"\x89PNG\r\n\x1a\n" + b"\7" * 99, None, id="decode_error"),
    ],
)
def test_reasons(reason: str, data: bytes, limits: Limits | None) -> None:
    assert rejected(data, limits) == reason


def test_an_image_just_within_the_limits_is_taken() -> None:
    limits = Limits(max_bytes=len(jpeg()), max_pixels=96 * 80)
    assert isinstance(read(jpeg(), limits), Pixels)


def _png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    packer = zlib.compressobj(9)
    row = b"\0" + b"\0" * side
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def read_in_a_process(path: Path, attribute: str) -> list[str]:
    """An attribute of the outcome, and the peak memory in MB of a process that just reads."""
    program = (
        "import resource, sys; from darkroom.images.reading import *\n"
        "outcome = read_image(open(sys.argv[1], 'rb').read(), (224, 224), Limits())\n"
        f"print(outcome.{attribute}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_decompression_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(_png_bomb(30_000))
    reason, megabytes = read_in_a_process(bomb, "reason")
    assert reason == "too_many_pixels"
    assert int(megabytes) < 1000


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_largest_image_that_is_taken_needs_less_than_a_gigabyte(
    mode: str, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    Image.new(mode, (8000, 8000)).save(path, compress_level=1)
    width, megabytes = read_in_a_process(path, "width")
    assert width == "8000"
    assert int(megabytes) < 1000


def mutated(data: bytes, random_: random.Random) -> bytes:
    """`data` with bytes changed, cut out, repeated or cut off."""
    damaged = bytearray(data)
    for _ in range(random_.randint(1, 12)):
        at = random_.randrange(len(damaged))
        damaged[at] = random_.randrange(256)
    kind = random_.randrange(4)
    at = random_.randrange(len(damaged))
    if kind == 1:
        del damaged[at : at + random_.randint(1, 200)]
    elif kind == 2:
        damaged[at:at] = damaged[: random_.randint(1, 200)]
    elif kind == 3:
        del damaged[at:]
    return bytes(damaged)


def test_six_hundred_mutated_files_end_in_pixels_or_a_reason() -> None:
    source = random.Random(20261122)
    outcomes = []
    for name in ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]:
        original = encoded(picture(5), name)
        outcomes += [read(mutated(original, source)) for _ in range(100)]
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    assert len(outcomes) == 600
    assert 100 < len(rejections) < 600
    assert all(isinstance(outcome, Pixels | Rejection) for outcome in outcomes)


def test_nothing_of_exif_and_gps_gets_into_a_row(backbone: Backbone) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x013B] = "Jane Doe"
    exif.get_ifd(0x8825)[1] = "N52.51"
    good = encoded(picture(), "JPEG", exif=exif)
    fetched = [
        Fetched(Entry("file:///x", f"b/{name}.jpg"), data)
        for name, data in (("good", good), ("bad", good[:400]))
    ]
    outcome = featurize(fetched, backbone, Limits())
    assert (outcome.features.num_rows, outcome.rejected.num_rows) == (1, 1)
    told = repr([outcome.features.to_pylist(), outcome.rejected.to_pylist()])
    assert not any(secret in told for secret in ("SecretCamera", "Jane", "N52"))


def test_an_erased_content_is_rejected_and_its_digest_not_kept(backbone: Backbone) -> None:
    digest = hashlib.sha256(jpeg(1)).hexdigest()
    blocked = BlockList("ab" * 32).with_contents("request", [digest])
    fetched = [Fetched(Entry("file:///x", f"b/{n}.jpg"), jpeg(n)) for n in (1, 2)]
    outcome = featurize(fetched, backbone, Limits(), blocked)
    assert outcome.features["path"].to_pylist() == ["b/2.jpg"]
    (row,) = outcome.rejected.to_pylist()
    assert (row["path"], row["reason"], row["content_sha256"]) == ("b/1.jpg", "erased", None)

"""Large pictures of other formats: how fast, and in how much memory.

python -m benchmarks.formats [--photos FOLDER] [--images N]
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
import pillow_heif
from PIL import Image

from benchmarks.memory import peak_megabytes
from benchmarks.photographs import enlarged
from benchmarks.pictures import photographs_in
from benchmarks.record import save
from cli.on_this_machine.home import ensure_model
from darkroom.images.backbone import Backbone, load_backbone
from darkroom.images.decoder import Decoder
from darkroom.images.decoder_process import Wanted
from darkroom.images.outcome import Limits, Pixels

METHOD = """\
Photographs enlarged (bicubic) and encoded again: HEIC (quality 80) of 12 megapixels, PNG of 24.
Images/s of one task on one core: decoded in its process, one after another, and embedded. Peak
memory: VmHWM of each of four decoders that read pictures of 50 megapixels at the same time, the
highest of them; MB."""
_TASKS = 4
_LARGEST = (8640, 5760)
_SIZES = {"heic": (4032, 3024), "png": (6000, 4000)}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    pillow_heif.register_heif_opener()
    with Image.open(io.BytesIO(enlarged(photographs_in(options.photos)[0]))) as image:
        picture = image.convert("RGB")
    backbone = load_backbone(ensure_model().path.read_bytes())
    numbers: dict[str, object] = {"images": options.images, "tasks_at_once": _TASKS}
    for name, size in _SIZES.items():
        data = ENCODERS[name](picture.resize(size))
        numbers[f"{name}_images_per_second"] = rate(data, options.images, backbone)
    largest = picture.resize(_LARGEST)
    for name, encode in ENCODERS.items():
        numbers[f"{name}_of_50_megapixels_peak_mb"] = peak(encode(largest), backbone)
    save("formats", METHOD, numbers)


def _encoder(name: str, mode: str = "RGB", **options: object) -> Callable[[Image.Image], bytes]:
    def encode(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, name, **options)
        return buffer.getvalue()

    return encode


ENCODERS = {
    "jpeg": _encoder("JPEG", quality=90),
    "heic": _encoder("HEIF", quality=80),
    "png": _encoder("PNG", compress_level=1),
    "transparent_png": _encoder("PNG", "RGBA", compress_level=1),
}


def rate(data: bytes, images: int, backbone: Backbone) -> float:
    """Images/s of one task."""
    wanted = Wanted(backbone.size, Limits())
    with _running() as mine:
        _pixels(mine, data, wanted)
        began = perf_counter()
        for _ in range(images):
            backbone.embed(_pixels(mine, data, wanted).array[None])
        return round(images / (perf_counter() - began), 2)


def peak(data: bytes, backbone: Backbone) -> int:
    """The highest resident memory of four decoders at once, MB."""
    wanted = Wanted(backbone.size, Limits(max_bytes=1 << 30))

    def read(_: int) -> int:
        with _running() as mine:
            _pixels(mine, data, wanted)
            return peak_megabytes(Path(f"/proc/{mine.pid}"))

    with ThreadPoolExecutor(_TASKS) as pool:
        return max(pool.map(read, range(_TASKS)))


@contextmanager
def _running() -> Iterator[Decoder]:
    mine = Decoder()
    try:
        yield mine
    finally:
        mine.close()


def _pixels(mine: Decoder, data: bytes, wanted: Wanted) -> Pixels:
    outcome = mine.decode(data, wanted).outcome
    assert isinstance(outcome, Pixels), outcome
    assert np.any(outcome.array)
    return outcome


if __name__ == "__main__":
    main()

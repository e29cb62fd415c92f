"""Pictures to try Darkroom on: crops of real photographs, copies of a folder, broken files."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from darkroom.images.recognising import IMAGE_ENDINGS

DEMO_CROPS = 25
CROP_PIXELS = (320, 256)


def shipped_photographs() -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of the colour photographs inside scikit-image and scikit-learn."""
    import skimage
    from sklearn.datasets import load_sample_images

    folder = Path(skimage.__file__).parent / "data"
    names = [
        "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
        "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "page.png",
        "retina.jpg", "rocket.jpg",
    ]  # fmt: skip
    for name in names:
        if (folder / name).is_file():
            yield name.split(".")[0], Image.open(folder / name).convert("RGB")
    sample = load_sample_images()
    for path, pixels in zip(sample.filenames, sample.images, strict=True):
        yield Path(path).stem, Image.fromarray(pixels)


def demo_folder(target: Path) -> None:
    """Several hundred crops (label: the photograph they come from), and a few broken files."""
    for name, photograph in shipped_photographs():
        random = np.random.default_rng(len(name))
        (target / name).mkdir(parents=True, exist_ok=True)
        for number in range(DEMO_CROPS):
            piece = crop(photograph, random)
            piece.save(target / name / f"{number}.jpg", quality=90)
    _add_broken_files(target)


def crop(photograph: Image.Image, random: np.random.Generator) -> Image.Image:
    """A piece of a third to all of the picture's width."""
    width = int(photograph.width * random.uniform(0.35, 1))
    height = min(photograph.height, int(width * CROP_PIXELS[1] / CROP_PIXELS[0]))
    left = int(random.integers(0, photograph.width - width + 1))
    top = int(random.integers(0, photograph.height - height + 1))
    piece = photograph.crop((left, top, left + width, top + height))
    return piece.resize(CROP_PIXELS)


def _add_broken_files(target: Path) -> None:
    broken = target / "broken"
    broken.mkdir(exist_ok=True)
    whole = next(target.glob("*/0.jpg")).read_bytes()
    (broken / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (broken / "empty.jpg").write_bytes(b"")
    (broken / "letter.jpg").write_bytes(b"Dear Sir or Madam,")
    (broken / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\7" * 500)
    (target / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def photographs_in(folder: Path | None) -> list[bytes]:
    """The pictures in a folder, or demo crops where none is given, as files' bytes."""
    if folder is None:
        folder = Path(".bench/crops")
        if not folder.is_dir():
            demo_folder(folder)
            shutil.rmtree(folder / "broken")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
    if not paths:
        raise SystemExit(f"there are no pictures in {folder}")
    return [path.read_bytes() for path in paths]


def repeated(pictures: list[bytes], count: int, target: Path) -> list[Path]:
    """`count` files in `target`, the pictures again and again, no two with the same bytes."""
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        path = target / f"{number // 1000:03}" / f"{number}.jpg"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(pictures[number % len(pictures)] + number.to_bytes(4, "big"))
        paths.append(path)
    return paths


def main() -> None:
    """`python -m benchmarks.pictures TARGET`: the demo's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    demo_folder(parser.parse_args().target)


if __name__ == "__main__":
    main()

"""What it costs to decode large JPEGs only as far as the network needs, and what it changes.

python -m benchmarks.decoding --photos FOLDER [--images N]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.photographs import enlarged
from benchmarks.pictures import photographs_in
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model
from darkroom.images.backbone import Backbone, load_backbone
from darkroom.images.contract import DISPLAY
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image

SCALES = (1, 2, 3, 4, 0)  # 0: every pixel is decoded
NEIGHBOURS = 10
METHOD = """\
Photographs as cameras write them: those of the folder, and then their quarters, scaled to 12
megapixels (bicubic) and saved as JPEG of quality 90. Each is read at each multiple of the network's
input, one after another on one core, in turns; then embedded by MobileNetV2. Cosines and the ten
nearest neighbours of each image are compared with those of the full decode; milliseconds, with
embedding, are medians."""


def main() -> None:
    """Measure each multiple against the full decode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    backbone = load_backbone(ensure_model().path.read_bytes())
    vectors: dict[int, list[NDArray[np.float32]]] = {scale: [] for scale in SCALES}
    seconds: dict[int, list[float]] = {scale: [] for scale in SCALES}
    pictures = photographs_in(options.photos)
    for number in range(options.images):
        data = enlarged(pictures[number % len(pictures)], number // len(pictures))
        for scale in SCALES:
            began = perf_counter()
            vectors[scale].append(_features(data, scale, backbone))
            seconds[scale].append(perf_counter() - began)
    whole = _unit(vectors[0])
    numbers: dict[str, object] = {"images": len(whole), "neighbours": NEIGHBOURS}
    for scale in SCALES:
        numbers[f"at_{scale}"] = _compared(_unit(vectors[scale]), whole) | {
            "milliseconds": round(1000 * middle(seconds[scale]), 1)
        }
    save("decoding", METHOD, numbers)


def _features(data: bytes, scale: int, backbone: Backbone) -> NDArray[np.float32]:
    outcome = read_image(data, backbone.size, Limits(), replace(DISPLAY, least_scale=scale))
    assert isinstance(outcome, Pixels)
    return np.asarray(backbone.embed(outcome.array[None])[0])


def _unit(vectors: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    stacked = np.stack(vectors).astype(np.float64)
    return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True))


def _compared(vectors: NDArray[np.float64], whole: NDArray[np.float64]) -> dict[str, float]:
    cosines = (vectors * whole).sum(axis=1)
    same = [len(set(one) & set(other)) for one, other in
            zip(_nearest(vectors), _nearest(whole), strict=True)]  # fmt: skip
    return {
        "mean_cosine": round(float(cosines.mean()), 6),
        "least_cosine": round(float(cosines.min()), 6),
        "neighbours_kept_share": round(float(np.mean(same)) / NEIGHBOURS, 4),
    }


def _nearest(vectors: NDArray[np.float64]) -> list[list[int]]:
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    return [list(row) for row in np.argsort(-likeness, axis=1)[:, :NEIGHBOURS]]


if __name__ == "__main__":
    main()

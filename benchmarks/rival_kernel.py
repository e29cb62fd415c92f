"""What the rivals share: network, PCA, and a decoder for where their own is not meant. Without
Spark, and without Darkroom's decoders, which they do not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from darkroom.coordinates import pca
from darkroom.coordinates.statistics import statistics_of
from darkroom.images.backbone import load_backbone

EMBED_BATCH = 8
WORKERS = 2
SIDE = 224  # pixels of the network's input


def decoded_by_pillow(path: str) -> NDArray[np.uint8]:
    """As Keras' `load_img` does, with the filter that Darkroom has."""
    with Image.open(path) as image:
        scaled = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return np.asarray(scaled)


class Kernel:
    """Pixels to features, eight images at a time."""

    def __init__(self, model: str) -> None:
        self._backbone = load_backbone(Path(model).read_bytes())

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(n, 224, 224, 3) uint8` to `(n, d) float32`."""
        starts = range(0, len(images), EMBED_BATCH)
        return np.concatenate(
            [self._backbone.embed(images[at : at + EMBED_BATCH]) for at in starts]
        )


def reduce_features(out: Path) -> None:
    """Read the features back, fit, and write the coordinates."""
    table = pq.read_table(out / "Results")
    column = table["features"].combine_chunks()
    storage = getattr(column, "storage", column)  # Ray writes tensors as a type of its own
    vectors = storage.flatten().to_numpy().reshape(len(column), -1)
    coordinates = pca.fit(statistics_of(vectors)).project(vectors)
    (out / "Results_PCA").mkdir(parents=True)
    placed = pa.table({"path": table["path"], "pca": list(coordinates)})
    pq.write_table(placed, out / "Results_PCA" / "part-0.parquet")

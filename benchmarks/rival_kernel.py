"""What the rivals share with Darkroom: decoder, model, PCA. Runs without Spark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkroom.coordinates import pca
from darkroom.coordinates.statistics import statistics_of
from darkroom.images.backbone import load_backbone
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image

EMBED_BATCH = 8
WORKERS = 2


class Kernel:
    """Paths to features, eight images at a time."""

    def __init__(self, model: str) -> None:
        self._backbone = load_backbone(Path(model).read_bytes())

    def embed(self, paths: list[str]) -> NDArray[np.float32]:
        """`n` paths to `(n, d) float32`."""
        return np.concatenate(
            [
                self._backbone.embed(np.stack([self._pixels(path) for path in paths[at : at + 8]]))
                for at in range(0, len(paths), EMBED_BATCH)
            ]
        )

    def _pixels(self, path: str) -> NDArray[np.uint8]:
        outcome = read_image(Path(path).read_bytes(), self._backbone.size, Limits())
        if not isinstance(outcome, Pixels):
            raise ValueError(f"{path}: {outcome.reason}")
        return outcome.array


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

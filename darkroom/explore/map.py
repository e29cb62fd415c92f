"""The map: images as points of their first principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.explore.images import Points
from darkroom.explore.sample import smallest_contents

MOST_POINTS = 50_000
RULE = "the images whose content has the smallest SHA-256"


@dataclass(frozen=True)
class File:
    """A Parquet file of a run, by its name without the ending."""

    batch: str
    run: int
    part: str


@dataclass(frozen=True)
class Map:
    """Points for drawing. `coordinates` is `(n, components) float32`; `label` and `file` are the
    positions of each point's in `labels` and `files`; `total` images were there to choose from."""

    total: int
    coordinates: NDArray[np.float32]
    paths: list[str]
    labels: list[str]
    label: list[int]
    files: list[File]
    file: list[int]


def make_map(points: Sequence[Points], components: int, most: int = MOST_POINTS) -> Map:
    """The runs' images in their first components; of more than `most`, those of `RULE`."""
    points = [run for run in points if len(run)]
    if not points:
        return Map(0, np.zeros((0, components), np.float32), [], [], [], [], [])
    chosen = smallest_contents(points, most)
    rows = pa.concat_tables([run.rows.select(["path", "label"]) for run in points]).take(chosen)
    labels = rows["label"].combine_chunks().dictionary_encode()
    starts = np.cumsum([0, *(len(run.parts) for run in points)])
    parts = [run.part_numbers + start for run, start in zip(points, starts, strict=False)]
    return Map(
        sum(len(run) for run in points),
        np.concatenate([run.vectors[:, :components] for run in points])[chosen],
        rows["path"].to_pylist(),
        labels.dictionary.to_pylist(),
        labels.indices.to_pylist(),
        [File(run.run.batch, run.run.number, part) for run in points for part in run.parts],
        np.concatenate(parts)[chosen].tolist(),
    )

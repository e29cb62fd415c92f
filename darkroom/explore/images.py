"""Images as points: a run's coordinates with what each point is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from darkroom.coordinates.vectors import vectors_of
from darkroom.layout import Run
from darkroom.storage.parquet import from_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_COLUMNS = ["path", "label", "content_sha256", "pca"]
_FILES_AHEAD = 16
ROWS = pa.schema({"path": pa.string(), "label": pa.string(), "content_sha256": pa.string()})


@dataclass(frozen=True)
class Image:
    """One processed image, and the Parquet file (`part`, without its ending) that its row is in."""

    batch: str
    run: int
    part: str
    path: str
    label: str


@dataclass(frozen=True)
class Points:
    """The images of one run, in stored order. `rows` has the columns `path`, `label` and
    `content_sha256`, `vectors` is `(n, k) float32`; the first of `counts` rows are of the first of
    `parts`, and so on."""

    run: Run
    rows: pa.Table
    vectors: NDArray[np.float32]
    parts: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def size_bytes(self) -> int:
        """What it takes of memory."""
        return int(self.vectors.nbytes + self.rows.nbytes)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """The row after the last of each part."""
        return np.cumsum(self.counts)

    @property
    def part_numbers(self) -> NDArray[np.int32]:
        """For each image, the position of its file in `parts`: `(n,) int32`."""
        return np.repeat(np.arange(len(self.parts), dtype=np.int32), self.counts)

    def image(self, row: int) -> Image:
        """What a point is called."""
        path, label = (self.rows[name][row].as_py() for name in ("path", "label"))
        part = self.parts[int(np.searchsorted(self._ends, row, side="right"))]
        return Image(self.run.batch, self.run.number, part, path, label)

    def content(self, row: int) -> str:
        """The SHA-256 of an image's bytes."""
        return str(self.rows["content_sha256"][row].as_py())


def locate(points: Sequence[Points], row: int) -> tuple[Points, int]:
    """The run that a row of all runs' images is of, and its row there."""
    ends = np.cumsum([len(run) for run in points])
    at = int(np.searchsorted(ends, row, side="right"))
    return points[at], row - int(ends[at]) + len(points[at])


def read_points(store: Store, run: Run, version: int) -> Points:
    """The run's images in a PCA version; none where it has no coordinates there."""
    files = store.list(run.results_pca(version), ".parquet")
    tables = [from_parquet(data, _COLUMNS) for data in read_ahead(store.read, files, _FILES_AHEAD)]
    if not tables:
        return Points(run, ROWS.empty_table(), np.zeros((0, 0), np.float32), (), ())
    whole = pa.concat_tables(tables)
    return Points(
        run,
        whole.drop_columns(["pca"]),
        vectors_of(whole["pca"]),
        tuple(file.rpartition("/")[2].removesuffix(".parquet") for file in files),
        tuple(table.num_rows for table in tables),
    )


def newest_only(points: Sequence[Points]) -> list[Points]:
    """Without the images that a later run of their batch has anew: they were uploaded again."""
    ordered = sorted(points, key=lambda points: (points.run.batch, points.run.number))
    batches = groupby(ordered, lambda points: points.run.batch)
    return [run for _, runs in batches for run in _newest_of_batch(list(runs))]


def _newest_of_batch(runs: list[Points]) -> list[Points]:
    """The same for runs of one batch, oldest first: each path's last run is found in one pass."""
    if len(runs) == 1:
        return runs
    names = pa.chunked_array([c for run in runs for c in run.rows["path"].chunks], pa.string())
    encoded = pc.dictionary_encode(names).unify_dictionaries().combine_chunks()
    paths = encoded.indices.to_numpy(zero_copy_only=False)
    counts = [run.rows.num_rows for run in runs]
    whose = np.repeat(np.arange(len(runs)), counts)
    newest = np.zeros(len(encoded.dictionary), np.int64)
    newest[paths] = whose  # of several, the last is kept
    stays = np.split(newest[paths] == whose, np.cumsum(counts)[:-1])
    return [_only(run, mask) for run, mask in zip(runs, stays, strict=True)]


def _only(points: Points, mask: NDArray[np.bool_]) -> Points:
    if mask.all():
        return points
    counts = np.bincount(points.part_numbers[mask], minlength=len(points.parts))
    rows, vectors = points.rows.filter(pa.array(mask)), points.vectors[mask]
    return Points(points.run, rows, vectors, points.parts, tuple(map(int, counts)))

"""A batch's images as other tools open them: embedding-atlas, FiftyOne."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa

from darkroom.coordinates.vectors import vector_column
from darkroom.explore.images import Points, read_points
from darkroom.explore.stored_thumbnails import all_thumbnails
from darkroom.layout import Run, escape, label_of
from darkroom.storage.parquet import to_parquet
from darkroom.storage.store import Store

_PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})  # as Hugging Face's images


def atlas_key(batch: str) -> str:
    """Where `write_atlas` puts its file."""
    return f"explore/{escape(batch)}.parquet"


def write_atlas(results: Store, runs: Iterable[Run], version: int, batch: str) -> None:
    """One Parquet file of a batch: `path, label, run, x, y` (the first two components), `pca` and
    `image` (the thumbnail). `embedding-atlas FILE --x x --y y --image image` opens it."""
    tables = [_atlas_rows(results, read_points(results, run, version)) for run in runs]
    if tables:
        results.write(atlas_key(batch), to_parquet(pa.concat_tables(tables)))


def _atlas_rows(results: Store, points: Points) -> pa.Table:
    small = all_thumbnails(results, points.run)
    paths = points.rows["path"].to_pylist()
    vectors = points.vectors if len(points) else points.vectors.reshape(0, 2)
    return pa.table(
        {
            "path": points.rows["path"],
            "label": points.rows["label"],
            "run": pa.array([points.run.number] * len(points), pa.int32()),
            "x": pa.array(vectors[:, 0], pa.float32()),
            "y": pa.array(vectors[:, 1], pa.float32()),
            "pca": vector_column(vectors),
            "image": pa.array(
                [{"bytes": small.get(path), "path": path} for path in paths], _PICTURE
            ),
        }
    )


def fiftyone_folder(batch: str) -> str:
    """Where `write_fiftyone` puts its files."""
    return f"explore/{escape(batch)}.fiftyone"


def write_fiftyone(results: Store, runs: Iterable[Run], batch: str) -> int:
    """A folder of a batch's thumbnails that FiftyOne opens as `FiftyOneImageClassificationDataset`;
    `paths.json` names the images' keys. What was there before goes. How many there are."""
    folder = fiftyone_folder(batch)
    results.delete(results.list(folder))
    classes: list[str] = []
    labels, paths = {}, {}
    for stem, path, label, jpeg in _pictures(results, runs):
        results.write(f"{folder}/data/{stem}.jpeg", jpeg)
        if label not in classes:
            classes.append(label)
        labels[stem], paths[stem] = classes.index(label), path
    told = {"classes": classes, "labels": labels}
    results.write(f"{folder}/labels.json", json.dumps(told, ensure_ascii=False).encode())
    results.write(f"{folder}/paths.json", json.dumps(paths, ensure_ascii=False).encode())
    return len(labels)


def _pictures(results: Store, runs: Iterable[Run]) -> Iterator[tuple[str, str, str, bytes]]:
    """Name, key, label and picture of each image that has a thumbnail."""
    for run in runs:
        for number, (path, jpeg) in enumerate(sorted(all_thumbnails(results, run).items())):
            yield f"{run.number}-{number:07d}", path, label_of(path), jpeg

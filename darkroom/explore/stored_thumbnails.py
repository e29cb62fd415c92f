"""Small pictures of images, as their run kept them."""

from __future__ import annotations

from collections.abc import Collection

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import Run
from darkroom.storage.parquet import from_parquet, rows_of_paths
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_COLUMNS = ["path", "jpeg"]


def thumbnails(store: Store, run: Run, part: str, paths: Collection[str]) -> dict[str, bytes]:
    """JPEG by path, of those images in one file that there is a picture of."""
    try:
        rows = rows_of_paths(store, f"{run.thumbnails}/{part}.parquet", paths, _COLUMNS)
    except ObjectNotFoundError:  # switched off, expired, or nothing but damaged images
        return {}
    return dict(zip(rows["path"].to_pylist(), rows["jpeg"].to_pylist(), strict=True))


def all_thumbnails(store: Store, run: Run) -> dict[str, bytes]:
    """JPEG by path, of all images of a run that there is a picture of."""
    files = store.list(run.thumbnails, ".parquet")
    tables = (from_parquet(data, _COLUMNS) for data in read_ahead(store.read, files, 8))
    return {
        path: jpeg
        for table in tables
        for path, jpeg in zip(table["path"].to_pylist(), table["jpeg"].to_pylist(), strict=True)
    }

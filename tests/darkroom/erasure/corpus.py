"""Finished runs in a folder, and packs of them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from darkroom import manifest
from darkroom.coordinates.vectors import vector_column
from darkroom.explore.images import read_points
from darkroom.explore.packs import contents_without_points, packs, to_pack
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.storage.bundles import Bundle, Index
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import (
    FEATURES_SCHEMA,
    PCA_SCHEMA,
    REJECTED_SCHEMA,
    to_parquet,
)

FILES = 3  # of features, a run


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(store: LocalStore, run: Run, names: list[str], contents: list[str]) -> None:
    """A finished run: an image a file, one more that was rejected, and its manifest."""
    for number, (name, content) in enumerate(zip(names, contents, strict=True)):
        row: dict[str, Any] = {
            "path": [name], "label": [""], "content_sha256": [digest(content)], "width": [1],
            "height": [1], "format": ["JPEG"], "backbone": ["b"], "has_more": [False],
            "features": vector_column(np.ones((1, 4), np.float32)),
            "pca": vector_column(np.ones((1, 2), np.float32)),
        }  # fmt: skip
        for folder, schema in ((run.results, FEATURES_SCHEMA), (run.results_pca(1), PCA_SCHEMA)):
            table = pa.table([row[column] for column in schema.names], schema=schema)
            store.write(f"{folder}/part-{number:05}.parquet", to_parquet(table))
    bad = {"path": f"{run.batch}/bad.jpg", "reason": "decode_error", "detail": "",
           "content_sha256": digest(f"bad of {run.batch}")}  # fmt: skip
    table = pa.Table.from_pylist([bad], REJECTED_SCHEMA)
    store.write(f"{run.rejected}/part-00000.parquet", to_parquet(table))
    entries = [Entry("s3://u", name, "1", "e", 1, "1") for name in names]
    store.write(f"{run.manifest}/part-00000.jsonl.gz", manifest.pack(entries))


def pack(store: LocalStore, runs: list[Run]) -> None:
    several = [read_points(store, run, 1) for run in runs]
    store.write(
        packs(1).key("one"),
        to_pack(several, {run: contents_without_points(store, run) for run in runs}),
    )
    known = packs(1).index(store)
    packs(1).replace(store, Index((), known.etag), [Bundle("one", tuple(runs), 1, 1)])

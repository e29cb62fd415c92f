"""Stored features, a Parquet file at a time: their statistics, merged, and their coordinates."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.coordinates.pca import Pca
from darkroom.coordinates.pointer import runs_with_share
from darkroom.coordinates.statistics import Statistics, added, statistics_of
from darkroom.coordinates.vectors import vector_column, vectors_of
from darkroom.layout import Run, coordinates_folder, run_of
from darkroom.storage.parquet import PCA_SCHEMA, from_parquet, to_parquet
from darkroom.storage.store import Store

_ROWS_AT_ONCE = 1024  # a part has fewer, and a Gram matrix of 13 MB costs more than they do


def features_of_file(store: Store, key: str) -> NDArray[np.float32]:
    """The features `(n, d)` in a file."""
    return vectors_of(from_parquet(store.read(key), ["features"])["features"])


def statistics_of_files(store: Store, keys: Iterable[str]) -> Statistics | None:
    """The merged statistics of features files; None where they have no rows."""
    merged: Statistics | None = None
    waiting: list[NDArray[np.float32]] = []
    for key in keys:
        waiting.append(features_of_file(store, key))
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            merged = _with(merged, waiting)
            waiting.clear()
    return _with(merged, waiting)


def _with(merged: Statistics | None, vectors: list[NDArray[np.float32]]) -> Statistics | None:
    """As many at once as may be: each call makes a Gram matrix of 13 MB."""
    filled = [several for several in vectors if len(several)]
    return added([merged, statistics_of(np.concatenate(filled))]) if filled else merged


def runs_behind(store: Store, version: int) -> list[Run]:
    """The runs of the corpus that have features without coordinates in a version, by the names of
    their files alone."""
    placed = set(map(_run_and_file, store.list(coordinates_folder(version), ".parquet")))
    featured = map(_run_and_file, store.list("Results", ".parquet"))
    behind = {run for run, file in featured if (run, file) not in placed}
    return sorted(behind.intersection(runs_with_share(store)))


def _run_and_file(key: str) -> tuple[Run, str]:
    return run_of(key), key.rpartition("/")[2]


def project_file(store: Store, source: str, target: str, basis: Pca) -> int:
    """Write the coordinates of a features file; the number of its rows."""
    features = from_parquet(store.read(source))
    vectors = vectors_of(features["features"])
    if features.num_rows:
        coordinates = basis.project(vectors)
    else:
        coordinates = np.zeros((0, len(basis.components)), np.float32)
    store.write(target, to_parquet(_projected(features, coordinates)))
    return int(features.num_rows)


def _projected(features: pa.Table, vectors: NDArray[np.float32]) -> pa.Table:
    """The rows of `features` with coordinates `(n, k)` in place of the features."""
    columns = {name: features[name] for name in PCA_SCHEMA.names if name != "pca"}
    columns["pca"] = pa.chunked_array([vector_column(vectors)])
    return pa.table([columns[name] for name in PCA_SCHEMA.names], schema=PCA_SCHEMA)

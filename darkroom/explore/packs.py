"""The points of many runs in few files, so that a look at the whole corpus opens few.

A pack is an Arrow file in `Results_PCA/model=<v>/points/`, a bundle of runs' coordinates, and of
the contents of what they rejected or skipped, so that copies are found by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from darkroom.coordinates.vectors import vector_column, vectors_of
from darkroom.explore.images import ROWS, Points
from darkroom.layout import Run, points_folder, run_in
from darkroom.storage.bundles import Shelf
from darkroom.storage.parquet import read_columns
from darkroom.storage.store import Store

_RUNS = b"runs"  # in a pack's metadata
_SCHEMA = pa.schema([*ROWS, pa.field("pca", pa.list_(pa.float32()))])


def packs(version: int) -> Shelf:
    """The packs of a PCA version."""
    return Shelf(points_folder(version), ".arrow")


def names_in_pack(store: Store, key: str) -> Iterator[tuple[str, str]]:
    """Path and content of each row of a pack, and the contents of which there is no row."""
    data = store.read(key)
    for points in from_pack(data):
        columns = (points.rows[name].to_pylist() for name in ("path", "content_sha256"))
        yield from zip(*columns, strict=True)
    for contents in others_in_pack(data).values():
        yield from (("", content) for content in contents)


def contents_in_pack(store: Store, key: str) -> Iterator[tuple[Run, pa.ChunkedArray | pa.Array]]:
    """The SHA-256 digests of what each run in a pack processed, rejected and skipped."""
    data = store.read(key)
    others = others_in_pack(data)
    for points in from_pack(data):
        yield points.run, points.rows["content_sha256"]
        yield points.run, pa.array(others[points.run], pa.string())


def contents_without_points(store: Store, run: Run) -> list[str]:
    """The contents of what a run rejected or skipped, as far as they are known."""
    files = [file for folder in (run.rejected, run.skipped) for file in store.list(folder)]
    tables = [read_columns(store, file, ["content_sha256"]) for file in files]
    every = {content for table in tables for content in table["content_sha256"].to_pylist()}
    return sorted(content for content in every if content)


def to_pack(several: Sequence[Points], others: Mapping[Run, Sequence[str]]) -> bytes:
    """The points of runs as one Arrow file, in order, with each one's contents that have none."""
    tables = [_rows_of(points) for points in several]
    runs = [
        {
            "run": points.run.in_ascii,
            "parts": points.parts,
            "counts": points.counts,
            "others": list(others.get(points.run, ())),
        }
        for points in several
    ]
    whole = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
    whole = whole.replace_schema_metadata({_RUNS: json.dumps(runs).encode()}).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)
    return bytes(sink.getvalue())


def _rows_of(points: Points) -> pa.Table:
    vectors = points.vectors if len(points) else np.zeros((0, 1), np.float32)
    return points.rows.select(ROWS.names).cast(ROWS).append_column("pca", vector_column(vectors))


def others_in_pack(data: bytes) -> dict[Run, list[str]]:
    """The contents of what each run in a pack rejected or skipped."""
    with pa.ipc.open_file(pa.py_buffer(data)) as reader:
        told = json.loads(reader.schema.metadata[_RUNS])
    return {run_in(one["run"]): one["others"] for one in told}


def from_pack(data: bytes) -> list[Points]:
    """The points that `to_pack` packed, run by run; they share the pack's memory."""
    with pa.ipc.open_file(pa.py_buffer(data)) as reader:
        whole = reader.read_all()
    rows, vectors = whole.select(ROWS.names), vectors_of(whole["pca"])
    made, start = [], 0
    for told in json.loads(whole.schema.metadata[_RUNS]):
        end = start + sum(told["counts"])
        parts, counts = tuple(told["parts"]), tuple(told["counts"])
        mine = rows.slice(start, end - start).replace_schema_metadata(None)
        made.append(Points(run_in(told["run"]), mine, vectors[start:end], parts, counts))
        start = end
    return made

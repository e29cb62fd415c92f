"""The points of many runs in few files, so that a look at the whole corpus opens few.

`Results_PCA/model=<v>/points/` holds packs, which are Arrow files, and `index.json`, which names
them with the runs in each. A pack is made of runs' coordinates, and of the contents of what they
rejected or skipped, so that copies are found by it: where one of its runs changes, it is dropped,
and its runs are read by themselves until the next job packs them anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from darkroom.coordinates.vectors import vector_column, vectors_of
from darkroom.errors import ObjectNotFoundError
from darkroom.explore.images import ROWS, Points
from darkroom.layout import Run, points_folder, run_in
from darkroom.storage.parquet import read_columns
from darkroom.storage.store import Requirement, Store

_RUNS = b"runs"  # in a pack's metadata
_SCHEMA = pa.schema([*ROWS, pa.field("pca", pa.list_(pa.float32()))])


@dataclass(frozen=True)
class Pack:
    """A pack as the index has it: its name, its runs, how many images they have, and how many bytes
    their coordinates took before they were packed."""

    name: str
    runs: tuple[Run, ...]
    images: int
    size_bytes: int


@dataclass(frozen=True)
class Index:
    """The packs of a PCA version, the oldest first, and the ETag of the object that names them."""

    packs: tuple[Pack, ...]
    etag: str | None

    @property
    def runs(self) -> Mapping[Run, Pack]:
        """Which pack each run is in."""
        return {run: pack for pack in self.packs for run in pack.runs}


def read_index(store: Store, version: int) -> Index:
    """The packs there are."""
    try:
        stored = store.read_versioned(_index_key(version))
    except ObjectNotFoundError:
        return Index((), None)
    packs = [
        Pack(told["name"], tuple(map(run_in, told["runs"])), told["images"], told["size_bytes"])
        for told in json.loads(stored.data)["packs"]
    ]
    return Index(tuple(packs), stored.etag)


def replace_packs(store: Store, version: int, known: Index, packs: Sequence[Pack]) -> None:
    """Let the index name these packs, and delete the others that it named. Raises `ConflictError`
    or `LostAnswerError` where somebody else changed it meanwhile, or may have."""
    document = [
        {"name": pack.name, "runs": [run.in_ascii for run in pack.runs],
         "images": pack.images, "size_bytes": pack.size_bytes}
        for pack in packs
    ]  # fmt: skip
    told = (json.dumps({"packs": document}) + "\n").encode()
    store.write_if(_index_key(version), told, _as_read(known))
    named = {pack.name for pack in packs}
    gone = [pack.name for pack in known.packs if pack.name not in named]
    store.delete([pack_key(version, name) for name in gone])


def forget_packs(store: Store, versions: Iterable[int], runs: Collection[Run]) -> None:
    """Drop all packs that hold one of these runs, and all that no index names. Safe to repeat."""
    for version in versions:
        known = read_index(store, version)
        kept = [pack for pack in known.packs if not set(runs).intersection(pack.runs)]
        if len(kept) < len(known.packs):
            replace_packs(store, version, known, kept)
        named = {pack_key(version, pack.name) for pack in kept} | {_index_key(version)}
        store.delete([key for key in store.list(points_folder(version)) if key not in named])


def packs_of(store: Store, version: int, runs: Collection[Run]) -> list[str]:
    """The keys of the packs that hold one of these runs, and of those that no index names."""
    packs = read_index(store, version).packs
    others = {pack_key(version, p.name) for p in packs if not set(runs).intersection(p.runs)}
    return [key for key in all_packs(store, version) if key not in others]


def all_packs(store: Store, version: int) -> list[str]:
    """The keys of all packs there are, named by the index or not."""
    return store.list(points_folder(version), ".arrow")


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


def pack_key(version: int, name: str) -> str:
    """Where a pack lies."""
    return f"{points_folder(version)}/{name}.arrow"


def _index_key(version: int) -> str:
    return f"{points_folder(version)}/index.json"


def _as_read(known: Index) -> Requirement:
    return Requirement(
        known.etag,
        "the packs are those that were there when these were made",
        "another job has packed meanwhile",
    )


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

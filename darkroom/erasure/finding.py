"""Looking where images can be: keys name their batches, and copies have the same content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from darkroom.coordinates.pointer import current_number
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.search import (
    File,
    Part,
    Row,
    Spread,
    batch_of_part,
    part_keys,
    parts_in,
    rows_in,
    table_files,
)
from darkroom.explore.packs import contents_in_pack, read_index
from darkroom.layout import Run, run_of
from darkroom.storage.store import Store

_WITH_CONTENT = ("Results/", "Rejected/", "Skipped/")  # of each image one row in one of them


def look(
    results: Store, requests: Sequence[ErasureRequest], spread: Spread
) -> tuple[list[Row], list[Part]]:
    """All rows and manifest parts of the batches that may hold what the requests take, or a copy of
    it. Of other batches contents alone are read, and of runs that are packed, in their packs."""
    files, keys = table_files(results), part_keys(results)

    def read(is_meant: Callable[[str], bool]) -> tuple[list[Row], list[Part]]:
        meant = [file for file in files if is_meant(run_of(file.key).batch)]
        named, _ = parts_in(results, [key for key in keys if is_meant(batch_of_part(key))])
        return list(rows_in(results, spread, meant)), named

    def is_named(batch: str) -> bool:
        return any(request.selector.may_take_of(batch) for request in requests)

    rows, parts = read(is_named)
    contents = {content for request in requests for content in _contents(request, rows)}
    others = [file for file in files if not is_named(run_of(file.key).batch)]
    holding = _batches_with(results, spread, others, contents) if contents else set()
    more_rows, more_parts = read(lambda batch: batch in holding and not is_named(batch))
    return [*rows, *more_rows], [*parts, *more_parts]


def _contents(request: ErasureRequest, rows: Iterable[Row]) -> Iterable[str]:
    if request.selector.kind == "content":
        return request.selector.values
    takes = request.selector.takes
    return (row.content for row in rows if row.content and takes(row.path, row.run.batch))


def _batches_with(
    results: Store, spread: Spread, files: Sequence[File], contents: set[str]
) -> set[str]:
    """The batches that have one of these contents."""
    wanted = pa.array(sorted(contents), pa.string())
    packs = read_index(results, version).packs if (version := current_number(results)) else ()
    packed = {run for pack in packs for run in pack.runs}
    alone = [file for file in files if file.key.startswith(_WITH_CONTENT)
             and not (file.key.startswith("Results/") and run_of(file.key) in packed)]  # fmt: skip
    has = spread(partial(_has, wanted=wanted), alone)
    found = {run_of(file.key) for file, is_there in zip(alone, has, strict=True) if is_there}
    names = [pack.name for pack in packs]
    in_packs = spread(partial(_runs_with, version=version, wanted=wanted), names)
    return {run.batch for run in chain(found, *in_packs)}


def _has(store: Store, file: File, wanted: pa.Array) -> bool:
    column = file.columns(store, ["content_sha256"])["content_sha256"]
    return bool(pc.any(pc.is_in(column, wanted)).as_py())


def _runs_with(store: Store, name: str, version: int, wanted: pa.Array) -> list[Run]:
    return [
        run
        for run, column in contents_in_pack(store, version, name)
        if pc.any(pc.is_in(column, wanted)).as_py()
    ]

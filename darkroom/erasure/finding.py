"""Looking where images can be: keys name their batches, and copies have the same content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from darkroom.coordinates.pointer import current_number
from darkroom.erasure.plan import Plan
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.search import (
    File,
    Part,
    Row,
    Spread,
    batch_of_part,
    part_files,
    parts_in,
    rows_in,
    table_files,
)
from darkroom.explore.packs import contents_in_pack, packs
from darkroom.layout import batch_of, points_folder, run_of
from darkroom.storage.store import Store

_CLOCKS_SECONDS = 60  # that a machine's may be ahead of the storage's
_WITH_CONTENT = ("Results/", "Rejected/", "Skipped/")  # of each image one row in one of them


def look(
    results: Store, requests: Sequence[ErasureRequest], spread: Spread
) -> tuple[list[Row], list[Part]]:
    """All rows and manifest parts of the batches that may hold what the requests take, or a copy of
    it. Of other batches contents alone are read, and of runs that are packed, in their packs."""
    is_named = partial(_is_named, requests)
    files, parts_there = table_files(results), part_files(results)

    def read(is_meant: Callable[[str], bool]) -> tuple[list[Row], list[Part]]:
        meant = [file for file in files if is_meant(file.batch)]
        named, _ = parts_in(results, [part for part in parts_there if is_meant(part.batch)])
        return list(rows_in(results, spread, meant)), named

    reads = [read(is_named)]
    contents = {content for request in requests for content in _contents(request, reads[0][0])}
    others = [file for file in files if not is_named(file.batch)]
    holding = _batches_with(results, spread, others, contents) if contents else set()
    reads.append(read(lambda batch: batch in holding and not is_named(batch)))
    found = [row for rows, _ in reads for row in rows]
    if _may_be_of_days(row.path for row in found if row.content in contents):
        reads.append(read(lambda b: _is_of_a_day(b) and b not in holding and not is_named(b)))
    return (
        [row for rows, _ in reads for row in rows],
        [part for _, parts in reads for part in parts],
    )


def _is_named(requests: Iterable[ErasureRequest], batch: str) -> bool:
    """Whether a request may take something of a batch by its name alone."""
    return any(request.selector.may_take_of(batch) for request in requests)


def _may_be_of_days(paths: Iterable[str]) -> bool:
    """Whether one of these keys lies at the bucket's root: it may be in the batch of any day."""
    return any(_is_of_a_day(batch_of(path, "")) for path in paths)


def _is_of_a_day(batch: str) -> bool:
    return batch.startswith(batch_of("", ""))


def _contents(request: ErasureRequest, rows: Iterable[Row]) -> Iterable[str]:
    if request.selector.kind == "content":
        return request.selector.values
    takes = request.selector.takes
    return (row.content for row in rows if row.content and takes(row.path, row.run.batch))


def _batches_with(
    results: Store, spread: Spread, files: Sequence[File], contents: set[str]
) -> set[str]:
    """The batches that have one of these contents. What is newer than its pack is read itself."""
    wanted = pa.array(sorted(contents), pa.string())
    version = current_number(results)
    stored = results.stored(points_folder(version)) if version else {}
    shelf = packs(version)
    named = {shelf.key(pack.name): pack for pack in shelf.index(results).bundles}
    there = {key: pack for key, pack in named.items() if key in stored}
    packed_at = {run: stored[key].written_at for key, pack in there.items() for run in pack.runs}
    alone = [file for file in files if file.key.startswith(_WITH_CONTENT)
             and file.written_at >= packed_at.get(run_of(file.key), 0)]  # fmt: skip
    has = spread(partial(_has, wanted=wanted), alone)
    found = {file.batch for file, is_there in zip(alone, has, strict=True) if is_there}
    in_packs = spread(partial(_batches_in, wanted=wanted), [*there])
    return found.union(*in_packs)


def _has(store: Store, file: File, wanted: pa.Array) -> bool:
    column = file.columns(store, ["content_sha256"])["content_sha256"]
    return bool(pc.any(pc.is_in(column, wanted)).as_py())


def _batches_in(store: Store, pack: str, wanted: pa.Array) -> set[str]:
    return {
        run.batch
        for run, contents in contents_in_pack(store, pack)
        if pc.any(pc.is_in(contents, wanted)).as_py()
    }


def has_to_be_read_again(plan: Plan, requests: Sequence[ErasureRequest]) -> Callable[[File], bool]:
    """Whether a second look has to read a file: of a batch that the requests name or that had
    something of what went, or written since the plan was made. In all others nothing was found, and
    they are what they were."""
    batches = {run_of(file).batch for file in plan.files} | set(map(batch_of_part, plan.parts))
    since, of_days = plan.made_at - _CLOCKS_SECONDS, _may_be_of_days(plan.keys)

    def is_meant(file: File) -> bool:
        named = _is_named(requests, file.batch)
        if named or file.batch in batches or file.written_at >= since:
            return True
        return of_days and _is_of_a_day(file.batch)

    return is_meant

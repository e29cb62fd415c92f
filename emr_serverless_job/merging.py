"""Few, whole files: the parts of a run that has been accounted for, some ten thousand images to a
Parquet file of each table.

A file that is merged is whole when it is there, and only then do its parts go: until a run has its
receipt nobody else reads its files, and an attempt that dies leaves what the next one goes on with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from darkroom.layout import Run, part_file
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet, to_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.apart import WHOSE, run_apart
from emr_serverless_job.engine import Engine, list_in, rows_of, texts_in
from emr_serverless_job.parts import merged_file, parts_of_files
from emr_serverless_job.request import Request

_PICTURES_AT_ONCE = 128  # that a reader of a few has to fetch
_FILE = pa.struct({"target": pa.string(), "parts": pa.list_(pa.string())})
_FILES = pa.schema({"files": pa.list_(_FILE)})


def merge_files(engine: Engine, requests: Sequence[Request]) -> dict[Run, Exception]:
    """Merge the files of runs whose receipts balance; why it could not be, of those where it could
    not."""
    if not requests:
        return {}
    store = open_store(requests[0].output)
    works = read_ahead(partial(_work, store), requests, store.read_ahead)
    named = {request.run: work for request, work in zip(requests, works, strict=True)}
    several = {run: work for run, work in named.items() if work.num_rows}
    merged = run_apart(engine, _MergeTask(requests[0].output), several, "files int")
    return {run: told for run, told in merged.items() if isinstance(told, Exception)}


def _work(store: Store, request: Request) -> pa.Table:
    groups = [] if request.reader == "binaryFile" else [*parts_of_files(len(request.entries))]
    there = (
        {key for folder in request.run.tables for key in store.list(folder)} if groups else set()
    )
    rows = [{"files": list(_files(request.run, parts, there))} for parts in groups]
    return pa.Table.from_pylist(rows, _FILES)


def _files(run: Run, parts: range, there: set[str]) -> Iterator[dict[str, object]]:
    for folder in run.tables:
        found = [key for n in parts if (key := f"{folder}/{part_file(n)}") in there]
        if found:
            yield {"target": f"{folder}/{merged_file(parts)}", "parts": found}


@dataclass(frozen=True)
class _MergeTask:
    """Names of files in, with those of their parts; the files stored, their number out."""

    output: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        for row in rows_of(batches):
            files = list_in(row["files"])
            for file in files:
                _merge(store, str(file["target"]), texts_in(file["parts"]))
            told = {
                WHOSE: pa.array([row[WHOSE]], pa.int32()),
                "files": pa.array([len(files)], pa.int32()),
            }
            yield pa.RecordBatch.from_pydict(told)


def _merge(store: Store, target: str, parts: Sequence[str]) -> None:
    if target not in store.list(target.rpartition("/")[0]):  # else an earlier try has written it
        tables = map(from_parquet, read_ahead(store.read, parts, store.read_ahead))
        store.write(target, _packed(pa.concat_tables(tables)))
    store.delete(parts)


def _packed(table: pa.Table) -> bytes:
    """Rows in the order of the manifest; small pictures such that few of them can be fetched."""
    if "jpeg" in table.column_names:
        return to_parquet(table.sort_by("path"), _PICTURES_AT_ONCE)
    return to_parquet(table)

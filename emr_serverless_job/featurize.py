"""Stage 1: images to features, in the runs' tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import pyarrow as pa

from darkroom.coordinates.total import forget_sums
from darkroom.coordinates.versions import next_version
from darkroom.erasure import block_list
from darkroom.erasure.block_list import NOTHING_BLOCKED, BlockList
from darkroom.errors import ObjectNotFoundError
from darkroom.images.backbone import Backbone, backbone_id, load_backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched, fetch
from darkroom.layout import Run, part_file
from darkroom.manifest import Entry
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import read_columns, to_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.apart import WHOSE, run_apart
from emr_serverless_job.engine import Engine, Shared, Tally, list_in, rows_of
from emr_serverless_job.parts import split, what_is_left
from emr_serverless_job.progress import reporting
from emr_serverless_job.request import Request

_REPORT = "part int, seconds double"
_ENTRY = pa.struct(
    {
        "store": pa.string(),
        "key": pa.string(),
        "version_id": pa.string(),
        "etag": pa.string(),
        "size_bytes": pa.int64(),
        "sequencer": pa.string(),
        "refusal": pa.string(),
    }
)
_PARTS = pa.schema({"part": pa.int32(), "may_be_whole": pa.bool_(), "entries": pa.list_(_ENTRY)})

_SETTINGS = b"settings"  # in the metadata of all files: how their part was worked

Made = TypeVar("Made")


class _Last(Generic[Made]):
    """What was made last, by its id; it outlives the task, in each process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: tuple[str, Made] | None = None

    def made(self, name: str, make: Callable[[], Made]) -> Made:
        """It, if it has this name; else another in its place."""
        with self._lock:
            if self._kept is None or self._kept[0] != name:
                self._kept = None
                self._kept = name, make()
            return self._kept[1]


_models: _Last[Backbone] = _Last()
_block_lists: _Last[BlockList] = _Last()


@dataclass(frozen=True)
class Featurized:
    """What came of a run's images: the seconds that its tasks took, or why not all is there."""

    seconds: float = 0.0
    error: Exception | None = None


def featurize_runs(
    engine: Engine, requests: Sequence[Request], on_images: Callable[[Run, int], None]
) -> dict[Run, Featurized]:
    """Decode and embed every image of the manifests, each part to Parquet files of its own.

    The parts of all runs lie in one stage. Tasks write their files themselves, under names that the
    manifest alone decides: a task that is tried again replaces its own file, and the JVM, which
    takes a tenth of the whole time to encode the same Parquet, never sees a feature. What an
    attempt left that died is kept as far as parts are whole.
    """
    task = _task(engine, requests)
    told = partial(_tell, requests, task.done, on_images)
    with reporting(told):
        if any(request.reader == "binaryFile" for request in requests):
            return {request.run: _on_content(engine, task, request) for request in requests}
        depth = open_store(requests[0].output).read_ahead
        prepared = read_ahead(partial(_work, task), requests, depth)
        works = {request.run: work for request, work in zip(requests, prepared, strict=True)}
        outcome = run_apart(engine, _ManifestTask(task), works, _REPORT, _tried)
    return {run: _featurized(rows) for run, rows in outcome.items()}


def _featurized(rows: Sequence[Mapping[str, Any]] | Exception) -> Featurized:
    if isinstance(rows, Exception):
        return Featurized(error=rows)
    return Featurized(round(sum(row["seconds"] for row in rows), 3))


def _tell(
    requests: Sequence[Request], done: Sequence[Tally], on_images: Callable[[Run, int], None]
) -> None:
    for request, tally in zip(requests, done, strict=True):
        on_images(request.run, tally.value)


def _on_content(engine: Engine, task: _Task, request: Request) -> Featurized:
    from emr_serverless_job.hadoop_reader import run_on_content

    there = [entry for entry in request.entries if not entry.refusal]
    run_on_content(engine, partial(task.store, 0), there, f"{WHOSE} int, {_REPORT}")
    return Featurized()


def _work(task: _Task, request: Request) -> pa.Table:
    parts = split(request.entries)
    may_be_whole, merged = _clear(task, request)
    rows = [
        {"part": number, "may_be_whole": may_be_whole, "entries": list(map(asdict, part))}
        for number, part in enumerate(parts)
        if number not in merged
    ]
    return pa.Table.from_pylist(rows, _PARTS)


def _tried(work: pa.Table) -> pa.Table:
    """Parts that others have ended may be there."""
    column = work.schema.get_field_index("may_be_whole")
    return work.set_column(column, "may_be_whole", pa.array([True] * work.num_rows))


def _clear(task: _Task, request: Request) -> tuple[bool, set[int]]:
    """Remove what an earlier attempt left, its receipt first; but not the files of its parts, if it
    died before the account. Whether there are any, and the parts that are merged already."""
    store, run = open_store(request.output), request.run
    died = not _exists(store, run.receipt) and request.reader == "obstore"
    left = [key for folder in run.tables for key in store.list(folder)]
    if left:
        forget_sums(store, [run], alone=False)
    store.delete([run.receipt, run.statistics, run.csv])
    kept, merged = set[str](), set[int]()
    if died:
        kept, merged = what_is_left(request.entries, run, left, task.has_in)
    stale = [key for key in left if key not in kept]
    placed = [run.results_pca(number) for number in range(1, next_version(store).number)]
    store.delete([*stale, *(key for folder in placed for key in store.list(folder))])
    return bool(kept), merged


def _exists(store: Store, key: str) -> bool:
    try:
        return store.size(key) >= 0
    except ObjectNotFoundError:
        return False


def _task(engine: Engine, requests: Sequence[Request]) -> _Task:
    blocked = block_list.pack(requests[0].blocked)
    return _Task(
        engine.share(requests[0].model),
        backbone_id(requests[0].model),
        engine.share(blocked),
        sha256(blocked).hexdigest(),
        tuple(engine.tally() for _ in requests),
        tuple(request.run for request in requests),
        replace(requests[0], entries=[], model=b"", blocked=NOTHING_BLOCKED),
    )


@dataclass(frozen=True)
class _Task:
    """Featurizes and stores one part of one of the runs; pickled to the executors, the model and
    the block list by broadcast. `asked` says how, for all runs alike."""

    model: Shared
    model_id: str
    blocked: Shared
    blocked_id: str
    done: tuple[Tally, ...]
    runs: tuple[Run, ...]
    asked: Request

    def store(self, whose: int, part: int, fetched: Iterable[Fetched]) -> pa.RecordBatch:
        """Work the part; what is reported of it."""
        began, asked = monotonic(), self.asked
        outcome = featurize(
            fetched,
            _models.made(self.model_id, lambda: load_backbone(self.model.value)),
            asked.limits,
            _block_lists.made(self.blocked_id, lambda: block_list.unpack(self.blocked.value)),
            asked.thumbnails,
            asked.contract,
        )
        store = open_store(asked.output)
        for folder, table in outcome.tables(self.runs[whose]):
            key = f"{folder}/{part_file(part)}"
            if table.num_rows:
                store.write(key, to_parquet(self._marked(table)))
            else:
                store.delete([key])  # an earlier try may have found the images otherwise
        return self.report(whose, part, outcome.files, monotonic() - began)

    def report(self, whose: int, part: int, files: int, seconds: float) -> pa.RecordBatch:
        """That the part is there."""
        self.done[whose].add(files)
        columns = [pa.array([whose], pa.int32()), pa.array([part], pa.int32()), [seconds]]
        return pa.record_batch(columns, names=[WHOSE, "part", "seconds"])

    def has_in(self, files: Iterable[str], entries: Sequence[Entry]) -> bool:
        """Whether all of these are there, in these files, and worked as it is asked for now."""
        store, found = open_store(self.asked.output), list[str]()
        for file in files:
            try:
                table = read_columns(store, file, ["path"])
            except ObjectNotFoundError:
                continue
            if (table.schema.metadata or {}).get(_SETTINGS) != self._settings:
                return False
            found += table["path"].to_pylist()
        return sorted(found) == sorted(entry.key for entry in entries)

    def has(self, whose: int, part: int, entries: Sequence[Entry]) -> bool:
        """The same of a part, in files of its own."""
        files = (f"{folder}/{part_file(part)}" for folder in self.runs[whose].counted)
        return self.has_in(files, entries)

    @property
    def _settings(self) -> bytes:
        limits, asked = self.asked.limits, self.asked
        told = (self.model_id, asked.contract.id, limits.max_bytes, limits.max_pixels)
        return " ".join(map(str, (*told, asked.thumbnails))).encode()

    def _marked(self, table: pa.Table) -> pa.Table:
        told = {**(table.schema.metadata or {}), _SETTINGS: self._settings}
        return table.replace_schema_metadata(told)


@dataclass(frozen=True)
class _ManifestTask:
    """Parts of manifests in, reports out; the task reads the images itself."""

    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in rows_of(batches):
            entries = [Entry(**entry) for entry in list_in(row["entries"])]
            whose, part = int(str(row[WHOSE])), int(str(row["part"]))
            if row["may_be_whole"] and self.task.has(whose, part, entries):
                yield self.task.report(whose, part, len(entries), 0.0)
            else:
                fetched = fetch(entries, self.task.asked.limits)
                yield self.task.store(whose, part, fetched)

"""Stage 1: images to features, in the run's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from math import ceil
from threading import Lock
from typing import Any

import pyarrow as pa

from darkroom.erasure.block_list import BlockList
from darkroom.images.backbone import Backbone, backbone_id, load_backbone
from darkroom.images.contract import Contract
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched, fetch
from darkroom.images.outcome import Limits
from darkroom.layout import Run, part_file
from darkroom.manifest import Entry
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import to_parquet
from emr_serverless_job.engine import Engine, Shared, Tally, rows_of
from emr_serverless_job.progress import reporting
from emr_serverless_job.request import Request

_REPORT = "part int"
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
_PARTS = pa.schema({"part": pa.int32(), "entries": pa.list_(_ENTRY)})

_PARTS_PER_CORE = 16
PART_IMAGES = (32, 256)

_loaded: dict[str, Backbone] = {}  # in each process: the model outlives the task
_loading = Lock()


def featurize_run(engine: Engine, request: Request, on_images: Callable[[int], None]) -> None:
    """Decode and embed every image of the manifest, each part to Parquet files of its own.

    Tasks write their files themselves, under names that the manifest alone decides: a task that
    is tried again replaces its own file, and the JVM, which takes a tenth of the whole time to
    encode the same Parquet, never sees a feature.
    """
    done = engine.tally()
    model = engine.share(request.model)
    task = _Task(
        model,
        backbone_id(request.model),
        done,
        request.output,
        request.run,
        request.limits,
        request.blocked,
        request.thumbnails,
        request.contract,
    )
    with reporting(done, on_images):
        if request.reader == "binaryFile":
            from emr_serverless_job.hadoop_reader import run_on_content

            there = [entry for entry in request.entries if not entry.refusal]
            run_on_content(engine, task.store, there, _REPORT)
        else:
            parts = split(request.entries, engine.cores)
            engine.run(_ManifestTask(task), _parts_table(parts), _REPORT)


def split(entries: list[Entry], cores: int) -> list[list[Entry]]:
    """The manifest in parts, in order: small enough that no core idles long at the end."""
    smallest, largest = PART_IMAGES
    even = ceil(len(entries) / (cores * _PARTS_PER_CORE))
    size = min(max(even, smallest), largest)
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def _parts_table(parts: list[list[Entry]]) -> pa.Table:
    rows = [
        {"part": number, "entries": [asdict(entry) for entry in part]}
        for number, part in enumerate(parts)
    ]
    return pa.Table.from_pylist(rows, _PARTS)


@dataclass(frozen=True)
class _Task:
    """Featurizes and stores one part; pickled to the executors, the model by broadcast."""

    model: Shared
    model_id: str
    done: Tally
    output: str
    run: Run
    limits: Limits
    blocked: BlockList
    thumbnails: bool
    contract: Contract

    def store(self, part: int, fetched: Iterable[Fetched]) -> pa.RecordBatch:
        outcome = featurize(
            fetched, self._backbone(), self.limits, self.blocked, self.thumbnails, self.contract
        )
        store = open_store(self.output)
        for folder, table in outcome.tables(self.run):
            key = f"{folder}/{part_file(part)}"
            if table.num_rows:
                store.write(key, to_parquet(table))
            else:
                store.delete([key])  # an earlier try may have found the images otherwise
        self.done.add(outcome.files)
        return pa.RecordBatch.from_pylist([{"part": part}], pa.schema({"part": pa.int32()}))

    def _backbone(self) -> Backbone:
        with _loading:
            if self.model_id not in _loaded:
                _loaded.clear()
                _loaded[self.model_id] = load_backbone(self.model.value)
            return _loaded[self.model_id]


@dataclass(frozen=True)
class _ManifestTask:
    """Parts of the manifest in, summaries out; the task reads the images itself."""

    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in rows_of(batches):
            entries = [Entry(**entry) for entry in _list(row["entries"])]
            fetched = fetch(entries, self.task.limits)
            yield self.task.store(int(str(row["part"])), fetched)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

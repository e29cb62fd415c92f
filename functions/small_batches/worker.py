"""The job on one run, in the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from darkroom import manifest
from darkroom.erasure import block_list
from darkroom.errors import TransientError
from darkroom.images.contract import Contract
from darkroom.images.decoder import start_decoders
from darkroom.images.outcome import Limits
from darkroom.layout import Run
from darkroom.run.progress import ProgressNote
from darkroom.storage.opening import open_store, read_uri
from emr_serverless_job.engine import Task
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job


@dataclass(frozen=True)
class Worker:
    """Works runs as the Spark job does: the same files, byte for byte. `output` is the URI of the
    results, `model` that of the backbone."""

    output: str
    model: str
    limits: Limits
    thumbnails: bool
    contract: Contract
    cores: int

    def start(self) -> None:
        """Begin what takes a while to start."""
        start_decoders(self.cores)

    def work(self, run: Run, expected: int | None, out_of_time: Callable[[], bool]) -> None:
        """Do the run and write its receipt. Safe to repeat: parts that are whole are kept.

        Raises `TransientError` where time ends before the work, and whatever keeps the run from its
        end.
        """
        store = open_store(self.output)
        request = Request(
            run=run,
            entries=manifest.latest(
                [
                    entry
                    for key in store.list(run.manifest)
                    for entry in manifest.unpack(store.read(key))
                ]
            ),
            output=self.output,
            model=self._model,
            limits=self.limits,
            expected=expected,
            blocked=block_list.load(store),
            thumbnails=self.thumbnails,
            contract=self.contract,
        )
        note = ProgressNote(store, run, len(request.entries))
        try:
            run_job(_InTime(self.cores, out_of_time), request, note.note)
        finally:
            note.remove()

    @cached_property
    def _model(self) -> bytes:
        return read_uri(self.model)


@dataclass(frozen=True)
class _InTime(OnThreads):
    """Threads that begin no task when time is short."""

    out_of_time: Callable[[], bool]

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        """See `OnThreads`. Raises `TransientError` when time is short."""
        return super().run(partial(self._in_time, task), work, schema)

    def _in_time(self, task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if self.out_of_time():
            raise TransientError("its time was too short")
        return task(batches)

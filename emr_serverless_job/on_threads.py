"""The job's tasks in threads: one machine, nothing to start."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pyarrow as pa

from emr_serverless_job.engine import Task


@dataclass(frozen=True)
class Kept:
    """Shared bytes: they are in this process already."""

    value: bytes


class Sum:
    """A tally of this process."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = Lock()

    def add(self, count: int) -> None:
        """Add to it."""
        with self._lock:
            self.value += count


@dataclass(frozen=True)
class OnThreads:
    """A thread a core. Decoders, ONNX Runtime, hashes and Parquet all let go of the interpreter's
    lock, so threads keep the cores as busy as processes do. A task that fails is not tried again:
    what there is to fail on one machine, a full disk, fails again."""

    cores: int

    def share(self, value: bytes) -> Kept:
        """The bytes as they are."""
        return Kept(value)

    def tally(self) -> Sum:
        """A new number, 0."""
        return Sum()

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        """`task` on each row of `work`; all rows that come out, in order. At the first failure
        those that have not begun are given up."""
        pool = ThreadPoolExecutor(self.cores, thread_name_prefix="task")
        try:
            rows = work.to_batches(max_chunksize=1)
            futures = [pool.submit(_rows, task, row) for row in rows]
            return [row for future in futures for row in future.result()]
        finally:
            pool.shutdown(cancel_futures=True)


def _rows(task: Task, row: pa.RecordBatch) -> list[dict[str, Any]]:
    return [out for batch in task([row]) for out in batch.to_pylist()]

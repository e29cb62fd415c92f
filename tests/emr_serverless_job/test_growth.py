"""What the account of a run costs the driver: bytes counted at two sizes, with the real code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from emr_serverless_job.account import Clock, count_stored
from emr_serverless_job.engine import Task
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.emr_serverless_job.asking import Photos, request


class Counts(OnThreads):
    """Counts the bytes that come back from tasks."""

    told = 0

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        def counted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in task(batches):
                Counts.told += batch.nbytes
                yield batch

        return super().run(counted, work, schema)


def bytes_told(asked: Request) -> int:
    run_job(OnThreads(2), asked)
    Counts.told = 0
    count_stored(Counts(2), [asked], Clock())
    return Counts.told


def test_the_driver_learns_a_path_and_a_content_of_each_image(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    """Not its features: of a million images that would be five gigabytes."""
    told = [
        bytes_told(request(photos(count, f"of-{count}"), tmp_path / f"out-{count}", onnx_bytes))
        for count in (64, 256)
    ]
    each = (told[1] - told[0]) / 192
    assert 48 <= each < 60

"""What a run costs the driver, counted with the real code: bytes at two sizes, files of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from darkroom.storage.local import LocalStore
from emr_serverless_job.account import Clock, count_stored
from emr_serverless_job.engine import Task
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.emr_serverless_job.asking import Photos, request


def test_earlier_runs_are_known_by_their_names(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by their receipts, of which a long history has thousands."""
    read: list[str] = []
    plain = LocalStore.read

    def noted(self: LocalStore, key: str, version_id: str | None = None) -> bytes:
        read.append(key)
        return plain(self, key, version_id)

    for number in range(1, 4):
        run_job(
            OnThreads(2), request(photos(6, f"of-{number}"), tmp_path, onnx_bytes, number=number)
        )
    monkeypatch.setattr(LocalStore, "read", noted)
    run_job(OnThreads(2), request(photos(6, "of-4"), tmp_path, onnx_bytes, number=4))
    assert [key for key in read if key.startswith("receipts/")] == []
    assert sum(key.startswith("statistics/") for key in read) == 3


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

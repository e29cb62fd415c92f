"""What a run costs the driver, counted with the real code: bytes at two sizes, files of others."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from darkroom.erasure.block_list import BlockList
from darkroom.storage.local import LocalStore
from emr_serverless_job.account import Clock, count_stored
from emr_serverless_job.engine import Task
from emr_serverless_job.featurize import featurize_runs
from emr_serverless_job.on_threads import Kept, OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.emr_serverless_job.asking import Photos, request


def requests_of_a_run(
    history: int, photos: Photos, out: Path, onnx: bytes, monkeypatch: pytest.MonkeyPatch
) -> Counter[str]:
    """What the next run asks of the results, by place, when there are so many runs and one more
    that came just before it; of the same pictures, so that the basis stays."""
    for number in range(1, history + 2):
        folder = photos(12, f"{history}-{number}")
        run_job(OnThreads(2), request(folder, out, onnx, number=number))
    asked: Counter[str] = Counter()
    for name in ("read", "read_versioned", "write", "write_if", "stored"):
        plain = getattr(LocalStore, name)

        def noted(self: LocalStore, key: str, *told: Any, plain: Any = plain) -> Any:
            if self.uri.endswith(out.name):
                asked[key.partition("/")[0]] += 1
            return plain(self, key, *told)

        monkeypatch.setattr(LocalStore, name, noted)
    folder = photos(12, f"{history}-last")
    run_job(OnThreads(2), request(folder, out, onnx, number=history + 2))
    monkeypatch.undo()
    return asked


def test_a_run_asks_as_little_after_many_runs_as_after_few(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the sum over the corpus, and of single runs what came since."""
    few, many = (
        requests_of_a_run(history, photos, tmp_path / str(history), onnx_bytes, monkeypatch)
        for history in (3, 12)
    )
    assert many == few


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


class Weighs(OnThreads):
    """Notes how many bytes a task is on its way to a worker."""

    heaviest = 0

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        Weighs.heaviest = max(Weighs.heaviest, len(pickle.dumps(replace(task.task, done=()))))  # type: ignore[attr-defined]
        return super().run(task, work, schema)

    def share(self, value: bytes) -> Kept:
        return Elsewhere(value)


class Elsewhere(Kept):
    """What has been broadcast is there already."""

    def __reduce__(self) -> Any:
        return Elsewhere, (b"",)


def test_a_task_is_as_light_with_a_long_block_list_as_with_none(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    asked = request(photos(6), tmp_path / "out", onnx_bytes)
    none = replace(asked, blocked=BlockList("00").with_contents("1", ["no such"]))
    long = replace(asked, blocked=none.blocked.with_contents("1", map(str, range(5000))))
    weights = []
    for one in (none, long):
        Weighs.heaviest = 0
        featurize_runs(Weighs(2), [one], lambda run, done: None)
        weights.append(Weighs.heaviest)
    assert weights[0] == weights[1] > 0

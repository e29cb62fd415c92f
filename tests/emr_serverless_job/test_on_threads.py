"""The job's tasks in threads leave what they leave on Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from darkroom.errors import UsageError
from emr_serverless_job.engine import Engine, rows_of
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.run_job import run_job
from tests.conftest import jpeg
from tests.emr_serverless_job.asking import Photos, assert_balanced, request, snapshot

_NUMBERS = pa.table({"number": [1, 2, 3, 4, 5]})


def test_threads_and_spark_leave_the_same_bytes(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(70)
    (folder / "bad.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(jpeg(3)[:-200])
    for out, runs_tasks in ((tmp_path / "spark", engine), (tmp_path / "threads", OnThreads(2))):
        seen: list[int] = []
        account = run_job(runs_tasks, request(folder, out, onnx_bytes), seen.append)
        assert_balanced(account, found=72, processed=70, rejected=2)
        assert seen[-1] == 72
    assert snapshot(tmp_path / "threads") == snapshot(tmp_path / "spark")


class _Meets:
    """A task that ends when as many run as there are threads."""

    def __init__(self, threads: int) -> None:
        self.barrier = Barrier(threads, timeout=30)

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self.barrier.wait()
        yield from batches


def test_tasks_run_side_by_side_and_answer_in_order() -> None:
    work = _NUMBERS.slice(0, 4)
    answers = OnThreads(2).run(_Meets(2), work, "number long")
    assert [row["number"] for row in answers] == [1, 2, 3, 4]


def test_a_task_that_fails_ends_the_others_that_wait() -> None:
    begun: list[object] = []

    def fails(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        begun.extend(row["number"] for row in rows_of(batches))
        raise OSError("No space left on device")
        yield

    with pytest.raises(OSError, match="No space left"):
        OnThreads(1).run(fails, _NUMBERS, "number long")
    assert len(begun) < _NUMBERS.num_rows


def test_what_only_spark_can_do_says_so(photos: Photos, tmp_path: Path, onnx_bytes: bytes) -> None:
    asked = request(photos(3), tmp_path / "out", onnx_bytes, pca="spark")
    with pytest.raises(UsageError, match="need Spark: add --engine spark"):
        run_job(OnThreads(1), asked)

"""What Spark alone does: it loses workers, tries tasks again, and plans queries."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pyarrow as pa
import pytest
from pyspark import TaskContext

from darkroom.storage.local import LocalStore
from emr_serverless_job import featurize
from emr_serverless_job.engine import Engine
from emr_serverless_job.run_job import run_job
from tests.conftest import encoded, jpeg, picture
from tests.darkroom.images.test_reading import mutated
from tests.emr_serverless_job.asking import Photos, assert_balanced, request, rows, snapshot


def test_hundreds_of_mutated_files_never_fail_a_task(
    engine: Engine, tmp_path: Path, onnx_bytes: bytes
) -> None:
    source = random.Random(7)
    folder = tmp_path / "spring"
    folder.mkdir()
    for number in range(300):
        name = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"][number % 6]
        data = mutated(encoded(picture(number), name), source)
        (folder / f"{number}.jpg").write_bytes(data)
    account = run_job(engine, request(folder, tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=300, missing=0, skipped=0)
    assert account.processed > 50
    assert account.rejected > 50


class WaitsForGate(featurize._ManifestTask):
    """The part with the slow picture waits until a file called `gate` lies beside its folder."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            entries = [entry for row in batch.to_pylist() for entry in row["entries"]]
            if any(entry["key"].endswith("slow.jpg") for entry in entries):
                gate = Path(entries[0]["store"].removeprefix("file://")) / "gate"
                while not gate.exists():
                    sleep(0.02)
            yield from super().__call__(iter([batch]))


def python_workers() -> list[int]:
    """Spark's Python workers: the children of its daemon."""
    daemons, children = set(), []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and b"worker_daemon" in (process / "cmdline").read_bytes():
                parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.append((int(process.name), parent))
                daemons.add(int(process.name))
        except OSError:
            continue
    return [child for child, parent in children if parent in daemons]


def test_a_killed_python_worker_changes_nothing(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = photos(80)
    (folder / "slow.jpg").write_bytes(jpeg(77))
    monkeypatch.setattr(featurize, "_ManifestTask", WaitsForGate)
    asked = request(folder, tmp_path / "out", onnx_bytes)
    killed: list[int] = []

    def kill_once(done: int) -> None:
        if done >= 64 and not killed:  # every part but the one that waits
            for worker in python_workers():
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
            (tmp_path / "gate").touch()

    account = run_job(engine, asked, kill_once)
    assert killed
    assert_balanced(account, found=81, processed=81)
    paths = [row["path"] for row in rows(tmp_path / "out", "Results")]
    assert len(paths) == len(set(paths)) == 81


class FailsOnce(featurize._ManifestTask):
    """A task that does all its work, stores it, and fails: the first time."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from super().__call__(batches)
        context = TaskContext.get()
        if context is not None and context.attemptNumber() == 0:
            raise RuntimeError("planted")


def test_tasks_that_fail_after_storing_change_nothing(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = photos(70)
    (folder / "bad.jpg").write_bytes(b"")
    run_job(engine, request(folder, tmp_path / "calm", onnx_bytes))
    monkeypatch.setattr(featurize, "_ManifestTask", FailsOnce)
    account = run_job(engine, request(folder, tmp_path / "rough", onnx_bytes))
    assert_balanced(account, found=71, processed=70, rejected=1)
    assert snapshot(tmp_path / "rough") == snapshot(tmp_path / "calm")


def test_a_manifest_larger_than_a_query_plan_is_shipped_too(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emr_serverless_job.on_spark._PLAN_BYTES", 1)
    account = run_job(engine, request(photos(70), tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=70, processed=70)
    (file,) = LocalStore(tmp_path / "out").list("Results")
    assert file.endswith("part-00000-00002.parquet")  # of three tasks

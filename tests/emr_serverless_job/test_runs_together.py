"""Several runs in one job: each with its own end, one decision on the coordinates for all."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from darkroom import manifest
from darkroom.coordinates.versions import current_version
from darkroom.errors import UnbalancedReceiptError
from darkroom.images.contract import chosen
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import open_store
from emr_serverless_job import featurize
from emr_serverless_job import run_job as run_job_module
from emr_serverless_job.apart import WHOSE
from emr_serverless_job.engine import Engine, rows_of
from emr_serverless_job.main import parse
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import Ended, run_job, run_jobs
from tests.conftest import jpeg
from tests.emr_serverless_job.asking import Photos, counting, request, rows, snapshot

COUNTS = {"spring": 40, "summer": 70, "autumn": 12}


@pytest.fixture(params=["spark", "threads"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each implementation of `Engine`."""
    if request.param == "spark":
        return OnSpark(request.getfixturevalue("spark"))
    return OnThreads(2)


@pytest.fixture
def asked(photos: Photos, tmp_path: Path, onnx_bytes: bytes) -> list[Request]:
    first, requests = 0, []
    for batch, count in COUNTS.items():
        folder = photos(count, batch, first=first)
        (folder / "bad.jpg").write_bytes(b"")
        made = request(folder, tmp_path / "out", onnx_bytes)
        requests.append(replace(made, run=Run(batch, 1)))
        first += 100
    return requests


def together(engine: Engine, requests: list[Request]) -> dict[str, Ended]:
    seen: dict[Run, int] = {}
    ended = run_jobs(engine, requests, seen.__setitem__)
    assert [one.run for one in ended] == [one.run for one in requests]
    assert all(seen[r.run] >= len(r.entries) for r, e in zip(requests, ended, strict=True)
               if e.receipt)  # fmt: skip
    return {one.run.batch: one for one in ended}


def test_each_run_has_its_own_receipt(engine: Engine, asked: list[Request], tmp_path: Path) -> None:
    ended = together(engine, asked)
    for batch, count in COUNTS.items():
        account = ended[batch].receipt
        assert account is not None
        assert (account.found, account.processed, account.rejected) == (count + 1, count, 1)
        stored = LocalStore(tmp_path / "out").read(Run(batch, 1).receipt)
        assert receipt.unpack(stored) == account
        assert account.pca is not None
        assert (account.pca.version, account.pca.refitted) == (1, True)
        assert ended[batch].task_seconds > 0
    version = current_version(LocalStore(tmp_path / "out"))
    assert version is not None
    assert version.number == 1
    assert len(rows(tmp_path / "out", "Results_PCA")) == sum(COUNTS.values())


def test_together_and_one_by_one_the_rows_are_the_same(
    engine: Engine, asked: list[Request], tmp_path: Path
) -> None:
    together(engine, asked)
    alone = tmp_path / "alone"
    for one in asked:
        run_job(engine, replace(one, output=LocalStore(alone).uri))
    kept = ("Results/", "Rejected/", "statistics/")
    both = [
        {key: data for key, data in snapshot(out).items() if key.startswith(kept)}
        for out in (tmp_path / "out", alone)
    ]
    assert both[0] == both[1]


class FailsFor(featurize._ManifestTask):
    """A task that one run's images make fail, whoever tries."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in rows_of([batch]):
                if self.task.runs[row[WHOSE]].batch == "summer":  # type: ignore[index,call-overload]
                    raise RuntimeError("planted")
            yield from super().__call__([batch])


class KillsFor(FailsFor):
    """The same, but its worker does not live to say so."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from super().__call__(batches)
        except RuntimeError:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_whose_tasks_fail_fails_alone(
    engine: Engine, asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(featurize, "_ManifestTask", FailsFor)
    ended = together(engine, asked)
    assert "planted" in str(ended["summer"].error)
    assert ended["summer"].receipt is None
    assert_others_done(ended, tmp_path)


@pytest.mark.parametrize("engine", ["spark"], indirect=True)
def test_a_run_whose_tasks_kill_their_workers_fails_alone(
    engine: Engine, asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(featurize, "_ManifestTask", KillsFor)
    ended = together(engine, asked)
    assert ended["summer"].error is not None
    assert_others_done(ended, tmp_path)


class LosesARow(featurize._Task):
    """A task that forgets to store what it rejected, of one run."""

    def store(self, whose: int, part: int, fetched: Iterable[object]) -> pa.RecordBatch:
        report = super().store(whose, part, fetched)  # type: ignore[arg-type]
        if self.runs[whose].batch == "summer":
            store = open_store(self.asked.output)
            store.delete(store.list(self.runs[whose].rejected))
        return report


def test_a_run_that_does_not_balance_fails_alone(
    engine: Engine, asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(featurize, "_Task", LosesARow)
    ended = together(engine, asked)
    assert isinstance(ended["summer"].error, UnbalancedReceiptError)
    assert not (tmp_path / "out" / Run("summer", 1).statistics).exists()
    assert_others_done(ended, tmp_path)


def assert_others_done(ended: dict[str, Ended], tmp_path: Path) -> None:
    for batch in ("spring", "autumn"):
        account = ended[batch].receipt
        assert account is not None
        assert (account.balanced, account.processed) == (True, COUNTS[batch])
    placed = {row["path"].split("/")[0] for row in rows(tmp_path / "out", "Results_PCA")}
    assert placed == {"spring", "autumn"}


def test_a_manifest_that_cannot_be_read_fails_alone(
    asked: list[Request], tmp_path: Path, model_file: Path
) -> None:
    results = LocalStore(tmp_path / "out")
    for one in asked:
        packed = manifest.pack(one.entries) if one.run.batch != "summer" else b"hello"
        results.write(f"{one.run.manifest}/part-00000.jsonl.gz", packed)
    runs = [f"--run-of={batch}/1" for batch in COUNTS]
    told = parse([*runs, "--output", results.uri, "--model", str(model_file)])
    assert [one.run.batch for one in told.requests] == ["spring", "autumn"]
    (failed,) = told.failed
    assert "not a manifest" in str(failed.error)


def dies(engine: Engine, asked: list[Request]) -> dict[Run, Exception]:
    return {one.run: OSError("the job died here") for one in asked}


def test_another_attempt_keeps_the_parts_that_are_whole(
    asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = OnThreads(2)
    together(engine, asked)
    whole, out = snapshot(tmp_path / "out"), LocalStore(tmp_path / "out")
    out.delete([*whole, *(one.run.receipt for one in asked)])
    with monkeypatch.context() as patch:
        patch.setattr(run_job_module, "merge_files", dies)
        together(engine, asked)
    summer = Run("summer", 1)
    out.delete([f"{summer.results}/part-00001.parquet"])
    first = out.read(f"{summer.results}/part-00000.parquet")
    out.write(f"{summer.results}/part-00007.parquet", first)
    worked = counting(monkeypatch)
    together(engine, asked)
    assert worked == [("summer", 1)]
    again = snapshot(tmp_path / "out")
    places = ("Results/", "Rejected/", "statistics/")
    assert {k: v for k, v in again.items() if k.startswith(places)} == {
        k: v for k, v in whole.items() if k.startswith(places)
    }


@pytest.mark.parametrize("change", ["exact_decode", "thumbnails", "manifest"])
def test_parts_of_other_settings_or_images_are_not_kept(
    asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    run_jobs(OnThreads(2), asked[:1], lambda run, done: None)
    LocalStore(tmp_path / "out").delete([asked[0].run.receipt])
    changed = {
        "exact_decode": {"contract": chosen(True)},
        "thumbnails": {"thumbnails": False},
        "manifest": {"entries": asked[0].entries[1:]},
    }[change]
    worked = counting(monkeypatch)
    (ended,) = run_jobs(OnThreads(2), [replace(asked[0], **changed)], lambda run, done: None)  # type: ignore[arg-type]
    assert sorted(worked) == [("spring", 0), ("spring", 1)]
    assert ended.receipt is not None
    assert ended.receipt.balanced


def test_a_run_that_is_done_is_done_anew_when_it_is_asked_for(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_jobs(OnThreads(2), asked[:1], lambda run, done: None)
    worked = counting(monkeypatch)
    run_jobs(OnThreads(2), asked[:1], lambda run, done: None)
    assert len(worked) == 2


def test_copies_are_named_within_their_run_alone(
    asked: list[Request], photos: Photos, tmp_path: Path
) -> None:
    copy = tmp_path / "spring" / "copy.jpg"
    copy.write_bytes(jpeg(4))
    entries = request(tmp_path / "spring", tmp_path / "out", asked[0].model).entries
    ended = together(OnThreads(2), [replace(asked[0], entries=entries), *asked[1:]])
    groups = {batch: one.receipt.duplicates.groups for batch, one in ended.items() if one.receipt}
    (named,) = groups.pop("spring")
    assert "spring/copy.jpg" in named
    assert json.dumps(groups) == '{"summer": [], "autumn": []}'

"""Is a run like what was there before it: in its receipt, whatever comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from darkroom.layout import Run
from darkroom.run.receipt import DriftNote, Receipt
from darkroom.storage.local import LocalStore
from emr_serverless_job import drifting
from emr_serverless_job.engine import Engine
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.run_job import run_job, run_jobs
from tests.emr_serverless_job.asking import Photos, assert_balanced, request


@pytest.fixture(params=["spark", "threads"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each implementation of `Engine`."""
    if request.param == "spark":
        return OnSpark(request.getfixturevalue("spark"))
    return OnThreads(2)


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "LEAST_IMAGES", 40)


def note_of(account: Receipt) -> DriftNote:
    assert account.drift is not None
    return account.drift


def dark(folder: Path, share: int) -> Path:
    """Of so many pictures one stays what it is."""
    for number, path in enumerate(sorted(folder.rglob("*.jpg"))):
        if number % share:
            Image.open(path).point(lambda value: value // 16).save(path)
            path.rename(path.parent.parent / "apple" / path.name)
    return folder


def test_a_run_is_held_against_all_before_it(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    out = tmp_path / "out"
    first = run_job(engine, request(photos(60), out, onnx_bytes))
    assert note_of(first).words == "nothing was there before"
    like = run_job(engine, request(photos(60, "more", first=100), out, onnx_bytes, number=2))
    note = note_of(like)
    assert (note.unlike, note.images) == (False, 60)
    assert note.distance is not None
    assert note.from_previous == pytest.approx(note.distance)
    folder = dark(photos(60, "dark", first=200), 10)
    unlike = note_of(run_job(engine, request(folder, out, onnx_bytes, number=3)))
    assert (unlike.unlike, unlike.images) == (True, 120)
    assert unlike.distance is not None
    assert unlike.distance > 3 * note.distance
    assert "unlike what was there before" in unlike.words


def test_small_runs_are_told_so_and_get_no_verdict(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    out, engine = tmp_path / "out", OnThreads(2)
    run_job(engine, request(photos(50), out, onnx_bytes))
    few = note_of(run_job(engine, request(photos(9, "few"), out, onnx_bytes, number=2)))
    assert few.unlike is None
    assert few.words == "too few images to tell: 9, and 50 before; 40 of each are needed"


def test_runs_of_one_job_are_told_each_by_itself(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    out = tmp_path / "out"
    run_job(engine, request(photos(50), out, onnx_bytes))
    asked = [
        request(folder, out, onnx_bytes, run=Run(batch, 1))
        for batch, folder in (("like", photos(50, "a", first=100)),
                              ("dark", dark(photos(50, "b", first=200), 50)))
    ]  # fmt: skip
    ended = run_jobs(engine, asked, lambda run, done: None)
    verdicts = {one.run.batch: one.receipt and note_of(one.receipt).unlike for one in ended}
    assert verdicts == {"like": False, "dark": True}


def test_a_large_run_is_told_by_its_sums_and_a_part_of_its_rows(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, engine = tmp_path / "out", OnThreads(2)
    run_job(engine, request(photos(60), out, onnx_bytes))
    whole = note_of(run_job(engine, request(photos(90, "x", 100), out, onnx_bytes, number=2)))
    monkeypatch.setattr(drifting, "MOST_ROWS", 45)
    LocalStore(out).delete(LocalStore(out).list("Results/batch=spring/run=2"))
    part = note_of(run_job(engine, request(tmp_path / "x", out, onnx_bytes, number=2)))
    assert part.distance == pytest.approx(whole.distance)
    assert part.halves != whole.halves


def test_what_keeps_it_from_being_told_fails_no_run(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*told: object) -> None:
        raise ValueError("no such thing")

    out, engine = tmp_path / "out", OnThreads(2)
    run_job(engine, request(photos(50), out, onnx_bytes))
    monkeypatch.setattr(drifting, "drift", fails)
    account = run_job(engine, request(photos(50, "more", 100), out, onnx_bytes, number=2))
    assert_balanced(account, processed=50)
    assert note_of(account).words == "could not be told: ValueError"
    assert note_of(account).unlike is None

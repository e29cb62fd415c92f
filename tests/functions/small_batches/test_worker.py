"""What `small_job` leaves is what Spark leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom import manifest
from darkroom.errors import TransientError
from darkroom.images.contract import DISPLAY
from darkroom.images.outcome import Limits
from darkroom.layout import Run
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from emr_serverless_job.engine import Engine
from emr_serverless_job.main import parse
from emr_serverless_job.run_job import run_jobs
from functions.small_batches.worker import Worker
from tests.conftest import jpeg
from tests.emr_serverless_job.asking import snapshot

RUN = Run("spring", 1)


@pytest.fixture
def sealed(photos: Callable[..., Path], tmp_path: Path) -> Callable[[str], LocalStore]:
    """Results in which the manifest of a run lies, and nothing else."""
    folder = photos(70, "spring")
    (folder / "bad.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(jpeg(3)[:-200])
    (folder / "again.jpg").write_bytes(jpeg(3))
    (folder / "notes.txt").write_bytes(b"no image")
    entries = [*walk_folder(folder.parent)]

    def made(name: str) -> LocalStore:
        results = LocalStore(tmp_path / name)
        results.write(f"{RUN.manifest}/part-00000.jsonl.gz", manifest.pack(entries))
        return results

    return made


def worker(results: LocalStore, model: Path) -> Worker:
    return Worker(results.uri, str(model), Limits(), True, DISPLAY, 2)


def test_all_files_are_those_of_spark(
    engine: Engine, sealed: Callable[[str], LocalStore], model_file: Path
) -> None:
    small, spark = sealed("small"), sealed("spark")
    worker(small, model_file).work(RUN, 74, lambda: False)
    told = [f"--run-of={RUN.in_ascii}=74", f"--output={spark.uri}", f"--model={model_file}"]
    run_jobs(engine, parse(told).requests, lambda run, done: None)
    assert snapshot(small.root) == snapshot(spark.root)
    places = {key.partition("/")[0] for key in snapshot(small.root)}
    assert places >= {"Results", "Results_PCA", "Rejected", "Thumbnails", "pca", "statistics"}


def test_what_has_too_little_time_goes_on_where_it_stopped(
    sealed: Callable[[str], LocalStore], model_file: Path
) -> None:
    results, whole = sealed("out"), sealed("whole")
    looks = iter([False, True, True, True, True])
    with pytest.raises(TransientError, match="time"):
        worker(results, model_file).work(RUN, None, lambda: next(looks, True))
    assert len(results.list(RUN.results)) < 3
    assert results.list(RUN.receipt.rpartition("/")[0]) == []
    worker(results, model_file).work(RUN, None, lambda: False)
    worker(whole, model_file).work(RUN, None, lambda: False)
    assert snapshot(results.root) == snapshot(whole.root)

"""Few, whole files: what a run leaves in the end, and what an attempt that dies at it leaves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.layout import Run
from darkroom.storage.local import LocalStore
from emr_serverless_job import merging, parts, run_job
from emr_serverless_job.apart import WHOSE
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from tests.emr_serverless_job.asking import (
    Photos,
    assert_balanced,
    counting,
    request,
    rows,
    snapshot,
)

RUN = Run("spring", 1)


@pytest.fixture
def asked(photos: Photos, tmp_path: Path, onnx_bytes: bytes) -> Request:
    """Four parts: 100 images, of which one in the second cannot be read."""
    folder = photos(99)
    (folder / "apple" / "5.gif").write_bytes(b"GIF89a")
    return request(folder, tmp_path / "out", onnx_bytes)


def in_parts(asked: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that ends before anything is merged."""
    with monkeypatch.context() as patch:
        patch.setattr(run_job, "merge_files", lambda engine, asked: {RUN: OSError("it died")})
        with pytest.raises(OSError, match="it died"):
            run_job.run_job(OnThreads(2), asked)


def names(out: Path) -> dict[str, list[str]]:
    store = LocalStore(out)
    return {
        folder.partition("/")[0]: [key.rpartition("/")[2] for key in store.list(folder)]
        for folder in (*RUN.tables, RUN.results_pca(1))
    }


def test_a_run_leaves_one_file_a_table_with_the_rows_of_its_parts(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(asked, monkeypatch)
    singles = [f"part-{number:05d}.parquet" for number in range(4)]
    assert names(tmp_path / "out")["Results"] == singles
    before = {place: rows(tmp_path / "out", place) for place in ("Results", "Thumbnails")}
    assert_balanced(run_job.run_job(OnThreads(2), asked), found=100, processed=99, rejected=1)
    merged = ["part-00000-00003.parquet"]
    assert names(tmp_path / "out") == {
        "Results": merged,
        "Rejected": merged,
        "Skipped": [],
        "Thumbnails": merged,
        "Results_PCA": merged,
    }
    assert rows(tmp_path / "out", "Results") == before["Results"]
    by_path = sorted(before["Thumbnails"], key=lambda row: row["path"].encode())
    assert rows(tmp_path / "out", "Thumbnails") == by_path


def test_a_large_run_leaves_files_of_some_size(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FILE_IMAGES", 64)
    run_job.run_job(OnThreads(2), asked)
    there = names(tmp_path / "out")
    assert there["Results"] == ["part-00000-00001.parquet", "part-00002-00003.parquet"]
    assert there["Results_PCA"] == there["Thumbnails"] == there["Results"]
    assert len(there["Rejected"]) == 1


def test_what_fits_one_part_is_left_as_it_is(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    run_job.run_job(OnThreads(2), request(photos(20), tmp_path / "out", onnx_bytes))
    assert names(tmp_path / "out")["Results"] == ["part-00000.parquet"]


class DiedError(Exception):
    """So does the job."""


def cut_off(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what merges die after so many writes and removals."""
    steps = count()
    opened = merging.open_store

    def open_store(uri: str) -> Any:
        store = opened(uri)
        for name in ("write", "delete"):
            plain = getattr(store, name)

            def one_less(*told: Any, plain: Any = plain) -> None:
                if next(steps) == after:
                    raise DiedError
                plain(*told)

            setattr(store, name, one_less)
        return store

    monkeypatch.setattr(merging, "open_store", open_store)


@pytest.mark.parametrize("after", range(6))
def test_an_attempt_that_dies_at_it_costs_no_image_twice(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Three tables: a file written and its parts removed, three times."""
    run_job.run_job(OnThreads(2), asked)
    whole, out = snapshot(tmp_path / "out"), LocalStore(tmp_path / "out")
    out.delete([*snapshot(tmp_path / "out"), RUN.receipt])
    with monkeypatch.context() as patch:
        cut_off(after, patch)
        with pytest.raises(DiedError):
            run_job.run_job(OnThreads(2), asked)
    worked = counting(monkeypatch)
    assert_balanced(run_job.run_job(OnThreads(2), asked), found=100, processed=99, rejected=1)
    assert worked == []
    assert snapshot(tmp_path / "out") == whole


def test_an_attempt_that_dies_after_it_costs_no_image_twice(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job.run_job(OnThreads(2), asked)
    whole = snapshot(tmp_path / "out")
    LocalStore(tmp_path / "out").delete([RUN.receipt])
    worked = counting(monkeypatch)
    assert_balanced(run_job.run_job(OnThreads(2), asked), found=100)
    assert worked == []
    again = snapshot(tmp_path / "out")
    assert {k: v for k, v in again.items() if k.startswith("Results/")} == {
        k: v for k, v in whole.items() if k.startswith("Results/")
    }


def test_a_task_that_is_tried_again_changes_nothing(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark may have heard nothing of one that did its work."""
    in_parts(asked, monkeypatch)
    store = LocalStore(tmp_path / "out")
    work = merging._work(store, asked).add_column(0, WHOSE, pa.array([0], pa.int32()))
    for _ in range(2):
        told = [*merging._MergeTask(asked.output)(work.to_batches())]
        assert [batch.to_pylist() for batch in told] == [[{WHOSE: 0, "files": 3}]]
    assert len(rows(tmp_path / "out", "Results")) == 99


def test_pictures_lie_such_that_few_of_them_can_be_fetched(
    photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    run_job.run_job(OnThreads(2), request(photos(300), tmp_path / "out", onnx_bytes))
    (key,) = LocalStore(tmp_path / "out").list(RUN.thumbnails)
    file = pq.ParquetFile(io.BytesIO(LocalStore(tmp_path / "out").read(key)))
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert sizes == [128, 128, 44]
    bounds = list(map(partial(bounds_of, file), range(3)))
    assert bounds == sorted(bounds)


def bounds_of(file: pq.ParquetFile, group: int) -> Sequence[str]:
    told = file.metadata.row_group(group).column(0).statistics
    return told.min, told.max

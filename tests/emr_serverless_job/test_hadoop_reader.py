"""Spark's own reader, as another way to the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.run.folder import walk_folder
from emr_serverless_job.engine import Engine
from emr_serverless_job.hadoop_reader import fetched_content
from emr_serverless_job.run_job import run_job
from tests.conftest import jpeg
from tests.emr_serverless_job.asking import Photos, assert_balanced, request, rows


def test_the_hadoop_reader_gives_the_same_rows(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(30)
    for name in ("we[i]rd {a,b}*?.jpg", "100%25 +é#🍑.jpg", "_1.jpg", "bad.jpg", "notes.txt"):
        (folder / name).write_bytes(jpeg(len(name)) if name[0] in "w1_" else b"")
    entries = walk_folder(folder)
    (folder / "apple" / "1.jpg").unlink()
    for reader in ("obstore", "binaryFile"):
        asked = request(entries, tmp_path / reader, onnx_bytes, reader=reader)
        account = run_job(engine, asked)
        assert_balanced(account, found=34, processed=32, rejected=1, missing=1, skipped=1)
    ours, theirs = (
        {row["path"]: row for row in rows(tmp_path / reader, "Results")}
        for reader in ("obstore", "binaryFile")
    )
    assert ours.keys() == theirs.keys()
    for path, row in ours.items():
        assert np.allclose(row.pop("features"), theirs[path].pop("features"), rtol=1e-5)
        assert row == theirs[path]


def test_paths_of_a_bucket_and_of_odd_folders_become_keys() -> None:
    def row(path: str) -> dict[str, object]:
        return {"path": path, "content": b"x"}

    (bucket,) = fetched_content([row("s3://uploads/spring/a#1?.jpg")], "s3://uploads")
    (folder,) = fetched_content([row("file:/data/C#/spring/1.jpg")], "file:///data/C%23")
    assert bucket.entry.key == "spring/a#1?.jpg"
    assert folder.entry.key == "spring/1.jpg"

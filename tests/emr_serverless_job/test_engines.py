"""The job on each engine: what lies in the results after a run, whatever happened on the way."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from darkroom.errors import BackboneError, MixedBackbonesError, UnbalancedReceiptError, UsageError
from darkroom.images.backbone import load_backbone
from darkroom.images.outcome import Limits, Rejection
from darkroom.images.reading import read_image
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.run.csv_export import export_csv, original_text
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet
from emr_serverless_job import featurize
from emr_serverless_job.engine import Engine
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.conftest import encoded, jpeg, make_onnx
from tests.emr_serverless_job.asking import Photos, assert_balanced, request, rows, snapshot


@pytest.fixture(params=["spark", "threads"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each implementation of `Engine`."""
    if request.param == "spark":
        return OnSpark(request.getfixturevalue("spark"))
    return OnThreads(2)


def test_features_are_those_of_the_plain_pixels(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    account = run_job(engine, request(photos(40), tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=40, processed=40, rejected=0, missing=0)
    results = rows(tmp_path / "out", "Results")
    assert [row["path"] for row in results] == sorted(row["path"] for row in results)
    assert set(results[0]) == {
        "path", "label", "features", "content_sha256", "width", "height", "format", "backbone",
        "has_more",
    }  # fmt: skip
    assert list(results[0])[:3] == ["path", "label", "features"]
    backbone = load_backbone(onnx_bytes)
    for row in results:
        image = (tmp_path / row["path"]).read_bytes()
        outcome = read_image(image, backbone.size, Limits())
        assert not isinstance(outcome, Rejection)
        expected = backbone.embed(outcome.array[None])[0]
        assert np.allclose(row["features"], expected, rtol=1e-5)
        assert (row["width"], row["height"], row["format"]) == (96, 80, "JPEG")


def test_every_reason_with_a_real_file(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(12)
    bad = {
        "empty": b"",
        "not_an_image": b"hello",
        "truncated": jpeg()[:-700],
        "too_many_pixels": encoded(Image.new("RGB", (300, 300)), "PNG"),
        "unsupported_mode": b"<svg></svg>",
        "too_large": os.urandom(40_000),
        "decode_error": b"\x89PNG\r\n\x1a\n" + b"\7" * 99,
    }
    for reason, data in bad.items():
        (folder / f"{reason}.jpg").write_bytes(data)
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "_READY").write_bytes(b"")
    entries = walk_folder(folder)
    (folder / "apple" / "1.jpg").unlink()
    asked = request(
        entries, tmp_path / "out", onnx_bytes, limits=Limits(max_bytes=39_999, max_pixels=80_000)
    )
    account = run_job(engine, asked)
    assert_balanced(account, found=19, processed=11, rejected=7, missing=1, skipped=2)
    assert account.rejected_by_reason == dict.fromkeys(sorted(bad), 1)
    rejected = {row["path"]: row["reason"] for row in rows(tmp_path / "out", "Rejected")}
    assert rejected == {
        **{f"spring/{reason}.jpg": reason for reason in bad},
        "spring/apple/1.jpg": "missing",
    }


def test_awkward_names_come_back_exactly(engine: Engine, tmp_path: Path, onnx_bytes: bytes) -> None:
    names = [
        "with space/a b.jpg", "1+1/=2.jpg", "100%25/%41.jpg", "\"it's\"/',\".jpg", "🍑/🍏.jpg",
        "Pe\u0302che/e\u0301.jpg", "Pêche/é.jpg", "two\nlines/a\r\nb.jpg", "=cmd()/+1.jpg",
        "/".join(["deep" * 22] * 10) + "/x.jpg",
    ]  # fmt: skip
    folder = tmp_path / "spring"
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(seed))
    assert_balanced(run_job(engine, request(folder, tmp_path / "out", onnx_bytes)), processed=10)
    expected = {f"spring/{name}": name.split("/")[-2] for name in names}
    for place in ("Results", "Results_PCA"):
        stored = {row["path"]: row["label"] for row in rows(tmp_path / "out", place)}
        assert stored == expected
    run = Run("spring", 1)
    export_csv(LocalStore(tmp_path / "out"), run, 1, 50)
    text = (tmp_path / "out" / run.csv).read_bytes().decode()
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    read = {original_text(line["path"]): original_text(line["label"]) for line in lines}
    assert read == expected


def test_the_same_run_twice_changes_not_a_byte(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(50)
    (folder / "bad.jpg").write_bytes(b"")
    asked = request(folder, tmp_path / "out", onnx_bytes)
    run_job(engine, asked)
    first = snapshot(tmp_path / "out")
    stale = tmp_path / "out" / asked.run.results / "part-00099.parquet"
    stale.write_bytes(first[f"{asked.run.results}/part-00000-00001.parquet"])
    account = run_job(engine, asked)
    assert_balanced(account, found=51, processed=50, rejected=1)
    assert snapshot(tmp_path / "out") == first


class LosesARow(featurize._Task):
    """A task that forgets to store what it rejected."""

    def store(self, whose: int, part: int, fetched: Any) -> pa.RecordBatch:
        report = super().store(whose, part, fetched)
        store = open_store(self.asked.output)
        store.delete(store.list(self.runs[whose].rejected))
        return report


def test_an_unaccounted_image_fails_the_run(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = photos(9)
    (folder / "bad.jpg").write_bytes(b"")
    monkeypatch.setattr(featurize, "_Task", LosesARow)
    with pytest.raises(UnbalancedReceiptError, match="10 found ≠ 9 processed"):
        run_job(engine, request(folder, tmp_path / "out", onnx_bytes))
    stored = json.loads((tmp_path / "out" / Run("spring", 1).receipt).read_bytes())
    assert (stored["state"], stored["balanced"]) == ("failed", False)
    assert not (tmp_path / "out" / "pca").exists()  # it has no part in the coordinate system
    assert not (tmp_path / "out" / "statistics").exists()
    assert receipt.done_runs(LocalStore(tmp_path / "out")) == []


def test_duplicates_by_content_are_named(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(40)
    for copy in ("apple/copy.jpg", "again.jpg"):
        (folder / copy).write_bytes(jpeg(4))
    account = run_job(engine, request(folder, tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=42, processed=42)
    assert account.duplicates.images == 2
    assert account.duplicates.groups == [
        ["spring/Pêche plate/4.jpg", "spring/again.jpg", "spring/apple/copy.jpg"]
    ]


def test_a_folder_of_only_bad_images_is_done_without_pca(
    engine: Engine, tmp_path: Path, onnx_bytes: bytes
) -> None:
    (tmp_path / "spring").mkdir()
    for number in range(3):
        (tmp_path / "spring" / f"{number}.jpg").write_bytes(b"no")
    account = run_job(engine, request(tmp_path / "spring", tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=3, processed=0, rejected=3)
    assert account.pca is None


def test_one_image_gets_a_row_of_zeros(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    account = run_job(engine, request(photos(1), tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=1, processed=1)
    assert account.pca is not None
    assert account.pca.components == 0
    (row,) = rows(tmp_path / "out", "Results_PCA")
    assert row["pca"] == [0.0] * 50


def test_the_whole_run_on_a_bucket(engine: Engine, s3_server: str, onnx_bytes: bytes) -> None:
    import boto3

    client = boto3.client("s3")
    uploads, results = (f"{type(engine).__name__.lower()}-{name}" for name in ("in", "out"))
    for bucket in (uploads, results):
        where = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    keys = [f"spring/Pêche plate/{number} +%.jpg" for number in range(40)]
    for seed, key in enumerate(keys):
        client.put_object(Bucket=uploads, Key=key, Body=jpeg(seed))
    entries = [Entry(f"s3://{uploads}", key) for key in [*keys, "spring/gone.jpg"]]
    asked = Request(Run("spring", 1), entries, f"s3://{results}", onnx_bytes)
    account = run_job(engine, asked)
    assert_balanced(account, found=41, processed=40, missing=1)
    store = open_store(f"s3://{results}")
    stored = [
        row for key in store.list("Results") for row in from_parquet(store.read(key)).to_pylist()
    ]
    assert [row["path"] for row in stored] == keys
    assert {row["label"] for row in stored} == {"Pêche plate"}
    assert receipt.done_runs(store) == [Run("spring", 1)]


def test_two_backbones_do_not_meet(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder, out = photos(4), tmp_path / "out"
    run_job(engine, request(folder, out, onnx_bytes))
    before = snapshot(out)
    with pytest.raises(MixedBackbonesError, match="use the model they were made with"):
        run_job(engine, request(folder, out, make_onnx(pool=16), number=2))
    assert snapshot(out) == before


def test_a_file_that_is_no_model_is_refused_before_any_work(
    engine: Engine, photos: Photos, tmp_path: Path
) -> None:
    with pytest.raises(BackboneError, match="not a usable ONNX model"):
        run_job(engine, request(photos(1), tmp_path / "out", b"hello"))
    assert not (tmp_path / "out").exists()


def test_an_empty_manifest_is_refused(engine: Engine, tmp_path: Path, onnx_bytes: bytes) -> None:
    with pytest.raises(UsageError, match="manifest is empty"):
        run_job(engine, request([], tmp_path / "out", onnx_bytes))


def test_a_repeated_run_leaves_nothing_of_the_first(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder, out = photos(40), tmp_path / "out"
    entries = walk_folder(folder)
    run_job(engine, request(entries, out, onnx_bytes))
    for entry in entries:
        (tmp_path / entry.key).unlink()
    account = run_job(engine, request(entries, out, onnx_bytes))
    assert_balanced(account, found=40, processed=0, missing=40)
    assert rows(out, "Results") == rows(out, "Results_PCA") == []


class StoresTwice(featurize._Task):
    """A task that stores its features under two names."""

    def store(self, whose: int, part: int, fetched: Any) -> pa.RecordBatch:
        report = super().store(whose, part, fetched)
        store = open_store(self.asked.output)
        for key in store.list(self.runs[whose].results):
            store.write(key.replace("part-", "copy-"), store.read(key))
        return report


def test_an_image_stored_twice_fails_the_run(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(featurize, "_Task", StoresTwice)
    with pytest.raises(UnbalancedReceiptError):
        run_job(engine, request(photos(5), tmp_path / "out", onnx_bytes))

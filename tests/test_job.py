"""The job on Spark: what lies in the results after a run, whatever happened on the way."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyspark import TaskContext

from darkroom import manifest, receipt, versions
from darkroom.backbone import load_backbone
from darkroom.csv_export import export_csv, original_text
from darkroom.errors import BackboneError, MixedBackbonesError, UnbalancedReceiptError, UsageError
from darkroom.folder import walk_folder
from darkroom.images import Limits, Rejection, read_image
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.parquet import from_parquet
from darkroom.receipt import Receipt
from darkroom.storage import LocalStore, open_store
from darkroom.vectors import vectors_of
from emr_serverless_job import coordinates, featurize
from emr_serverless_job.engine import Engine
from emr_serverless_job.hadoop_reader import fetched_content
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.conftest import encoded, jpeg, make_onnx, picture
from tests.test_images import mutated

Photos = Callable[..., Path]


def request(folder: Path | list[Entry], out: Path, onnx: bytes, **changes: Any) -> Request:
    entries = folder if isinstance(folder, list) else walk_folder(folder)
    run = Run("spring", changes.pop("number", 1))
    return replace(Request(run, entries, LocalStore(out).uri, onnx), **changes)


def rows(out: Path, folder: str) -> list[dict[str, Any]]:
    store = LocalStore(out)
    tables = [from_parquet(store.read(key)) for key in store.list(folder)]
    return [row for table in tables for row in table.to_pylist()]


def assert_balanced(account: Receipt, **counts: int) -> None:
    assert account.balanced
    assert {name: getattr(account, name) for name in counts} == counts


def test_features_are_those_of_the_plain_pixels(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    account = run_job(engine, request(photos(40), tmp_path / "out", onnx_bytes))
    assert_balanced(account, found=40, processed=40, rejected=0, missing=0)
    results = rows(tmp_path / "out", "Results")
    assert [row["path"] for row in results] == sorted(row["path"] for row in results)
    assert set(results[0]) == {
        "path", "label", "features", "content_sha256", "width", "height", "format", "backbone",
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
        "unsupported_mode": b"\0\0\0\x18ftypheic",
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


def snapshot(out: Path) -> dict[str, bytes]:
    store = LocalStore(out)
    places = ("Results", "Results_PCA", "Rejected", "pca", "statistics")
    return {key: store.read(key) for place in places for key in store.list(place)}


def test_the_same_run_twice_changes_not_a_byte(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    folder = photos(50)
    (folder / "bad.jpg").write_bytes(b"")
    asked = request(folder, tmp_path / "out", onnx_bytes)
    run_job(engine, asked)
    first = snapshot(tmp_path / "out")
    stale = tmp_path / "out" / asked.run.results / "part-00099.parquet"
    stale.write_bytes(first[f"{asked.run.results}/part-00000.parquet"])
    account = run_job(engine, asked)
    assert_balanced(account, found=51, processed=50, rejected=1)
    assert snapshot(tmp_path / "out") == first


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


class LosesARow(featurize._Task):
    """A task that forgets to store what it rejected."""

    def store(self, part: int, fetched: Any) -> pa.RecordBatch:
        report = super().store(part, fetched)
        for key in open_store(self.output).list(self.run.rejected):
            open_store(self.output).delete([key])
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


def test_a_top_up_of_the_same_kind_keeps_the_version(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    out = tmp_path / "out"
    first = run_job(engine, request(photos(150), out, onnx_bytes))
    before = snapshot(out)
    second = run_job(engine, request(photos(5, "more"), out, onnx_bytes, number=2))
    assert first.pca is not None
    assert second.pca is not None
    assert (first.pca.version, first.pca.refitted) == (1, True)
    assert (second.pca.version, second.pca.refitted) == (1, False)
    assert before.items() <= snapshot(out).items()


def test_drift_makes_a_version_that_holds_every_run(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    out = tmp_path / "out"
    run_job(engine, request(photos(60), out, onnx_bytes))
    folder = tmp_path / "other"
    folder.mkdir()
    for seed in range(60):  # noise in place of smooth pictures
        noise = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), np.uint8)
        (folder / f"{seed}.png").write_bytes(encoded(Image.fromarray(noise), "PNG"))
    features = {key: data for key, data in snapshot(out).items() if key.startswith("Results/")}
    second = run_job(engine, request(folder, out, onnx_bytes, number=2))
    assert second.pca is not None
    assert (second.pca.version, second.pca.refitted) == (2, True)
    stored = {row["path"] for row in rows(out, "Results_PCA/model=2")}
    assert len(stored) == 120
    assert len(rows(out, "Results_PCA/model=1")) == 60
    assert features.items() <= snapshot(out).items()
    old, new = (coordinates_basis(out, version) for version in (1, 2))
    nearest = np.abs(new @ old.T).argmax(axis=1)
    assert (np.sum(new * old[nearest], axis=1) >= 0).all()


def coordinates_basis(out: Path, version: int) -> np.ndarray:
    with np.load(out / f"pca/model={version}/model.npz") as arrays:
        return np.asarray(arrays["components"])


@pytest.mark.parametrize("count", [30, 120])
def test_pca_equals_spark_ml_up_to_sign(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes, count: int
) -> None:
    folder = photos(count)
    run_job(engine, request(folder, tmp_path / "ours", onnx_bytes))
    run_job(engine, request(folder, tmp_path / "theirs", onnx_bytes, pca="spark"))
    ours, theirs = (coordinates_basis(tmp_path / name, 1) for name in ("ours", "theirs"))
    rank = min(50, count - 1)
    subspace = theirs[:rank].T - ours[:rank].T @ (ours[:rank] @ theirs[:rank].T)
    assert np.linalg.norm(subspace) < 1e-6
    ratios = [
        json.loads((tmp_path / name / "pca/model=1/model.json").read_text())[
            "explained_variance_ratio"
        ]
        for name in ("ours", "theirs")
    ]
    assert np.allclose(*ratios, atol=1e-9)
    a, b = (
        {row["path"]: row["pca"] for row in rows(tmp_path / name, "Results_PCA")}
        for name in ("ours", "theirs")
    )
    assert all(np.allclose(a[path], b[path], atol=2e-2) for path in a)


def test_stored_coordinates_are_components_times_features(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    run_job(engine, request(photos(60), tmp_path / "out", onnx_bytes))
    store = LocalStore(tmp_path / "out")
    basis = coordinates_basis(tmp_path / "out", 1)
    for key in store.list("Results"):
        features = vectors_of(from_parquet(store.read(key))["features"])
        placed = from_parquet(store.read(key.replace("Results/", "Results_PCA/model=1/")))
        expected = features.astype(np.float64) @ basis.T
        assert np.allclose(vectors_of(placed["pca"]), expected, atol=1e-2)


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


def test_the_whole_run_on_a_bucket(engine: Engine, s3_server: str, onnx_bytes: bytes) -> None:
    import boto3

    client = boto3.client("s3")
    for bucket in ("uploads", "results"):
        where = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    keys = [f"spring/Pêche plate/{number} +%.jpg" for number in range(40)]
    for seed, key in enumerate(keys):
        client.put_object(Bucket="uploads", Key=key, Body=jpeg(seed))
    entries = [Entry("s3://uploads", key) for key in [*keys, "spring/gone.jpg"]]
    asked = Request(Run("spring", 1), entries, "s3://results", onnx_bytes)
    account = run_job(engine, asked)
    assert_balanced(account, found=41, processed=40, missing=1)
    store = open_store("s3://results")
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


def test_parts_cover_the_manifest_in_order() -> None:
    entries = [Entry("s3://b", str(number)) for number in range(5000)]
    for cores in (1, 2, 64):
        parts = featurize.split(entries, cores)
        assert [entry for part in parts for entry in part] == entries
        assert all(len(part) >= 32 for part in parts[:-1])
    assert featurize.split([], 2) == []


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
    assert len(LocalStore(tmp_path / "out").list("Results")) == 3


def test_lists_of_a_store_and_manifests_agree(photos: Photos) -> None:
    folder = photos(6, "my photos 100%")
    walked = [(entry.key, entry.size_bytes) for entry in walk_folder(folder)]
    for uri in (folder.as_uri(), str(folder)):
        listed = manifest.list_store(uri)
        assert [(entry.key, entry.size_bytes) for entry in listed] == walked


def test_current_version_of_an_empty_store(tmp_path: Path) -> None:
    assert versions.current_version(LocalStore(tmp_path)) is None


def test_two_jobs_that_fit_at_once_do_not_share_a_version(
    engine: Engine,
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other job publishes after this one has looked at the pointer, before it publishes."""
    ours = request(photos(40), tmp_path / "out", onnx_bytes)
    theirs = request(photos(30, "other", 100), tmp_path / "out", onnx_bytes)
    theirs = replace(theirs, run=Run("other", 1))
    publish, raced = coordinates.publish, []

    def late(store: Any, asked: Request, version: Any) -> None:
        if not raced:
            raced.append(version.number)
            run_job(engine, theirs)
        publish(store, asked, version)

    monkeypatch.setattr(coordinates, "publish", late)
    account = run_job(engine, ours)
    assert raced == [1]
    assert account.pca is not None
    current = versions.current_version(LocalStore(tmp_path / "out"))
    assert current is not None
    assert current.number == account.pca.version
    placed = {row["path"] for row in rows(tmp_path / "out", f"Results_PCA/model={current.number}")}
    assert len(placed) == 70
    basis = coordinates_basis(tmp_path / "out", current.number)
    for row in rows(tmp_path / "out", "Results"):
        assert row["path"] in placed
    assert basis.shape == (50, 192)


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

    def store(self, part: int, fetched: Any) -> pa.RecordBatch:
        report = super().store(part, fetched)
        store = open_store(self.output)
        for key in store.list(self.run.results):
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


def test_paths_of_a_bucket_and_of_odd_folders_become_keys() -> None:
    def row(path: str) -> dict[str, object]:
        return {"path": path, "content": b"x"}

    (bucket,) = fetched_content([row("s3://uploads/spring/a#1?.jpg")], "s3://uploads")
    (folder,) = fetched_content([row("file:/data/C#/spring/1.jpg")], "file:///data/C%23")
    assert bucket.entry.key == "spring/a#1?.jpg"
    assert folder.entry.key == "spring/1.jpg"

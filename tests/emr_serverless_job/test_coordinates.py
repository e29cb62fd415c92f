"""One coordinate system for all runs, and when it becomes another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom.coordinates import versions
from darkroom.coordinates.vectors import vectors_of
from darkroom.errors import ConflictError
from darkroom.layout import Run
from darkroom.run.receipt import PcaNote
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import from_parquet
from emr_serverless_job import coordinates
from emr_serverless_job.engine import Engine
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from tests.conftest import encoded
from tests.emr_serverless_job.asking import Photos, coordinates_basis, request, rows, snapshot


@dataclass(frozen=True)
class Work:
    """Jobs on one corpus in a folder."""

    engine: Engine
    out: Path
    onnx: bytes

    def asked(self, folder: Path, **changes: Any) -> Request:
        return request(folder, self.out, self.onnx, **changes)

    def note(self, asked: Request) -> PcaNote:
        """What the receipt says of the coordinates, when it is done."""
        account = run_job(self.engine, asked)
        assert account.pca is not None
        return account.pca


@pytest.fixture
def work(engine: Engine, tmp_path: Path, onnx_bytes: bytes) -> Work:
    return Work(engine, tmp_path / "out", onnx_bytes)


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
    folder = noise(tmp_path / "other", 60)
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


@pytest.mark.parametrize("count", [30, pytest.param(120, marks=pytest.mark.long)])
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


def test_current_version_of_an_empty_store(tmp_path: Path) -> None:
    assert versions.current_version(LocalStore(tmp_path)) is None


def test_two_jobs_that_fit_at_once_do_not_share_a_version(
    work: Work, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other job publishes after this one has looked at the pointer, before it publishes."""
    ours = work.asked(photos(40))
    theirs = work.asked(photos(30, "other", 100), run=Run("other", 1))
    publish, raced = coordinates.publish, []

    def late(store: Any, asked: Request, version: Any) -> None:
        if not raced:
            raced.append(version.number)
            work.note(theirs)
        publish(store, asked, version)

    monkeypatch.setattr(coordinates, "publish", late)
    note = work.note(ours)
    assert raced == [1]
    current = versions.current_version(LocalStore(work.out))
    assert current is not None
    assert current.number == note.version
    placed = {row["path"] for row in rows(work.out, f"Results_PCA/model={current.number}")}
    assert len(placed) == 70
    basis = coordinates_basis(work.out, current.number)
    for row in rows(work.out, "Results"):
        assert row["path"] in placed
    assert basis.shape == (50, 192)


class CutOffError(Exception):
    """The job is killed here."""


def noise(folder: Path, count: int) -> Path:
    """Pictures unlike any photograph."""
    folder.mkdir()
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), np.uint8)
        (folder / f"{seed}.png").write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    return folder


def test_who_ended_meanwhile_is_placed_although_the_refit_was_cut_off(
    work: Work, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends in the old version before the new one is published; then its maker is killed."""
    work.note(work.asked(photos(60)))
    other = work.asked(photos(5, "other"), run=Run("other", 1))
    ours = work.asked(noise(tmp_path / "noise", 60), number=2)
    publish = coordinates.publish

    def late(*told: Any) -> None:
        monkeypatch.setattr(coordinates, "publish", publish)
        assert work.note(other).version == 1
        publish(*told)

    def cut_off(*told: Any) -> None:
        raise CutOffError

    monkeypatch.setattr(coordinates, "publish", late)
    with monkeypatch.context() as killed:
        killed.setattr(coordinates, "runs_behind", cut_off)
        with pytest.raises(CutOffError):
            work.note(ours)
    note = work.note(ours)
    assert (note.version, note.refitted) == (2, False)
    placed = {row["path"] for row in rows(work.out, "Results_PCA/model=2")}
    assert placed == {row["path"] for row in rows(work.out, "Results")}
    assert len(placed) == 125


def test_who_loses_each_race_is_placed_in_the_version_of_the_winners(
    work: Work, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.note(work.asked(photos(60)))

    def lost(store: Any, backbone: str, version: Any) -> None:
        versions.remove_version(store, version.number)
        raise ConflictError("somebody was quicker")

    monkeypatch.setattr(coordinates, "publish", lost)
    note = work.note(work.asked(noise(tmp_path / "noise", 60), number=2))
    assert (note.version, note.refitted) == (1, False)
    assert len(rows(work.out, "Results_PCA/model=1")) == 120
    assert versions.fitted_on(LocalStore(work.out)).keys() == {1}


def test_what_keeps_a_version_from_being_published_leaves_nothing_of_it(
    work: Work, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*told: Any) -> None:
        raise CutOffError

    monkeypatch.setattr(coordinates, "project_runs", cut_off)
    with pytest.raises(CutOffError):
        work.note(work.asked(photos(20)))
    assert LocalStore(work.out).list("pca") == []

"""Points of finished runs are packed by the jobs that come after them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from darkroom.explore.images import read_points
from darkroom.explore.packs import from_pack, packs
from darkroom.layout import Run
from darkroom.storage.bundles import Index
from darkroom.storage.local import LocalStore
from emr_serverless_job import packing
from emr_serverless_job.engine import Engine
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.packing import pack_points
from emr_serverless_job.run_job import run_job
from tests.emr_serverless_job.asking import Photos, request


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LEAST_RUNS", 3)


def work(engine: Engine, photos: Photos, out: Path, onnx: bytes, numbers: range) -> None:
    for number in numbers:
        run_job(engine, request(photos(9, str(number), number), out, onnx, number=number))


def assert_packs_hold_what_is_stored(store: LocalStore, version: int) -> Index:
    index = packs(version).index(store)
    told = [run for pack in index.bundles for run in pack.runs]
    assert len(told) == len(set(told))
    for pack in index.bundles:
        points = from_pack(store.read(packs(version).key(pack.name)))
        assert tuple(p.run for p in points) == pack.runs
        assert sum(map(len, points)) == pack.images
        for one in points:
            stored = read_points(store, one.run, version)
            assert one.rows.equals(stored.rows)
            assert np.array_equal(one.vectors, stored.vectors)
    names = {packs(version).key(pack.name) for pack in index.bundles}
    assert set(store.list(f"Results_PCA/model={version}/points", ".arrow")) == names
    return index


def test_runs_are_packed_when_enough_wait_and_packs_stay_few(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    store = LocalStore(tmp_path / "out")
    work(engine, photos, tmp_path / "out", onnx_bytes, range(1, 13))
    current = int(store.list("pca", "/model.npz")[-1].split("=")[1].split("/")[0])
    index = assert_packs_hold_what_is_stored(store, current)
    assert len(index.runs) >= 9
    assert len(index.bundles) <= 3


def test_a_run_that_has_expired_is_in_no_pack_any_more(
    engine: Engine, photos: Photos, tmp_path: Path, onnx_bytes: bytes
) -> None:
    store = LocalStore(tmp_path / "out")
    work(engine, photos, tmp_path / "out", onnx_bytes, range(1, 4))
    (version,) = {int(k.split("=")[1].split("/")[0]) for k in store.list("Results_PCA", ".json")}
    assert Run("spring", 2) in packs(version).index(store).runs
    store.delete([Run("spring", 2).statistics])
    pack_points(engine, store.uri)
    index = assert_packs_hold_what_is_stored(store, version)
    assert set(index.runs) == {Run("spring", 1), Run("spring", 3)}


def test_what_keeps_points_from_being_packed_fails_no_run(
    photos: Photos,
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(packing, "read_points", lambda *told: 1 / 0)
    work(OnThreads(2), photos, tmp_path / "out", onnx_bytes, range(1, 4))
    assert "points were not packed" in caplog.text

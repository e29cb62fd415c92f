"""What the job is asked for, and what lies in the results after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.run.folder import walk_folder
from darkroom.run.receipt import Receipt
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import from_parquet
from emr_serverless_job import featurize
from emr_serverless_job.request import Request

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


def snapshot(out: Path) -> dict[str, bytes]:
    store = LocalStore(out)
    places = ("Results", "Results_PCA", "Rejected", "Skipped", "Thumbnails", "pca", "statistics")
    return {key: store.read(key) for place in places for key in store.list(place)}


def coordinates_basis(out: Path, version: int) -> np.ndarray:
    with np.load(out / f"pca/model={version}/model.npz") as arrays:
        return np.asarray(arrays["components"])


def counting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which parts are worked from here on."""
    worked: list[tuple[str, int]] = []
    store = featurize._Task.store

    def noted(
        self: featurize._Task, whose: int, part: int, fetched: Iterable[object]
    ) -> pa.RecordBatch:
        worked.append((self.runs[whose].batch, part))
        return store(self, whose, part, fetched)  # type: ignore[arg-type]

    monkeypatch.setattr(featurize._Task, "store", noted)
    return worked

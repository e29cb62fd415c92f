"""What erasing one image asks of a long history: counted with the real code at two sizes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from darkroom.coordinates import pca, statistics, versions
from darkroom.coordinates.total import BLOCKS, statistics_of_runs, sum_of_shares
from darkroom.erasure.erase import Eraser
from darkroom.erasure.places import Places
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.erasure.search import on_threads
from darkroom.erasure.uploads import StoredVersion, Unfinished, Uploads
from darkroom.layout import ERASURES, Run
from darkroom.run import receipt
from darkroom.run.receipt import Duplicates, Receipt
from darkroom.storage.local import LocalStore
from darkroom.storage.store import Stored
from tests.darkroom.erasure.corpus import FILES, digest, pack, write

_HOUR = 3600


class Counted(LocalStore):
    """Counts its requests, a thousand keys of a listing to each."""

    requests = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "read_versioned", "read_range", "size", "write", "write_if", "delete"):
            Counted.requests += 1
        return super().__getattribute__(name)

    def stored(self, prefix: str) -> dict[str, Stored]:
        found = super().stored(prefix)
        Counted.requests += 1 + len(found) // 1000
        return found


class NoUploads:
    """Nothing lies in the uploads any more, nor is any under way."""

    def found(self, prefix: str) -> list[StoredVersion]:
        return []

    versions = found

    def unfinished(self) -> list[Unfinished]:
        return []

    def delete(self, some: Iterable[object]) -> list[object]:
        return []

    abort = delete


def history(folder: Path, count: int) -> list[Run]:
    """Runs that ended long ago, and the sums and packs that jobs have made since. The basis is that
    of the first."""
    store, runs = LocalStore(folder), [Run(f"b{number:04}", 1) for number in range(count)]
    for run in runs:
        names = [f"{run.batch}/{n}.jpg" for n in range(FILES)]
        write(store, run, names, names)
        store.write(run.statistics, statistics.pack_share(features_of(run)))
        found = FILES + 1
        account = Receipt(run.batch, 1, "b", found, FILES, 1, 0, 0, {"decode_error": 1},
                          Duplicates(), None, {}, "", "")  # fmt: skip
        store.write(run.receipt, receipt.pack(account))
    share = statistics.statistics_of(features_of(runs[0]))
    coming = versions.next_version(store)
    version = versions.Version(coming.number, pca.fit(share, 2), coming.etag)
    versions.publish(store, "b", versions.claim(store, "b", runs[:1], share, version))
    versions.note_complete(store, 1)

    def sums(keys: Sequence[Sequence[str]]) -> list[statistics.Statistics | None]:
        return [sum_of_shares(store, some) for some in keys]

    for end in range(1, len(runs) + 32, 32):
        statistics_of_runs(store, runs[:end], sums, 8)
    if len(runs) >= 32:
        pack(store, runs)
    for at, path in enumerate(sorted(folder.rglob("*"), key=lambda path: "points" in path.parts)):
        long_ago = path.stat().st_mtime - 10 * _HOUR + at / 1000
        os.utime(path, (long_ago, long_ago))
    return runs


def features_of(run: Run) -> np.ndarray:
    return np.random.default_rng(int(run.batch[1:])).random((FILES, 4), np.float32)


def erase(folder: Path, key: str) -> int:
    """How many requests it takes."""
    results = Counted(folder)
    nobody = cast(Uploads, NoUploads())
    logs = LocalStore(folder / "logs")
    places = Places(results, nobody, nobody, logs, "jobs", on_threads(results))
    asked = ErasureRequest("r", Selector("keys", (key,)), "00", "", "", "")
    Counted.requests = 0
    outcome = Eraser(Run(ERASURES, 1), places).erase([asked])
    assert outcome.found["r"].keys == [key]
    assert outcome.version == 1
    return Counted.requests


def test_one_image_of_many_runs_takes_hardly_more_requests_than_one_of_few(tmp_path: Path) -> None:
    told = []
    for count in (10, 160):
        folder = tmp_path / str(count)
        runs = history(folder, count)
        assert len(BLOCKS.all(LocalStore(folder))) == count // 32
        told.append(erase(folder, f"{runs[-3].batch}/1.jpg"))
        names = {digest(f"{runs[-3].batch}/1.jpg").encode(), f"{runs[-3].batch}/1.jpg".encode()}
        stored = (path.read_bytes() for path in folder.rglob("*") if path.is_file()
                  and "erasures" not in path.parts)  # fmt: skip
        assert not any(name in data for data in stored for name in names)
    few, many = told
    assert many <= 3 * few

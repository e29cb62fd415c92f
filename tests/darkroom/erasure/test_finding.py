"""Looking for images where they can be, and nowhere else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import time

import pytest

from darkroom.erasure.finding import has_to_be_read_again, look
from darkroom.erasure.outcome import Found
from darkroom.erasure.plan import Plan
from darkroom.erasure.request import ErasureRequest, Kind, Selector
from darkroom.erasure.search import on_threads, table_files
from darkroom.layout import CURRENT_PCA, Run
from darkroom.storage.local import LocalStore
from tests.darkroom.erasure.corpus import FILES, digest, pack, write


def corpus(folder: Path, batches: int) -> LocalStore:
    """spring with the image that is looked for; a copy in batch 3; none elsewhere."""
    store, runs = LocalStore(folder), []
    for number in range(batches):
        run = Run(f"b{number}", 1)
        names = [f"{run.batch}/{n}.jpg" for n in range(FILES)]
        contents = ["the image" if (number, n) == (3, 1) else f"{number}/{n}" for n in range(FILES)]
        write(store, run, names, contents)
        runs.append(run)
    write(store, Run("spring", 1), ["spring/1.jpg", "spring/2.jpg"], ["the image", "another"])
    store.write(CURRENT_PCA, b'{"version": 1, "backbone": "b"}')
    pack(store, runs)
    return store


def asked(kind: Kind, *values: str) -> list[ErasureRequest]:
    return [ErasureRequest("r", Selector(kind, values), "00", "", "", "")]


def looked(store: LocalStore, requests: list[ErasureRequest]) -> tuple[set[str], set[str]]:
    """The paths of rows, and the batches of manifest parts, that were found."""
    rows, parts = look(store, requests, on_threads(store))
    return {row.path for row in rows}, {part.batch for part in parts}


@pytest.mark.parametrize(
    "requests",
    [
        asked("keys", "spring/1.jpg"),
        asked("prefix", "spring/"),
        asked("prefix", "spri"),
        asked("batch", "spring"),
        asked("content", digest("the image")),
    ],
    ids=["key", "prefix", "prefix-of-a-batch", "batch", "content"],
)
@pytest.mark.parametrize("is_packed", [True, False])
def test_an_image_and_its_copies_are_found_however_they_are_named(
    tmp_path: Path, requests: list[ErasureRequest], is_packed: bool
) -> None:
    store = corpus(tmp_path, 6)
    if not is_packed:
        store.delete(store.list("Results_PCA/model=1/points"))
    rows, batches = looked(store, requests)
    assert {"spring/1.jpg", "spring/2.jpg", "b3/0.jpg", "b3/1.jpg"} <= rows
    assert batches == {"spring", "b3"}
    assert not any(path.startswith(("b1/", "b2/")) for path in rows)


def test_a_copy_that_was_rejected_is_found(tmp_path: Path) -> None:
    rows, _ = looked(corpus(tmp_path, 6), asked("content", digest("bad of b5")))
    assert "b5/bad.jpg" in rows


def test_an_image_of_the_buckets_root_is_looked_for_in_the_batches_of_days(tmp_path: Path) -> None:
    store = corpus(tmp_path, 4)
    write(store, Run("loose-2026-11-26", 1), ["1.jpg"], ["of a day"])
    rows, batches = looked(store, asked("keys", "1.jpg"))
    assert "1.jpg" in rows
    assert batches == {"loose-2026-11-26"}


class Counting(LocalStore):
    """Counts the requests for files of tables and manifests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: Counter[str] = Counter()

    def read(self, key: str, version_id: str | None = None) -> bytes:
        self.asked[key.partition("/")[0]] += 1
        return super().read(key, version_id)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        self.asked[key.partition("/")[0]] += 1
        return super().read_range(key, start, length)


def test_other_batches_cost_nothing_where_they_are_packed(tmp_path: Path) -> None:
    """They are looked up by content in their pack."""
    few, many = (Counting(tmp_path / str(batches)) for batches in (5, 45))
    for store, batches in ((few, 5), (many, 45)):
        corpus(store.root, batches)
        looked(store, asked("keys", "spring/1.jpg"))
    assert many.asked == few.asked


def test_what_was_written_after_its_pack_is_read_itself(tmp_path: Path) -> None:
    store = corpus(tmp_path, 6)
    write(store, Run("b2", 1), [f"b2/{n}.jpg" for n in range(FILES)], ["x", "the image", "y"])
    rows, _ = looked(store, asked("keys", "spring/1.jpg"))
    assert "b2/1.jpg" in rows


@pytest.mark.parametrize("requests", [asked("batch", "loose-2026-11-26"),
                                      asked("content", digest("of a day"))])  # fmt: skip
def test_a_key_at_the_buckets_root_is_looked_for_on_every_day(
    tmp_path: Path, requests: list[ErasureRequest]
) -> None:
    """All versions of its upload go, whatever day they were told on."""
    store = corpus(tmp_path, 4)
    write(store, Run("loose-2026-11-26", 1), ["1.jpg"], ["of a day"])
    write(store, Run("loose-2026-11-27", 1), ["1.jpg"], ["of another day"])
    rows, batches = looked(store, requests)
    assert "1.jpg" in rows
    assert batches == {"loose-2026-11-26", "loose-2026-11-27"}
    plan = Plan({"r": Found(["1.jpg"], [])}, made_at=2 * time())
    files = [file for file in table_files(store) if has_to_be_read_again(plan, requests)(file)]
    assert {"loose-2026-11-26", "loose-2026-11-27"} == {file.batch for file in files}

"""Points of many runs in few files: the same points, read by fewer reads, gone with their runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from darkroom.errors import ConflictError
from darkroom.explore.cache import PointCache, Seen
from darkroom.explore.images import Points, read_points
from darkroom.explore.packs import from_pack, names_in_pack, packs, to_pack
from darkroom.layout import Run
from darkroom.storage.bundles import Bundle, Index
from darkroom.storage.local import LocalStore
from darkroom.storage.store import Stored
from tests.darkroom.explore.test_explore import stored, vectors

RUNS = [Run(f"b {number}", 1) for number in range(24)]


def packed(store: LocalStore, name: str, runs: list[Run]) -> Bundle:
    several = [read_points(store, run, 1) for run in runs]
    store.write(packs(1).key(name), to_pack(several, {}))
    return Bundle(name, tuple(runs), sum(map(len, several)), 1)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """24 runs, of which 20 are in two packs."""
    made = LocalStore(tmp_path)
    for number, run in enumerate(RUNS):
        stored(made, run, vectors(number % 7, number))
    both = [packed(made, "one", RUNS[:10]), packed(made, "two", RUNS[10:20])]
    packs(1).replace(made, Index((), None), both)
    return made


def assert_same(one: Points, other: Points) -> None:
    assert (one.run, one.parts, one.counts) == (other.run, other.parts, other.counts)
    assert one.rows.equals(other.rows.cast(one.rows.schema))
    if len(one):
        assert np.array_equal(one.vectors, other.vectors)


def test_points_come_out_of_a_pack_as_they_went_in(store: LocalStore) -> None:
    several = [read_points(store, run, 1) for run in RUNS]
    out = from_pack(to_pack(several, {}))
    for one, other in zip(out, several, strict=True):
        assert_same(one, other)
    assert from_pack(to_pack([], {})) == []


class Reads(LocalStore):
    """Counts what is read."""

    asked: ClassVar[Counter[str]] = Counter()

    def read(self, key: str, version_id: str | None = None) -> bytes:
        Reads.asked["pack" if key.endswith(".arrow") else "file"] += 1
        return super().read(key, version_id)

    def stored(self, prefix: str) -> dict[str, Stored]:
        Reads.asked["list"] += 1
        return super().stored(prefix)


def reads(store: LocalStore, cache: PointCache, seen: list[Seen]) -> Counter[str]:
    Reads.asked.clear()
    for points, one in zip(list(cache.points(seen, 1)), seen, strict=True):
        assert_same(points, read_points(store, one.run, 1))
    return Counter(Reads.asked)


def test_many_runs_are_read_by_their_packs_once(store: LocalStore, tmp_path: Path) -> None:
    cache = PointCache(Reads(tmp_path))
    seen = [Seen(run) for run in RUNS]
    first = reads(store, cache, seen)
    assert (first["pack"], first["list"]) == (2, 4)
    assert reads(store, cache, seen) == {"file": 1}  # the index


def test_a_few_runs_are_read_by_themselves(store: LocalStore, tmp_path: Path) -> None:
    """Of a pack most would be of others."""
    assert reads(store, PointCache(Reads(tmp_path)), [Seen(run) for run in RUNS[:3]])["pack"] == 0


def test_what_is_not_as_it_was_packed_is_read_by_itself(store: LocalStore, tmp_path: Path) -> None:
    """The table knows of another number of images; and a pack has gone since the index was read."""
    cache = PointCache(Reads(tmp_path))
    stored(store, RUNS[3], vectors(6, 99))
    seen = [Seen(run, images=6 if run == RUNS[3] else None) for run in RUNS]
    store.delete([packs(1).key("two")])
    assert reads(store, cache, seen)["list"] == 4 + 1 + 10


def test_packs_go_with_one_of_their_runs_and_what_no_index_names(store: LocalStore) -> None:
    packed(store, "unnamed", RUNS[20:])
    assert packs(1).of(store, [RUNS[2]]) == [packs(1).key("one"), packs(1).key("unnamed")]
    packs(1).forget(store, [RUNS[2]])
    assert [pack.name for pack in packs(1).index(store).bundles] == ["two"]
    assert store.list("Results_PCA/model=1/points", ".arrow") == [packs(1).key("two")]
    names = {path for key in packs(1).all(store) for path, _ in names_in_pack(store, key)}
    assert names
    assert all(path.split("/")[0] in {run.batch for run in RUNS[10:20]} for path in names)
    packs(1).forget(store, [RUNS[2]])
    assert len(packs(1).index(store).bundles) == 1


def test_of_two_who_pack_at_once_the_second_changes_nothing(store: LocalStore) -> None:
    known = packs(1).index(store)
    packs(1).replace(store, known, known.bundles[:1])
    with pytest.raises(ConflictError):
        packs(1).replace(store, known, [])
    assert [pack.name for pack in packs(1).index(store).bundles] == ["one"]

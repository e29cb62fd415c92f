"""Looking at results: similar images, near duplicates, outliers, the map."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from darkroom.coordinates.vectors import vector_column
from darkroom.errors import UsageError
from darkroom.explore import duplicates
from darkroom.explore.cache import PointCache, Seen
from darkroom.explore.duplicates import near_duplicates, unit_vectors
from darkroom.explore.images import Points, newest_only, read_points
from darkroom.explore.map import make_map
from darkroom.explore.outliers import NEIGHBOUR, outliers
from darkroom.explore.sample import smallest_contents
from darkroom.explore.similar import find, similar
from darkroom.explore.stored_thumbnails import thumbnails
from darkroom.layout import Run
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import PCA_SCHEMA, THUMBNAILS_SCHEMA, to_parquet

COMPONENTS = 6


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, COMPONENTS)).astype(np.float32)


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def stored(store: LocalStore, run: Run, points: NDArray[np.float32], rows_a_file: int = 4) -> None:
    """Coordinates as the job writes them: several files, in order."""
    for number, start in enumerate(range(0, len(points), rows_a_file)):
        some = points[start : start + rows_a_file]
        names = range(start, start + len(some))
        table = pa.table(
            {
                "path": [f"{run.batch}/{'ab'[i % 2]}/{run.number}-{i:04d}.jpg" for i in names],
                "label": ["ab"[i % 2] for i in names],
                "pca": vector_column(some),
                "content_sha256": [digest(f"{run}{i}") for i in names],
                "backbone": ["x"] * len(some),
            },
            schema=PCA_SCHEMA,
        )
        store.write(f"{run.results_pca(1)}/part-{number:05d}.parquet", to_parquet(table))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def read(store: LocalStore, *runs: Run) -> list[Points]:
    return [read_points(store, run, 1) for run in runs]


def test_points_know_the_file_of_each_image(store: LocalStore) -> None:
    run, points = Run("spring", 1), vectors(10)
    stored(store, run, points)
    (found,) = read(store, run)
    assert np.array_equal(found.vectors, points)
    assert [found.image(row).part for row in (0, 3, 4, 9)] == [
        "part-00000", "part-00000", "part-00001", "part-00002"]  # fmt: skip
    assert found.image(5).path == "spring/b/1-0005.jpg"


def test_files_without_rows_change_nothing(store: LocalStore) -> None:
    run = Run("spring", 1)
    stored(store, run, vectors(8))
    empty = to_parquet(PCA_SCHEMA.empty_table())
    store.write(f"{run.results_pca(1)}/part-00000.parquet", empty)
    (found,) = read(store, run)
    assert len(found) == 4
    assert found.image(0).part == "part-00001"
    assert len(read_points(store, run, 2)) == 0


def test_similar_images_are_those_of_the_largest_cosine_over_all_runs(store: LocalStore) -> None:
    runs, points = [Run("spring", 1), Run("autumn", 1)], vectors(60)
    stored(store, runs[0], points[:40])
    stored(store, runs[1], points[40:])
    query = find(read(store, *runs), "spring/b/1-0007.jpg")
    assert query is not None
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    expected = unit @ unit[7]
    order = [int(i) for i in np.argsort(-expected) if i != 7][:12]
    found = similar(read(store, *runs), query, 12)
    assert [(n.image.batch, int(n.image.path[-8:-4])) for n in found] == [
        ("spring", i) if i < 40 else ("autumn", i - 40) for i in order
    ]
    assert [n.cosine for n in found] == pytest.approx([expected[i] for i in order], abs=1e-5)


def test_equals_come_by_path_and_copies_are_marked(store: LocalStore) -> None:
    run = Run("spring", 1)
    stored(store, run, np.ones((9, COMPONENTS), np.float32))
    points = read(store, run)
    query = find(points, "spring/a/1-0004.jpg")
    assert query is not None
    names = [n.image.path[-8:-4] for n in similar(points, query, 3)]
    assert names == ["0000", "0002", "0006"]  # all in label a, which comes first
    assert not any(n.same_content for n in similar(points, query, 8))
    copy = points[0].rows.set_column(2, "content_sha256", pa.array([query.content] * 9))
    same = [Points(run, copy, points[0].vectors, points[0].parts, points[0].counts)]
    assert all(n.same_content for n in similar(same, query, 8))


def test_an_image_that_came_twice_is_found_as_it_is_now(store: LocalStore) -> None:
    old, new = Run("spring", 1), Run("spring", 2)
    stored(store, old, vectors(4, 1))
    stored(store, new, vectors(4, 2))
    points = read(store, new, old)
    renamed = [Points(p.run, points[1].rows, p.vectors, p.parts, p.counts) for p in points]
    query = find(renamed, "spring/a/1-0000.jpg")
    assert query is not None
    assert query.image.run == 2
    assert find(points, "spring/a/9-0000.jpg") is None


@pytest.mark.parametrize("least", [0.8, 0.9, 0.99])
def test_near_duplicates_are_all_the_pairs_there_are(store: LocalStore, least: float) -> None:
    run, points = Run("spring", 1), vectors(3000, 3)
    stored(store, run, points, 1000)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    close = (unit @ unit.T) >= least
    expected = {i for i in range(3000) if close[i].sum() > 1}
    groups = near_duplicates(read(store, run), least)
    assert {int(image.path[-8:-4]) for group in groups for image in group.images} == expected
    assert all(group.cosine >= least for group in groups)
    sizes = [len(group.images) for group in groups]
    assert sizes == sorted(sizes, reverse=True)


def test_near_duplicates_cross_runs(store: LocalStore) -> None:
    runs, points = [Run("spring", 1), Run("spring", 2)], vectors(5, 4)
    stored(store, runs[0], points)
    stored(store, runs[1], points[:1] * 2)
    (group,) = near_duplicates(read(store, *runs))
    assert [(image.run, image.path[-8:-4]) for image in group.images] == [(1, "0000"), (2, "0000")]
    assert group.cosine == pytest.approx(1)
    assert not group.same_content


def test_equal_images_are_found_whatever_rounding_does(store: LocalStore) -> None:
    run = Run("spring", 1)
    stored(store, run, np.repeat(vectors(500, 8), 2, axis=0), 100)
    groups = near_duplicates(read(store, run), 1)
    assert len(groups) == 500
    assert all(len(group.images) == 2 and group.cosine > 0.999 for group in groups)


def test_many_alike_make_one_group(store: LocalStore) -> None:
    run = Run("spring", 1)
    stored(store, run, np.ones((4000, COMPONENTS), np.float32) + vectors(4000, 9) / 1000, 1000)
    (group,) = near_duplicates(read(store, run), 0.9)
    assert len(group.images) == 4000


def test_an_image_that_was_uploaded_again_counts_once(store: LocalStore) -> None:
    old, new = Run("spring", 1), Run("spring", 2)
    stored(store, old, vectors(8, 1))
    stored(store, new, vectors(4, 2))
    first, second = read(store, old, new)
    renamed = Points(new, first.rows.slice(2, 4), second.vectors, second.parts, second.counts)
    kept = newest_only([first, renamed])
    assert [len(run) for run in kept] == [4, 4]
    paths = [path for run in kept for path in run.rows["path"].to_pylist()]
    assert sorted(paths) == sorted(first.rows["path"].to_pylist())
    assert kept[0].image(2).path == first.image(6).path
    assert kept[0].image(2).part == first.image(6).part
    assert np.array_equal(kept[0].vectors, first.vectors[[0, 1, 6, 7]])


def test_the_most_alike_are_found_behind_many_equals(store: LocalStore) -> None:
    run = Run("spring", 1)
    points = np.tile(np.float32([1, 1, 0, 0, 0, 0]), (20_000, 1))
    points[0] = points[-2:] = [1, 0, 0, 0, 0, 0]
    stored(store, run, points, 5000)
    query = find(read(store, run), "spring/a/1-0000.jpg")
    assert query is not None
    assert [n.cosine for n in similar(read(store, run), query, 3)][:2] == [1, 1]


def test_too_many_alike_are_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(store, Run("spring", 1), np.ones((50, COMPONENTS), np.float32))
    monkeypatch.setattr(duplicates, "_MOST_PAIRS", 1000)
    with pytest.raises(UsageError, match="higher cosine"):
        near_duplicates(read(store, Run("spring", 1)))


def test_the_image_far_from_all_others_is_the_first_outlier(store: LocalStore) -> None:
    points = np.ones((40, COMPONENTS), np.float32) + 0.1 * vectors(40, 5)
    points[17] = [-1, 1, -1, 1, -1, 1]
    stored(store, Run("spring", 1), points)
    first, second = outliers(read(store, Run("spring", 1)), 2)
    assert first.image.path == "spring/b/1-0017.jpg"
    assert first.cosine < 0.5 < second.cosine


def test_outliers_are_judged_alike_in_the_sample_and_outside(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.explore.outliers.SAMPLE", 12)
    stored(store, Run("spring", 1), vectors(30, 8))
    points = read(store, Run("spring", 1))
    units = unit_vectors(points)
    sample = set(map(int, smallest_contents(points, 12)))
    paths = points[0].rows["path"].to_pylist()
    for outlier in outliers(points, 30):
        row = paths.index(outlier.image.path)
        others = sorted(float(units[row] @ units[other]) for other in sample - {row})
        assert outlier.cosine == pytest.approx(others[-NEIGHBOUR], abs=1e-5)


def test_a_large_map_is_a_fair_sample_that_stays_the_same(store: LocalStore) -> None:
    runs = [Run("spring", 1), Run("spring", 2)]
    stored(store, runs[0], vectors(500, 6), 100)
    stored(store, runs[1], vectors(500, 7), 100)
    points = read(store, *runs)
    drawn, again = make_map(points, 3, 200), make_map(points[::-1], 3, 200)
    assert drawn.total == 1000
    assert drawn.coordinates.shape == (200, 3)
    assert set(drawn.paths) == set(again.paths)
    assert 60 < sum(drawn.files[file].run == 1 for file in drawn.file) < 140
    whole = make_map(points, 2)
    assert len(whole.paths) == 1000
    at = whole.paths.index("spring/b/2-0123.jpg")
    assert whole.files[whole.file[at]].part == "part-00001"
    assert whole.labels[whole.label[at]] == "b"
    assert np.array_equal(whole.coordinates[at], points[1].vectors[123, :2])
    assert make_map([], 3).paths == []


def test_points_are_read_once_until_their_run_changes(store: LocalStore) -> None:
    run = Run("spring", 1)
    stored(store, run, vectors(8))
    cache = PointCache(store)
    (first,) = cache.points([Seen(run, "1")], 1)
    assert next(cache.points([Seen(run, "1")], 1)) is first
    stored(store, run, vectors(8, 1))
    assert next(cache.points([Seen(run, "2")], 1)) is not first
    (part,) = cache.points([Seen(run, "3", images=9)], 1)  # a job is still writing the ninth
    assert next(cache.points([Seen(run, "3", images=9)], 1)) is not part
    tight = PointCache(store, most_bytes=1)
    (kept,) = tight.points([Seen(run)], 1)
    assert next(tight.points([Seen(run)], 1)) is not kept


def test_thumbnails_are_found_by_path(store: LocalStore) -> None:
    run = Run("spring", 1)
    rows = [{"path": f"spring/{i}.jpg", "jpeg": bytes([i]), "content_sha256": ""} for i in range(3)]
    table = pa.Table.from_pylist(rows, THUMBNAILS_SCHEMA)
    store.write(f"{run.thumbnails}/part-00000.parquet", to_parquet(table))
    found = thumbnails(store, run, "part-00000", ["spring/2.jpg", "spring/none.jpg"])
    assert found == {"spring/2.jpg": b"\2"}
    assert thumbnails(store, run, "part-00009", ["spring/2.jpg"]) == {}

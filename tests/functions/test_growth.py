"""What many batches, and large ones, cost: calls and bytes at two sizes, with the real code."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest

from darkroom import manifest
from darkroom.layout import Run, incoming_part
from darkroom.manifest import Entry
from functions.aws.bucket import Bucket
from functions.runs.records import RunRecord, State
from functions.submission import sealing
from functions.submission.sealing import Sealer
from tests.functions.cloud.world import World


def drop(world: World, batches: int, images: int = 3) -> None:
    for batch in range(batches):
        for number in range(images):
            world.upload(f"batch-{batch:03}/{number}.jpg")


def test_batches_that_come_together_are_two_jobs_however_many(world: World) -> None:
    """The first of them starts one; all that are closed meanwhile are the other."""
    drop(world, 1)
    world.deliver("uploads")
    world.deliver("submit")
    for batch in range(1, 40):
        world.upload(f"batch-{batch:03}/0.jpg")
    world.pump()
    assert {record.state for record in world.runs.every()} == {State.DONE}
    assert len(world.emr._jobs) == 2


@pytest.mark.parametrize("call", ["StartJobRun", "GetJobRun"])
def test_jobs_are_asked_about_as_often_for_many_runs_as_for_few(world: World, call: str) -> None:
    told: list[int] = []
    for batches in (2, 20):
        world.calls.clear()
        drop(world, batches)
        world.pump()
        told.append(Counter(world.calls)[call])
        for record in world.runs.every():
            world.runs.remove(record)
    assert told[1] <= told[0] + (call == "GetJobRun") * 20  # each run's bill is looked for once


def test_calls_grow_with_the_batches_and_no_faster(world: World) -> None:
    calls: list[int] = []
    for batches in (5, 20):
        world.calls.clear()
        drop(world, batches)
        world.pump()
        calls.append(len(world.calls))
        for record in world.runs.every():
            world.runs.remove(record)
    assert calls[1] < 4 * 1.5 * calls[0]


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _sealed(world: World, run: int, entries: int, first: int = 0) -> RunRecord:
    """A run of so many uploads, closed; its manifest is not written."""
    listed = [
        Entry(
            "s3://uploads", f"spring/apple/{n:08}.jpg", f"{n:032}", f"{n:032x}", 1024, f"{n:016X}"
        )
        for n in range(first, first + entries)
    ]
    parts = frozenset(f"part-{run}-{n}" for n in range(0, entries, 1000))
    for number, part in enumerate(sorted(parts, key=lambda name: int(name.split("-")[2]))):
        some = listed[number * 1000 : (number + 1) * 1000]
        world.results.write(incoming_part("spring", part), manifest.pack(some))
    return RunRecord("spring", run, State.SEALED, parts=parts)


def test_sealing_holds_the_runs_own_images_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those of the batch's earlier runs, which may be many times as many, one part at a time."""
    monkeypatch.setattr(sealing, "_ENTRIES_PER_PART", 500)
    sealer, peaks = Sealer(Bucket(world.s3, "results")), []
    for earlier in (2000, 20_000):
        before = _sealed(world, 1, earlier)
        world.results.delete(world.results.list(Run("spring", 1).manifest))
        sealer.seal(before)
        own = _sealed(world, 2, 2000, first=100_000)
        peaks.append(peak_bytes(lambda record=own: sealer.seal(record)))  # type: ignore[misc]
    assert peaks[1] < 1.6 * peaks[0]


def test_sealing_takes_memory_in_proportion(world: World) -> None:
    sealer, peaks = Sealer(Bucket(world.s3, "results")), []
    for images in (4000, 16_000):
        record = _sealed(world, 1, images)
        peaks.append(peak_bytes(lambda record=record: sealer.seal(record)))  # type: ignore[misc]
    each = (peaks[1] - peaks[0]) / 12_000
    assert each < 1500  # bytes: a million fit into the function's 2 GB

"""Many batches: told a page at a time, and read as little as that."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.runs.records import RunRecord, State
from functions.web import batch_list
from tests.functions.cloud.world import World
from tests.functions.web.api_client import Answer, ask


def fill(world: World, batches: int, runs: int = 1, first: int = 0) -> None:
    """Batches with runs that have ended, the later the newer."""
    for number in range(first, first + batches):
        for run in range(1, runs + 1):
            at = 1_000_000.0 + number + run / 1000
            record = RunRecord(f"batch-{number:04}", run, State.DONE, 1, at, at, images=3,
                               processed=2, rejected=1, missing=0)  # fmt: skip
            world.runs.create(record)


def page(world: World, headers: dict[str, str] | None = None, **query: Any) -> Answer:
    return ask(world, f"/api/batches?{urlencode(query)}", headers=headers or {})


def counted(world: World, **query: Any) -> Counter[str]:
    world.calls.clear()
    assert page(world, **query).status == 200
    return Counter(world.calls)


def test_pages_have_each_batch_once_the_last_changed_first(world: World) -> None:
    fill(world, 23, runs=2)
    world.upload("open/1.jpg")
    world.deliver("uploads")
    told: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = page(world, most=5, **after).told
        told += [batch["batch"] for batch in answer["batches"]]
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert told == ["open", *(f"batch-{number:04}" for number in reversed(range(23)))]


def test_batches_that_changed_at_the_same_moment_are_all_told(world: World) -> None:
    for number in range(7):
        world.runs.create(RunRecord(f"b{number}", 1, State.FAILED, 1, 5.0, 5.0, reason="x"))
    first = page(world, most=3).told
    second = page(world, most=3, after=first["next"]).told
    third = page(world, most=3, after=second["next"]).told
    told = [batch["batch"] for one in (first, second, third) for batch in one["batches"]]
    assert told == [f"b{number}" for number in range(7)]
    assert third["next"] is None


def test_a_batch_is_told_by_its_newest_run_with_the_sums_of_all(world: World) -> None:
    fill(world, 1, runs=3)
    (told,) = page(world).told["batches"]
    assert (told["newest"]["run"], told["processed"], told["rejected"]) == (3, 6, 3)


def test_what_changes_is_told_at_once(world: World) -> None:
    fill(world, 2)
    page(world)
    world.upload("batch-0000/new.jpg")
    world.deliver("uploads")
    first = page(world).told["batches"][0]
    assert (first["batch"], first["newest"]["state"], first["newest"]["run"]) == (
        "batch-0000", "OPEN", 2)  # fmt: skip
    world.upload("batch-0000/more.jpg")
    world.deliver("uploads")
    assert page(world).told["batches"][0]["newest"]["files"] == 2
    world.pump()
    assert page(world).told["batches"][0]["newest"]["state"] == "DONE"


def test_what_an_erasure_restates_is_told_after_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its place in the order, and so the index does not tell of it."""
    fill(world, 1)
    page(world)
    record = world.record("batch-0000")
    world.runs.change(record, changed_at=record.changed_at, processed=1)
    monkeypatch.setattr(batch_list, "_KEPT_SECONDS", 0)
    assert page(world).told["batches"][0]["processed"] == 1


def test_a_look_asks_as_little_of_many_batches_as_of_few(world: World) -> None:
    """The first reads a page of them, those after it what has changed."""
    fill(world, 12)
    few = counted(world, most=10), counted(world, most=10)
    fill(world, 600, first=12)
    counted(world, most=10)
    fill(world, 11, first=612)
    many = counted(world, most=10), counted(world, most=10)
    assert many == few
    assert sum(many[1].values()) <= len(State) + 1


def test_a_camera_with_many_runs_is_read_once(world: World) -> None:
    fill(world, 3)
    few = counted(world), counted(world)
    fill(world, 1, runs=300, first=3)
    many = counted(world), counted(world)
    assert sum(many[0].values()) <= sum(few[0].values()) + 4
    assert sum(many[1].values()) <= sum(few[1].values()) + 4


def test_who_has_the_answer_is_not_told_again(world: World) -> None:
    fill(world, 2)
    first = page(world)
    known = {"If-None-Match": first.headers["ETag"]}
    again = page(world, known)
    assert (again.status, again.body) == (304, "")
    fill(world, 1, first=2)
    assert page(world, known).status == 200


@pytest.mark.parametrize("after", ["x", "1@", "1@~!", "@spring", "-1@spring", "1e9@spring"])
def test_what_is_no_place_is_refused(world: World, after: str) -> None:
    answer = page(world, after=after)
    assert (answer.status, "page before" in answer.body) == (404, True)

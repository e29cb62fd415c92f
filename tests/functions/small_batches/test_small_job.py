"""Batches that a function works: what it does, and what it leaves to Spark."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from darkroom.erasure.request import Selector
from darkroom.errors import DarkroomError
from darkroom.layout import ERASURES, Run
from functions.runs.batch_complete import ClosingRules
from functions.runs.records import Lane, RunRecord, State
from functions.runs.table import RunTable
from functions.runs.wording import words
from functions.submission import lane
from tests.functions.cloud.job import runs_of
from tests.functions.cloud.world import PlantedError, World
from tests.functions.erasure.corpus import ask

RULES = ClosingRules(0, 0, 0)


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(os.environ, "SMALL_BATCH_IMAGES", "3")
    return world


def drop(world: World, batch: str, images: int) -> None:
    for number in range(images):
        world.upload(f"{batch}/{number}.jpg")


def jobs(world: World) -> list[list[Run]]:
    return [list(runs_of(job)) for job in world.emr._jobs.values()]


def test_a_small_batch_needs_no_job(world: World) -> None:
    drop(world, "small", 3)
    world.pump()
    record = world.record("small")
    assert (record.state, record.lane, record.processed) == (State.DONE, Lane.SMALL, 3)
    assert jobs(world) == []
    assert record.function_gb_seconds > 0
    assert record.cost == pytest.approx(record.function_gb_seconds * 0.00001, abs=1e-6)
    assert world.partitions("features") == {("small", "1")}


def test_lanes_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By images and by bytes; a job at work keeps no small batch waiting."""
    monkeypatch.setattr(lane, "MOST_BYTES", 30)
    drop(world, "large", 4)
    world.deliver("uploads")
    world.deliver("submit")
    drop(world, "small", 2)
    world.upload("heavy/1.jpg", b"x" * 31)
    for queue in ("uploads", "submit", "small", "catalog"):
        world.deliver(queue)
    assert world.record("small").state == State.DONE
    assert world.record("large").state == State.SUBMITTED
    world.pump()
    assert jobs(world) == [[Run("large", 1)], [Run("heavy", 1)]]
    assert {record.state for record in world.runs.every()} == {State.DONE}


@pytest.mark.parametrize("error", [MemoryError(), DarkroomError("no model"), OSError("full")])
def test_what_fails_here_goes_to_spark_and_says_so(world: World, error: Exception) -> None:
    def fails(run: Run, out_of_time: Callable[[], bool]) -> None:
        raise error

    world.small_work = fails
    drop(world, "small", 2)
    for queue in ("uploads", "submit", "small"):
        world.deliver(queue)
    record = world.record("small")
    assert (record.state, record.lane, record.attempt) == (State.SEALED, Lane.SPARK, 1)
    assert (str(error) or "MemoryError") in record.reason
    assert "the function for small batches could not end it" in words(record, RULES)
    world.pump()
    record = world.record("small")
    assert (record.state, record.attempt, record.processed) == (State.DONE, 1, 2)
    assert jobs(world) == [[Run("small", 1)]]
    assert record.function_gb_seconds > 0
    assert record.vcpu_hours > 0


def dies(world: World) -> None:
    """The invocation is killed in the middle of its work."""

    def killed(run: Run, out_of_time: Callable[[], bool]) -> None:
        raise PlantedError

    world.small_work = killed
    drop(world, "small", 2)
    for queue in ("uploads", "submit", "small"):
        world.deliver(queue)


def test_who_works_a_run_is_left_alone_until_their_time_is_over(world: World) -> None:
    dies(world)
    held = world.record("small")
    assert (held.state, held.job_run_id) == (State.RUNNING, "request")
    for _ in range(2):
        world.reconcile()
        world.deliver("small")
    assert world.record("small") == held

    world.runs.change(held, works_until=1.0)
    world.lose_messages()
    world.reconcile()
    world.pump()
    record = world.record("small")
    assert (record.state, record.lane, record.processed) == (State.DONE, Lane.SPARK, 2)


def test_who_comes_back_too_late_changes_nothing(world: World) -> None:
    """An invocation that was thought to be dead, when Spark has the run."""

    def slow(run: Run, out_of_time: Callable[[], bool]) -> None:
        world.runs.change(world.record("small"), state=State.SEALED, lane=Lane.SPARK)
        world.small_work = lambda run, out_of_time: None

    world.small_work = slow
    drop(world, "small", 2)
    world.pump()
    record = world.record("small")
    assert (record.state, record.lane) == (State.DONE, Lane.SPARK)
    assert jobs(world) == [[Run("small", 1)]]


def test_erasures_and_small_batches_wait_for_each_other(world: World) -> None:
    dies(world)
    ask(world, "20-r1", Selector("keys", ("small/0.jpg",)))
    world.deliver("submit")
    assert world.record(ERASURES).state == State.OPEN
    drop(world, "later", 1)
    world.deliver("uploads")
    world.deliver("submit")
    assert world.record("later").waits_for_erasure
    assert world.record("later").state == State.SEALED


def test_a_message_about_a_run_of_spark_moves_nothing(world: World) -> None:
    drop(world, "large", 4)
    world.deliver("uploads")
    world.deliver("submit")
    before = world.record("large")
    assert before.state == State.SUBMITTED
    world.send("small", {"batch": "large", "run": 1, "timer": False})
    world.deliver("small")
    assert world.record("large") == before


def test_a_message_to_the_catalog_moves_no_small_batch(world: World) -> None:
    dies(world)
    before = world.record("small")
    world.send("catalog", {"batch": "small", "run": 1, "timer": False})
    world.deliver("catalog")
    assert world.record("small") == before


def test_what_is_said_of_a_run_meanwhile_does_not_let_it_be_worked_twice(world: World) -> None:
    """As `submit_job` says when it could not pass it on, which somebody else had done."""
    worked: list[Run] = []

    def told(run: Run, out_of_time: Callable[[], bool]) -> None:
        worked.append(run)
        world.runs.change(world.record("small"), trouble="SQS is away", failed_tries=1)

    world.small_work = told
    drop(world, "small", 2)
    world.pump()
    assert world.record("small").state == State.DONE
    assert worked == [Run("small", 1)]
    assert jobs(world) == []


def test_a_function_that_never_comes_to_a_run_leaves_it_to_spark(world: World) -> None:
    drop(world, "small", 2)
    world.deliver("uploads")
    world.deliver("submit")
    world.lose_messages()
    waiting = world.record("small")
    world.reconcile()
    world.deliver("catalog")
    assert world.record("small") == waiting
    world.lose_messages()
    world.runs.change(waiting, submitted_at=1.0)
    world.reconcile()
    world.deliver("catalog")
    assert world.record("small").lane == Lane.SPARK
    world.pump()
    record = world.record("small")
    assert (record.state, record.attempt, record.processed) == (State.DONE, 1, 2)
    assert jobs(world) == [[Run("small", 1)]]


def test_no_job_takes_a_run_that_is_on_its_way_to_the_function(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit_job` is cut off when it has prepared it."""
    change = RunTable.change

    def cut_off(self: RunTable, record: RunRecord, **changes: Any) -> RunRecord:
        changed = change(self, record, **changes)
        if changes.get("prepared"):
            raise PlantedError
        return changed

    drop(world, "small", 2)
    world.deliver("uploads")
    with monkeypatch.context() as patch:
        patch.setattr(RunTable, "change", cut_off)
        world.deliver("submit")
    record = world.record("small")
    assert (record.state, record.prepared, record.lane) == (State.SEALED, True, Lane.SMALL)
    drop(world, "large", 20)
    world.pump()
    assert jobs(world) == [[Run("large", 1)]]

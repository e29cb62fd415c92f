"""Conditional writes in the table: refused with what has changed, and told from a lost answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.errors import ConflictError
from darkroom.layout import Run
from functions.erasure.right_of_way import Erasures
from functions.runs.parts import Marker, Part
from functions.runs.records import RunRecord, State
from tests.functions.cloud.clients import losing
from tests.functions.cloud.world import World

RUN = Run("spring", 1)
PART = Part("a" * 16, 3, 3000)
REQUEST = ErasureRequest("20-r1", Selector("keys", ("k",)), "me", "2026-01-01", "", "salt")


def opened(world: World) -> RunRecord:
    return world.runs.register(RUN, PART, None)


def test_a_part_is_counted_once(world: World) -> None:
    with losing("UpdateItem"):
        record = opened(world)
    assert (record.uploads, record.size_bytes, record.revision) == (3, 3000, 1)


def test_a_closed_run_takes_no_part(world: World) -> None:
    world.runs.change(opened(world), state=State.SEALED)
    with pytest.raises(ConflictError, match="the run is closed"):
        world.runs.register(RUN, Part("b" * 16, 1, 1, Marker("1")), None)


def test_a_run_is_added_once(world: World) -> None:
    record = RunRecord("spring", 2, State.SEALED, revision=1, opened_at=1.5)
    with losing("PutItem"):
        world.runs.create(record)
    with pytest.raises(ConflictError, match="somebody else has opened it"):
        world.runs.create(replace(record, opened_at=2.5))
    assert world.runs.get(record.key) == record


def test_a_change_is_made_once(world: World) -> None:
    record = opened(world)
    with losing("UpdateItem"):
        changed = world.runs.change(record, state=State.SEALED, images=3)
    assert changed == world.record("spring")
    assert (changed.state, changed.images, changed.revision) == (State.SEALED, 3, 2)


def test_of_two_that_change_the_same_one_is_told(world: World) -> None:
    """Be it to the same: it may have done something else besides."""
    record = opened(world)
    world.runs.change(record, state=State.SEALED)
    with pytest.raises(ConflictError, match="somebody else has changed it"):
        world.runs.change(record, state=State.SEALED)


def test_a_run_is_forgotten_once(world: World) -> None:
    record = opened(world)
    with losing("DeleteItem"):
        world.runs.remove(record)
    assert world.runs.get(RUN) is None
    again = opened(world)
    world.runs.change(again, state=State.SEALED)
    with pytest.raises(ConflictError, match="somebody else has changed it"):
        world.runs.remove(again)


def test_a_request_is_registered_once(world: World) -> None:
    erasures = Erasures(world.runs, world.queues)
    with losing("UpdateItem"):
        record = erasures.register(REQUEST)
    assert [asked["id"] for asked in record.requests] == [REQUEST.id]
    world.runs.change(record, state=State.SEALED)
    assert erasures.register(replace(REQUEST, id="21-r2")).run == record.run + 1

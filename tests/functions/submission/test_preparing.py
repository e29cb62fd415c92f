"""A run whose manifest cannot be written keeps nobody waiting."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions import submit_job
from functions.runs.records import RunRecord, State
from functions.submission.sealing import Sealer
from tests.functions.cloud.invocations import sqs_record
from tests.functions.cloud.world import PlantedError, World


def delivered(world: World, batch: str, times: int) -> None:
    """A message about the run, that has come so often."""
    message = sqs_record("1", json.dumps({"batch": batch, "run": 1, "timer": False}))
    message["attributes"]["ApproximateReceiveCount"] = str(times)
    submit_job.handler({"Records": [message]}, world.context)


def test_one_that_ends_every_invocation_fails_with_a_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that is too large for the function's memory: no exception is seen."""
    seal = Sealer.seal

    def sealed(self: Sealer, record: RunRecord) -> Any:
        if record.batch == "huge":
            raise PlantedError
        return seal(self, record)

    monkeypatch.setattr(Sealer, "seal", sealed)
    world.upload("huge/1.jpg")
    world.deliver("uploads")
    for times in range(1, 5):
        with pytest.raises(PlantedError):
            delivered(world, "huge", times)
    assert world.record("huge").state == State.SEALED
    delivered(world, "huge", 5)
    huge = world.record("huge")
    assert huge.state == State.FAILED
    assert "its manifest could not be written" in huge.reason


def test_a_fault_of_the_moment_ends_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in the record; so is it known that no try was cut off."""

    def fails(self: Sealer, record: RunRecord) -> int:
        raise ConnectionError("S3 is away")

    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "seal", fails)
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        delivered(world, "spring", 1)
        delivered(world, "spring", 5)
        assert "S3 is away" in world.record("spring").trouble
        assert world.record("spring").state == State.SEALED
    delivered(world, "spring", 6)
    world.pump()
    assert world.record("spring").state == State.DONE


def test_what_is_prepared_may_come_as_often_as_it_likes(world: World) -> None:
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    for times in range(1, 9):
        delivered(world, "spring", times)
    world.pump()
    assert world.record("spring").state == State.DONE

"""A run whose manifest cannot be written keeps nobody waiting."""

from __future__ import annotations

from typing import Any

import pytest

from functions.runs.records import RunRecord, State
from functions.submission.sealing import Sealer
from tests.functions.cloud.world import PlantedError, World


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
    world.upload("spring/1.jpg")
    world.pump()
    huge = world.record("huge")
    assert huge.state == State.FAILED
    assert "its manifest could not be written: 5 tries were cut off" in huge.reason
    assert world.record("spring").state == State.DONE

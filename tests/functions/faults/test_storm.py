"""A hundred thousand uploads at once: exact manifests, few calls, little memory."""

from __future__ import annotations

import json
import random
import tracemalloc
from time import perf_counter

import pytest

from functions import collect_uploads
from functions.runs.records import State
from tests.functions.cloud.invocations import sqs_record
from tests.functions.cloud.world import World

pytestmark = pytest.mark.long

EVENTS = 100_000
AN_INVOCATION = 2_500  # the template's batch size
BATCHES = ("spring", "summer", "autumn")
REPEATED = 100


def test_a_storm_of_uploads_into_three_batches(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    template = world.event("BATCH/label/NUMBER.jpg", sequencer="SEQUENCER")
    body = json.dumps(template)

    def message(number: int) -> dict[str, object]:
        told = body.replace("BATCH", BATCHES[number % 3]).replace("NUMBER", str(number))
        return sqs_record(str(number), told.replace("SEQUENCER", f"{number:016X}"))

    order = [*range(EVENTS), *range(REPEATED)]
    random.Random(7).shuffle(order)
    peaks, seconds = [], 0.0
    for start in range(0, len(order), AN_INVOCATION):
        event = {"Records": [message(number) for number in order[start : start + AN_INVOCATION]]}
        measured = start in (AN_INVOCATION, EVENTS - AN_INVOCATION)
        if measured:
            tracemalloc.start()
        with world.handling("CollectUploadsRole"):
            began = perf_counter()
            assert collect_uploads.handler(event, world.context) == {"batchItemFailures": []}
            seconds += perf_counter() - began if not measured else 0
        if measured:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    calls = len(world.calls) * 1000 / EVENTS
    capsys.readouterr()
    world.deliver("submit")
    for position, batch in enumerate(BATCHES):
        expected = {f"{batch}/label/{number}.jpg" for number in range(position, EVENTS, 3)}
        listed = world.manifest_of(batch)
        assert len(listed) == len(expected)
        assert set(listed) == expected
        assert world.record(batch).state == State.SUBMITTED
    assert len(world.emr._jobs) == 1
    assert calls <= 6
    assert peaks[1] < peaks[0] * 1.2
    with capsys.disabled():
        print(
            f"\nstorm: {len(order)} events, {calls:.1f} AWS calls per 1,000 uploads, "
            f"{len(order) / seconds:.0f} events/s, peak {peaks[1] / 1e6:.0f} MB an invocation"
        )

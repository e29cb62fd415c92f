"""Twenty thousand uploads at once into three batches, with a poisoned marker, poisoned events and
an erasure that cannot be finished among them: all is done, and counted."""

from __future__ import annotations

import json
import random

import pytest

from darkroom.erasure.request import Selector
from darkroom.layout import ERASURES
from functions import collect_uploads
from functions.runs.records import State
from tests.chaos.accounts import assert_all_accounted
from tests.chaos.test_unfinished_erasures import refuse
from tests.functions.cloud.invocations import sqs_record
from tests.functions.cloud.world import World
from tests.functions.erasure import corpus
from tests.functions.erasure.corpus import ask, really
from tests.functions.erasure.two_batches import traces

pytestmark = pytest.mark.long

UPLOADS = 20_000
AN_INVOCATION = 2_500  # the template's batch size
BATCHES = ("spring", "summer", "autumn")
REPEATED, POISONED = 200, 20
LEFT, GONE = "winter/left.jpg", "winter/gone.jpg"


def key_of(number: int) -> str:
    """One in a hundred is broken."""
    kind = "broken" if number % 100 == 0 else "good"
    return f"{BATCHES[number % 3]}/{kind}/{number}.jpg"


def test_a_storm_with_poison_in_it_is_done_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(corpus, "_content", lambda world, entry: entry.key.encode())
    monkeypatch.setattr(corpus, "_ROWS_A_FILE", 2_000)
    world.job = really
    for key in (LEFT, GONE, "winter/stays.jpg"):
        world.upload(key)
    world.pump()
    refuse(monkeypatch, LEFT)
    ask(world, "20-r1", Selector("keys", (LEFT, GONE)))
    marker = json.dumps(world.upload("summer/_READY", b'{"images": ' + b"9" * 60 + b"}"))

    body = json.dumps(world.event("KEY", sequencer="SEQUENCER"))
    poison = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": 5}]})
    told = [body.replace("KEY", key_of(n)).replace("SEQUENCER", f"{n:016X}") for n in
            (*range(UPLOADS), *range(REPEATED))]  # fmt: skip
    told += [marker, *[poison] * POISONED]
    random.Random(7).shuffle(told)
    failed = 0
    for start in range(0, len(told), AN_INVOCATION):
        several = told[start : start + AN_INVOCATION]
        event = {"Records": [sqs_record(str(n), one) for n, one in enumerate(several)]}
        answer = collect_uploads.handler(event, world.context)
        refused = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        assert {several[int(number)] for number in refused} <= {poison}
        failed += len(refused)
        world.deliver("submit")
    capsys.readouterr()
    world.pump(400)
    assert failed == POISONED

    records = [record for record in world.runs.every() if record.batch in BATCHES]
    assert_all_accounted(world.results, records, map(key_of, range(UPLOADS)))
    assert sum(record.processed or 0 for record in records) == UPLOADS - UPLOADS // 100
    assert sum(record.rejected or 0 for record in records) == UPLOADS // 100
    assert "is no whole number" in next(
        record.marker_problem for record in records if record.marker_problem
    )
    erasure = world.record(ERASURES)
    assert (erasure.state, erasure.reason[:6]) == (State.FAILED, "1 name")
    assert traces(world, GONE) == []
    with capsys.disabled():
        print(f"\nstorm: {len(told)} messages, {failed} poisoned, {len(records)} runs, all counted")

"""Events and messages that cannot be understood: each fails alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from darkroom.layout import JOBS
from functions import catalog_results, collect_uploads, submit_job
from functions.repair.redrive import redrive
from functions.runs.records import State
from tests.chaos.poison import RECORDS, PoisonError
from tests.functions.cloud.invocations import sqs_record
from tests.functions.cloud.world import World

pytestmark = pytest.mark.long


@pytest.mark.parametrize("poison", RECORDS.values(), ids=RECORDS)
def test_collecting_a_poisoned_event_fails_alone(
    world: World, poison: Callable[[dict[str, Any]], None]
) -> None:
    bad = world.event("spring/bad.jpg")
    poison(bad)
    bodies = {f"good-{n}": json.dumps(world.event(f"spring/{n}.jpg")) for n in range(5)}
    records = [sqs_record(name, body) for name, body in bodies.items()]
    records.insert(2, sqs_record("bad", json.dumps(bad)))
    answer = collect_uploads.handler({"Records": records}, world.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert world.record("spring").uploads == 5


@pytest.mark.parametrize("body", ["[" * 100_000, '{"Records": ' + "[" * 100_000, "\ud800"],
                         ids=["deep", "deep-inside", "half-a-character"])  # fmt: skip
def test_collecting_an_unreadable_message_fails_alone(world: World, body: str) -> None:
    good = json.dumps(world.event("spring/1.jpg"))
    records = [sqs_record("bad", body), sqs_record("good", good)]
    answer = collect_uploads.handler({"Records": records}, world.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert world.record("spring").uploads == 1


def test_a_sound_record_beside_a_poisoned_one_of_the_same_message_is_kept(world: World) -> None:
    event = world.event("spring/1.jpg")
    event["Records"].append({"eventName": "ObjectCreated:Put", "s3": {}})
    answer = collect_uploads.handler(
        {"Records": [sqs_record("mixed", json.dumps(event))]}, world.context
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "mixed"}]}
    assert world.record("spring").uploads == 1


def test_collecting_what_cannot_be_stored_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gets past all that is foreseen: storing one of a thousand uploads raises."""
    pack = collect_uploads.Collector._write

    def write(self: Any, batch: str, entries: list[Any], marker: Any) -> Any:
        if any(entry.key.endswith("/13.jpg") for entry in entries):
            raise PoisonError("13")
        return pack(self, batch, entries, marker)

    monkeypatch.setattr(collect_uploads.Collector, "_write", write)
    records = [sqs_record(str(n), json.dumps(world.event(f"spring/{n}.jpg"))) for n in range(1000)]
    answer = collect_uploads.handler({"Records": records}, world.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "13"}]}
    submit_job.station.cache_clear()
    world.deliver("submit")
    assert len(world.manifest_of("spring")) == 999


def test_redriving_a_message_that_cannot_be_sent_brings_the_others_back(world: World) -> None:
    sqs = boto3.client("sqs")
    for number in range(25):
        sqs.send_message(QueueUrl=world.urls["dead"], MessageBody=f"message {number}")

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(sqs, name)

        def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
            good = [entry for entry in Entries if not entry["MessageBody"].endswith(" 13")]
            bad = [entry for entry in Entries if entry not in good]
            answer = sqs.send_message_batch(QueueUrl=QueueUrl, Entries=good) if good else {}
            failed = [{"Id": entry["Id"], "Message": "no", "SenderFault": True} for entry in bad]
            return {**answer, "Failed": failed}

    told = redrive(Refusing(), world.urls["dead"], world.urls["uploads"])
    assert (told.moved, told.left) == (24, 1)


def test_cataloguing_an_event_that_cannot_be_understood_fails_alone(world: World) -> None:
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    world.finish_jobs(tell=False)
    good = json.dumps({"batch": JOBS, "run": 1, "timer": False})
    bad = ["[" * 100_000, '{"source": "aws.emr-serverless"}', "5", '{"batch": 1}']
    records = [sqs_record(f"bad-{n}", body) for n, body in enumerate(bad)]
    answer = catalog_results.handler(
        {"Records": [*records, sqs_record("good", good)]}, world.context
    )
    failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
    assert failed == {f"bad-{n}" for n in range(len(bad))}
    world.pump()
    assert world.record("spring").state == State.DONE

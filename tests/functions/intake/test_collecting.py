"""Upload events to runs: batches, markers, repetitions, order, awkward keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from darkroom import manifest
from darkroom.layout import Run
from functions import collect_uploads, submit_job
from functions.intake.collector import Collector
from functions.runs.records import State
from tests.functions.cloud.invocations import sqs_record
from tests.functions.cloud.world import EVENTS, World

AWKWARD = [
    "spring/Pêche plate/été à 100%.jpg",
    "spring/a+b c&d=e/1.jpg",
    "spring//double.jpg",
    "spring/%41/%2F.jpg",
    "spring/emoji 🍑/日本.jpg",
    "spring/line\nbreak/tab\t.jpg",
    "spring/quote\"'/back\\slash.jpg",
    "spring/../up.jpg",
]


def test_keys_arrive_as_they_were_uploaded(world: World) -> None:
    for key in AWKWARD:
        world.send("uploads", world.event(key))
    world.deliver("uploads")
    world.deliver("submit")
    assert sorted(world.manifest_of("spring")) == sorted(AWKWARD)


def test_two_batches_and_loose_objects_are_kept_apart(world: World) -> None:
    for key in ("spring/1.jpg", "autumn/1.jpg", "one.jpg", "/two.jpg", "../three.jpg"):
        world.send("uploads", world.event(key))
    world.deliver("uploads")
    world.deliver("submit")
    assert world.manifest_of("spring") == ["spring/1.jpg"]
    assert world.manifest_of("autumn") == ["autumn/1.jpg"]
    assert sorted(world.manifest_of("loose-2026-11-22")) == ["../three.jpg", "/two.jpg", "one.jpg"]


def test_a_test_event_and_folder_placeholders_open_no_run(world: World) -> None:
    world.send("uploads", json.loads((EVENTS / "s3_test_event.json").read_text()))
    world.send("uploads", world.event("spring/", 0))
    world.send("uploads", world.event("spring/apple/", 0))
    world.pump()
    assert list(world.runs.every()) == []


@pytest.mark.parametrize(
    "body", ["not json", "[]", "{}", '{"Records": [{}]}', "5"],
    ids=["text", "list", "empty", "no-object", "number"],
)  # fmt: skip
def test_what_is_no_notification_fails_alone(world: World, body: str) -> None:
    good = json.dumps(world.event("spring/1.jpg"))
    event = {"Records": [sqs_record("good", good), sqs_record("bad", body)]}
    answer = collect_uploads.handler(event, world.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert world.record("spring").uploads == 1


def test_a_batch_that_cannot_be_registered_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = collect_uploads.Bucket.write

    def refuse(self: object, key: str, data: bytes) -> None:
        if "autumn" in key:
            raise OSError("no")
        write(self, key, data)  # type: ignore[arg-type]

    monkeypatch.setattr(collect_uploads.Bucket, "write", refuse)
    bodies = {b: json.dumps(world.event(f"{b}/1.jpg")) for b in ("spring", "autumn")}
    event = {"Records": [sqs_record(batch, body) for batch, body in bodies.items()]}
    answer = collect_uploads.handler(event, world.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "autumn"}]}
    assert world.record("spring").uploads == 1


def test_an_event_told_twice_is_listed_once(world: World) -> None:
    event = world.event("spring/1.jpg")
    for _ in range(3):
        world.send("uploads", event)
        world.deliver("uploads")
    world.deliver("submit")
    assert world.manifest_of("spring") == ["spring/1.jpg"]


def test_the_newest_of_reordered_events_counts(world: World) -> None:
    for sequencer in ("0A", "0F", "9"):
        world.send("uploads", world.event("spring/1.jpg", sequencer=sequencer))
        world.deliver("uploads")
    world.deliver("submit")
    (part,) = world.results.list(Run("spring", 1).manifest)
    from darkroom import manifest

    (entry,) = manifest.unpack(world.results.read(part))
    assert entry.sequencer == "0F"


def test_an_event_told_again_after_its_run_leaves_no_run(world: World) -> None:
    event = world.upload("spring/1.jpg")
    world.pump()
    world.send("uploads", event)
    world.pump()
    assert world.record("spring").state == State.DONE
    assert [record.run for record in world.runs.of_batch("spring")] == [1]


def test_files_that_come_after_a_run_open_the_next_and_it_has_only_them(world: World) -> None:
    first = world.upload("spring/1.jpg")
    world.pump()
    world.upload("spring/2.jpg")
    world.send("uploads", first)
    world.pump()
    assert world.manifest_of("spring", 2) == ["spring/2.jpg"]
    assert world.record("spring", 2).processed == 1


def test_an_overwritten_image_is_worked_again_in_the_next_run(world: World) -> None:
    world.upload("spring/1.jpg")
    world.pump()
    world.upload("spring/1.jpg", b"another")
    world.pump()
    assert world.manifest_of("spring", 2) == ["spring/1.jpg"]


class TestMarker:
    def test_without_a_count_closes_its_batch(self, world: World) -> None:
        os.environ["QUIET_SECONDS"] = "3000"
        world.upload("spring/1.jpg")
        world.upload("spring/_READY", b"")
        world.pump()
        record = world.record("spring")
        assert (record.state, record.closed_because) == (State.DONE, "marked as ready")
        assert world.manifest_of("spring") == ["spring/1.jpg"]

    def test_with_a_count_waits_for_all(self, world: World) -> None:
        world.upload("spring/_READY", b'{"images": 2}')
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.deliver("submit")
        assert world.record("spring").state == State.OPEN
        world.upload("spring/2.jpg")
        world.pump()
        assert world.record("spring").closed_because == "all 2 announced files are there"

    def test_a_repetition_does_not_fill_the_count(self, world: World) -> None:
        world.upload("spring/_READY", b'{"images": 2}')
        event = world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.send("uploads", event)
        world.send("uploads", world.event("spring/1.jpg", sequencer="FFFF"))
        world.deliver("uploads")
        world.deliver("submit")
        assert world.record("spring").uploads >= 2
        assert world.record("spring").state == State.OPEN

    def test_with_a_wrong_count_closes_at_the_maximum_age(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.upload("spring/_READY", b'{"images": 5}')
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        monkeypatch.setenv("MAX_AGE_SECONDS", "0")
        submit_job.rules.cache_clear()
        submit_job.station.cache_clear()
        world.pump()
        record = world.record("spring")
        assert (record.state, record.expected, record.images) == (State.DONE, 5, 1)
        from darkroom.run import receipt

        assert receipt.unpack(world.results.read(record.key.receipt)).expected == 5

    @pytest.mark.parametrize(
        "body", [b"soon", b"[]", b'{"images": "many"}', b'{"images": -1}', b'{"images": true}'],
        ids=["text", "list", "words", "negative", "boolean"],
    )  # fmt: skip
    def test_that_makes_no_sense_closes_nothing(self, world: World, body: bytes) -> None:
        world.upload("spring/1.jpg")
        world.upload("spring/_READY", body)
        world.pump()
        record = world.record("spring")
        assert (record.state, record.expected, record.ready) == (State.DONE, None, False)
        assert record.closed_because == "quiet for 0 s"
        assert record.marker_problem

    def test_that_is_gone_has_no_count(self, world: World) -> None:
        world.send("uploads", world.event("spring/1.jpg"))
        world.send("uploads", world.event("spring/_READY"))
        world.deliver("uploads")
        assert world.record("spring").ready

    def test_alone_ends_with_a_receipt_over_nothing(self, world: World) -> None:
        world.upload("spring/_READY", b'{"images": 0}')
        world.pump()
        record = world.record("spring")
        assert (record.state, record.images, record.processed) == (State.DONE, 0, 0)
        assert b'"balanced": true' in world.results.read(record.key.receipt)
        assert world.emr._jobs == {}

    def test_told_again_after_its_run_opens_none(self, world: World) -> None:
        world.upload("spring/1.jpg")
        marker = world.upload("spring/_READY", b"")
        world.pump()
        world.send("uploads", marker)
        world.pump()
        assert [record.run for record in world.runs.of_batch("spring")] == [1]

    def test_of_one_run_does_not_close_the_next(self, world: World) -> None:
        world.upload("spring/_READY", b"")
        world.upload("spring/1.jpg")
        world.pump()
        world.upload("spring/2.jpg")
        world.deliver("uploads")
        assert not world.record("spring", 2).ready


def test_settings_that_are_missing_or_wrong_are_all_named(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from darkroom.errors import UsageError
    from functions.aws.settings import SubmitSettings, read_settings

    environment = {**os.environ, "QUIET_SECONDS": "soon"}
    del environment["EXECUTOR_CORES"]
    with pytest.raises(UsageError, match=r"QUIET_SECONDS \(int\), EXECUTOR_CORES \(int\)"):
        read_settings(SubmitSettings, environment)


def test_a_manifest_forgets_parts_of_a_try_that_knew_of_more(world: World) -> None:
    """Such a try died before it had sealed the run."""
    left = f"{Run('spring', 1).manifest}/part-00007.jsonl.gz"
    world.results.write(left, manifest.pack([]))
    world.upload("spring/1.jpg")
    world.pump()
    assert world.record("spring").state == State.DONE
    assert left not in world.results.list(Run("spring", 1).manifest)


def test_batches_are_registered_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many at once as there are threads: each waits until the others have come."""
    monkeypatch.setattr(collect_uploads, "AT_ONCE", 4)
    together = Barrier(4, timeout=60)
    collect = Collector.collect

    def meet(self: Collector, *words: Any) -> None:
        together.wait()
        collect(self, *words)

    monkeypatch.setattr(Collector, "collect", meet)
    for number in range(8):
        world.send("uploads", world.event(f"batch-{number}/1.jpg"))
    world.deliver("uploads")
    world.deliver("submit")
    assert [world.manifest_of(f"batch-{n}") for n in range(8)] == [
        [f"batch-{n}/1.jpg"] for n in range(8)
    ]


def test_batches_for_which_there_is_no_time_come_again(world: World) -> None:
    for number in range(3):
        world.send("uploads", world.event(f"batch-{number}/1.jpg"))
    world.context.milliseconds = 10_000
    world.deliver("uploads")
    assert list(world.runs.every()) == []
    world.context.milliseconds = 60_000
    world.pump()
    assert {record.state for record in world.runs.every()} == {State.DONE}


def test_a_run_closes_when_it_is_full_and_the_rest_is_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_RUN_FILES", "5")
    monkeypatch.setenv("QUIET_SECONDS", "3000")
    for number in range(12):
        world.send("uploads", world.event(f"spring/{number:02}.jpg"))
        world.deliver("uploads")
        world.deliver("submit")
    first, second, third = world.runs.of_batch("spring")
    assert first.closed_because == "5 files, the limit"
    assert [first.images, second.images, third.uploads] == [5, 5, 2]
    assert third.state == State.OPEN
    named = world.manifest_of("spring", 1) + world.manifest_of("spring", 2)
    assert named == [f"spring/{number:02}.jpg" for number in range(10)]

"""What a `_READY` may say, and what it can bring about: never more than its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import time
from typing import Any

import pytest

from darkroom.errors import DarkroomError
from darkroom.manifest import Entry
from functions import submit_job
from functions.intake import markers
from functions.runs.batch_complete import ClosingRules, closing_of
from functions.runs.records import RunRecord, State
from functions.runs.wording import words
from tests.chaos.accounts import places_of
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import really

pytestmark = pytest.mark.long

RULES = ClosingRules(quiet_seconds=120, marker_seconds=15, max_age_seconds=21600)
_HOSTILE = {
    "39-digits": b'{"images": ' + b"9" * 39 + b"}",
    "5000-digits": b'{"images": ' + b"9" * 5000 + b"}",
    "a-billion-and-one": b'{"images": 1000000001}',
    "exponent": b'{"images": 1e400}',
    "fraction": b'{"images": 2.5}',
    "not-a-number": b'{"images": NaN}',
    "null": b'{"images": null}',
    "a-text": b'{"images": "2"}',
    "another-word": b'{"image": 2}',
    "deep": b"[" * 990,
    "long": b" " * 2_000_000 + b'{"images": 1}',
    "not-utf-8": b'{"images": 1, "\xff": 2}',
    "two-values": b'{"images": 1} {"images": 2}',
}


@pytest.fixture
def slow(world: World) -> Iterator[World]:
    """Quiet periods are long: what closes a run is its marker."""
    before = dict(os.environ)
    world.job = really
    os.environ.update(QUIET_SECONDS="3000", MARKER_SECONDS="0")
    submit_job.rules.cache_clear()
    submit_job.station.cache_clear()
    yield world
    os.environ.clear()
    os.environ.update(before)


def let_pass(world: World, seconds: float) -> None:
    """As if the runs' last uploads had come so long ago."""
    for record in world.runs.every():
        if record.state == State.OPEN:
            world.runs.change(record, last_upload_at=record.last_upload_at - seconds)
            world.queues.pass_on(record)
    world.pump()


@pytest.mark.parametrize("body", _HOSTILE.values(), ids=_HOSTILE)
def test_a_hostile_marker_takes_no_image_with_it(slow: World, body: bytes) -> None:
    for number in range(3):
        slow.upload(f"spring/{number}.jpg")
    slow.upload("spring/_READY", body)
    slow.upload("autumn/1.jpg")
    slow.pump()
    record = slow.record("spring")
    assert (record.state, record.uploads, record.ready) == (State.OPEN, 3, False)
    assert slow.record("autumn").uploads == 1
    assert "its _READY is not understood: " in words(record, RULES)
    let_pass(slow, 4000)
    done = slow.record("spring")
    assert (done.state, done.processed) == (State.DONE, 3)
    assert "its _READY is not understood: " in words(done, RULES)


def test_a_marker_that_is_mended_closes_its_batch(slow: World) -> None:
    slow.upload("spring/1.jpg")
    slow.upload("spring/_READY", b'{"images": "one"}')
    slow.pump()
    slow.upload("spring/_READY", b'{"images": 1}')
    slow.pump()
    record = slow.record("spring")
    assert (record.state, record.expected, record.marker_problem) == (State.DONE, 1, "")


def test_a_marker_that_s3_does_not_give_fails_alone(
    slow: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True

    def refusing(s3: Any, marker: Entry) -> markers.Marker:
        if broken:
            raise DarkroomError("the marker cannot be read now: 503")
        return markers.read_marker(s3, marker)

    monkeypatch.setattr("functions.intake.collector.read_marker", refusing)
    slow.upload("spring/1.jpg")
    slow.upload("spring/_READY", b"")
    slow.upload("spring/2.jpg")
    slow.deliver("uploads")
    assert slow.record("spring").uploads == 2
    assert not slow.record("spring").ready
    broken = False
    slow.pump()
    assert (slow.record("spring").state, slow.record("spring").processed) == (State.DONE, 2)


class TestCount:
    """`{"images": n}` is about the batch, of which a run may have gone already."""

    def test_that_comes_after_a_quiet_period_closed_a_run_is_met(self, slow: World) -> None:
        for number in range(6):
            slow.upload(f"spring/{number}.jpg")
        slow.pump()
        let_pass(slow, 4000)
        assert slow.record("spring").processed == 6
        for number in range(6, 10):
            slow.upload(f"spring/{number}.jpg")
        slow.upload("spring/_READY", b'{"images": 10}')
        slow.pump()
        second = slow.record("spring", 2)
        assert (second.state, second.processed) == (State.DONE, 4)
        assert "with those of earlier runs" in second.closed_because
        places = places_of(slow.results, [slow.record("spring").key, second.key])
        assert {key: found for key, found in places.items() if found != ["Results"]} == {}
        assert len(places) == 10

    def test_waits_for_what_is_still_to_come(self, slow: World) -> None:
        for number in range(6):
            slow.upload(f"spring/{number}.jpg")
        slow.pump()
        let_pass(slow, 4000)
        slow.upload("spring/6.jpg")
        slow.upload("spring/_READY", b'{"images": 10}')
        slow.pump()
        assert slow.record("spring", 2).state == State.OPEN
        for number in range(7, 10):
            slow.upload(f"spring/{number}.jpg")
        slow.pump()
        assert slow.record("spring", 2).processed == 4

    def test_of_a_top_up_is_met_by_the_top_up(self, slow: World) -> None:
        slow.upload("spring/1.jpg")
        slow.upload("spring/_READY", b'{"images": 1}')
        slow.pump()
        slow.upload("spring/2.jpg")
        slow.upload("spring/3.jpg")
        slow.upload("spring/_READY", b'{"images": 2}')
        slow.pump()
        second = slow.record("spring", 2)
        assert (second.state, second.processed) == (State.DONE, 2)
        assert second.closed_because == "all 2 announced files are there"

    def test_that_comes_alone_after_all_of_its_batch_leaves_no_run(self, slow: World) -> None:
        slow.upload("spring/1.jpg")
        slow.pump()
        let_pass(slow, 4000)
        slow.upload("spring/_READY", b'{"images": 1}')
        slow.pump()
        assert [record.run for record in slow.runs.of_batch("spring")] == [1]

    def test_lets_who_is_late_have_the_marker_s_seconds(self) -> None:
        now = time()
        record = RunRecord("spring", 2, State.OPEN, opened_at=now, last_upload_at=now, uploads=4,
                           expected=10, ready=True, files_before=6)  # fmt: skip
        closing = closing_of(record, RULES)
        assert closing.at == pytest.approx(now + 15)
        alone = RunRecord("spring", 2, State.OPEN, opened_at=now, last_upload_at=now, uploads=10,
                          expected=10, ready=True, files_before=6)  # fmt: skip
        assert closing_of(alone, RULES, lambda: 10).at == now

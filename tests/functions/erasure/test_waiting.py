"""Erasures and what is under way: who waits for whom, and what comes late."""

from __future__ import annotations

import json

import boto3
import pytest

from darkroom.coordinates.pointer import current_number
from darkroom.erasure.block_list import BlockList
from darkroom.erasure.request import Selector
from darkroom.layout import ERASURES, erasure_certificate
from functions.erasure.steps import ErasureCompletion
from functions.runs.records import State
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import ask
from tests.functions.erasure.two_batches import GONE, digest, erase, traces

pytestmark = pytest.mark.long


def test_a_late_event_does_not_bring_an_upload_back(corpus: World) -> None:
    event = corpus.upload("late/1.jpg", b"late")
    corpus.pump()
    other = corpus.upload("late/2.jpg", b"other")
    corpus.send("dead", {"Records": [*event["Records"], *other["Records"]]})
    erase(corpus, "20-r1", Selector("keys", ("late/1.jpg",)))
    assert traces(corpus, "late/1.jpg", digest(b"late")) == []
    assert traces(corpus, "late%2F2.jpg", "late/2.jpg")
    corpus.send("uploads", event)
    corpus.pump()
    assert traces(corpus, "late/1.jpg") == []


def test_what_waits_in_an_open_run_goes_too(corpus: World) -> None:
    corpus.upload("open/_READY", b'{"images": 9}')
    corpus.upload("open/1.jpg", b"open")
    corpus.upload("open/2.jpg", b"also open")
    corpus.deliver("uploads")
    erase(corpus, "20-r1", Selector("keys", ("open/1.jpg",)))
    assert traces(corpus, "open/1.jpg") == []
    record = corpus.record("open")
    corpus.runs.change(record, opened_at=record.opened_at - 3600)
    corpus.queues.pass_on(record)
    corpus.pump()
    assert (corpus.record("open").state, corpus.manifest_of("open")) == ("DONE", ["open/2.jpg"])


def test_runs_wait_for_an_erasure_and_lose_nothing(corpus: World) -> None:
    ask(corpus, "20-r1", Selector("keys", (GONE,)))
    corpus.upload("spring/13.jpg", b"thirteen")
    corpus.deliver("uploads")
    corpus.deliver("submit")
    assert corpus.record("spring", 3).waits_for_erasure
    corpus.pump()
    assert corpus.record("spring", 3).state == State.DONE
    assert corpus.record(ERASURES).state == State.DONE
    assert corpus.record("spring", 3).job_run_id > ""
    starts = [job["name"] for job in corpus.emr._jobs.values()][-2:]
    assert starts == ["erasure-1-attempt-1", "spring-run-3-attempt-1"]
    assert traces(corpus, GONE) == []


def test_an_erasure_waits_for_the_runs_under_way(corpus: World) -> None:
    corpus.upload("spring/13.jpg", b"thirteen")
    corpus.deliver("uploads")
    corpus.deliver("submit")
    assert corpus.record("spring", 3).state == State.SUBMITTED
    ask(corpus, "20-r1", Selector("batch", ("spring",)))
    corpus.deliver("submit")
    assert corpus.record(ERASURES).state == State.OPEN
    corpus.pump()
    assert corpus.record(ERASURES).state == State.DONE
    assert traces(corpus, "spring/13.jpg", GONE) == []


def test_many_requests_are_one_job(corpus: World) -> None:
    ask(corpus, "20-r1", Selector("keys", (GONE,)))
    ask(corpus, "20-r2", Selector("prefix", ("winter/1",)))
    ask(corpus, "20-r3", Selector("keys", ("nobody/knows.jpg",)))
    corpus.pump()
    (job,) = (job for job in corpus.emr._jobs.values() if "erasure" in job["name"])
    assert job["name"] == "erasure-1-attempt-1"
    assert job["executionRole"].endswith("role/erasure")
    told = [json.loads(corpus.results.read(erasure_certificate(f"20-r{n}"))) for n in (1, 2, 3)]
    assert [len(one["images"]) for one in told] == [2, 2, 0]
    assert traces(corpus, GONE, "winter/10.jpg") == []


def test_a_part_that_is_written_too_late_is_cleared_when_its_run_closes(corpus: World) -> None:
    event = corpus.upload("late/1.jpg", b"late")
    corpus.upload("late/2.jpg", b"other")
    with pytest.MonkeyPatch.context() as patch:  # a collector that read the list before it changed
        erase(corpus, "20-r1", Selector("keys", ("late/1.jpg",)))
        patch.setattr(BlockList, "erased", lambda self, entry: False)
        corpus.send("uploads", event)
        corpus.deliver("uploads")
    assert traces(corpus, "late/1.jpg")
    corpus.pump()
    assert traces(corpus, "late/1.jpg") == []
    assert corpus.manifest_of("late") == ["late/2.jpg"]


def test_runs_go_on_when_the_erasures_job_has_ended(
    corpus: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after its job may take long: here it cannot even begin."""
    with monkeypatch.context() as patch:
        patch.setattr(ErasureCompletion, "_is_shown", lambda self, record, done: False)
        ask(corpus, "20-r1", Selector("keys", (GONE,)))
        corpus.upload("spring/13.jpg", b"thirteen")
        corpus.upload("spring/14.jpg", b"what has gone, under another name")
        corpus.pump()
        assert corpus.record(ERASURES).state == State.SUCCEEDED
        assert corpus.record("spring", 3).state == State.DONE
    corpus.queues.pass_on(corpus.record(ERASURES))
    corpus.pump()
    assert corpus.record(ERASURES).state == State.DONE
    assert traces(corpus, GONE) == []
    version = current_number(corpus.results)
    assert corpus.record("spring", 3).csv_version == version
    view = boto3.client("glue").get_table(DatabaseName="darkroom", Name="features_pca")["Table"]
    assert view["Parameters"]["pca_version"] == str(version)

"""An erasure that cannot be finished: it keeps nobody waiting, and nothing comes back meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from darkroom.coordinates import statistics, versions
from darkroom.coordinates.corpus import statistics_of_files
from darkroom.erasure import certificate, outcome
from darkroom.erasure.outcome import outcome_key
from darkroom.erasure.request import Selector, salted
from darkroom.erasure.uploads import Left, Uploads
from darkroom.layout import ERASURES, Run, erasure_certificate
from darkroom.run import receipt
from functions.repair.retry import retry_failed
from functions.runs.batch_complete import ClosingRules
from functions.runs.records import State
from functions.runs.wording import words
from tests.functions.cloud.in_order import read_in_order
from tests.functions.cloud.world import PlantedError, World
from tests.functions.erasure.corpus import ask, really
from tests.functions.erasure.two_batches import digest, traces

GONE, COPY = "spring/2.jpg", "autumn/copy.jpg"
pytestmark = pytest.mark.long

POISON = "spring/poison.jpg"
RULES = ClosingRules(0, 0, 0)


@pytest.fixture
def world(world: World) -> Iterator[World]:
    """Two batches with a copy between them, in two PCA versions."""
    world.job = really
    for key, body in (("spring/1.jpg", b"one"), (GONE, b"two"), ("spring/3.jpg", b"three")):
        world.upload(key, body)
    world.pump()
    world.pca_version = 2
    world.upload(COPY, b"two")
    world.upload("autumn/5.jpg", b"five")
    world.pump()
    return world


def refuse(monkeypatch: pytest.MonkeyPatch, *keys: str, delete_too: bool = True) -> dict[str, bool]:
    """S3 answers 500 to whatever is asked about these keys, as long as the switch is on."""
    refusing = {"on": True}
    versions_of, delete_alone = Uploads.versions, Uploads._delete_alone

    def failing() -> ClientError:
        error: Any = {"Error": {"Code": "InternalError", "Message": "about a key"}}
        return ClientError(error, "ListObjectVersions")

    def listed(self: Uploads, prefix: str) -> Any:
        if refusing["on"] and any(key.startswith(prefix) for key in keys):
            raise failing()
        return versions_of(self, prefix)

    def deleted(self: Uploads, version: Any) -> Any:
        if refusing["on"] and delete_too and version.key in keys:
            return [*delete_alone(self, version._replace(version_id="none")), failed(version.key)]
        return delete_alone(self, version)

    def failed(key: str) -> Any:
        return Left(key, "S3 refuses to delete it: InternalError")

    monkeypatch.setattr(Uploads, "versions", listed)
    monkeypatch.setattr(Uploads, "_delete_alone", deleted)
    return refusing


def refuse_deletion(monkeypatch: pytest.MonkeyPatch, key: str) -> dict[str, bool]:
    """S3 refuses to delete one key, in an answer that is no error, as long as the switch is on."""
    refusing = {"on": True}
    delete = Uploads._delete

    def refused(self: Uploads, several: Any) -> Any:
        mine = [one for one in several if refusing["on"] and one.key == key]
        others = [one for one in several if one not in mine]
        left = delete(self, others) if others else []
        return left + [Left(one.key, "S3 refuses to delete it: AccessDenied") for one in mine]

    monkeypatch.setattr(Uploads, "_delete", refused)
    return refusing


def signed(world: World, number: str) -> dict[str, Any]:
    return certificate.unpack(world.results.read(erasure_certificate(number)))


def assert_one_truth(world: World) -> None:
    """Receipts balance and count what is stored; statistics are those of the features; every run
    has coordinates in the version in force, which was fitted on none but these."""
    results, current = world.results, versions.current_version(world.results)
    assert current is not None
    for run in receipt.done_runs(results):
        features = results.list(run.results, ".parquet")
        rows = statistics_of_files(results, features)
        account = receipt.unpack(results.read(run.receipt))
        assert account.processed == (rows.n if rows else 0), run
        if rows is None:
            continue
        kept = statistics.unpack(results.read(run.statistics))
        assert kept.n == rows.n
        assert abs(kept.total - rows.total).max() < 1e-9
        names = [file.rpartition("/")[2] for file in features]
        there = results.list(run.results_pca(current.number), ".parquet")
        assert [file.rpartition("/")[2] for file in there] == names


def test_an_object_that_cannot_be_listed_is_left_and_all_else_goes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload(POISON, b"bell")
    world.pump()
    refusing = refuse(monkeypatch, POISON)
    ask(world, "20-r1", Selector("batch", ("spring",)))
    world.pump()

    record = world.record(ERASURES)
    assert record.state == State.FAILED
    assert record.reason.startswith("2 names could not be erased (its versions cannot be listed")
    assert "all else is" in record.reason
    assert f"`darkroom retry {ERASURES} --run 1` goes on" in words(record, RULES)
    told = signed(world, "20-r1")
    unknown = [salted("ab" * 16, name) for name in ("spring/", POISON)]  # the listing, too
    assert [one["key"] for one in told["left"]] == unknown
    assert salted("ab" * 16, POISON) not in told["images"]
    assert salted("ab" * 16, GONE) in told["images"]
    named = outcome.unpack(world.results.read(outcome_key(Run(ERASURES, 1)))).left
    assert [left.key for left in named["20-r1"]] == ["spring/", POISON]
    assert traces(world, GONE, COPY, digest(b"two")) == []
    assert world.runs.latest("spring") is None

    refusing["on"] = False
    world.upload("spring/new.jpg", b"new")  # the batch comes again meanwhile, and is another
    world.pump()
    assert world.record("spring").state == State.DONE
    retry_failed(world.record(ERASURES), world.runs, world.queues)
    world.pump()
    assert world.record(ERASURES).state == State.DONE
    whole = signed(world, "20-r1")
    assert whole["left"] == []
    assert set(whole["images"]) == {*told["images"], salted("ab" * 16, POISON)}
    assert (whole["selector"], whole["removed"]["feature_rows"]) == (
        "batch", told["removed"]["feature_rows"])  # fmt: skip
    assert traces(world, GONE, COPY, POISON, digest(b"two")) == []
    assert world.record("spring").processed == 1
    assert world.partitions("features") >= {("spring", "1")}
    assert_one_truth(world)


def test_an_object_that_cannot_be_deleted_is_left_and_its_image_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = refuse_deletion(monkeypatch, GONE)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    record = world.record(ERASURES)
    assert (record.state, record.reason.count("AccessDenied")) == (State.FAILED, 1)
    world.upload("winter/1.jpg", b"winter")
    world.pump()
    assert world.record("winter").state == State.DONE
    assert traces(world, COPY, digest(b"two")) == []
    refusing["on"] = False
    retry_failed(world.record(ERASURES), world.runs, world.queues)
    world.pump()
    assert world.record(ERASURES).state == State.DONE
    assert traces(world, GONE, COPY, digest(b"two")) == []
    assert_one_truth(world)


def test_erasures_pass_one_that_is_left_with_something(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload(POISON, b"bell")
    world.pump()
    refusing = refuse(monkeypatch, POISON)
    ask(world, "20-r1", Selector("keys", (POISON, "spring/1.jpg")))
    world.pump()
    ask(world, "20-r2", Selector("keys", ("spring/3.jpg",)))
    world.pump()
    assert [r.state for r in world.runs.of_batch(ERASURES)] == [State.FAILED, State.DONE]
    refusing["on"] = False
    retry_failed(world.record(ERASURES), world.runs, world.queues)
    ask(world, "20-r3", Selector("keys", (GONE,)))  # one that is retried takes no more requests
    world.pump()
    assert [r.state for r in world.runs.of_batch(ERASURES)] == [State.DONE] * 3
    assert traces(world, "spring/1.jpg", "spring/3.jpg", GONE) == []
    assert_one_truth(world)


def test_a_key_that_the_service_fails_on_stops_nothing(world: World) -> None:
    """moto's S3, as the local one before it was mended, answers 500 to a bell in a name."""
    world.upload("spring/bell\x07.jpg", b"bell")
    world.pump()
    ask(world, "20-r1", Selector("batch", ("spring",)))
    world.upload("winter/1.jpg", b"winter")
    world.pump()
    assert world.record(ERASURES).state == State.FAILED
    assert world.record("winter").state == State.DONE
    assert world.runs.latest("spring") is None
    assert len(signed(world, "20-r1")["left"]) == 2


def test_a_dead_letter_that_cannot_be_understood_does_not_keep_a_name(world: World) -> None:
    event = world.event(GONE)
    event["Records"][0]["s3"]["object"]["size"] = "many"
    boto3.client("sqs").send_message(QueueUrl=world.urls["dead"], MessageBody=json.dumps(event))
    boto3.client("sqs").send_message(QueueUrl=world.urls["dead"], MessageBody="[" * 5000)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    assert traces(world, GONE, COPY) == []


def test_the_trouble_of_a_run_does_not_keep_a_name(world: World) -> None:
    record = world.record("autumn")
    world.runs.change(record, trouble=f"OSError: {GONE}", failed_tries=1)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    assert traces(world, GONE, COPY) == []


def dies_after(world: World, call: int) -> Callable[[str], None]:
    """The job of an erasure dies after so many of its AWS calls, each time."""
    made = {"job": "", "calls": 0}

    def on_call(name: str) -> None:
        running = [job["jobRunId"] for job in world.emr._jobs.values()
                   if job["state"] == "RUNNING" and job["name"].startswith("erasure")]  # fmt: skip
        if not running:
            return
        if made["job"] != running[0]:
            made.update(job=running[0], calls=0)
        made["calls"] += 1
        if made["calls"] == call:
            raise PlantedError(name)

    return on_call


_CALLS = 85  # that each attempt of it makes; it dies in each ninth, or in each with `make chaos`
_STEP = 1 if os.environ.get("DARKROOM_EVERY_FAULT") else 9


@pytest.mark.parametrize("call", range(3, _CALLS, _STEP))
def test_an_erasure_that_died_for_good_somewhere_lets_others_pass_and_is_finished_later(
    world: World, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both attempts die after so many calls. Then a batch is worked, with a new PCA version fitted
    on whatever the erasure has left, and a failed run is retried; then the erasure is."""
    read_in_order(monkeypatch)
    world.job_fails = lambda attempt: True
    world.upload("summer/7.jpg", b"two")  # the same picture, in a run that failed
    world.upload("summer/8.jpg", b"eight")
    world.pump()
    world.job_fails = lambda attempt: False
    assert world.record("summer").state == State.FAILED

    world.on_call = dies_after(world, call)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    world.on_call = lambda name: None
    assert world.record(ERASURES).state == State.FAILED

    world.pca_version = 9  # whoever comes fits a version
    world.upload("winter/1.jpg", b"winter")
    retry_failed(world.record("summer"), world.runs, world.queues)
    world.pump()
    assert world.record("winter").state == State.DONE
    assert world.record("summer").state == State.DONE
    world.pca_version = 1

    retry_failed(world.record(ERASURES), world.runs, world.queues)
    world.pump()
    assert {record.state for record in world.runs.every()} == {State.DONE}
    assert traces(world, GONE, COPY, digest(b"two")) == []
    assert_one_truth(world)
    fitted = versions.fitted_on(world.results)
    assert min(fitted) > 2

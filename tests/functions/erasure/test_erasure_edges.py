"""Erasures where something else moves, has expired, or has an awkward name."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from cli.on_stack.status import chosen
from darkroom.erasure.request import Selector
from darkroom.errors import TransientError, UsageError
from darkroom.layout import ERASURES, Run
from darkroom.run import receipt
from functions.repair.retry import retry_failed, retry_rejected
from functions.runs.batch_complete import ClosingRules
from functions.runs.records import State
from functions.runs.wording import title, words
from tests.functions.cloud.world import PlantedError, World
from tests.functions.erasure.corpus import ask, really
from tests.functions.erasure.two_batches import digest, erase, traces

pytestmark = pytest.mark.long


@pytest.fixture
def world(world: World) -> Iterator[World]:
    world.job = really
    return world


def batch(world: World, name: str, *bodies: bytes) -> None:
    for number, body in enumerate(bodies, 1):
        world.upload(f"{name}/{number}.jpg", body)
    world.pump()


def done(world: World) -> bool:
    return all(record.state == State.DONE for record in world.runs.every())


def test_when_nothing_is_left_the_view_goes(world: World) -> None:
    batch(world, "spring", b"one")
    tables = boto3.client("glue")
    assert tables.get_table(DatabaseName="darkroom", Name="features_pca")
    erase(world, "20-r1", Selector("batch", ("spring",)))
    with pytest.raises(tables.exceptions.EntityNotFoundException):
        tables.get_table(DatabaseName="darkroom", Name="features_pca")


@pytest.mark.parametrize("first", ["the erasure", "the run"])
def test_what_is_uploaded_while_a_batch_erasure_is_resumed_is_not_lost(
    world: World, first: str
) -> None:
    """A picture under a name that has gone, in a run whose number has; which does not wait."""
    batch(world, "spring", b"one", b"two")
    batch(world, "autumn", b"three")
    failing = True

    def fail(name: str) -> None:
        if failing and name == "Sign":
            raise TransientError(name)

    ask(world, "20-r1", Selector("batch", ("spring",)))
    world.on_call = fail
    for _ in range(4):
        for queue in ("submit", "catalog"):
            world.deliver(queue)
        world.finish_jobs()
    assert world.runs.latest("spring") is None
    world.upload("spring/1.jpg", b"new")
    world.deliver("uploads")
    world.deliver("submit")
    assert world.record("spring").state == State.SUBMITTED
    if first == "the run":
        for queue in ("catalog", "submit") * 4:
            world.finish_jobs()
            world.deliver(queue)
        assert world.record("spring").state == State.DONE
    failing = False
    world.reconcile()
    world.pump()
    assert done(world)
    assert world.record("spring").processed == 1
    assert world.partitions("features") == {("spring", "1"), ("autumn", "1")}
    assert b"spring/1.jpg" in world.results.read(Run("spring", 1).csv)
    assert ("spring",) in world.partitions("results_csv")


def test_names_that_are_parts_of_others_neither_stop_it_nor_go(world: World) -> None:
    bodies = {"2.jpg": b"two", "12.jpg": b"same", "22.jpg": b"same", "loose": b"x"}
    for key, body in bodies.items():
        world.upload(key, body)
    world.pump()
    erase(world, "20-r1", Selector("keys", ("2.jpg",)))
    assert done(world)
    (record,) = (record for record in world.runs.every() if record.batch != ERASURES)
    account = receipt.unpack(world.results.read(record.key.receipt))
    assert account.duplicates.groups == [["12.jpg", "22.jpg"]]
    erase(world, "20-r2", Selector("batch", (record.batch,)))
    assert traces(world, "12.jpg", digest(b"same")) == []


def test_a_copy_under_an_unusable_folder_is_found(world: World) -> None:
    batch(world, "spring", b"one", b"two")
    world.upload("/x/copy.jpg", b"one")
    world.pump()
    erase(world, "20-r1", Selector("content", (digest(b"one"),)))
    assert done(world)
    assert traces(world, "/x/copy.jpg", "spring/1.jpg") == []


def test_a_part_that_comes_after_the_plan_is_cleared(world: World) -> None:
    batch(world, "autumn", b"one", b"two")
    world.upload("new/1.jpg", b"new")
    written: list[str] = []

    def deliver(name: str) -> None:
        if name == "PutObject" and not written and world.results.list("erasures/work"):
            written.append(name)
            world.deliver("uploads")

    ask(world, "20-r1", Selector("batch", ("new",)))
    world.deliver("submit")
    world.on_call = deliver
    world.pump()
    assert written
    assert done(world)
    assert traces(world, "new/1.jpg") == []


def test_coordinates_that_outlived_their_features_go_too(world: World) -> None:
    batch(world, "spring", b"one", b"two", b"three")
    run = Run("spring", 1)
    for folder in (run.results, run.manifest, "incoming"):
        world.results.delete(world.results.list(folder))
    erase(world, "20-r1", Selector("keys", ("spring/1.jpg",)))
    assert done(world)
    assert traces(world, "spring/1.jpg", digest(b"one")) == []


@pytest.mark.parametrize("expired", ["Results", "manifests", "receipts"])
def test_receipts_stay_true_where_something_has_expired(world: World, expired: str) -> None:
    batch(world, "spring", b"one", b"two", b"three", b"broken")
    world.results.delete(world.results.list(expired))
    erase(world, "20-r1", Selector("keys", ("spring/1.jpg",)))
    assert done(world)
    assert traces(world, "spring/1.jpg", digest(b"one")) == []
    if expired != "receipts":
        account = receipt.unpack(world.results.read(Run("spring", 1).receipt))
        assert account.balanced
        assert min(account.processed, account.skipped, account.found) >= 0
        assert account.found == (4 if expired == "Results" else 3)
        assert world.record("spring").processed == account.processed


def test_a_file_that_is_no_image_goes_too(world: World) -> None:
    world.upload("spring/notes of Jane.txt", b"notes")
    batch(world, "spring", b"one")
    words = ["spring/notes of Jane.txt", digest(b"notes")]
    run = Run("spring", 1)
    assert any(f"/{run.skipped}/" in place for place in traces(world, *words))
    told = erase(world, "20-r1", Selector("keys", (words[0],)))
    assert traces(world, *words) == []
    assert told["removed"]["skipped_rows"] == 1
    account = receipt.unpack(world.results.read(run.receipt))
    assert (account.found, account.skipped, account.erased) == (1, 0, 1)


def test_erasures_in_a_row_add_up(world: World) -> None:
    batch(world, "spring", b"one", b"two", b"two", b"broken")
    for number, key in enumerate(("spring/1.jpg", "spring/4.jpg", "spring/3.jpg")):
        erase(world, f"20-r{number}", Selector("keys", (key,)))
    account = receipt.unpack(world.results.read(Run("spring", 1).receipt))
    assert (account.found, account.processed, account.rejected, account.erased) == (0, 0, 0, 4)
    assert (account.duplicates.images, account.duplicates.groups) == (0, [])
    assert account.rejected_by_reason == {}


def test_rejected_images_are_not_retried_during_an_erasure(world: World) -> None:
    batch(world, "spring", b"one", b"broken")
    ask(world, "20-r1", Selector("keys", ("spring/2.jpg",)))
    with pytest.raises(UsageError, match="being erased"):
        retry_rejected(world.record("spring"), world.runs, world.queues, world.results)
    world.pump()
    assert traces(world, "spring/2.jpg") == []


def test_a_job_that_was_started_goes_first(world: World) -> None:
    """The function died after StartJobRun, and an erasure was asked for before its message came
    again."""
    batch(world, "autumn", b"one")
    world.upload("spring/1.jpg", b"two")
    world.deliver("uploads")

    def die(name: str) -> None:
        if name == "StartJobRun":
            raise PlantedError(name)

    world.on_call = die
    world.deliver("submit")
    world.on_call = lambda name: None
    ask(world, "20-r1", Selector("keys", ("autumn/1.jpg",)))
    world.deliver("submit")
    assert world.record("spring").state == State.SUBMITTED
    assert world.record(ERASURES).state == State.OPEN
    world.pump()
    assert done(world)


def test_dead_letters_about_what_nobody_else_knows_go_too(world: World) -> None:
    batch(world, "spring", b"one")
    lost = world.event("spring/lost.jpg")
    world.send("dead", lost)
    erase(world, "20-r1", Selector("prefix", ("spring/lo",)))
    assert traces(world, "spring/lost.jpg") == []


def test_uploads_with_names_that_xml_cannot_spell(world: World, monkeypatch: Any) -> None:
    deleted: list[str] = []
    from darkroom.erasure.uploads import StoredVersion, Uploads

    class S3:
        def delete_object(self, **asked: str) -> None:
            deleted.append(asked["Key"])

        def delete_objects(self, **asked: Any) -> dict[str, Any]:
            deleted.extend(item["Key"] for item in asked["Delete"]["Objects"])
            return {}

    keys = ["a\x01b.jpg", "plain.jpg"]
    Uploads(S3(), "uploads").delete([StoredVersion(key, "v", False, "") for key in keys])
    assert deleted == keys


def test_what_s3_refuses_for_the_moment_is_deleted_in_the_end(monkeypatch: Any) -> None:
    from darkroom.erasure import uploads
    from darkroom.erasure.uploads import StoredVersion, Uploads

    monkeypatch.setattr(uploads, "_PAUSE_SECONDS", 0)
    asked: list[list[str]] = []

    class S3:
        def delete_objects(self, **words: Any) -> dict[str, Any]:
            named = words["Delete"]["Objects"]
            asked.append([item["Key"] for item in named])
            slow = [{**named[0], "Code": "SlowDown"}] if len(asked) < 3 else []
            return {"Errors": slow}

    Uploads(S3(), "u").delete([StoredVersion(key, "v", False, "") for key in "ab"])
    assert asked == [["a", "b"], ["a"], ["a"]]


def test_long_csv_files_are_read_as_a_stream(world: World) -> None:
    world.results.write("x.csv", b'path\r\n"a\r\nb",1\r\n' + "é,2\r\n".encode() * 100_000)
    lines = world.results.read_lines("x.csv")
    assert [next(lines) for _ in range(4)] == ["path\r\n", '"a\r\n', 'b",1\r\n', "é,2\r\n"]
    assert sum(1 for _ in lines) == 99_999


def test_an_erasure_that_failed_is_the_one_that_is_retried(world: World) -> None:
    """It holds neither runs nor other erasures until then."""
    batch(world, "spring", b"one", b"two")
    world.job_fails = lambda attempt: True
    ask(world, "20-r1", Selector("keys", ("spring/1.jpg",)))
    world.pump()
    assert world.record(ERASURES).state == State.FAILED
    world.job_fails = lambda attempt: False
    ask(world, "20-r2", Selector("keys", ("spring/2.jpg",)))
    world.upload("autumn/1.jpg", b"three")
    world.pump()
    assert world.record(ERASURES, 2).state == State.DONE
    assert world.record("autumn").state == State.DONE
    stack: Any = SimpleNamespace(runs=world.runs)
    record = chosen(stack, ERASURES, None)
    assert (record.run, title(record)) == (1, "erasure 1")
    assert "`darkroom retry /erasures --run 1`" in words(record, ClosingRules(0, 0, 0))
    retry_failed(record, world.runs, world.queues)
    world.pump()
    assert done(world)
    assert traces(world, "spring/1.jpg", "spring/2.jpg") == []
    with pytest.raises(UsageError, match="erasure 2 is DONE, not FAILED"):
        retry_failed(chosen(stack, ERASURES, None), world.runs, world.queues)

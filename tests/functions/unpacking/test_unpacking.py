"""Archives that are uploaded become uploads; whatever else happens, nothing is lost or doubled."""

from __future__ import annotations

import hashlib

import pytest

from darkroom.erasure import block_list
from darkroom.layout import ERASURES, Run
from functions import unpack_archive
from functions.erasure.right_of_way import Erasures
from functions.runs.queues import Unpacking
from functions.runs.records import RunRecord, State
from functions.runs.wording import words
from functions.submit_job import rules
from tests.darkroom.archives.packed import PACKED, tarred, with_flags, zipped
from tests.functions.cloud.invocations import Context
from tests.functions.cloud.world import PlantedError, World

FILES = {"apple/1.jpg": b"one", "apple/2.jpg": b"two", "3.jpg": b"three"}


def keys(archive: str, files: dict[str, bytes] = FILES) -> list[str]:
    return sorted(f"{archive}/{name}" for name in files)


def versions(world: World, key: str) -> int:
    told = world.s3.list_object_versions(Bucket="uploads", Prefix=key)
    return sum(item["Key"] == key for kind in ("Versions", "DeleteMarkers")
               for item in told.get(kind, []))  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_becomes_uploads_and_goes(world: World, name: str) -> None:
    world.upload("spring/0.jpg")
    world.upload(f"spring/{name}", PACKED[name](FILES))
    world.pump()
    assert world.record("spring").state == State.DONE
    assert sorted(world.manifest_of("spring")) == ["spring/0.jpg", *keys(f"spring/{name}")]
    assert versions(world, f"spring/{name}") == 0
    assert world.s3.get_object(Bucket="uploads", Key=f"spring/{name}/3.jpg")["Body"].read() == (
        b"three"
    )


def test_an_archive_outside_of_any_folder_is_of_the_day_s_loose_batch(world: World) -> None:
    world.upload("fruits.zip", zipped(FILES))
    world.pump()
    batch = "loose-2026-11-22"
    assert sorted(world.manifest_of(batch)) == keys(f"{batch}/fruits.zip")


def test_refused_members_stand_in_the_receipt(world: World) -> None:
    world.upload("spring/a.zip", zipped({**FILES, "../evil.jpg": b"x", "in.zip": b"PK"}))
    world.pump()
    record = world.record("spring")
    assert (record.processed, record.rejected, record.missing) == (3, 2, 0)
    refused = {e.key: e.refusal.partition(":")[0] for e in world.entries_of("spring") if e.refusal}
    assert refused == {"spring/a.zip/#3.jpg": "bad_name", "spring/a.zip/in.zip": "unsupported_mode"}


@pytest.mark.parametrize(
    ("packed", "reason"),
    [(zipped(FILES)[:-30], "truncated"), (b"", "empty"), (b"<html>404</html>", "truncated")],
    ids=["cut-off", "empty", "something-else"],
)
def test_one_that_cannot_be_read_stays_and_is_rejected(
    world: World, packed: bytes, reason: str
) -> None:
    world.upload("spring/a.zip", packed)
    world.pump()
    (entry,) = world.entries_of("spring")
    assert (entry.key, entry.refusal.partition(":")[0]) == ("spring/a.zip", reason)
    assert world.record("spring").rejected == 1
    assert versions(world, "spring/a.zip") == 1


def test_one_that_needs_a_password_stays(world: World) -> None:
    world.upload("spring/a.zip", with_flags(zipped(FILES), 1))
    world.pump()
    assert {e.refusal.partition(":")[0] for e in world.entries_of("spring")} == {"encrypted"}
    assert versions(world, "spring/a.zip") == 1


def test_what_came_before_the_damage_is_worked(world: World) -> None:
    world.upload("spring/a.tar", tarred({**FILES, "last.jpg": b"x" * 600})[:4000])
    world.pump()
    record = world.record("spring")
    assert record.processed == 3
    assert record.rejected == 2  # the member that is cut off, and the archive
    assert versions(world, "spring/a.tar") == 0


def test_its_run_waits_until_it_is_unpacked(world: World) -> None:
    world.upload("spring/0.jpg")
    world.upload("spring/a.zip", zipped(FILES))
    world.upload("spring/_READY", b"")
    world.deliver("uploads")
    world.deliver("submit")
    record = world.record("spring")
    assert record.state == State.OPEN
    assert words(record, rules()) == "waiting: 1 files; 1 archive being unpacked"
    world.pump()
    assert world.record("spring").state == State.DONE
    assert len(world.manifest_of("spring")) == 4
    assert [record.run for record in world.runs.of_batch("spring")] == [1]


def test_a_run_that_must_close_names_what_is_still_packed(world: World) -> None:
    world.upload("spring/0.jpg")
    world.upload("spring/a.zip", zipped(FILES))
    world.deliver("uploads")
    record = world.record("spring")
    world.runs.change(record, opened_at=record.opened_at - 4000)
    world.deliver("submit")
    refused = [e for e in world.entries_of("spring") if e.refusal]
    assert [(e.key, e.refusal.partition(":")[0]) for e in refused] == [("spring/a.zip", "too_slow")]
    world.pump()
    assert world.record("spring").state == State.DONE
    assert sorted(world.manifest_of("spring", 2)) == keys("spring/a.zip")


def test_a_large_archive_goes_on_in_further_invocations(world: World) -> None:
    many = {f"{n:03}.jpg": b"x" * n for n in range(40)}
    world.upload("spring/a.zip", zipped({"../no.jpg": b"x", **many}))
    world.context.milliseconds = 50_000  # each has time for one member
    world.deliver("uploads")
    rounds = 0
    while world.record("spring").unpacking:
        rounds += world.deliver("unpack")
    assert rounds > 30
    world.context.milliseconds = Context.milliseconds
    world.pump()
    record = world.record("spring")
    assert (record.state, record.processed, record.rejected) == (State.DONE, 40, 1)
    assert versions(world, "spring/a.zip") == 0


@pytest.mark.parametrize("call", range(1, 30, 2))
def test_a_function_that_dies_anywhere_changes_nothing(world: World, call: int) -> None:
    made = 0

    def die(name: str) -> None:
        nonlocal made
        made += 1
        if made == call:
            raise PlantedError(name)

    world.upload("spring/0.jpg")
    world.upload("spring/a.zip", zipped({**FILES, "../evil.jpg": b"x"}))
    world.on_call = die
    world.pump()
    world.reconcile()
    world.pump()
    runs = list(world.runs.of_batch("spring"))  # what S3 tells of late comes in another
    assert {record.state for record in runs} == {State.DONE}
    worked = [key for record in runs for key in world.manifest_of("spring", record.run)]
    assert sorted(worked) == ["spring/0.jpg", "spring/a.zip/#3.jpg", *keys("spring/a.zip")]
    assert versions(world, "spring/a.zip") == 0
    assert not any(record.unpacking for record in runs)


def test_events_may_come_twice_and_in_any_order(world: World) -> None:
    world.deliveries, world.backwards = 2, True
    world.upload("spring/a.zip", zipped({**FILES, "../evil.jpg": b"x"}))
    world.pump()
    record = world.record("spring")
    assert (record.state, record.processed, record.rejected) == (State.DONE, 3, 1)
    assert [record.run for record in world.runs.of_batch("spring")] == [1]


@pytest.mark.parametrize("packed", [zipped(FILES), zipped(FILES)[:-30]], ids=["whole", "cut-off"])
def test_an_event_that_comes_once_more_when_all_is_done_leaves_no_run(
    world: World, packed: bytes
) -> None:
    event = world.upload("spring/a.zip", packed)
    world.pump()
    world.send("uploads", event)
    world.pump()
    assert [record.state for record in world.runs.of_batch("spring")] == [State.DONE]


def test_one_that_is_deleted_first_is_missing(world: World) -> None:
    world.upload("spring/a.zip", zipped(FILES))
    world.s3.delete_object(Bucket="uploads", Key="spring/a.zip")
    world.pump()
    (entry,) = world.entries_of("spring")
    assert entry.refusal == "missing: deleted before it was unpacked"


def test_of_two_of_one_name_the_newer_counts(world: World) -> None:
    world.upload("spring/a.zip", zipped({"1.jpg": b"older"}))
    world.upload("spring/a.zip", zipped({"1.jpg": b"newer", "2.jpg": b"x"}))
    world.pump()
    assert sorted(world.manifest_of("spring")) == ["spring/a.zip/1.jpg", "spring/a.zip/2.jpg"]
    stored = world.s3.get_object(Bucket="uploads", Key="spring/a.zip/1.jpg")
    assert stored["Body"].read() == b"newer"


def test_a_content_that_was_erased_does_not_come_back(world: World) -> None:
    erased = hashlib.sha256(b"two").hexdigest()
    block_list.change(world.results, lambda known: known.with_contents("e", [erased]))
    world.upload("spring/a.zip", zipped(FILES))
    world.pump()
    refused = {e.key: e.refusal.partition(":")[0] for e in world.entries_of("spring") if e.refusal}
    assert refused == {"spring/a.zip/apple/2.jpg": "erased"}
    assert versions(world, "spring/a.zip/apple/2.jpg") == 0


def test_an_erasure_waits_for_what_is_being_unpacked(world: World) -> None:
    erasure = RunRecord(ERASURES, 1, State.OPEN)
    world.upload("spring/a.zip", zipped(FILES))
    world.deliver("uploads")
    assert not Erasures(world.runs, world.queues).has_right_of_way(erasure)
    world.deliver("unpack")
    assert Erasures(world.runs, world.queues).has_right_of_way(erasure)


def test_a_message_without_its_run_is_nothing(world: World) -> None:
    with world.handling("UnpackArchiveRole"):
        unpack_archive.unpacker().unpack(Unpacking(Run("nobody", 1), "part"), lambda: True)
    assert not list(world.runs.every())

"""An erasure that is taken up again when the world has gone on: it removes what it was about, and
says what it did."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from darkroom.coordinates import versions
from darkroom.erasure.request import Selector
from darkroom.erasure.uploads import Uploads
from darkroom.layout import ERASURES
from functions.repair.retry import retry_failed
from functions.runs.records import State
from tests.chaos.test_unfinished_erasures import (
    COPY,
    GONE,
    POISON,
    assert_one_truth,
    dies_after,
    refuse,
    refuse_deletion,
    signed,
    world,
)
from tests.functions.cloud.in_order import read_in_order
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import ask
from tests.functions.erasure.two_batches import digest, traces

pytestmark = pytest.mark.long

__all__ = ["world"]


def again(world: World, run: int = 1) -> None:
    retry_failed(world.record(ERASURES, run), world.runs, world.queues)
    world.pump()


@pytest.mark.parametrize("call", [48, 52, 56, 60, 64, 70, 80])
def test_a_run_that_took_the_number_of_a_forgotten_one_is_another(
    world: World, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure of a batch died for good; a second one was asked for, and done; the batch came
    again, and has a run 1 again. Then the first is retried."""
    read_in_order(monkeypatch)
    world.on_call = dies_after(world, call)
    ask(world, "20-r1", Selector("batch", ("spring",)))
    world.pump()
    world.on_call = lambda name: None
    assert world.record(ERASURES).state == State.FAILED
    ask(world, "20-r2", Selector("batch", ("spring",)))
    world.pump()
    world.upload("spring/new.jpg", b"new")
    world.pump()
    new = world.runs.latest("spring")
    assert new is not None
    stored = world.results.list(new.key.results, ".parquet")
    again(world)
    states = {record.state for record in world.runs.every()}
    assert states == {State.DONE}
    assert traces(world, GONE, COPY, digest(b"two")) == []
    if world.runs.latest("spring") is None:  # planned anew, since nothing had been removed
        assert traces(world, "spring/new.jpg") == []
        return
    assert world.record("spring", new.run).processed == 1
    assert world.results.list(new.key.results, ".parquet") == stored != []
    assert_one_truth(world)


def test_the_completed_certificate_says_what_is_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload(POISON, b"bell")
    world.pump()
    refusing = refuse(monkeypatch, POISON)
    ask(world, "20-r1", Selector("keys", (POISON, GONE)))
    world.pump()
    refusing["on"] = False
    again(world)
    told = signed(world, "20-r1")
    assert told["pca_versions"]["after"] == sorted(versions.fitted_on(world.results))
    assert not set(told["pca_versions"]["deleted"]) & set(told["pca_versions"]["after"])
    assert told["removed"]["upload_versions"] == len(told["upload_version_ids"]) == 3


def test_what_is_refused_again_and_again_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = refuse_deletion(monkeypatch, GONE)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    assert signed(world, "20-r1")["verified"]["looked_at"]["upload_keys"] == 1  # of the copy
    again(world)
    again(world)
    refusing["on"] = False
    again(world)
    told = signed(world, "20-r1")
    assert (told["left"], told["removed"]["upload_versions"]) == ([], 2)


def test_parts_that_s3_does_not_abort_are_left_and_all_else_goes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = world.s3.create_multipart_upload(Bucket="uploads", Key=GONE)
    abort = Uploads.abort
    refusing = {"on": True}

    class Refusing:
        def __init__(self, s3: Any) -> None:
            self._s3 = s3

        def __getattr__(self, name: str) -> Any:
            return getattr(self._s3, name)

        def abort_multipart_upload(self, **asked: Any) -> Any:
            if refusing["on"]:
                error: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}
                raise ClientError(error, "AbortMultipartUpload")
            return self._s3.abort_multipart_upload(**asked)

    def refused(self: Uploads, unfinished: Any) -> Any:
        return abort(Uploads(Refusing(self.s3), self.bucket), unfinished)

    monkeypatch.setattr(Uploads, "abort", refused)
    ask(world, "20-r1", Selector("keys", (GONE,)))
    world.pump()
    assert world.record(ERASURES).state == State.FAILED
    assert "S3 refuses to abort it: AccessDenied" in world.record(ERASURES).reason
    assert traces(world, COPY, digest(b"two")) == []
    refusing["on"] = False
    again(world)
    assert world.record(ERASURES).state == State.DONE
    assert traces(world, GONE) == []
    with pytest.raises(world.s3.exceptions.NoSuchUpload):
        world.s3.list_parts(Bucket="uploads", Key=GONE, UploadId=begun["UploadId"])


def test_a_marker_that_comes_while_its_batch_is_erased_is_kept(world: World) -> None:
    ask(world, "20-r1", Selector("batch", ("spring",)))
    planned: list[str] = []

    def mark(name: str) -> None:
        world.preparing = True  # our own calls are none of the job's
        if not planned and world.results.list("erasures/work/run=1", "plan.json.gz"):
            planned.append(name)
            world.upload("spring/_READY", b'{"images": 9}')
            world.deliver("uploads")
        world.preparing = False

    world.on_call = mark
    world.pump()
    assert planned
    record = world.runs.latest("spring")
    assert record is not None
    assert (record.state, record.expected) == (State.OPEN, 9)

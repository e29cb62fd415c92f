"""Wherever records are worked together, one that brings about something unexpected fails alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from darkroom.erasure.request import Selector
from darkroom.errors import TransientError
from darkroom.layout import ERASURES, Run, incoming_part
from functions import reconcile
from functions.publication.csv_writer import CsvWriter
from functions.publication.job_watch import JobWatch
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State
from functions.runs.wording import words
from functions.submission.sealing import Sealer
from tests.chaos.poison import PoisonError
from tests.chaos.test_markers import RULES
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import ask, really

pytestmark = pytest.mark.long


@pytest.fixture
def world(world: World) -> Iterator[World]:
    world.job = really
    return world


def test_reconciling_a_poisoned_run_passes_the_others_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in ("spring", "summer", "autumn"):
        world.send("uploads", world.event(f"{batch}/1.jpg"))
    world.deliver("uploads")
    world.lose_messages()
    pass_on = WorkQueues.pass_on

    def refuse(self: WorkQueues, record: RunRecord) -> None:
        if record.batch == "summer":
            raise PoisonError(record.batch)
        pass_on(self, record)

    monkeypatch.setattr(WorkQueues, "pass_on", refuse)
    with pytest.raises(TransientError, match="1 of 3 runs were not looked at"):
        reconcile.handler(_schedule(), world.context)
    monkeypatch.setattr(WorkQueues, "pass_on", pass_on)
    world.pump()
    assert world.record("spring").state == State.DONE
    assert world.record("autumn").state == State.DONE


def _schedule() -> dict[str, Any]:
    from tests.functions.cloud.world import EVENTS

    return dict(json.loads((EVENTS / "schedule.json").read_text()))


def test_a_record_that_cannot_be_read_hides_no_other(world: World) -> None:
    world.upload("spring/1.jpg")
    world.pump()
    boto3.resource("dynamodb").Table("runs").put_item(
        Item={"batch": "winter", "run": 1, "state": "MELTING", "changed_at": 1}
    )
    assert [record.batch for record in world.runs.every()] == ["spring"]
    world.upload("autumn/1.jpg")
    world.pump()
    assert world.record("autumn").state == State.DONE


def test_sealing_a_run_whose_part_is_broken_fails_it_alone(world: World) -> None:
    for batch in ("spring", "autumn"):
        world.upload(f"{batch}/1.jpg")
    world.deliver("uploads")
    (part,) = world.record("spring").parts
    world.results.write(incoming_part("spring", part), b"no manifest")
    world.pump()
    spring = world.record("spring")
    assert spring.state == State.FAILED
    assert "what was uploaded is not known any more" in spring.reason
    assert world.record("autumn").state == State.DONE


def test_sealing_what_nobody_foresaw_is_told_and_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = Sealer.seal

    def poisoned(self: Sealer, record: RunRecord) -> int:
        if record.batch == "spring":
            raise PoisonError("of sealing")
        return seal(self, record)

    monkeypatch.setattr(Sealer, "seal", poisoned)
    for batch in ("spring", "autumn"):
        world.upload(f"{batch}/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    spring = world.record("spring")
    assert spring.state == State.SEALED
    assert words(spring, RULES).endswith("the last try failed: PoisonError: of sealing")
    for _ in range(8):
        world.reconcile()
        world.pump()
    assert world.record("spring").state == State.FAILED
    assert world.record("spring").reason == "PoisonError: of sealing"
    assert world.record("autumn").state == State.DONE


def test_what_is_of_the_moment_never_fails_a_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(self: Sealer, record: RunRecord) -> int:
        raise ConnectionError("S3 is out of reach")

    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "seal", out_of_reach)
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        for _ in range(12):
            world.reconcile()
            world.deliver("submit")
        spring = world.record("spring")
        assert (spring.state, spring.trouble) == (
            State.SEALED, "ConnectionError: S3 is out of reach")  # fmt: skip
    world.pump()
    assert (world.record("spring").state, world.record("spring").trouble) == (State.DONE, "")


def test_a_run_whose_job_may_be_at_work_is_not_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GetJobRun is refused for a while: an erasure that came after the run's end would meet its
    job."""
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")

    def denied(self: JobWatch, job_run_id: str) -> Any:
        raise PoisonError("not allowed")

    with monkeypatch.context() as patch:
        patch.setattr(JobWatch, "look", denied)
        for _ in range(12):
            world.reconcile()
            world.deliver("catalog")
        assert world.record("spring").state == State.SUBMITTED
        assert world.record("spring").trouble == "PoisonError: not allowed"
        ask(world, "20-r1", Selector("keys", ("spring/1.jpg",)))
        world.deliver("submit")
        assert world.record(ERASURES).state == State.OPEN
    world.deliver("catalog")
    assert world.record("spring").trouble == ""
    world.pump()
    assert world.record("spring").state == State.DONE
    assert world.record(ERASURES).state == State.DONE


@pytest.mark.parametrize("how", ["raises", "incomplete"])
def test_publishing_a_poisoned_earlier_run_does_not_hold_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A new PCA version has to be shown for all earlier runs; one of them cannot be."""
    for batch in ("spring", "summer"):
        world.upload(f"{batch}/1.jpg", batch.encode())
    world.pump()
    export = CsvWriter.export
    poisoned = Run("spring", 1)

    def raising(self: CsvWriter, run: Run, *arguments: Any, **options: Any) -> Any:
        if run == poisoned:
            raise PoisonError("of publishing")
        return export(self, run, *arguments, **options)

    if how == "raises":
        monkeypatch.setattr(CsvWriter, "export", raising)
    else:
        world.results.write(f"{poisoned.results}/part-00099.parquet", b"no coordinates of it")
        monkeypatch.setattr("tests.functions.erasure.corpus.project", _project_all_but(poisoned))
    world.pca_version = 2
    world.upload("autumn/1.jpg", b"autumn")
    with pytest.raises(AssertionError, match="does not come to rest"):
        world.pump()  # the message about it comes again, here for ever
    autumn = world.record("autumn")
    assert (autumn.state, autumn.pca_version) == (State.DONE, 2)
    assert ("2", "summer", "1") in world.partitions("features_pca_versions")
    spring = world.record("spring")
    assert spring.state == State.DONE
    assert "its CSV is not in PCA version 2" in words(spring, RULES)


def _project_all_but(left_out: Run) -> Callable[..., None]:
    from tests.functions.erasure.corpus import project

    def some(world: World, runs: list[Run], version: Any) -> None:
        project(world, [run for run in runs if run != left_out], version)

    return some

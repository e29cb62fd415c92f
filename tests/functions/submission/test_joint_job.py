"""One job for all runs that are ready; whose end is whose; what dies, and what it takes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.layout import Run
from darkroom.run import receipt
from functions.runs.records import RunRecord, State
from functions.runs.table import THE_JOB
from functions.submission import joint_job
from functions.submission.joint_job import _fits
from local_cloud.emr.service import Answer
from tests.functions.cloud.job import do_the_job, do_the_run, job_says, runs_of
from tests.functions.cloud.world import PlantedError, World

BATCHES = [f"batch-{number:03}" for number in range(12)]


def drop(world: World, batches: list[str], images: int = 2) -> None:
    for batch in batches:
        for number in range(images):
            world.upload(f"{batch}/{number}.jpg")
    world.deliver("uploads")


def jobs(world: World) -> list[list[Run]]:
    """The runs of each job, in the order in which they were started."""
    return [list(runs_of(job)) for job in world.emr._jobs.values()]


def states(world: World, batches: list[str]) -> set[State]:
    return {world.record(batch).state for batch in batches}


def test_what_is_closed_while_a_job_works_joins_the_next(world: World) -> None:
    drop(world, BATCHES[:1])
    world.deliver("submit")
    drop(world, BATCHES[1:])
    world.deliver("submit")
    assert states(world, BATCHES[1:]) == {State.SEALED}
    world.pump()
    first, second = jobs(world)
    assert first == [Run(BATCHES[0], 1)]
    assert sorted(second) == [Run(batch, 1) for batch in BATCHES[1:]]
    assert states(world, BATCHES) == {State.DONE}
    assert world.runs.get(THE_JOB) is None


def test_the_bill_is_split_and_adds_up(world: World) -> None:
    drop(world, BATCHES[:1], images=1)
    drop(world, BATCHES[1:2], images=3)
    world.pump()
    (job,) = world.emr._jobs.values()
    billed = job["billedResourceUtilization"]["vCPUHour"]
    records = [world.record(batch) for batch in BATCHES[:2]]
    assert sum(record.vcpu_hours for record in records) == pytest.approx(billed)
    assert records[1].vcpu_hours == pytest.approx(3 * records[0].vcpu_hours)
    assert all(record.cost for record in records)


def test_one_that_the_job_failed_fails_alone_and_is_tried_again(world: World) -> None:
    def all_but_one(world: World, job: dict[str, Any]) -> None:
        for run, expected in runs_of(job).items():
            if run.batch == BATCHES[3]:
                said = f'{{"outcome": "failed", "message": "no", "run_of": "{run.in_ascii}"}}'
                job_says(world, job, said)
            else:
                do_the_run(world, run, expected)
        raise PlantedError

    world.job = all_but_one
    drop(world, BATCHES)
    world.pump()
    record = world.record(BATCHES[3])
    assert (record.state, record.attempt, record.reason) == (State.FAILED, 2, "no")
    others = [batch for batch in BATCHES if batch != BATCHES[3]]
    assert states(world, others) == {State.DONE}
    assert [len(runs) for runs in jobs(world)] == [12, 1]


def test_a_job_that_dies_without_a_word_is_tried_by_halves(world: World) -> None:
    """Until the run that kills it is alone; the others have had no attempt."""

    def dies(world: World, job: dict[str, Any]) -> None:
        if any(run.batch == BATCHES[7] for run in runs_of(job)):
            raise PlantedError
        do_the_job(world, job)

    world.job = dies
    drop(world, BATCHES)
    world.pump(rounds=80)
    assert world.record(BATCHES[7]).state == State.FAILED
    others = [batch for batch in BATCHES if batch != BATCHES[7]]
    assert states(world, others) == {State.DONE}
    assert {world.record(batch).attempt for batch in others} == {1}
    assert len(jobs(world)) <= 10
    assert jobs(world).count([Run(BATCHES[7], 1)]) == 2


def test_an_outage_costs_no_run_its_end(world: World) -> None:
    """Three jobs die in a row, whoever is in them."""
    died = []

    def dies(world: World, job: dict[str, Any]) -> None:
        if len(died) < 3:
            died.append(job)
            raise PlantedError
        do_the_job(world, job)

    world.job = dies
    drop(world, BATCHES)
    world.pump(rounds=80)
    assert states(world, BATCHES) == {State.DONE}


def test_what_somebody_cancels_is_not_begun_again(world: World) -> None:
    drop(world, BATCHES[:3])
    world.deliver("submit")
    (job,) = world.emr._jobs.values()
    world.emr._change(job, "CANCELLED", "by someone")
    world.tell(job)
    world.pump()
    assert states(world, BATCHES[:3]) == {State.FAILED}
    assert {world.record(b).reason for b in BATCHES[:3]} == {"the job was cancelled"}
    assert len(jobs(world)) == 1


def test_receipts_that_a_dying_job_left_count(world: World) -> None:
    def half(world: World, job: dict[str, Any]) -> None:
        for run, expected in list(runs_of(job).items())[:2]:
            do_the_run(world, run, expected)
        world.job = do_the_job
        raise PlantedError

    world.job = half
    drop(world, BATCHES[:3])
    world.pump()
    assert states(world, BATCHES[:3]) == {State.DONE}
    first, second = jobs(world)
    assert second == first[2:]


def test_a_receipt_that_does_not_balance_fails_its_run_alone(world: World) -> None:
    def one_is_short(world: World, job: dict[str, Any]) -> None:
        do_the_job(world, job)
        run = Run(BATCHES[1], 1)
        account = receipt.unpack(world.results.read(run.receipt))
        world.results.write(run.receipt, receipt.pack(replace(account, processed=1)))

    world.job = one_is_short
    drop(world, BATCHES[:3])
    world.pump()
    assert world.record(BATCHES[1]).state == State.FAILED
    assert "2 found ≠ 1 processed" in world.record(BATCHES[1]).reason
    assert states(world, [BATCHES[0], BATCHES[2]]) == {State.DONE}


def test_one_whose_manifest_cannot_be_written_keeps_nobody(world: World) -> None:
    drop(world, BATCHES[:3])
    record = world.record(BATCHES[1])
    (part,) = record.parts
    world.results.write(f"incoming/{BATCHES[1]}/{part}.jsonl.gz", b"hello")
    world.pump()
    assert world.record(BATCHES[1]).state == State.FAILED
    assert states(world, [BATCHES[0], BATCHES[2]]) == {State.DONE}


@pytest.mark.parametrize("function", ["submit", "catalog"])
@pytest.mark.parametrize("call", range(1, 80, 7))
def test_a_function_that_dies_after_any_call_changes_nothing(
    world: World, function: str, call: int
) -> None:
    made = 0

    def die(name: str) -> None:
        nonlocal made
        if world.role == {"submit": "SubmitJobRole", "catalog": "CatalogResultsRole"}[function]:
            made += 1
            if made == call:
                raise PlantedError(name)

    drop(world, BATCHES[:4])
    world.on_call = die
    world.pump()
    for _ in range(2):
        world.reconcile()
        world.pump()
    assert states(world, BATCHES[:4]) == {State.DONE}
    assert world.runs.get(THE_JOB) is None
    records = [world.record(batch) for batch in BATCHES[:4]]
    assert {(record.processed, record.attempt) for record in records} == {(2, 1)}
    worked = [run for runs in jobs(world) for run in runs]
    assert sorted(worked) == [record.key for record in records]


def test_every_event_may_come_twice_and_backwards(world: World) -> None:
    world.deliveries, world.backwards = 2, True
    drop(world, BATCHES[:5])
    world.pump()
    assert states(world, BATCHES[:5]) == {State.DONE}
    worked = [run for runs in jobs(world) for run in runs]
    assert sorted(worked) == [Run(batch, 1) for batch in BATCHES[:5]]


def test_what_no_event_told_of_is_found_by_the_schedule(world: World) -> None:
    drop(world, BATCHES[:5])
    for _ in range(12):
        world.lose_messages()
        world.reconcile()
        world.deliver("submit")
        world.finish_jobs(tell=False)
        world.deliver("catalog")
    assert states(world, BATCHES[:5]) == {State.DONE}


def test_a_job_that_cannot_be_started_says_so_in_its_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Answer(402, {"message": "no capacity"}, "ServiceQuotaExceededException")
    with monkeypatch.context() as patch:
        patch.setattr(world.emr, "_start_job", lambda *_: refused)
        drop(world, BATCHES[:2])
        world.deliver("submit")
    record = world.record(BATCHES[0])
    assert record.state == State.SEALED
    assert "no capacity" in record.trouble
    world.reconcile()
    world.pump()
    assert states(world, BATCHES[:2]) == {State.DONE}


def test_a_job_has_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_job, "MOST_RUNS", 3)
    monkeypatch.setattr(joint_job, "MOST_IMAGES", 100)

    def run(images: int, most_beside: int | None = None) -> RunRecord:
        return RunRecord("b", 1, State.SEALED, images=images, most_beside=most_beside)

    assert _fits(run(500), [])  # alone it may be as large as it is
    assert _fits(run(50), [run(50)])
    assert not _fits(run(51), [run(50)])
    assert not _fits(run(1), [run(1)] * 3)
    assert not _fits(run(1), [run(1, most_beside=0)])
    assert not _fits(run(1, most_beside=1), [run(1), run(1)])
    assert _fits(run(1, most_beside=1), [run(1)])


def test_a_job_that_nobody_can_make_ends_with_the_run_it_was_made_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw, again and again: everything would wait for it for ever."""

    def broken(self: joint_job.JointJob, job: RunRecord) -> list[RunRecord]:
        raise RuntimeError("planted")

    drop(world, BATCHES[:1])
    with monkeypatch.context() as patch:
        patch.setattr(joint_job.JointJob, "_take", broken)
        for _ in range(6):
            world.deliver("submit")
            world.reconcile()
        assert world.record(BATCHES[0]).trouble == "RuntimeError: planted"
    world.reconcile()
    world.pump()
    assert world.runs.get(THE_JOB) is None
    assert world.record(BATCHES[0]).state in (State.DONE, State.FAILED)

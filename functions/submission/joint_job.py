"""One job at a time, for all runs that are ready.

A job's record stands in the table as long as it is under way, and whoever wants to make another
finds it there. It takes runs by a conditional write to each, before it is started; from then on
they move with it. What is closed meanwhile goes into the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

from darkroom.errors import ConflictError
from darkroom.layout import ERASURES, JOBS
from functions.runs.queues import WorkQueues
from functions.runs.records import Lane, RunRecord, State
from functions.runs.table import THE_JOB, RunTable
from functions.submission.job_runs import JobRuns

MOST_RUNS = 100
MOST_IMAGES = 1_000_000  # their names fit into the driver's memory
_MOST_ARGUMENT_BYTES = 60_000


@dataclass(frozen=True)
class JointJob:
    """Makes and starts the job. `report` is told of every run that is submitted."""

    runs: RunTable
    queues: WorkQueues
    jobs: JobRuns
    report: Callable[[RunRecord], None]

    def holds(self, record: RunRecord) -> bool:
        """Whether a run moves with a job that is under way."""
        job = self.runs.get(THE_JOB) if record.job else None
        return job is not None and job.job == record.job

    def ask(self, record: RunRecord) -> None:
        """Let a run that is prepared be taken into a job: one that is made for it, or the next, if
        one is at work. Safe to repeat."""
        job = self.runs.get(THE_JOB)
        if job is None:
            now = time()
            made = RunRecord(JOBS, THE_JOB.number, State.SEALED, 1, now, now, sealed_at=now,
                             job=uuid4().hex, members=[_member(record)])  # fmt: skip
            try:
                self.runs.create(made)
            except ConflictError:  # somebody else made one: it looks for all that are ready
                return
            self.queues.pass_on(made)
        elif job.state == State.SEALED and record.key in job.member_runs:  # not passed on, perhaps
            self.queues.pass_on(job)

    def start(self, job: RunRecord) -> bool:
        """Take what is ready, and start the job; without anything to do there is none. Safe to
        repeat: from the moment that the token is stored, members and job are the same."""
        if not job.client_token:
            taken = self._take(job)
            if not taken:
                self.runs.remove(job)
                return True
            job = self.runs.change(
                job,
                members=[_member(record) for record in taken],
                images=sum(record.images or 0 for record in taken),
                client_token=_token(job),
            )
        job_run_id = self.jobs.start_runs(job)
        for record in self._still_here(job):
            self.report(
                self.runs.change(
                    record,
                    state=State.SUBMITTED,
                    job_run_id=job_run_id,
                    submitted_at=time(),
                    reason="",
                )
            )
        self.runs.change(job, state=State.SUBMITTED, job_run_id=job_run_id, submitted_at=time())
        return True

    def fail(self, job: RunRecord, reason: str, fail_run: Callable[[RunRecord, str], None]) -> None:
        """Let the runs of a job end that cannot be started, and the job."""
        for record in self._still_here(job):
            fail_run(record, reason)
        self.runs.remove(job)

    def _take(self, job: RunRecord) -> list[RunRecord]:
        """Runs that are ready, each marked as the job's; those first that a try which broke off has
        marked, then the oldest. Fewer where one of them may have few beside it."""
        ready = sorted(self._ready(job), key=lambda record: (record.job == "", record.sealed_at))
        taken: list[RunRecord] = []
        for record in ready:
            if not _fits(record, taken):
                continue
            try:
                is_marked = record.job == job.job
                mark = {"changed_at": record.changed_at, "job": job.job}
                taken.append(record if is_marked else self.runs.change(record, **mark))
            except ConflictError:  # it waits for an erasure now, or is gone
                continue
        return taken

    def _ready(self, job: RunRecord) -> Iterator[RunRecord]:
        """What is closed and prepared. The index tells of it a little late, perhaps not of the run
        that the job was made for."""
        closed = {record.key for record in self.runs.in_state(State.SEALED)}
        for run in sorted(closed | set(job.member_runs)):
            record = self.runs.get(run) if run.batch not in (ERASURES, JOBS) else None
            if record is not None and _is_ready(record, job):
                yield record

    def _still_here(self, job: RunRecord) -> Iterator[RunRecord]:
        for record in self.runs.members(job):
            if record.state == State.SEALED and record.job == job.job:
                yield record


def _is_ready(record: RunRecord, job: RunRecord) -> bool:
    is_free = record.job in ("", job.job) and not record.waits_for_erasure
    is_prepared = record.prepared and record.lane != Lane.SMALL
    return record.state == State.SEALED and is_prepared and is_free and bool(record.images)


def _fits(record: RunRecord, taken: list[RunRecord]) -> bool:
    """Whether a run may be in a job together with those that are."""
    if not taken:
        return True
    together = [*taken, record]
    besides = [one.most_beside for one in together if one.most_beside is not None]
    return (
        len(together) <= min([MOST_RUNS, *(most + 1 for most in besides)])
        and sum(one.images or 0 for one in together) <= MOST_IMAGES
        and sum(len(one.key.in_ascii) for one in together) <= _MOST_ARGUMENT_BYTES
    )


def _member(record: RunRecord) -> dict[str, Any]:
    """A run as a job's record has it."""
    told = {"batch": record.batch, "run": record.run, "attempt": record.attempt,
            "images": record.images, "expected": record.expected}  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def _token(job: RunRecord) -> str:
    """The token that makes starting the job repeatable."""
    return hashlib.sha256(job.job.encode()).hexdigest()

"""The end of a job for each of its runs: by its own receipt, with its share of the bill."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import Any

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.receipt import Receipt
from functions.aws.bucket import Bucket
from functions.publication.job_watch import ENDED_BADLY, Billed, JobRun, JobWatch
from functions.runs.queues import WorkQueues
from functions.runs.records import Lane, RunRecord, State
from functions.runs.state_machine import Step
from functions.runs.table import THE_JOB, RunTable

_AT_WORK = (State.SUBMITTED, State.RUNNING)
_SMALL_PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class JobEnd:
    """Takes over what EMR Serverless says of jobs. `fail` ends a run with a reason."""

    runs: RunTable
    queues: WorkQueues
    jobs: JobWatch
    results: Bucket
    fail: Callable[..., None]

    @property
    def steps(self) -> Mapping[State, Step]:
        """What is done with the joint job in which state."""
        return dict.fromkeys(_AT_WORK, self.observe)

    def observe(self, job: RunRecord) -> bool:
        """How the joint job stands, whatever event brought us here. When it has ended, so have its
        runs, and the next can begin. Safe to repeat."""
        told = self.jobs.look(job.job_run_id)
        if told.state != "SUCCESS" and told.state not in ENDED_BADLY:
            if job.state == State.SUBMITTED and not told.waiting:
                for record in self._at_work(job):
                    self.runs.change(record, state=State.RUNNING)
                self.runs.change(job, state=State.RUNNING)
            return False
        accounts = {run: self._account(run) for run in job.member_runs}
        shares = _shares(job, accounts)
        unexplained = self._end_runs(job, told, accounts, shares)
        if unexplained:
            why = self._why(job.job_run_id, told)
            self._try_again_with_fewer(told, why, unexplained, shares)
        self.runs.remove(job)
        self._wake_what_waits(job)
        return True

    def _wake_what_waits(self, job: RunRecord) -> None:
        """Of what is closed, one makes the next job, and all that are ready go into it. The index
        may not know yet of those that have come back from this one."""
        back = [record for record in self.runs.members(job) if record.state == State.SEALED]
        for record in (*back[:1], *self.runs.in_state(State.SEALED)):
            self.queues.pass_on(record)

    def observe_run(self, record: RunRecord) -> bool:
        """A run, or an erasure, that is at work. The joint job, which the schedule and its events
        look at, tells of its runs; what has a job of its own is looked after by itself, and a small
        batch by the function that works it."""
        if record.lane == Lane.SMALL:
            return self._observe_small(record)
        job = self.runs.get(THE_JOB)
        if job is not None and job.job_run_id == record.job_run_id:
            return False
        told = self.jobs.look(record.job_run_id)
        if told.state == "SUCCESS":
            self.runs.change(record, state=State.SUCCEEDED, **with_bill(record, told.billed))
        elif told.state in ENDED_BADLY:
            self._fail_or_try_again(record, told, self._why(record.job_run_id, told))
        else:
            if record.state == State.SUBMITTED and not told.waiting:
                self.runs.change(record, state=State.RUNNING)
            return False
        return True

    def _observe_small(self, record: RunRecord) -> bool:
        """Let the function look at its run, which the index does not tell whoever asks for it. One
        that does not come to it, or says no more, leaves its run to Spark."""
        if time() < max(record.submitted_at, record.works_until) + _SMALL_PATIENCE_SECONDS:
            self.queues.pass_on(record)
            return False
        reason = "the function for small batches did not end it: see its log and its queue"
        self._again(record, lane=Lane.SPARK, job_run_id="", reason=reason)
        return True

    def _why(self, job_run_id: str, told: JobRun) -> str:
        """Why a job ended badly. One that was cancelled left no word."""
        if told.state == "CANCELLED":
            return self.jobs.why_cancelled(told)
        return self.jobs.reason(job_run_id, told.details)

    def _end_runs(
        self,
        job: RunRecord,
        told: JobRun,
        accounts: Mapping[Run, Receipt | None],
        shares: Mapping[Run, float],
    ) -> list[RunRecord]:
        """Runs whose receipt is there have succeeded, others failed with what the job said of them,
        or of all; those of which it said nothing."""
        said = self.jobs.failures(job.job_run_id) if told.state in ENDED_BADLY else {}
        unexplained: list[RunRecord] = []
        for record in self._at_work(job):
            share, words = shares[record.key], said.get(record.key.in_ascii, said.get(""))
            if told.state == "SUCCESS" or accounts[record.key] is not None:
                bill = with_bill(record, told.billed, share)
                ended = self.runs.change(record, state=State.SUCCEEDED, job_share=share, **bill)
                self.queues.pass_on(ended)
            elif words is not None:
                failed = replace(told, state="FAILED")
                self._fail_or_try_again(record, failed, words, share)
            else:
                unexplained.append(record)
        return unexplained

    def _fail_or_try_again(
        self, record: RunRecord, told: JobRun, reason: str, share: float = 1.0
    ) -> None:
        """End an attempt that failed; with the last, the run."""
        changes = {**with_bill(record, told.billed, share), "job_share": share}
        is_last = record.attempt >= record.give_up_after
        if is_last or told.state == "CANCELLED":  # by someone, or by its timeout: so it would again
            self.fail(record, reason, **changes)
        else:
            attempt = record.attempt + 1
            self._again(record, attempt=attempt, reason=reason, **changes)

    def _try_again_with_fewer(
        self,
        told: JobRun,
        reason: str,
        unexplained: Sequence[RunRecord],
        shares: Mapping[Run, float],
    ) -> None:
        """Where a job died with several runs, each may be the one that kills it: half of them at
        once is tried next, and so on. That is no attempt of theirs; one that was alone has had it,
        and what somebody cancels is not begun again."""
        is_shared = len(unexplained) > 1 and not told.cancelled_by_somebody
        for record in unexplained:
            share = shares[record.key]
            if not is_shared:
                self._fail_or_try_again(record, told, reason, share)
                continue
            bill = with_bill(record, told.billed, share)
            bill.pop("billed_attempt", None)
            fewer = len(unexplained) // 2 - 1
            self._again(record, most_beside=fewer, reason=reason, job_share=share, **bill)

    def _again(self, record: RunRecord, **changes: Any) -> None:
        self.queues.pass_on(self.runs.change(record, state=State.SEALED, job="", **changes))

    def _at_work(self, job: RunRecord) -> list[RunRecord]:
        return [record for record in self.runs.members(job) if _is_of(record, job)]

    def _account(self, run: Run) -> Receipt | None:
        """The receipt, if it balances."""
        try:
            account = receipt.unpack(self.results.read(run.receipt))
        except ObjectNotFoundError:
            return None
        return account if account.balanced else None


def _shares(job: RunRecord, accounts: Mapping[Run, Receipt | None]) -> dict[Run, float]:
    """How much of the job was each run's: by the seconds of its tasks where all told them, else by
    its images."""
    images = {run: float(told["images"]) for run, told in zip(accounts, job.members, strict=True)}
    seconds = {run: told.seconds.get("tasks", 0.0) for run, told in accounts.items() if told}
    is_told = len(seconds) == len(images) and all(seconds.values())
    work = seconds if is_told else images
    total = sum(work.values())
    return {run: share / total for run, share in work.items()}


def _is_of(record: RunRecord, job: RunRecord) -> bool:
    is_there = record.state in _AT_WORK and record.lane != Lane.SMALL
    return is_there and record.job_run_id == job.job_run_id


def with_bill(record: RunRecord, billed: Billed | None, share: float = 1.0) -> dict[str, float]:
    """What all attempts together were billed, with the run's share of the last job; nothing new
    where its bill is not made up yet."""
    if billed is None:
        return {}
    return {
        "billed_attempt": record.attempt,
        "vcpu_hours": record.vcpu_hours + share * billed.vcpu_hours,
        "memory_gb_hours": record.memory_gb_hours + share * billed.memory_gb_hours,
        "storage_gb_hours": record.storage_gb_hours + share * billed.storage_gb_hours,
    }

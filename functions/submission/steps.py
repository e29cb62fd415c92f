"""From an open run to a submitted job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import time

from darkroom.layout import ERASURES, JOBS, Run
from functions.erasure.right_of_way import Erasures
from functions.runs.batch_complete import ClosingRules, closing_of
from functions.runs.records import Lane, RunRecord, State
from functions.runs.state_machine import Step
from functions.runs.table import RunTable
from functions.submission.job_runs import JobRuns
from functions.submission.joint_job import JointJob
from functions.submission.lane import is_small
from functions.submission.sealing import Sealer


@dataclass(frozen=True)
class Submission:
    """The steps of `submit_job`. `report` is told of every job that was submitted."""

    runs: RunTable
    erasures: Erasures
    sealer: Sealer
    jobs: JobRuns
    joint: JointJob
    rules: ClosingRules
    small_batch_images: int
    report: Callable[[RunRecord], None]

    @property
    def steps(self) -> Mapping[State, Step]:
        """What is done in which state."""
        return {State.OPEN: self.close, State.SEALED: self.start}

    @property
    def erasure_steps(self) -> Mapping[State, Step]:
        """The same for erasures."""
        return {State.OPEN: self.close_erasure, State.SEALED: self.start_erasure}

    @property
    def job_steps(self) -> Mapping[State, Step]:
        """The same for the job that works runs."""
        return {State.SEALED: self.joint.start}

    def fail(self, record: RunRecord, reason: str) -> None:
        """Let a run end that cannot be started; with a job, all its runs."""
        if record.batch == JOBS:
            self.joint.fail(record, reason, self.fail)
            return
        self.report(self.runs.change(record, state=State.FAILED, reason=reason))

    def give_up(self, run: Run) -> None:
        """Let a run end whose message has come so often that nothing else will help: each try to
        prepare it was cut off, by the function's memory or time, and left no word."""
        record = self.runs.get(run) if run.batch not in (ERASURES, JOBS) else None
        if record is None or record.state != State.SEALED or record.images is not None:
            return
        if record.trouble or record.waits_for_erasure:
            return
        self.fail(
            record,
            "its manifest could not be written: each try was cut off by the memory or time of "
            "submit_job; send smaller batches, or lower MaximumRunFiles",
        )

    def close(self, record: RunRecord) -> bool:
        """Seal the run if its time has come; from then on its list of parts is frozen."""
        closing = closing_of(record, self.rules, lambda: self.sealer.count(record))
        if time() < closing.at:
            return False
        self.runs.change(
            record, state=State.SEALED, sealed_at=time(), closed_because=closing.because
        )
        return True

    def start(self, record: RunRecord) -> bool:
        """Write the manifest, and hand the run to its lane; one without images needs none. Runs
        wait as long as there is an erasure."""
        if self.joint.holds(record):
            return False
        if record.job:  # of a job that is not under way any more
            record = self.runs.change(record, job="")
        going = self.erasures.let_pass(record)
        if going is None:
            return False
        record = self._with_manifest(going)
        if record.images == 0:
            return self._close_empty(record)
        if is_small(record, self.small_batch_images):
            self.report(
                self.runs.change(
                    record,
                    state=State.SUBMITTED,
                    lane=Lane.SMALL,
                    job_run_id="",
                    submitted_at=time(),
                    reason="",
                )
            )
            return True
        if record.lane == Lane.SMALL:  # the function was switched off since
            record = self.runs.change(record, lane="")
        self.joint.ask(record)
        return False

    def _with_manifest(self, record: RunRecord) -> RunRecord:
        """Prepared, with its manifest written; one that was written before may name what was erased
        since. The lane is known with that, so that no job takes what goes another way."""
        if record.prepared:
            return record
        is_new = record.images is None
        images = self.sealer.seal(record) if is_new else self.sealer.without_erased(record)
        here = is_small(replace(record, images=images), self.small_batch_images)
        lane = Lane.SMALL if here else record.lane
        return self.runs.change(record, images=images, prepared=True, lane=lane, job="")

    def close_erasure(self, record: RunRecord) -> bool:
        """Take no further requests into the erasure, once no run is under way."""
        if not self.erasures.has_right_of_way(record):
            return False
        self.runs.change(
            record,
            state=State.SEALED,
            sealed_at=time(),
            images=len(record.requests),
            closed_because="no run is under way",
        )
        return True

    def start_erasure(self, record: RunRecord) -> bool:
        """Start the job that erases."""
        if record.client_token != client_token(record) and not self.erasures.may_start(record):
            return False
        self._submit(record)
        return True

    def _submit(self, record: RunRecord) -> None:
        token = client_token(record)
        if record.client_token != token:  # stored first: starting twice gives the same job
            record = self.runs.change(record, client_token=token)
        job_run_id = self.jobs.start_erasure(record)
        submitted = self.runs.change(
            record, state=State.SUBMITTED, job_run_id=job_run_id, submitted_at=time(), reason=""
        )
        self.report(submitted)

    def _close_empty(self, record: RunRecord) -> bool:
        """Where a marker asked for the batch, or was not understood, the run ends with a receipt
        over nothing. Where only events came that were told before, or a marker after all that it
        is about, there never was a run."""
        if (record.ready and not record.files_before) or record.marker_problem:
            self.runs.change(record, state=State.SUCCEEDED)
        else:
            self.runs.remove(record)
        return True


def client_token(record: RunRecord) -> str:
    """The token that makes starting this attempt's job repeatable."""
    told = f"{record.batch}\0{record.run}\0{record.attempt}\0{record.opened_at}"
    return hashlib.sha256(told.encode()).hexdigest()

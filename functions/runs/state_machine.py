"""The state machine of a run.

    OPEN -> SEALED -> SUBMITTED -> RUNNING -> SUCCEEDED -> DONE
              ^_______________________|  (a failed attempt, once)  -> FAILED

An erasure is a run of the batch `ERASURES`, and the job that works all runs that are ready is one
of the batch `JOBS`: the same states, other steps. Every event (upload,
timer, job event, schedule) only asks for `advance(run)`, which looks at the state and does the next
thing. So a lost event costs minutes, one that comes twice costs nothing, and a crash between any
two calls is repaired by the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from darkroom.errors import ConflictError, DarkroomError
from darkroom.layout import ERASURES, JOBS, Run
from functions.aws.isolation import is_of_the_moment
from functions.runs.queues import WorkQueues
from functions.runs.records import FINISHED, RunRecord, State, trouble_of
from functions.runs.table import RunTable

Step = Callable[[RunRecord], bool]

_MOST_FAILED_TRIES = 5


@dataclass(frozen=True)
class Station:
    """The steps that one function can take, with runs, erasures and jobs. A step says whether it
    moved the run on; it raises `ConflictError` where somebody else did. `fail` ends a run with a
    reason."""

    runs: RunTable
    queues: WorkQueues
    steps: Mapping[State, Step]
    erasure_steps: Mapping[State, Step]
    job_steps: Mapping[State, Step]
    fail: Callable[[RunRecord, str], None]

    def step(self, record: RunRecord) -> Step | None:
        """What comes next; None where that is for another function."""
        of_batch = {ERASURES: self.erasure_steps, JOBS: self.job_steps}
        return of_batch.get(record.batch, self.steps).get(record.state)


def advance(run: Run, station: Station) -> RunRecord | None:
    """Do what comes next for the run, as far as this station can; then pass it on.

    Returns the record as it is left; None where there is no such run. Safe to repeat, and to do
    from several places at once. What a step raises is told in the record, and raised again.
    """
    while (record := station.runs.get(run)) is not None:
        step = station.step(record)
        if step is None:
            station.queues.pass_on(record)
            return record
        try:
            if not step(record):
                _forget_trouble(record, station)
                return record
        except ConflictError:  # someone else moved it: look again
            continue
        except Exception as error:
            if not _has_failed(record, error, station):
                raise
    return None


def _has_failed(record: RunRecord, error: Exception, station: Station) -> bool:
    """Whether what a step raised ends the run: what cannot be otherwise, at once, and what nobody
    foresaw, when it has come again and again. Everything waits for a run that goes on for ever, and
    nobody knows why. While its job may be at work it goes on: what comes after a run that has ended
    may not meet its job. What has ended stays so."""
    words = str(error) if isinstance(error, DarkroomError) else f"{type(error).__name__}: {error}"
    stays = record.state in FINISHED or _may_have_a_job(record)
    passing, tries = is_of_the_moment(error) or stays, record.failed_tries + 1
    current = station.runs.get(record.key)
    if current is None or current.state != record.state:
        return False
    try:
        if not passing and (isinstance(error, DarkroomError) or tries >= _MOST_FAILED_TRIES):
            station.fail(current, words)
            return True
        told = {"trouble": trouble_of(words), "failed_tries": tries - passing}
        station.runs.change(current, changed_at=current.changed_at, **told)
        for run in station.runs.members(current):  # people ask for runs, not for jobs
            station.runs.change(run, changed_at=run.changed_at, trouble=told["trouble"])
    except ConflictError:  # it has moved on
        pass
    return False


def _may_have_a_job(record: RunRecord) -> bool:
    """From the moment that a job has taken it, or the token is stored, it may have been started."""
    is_taken = record.job if record.batch != JOBS else ""
    started = record.state == State.SEALED and bool(record.client_token or is_taken)
    return started or record.state in (State.SUBMITTED, State.RUNNING)


def _forget_trouble(record: RunRecord, station: Station) -> None:
    """A step that returns has got past what kept it."""
    if record.trouble:
        with suppress(ConflictError):
            for one in (record, *station.runs.members(record)):
                station.runs.change(one, changed_at=one.changed_at)

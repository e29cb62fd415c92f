"""Erasures in the table, and how they and the runs of batches wait for each other.

An erasure has the right of way: it begins when the runs under way have ended, and as long as it
waits or its job works, no run begins. What comes after the job, catalog, CSV files and
certificates, holds nobody: nothing that goes can come in again. Each side first says what it means
to do, and looks at the other after that; so of two at the same moment at least one sees the other.

One that failed keeps nobody waiting. Nothing can bring back what it has removed: contents and
uploads were blocked first. What others build meanwhile on what it has not yet removed, it finds
when it is retried: its plan then takes in the versions of the coordinate system that came since.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time

from darkroom.erasure.request import ErasureRequest
from darkroom.errors import ConflictError
from darkroom.layout import ERASURES, Run
from functions.runs.queues import WorkQueues
from functions.runs.records import FINISHED, RunRecord, State, to_wire
from functions.runs.requirements import takes_request
from functions.runs.table import RunTable

_MOST_REQUESTS = 200  # in one erasure: their ids are arguments of one job
_TRIES = 10


@dataclass(frozen=True)
class Erasures:
    """Registers requests, and says who waits for whom."""

    runs: RunTable
    queues: WorkQueues

    def register(self, request: ErasureRequest) -> RunRecord:
        """Add a request to the erasure that has not begun, opening one where there is none.

        Repeating it changes nothing. The table learns who asked, when and why, but not for what.
        """
        for _ in range(_TRIES):
            latest = self.runs.latest(ERASURES)
            if latest is not None and latest.state == State.OPEN and latest.attempt == 1:
                run = latest.key
            else:
                run = Run(ERASURES, latest.run + 1 if latest else 1)
            try:
                return self._register(run, request)
            except ConflictError:  # begun meanwhile, or full
                if latest is not None and len(latest.requests) >= _MOST_REQUESTS:
                    raise
        raise ConflictError("erasures begin faster than a request is added")

    def _register(self, run: Run, request: ErasureRequest) -> RunRecord:
        return self.runs.update(
            run,
            takes_request(request.id, _MOST_REQUESTS),
            "SET #state = :open, last_upload_at = :now,"
            " opened_at = if_not_exists(opened_at, :now),"
            " changed_at = if_not_exists(changed_at, :now),"
            " requests = list_append(if_not_exists(requests, :none), :summary)"
            " ADD #parts :ids, revision :one",
            {
                ":now": to_wire(time()),
                ":none": [],
                ":summary": [request.summary],
                ":ids": {request.id},
                ":one": 1,
            },
        )

    def pending(self) -> list[RunRecord]:
        """The erasures that wait or work, the oldest first."""
        return [r for r in self.runs.of_batch(ERASURES) if r.state not in FINISHED]

    def let_pass(self, record: RunRecord) -> RunRecord | None:
        """The run's record if its job may start; None where it has to wait for an erasure."""
        while True:
            pending = [one for one in self.pending() if one.state != State.SUCCEEDED]
            if pending and record.waits_for_erasure:
                return None
            if pending:
                self.runs.change(record, waits_for_erasure=True, prepared=False)
                self.wake()
                return None
            if not record.waits_for_erasure:
                return record
            record = self.runs.change(record, waits_for_erasure=False)  # then look once more

    def has_right_of_way(self, erasure: RunRecord) -> bool:
        """Whether nothing is under way that the erasure has to wait for."""
        return not any(_goes_first(other, erasure) for other in self.runs.every())

    def may_start(self, erasure: RunRecord) -> bool:
        """Whether no other erasure works: of two that were sealed at the same moment, the older
        one does."""
        others = (record for record in self.pending() if record.run != erasure.run)
        return not any(
            other.state != State.OPEN and (other.state != State.SEALED or other.run < erasure.run)
            for other in others
        )

    def wake(self) -> None:
        """Let the oldest erasure that has not begun be looked at."""
        waiting = [record for record in self.pending() if record.state == State.OPEN]
        for record in waiting[:1]:
            self.queues.pass_on(record)

    def release(self) -> None:
        """Let what may have waited for an erasure be looked at."""
        for record in self.runs.in_state(State.SEALED):
            self.queues.pass_on(record)
        self.wake()


def _goes_first(other: RunRecord, erasure: RunRecord) -> bool:
    if other.batch == ERASURES:
        if other.state == State.OPEN:
            return other.run < erasure.run
        return other.run != erasure.run and other.state not in FINISHED
    if other.state == State.OPEN:  # an archive may hold what is to be erased
        return bool(other.unpacking)
    if other.state == State.SEALED:
        return not other.waits_for_erasure
    return other.state in (State.SUBMITTED, State.RUNNING, State.SUCCEEDED)

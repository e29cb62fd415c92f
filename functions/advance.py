"""The state machine of a run.

    OPEN -> SEALED -> SUBMITTED -> RUNNING -> SUCCEEDED -> DONE
              ^_______________________|  (a failed attempt, once)  -> FAILED

An erasure is a run of the batch `ERASURES`: the same states, other steps. Every event (upload,
timer, job event, schedule) only asks for `advance(run)`, which looks at the state and does the next
thing. So a lost event costs minutes, one that comes twice costs nothing, and a crash between any
two calls is repaired by the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from darkroom.errors import ConflictError
from darkroom.layout import ERASURES, Run
from functions.queues import WorkQueues
from functions.records import RunRecord, State
from functions.runs import RunTable

Step = Callable[[RunRecord], bool]


@dataclass(frozen=True)
class Station:
    """The steps that one function can take. A step says whether it moved the run on; it raises
    `ConflictError` where somebody else did."""

    runs: RunTable
    queues: WorkQueues
    steps: Mapping[State, Step]
    erasure_steps: Mapping[State, Step]


def advance(run: Run, station: Station) -> RunRecord | None:
    """Do what comes next for the run, as far as this station can; then pass it on.

    Returns the record as it is left; None where there is no such run. Safe to repeat, and to do
    from several places at once.
    """
    while (record := station.runs.get(run)) is not None:
        steps = station.erasure_steps if run.batch == ERASURES else station.steps
        step = steps.get(record.state)
        if step is None:
            station.queues.pass_on(record)
            return record
        try:
            if not step(record):
                return record
        except ConflictError:  # someone else moved it: look again
            continue
    return None

"""`darkroom status`: finding runs, and waiting for them."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from cli.on_stack.stack import Stack
from darkroom.errors import UsageError
from darkroom.layout import ERASURES
from functions.runs.records import FINISHED, RunRecord, State

_LOOK_SECONDS = 1.0


def records(stack: Stack, batch: str | None) -> list[RunRecord]:
    """The runs of a batch, or of all; oldest first."""
    found = stack.runs.of_batch(batch) if batch else stack.runs.every()
    return sorted(found, key=lambda record: (record.opened_at, record.run))


def wait_until_finished(
    stack: Stack,
    batch: str,
    run: int | None = None,
    on_change: Callable[[RunRecord], None] = lambda record: None,
    on_look: Callable[[RunRecord | None], None] = lambda record: None,
) -> RunRecord:
    """Wait until the batch's newest run (or that one) is done or has failed.

    `on_change` is told of each new state, `on_look` of each look that found no end. Raises nothing
    for a batch that is still on its way.
    """
    seen: tuple[int, State] | None = None
    while True:
        mine = [r for r in stack.runs.of_batch(batch) if run is None or r.run == run]
        if mine:
            record = mine[-1]
            if (record.run, record.state) != seen:
                seen = (record.run, record.state)
                on_change(record)
            if record.state in FINISHED:
                return record
        on_look(mine[-1] if mine else None)
        sleep(_LOOK_SECONDS)


def chosen(stack: Stack, batch: str, run: int | None) -> RunRecord:
    """A batch's run, the newest unless given. Raises `UsageError` where there is none."""
    found = [r for r in stack.runs.of_batch(batch) if run is None or r.run == run]
    if not found:
        which = f"run {run} of batch" if run else "batch"
        raise UsageError(f"there is no {which} {batch!r}: `darkroom status` lists what there is")
    if batch == ERASURES:  # the one that holds the others, or the last that began
        failed = [record for record in found if record.state == State.FAILED]
        begun = [record for record in found if record.job_run_id]
        return (failed[:1] or begun[-1:] or found[-1:])[0]
    return found[-1]

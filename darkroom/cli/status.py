"""`darkroom status`: where each batch stands, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from time import sleep, time
from typing import Any

from darkroom.cli.stack import Stack
from darkroom.errors import UsageError
from darkroom.layout import ERASURES
from functions.closing import ClosingRules, closing_of
from functions.records import RunRecord, State

FINISHED = (State.DONE, State.FAILED)
_LOOK_SECONDS = 1.0


def records(stack: Stack, batch: str | None) -> list[RunRecord]:
    """The runs of a batch, or of all; oldest first."""
    found = stack.runs.of_batch(batch) if batch else stack.runs.every()
    return sorted(found, key=lambda record: (record.opened_at, record.run))


def words(record: RunRecord, rules: ClosingRules) -> str:
    """Where a run or an erasure stands."""
    if record.batch == ERASURES:
        return _erasure_words(record)
    match record.state:
        case State.OPEN:
            closing = closing_of(record, rules)
            left = max(closing.at - time(), 0)
            unless = "" if record.ready else " unless more come"
            return f"waiting: {record.uploads} files, closes in {_duration(left)}{unless}"
        case State.SEALED:
            if record.waits_for_erasure:
                return f"closed ({record.closed_because}): waits until an erasure is done"
            again = f" again, since attempt {record.attempt - 1} failed" if record.reason else ""
            return f"closed ({record.closed_because}): the job is being submitted{again}"
        case State.SUBMITTED:
            return f"submitted {_duration(time() - record.submitted_at)} ago: {_of(record)}"
        case State.RUNNING:
            return f"running for {_duration(time() - record.submitted_at)}: {_of(record)}"
        case State.SUCCEEDED:
            return f"processed: {_of(record)}; the results are being catalogued"
        case State.DONE:
            return f"done: {_equation(record)}"
        case State.FAILED:
            return f"FAILED: {record.reason}"


def title(record: RunRecord) -> str:
    """What people call the run."""
    if record.batch == ERASURES:
        return f"erasure {record.run}"
    return f"{record.batch}, run {record.run}"


def _erasure_words(record: RunRecord) -> str:
    asked = f"{len(record.requests)} request{'s' * (len(record.requests) != 1)}"
    match record.state:
        case State.OPEN:
            return f"{asked}: begins when what is under way has ended"
        case State.DONE:
            return f"done: {record.processed} files erased for {asked}"
        case State.FAILED:
            return (
                f"FAILED: {record.reason}; everything else waits until "
                f"`darkroom retry {ERASURES} --run {record.run}` succeeds"
            )
        case State.SUCCEEDED:
            return f"{asked}: erased; the catalog is brought up to date"
        case _:
            return f"{asked}: under way, attempt {record.attempt}"


def as_json(record: RunRecord, rules: ClosingRules) -> dict[str, Any]:
    """A run for programs."""
    told = {name: value for name, value in asdict(record).items()
            if name not in ("parts", "csv_progress", "client_token")}  # fmt: skip
    return {**told, "state": str(record.state), "words": words(record, rules)}


def wait_until_finished(
    stack: Stack,
    batch: str,
    run: int | None = None,
    on_change: Callable[[RunRecord], None] = lambda record: None,
) -> RunRecord:
    """Wait until the batch's newest run (or that one) is done or has failed.

    `on_change` is told of each new state. Raises nothing for a batch that is still on its way.
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


def _of(record: RunRecord) -> str:
    return f"{record.images} files, attempt {record.attempt}"


def _equation(record: RunRecord) -> str:
    found = (record.processed or 0) + (record.rejected or 0) + (record.missing or 0)
    took = _duration(record.changed_at - record.opened_at)
    others = (record.images or 0) - found
    skipped = f" ({others} more are no images)" if others else ""
    cost = f", cost {record.cost:.4f} {record.currency}" if record.cost is not None else ""
    return (
        f"{found} found = {record.processed} processed + {record.rejected} rejected "
        f"+ {record.missing} missing{skipped}, in {took}{cost}"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

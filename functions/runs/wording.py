"""Where a run stands, in words."""

from __future__ import annotations

from dataclasses import asdict
from time import time
from typing import Any

from darkroom.layout import ERASURES
from darkroom.printable import printable
from darkroom.run.progress import Progress
from functions.runs.batch_complete import ClosingRules, closing_of
from functions.runs.records import Lane, RunRecord, State


def words(record: RunRecord, rules: ClosingRules, progress: Progress | None = None) -> str:
    """Where a run or an erasure stands; `progress` is that of its job, where it is known."""
    stands = (
        _erasure_words(record) if record.batch == ERASURES else _run_words(record, rules, progress)
    )
    marker = f"; its _READY is not understood: {record.marker_problem}"
    trouble = f"; the last try failed: {record.trouble}"
    return stands + marker * bool(record.marker_problem) + trouble * bool(record.trouble)


def _run_words(record: RunRecord, rules: ClosingRules, progress: Progress | None) -> str:
    match record.state:
        case State.OPEN:
            closing = closing_of(record, rules)
            left = max(closing.at - time(), 0)
            unless = "" if record.ready else " unless more come"
            if archives := len(record.unpacking):
                packed = f"{archives} archive{'s' * (archives != 1)}"
                return f"waiting: {record.uploads} files; {packed} being unpacked"
            return f"waiting: {record.uploads} files, closes in {_duration(left)}{unless}"
        case State.SEALED:
            if record.waits_for_erasure:
                return f"closed ({record.closed_because}): waits until an erasure is done"
            again = _why_again(record)
            next_job = "the job is being submitted" if record.job else "waits for the next job"
            return f"closed ({record.closed_because}): {next_job}{again}"
        case State.SUBMITTED:
            return f"submitted {_duration(time() - record.submitted_at)} ago: {_of(record)}"
        case State.RUNNING:
            return _running_words(record, progress)
        case State.SUCCEEDED:
            return f"processed: {_of(record)}; the results are being catalogued"
        case State.DONE:
            return f"done: {_equation(record)}"
        case State.FAILED:
            return f"FAILED: {record.reason}"


def _why_again(record: RunRecord) -> str:
    if not record.reason:
        return ""
    if record.lane == Lane.SPARK and record.attempt == 1:
        return ", since the function for small batches could not end it"
    if record.attempt == 1:
        return " again, with fewer others, since their job failed"
    return f" again, since attempt {record.attempt - 1} failed"


def _running_words(record: RunRecord, progress: Progress | None) -> str:
    since = f"running for {_duration(time() - record.submitted_at)}"
    if progress is None:
        return f"{since}: {_of(record)}"
    rate = f"{progress.images_per_second:.0f} images/s"
    return f"{since}: {progress.done} of {progress.total} files, {rate}"


def title(record: RunRecord) -> str:
    """What people call the run."""
    if record.batch == ERASURES:
        return f"erasure {record.run}"
    return f"{printable(record.batch)}, run {record.run}"


def _erasure_words(record: RunRecord) -> str:
    asked = f"{len(record.requests)} request{'s' * (len(record.requests) != 1)}"
    match record.state:
        case State.OPEN:
            again = "" if record.attempt == 1 else " again"
            return f"{asked}: begins{again} when what is under way has ended"
        case State.DONE:
            return f"done: {record.processed} files erased for {asked}"
        case State.FAILED:
            return (
                f"FAILED: {record.reason}; `darkroom retry {ERASURES} --run {record.run}` "
                "goes on where it stopped"
            )
        case State.SUCCEEDED:
            return f"{asked}: erased; the catalog is brought up to date"
        case _:
            return f"{asked}: under way, attempt {record.attempt}"


def as_json(record: RunRecord, rules: ClosingRules) -> dict[str, Any]:
    """A run for programs."""
    told = {name: value for name, value in asdict(record).items()
            if name not in ("parts", "unpacking", "csv_progress", "client_token")}  # fmt: skip
    return {**told, "state": str(record.state), "words": words(record, rules)}


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

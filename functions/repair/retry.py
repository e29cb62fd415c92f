"""Working images again: those of a failed run, or those that a run rejected or missed."""

from __future__ import annotations

from time import time

from darkroom import manifest
from darkroom.errors import UsageError
from darkroom.layout import ERASURES, Run
from darkroom.manifest import Entry
from darkroom.storage.parquet import from_parquet
from darkroom.storage.store import Store
from functions.erasure.right_of_way import Erasures
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State
from functions.runs.table import RunTable

_TRIES = 2


def retry_failed(record: RunRecord, runs: RunTable, queues: WorkQueues) -> RunRecord:
    """Let a failed run start over, with new attempts; a failed erasure waits for its turn again.
    Raises `UsageError` for any other."""
    if record.state != State.FAILED and record.batch == ERASURES:
        raise UsageError(f"erasure {record.run} is {record.state}, not FAILED")
    if record.state != State.FAILED:
        raise UsageError(
            f"run {record.run} of batch {record.batch!r} is {record.state}, not FAILED; "
            "--rejected works its rejected images again"
        )
    attempt = record.attempt + 1
    waits = record.batch == ERASURES  # others are under way: it kept none of them
    again = runs.change(
        record,
        state=State.OPEN if waits else State.SEALED,
        sealed_at=time(),
        attempt=attempt,
        give_up_after=attempt + _TRIES - 1,
        unbalanced=False,
        prepared=False,
        job="",
        most_beside=None,
    )
    queues.pass_on(again)
    return again


def retry_rejected(
    record: RunRecord, runs: RunTable, queues: WorkQueues, results: Store
) -> RunRecord:
    """Open and close a run of just the images that a finished run rejected or missed.

    Raises `UsageError` where there are none, the batch's newest run is still open, or images are
    being erased.
    """
    if Erasures(runs, queues).pending():
        raise UsageError("images are being erased: try again when `darkroom erasures` says done")
    if record.state != State.DONE:
        raise UsageError(f"run {record.run} of batch {record.batch!r} is {record.state}, not DONE")
    latest = runs.latest(record.batch)
    if latest is None or latest.state == State.OPEN:
        raise UsageError(f"batch {record.batch!r} is open: try again when it is closed")
    entries = _refused(record, results)
    if not entries:
        raise UsageError(f"run {record.run} of batch {record.batch!r} rejected nothing")
    run = Run(record.batch, latest.run + 1)
    results.write(f"{run.manifest}/part-00000.jsonl.gz", manifest.pack(entries))
    again = _run_of(entries, record, latest, run)
    runs.create(again)
    queues.pass_on(again)
    return again


def _refused(record: RunRecord, results: Store) -> list[Entry]:
    """What of a run's manifest was rejected or is missing."""
    refused = {
        path
        for key in results.list(record.key.rejected, ".parquet")
        for path in from_parquet(results.read(key), ["path"])["path"].to_pylist()
    }
    given = (manifest.unpack(results.read(key)) for key in results.list(record.key.manifest))
    return [entry for part in given for entry in part if entry.key in refused]


def _run_of(entries: list[Entry], record: RunRecord, latest: RunRecord, run: Run) -> RunRecord:
    """A closed run of just these."""
    now = time()
    return RunRecord(
        batch=run.batch,
        run=run.number,
        state=State.SEALED,
        revision=1,
        opened_at=now,
        changed_at=now,
        last_upload_at=now,
        uploads=len(entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
        marker_sequencer=latest.marker_sequencer,
        files_before=latest.files_given - len(entries),
        closed_because=f"the images that run {record.run} rejected",
        retry_of=record.run,
        sealed_at=now,
        images=len(entries),
    )

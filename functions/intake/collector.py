"""Uploads to manifest parts, registered with their batch's open run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from darkroom import manifest
from darkroom.erasure.block_list import BlockList
from darkroom.errors import ConflictError
from darkroom.layout import Run, incoming_part
from darkroom.manifest import Entry
from functions.aws.bucket import Bucket
from functions.intake.markers import read_marker
from functions.intake.uploads import Upload
from functions.runs.parts import Marker, Part
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State
from functions.runs.table import RunTable

_TRIES = 10


@dataclass(frozen=True)
class Collector:
    """Registers uploads. `s3` is a boto3 client, to read markers with."""

    runs: RunTable
    results: Bucket
    queues: WorkQueues
    s3: Any
    quiet_seconds: int
    marker_seconds: int

    def collect(self, batch: str, uploads: Iterable[Upload], blocked: BlockList) -> None:
        """Add uploads to the batch's open run, opening one where there is none; but not those that
        were erased, of which S3 may tell once more.

        Repeating it may count uploads twice, but never lists one twice: sealing drops repetitions.
        """
        entries: list[Entry] = []
        markers: list[Entry] = []
        for upload in uploads:
            if not blocked.erased(upload.entry):
                (markers if upload.is_marker else entries).append(upload.entry)
        newest = manifest.latest(markers)[0] if markers else None
        record = self._register(batch, manifest.latest(entries), newest)
        if record is not None and (delay := self._wake_after(record, newest)) is not None:
            self.queues.wake(record.key, delay)

    def _register(self, batch: str, entries: list[Entry], newest: Entry | None) -> RunRecord | None:
        """The open run with the part in it; None where there is nothing new."""
        marker = None
        for _ in range(_TRIES):
            latest = self.runs.latest(batch)
            open_run = latest if latest and latest.state == State.OPEN else None
            if newest and _is_news(newest, latest):
                marker = marker or read_marker(self.s3, newest)
            elif not entries:
                return open_run
            part = self._write(batch, entries, marker)
            run = open_run.key if open_run else Run(batch, latest.run + 1 if latest else 1)
            try:
                return self.runs.register(run, part, latest)
            except ConflictError:  # sealed meanwhile: the part goes to the next run
                continue
        raise ConflictError(f"batch {batch!r}: runs open and close faster than a part is added")

    def _write(self, batch: str, entries: list[Entry], marker: Marker | None) -> Part:
        packed = manifest.pack(sorted(entries, key=lambda entry: (entry.key, entry.sequencer)))
        sequencer = marker.sequencer if marker else ""
        part = hashlib.sha256(packed + sequencer.encode()).hexdigest()[:16]
        self.results.write(incoming_part(batch, part), packed)
        return Part(part, len(entries), sum(entry.size_bytes for entry in entries), marker)

    def _wake_after(self, record: RunRecord, newest: Entry | None) -> int | None:
        """Seconds until the run may have to be closed; None where its timer runs already."""
        if newest is not None:
            return self.marker_seconds
        if record.expected is not None and record.uploads >= record.expected:
            return 0
        if record.expected is not None and record.files_given >= record.expected:
            return self.marker_seconds
        return self.quiet_seconds if record.revision == 1 else None


def _is_news(marker: Entry, latest: RunRecord | None) -> bool:
    known = latest.marker_sequencer if latest else ""
    return marker.sequencer.zfill(64) > known.zfill(64)

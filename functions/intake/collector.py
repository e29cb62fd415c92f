"""Uploads to manifest parts, registered with their batch's open run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import boto3

from darkroom import manifest
from darkroom.erasure.block_list import BlockList
from darkroom.errors import ConflictError
from darkroom.layout import Run, incoming_part
from darkroom.manifest import Entry
from functions.aws.bucket import Bucket
from functions.aws.settings import CollectSettings
from functions.intake.markers import read_marker
from functions.intake.uploads import Upload
from functions.runs.parts import Marker, Part
from functions.runs.queues import Unpacking, WorkQueues
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
    most_files: int

    def collect(self, batch: str, uploads: Iterable[Upload], blocked: BlockList) -> None:
        """Add uploads to the batch's open run, opening one where there is none; but not those that
        were erased, of which S3 may tell once more.

        Repeating it may count uploads twice, but never lists one twice: sealing drops repetitions.
        """
        told = [upload for upload in uploads if not blocked.erased(upload.entry)]
        for archive in manifest.latest(upload.entry for upload in told if upload.is_archive):
            self._register_archive(batch, archive)
        markers = [upload.entry for upload in told if upload.is_marker]
        entries = [u.entry for u in told if not u.is_marker and not u.is_archive]
        newest = manifest.latest(markers)[0] if markers else None
        self._add(batch, partial(self._part, batch, manifest.latest(entries), newest), newest)

    def collect_members(self, batch: str, members: list[Entry]) -> None:
        """Add what came of an archive to the batch's open run, without waiting until S3 tells of
        it. What S3 will tell of is not counted here."""
        if members:
            refused = sum(bool(entry.refusal) for entry in members)
            part = replace(self._write(batch, members, None), uploads=refused)
            self._add(batch, lambda latest: part)

    def archive_ended(self, run: Run, part: str) -> None:
        """Let a run wait for an archive no longer. Raises `ConflictError` where it did not."""
        record = self.runs.archive_ended(run, part)
        if record.state == State.OPEN:
            self.queues.wake(run, self.marker_seconds if record.ready else self.quiet_seconds)

    def _register_archive(self, batch: str, archive: Entry) -> None:
        """Let the open run wait until the archive is unpacked, and have it unpacked."""
        part = replace(self._write(batch, [archive], None), uploads=0, is_archive=True)
        record = self._add(batch, lambda latest: part)
        if record is not None:
            self.queues.unpack(Unpacking(record.key, part.id))

    def _add(
        self,
        batch: str,
        part_after: Callable[[RunRecord | None], Part | None],
        newest: Entry | None = None,
    ) -> RunRecord | None:
        """As `_registered`; and let the run be looked at when it may have to be closed."""
        record = self._registered(batch, part_after)
        if record is not None and (delay := self._wake_after(record, newest)) is not None:
            self.queues.wake(record.key, delay)
        return record

    def _registered(
        self, batch: str, part_after: Callable[[RunRecord | None], Part | None]
    ) -> RunRecord | None:
        """The open run with a part in it, which is made in view of the batch's latest run; the run
        as it is, None where there is none, where there is nothing new."""
        for _ in range(_TRIES):
            latest = self.runs.latest(batch)
            open_run = latest if latest and latest.state == State.OPEN else None
            part = part_after(latest)
            if part is None:
                return open_run
            run = open_run.key if open_run else Run(batch, latest.run + 1 if latest else 1)
            try:
                return self.runs.register(run, part, latest)
            except ConflictError:  # sealed meanwhile: the part goes to the next run
                continue
        raise ConflictError(f"batch {batch!r}: runs open and close faster than a part is added")

    def _part(
        self, batch: str, entries: list[Entry], newest: Entry | None, latest: RunRecord | None
    ) -> Part | None:
        is_news = newest is not None and _is_news(newest, latest)
        if not entries and not is_news:
            return None
        marker = read_marker(self.s3, newest) if newest is not None and is_news else None
        return self._write(batch, entries, marker)

    def _write(self, batch: str, entries: list[Entry], marker: Marker | None) -> Part:
        packed = manifest.pack(sorted(entries, key=lambda entry: (entry.key, entry.sequencer)))
        sequencer = marker.sequencer if marker else ""
        part = hashlib.sha256(packed + sequencer.encode()).hexdigest()[:16]
        self.results.write(incoming_part(batch, part), packed)
        size_bytes = sum(max(entry.size_bytes, 0) for entry in entries)
        return Part(part, len(entries), size_bytes, marker)

    def _wake_after(self, record: RunRecord, newest: Entry | None) -> int | None:
        """Seconds until the run may have to be closed; None where its timer runs already."""
        if record.uploads >= self.most_files:
            return 0
        if newest is not None:
            return self.marker_seconds
        if record.expected is not None and record.uploads >= record.expected:
            return 0
        if record.expected is not None and record.files_given >= record.expected:
            return self.marker_seconds
        return self.quiet_seconds if record.revision == 1 else None


def collector_of(settings: CollectSettings) -> Collector:
    """A collector with clients of its own."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    return Collector(
        RunTable(boto3.resource("dynamodb").Table(settings.table)),
        Bucket(s3, settings.results_bucket),
        WorkQueues(sqs, settings.submit_queue_url, unpack_url=settings.unpack_queue_url),
        s3,
        settings.quiet_seconds,
        settings.marker_seconds,
        settings.max_run_files,
    )


def _is_news(marker: Entry, latest: RunRecord | None) -> bool:
    known = latest.marker_sequencer if latest else ""
    return marker.sequencer.zfill(64) > known.zfill(64)

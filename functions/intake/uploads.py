"""S3 notifications to uploads: which batch each belongs to, and its line in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from darkroom import strict_json
from darkroom.archives.kinds import archive_kind
from darkroom.layout import batch_of
from darkroom.manifest import Entry

MARKER = "_READY"
_LARGEST_BYTES = 2**53  # S3's objects end far below; JSON's numbers are whole up to here
_LONGEST_TEXT = 2048


@dataclass(frozen=True, slots=True)
class Upload:
    """One created object, the batch it belongs to, and when (seconds since 1970) S3 told of it."""

    batch: str
    entry: Entry
    told_at: float = 0

    @property
    def is_archive(self) -> bool:
        """Whether this object is to be unpacked."""
        return archive_kind(self.entry.key) is not None and not self.entry.refusal

    @property
    def is_marker(self) -> bool:
        """Whether this object says that its batch is complete."""
        return self.entry.key == f"{self.batch}/{MARKER}"


@dataclass(frozen=True)
class Notification:
    """What a message tells of: uploads, and what is wrong with those of its records that cannot be
    understood; '' where all can."""

    uploads: list[Upload]
    problem: str = ""


def notification_in(body: str) -> Notification:
    """What one message of S3 says; nothing for `s3:TestEvent` and for folder placeholders. Raises
    nothing: whatever else it holds is a `problem`."""
    try:
        told = strict_json.parse(body)
        records = told["Records"] if isinstance(told, dict) and "Records" in told else None
        if records is None:
            is_test = isinstance(told, dict) and told.get("Event") == "s3:TestEvent"
            return Notification([], "" if is_test else "not an S3 notification: it has no Records")
    except ValueError as error:
        return Notification([], f"not an S3 notification: {error}")
    uploads: list[Upload] = []
    problem = "" if isinstance(records, list) else "its Records are no list"
    for record in records if isinstance(records, list) else ():
        try:
            uploads += _created(record)
        except Exception as error:  # a record can be anything; those beside it are sound
            problem = f"a record that cannot be understood: {error!r}"[:500]
    return Notification(uploads, problem)


def _created(record: Mapping[str, Any]) -> list[Upload]:
    event = S3EventRecord(dict(record))
    if "ObjectCreated" not in event.event_name:
        return []
    upload = _upload(event)
    return [] if upload.entry.key.endswith("/") else [upload]


def _upload(record: S3EventRecord) -> Upload:
    bucket, stored = record.s3.bucket.name, record.s3.get_object
    key = unquote_plus(stored.key)
    entry = Entry(
        store=f"s3://{_text(bucket)}",
        key=_text(key),
        version_id=None if stored.version_id is None else _text(stored.version_id),
        etag=_text(stored.etag),
        size_bytes=_size(stored.size),
        sequencer=_text(stored.sequencer),
    )
    told_at = datetime.fromisoformat(record.event_time).timestamp()
    return Upload(batch_of(key, record.event_time[:10]), entry, told_at)


def _text(value: object) -> str:
    """A text that can be stored. Raises `ValueError` for anything else."""
    if not isinstance(value, str) or len(value.encode()) > _LONGEST_TEXT:
        raise ValueError("not a short text")
    return value


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST_BYTES:
        raise ValueError("not a size in bytes")
    return value

"""S3 notifications to uploads: which batch each belongs to, and its line in the manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from darkroom.layout import batch_of
from darkroom.manifest import Entry

MARKER = "_READY"


@dataclass(frozen=True, slots=True)
class Upload:
    """One created object, the batch it belongs to, and when (seconds since 1970) S3 told of it."""

    batch: str
    entry: Entry
    told_at: float = 0

    @property
    def is_marker(self) -> bool:
        """Whether this object says that its batch is complete."""
        return self.entry.key == f"{self.batch}/{MARKER}"


def uploads_in(body: str) -> list[Upload]:
    """The uploads of one S3 notification; none for `s3:TestEvent` and for folder placeholders.

    Raises `ValueError` for a body that is no S3 notification.
    """
    notification = json.loads(body)
    if not isinstance(notification, dict):
        raise ValueError("not an S3 notification")
    if "Records" not in notification:
        if notification.get("Event") == "s3:TestEvent":
            return []
        raise ValueError("not an S3 notification: it has no Records")
    created = (record for record in S3Event(notification).records
               if "ObjectCreated" in record.event_name)  # fmt: skip
    uploads = (_upload(record) for record in created)
    return [upload for upload in uploads if not upload.entry.key.endswith("/")]


def _upload(record: S3EventRecord) -> Upload:
    bucket, stored = record.s3.bucket.name, record.s3.get_object
    key = unquote_plus(stored.key)
    entry = Entry(
        store=f"s3://{bucket}",
        key=key,
        version_id=stored.version_id,
        etag=stored.etag,
        size_bytes=stored.size,
        sequencer=stored.sequencer,
    )
    told_at = datetime.fromisoformat(record.event_time).timestamp()
    return Upload(batch_of(key, record.event_time[:10]), entry, told_at)

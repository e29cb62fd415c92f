"""When a batch is complete: a marker, a quiet period, or a maximum age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.records import RunRecord

MOST_PARTS = 10_000  # their names fill half of what DynamoDB allows an item


@dataclass(frozen=True)
class ClosingRules:
    """The template's parameters. `marker_seconds` is how long uploads may be told of after the
    marker was: S3 does not keep their order."""

    quiet_seconds: int
    marker_seconds: int
    max_age_seconds: int


@dataclass(frozen=True)
class Closing:
    """The moment (seconds since 1970) at which an open run closes unless more comes, and why."""

    at: float
    because: str


def closing_of(
    record: RunRecord, rules: ClosingRules, count_images: Callable[[], int] | None = None
) -> Closing:
    """When the open run closes, as things stand.

    `count_images` counts the distinct images so far; without it, events are taken for images.
    """
    if len(record.parts) >= MOST_PARTS:
        return Closing(record.last_upload_at, f"{MOST_PARTS} parts, the limit")
    oldest = Closing(
        record.opened_at + rules.max_age_seconds, f"open for {rules.max_age_seconds} s, the limit"
    )
    if record.expected is not None:
        if record.uploads < record.expected:
            return oldest
        counted = count_images() if count_images else record.uploads
        if counted < record.expected:
            return oldest
        return Closing(record.last_upload_at, f"all {record.expected} announced files are there")
    if record.ready:
        marked = Closing(record.last_upload_at + rules.marker_seconds, "marked as ready")
        return min(oldest, marked, key=lambda closing: closing.at)
    quiet = Closing(
        record.last_upload_at + rules.quiet_seconds, f"quiet for {rules.quiet_seconds} s"
    )
    return min(oldest, quiet, key=lambda closing: closing.at)

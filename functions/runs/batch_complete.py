"""When a batch is complete: a marker, a quiet period, or a maximum age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.aws.settings import ApiSettings, SubmitSettings
from functions.runs.records import RunRecord

MOST_PARTS = 10_000  # their names fill half of what DynamoDB allows an item


@dataclass(frozen=True)
class ClosingRules:
    """The template's parameters. `marker_seconds` is how long uploads may be told of after the
    marker was: S3 does not keep their order. `most_files` are as many as one manifest may name."""

    quiet_seconds: int
    marker_seconds: int
    max_age_seconds: int
    most_files: int = 1_000_000


def rules_of(settings: SubmitSettings | ApiSettings) -> ClosingRules:
    """The rules that a function was given."""
    return ClosingRules(
        settings.quiet_seconds,
        settings.marker_seconds,
        settings.max_age_seconds,
        settings.max_run_files,
    )


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
    if record.uploads >= rules.most_files:
        return Closing(record.last_upload_at, f"{rules.most_files} files, the limit")
    oldest = Closing(
        record.opened_at + rules.max_age_seconds, f"open for {rules.max_age_seconds} s, the limit"
    )
    if record.unpacking:  # what is in an archive belongs to the run that the archive came in
        return oldest
    return min(oldest, _unless_more_comes(record, rules, count_images, oldest), key=_moment)


def _unless_more_comes(
    record: RunRecord,
    rules: ClosingRules,
    count_images: Callable[[], int] | None,
    oldest: Closing,
) -> Closing:
    if record.expected is not None:
        return _when_counted(record, rules, count_images) or oldest
    if record.ready:
        return Closing(record.last_upload_at + rules.marker_seconds, "marked as ready")
    return Closing(
        record.last_upload_at + rules.quiet_seconds, f"quiet for {rules.quiet_seconds} s"
    )


def _when_counted(
    record: RunRecord, rules: ClosingRules, count_images: Callable[[], int] | None
) -> Closing | None:
    """A count is of the batch: a run that closed before its marker came has some of the files.
    Where only together with those all are there, it is waited for as after a marker without a
    count: it may have been meant for this run alone. None while it is not reached."""
    expected, counted = record.expected or 0, record.uploads
    if counted >= expected and count_images is not None:
        counted = count_images()
    if counted >= expected:
        return Closing(record.last_upload_at, f"all {expected} announced files are there")
    if record.files_before and counted + record.files_before >= expected:
        because = f"all {expected} announced files are there, with those of earlier runs"
        return Closing(record.last_upload_at + rules.marker_seconds, because)
    return None


def _moment(closing: Closing) -> float:
    return closing.at

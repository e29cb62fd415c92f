"""What the table knows of a run, and how DynamoDB spells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from darkroom.layout import Run


class State(StrEnum):
    """Where a run stands."""

    OPEN = "OPEN"
    SEALED = "SEALED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    DONE = "DONE"
    FAILED = "FAILED"


class Lane(StrEnum):
    """What works a run: the joint Spark job, or the function for small batches."""

    SPARK = "spark"
    SMALL = "small"


_LONGEST_TROUBLE = 500
FINISHED = (State.DONE, State.FAILED)
UNFINISHED = (State.OPEN, State.SEALED, State.SUBMITTED, State.RUNNING, State.SUCCEEDED)


@dataclass(frozen=True)
class RunRecord:
    """One run as the table has it. Times are seconds since 1970, UTC.

    `uploads` counts events, of which some may have come twice; `images` are the manifest's entries
    after sealing; `unpacking` are parts that name archives, which are being unpacked;
    `files_before` are those that earlier runs of the batch were given. `trouble` is
    what kept the run from its next step in the last of `failed_tries`, `marker_problem` what is
    wrong with a `_READY` that was not understood. `revision` grows with every change, and is the
    condition of the next. `csv_version` is the PCA version that the CSV is in. The billed hours are
    of all attempts up to `billed_attempt`. An erasure is a run too, of the batch `ERASURES`; its
    `requests` say who asked for it, when and why.

    `prepared`: the manifest is written, and the run can go into a job. `job` is the id of the one
    that has taken it, of whose bill `job_share` is its own; `most_beside` is how many others may be
    in its next one, since the last died with so many that nobody knows whose fault it was. The job
    that is under way is a record too, of the batch `JOBS`; its `members` are the runs in it.

    `lane` is what works the run, known when it is prepared: `SMALL` is the function, which
    `works_until` then; `SPARK` is for good.
    """

    batch: str
    run: int
    state: State
    revision: int = 0
    opened_at: float = 0
    changed_at: float = 0
    last_upload_at: float = 0
    uploads: int = 0
    size_bytes: int = 0
    parts: frozenset[str] = frozenset()
    unpacking: frozenset[str] = frozenset()
    ready: bool = False
    marker_sequencer: str = ""
    marker_problem: str = ""
    files_before: int = 0
    expected: int | None = None
    closed_because: str = ""
    retry_of: int | None = None
    sealed_at: float = 0
    images: int | None = None
    prepared: bool = False
    lane: str = ""
    works_until: float = 0
    job: str = ""
    job_share: float = 1
    most_beside: int | None = None
    members: Sequence[Mapping[str, Any]] = ()
    attempt: int = 1
    give_up_after: int = 2
    client_token: str = ""
    job_run_id: str = ""
    submitted_at: float = 0
    processed: int | None = None
    rejected: int | None = None
    missing: int | None = None
    pca_version: int | None = None
    csv_version: int = 0
    csv_progress: Mapping[str, Any] = field(default_factory=dict)
    billed_attempt: int = 0
    vcpu_hours: float = 0
    memory_gb_hours: float = 0
    storage_gb_hours: float = 0
    function_gb_seconds: float = 0
    cost: float | None = None
    currency: str = ""
    reason: str = ""
    trouble: str = ""
    failed_tries: int = 0
    unbalanced: bool = False
    waits_for_erasure: bool = False
    requests: Sequence[Mapping[str, Any]] = ()

    @property
    def key(self) -> Run:
        """Which run this is."""
        return Run(self.batch, self.run)

    @property
    def member_runs(self) -> list[Run]:
        """Which runs are in this job."""
        return [Run(str(told["batch"]), int(told["run"])) for told in self.members]

    @property
    def texts(self) -> dict[str, str]:
        """What was said of the run in words, which may name an image; by attribute."""
        told = {"reason": self.reason, "trouble": self.trouble}
        return {name: text for name, text in told.items() if text}

    @property
    def files_given(self) -> int:
        """How many files this run and those before it were given, as far as is known."""
        return self.files_before + (self.uploads if self.images is None else self.images)


def trouble_of(words: str) -> str:
    """Words for a record's `trouble`. They are not cut: half a name would be left of them by an
    erasure."""
    return words if len(words) <= _LONGEST_TROUBLE else "see the function's log"


def record_of(item: Mapping[str, Any]) -> RunRecord:
    """The record in an item."""
    known = {field.name for field in fields(RunRecord)}
    values = {name: _plain(value) for name, value in item.items() if name in known}
    return RunRecord(**{**values, "state": State(values["state"])})


def item_of(record: RunRecord) -> dict[str, Any]:
    """The record as an item."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: to_wire(value)
        for name, value in values.items()
        if value not in (None, frozenset(), ()) and value != {}
    }


def to_wire(value: Any) -> Any:
    """A value as boto3 stores it."""
    if isinstance(value, float):
        return Decimal(str(round(value, 6)))
    if isinstance(value, dict):
        return {name: to_wire(inner) for name, inner in value.items()}
    return set(value) if isinstance(value, frozenset) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return frozenset(value) if isinstance(value, set) else value

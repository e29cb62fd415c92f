"""The record of each batch's runs in DynamoDB. Every change is a conditional write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from time import time
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from darkroom.errors import ConflictError
from darkroom.layout import Run

BY_STATE = "by_state"


class State(StrEnum):
    """Where a run stands."""

    OPEN = "OPEN"
    SEALED = "SEALED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    DONE = "DONE"
    FAILED = "FAILED"


UNFINISHED = (State.OPEN, State.SEALED, State.SUBMITTED, State.RUNNING, State.SUCCEEDED)


@dataclass(frozen=True)
class RunRecord:
    """One run as the table has it. Times are seconds since 1970, UTC.

    `uploads` counts events, of which some may have come twice; `images` are the manifest's entries
    after sealing. `revision` grows with every change, and is the condition of the next. The billed
    hours are of all attempts up to `billed_attempt`.
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
    ready: bool = False
    marker_sequencer: str = ""
    expected: int | None = None
    closed_because: str = ""
    retry_of: int | None = None
    sealed_at: float = 0
    images: int | None = None
    attempt: int = 1
    give_up_after: int = 2
    client_token: str = ""
    job_run_id: str = ""
    submitted_at: float = 0
    processed: int | None = None
    rejected: int | None = None
    missing: int | None = None
    pca_version: int | None = None
    csv_progress: Mapping[str, Any] = field(default_factory=dict)
    billed_attempt: int = 0
    vcpu_hours: float = 0
    memory_gb_hours: float = 0
    storage_gb_hours: float = 0
    cost: float | None = None
    currency: str = ""
    reason: str = ""
    unbalanced: bool = False

    @property
    def key(self) -> Run:
        """Which run this is."""
        return Run(self.batch, self.run)


@dataclass(frozen=True)
class Marker:
    """A `_READY` object: the upload event's sequencer, and how many images it announces."""

    sequencer: str
    images: int | None = None


@dataclass(frozen=True)
class Part:
    """What a manifest part adds to its run."""

    id: str
    uploads: int
    size_bytes: int
    marker: Marker | None = None


class RunTable:
    """Reads and changes run records. `table` is a boto3 DynamoDB Table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, run: Run) -> RunRecord | None:
        """The record as it is now."""
        answer = self._table.get_item(Key=_key(run), ConsistentRead=True)
        return _record(answer["Item"]) if "Item" in answer else None

    def latest(self, batch: str) -> RunRecord | None:
        """The batch's newest run."""
        answer = self._table.query(
            KeyConditionExpression=Key("batch").eq(batch),
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=1,
        )
        return next((_record(item) for item in answer["Items"]), None)

    def in_state(self, state: State) -> Iterator[RunRecord]:
        """All runs in a state, as the index shows them: a little late, and without their parts."""
        yield from self._pages(
            self._table.query,
            IndexName=BY_STATE,
            KeyConditionExpression=Key("state").eq(str(state)),
        )

    def of_job(self, job_run_id: str) -> Run | None:
        """The unfinished run that a job was started for."""
        waiting = (
            record
            for state in UNFINISHED
            for record in self.in_state(state)
            if record.job_run_id == job_run_id
        )
        return next((record.key for record in waiting), None)

    def of_batch(self, batch: str) -> Iterator[RunRecord]:
        """A batch's runs, oldest first."""
        yield from self._pages(
            self._table.query,
            KeyConditionExpression=Key("batch").eq(batch),
            ConsistentRead=True,
        )

    def every(self) -> Iterator[RunRecord]:
        """All runs of all batches, in no order."""
        yield from self._pages(self._table.scan, ConsistentRead=True)

    def register(self, run: Run, part: Part, known_marker: str = "") -> RunRecord:
        """Add a part to a run that is open, opening it if it does not exist.

        `known_marker` is the sequencer of the newest marker that an earlier run has seen.
        Repeating it changes nothing. Raises `ConflictError` where the run is closed.
        """
        values = {
            ":open": State.OPEN,
            ":part": part.id,
            ":parts": {part.id},
            ":one": 1,
            ":uploads": part.uploads,
            ":size": part.size_bytes,
            ":now": _wire(time()),
        }
        change = (
            "SET #state = :open, last_upload_at = :now,"
            " opened_at = if_not_exists(opened_at, :now),"
            " changed_at = if_not_exists(changed_at, :now)"
        )
        if part.marker is not None:
            marker = {"ready": True, "marker_sequencer": part.marker.sequencer,
                      "expected": part.marker.images}  # fmt: skip
            values |= {f":{name}": value for name, value in marker.items()}
            change += "".join(f", {name} = :{name}" for name in marker)
        else:
            values[":known"] = known_marker
            change += ", marker_sequencer = if_not_exists(marker_sequencer, :known)"
        try:
            answer = self._table.update_item(
                Key=_key(run),
                UpdateExpression=change
                + " ADD #parts :parts, uploads :uploads, size_bytes :size, revision :one",
                ConditionExpression="attribute_not_exists(#state) OR"
                " (#state = :open AND NOT contains(#parts, :part))",
                ExpressionAttributeNames={"#state": "state", "#parts": "parts"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
            return _record(answer["Attributes"])
        except ClientError as error:
            _reraise_unless_conflict(error)
            known = self.get(run)
            if known and known.state == State.OPEN and part.id in known.parts:
                return known
            raise ConflictError(f"{run} is closed") from error

    def create(self, record: RunRecord) -> None:
        """Add a run that does not exist. Raises `ConflictError` where it does."""
        try:
            self._table.put_item(
                Item=_item(record),
                ConditionExpression="attribute_not_exists(#batch)",
                ExpressionAttributeNames={"#batch": "batch"},
            )
        except ClientError as error:
            _reraise_unless_conflict(error)
            raise ConflictError(f"{record.key} exists") from error

    def change(self, record: RunRecord, **attributes: Any) -> RunRecord:
        """Change attributes of a record that nobody changed since it was read.

        Raises `ConflictError` where somebody did.
        """
        stated = {"changed_at": time(), **attributes, "revision": record.revision + 1}
        names = {f"#{name}": name for name in stated}
        values = {f":{name}": _wire(value) for name, value in stated.items()}
        sets = ", ".join(f"#{name} = :{name}" for name in stated)
        gone = " REMOVE parts" if stated.get("state") == State.SUBMITTED else ""
        try:
            answer = self._table.update_item(
                Key=_key(record.key),
                UpdateExpression=f"SET {sets}{gone}",
                ConditionExpression="#revision = :was",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**values, ":was": record.revision},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            _reraise_unless_conflict(error)
            raise ConflictError(f"{record.key} was changed by someone else") from error
        return _record(answer["Attributes"])

    def remove(self, record: RunRecord) -> None:
        """Forget a run that nobody changed since it was read. Raises `ConflictError`."""
        try:
            self._table.delete_item(
                Key=_key(record.key),
                ConditionExpression="revision = :was",
                ExpressionAttributeValues={":was": record.revision},
            )
        except ClientError as error:
            _reraise_unless_conflict(error)
            raise ConflictError(f"{record.key} was changed by someone else") from error

    def _pages(self, read: Any, **query: Any) -> Iterator[RunRecord]:
        while True:
            answer = read(**query)
            yield from map(_record, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _reraise_unless_conflict(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error


def _key(run: Run) -> dict[str, Any]:
    return {"batch": run.batch, "run": run.number}


def _record(item: Mapping[str, Any]) -> RunRecord:
    known = {field.name for field in fields(RunRecord)}
    values = {name: _plain(value) for name, value in item.items() if name in known}
    return RunRecord(**{**values, "state": State(values["state"])})


def _item(record: RunRecord) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: _wire(value)
        for name, value in values.items()
        if value not in (None, frozenset()) and value != {}
    }


def _wire(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(round(value, 6)))
    if isinstance(value, dict):
        return {name: _wire(inner) for name, inner in value.items()}
    return set(value) if isinstance(value, frozenset) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return frozenset(value) if isinstance(value, set) else value

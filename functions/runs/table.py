"""The record of each batch's runs in DynamoDB. Every change is a conditional write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from time import time
from types import MappingProxyType
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from darkroom.errors import ConflictError
from darkroom.layout import JOBS, Run
from functions.runs.parts import Marker, Part
from functions.runs.records import UNFINISHED, RunRecord, State, item_of, record_of, to_wire
from functions.runs.requirements import (
    Requirement,
    is_new,
    is_unchanged,
    is_unchanged_or_gone,
    takes_part,
    waits_for_archive,
)

BY_STATE = "by_state"
_A_FEW = 200
THE_JOB = Run(JOBS, 1)  # there is one at a time

_log = logging.getLogger("darkroom.runs")


class RunTable:
    """Reads and changes run records. `table` is a boto3 DynamoDB Table."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def get(self, run: Run) -> RunRecord | None:
        """The record as it is now."""
        answer = self.table.get_item(Key=key_of(run), ConsistentRead=True)
        return record_of(answer["Item"]) if "Item" in answer else None

    def latest(self, batch: str) -> RunRecord | None:
        """The batch's newest run."""
        answer = self.table.query(
            KeyConditionExpression=Key("batch").eq(batch),
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=1,
        )
        return next((record_of(item) for item in answer["Items"]), None)

    def in_state(self, state: State) -> Iterator[RunRecord]:
        """All runs in a state, as the index shows them: a little late, and without their parts."""
        yield from self._pages(
            self.table.query,
            IndexName=BY_STATE,
            KeyConditionExpression=Key("state").eq(str(state)),
        )

    def newest_first(self, state: State, until: float | None = None) -> Iterator[RunRecord]:
        """The runs in a state as the index shows them, the last changed first; those alone that did
        not change after a moment. They are read as they are asked for."""
        condition = Key("state").eq(str(state))
        if until is not None:
            condition &= Key("changed_at").lte(to_wire(until))
        yield from self._pages(
            self.table.query,
            IndexName=BY_STATE,
            KeyConditionExpression=condition,
            ScanIndexForward=False,
            Limit=_A_FEW,
        )

    def members(self, job: RunRecord) -> Iterator[RunRecord]:
        """The runs in a job, as they are now; none of a run."""
        yield from (record for record in map(self.get, job.member_runs) if record is not None)

    def of_job(self, job_run_id: str) -> Run | None:
        """The record of a job: that of the joint job, or the erasure that it was started for."""
        joint = self.get(THE_JOB)
        if joint is not None and joint.job_run_id == job_run_id:
            return THE_JOB
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
            self.table.query,
            KeyConditionExpression=Key("batch").eq(batch),
            ConsistentRead=True,
        )

    def every(self) -> Iterator[RunRecord]:
        """All runs of all batches that can be read, in no order."""
        found = self._pages(self.table.scan, ConsistentRead=True)
        yield from (record for record in found if record.batch != JOBS)

    def unreadable(self) -> int:
        """How many records cannot be read: nobody knows what they say."""
        return sum(_readable(item) is None for item in self._items(self.table.scan))

    def register(self, run: Run, part: Part, latest: RunRecord | None) -> RunRecord:
        """Add a part to a run that is open, opening it if it does not exist.

        `latest` is the batch's newest run, as it was found: this one, or the one before it.
        Repeating it changes nothing. Raises `ConflictError` where the run is closed.
        """
        sets, values = _registration(part, latest)
        return self.update(
            run,
            takes_part(part),
            f"SET {', '.join(sets)} ADD #parts :parts, uploads :uploads, size_bytes :size,"
            " revision :one",
            values,
        )

    def archive_ended(self, run: Run, part: str) -> RunRecord:
        """Wait for an archive no longer: it is unpacked, or never will be. The run's quiet period
        begins now. Raises `ConflictError` where it was not waited for."""
        return self.update(
            run,
            waits_for_archive(part),
            "SET last_upload_at = :now DELETE unpacking :ended ADD revision :one",
            {":now": to_wire(time()), ":ended": {part}, ":one": 1},
        )

    def create(self, record: RunRecord) -> None:
        """Add a run that does not exist. Raises `ConflictError` where it does."""
        self._write(self.table.put_item, record.key, is_new(record), Item=item_of(record))

    def change(self, record: RunRecord, **attributes: Any) -> RunRecord:
        """Change attributes of a record that nobody changed since it was read. Whatever changes,
        the trouble that was is over, unless it is what is told.

        Raises `ConflictError` where somebody did.
        """
        over = {"trouble": "", "failed_tries": 0} if record.trouble else {}
        stated = {"changed_at": time(), **over, **attributes, "revision": record.revision + 1}
        sets = ", ".join(f"#{name} = :{name}" for name in stated)
        gone = " REMOVE parts" if stated.get("state") == State.SUBMITTED else ""
        return self.update(
            record.key,
            is_unchanged(record, stated),
            f"SET {sets}{gone}",
            {f":{name}": to_wire(value) for name, value in stated.items()},
            {f"#{name}": name for name in stated},
        )

    def remove(self, record: RunRecord) -> None:
        """Forget a run that nobody changed since it was read. Raises `ConflictError`."""
        requirement = is_unchanged_or_gone(record)
        self._write(self.table.delete_item, record.key, requirement, Key=key_of(record.key))

    def update(
        self,
        run: Run,
        requirement: Requirement,
        expression: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> RunRecord:
        """Change a run by an expression, if the requirement is met; the record as it is left.

        Raises `ConflictError`, with what has changed, where it is not.
        """
        left = self._write(
            self.table.update_item,
            run,
            requirement,
            Key=key_of(run),
            UpdateExpression=expression,
            ReturnValues="ALL_NEW",
            names=names,
            values=values,
        )
        assert left is not None
        return left

    def _write(
        self,
        write: Callable[..., Any],
        run: Run,
        requirement: Requirement,
        names: Mapping[str, str] = MappingProxyType({}),
        values: Mapping[str, Any] = MappingProxyType({}),
        **asked: Any,
    ) -> RunRecord | None:
        """Where the requirement is not met, look again: the answer to a first try may be lost."""
        told = {
            "ExpressionAttributeNames": {**names, **requirement.names},
            "ExpressionAttributeValues": {**values, **requirement.values},
        }
        try:
            answer = write(
                **asked,
                ConditionExpression=requirement.condition,
                **{name: value for name, value in told.items() if value},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            there = self.get(run)
            if not requirement.landed(there):
                raise ConflictError(f"{run}: {requirement.changed}") from error
            return there
        return record_of(answer["Attributes"]) if "Attributes" in answer else None

    def _pages(self, read: Any, **query: Any) -> Iterator[RunRecord]:
        yield from filter(None, map(_readable, self._items(read, **query)))

    def _items(self, read: Any, **query: Any) -> Iterator[Mapping[str, Any]]:
        while True:
            answer = read(**query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _readable(item: Mapping[str, Any]) -> RunRecord | None:
    """The record in an item of many; one that cannot be read is told of, and stops no other."""
    try:
        return record_of(item)
    except Exception as error:
        _log.error("a record cannot be read: batch %r, run %s: %r",
                   item.get("batch"), item.get("run"), error)  # fmt: skip
        return None


def _registration(part: Part, latest: RunRecord | None) -> tuple[list[str], dict[str, Any]]:
    """What registering a part sets, and the values that its expressions name."""
    values = {
        ":parts": {part.id},
        ":one": 1,
        ":uploads": part.uploads,
        ":size": part.size_bytes,
        ":now": to_wire(time()),
        ":before": latest.files_given if latest else 0,
    }
    sets = ["#state = :open", "last_upload_at = :now"]
    sets += [f"{name} = if_not_exists({name}, :now)" for name in ("opened_at", "changed_at")]
    sets.append("files_before = if_not_exists(files_before, :before)")
    if part.marker is None:
        values[":known"] = latest.marker_sequencer if latest else ""
        sets.append("marker_sequencer = if_not_exists(marker_sequencer, :known)")
    else:
        marker = _marked(part.marker)
        values |= {f":{name}": value for name, value in marker.items()}
        sets += [f"{name} = :{name}" for name in marker]
    return sets, values


def _marked(marker: Marker) -> dict[str, Any]:
    """What a marker changes in its run: one that was not understood closes nothing."""
    seen = {"marker_sequencer": marker.sequencer, "marker_problem": marker.problem}
    return seen if marker.problem else {**seen, "ready": True, "expected": marker.images}


def key_of(run: Run) -> dict[str, Any]:
    """The item's key."""
    return {"batch": run.batch, "run": run.number}

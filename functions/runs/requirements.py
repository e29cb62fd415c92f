"""Writes on condition in the table: what each requires, what has changed where it is not so, and
how one that has landed is told from one that did not.

DynamoDB's client tries again by itself where an answer was lost. The second try is refused if the
first has landed, so whoever is refused looks again, and cleans nothing up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.runs.parts import Part
from functions.runs.records import RunRecord, State, item_of, to_wire


@dataclass(frozen=True)
class Requirement:
    """`condition` as DynamoDB reads it, with `names` and `values`. `requires` and `changed` say it
    in words; `landed` whether the record that is there now is what the write would have left."""

    requires: str
    changed: str
    condition: str
    landed: Callable[[RunRecord | None], bool]
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def is_new(record: RunRecord) -> Requirement:
    """Of a run that is added."""
    return Requirement(
        "there is no such run",
        "somebody else has opened it",
        "attribute_not_exists(#batch)",
        lambda there: there is not None and item_of(there) == item_of(record),
        {"#batch": "batch"},
    )


def takes_part(part: Part) -> Requirement:
    """Of a run that a part of a manifest is added to."""
    return Requirement(
        "the run is open, or to be opened, and does not have this part",
        "the run is closed",
        "attribute_not_exists(#state) OR (#state = :open AND NOT contains(#parts, :part))",
        lambda there: (
            there is not None
            and there.state == State.OPEN
            and part.id in getattr(there, part.attribute)
        ),
        {"#state": "state", "#parts": part.attribute},
        {":open": State.OPEN, ":part": part.id},
    )


def waits_for_archive(part: str) -> Requirement:
    """Of a run whose archive is unpacked."""
    return Requirement(
        "the run waits for this archive",
        "it waits no longer",
        "contains(unpacking, :part)",
        lambda there: False,  # then it had ended before, and nothing is to be done
        values={":part": part},
    )


def takes_request(number: str, most: int) -> Requirement:
    """Of an erasure that a request is added to. One that is retried has its plan."""
    return Requirement(
        f"the erasure is open, or to be opened, was not tried, and has less than {most} requests",
        "the erasure takes no more requests",
        "attribute_not_exists(#state) OR (#state = :open AND attribute_not_exists(attempt)"
        " AND NOT contains(#parts, :id) AND size(requests) < :most)",
        lambda there: there is not None and number in there.parts,
        {"#state": "state", "#parts": "parts"},
        {":open": State.OPEN, ":id": number, ":most": most},
    )


def is_unchanged(record: RunRecord, stated: Mapping[str, Any]) -> Requirement:
    """Of a run that is changed to what is `stated`."""
    return Requirement(
        "the run is as it was read",
        "somebody else has changed it",
        "#revision = :was",
        lambda there: there is not None and _says(there, stated),
        {"#revision": "revision"},
        {":was": record.revision},
    )


def is_unchanged_or_gone(record: RunRecord) -> Requirement:
    """Of a run that is forgotten."""
    return Requirement(
        "the run is as it was read",
        "somebody else has changed it",
        "#revision = :was",
        lambda there: there is None,
        {"#revision": "revision"},
        {":was": record.revision},
    )


def _says(there: RunRecord, stated: Mapping[str, Any]) -> bool:
    return all(to_wire(getattr(there, name)) == to_wire(value) for name, value in stated.items())

"""Records that no one wrote so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PoisonError(Exception):
    """Nobody foresaw it."""


def altered(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["Records"][0]["s3"]["object"].update(changes)


RECORDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "half-a-character": altered(key="spring/\ud800.jpg"),
    "no-key": altered(key=None),
    "key-of-numbers": altered(key=[1, 2]),
    "huge-size": altered(size=10**60),
    "size-of-words": altered(size="many"),
    "negative-size": altered(size=-1),
    "no-sequencer": altered(sequencer=None),
    "long-sequencer": altered(sequencer="A" * 5000),
    "version-of-numbers": altered(versionId=7),
    "records-of-numbers": lambda event: event.update(Records=[5]),
    "records-of-nothing": lambda event: event.update(Records=None),
    "records-by-name": lambda event: event.update(Records={"a": 1}),
    "no-time": lambda event: event["Records"][0].update(eventTime=None),
}

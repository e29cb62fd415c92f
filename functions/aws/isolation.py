"""Working many records together, such that a poisoned one fails alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.errors import TransientError

Item = TypeVar("Item")

_PASSING_STATUS = (408, 429)
_PASSING = (
    "ConcurrentModificationException",  # of Glue
    "ConflictException",  # of an application that starts or stops
    "ExpiredTokenException", "LimitExceededException", "ProvisionedThroughputExceededException",
    "RequestLimitExceeded", "RequestTimeout", "ServiceQuotaExceededException", "SlowDown",
    "TooManyRequestsException",
)  # fmt: skip


def failing(
    work: Callable[[Sequence[Item]], None],
    items: Sequence[Item],
    report: Callable[[Exception, Sequence[Item]], None],
) -> list[Item]:
    """Do the work on all items at once; where that fails, on each half, and so on: those that fail
    by themselves, of which `report` is told.

    The work must be safe to repeat. What is a fault of the moment (AWS is out of reach, or busy)
    fails for all: halves would fail, too.
    """
    if not items:
        return []
    try:
        work(items)
    except Exception as error:  # whatever an item can bring about
        if len(items) > 1 and not is_of_the_moment(error):
            half = len(items) // 2
            return [*failing(work, items[:half], report), *failing(work, items[half:], report)]
        report(error, items)
        return list(items)
    return []


def is_of_the_moment(error: Exception) -> bool:
    """Whether the same call may go through later, whatever it was about."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.response.get("Error", {}).get("Code"))
        is_passing = code in _PASSING or "Throttl" in code
        return is_passing or status >= 500 or status in _PASSING_STATUS
    return isinstance(error, TransientError | BotoCoreError | OSError)

"""What lies in the queues: uploads that no run knows of yet, and messages that failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.on_stack.stack import Stack

_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True)
class Depth:
    """How many messages wait in a queue, and how many somebody works on."""

    waiting: int
    in_work: int


def backlog_words(stack: Stack) -> Iterator[str]:
    """Lines about what is in the queues; none where that is nothing, or may not be looked at."""
    sqs = boto3.client("sqs")
    try:
        for dead, source in stack.dead_letters.items():
            yield from _words(_name(source, stack.name), _depth(sqs, source), _depth(sqs, dead))
    except (ClientError, BotoCoreError):
        return


def _words(name: str, depth: Depth, dead: Depth) -> Iterator[str]:
    if name == "uploads" and (depth.waiting or depth.in_work):
        yield f"{depth.waiting + depth.in_work} uploads are on their way to their runs"
    elif depth.waiting:
        yield f"{depth.waiting} messages wait in the queue {name}"
    if count := dead.waiting + dead.in_work:
        yield (
            f"{count} messages of the queue {name} failed, and wait as dead letters: when what "
            "they failed on is mended, `darkroom redrive` brings them back"
        )


def _depth(sqs: Any, url: str) -> Depth:
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    return Depth(*(int(told.get(name, 0)) for name in _COUNTS))


def _name(url: str, stack: str) -> str:
    """The queue's own name, without the stack's."""
    return url.rpartition("/")[2].removeprefix(f"{stack}-")

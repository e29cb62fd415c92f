"""Messages back from a dead-letter queue to where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_AT_ONCE = 10
_HIDDEN_SECONDS = 60


@dataclass(frozen=True)
class Redriven:
    """How many messages were moved, and how many could not be: they are dead letters still."""

    moved: int = 0
    left: int = 0

    def __add__(self, other: Redriven) -> Redriven:
        return Redriven(self.moved + other.moved, self.left + other.left)


def redrive(sqs: Any, dead_letters: str, source: str) -> Redriven:
    """Move all messages, each by itself as far as failing goes. `sqs` is a boto3 client.

    A message is deleted after it was sent: an interruption repeats it, but never loses it.
    """
    done, seen = Redriven(), set[str]()
    while True:
        answer = sqs.receive_message(
            QueueUrl=dead_letters,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=1,
        )
        messages = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
        if not messages:
            return done
        seen |= {message["MessageId"] for message in messages}
        done += _move(sqs, dead_letters, source, messages)


def _move(sqs: Any, dead_letters: str, source: str, messages: list[dict[str, Any]]) -> Redriven:
    sent = sqs.send_message_batch(
        QueueUrl=source,
        Entries=[
            {"Id": str(number), "MessageBody": message["Body"]}
            for number, message in enumerate(messages)
        ],
    )
    failed = {int(refused["Id"]) for refused in sent.get("Failed", [])}
    moved = [message for number, message in enumerate(messages) if number not in failed]
    if moved:
        sqs.delete_message_batch(
            QueueUrl=dead_letters,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(moved)
            ],
        )
    return Redriven(len(moved), len(failed))

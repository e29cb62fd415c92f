"""Messages back from a dead-letter queue to where they came from."""

from __future__ import annotations

from typing import Any

from darkroom.errors import TransientError

_AT_ONCE = 10


def redrive(sqs: Any, dead_letters: str, source: str) -> int:
    """Move all messages; the number of them. `sqs` is a boto3 client.

    A message is deleted after it was sent: an interruption repeats it, but never loses it.
    """
    moved = 0
    while True:
        answer = sqs.receive_message(
            QueueUrl=dead_letters, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=1
        )
        messages = answer.get("Messages", [])
        if not messages:
            return moved
        sent = sqs.send_message_batch(
            QueueUrl=source,
            Entries=[
                {"Id": str(number), "MessageBody": message["Body"]}
                for number, message in enumerate(messages)
            ],
        )
        if sent.get("Failed"):
            raise TransientError(f"{source}: {sent['Failed'][0].get('Message', 'not sent')}")
        sqs.delete_message_batch(
            QueueUrl=dead_letters,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ],
        )
        moved += len(messages)

"""Upload events that failed and wait: those about erased uploads must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from darkroom.erasure.block_list import BlockList
from functions.uploads import Upload, uploads_in

_AT_ONCE = 10
_HIDDEN_SECONDS = 300
_WAIT_SECONDS = 1  # long polling asks all of the servers


@dataclass(frozen=True)
class UploadDeadLetters:
    """The dead-letter queue of the upload events. `sqs` is a boto3 client."""

    sqs: Any
    url: str

    def forget(self, blocked: BlockList) -> int:
        """Remove what is about erased uploads; how many messages were looked at."""
        messages = list(self._messages())
        self._show([message for message in messages if not self._settle(message, blocked)])
        return len(messages)

    def uploads(self) -> list[Upload]:
        """The uploads that messages here tell of."""
        messages = list(self._messages())
        self._show(messages)
        return [upload for message in messages for upload in _uploads(message["Body"])]

    def _messages(self) -> Iterator[dict[str, Any]]:
        """All messages, hidden from others until they are shown again."""
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
            if not answer.get("Messages"):
                return
            yield from answer["Messages"]

    def _show(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )

    def _settle(self, message: dict[str, Any], blocked: BlockList) -> bool:
        """Whether the message was about erased uploads, and is gone."""
        told = _uploads(message["Body"])
        if not any(blocked.erased(upload.entry) for upload in told):
            return False
        if left := _without_erased(message["Body"], blocked):
            self.sqs.send_message(QueueUrl=self.url, MessageBody=left)
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return True


def _uploads(body: str) -> list[Upload]:
    """What a message tells of; nothing where it cannot be understood."""
    try:
        return uploads_in(body)
    except (ValueError, KeyError, TypeError):
        return []


def _without_erased(body: str, blocked: BlockList) -> str:
    """The event without erased uploads; '' where nothing else is in it."""
    notification = json.loads(body)
    kept = [
        record
        for record in notification["Records"]
        if not any(
            blocked.erased(upload.entry) for upload in _uploads(json.dumps({"Records": [record]}))
        )
    ]
    return json.dumps({**notification, "Records": kept}) if kept else ""

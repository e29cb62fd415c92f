"""Upload events that failed and wait: those about erased uploads must not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from darkroom.erasure.block_list import BlockList
from functions.uploads import uploads_in

_AT_ONCE = 10
_HIDDEN_SECONDS = 300
_WAIT_SECONDS = 1  # long polling asks all of the servers


@dataclass(frozen=True)
class UploadDeadLetters:
    """The dead-letter queue of the upload events. `sqs` is a boto3 client."""

    sqs: Any
    url: str

    def forget(self, blocked: BlockList) -> int:
        """Remove what is about erased uploads; how many messages were looked at.

        The others are hidden meanwhile, and shown again at the end.
        """
        kept: list[str] = []
        looked_at = 0
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            looked_at += len(messages)
            kept += [m["ReceiptHandle"] for m in messages if not self._settle(m, blocked)]
        for handle in kept:
            self.sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=0
            )
        return looked_at

    def _settle(self, message: dict[str, Any], blocked: BlockList) -> bool:
        """Whether the message was about erased uploads, and is gone."""
        left = _without_erased(message["Body"], blocked)
        if left == message["Body"]:
            return False
        if left:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=left)
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return True


def _without_erased(body: str, blocked: BlockList) -> str:
    """The event without erased uploads; '' where nothing else is in it."""
    try:
        notification = json.loads(body)
        records = notification["Records"]
        kept = [record for record in records if not _is_erased(record, blocked)]
    except (ValueError, KeyError, TypeError):
        return body  # whatever it is, it tells of no upload
    if len(kept) == len(records):
        return body
    return json.dumps({**notification, "Records": kept}) if kept else ""


def _is_erased(record: dict[str, Any], blocked: BlockList) -> bool:
    uploads = uploads_in(json.dumps({"Records": [record]}))
    return any(blocked.erased(upload.entry) for upload in uploads)

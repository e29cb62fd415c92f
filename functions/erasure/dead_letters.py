"""Upload events that failed and wait: those about erased uploads must not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from functions.intake.uploads import Upload, notification_in

_AT_ONCE = 10
_HIDDEN_SECONDS = 900
_WAIT_SECONDS = 1  # long polling asks all of the servers


@dataclass(frozen=True)
class UploadDeadLetters:
    """The dead-letter queue of the upload events. `sqs` is a boto3 client."""

    sqs: Any
    url: str

    def forget(self, is_erased: Callable[[Upload], bool], names: Callable[[str], bool]) -> int:
        """Remove what is about erased uploads; how many messages were looked at. A message that
        cannot be understood goes as a whole, if its text names one."""
        messages = list(self._messages())
        self._show([m for m in messages if not self._settle(m, is_erased, names)])
        return len(messages)

    def uploads(self) -> list[Upload]:
        """The uploads that messages here tell of."""
        messages = list(self._messages())
        self._show(messages)
        return [upload for message in messages for upload in _uploads(message["Body"])]

    def _messages(self) -> Iterator[dict[str, Any]]:
        """All messages, hidden from others until they are shown again; each once, however long
        that takes."""
        seen: set[str] = set()
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
            news = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
            if not news:
                return
            seen |= {message["MessageId"] for message in news}
            yield from news

    def _show(self, messages: list[dict[str, Any]]) -> None:
        """Now, and not when their time is over. Those whose time is over are shown already."""
        for start in range(0, len(messages), _AT_ONCE):
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": message["ReceiptHandle"],
                        "VisibilityTimeout": 0,
                    }
                    for number, message in enumerate(messages[start : start + _AT_ONCE])
                ],
            )

    def _settle(
        self,
        message: dict[str, Any],
        is_erased: Callable[[Upload], bool],
        names: Callable[[str], bool],
    ) -> bool:
        """Whether the message was about erased uploads, and is gone."""
        body, told = message["Body"], notification_in(message["Body"])
        hidden = bool(told.problem) and (names(body) or names(unquote_plus(body)))
        if not hidden and not any(map(is_erased, told.uploads)):
            return False
        if not hidden and (left := _without_erased(body, is_erased)):
            self.sqs.send_message(QueueUrl=self.url, MessageBody=left)
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return True


def _uploads(body: str) -> list[Upload]:
    """What a message tells of, as far as it can be understood."""
    return notification_in(body).uploads


def _without_erased(body: str, is_erased: Callable[[Upload], bool]) -> str:
    """The event without erased uploads; '' where nothing else is in it."""
    notification = json.loads(body)
    kept = [
        record
        for record in notification["Records"]
        if not any(map(is_erased, _uploads(json.dumps({"Records": [record]}))))
    ]
    return json.dumps({**notification, "Records": kept}) if kept else ""
